"""A gateway's home, made new: gateway.toml and the folders beside it. Never writes over anything."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.config.faults import SETTINGS_FILE
from gateway.config.load import load_settings
from gateway.errors import FolderNotUsable
from gateway.sandbox.authority import Authority

TO_BE_FILLED_IN = "fill-in"
_BASE_URL: Mapping[str, str] = {
    "demo": "https://localhost:8443/apis/v1",
    "test": "https://api.test.digitalpost.dk/apis/v1",
    "production": "https://api.digitalpost.dk/apis/v1",
}
_TEMPLATE = """\
# Settings of digitalpost-gateway. Every other setting, with its default: docs/reference/settings.md.
# Check changes with `gateway check-config`, the world around with `gateway doctor`.
environment = {environment}

[organisation]
name = {organisation}
cvr = {cvr}

[storage]
database = {database}

[smtp]
# Letters are mails to 0101011234@{plain_domain}. Certificate and key: PEM files.
hostname = {hostname}
domains = [{domain}]
certificate = "tls/smtp.crt"
key = "tls/smtp.key"

[digital_post]
base_url = {base_url}
{credentials}
[mail]
# The mail server that our own mails (receipts to senders) go through.
host = "127.0.0.1"
port = 25
tls = "starttls"
sender = {sender}
"""
_SANDBOX_CREDENTIALS = """\
# All made by `gateway sandbox`.
system_id = "sandbox-system"
token_file = "sandbox/token"
certificate = "sandbox/ca/client.crt"
key = "sandbox/ca/client.key"
ca = "sandbox/ca/ca.crt"
"""
_REAL_CREDENTIALS = """\
# From Administrativ Adgang: the system's id here, its token in the file (mode 0600).
system_id = "fill-in"
token_file = "secrets/digital-post.token"
# The OCES3 system certificate, as PEM files.
certificate = "tls/digital-post.crt"
key = "tls/digital-post.key"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What only the organisation knows."""

    organisation: str
    cvr: str
    domain: str
    environment: str
    database: str


def make_home(home: Path, answers: Answers) -> None:
    """Make *home* with gateway.toml (0640), users.toml (0600, empty), ``secrets/`` (0700), ``tls/``.

    In the demo environment the sandbox's authority makes the SMTP certificate too.

    Raises:
        FolderNotUsable: there is a gateway.toml already, or the folder cannot be written.
        ConfigError: the answers make no configuration that loads; nothing was written.
    """
    text = settings_text(answers)
    _try(text)
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o750)
        (home / "secrets").mkdir(exist_ok=True, mode=0o700)
        (home / "tls").mkdir(exist_ok=True, mode=0o750)
        _write_new(home / SETTINGS_FILE, text, mode=0o640)
        users = home / "users.toml"
        if not users.exists():
            _write_new(users, "", mode=0o600)
    except FileExistsError:
        raise FolderNotUsable(what=f"{home} has a {SETTINGS_FILE} already; nothing was changed") from None
    except OSError as error:
        raise FolderNotUsable(what=f"{home} cannot be written ({error.strerror})") from None
    if answers.environment == "demo":
        authority = Authority.open(home / "sandbox" / "ca")
        authority.server_certificate(home / "tls" / "smtp.crt", home / "tls" / "smtp.key")


def settings_text(answers: Answers) -> str:
    """The content of gateway.toml."""
    demo = answers.environment == "demo"
    return _TEMPLATE.format(
        environment=_quoted(answers.environment),
        organisation=_quoted(answers.organisation),
        cvr=_quoted(answers.cvr),
        database=_quoted(answers.database),
        plain_domain=answers.domain,
        domain=_quoted(answers.domain),
        hostname=_quoted("localhost" if demo else answers.domain),
        base_url=_quoted(_BASE_URL[answers.environment]),
        credentials=_SANDBOX_CREDENTIALS if demo else _REAL_CREDENTIALS,
        sender=_quoted(f"digitalpost@{answers.domain}"),
    )


def _try(text: str) -> None:
    """Load *text* as settings, away from the home: nothing is written that would not load."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / SETTINGS_FILE).write_text(text, encoding="utf-8")
        load_settings(Path(folder), environ={})


def _write_new(path: Path, text: str, *, mode: int) -> None:
    """Write a file that must not exist yet; the umask has no say in its mode."""
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        os.fchmod(handle, mode)
        file.write(text)


def _quoted(text: str) -> str:
    """*text* as a TOML string; JSON's escapes are TOML's."""
    return json.dumps(text, ensure_ascii=False)
