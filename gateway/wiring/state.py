"""Where the state lies: ledger and vault. Imports little, so that commands that only look are quick."""

from __future__ import annotations

from pathlib import Path

from gateway.config import Settings
from gateway.config.load import read_secret
from gateway.storage import store
from gateway.storage.store import SqlLedger
from gateway.storage.vault import LocalVault
from gateway.wiring.cutter import Cutter


def open_vault(settings: Settings, ledger: SqlLedger) -> LocalVault:
    """The vault of *settings*, which can also make what *ledger* knows how to cut; folders are made if missing."""
    vault = LocalVault(settings.path(settings.storage.vault), make=lambda blob: cutter(blob))
    cutter = Cutter(ledger.cut, vault.path)
    return vault


def open_ledger(settings: Settings) -> SqlLedger:
    """The ledger of *settings*. Raises LedgerUnavailable, also if its schema is not this version's."""
    return store.open_ledger(
        database_url(settings),
        lease=settings.lease,
        retry_give_up=settings.retry.give_up,
        password=_database_password(settings),
    )


def migrate_ledger(settings: Settings) -> None:
    """Bring the database to this version's schema. Raises LedgerUnavailable."""
    store.migrate(database_url(settings), password=_database_password(settings))


def database_url(settings: Settings) -> str:
    """The SQLAlchemy URL, a relative SQLite file seen from the home."""
    url = settings.storage.database
    prefix = "sqlite:///"
    if not url.startswith(prefix):
        return url
    return f"{prefix}{settings.path(Path(url.removeprefix(prefix)))}"


def _database_password(settings: Settings) -> str | None:
    file = settings.storage.database_password_file
    return read_secret(settings.path(file)) if file else None
