"""The tables a migration makes are the tables the code knows."""

import subprocess
import sys
from datetime import timedelta

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from gateway.errors import LedgerUnavailable
from gateway.storage.connect import Database
from gateway.storage.store import migrate, open_ledger
from gateway.storage.tables import metadata

INDEXES = {
    False: "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL",
    True: "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
}


def indexes(connection, postgres):
    """By name, in the database's own words: Alembic does not compare what an index leaves out."""
    found = dict(connection.execute(text(INDEXES[postgres])).all())
    found.pop("alembic_version_pkc", None)
    return {name: " ".join(words.split()) for name, words in found.items()}


def test_the_migrated_tables_are_those_of_the_code(empty_database_url):
    migrate(empty_database_url)
    database = Database(empty_database_url)
    with database.write() as tx:
        context = MigrationContext.configure(tx.connection, opts={"compare_server_default": True})
        assert compare_metadata(context, metadata) == []
        migrated = indexes(tx.connection, tx.postgres)
    with database.write() as tx:
        metadata.drop_all(tx.connection)
        metadata.create_all(tx.connection)
        assert indexes(tx.connection, tx.postgres) == migrated
    database.close()


def test_migrating_again_changes_nothing(empty_database_url):
    migrate(empty_database_url)
    migrate(empty_database_url)


def test_a_ledger_that_is_not_migrated_says_what_to_do(empty_database_url):
    with pytest.raises(LedgerUnavailable, match="gateway db migrate"):
        open_ledger(empty_database_url, lease=timedelta(seconds=60), retry_give_up=timedelta(hours=24))


def test_a_ledger_of_a_newer_version_is_left_alone(database_url):
    database = Database(database_url)
    with database.write() as tx:
        tx.connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    with pytest.raises(LedgerUnavailable):
        open_ledger(database_url, lease=timedelta(seconds=60), retry_give_up=timedelta(hours=24))
    with pytest.raises(LedgerUnavailable, match="does not know"):
        migrate(database_url)


def test_processes_that_migrate_at_once_all_succeed(empty_database_url):
    code = "import sys; from gateway.storage.store import migrate; migrate(sys.argv[1])"
    nodes = [subprocess.Popen([sys.executable, "-c", code, empty_database_url]) for _ in range(3)]
    assert [node.wait(60) for node in nodes] == [0, 0, 0]
    open_ledger(
        empty_database_url, lease=timedelta(seconds=60), retry_give_up=timedelta(hours=24)
    ).close()
