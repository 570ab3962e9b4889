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
# One letter, decided and waiting to be sent, as version 1 wrote it.
OF_THE_FIRST_VERSION = [
    """INSERT INTO submissions (id, state, received_at, channel, submitter_kind, submitter_name, wish, system, recipients,
    remote, automatic, reference, reference_key, recipients_digest, identity, size_bytes, title) VALUES
    ('F-2026-AAAA-BBBB', 'read', '2026-11-25 12:00:00.000000', 'smtp', 'user', 'anna', 'summary', false, '[]', '', false,
    'x', 'x', 'x', 'x', 3, 'Et brev')""",
    """INSERT INTO letters (id, state, submission_id, number, twin_key, twin_number, recipient_kind, recipient_number, copy,
    title, documents, options, flow, address, reach) VALUES ('F-2026-AAAA-BBBB.1', 'routed', 'F-2026-AAAA-BBBB', 1, 'x', 1,
    'cvr', '12345674', false, 'Et brev',
    '[{"name":"a.pdf","media_type":"application/pdf","digest":"d","size_bytes":3,"role":"main","pages":1}]',
    '{"case":null,"plan":null,"reply_allowed":null,"deliver_from":null,"reply_by":null}', 'default', '', 'registered')""",
    """INSERT INTO decisions (letter_id, at, version, rule, reach, actions, trail) VALUES
    ('F-2026-AAAA-BBBB.1', '2026-11-25 12:00:00.000000', 'v', 'send', 'registered', '[]', '[]')""",
    """INSERT INTO shipments (id, state, due_at, submission_id, letter_id, kind, part, destination, key, settings, created_at,
    not_before, expires_at) VALUES ('F-2026-AAAA-BBBB.1.send.digital-post', 'open', '2026-11-25 12:00:00.000000',
    'F-2026-AAAA-BBBB', 'F-2026-AAAA-BBBB.1', 'send', 'letter', 'digital-post', 'k', '[]', '2026-11-25 12:00:00.000000',
    '2026-11-25 12:00:00.000000', '2026-11-26 12:00:00.000000')""",
]


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


def test_a_ledger_of_the_first_version_keeps_what_is_in_it(empty_database_url):
    migrate(empty_database_url, to="0001")
    database = Database(empty_database_url)
    with database.write() as tx:
        for statement in OF_THE_FIRST_VERSION:
            tx.connection.exec_driver_sql(statement)
    database.close()
    migrate(empty_database_url)
    ledger = open_ledger(empty_database_url, lease=timedelta(seconds=60), retry_give_up=timedelta(hours=24))
    (claim,) = ledger.claim_shipments("send", 5)
    assert (claim.item.shipment.id, claim.item.letter.title) == ("F-2026-AAAA-BBBB.1.send.digital-post", "Et brev")
    assert ledger.decisions_of("F-2026-AAAA-BBBB") == [], "its facts were not kept then"
    assert ledger.show_submission("F-2026-AAAA-BBBB")["letters"][0]["rule"] == "send"
    ledger.close()


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
