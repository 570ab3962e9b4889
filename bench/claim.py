"""Milliseconds of a claim beside a million finished letters, and beside none, on both databases.

    python -m bench.claim [--rounds 50] [--batch 100] [--finished 1000000]

The two tables take turns; the middle one of each counts. The ratio should be 1: the index of a queue
holds only what is due.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import statistics
import sys
import time
from pathlib import Path

from sqlalchemy import create_engine

from bench.letters import arrival, opened, read_end
from bench.postgres import fresh, postgres
from gateway.storage.store import migrate


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--finished", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=Path("var/bench-claim"))
    options = parser.parse_args()
    shutil.rmtree(options.folder, ignore_errors=True)
    options.folder.mkdir(parents=True)
    folder = options.folder.absolute()
    try:
        with postgres(folder) as server:
            _compare(folder, server, options)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _compare(folder: Path, server: str, options: argparse.Namespace) -> None:
    print("claim of a batch: ms beside none finished, ms beside many, ratio")
    with fresh(server) as empty, fresh(server) as full:
        _claim_beside("PostgreSQL", empty, full, options)
    files = [f"sqlite:///{folder / name}.db" for name in ("empty", "full")]
    _claim_beside("SQLite", files[0], files[1], options)


def _claim_beside(name: str, empty: str, full: str, options: argparse.Namespace) -> None:
    took: dict[str, list[float]] = {empty: [], full: []}
    with contextlib.ExitStack() as stack:
        ledgers = {}
        for url in took:
            migrate(url)
            ledgers[url] = stack.enter_context(opened(url))
        _finish(full, options.finished)
        for turn in range(options.rounds):
            for url, ledger in ledgers.items():
                batch = [arrival(turn * options.batch + number) for number in range(options.batch)]
                ledger.add(batch)
                began = time.perf_counter()
                claims = ledger.claim_unread(options.batch)
                took[url].append(time.perf_counter() - began)
                ledger.reads_ended([(claim, read_end(claim.item)) for claim in claims])
    a, b = (statistics.median(times) * 1000 for times in took.values())
    print(f"{name:<12} {options.finished} rows: {a:>8.2f} {b:>8.2f} {b / a:>6.2f} (target 1.0)", flush=True)


def _finish(url: str, count: int) -> None:
    """*count* submissions that are read, written by the database itself."""
    postgres = url.startswith("postgres")
    numbers = (
        f"SELECT number FROM generate_series(1, {count}) AS number"
        if postgres
        else f"WITH RECURSIVE n(number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM n LIMIT {count}) "
        "SELECT number FROM n"
    )
    no, now = ("FALSE", "now()") if postgres else ("0", "datetime('now')")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO submissions (id, state, received_at, channel, submitter_kind, submitter_name, "
            "wish, system, recipients, remote, automatic, reference, reference_key, recipients_digest, "
            f"identity, size_bytes) SELECT 'old-' || number, 'read', {now}, 'smtp', 'user', 'anna', "
            f"'summary', {no}, '[]', '', {no}, 'r', 'k' || number, 'd', 'i', 5 FROM ({numbers}) AS old"
        )
    if postgres:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE submissions")
    engine.dispose()


if __name__ == "__main__":
    sys.exit(main())
