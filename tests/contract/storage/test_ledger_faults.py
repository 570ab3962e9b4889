"""What the ledger says when its database does not answer; never what it was asked to write."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from gateway.errors import DiskFull, LedgerUnavailable
from gateway.storage.store import migrate, open_ledger

DAY = timedelta(hours=24)


def test_a_database_that_does_not_answer_is_temporary_and_quotes_nothing(tmp_path):
    url = f"postgresql://anna:hemmelig@/nowhere?host={tmp_path}"
    with pytest.raises(LedgerUnavailable) as caught:
        open_ledger(url, lease=DAY, retry_give_up=DAY, password="hemmelig")
    assert caught.value.temporary
    assert caught.value.__cause__ is None
    for word in ("hemmelig", "anna", str(tmp_path)):
        assert word not in str(caught.value)


def test_a_folder_that_is_missing_is_said_without_a_trace(tmp_path):
    with pytest.raises(LedgerUnavailable, match="FileNotFoundError"):
        open_ledger(f"sqlite:///{tmp_path}/none/ledger.db", lease=DAY, retry_give_up=DAY)


def test_a_file_that_is_no_database_is_said(tmp_path):
    file = tmp_path / "ledger.db"
    file.write_bytes(b"not a database" * 1000)
    with pytest.raises(LedgerUnavailable, match="DatabaseError"):
        open_ledger(f"sqlite:///{file}", lease=DAY, retry_give_up=DAY)


def test_what_a_failing_statement_was_given_is_not_told(ledger, post):
    with ledger._database.write() as tx:
        tx.connection.execute(text("DROP TABLE source_leases"))
    with pytest.raises(LedgerUnavailable) as caught:
        ledger.lease_source("0101011234", "node-1", DAY)
    assert "0101011234" not in f"{caught.value!r} {caught.value.__cause__!r}"
    assert post.received()


def test_the_files_of_the_ledger_are_for_its_owner_only(tmp_path):
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    migrate(url)
    ledger = open_ledger(url, lease=DAY, retry_give_up=DAY)
    ledger.counts()
    modes = {file.name: oct(file.stat().st_mode & 0o777) for file in tmp_path.iterdir()}
    ledger.close()
    assert "ledger.db-wal" in modes
    assert set(modes.values()) == {"0o600"}


def test_a_commit_on_sqlite_is_flushed_and_writers_do_not_wait_for_readers(tmp_path):
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    migrate(url)
    ledger = open_ledger(url, lease=DAY, retry_give_up=DAY)
    found = {}
    for engine in (ledger._database.writer, ledger._database.reader):
        with engine.connect() as connection:
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout"):
                found[name] = connection.execute(text(f"PRAGMA {name}")).scalar_one()
    ledger.close()
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30000}


def test_many_threads_write_without_a_single_refusal(ledger, post):
    with ThreadPoolExecutor(12) as threads:
        answers = threads.map(ledger.add, [[post.arrival()] for _ in range(120)])
        assert {answer[0].outcome for answer in answers} == {"new"}
    assert ledger.counts()["submissions.received"] == 120


def test_work_goes_on_after_every_connection_was_cut(ledger, post):
    if not ledger._database.postgres:
        pytest.skip("SQLite has no connections to cut")
    post.received()
    with ledger._database.write() as tx:
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
        tx.connection.execute(text(cut))
    with pytest.raises(LedgerUnavailable), ledger._database.write() as tx:
        tx.connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    assert post.received()
    assert ledger.counts()["submissions.received"] == 2


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 3 MB."""
    if os.geteuid() != 0 and not os.environ.get("CI"):
        pytest.skip("only root may mount a small disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_said_nothing_is_half_written_and_work_goes_on_after(small_disk: Path, post):
    url = f"sqlite:///{small_disk / 'ledger.db'}"
    migrate(url)
    ledger = open_ledger(url, lease=DAY, retry_give_up=DAY)
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 1_000_000)
    taken = []

    def take_until_full():
        while len(taken) < 200:
            taken.extend(ledger.add([post.arrival(content=os.urandom(50_000))]))

    with pytest.raises(DiskFull):
        take_until_full()
    with pytest.raises(DiskFull):
        ledger.add([post.arrival(content=os.urandom(500_000))])
    assert ledger.counts()["submissions.received"] == len(taken) > 0
    ballast.unlink()
    assert ledger.add([post.arrival(content=os.urandom(50_000))])[0].outcome == "new"
    assert ledger.counts()["submissions.received"] == len(taken) + 1
    ledger.close()
