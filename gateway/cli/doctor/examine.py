"""All checks in order: what needs no settings first, then this machine, then the world outside."""

from __future__ import annotations

import email.policy
import platform
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from gateway.cli.config import every_fault
from gateway.cli.doctor import certificates, drops, machine, remote, rules
from gateway.cli.doctor.finding import Finding, fail, ok, warn
from gateway.config import Settings, load_settings
from gateway.config.faults import SETTINGS_FILE
from gateway.errors import ConfigError

# This version did not exist before; an earlier clock is wrong.
_EARLIEST_YEAR = 2026

Check = Callable[[Settings], Iterator[Finding]]
CHECKS: tuple[Check, ...] = (
    machine.environment,
    machine.file_system,
    machine.vault,
    machine.space,
    machine.secrets,
    certificates.certificates,
    machine.submitters,
    machine.ports,
    drops.sftp,
    remote.database,
    rules.rules,
    drops.folders,
    remote.digital_post,
    remote.mail_relay,
)


def examine(home: Path) -> Iterator[Finding]:
    """Every finding about the gateway in *home*, as it is found."""
    yield python()
    yield clock(home, datetime.now(UTC))
    faults = every_fault(home)
    if not faults:
        yield ok("configuration", f"{home / SETTINGS_FILE} loads.")
    for fault in faults:
        yield fail("configuration", fault.line(), "Mend it, then run `gateway check-config`.")
    try:
        settings = load_settings(home)
    except ConfigError:
        yield warn("the rest", "was not looked at.", "It needs a configuration that loads; run `gateway doctor` again then.")
        return
    for check in CHECKS:
        yield from check(settings)


def python() -> Finding:
    """CVE-2024-6923: before 3.11.10 a line break in an encoded word can become a header of its own."""
    version = platform.python_version()
    if hasattr(email.policy.default, "verify_generated_headers"):
        return ok("python", f"{version}.")
    return warn(
        "python",
        f"{version} lets a line break in a mail header become another header (CVE-2024-6923).",
        "Use Python 3.11.10 or later; until then the gateway's own checks of headers stand alone.",
    )


def clock(home: Path, now: datetime) -> Finding:
    """Certificates, receipts and retries go by the clock."""
    file = home / SETTINGS_FILE
    newest = datetime.fromtimestamp(file.stat().st_mtime, UTC) if file.exists() else now
    if now.year < _EARLIEST_YEAR or (newest - now).days >= 1:
        return fail("clock", f"says {now:%Y-%m-%d %H:%M} UTC, which is in the past.", "Set it, and keep it with NTP.")
    return ok("clock", f"{now:%Y-%m-%d %H:%M} UTC.")
