"""Alembic without an ini file: the migrations travel in the package."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import text

from gateway.errors import LedgerUnavailable
from gateway.storage.connect import Database, answering

# Any number, as long as it is ours; it lets one process migrate while the others wait.
_LOCK = 0x6770_6C65_6467_6572


def is_at_head(database: Database) -> bool:
    """Whether the tables are those of this version. Raises LedgerUnavailable."""
    with database.read() as connection:
        current = MigrationContext.configure(connection).get_current_heads()
    return set(current) == set(ScriptDirectory.from_config(_config()).get_heads())


def upgrade(database: Database, to: str) -> None:
    """Run what is missing up to the migration *to* (``head``: all), in one transaction. Raises
    LedgerUnavailable.
    """
    with answering(), database.write() as tx:
        if tx.postgres:
            # Only for the length of this transaction, so that a dead process frees it.
            tx.connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        config = _config()
        config.attributes["connection"] = tx.connection
        try:
            command.upgrade(config, to)
        except CommandError:
            # Such as: the tables are of a newer version than this program.
            raise LedgerUnavailable(reason="its tables are of a version this program does not know") from None


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "gateway:storage/migrations")
    config.set_main_option("path_separator", "os")
    return config
