"""What the commands about rules share: where the rules lie, and how a set is examined here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from gateway.cli.context import Home
from gateway.config.settings import Settings
from gateway.errors import NotFound
from gateway.model.danish_time import DENMARK, local
from gateway.model.decision import Facts
from gateway.rules.bundle import Bundle, builtin, lists_folder, read_bundle
from gateway.rules.check import Checked, check
from gateway.rules.engine import RuleSet
from gateway.rules.examples import ReadMail
from gateway.rules.lists import Lists, Unread, read_lists
from gateway.wiring.meaning import ARCHIVES, DESTINATIONS

ACTIVE = "active"
BUILTIN = "builtin"


def settings_if_any(home: Home) -> Settings | None:
    """The settings of the home; None if it has none, for rules that are only looked at."""
    return home.settings if (home.home / "gateway.toml").exists() else None


def configured(home: Home) -> Path | None:
    """The rules that gateway.toml names; None: the built-in ones."""
    settings = home.settings
    return None if settings.rules.path is None else settings.path(settings.rules.path)


def files_at(path: Path | None) -> tuple[Bundle, Lists]:
    """The rule set at *path* (None: the built-in one) and its lists. Raises ConfigError."""
    return (builtin(), {}) if path is None else (read_bundle(path), read_lists(lists_folder(path)))


def examined(home: Home, path: Path | None) -> tuple[Bundle, Checked]:
    """The rule set at *path* with all that is found about it. Raises ConfigError: it cannot be opened."""
    settings = settings_if_any(home)
    bundle, lists = files_at(path)
    folder = None if path is None else lists_folder(path)
    found = check(
        bundle,
        lists,
        destinations=DESTINATIONS,
        archives=ARCHIVES,
        flows=[] if settings is None else list(settings.flows),
        today=local(datetime.now(UTC)).date(),
        read_mail=None if settings is None or folder is None else mail_reader(settings, folder, bundle),
    )
    return bundle, found


def mail_reader(settings: Settings, folder: Path, bundle: Bundle) -> ReadMail:
    """Reads the mails that the examples of *bundle* name."""

    def read(name: str) -> Sequence[Facts]:
        from gateway.cli.rules.mails import Mails

        flows = bundle.rule_set(read_lists(folder)).flows
        with Mails(settings, flows=flows) as mails:
            return [facts for _, facts in mails.letters(folder / name)]

    return read


def set_called(home: Home, name: str) -> RuleSet:
    """A rule set by version, by number, as ``active``, as ``builtin``, or by path; only to be read.

    Raises:
        NotFound: none of them.
        ConfigError: it cannot be read.
    """
    path = Path(name)
    if name == BUILTIN:
        return builtin().rule_set({})
    if name != ACTIVE and path.exists():
        bundle, lists = files_at(path)
        return bundle.rule_set(lists)
    ledger = home.ledger()
    version = ledger.active_rules() if name == ACTIVE else name
    if version is None:
        raise NotFound(what="active rule set")
    return Bundle(files=ledger.rule_version(version).files).rule_set(Unread())


def since(text: str) -> datetime:
    """``30d``, ``12h`` or a day, as a moment in the past."""
    amount, unit = text[:-1], text[-1:]
    if amount.isdecimal() and unit in ("d", "h"):
        return datetime.now(UTC) - timedelta(**{"days" if unit == "d" else "hours": int(amount)})
    try:
        return datetime.fromisoformat(text).replace(tzinfo=DENMARK).astimezone(UTC)
    except ValueError:
        raise click.BadParameter("expected a time such as 30d, 12h or 2026-11-01", param_hint="--since") from None


since_option = click.option(
    "--since", "text", default="30d", show_default=True, metavar="TIME", help="How far back: 30d, 12h, or a day."
)
