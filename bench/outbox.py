"""The peer of ``bench.ledger``: a plain transactional outbox, one job a transaction, on the bare driver."""

from __future__ import annotations

import multiprocessing
import sqlite3
import time
from typing import Any

import psycopg

STAGES = 5
TABLES = (
    "CREATE TABLE letters (id INTEGER PRIMARY KEY, stage INTEGER NOT NULL)",
    "CREATE TABLE jobs (id {counter} PRIMARY KEY, letter INTEGER NOT NULL, stage INTEGER NOT NULL, done {yes} NOT NULL)",
    "CREATE INDEX due ON jobs (id) WHERE NOT done",
)


def run(url: str, letters: int, *, nodes: int) -> float:
    """Letters a second through five stages; *url* is an empty PostgreSQL database or a new SQLite file."""
    connection = _connect(url)
    _fill(connection, url, letters)
    connection.close()
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(nodes + 1)
    processes = [context.Process(target=_node, args=(url, start)) for _ in range(nodes)]
    for process in processes:
        process.start()
    start.wait(60)
    began = time.perf_counter()
    for process in processes:
        process.join()
    seconds = time.perf_counter() - began
    connection = _connect(url)
    (done,) = connection.execute(f"SELECT count(*) FROM letters WHERE stage = {STAGES}").fetchone()
    connection.close()
    if done != letters:
        raise RuntimeError(f"the outbox finished {done} of {letters} letters")
    return letters / seconds


def _node(url: str, start: Any) -> None:
    connection = _connect(url)
    start.wait(60)
    stage = _stage_on_postgres if url.startswith("postgres") else _stage_on_sqlite
    while stage(connection):
        pass
    connection.close()


def _connect(url: str) -> Any:
    if url.startswith("postgres"):
        return psycopg.connect(url.replace("postgresql+psycopg", "postgresql"))
    connection = sqlite3.connect(url, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    return connection


def _fill(connection: Any, url: str, letters: int) -> None:
    postgres = url.startswith("postgres")
    for table in TABLES:
        counter, yes = ("BIGSERIAL", "BOOLEAN") if postgres else ("INTEGER", "INTEGER")
        connection.execute(table.format(counter=counter, yes=yes))
    no = "FALSE" if postgres else "0"
    for number in range(letters):
        connection.execute(f"INSERT INTO letters (id, stage) VALUES ({number}, 0)")
        connection.execute(f"INSERT INTO jobs (letter, stage, done) VALUES ({number}, 0, {no})")
    connection.commit()


def _stage_on_sqlite(connection: sqlite3.Connection) -> bool:
    connection.execute("BEGIN IMMEDIATE")
    job = connection.execute(
        "UPDATE jobs SET done = 1 WHERE id = (SELECT id FROM jobs WHERE NOT done ORDER BY id LIMIT 1) "
        "RETURNING letter, stage"
    ).fetchone()
    if job is not None:
        letter, stage = job
        connection.execute(
            "UPDATE letters SET stage = ? WHERE id = ? AND stage = ?", (stage + 1, letter, stage)
        )
        if stage + 1 < STAGES:
            connection.execute(
                "INSERT INTO jobs (letter, stage, done) VALUES (?, ?, 0)", (letter, stage + 1)
            )
    connection.execute("COMMIT")
    return job is not None


def _stage_on_postgres(connection: psycopg.Connection[Any]) -> bool:
    with connection.transaction():
        job = connection.execute(
            "UPDATE jobs SET done = TRUE WHERE id = (SELECT id FROM jobs WHERE NOT done ORDER BY id "
            "LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING letter, stage"
        ).fetchone()
        if job is not None:
            letter, stage = job
            connection.execute(
                "UPDATE letters SET stage = %s WHERE id = %s AND stage = %s", (stage + 1, letter, stage)
            )
            if stage + 1 < STAGES:
                connection.execute(
                    "INSERT INTO jobs (letter, stage, done) VALUES (%s, %s, FALSE)", (letter, stage + 1)
                )
    return job is not None
