"""Engines and transactions: SQLite in one process, PostgreSQL when several nodes share the ledger.

SQLite: WAL and synchronous=FULL, because a commit stands behind every "250 OK" (NORMAL lost commits
in 25 of 40 power cuts, reference, security.md, 3.2). Writers take the database's own lock at BEGIN
and stand in line at one lock of this process first: a fair queue instead of SQLite's sleep and poll.
Readers have an engine of their own and never wait for a writer. Local disk only, never NFS.

The database's clock decides about leases (engine.md, rule 5): it is read once per transaction.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Connection,
    CursorResult,
    Engine,
    Executable,
    Table,
    create_engine,
    event,
    make_url,
    text,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from gateway.errors import DiskFull, LedgerUnavailable
from gateway.storage.columns import storable
from gateway.storage.many import change_many, insert_many

_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA busy_timeout=30000",
    "PRAGMA foreign_keys=ON",
    f"PRAGMA journal_size_limit={64 * 1024**2}",
    # 16 MB of log before its pages are copied home: that flushes twice more, in somebody's commit.
    "PRAGMA wal_autocheckpoint=4000",
    f"PRAGMA cache_size=-{16 * 1024}",
)
# class 53, insufficient resources: 53100 is disk_full. PostgreSQL manual, appendix A.
_POSTGRES_DISK_FULL = "53100"

_locks: dict[str, threading.Lock] = {}
_locks_guard = threading.Lock()


@dataclass(frozen=True, slots=True)
class Tx:
    """One writing transaction. *now* is the database's clock at its start."""

    connection: Connection
    now: datetime
    postgres: bool

    def run(self, statement: Executable, values: Any = None) -> CursorResult[Any]:
        return self.connection.execute(statement, values)

    def insert_missing(self, table: Table, rows: Sequence[Mapping[str, Any]], *, key: str) -> set[Any]:
        """Insert *rows*, silently leaving out those that break a unique key; the *key*s that went in."""
        return {value for (value,) in self.insert_missing_by(table, rows, keys=(key,))}

    def insert_missing_by(
        self, table: Table, rows: Sequence[Mapping[str, Any]], *, keys: tuple[str, ...]
    ) -> set[tuple[Any, ...]]:
        """As ``insert_missing``; the values of all *keys* of what went in."""
        if not rows:
            return set()
        if self.postgres:
            new = insert_many(self.connection, table, rows, missing=True, returning=keys)
            return {tuple(row) for row in new.all()}
        if {*keys} <= rows[0].keys() and self._were_all_missing(table, rows):
            return {tuple(storable(row[key]) for key in keys) for row in rows}
        statement = _insert_missing(table, keys)
        return {tuple(row) for row in self.connection.execute(statement, list(rows)).all()}

    def insert(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert *rows*, all with the same columns."""
        if rows:
            insert_many(self.connection, table, rows)

    def change(self, table: Table, rows: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Write columns to rows by their id: ``(id, {column: value})``. Rows that get the same columns
        are one statement.
        """
        self.change_by(table, ("id",), [((row_id,), written) for row_id, written in rows])

    def change_by(
        self,
        table: Table,
        by: tuple[str, ...],
        rows: Iterable[tuple[tuple[Any, ...], Mapping[str, Any]]],
    ) -> None:
        """As ``change``, by the values of the columns *by*."""
        shapes: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        names = [f"of_{name}" for name in by]
        for of, written in rows:
            row = {**dict(zip(names, of, strict=True)), **written}
            shapes.setdefault(tuple(written), []).append(row)
        for alike in shapes.values():
            change_many(self.connection, table, by, alike)

    def _were_all_missing(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> bool:
        """Insert all of *rows*, or none of them. On SQLite the quick way, and nearly always the one."""
        self.connection.exec_driver_sql("SAVEPOINT all_of_them")
        inserted = insert_many(self.connection, table, rows, missing=True).rowcount
        if inserted != len(rows):
            self.connection.exec_driver_sql("ROLLBACK TO all_of_them")
        self.connection.exec_driver_sql("RELEASE all_of_them")
        return inserted == len(rows)


@cache
def _insert_missing(table: Table, keys: tuple[str, ...]) -> Executable:
    """Made once: building a statement and its cache key costs more than running it."""
    return sqlite.insert(table).on_conflict_do_nothing().returning(*(table.c[key] for key in keys))


class Database:
    """Where the ledger lives. Safe to share between threads.

    Args:
        url: ``sqlite:///FILE`` or ``postgresql://…`` (psycopg 3).
        password: for PostgreSQL; wins over one in *url*.
    """

    def __init__(self, url: str, *, password: str | None = None) -> None:
        target = make_url(url)
        self.postgres = target.get_backend_name() == "postgresql"
        if self.postgres:
            self.writer = self.reader = _postgres(target, password)
            self._lock: threading.Lock | None = None
        else:
            file = Path(target.database or "").absolute()
            _private_file(file)
            self.writer = _sqlite(target, begin="BEGIN IMMEDIATE")
            self.reader = _sqlite(target, begin="BEGIN")
            with _locks_guard:
                self._lock = _locks.setdefault(str(file.resolve()), threading.Lock())
        self._here = threading.local()

    @contextmanager
    def write(self) -> Iterator[Tx]:
        """A transaction; inside ``together()`` the one that is open already.

        Raises LedgerUnavailable, DiskFull: nothing was written.
        """
        joined: Tx | None = getattr(self._here, "tx", None)
        if joined is not None:
            yield joined
            return
        with answering(), self._in_line(), self.writer.begin() as connection:
            yield Tx(connection, self.now(connection), self.postgres)

    @contextmanager
    def together(self) -> Iterator[None]:
        """All writes of this thread inside the block are one transaction: one flush for many letters.

        Never around a network call. On PostgreSQL write in order of submission id, so that two nodes
        do not wait for each other in a ring.
        """
        with self.write() as tx:
            outer = getattr(self._here, "tx", None)
            self._here.tx = tx
            try:
                yield
            finally:
                self._here.tx = outer

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent look; waits for nobody. Raises LedgerUnavailable."""
        joined: Tx | None = getattr(self._here, "tx", None)
        if joined is not None:
            yield joined.connection
            return
        with answering(), self.reader.begin() as connection:
            yield connection

    def close(self) -> None:
        self.writer.dispose()
        self.reader.dispose()

    def now(self, connection: Connection) -> datetime:
        """The database's clock."""
        if not self.postgres:
            return datetime.now(UTC)
        when: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        return when.astimezone(UTC)

    @contextmanager
    def _in_line(self) -> Iterator[None]:
        if self._lock is None:
            yield
            return
        with self._lock:
            yield


@contextmanager
def answering() -> Iterator[None]:
    """Library errors become ours. Their texts quote statements and values, so only the class is told."""
    try:
        yield
    except DBAPIError as error:
        if _disk_is_full(error.orig):
            raise DiskFull() from None
        raise LedgerUnavailable(reason=type(error.orig or error).__name__) from None
    except SQLAlchemyError as error:
        raise LedgerUnavailable(reason=type(error).__name__) from None


def _disk_is_full(error: BaseException | None) -> bool:
    if isinstance(error, sqlite3.Error):
        # A full disk shows as FULL when pages are written, as IOERR_* when the shared memory grows.
        return getattr(error, "sqlite_errorname", "") in ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")
    return getattr(error, "sqlstate", None) == _POSTGRES_DISK_FULL


def _postgres(url: URL, password: str | None) -> Engine:
    if password is not None:
        url = url.set(password=password)
    return create_engine(
        url,
        pool_size=8,
        max_overflow=8,
        pool_pre_ping=True,  # a failed-over server is noticed before the work, not in it
        hide_parameters=True,
        connect_args={"connect_timeout": 10, "application_name": "digitalpost-gateway"},
    )


def _sqlite(url: URL, *, begin: str) -> Engine:
    engine = create_engine(url, pool_size=8, max_overflow=8, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        # The driver would open transactions on its own, too late and of the wrong kind.
        connection.isolation_level = None
        for pragma in _PRAGMAS:
            connection.execute(pragma).close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _private_file(file: Path) -> None:
    """Make the database file for its owner only; SQLite gives its companions the same mode."""
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise LedgerUnavailable(reason=type(error).__name__) from None
