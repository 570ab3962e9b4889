"""Checks of the rules: what decides, and whether it is what its author thinks."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.cli.doctor.finding import Finding, fail, ok, warn
from gateway.config import Settings
from gateway.errors import ConfigError, LedgerUnavailable
from gateway.ports import Ledger
from gateway.services.reload import kept_rules
from gateway.wiring.meaning import rule_files, rule_lists
from gateway.wiring.state import open_ledger


def rules(settings: Settings) -> Iterator[Finding]:
    """The version that decides, what waits to decide, and rules that are paused."""
    try:
        ledger = open_ledger(settings)
    except LedgerUnavailable:
        return  # the database's own check tells
    try:
        yield from _active(settings, ledger)
        yield from _pending(ledger)
        yield from _paused(ledger)
    except LedgerUnavailable:
        return
    finally:
        ledger.close()


def _active(settings: Settings, ledger: Ledger) -> Iterator[Finding]:
    active = ledger.active_rules()
    if active is None:
        yield ok("rules", "none decides yet; the first start takes those of gateway.toml.")
        return
    number = ledger.rule_version(active).number
    try:
        count = len(kept_rules(ledger, active, rule_lists(settings)).rules)
        written = rule_files(settings).version
    except ConfigError as error:
        yield fail("rules", f"version {number} decides and cannot be read: {error.text()}", "Go back with `gateway rules rollback`.")
        return
    if written == active:
        yield ok("rules", f"version {number} decides, {count} rules.")
    else:
        yield warn(
            "rules", f"version {number} decides; the files that gateway.toml names say something else.",
            "Look with `gateway rules diff active PATH`; let them decide with `gateway rules activate`.",
        )  # fmt: skip


def _pending(ledger: Ledger) -> Iterator[Finding]:
    for one in ledger.rule_activations():
        if one.state == "pending":
            yield warn(
                "rules", f"version {one.number} waits for a second person since {one.at:%Y-%m-%d}.",
                f"Another one than its author types `gateway rules approve {one.number}`.",
            )  # fmt: skip


def _paused(ledger: Ledger) -> Iterator[Finding]:
    for pause in ledger.pauses():
        yield warn(
            "rules", f"{pause.rule} is paused: {pause.seen} matches in a day, usually {pause.usual}.",
            f"If that is right: `gateway rules resume {pause.rule}`; else mend the rule and activate it.",
        )  # fmt: skip
