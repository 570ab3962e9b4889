"""What the working verbs share: a claim is finished, given back, or held; never dropped in silence."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, Protocol, TypeVar

from gateway import log
from gateway.errors import GatewayError, Poison
from gateway.model.notice import Refusal
from gateway.ports import Claim, Ledger

T = TypeVar("T")
R = TypeVar("R")

POISON_AFTER = 3
LONGEST_BATCH = timedelta(seconds=10)
"""Of work before its results are written; far shorter than a lease."""
A_DAY_OF_HOURS = 24
"""Hourly tries after the first waits, before a person is asked (F13)."""


class Verb(Protocol):
    """One of the verbs: looks for due work, does it, says how much there was."""

    name: str

    def work(self) -> int:
        """Do what is due; 0 means there was nothing."""


def refusal_of(error: GatewayError) -> Refusal:
    """*error* as it is stored and told."""
    return Refusal(
        code=error.code,
        title=error.title,
        sentence=error.text(),
        remedy=error.action(),
        private=error.private,
    )


def next_wait(
    tries: int, first: Sequence[timedelta], *, jitter: float | None = None
) -> timedelta:
    """How long to wait after *tries* tries (at least 1): the first waits, then hourly (F13).

    Args:
        jitter: from 0 to 1, chosen by chance if None; adds up to a quarter, so that a restart of
            theirs does not meet all of ours at once.
    """
    if tries < 1:
        raise ValueError(f"next_wait counts from 1, got {tries}")
    base = first[tries - 1] if tries <= len(first) else timedelta(hours=1)
    share = random.random() if jitter is None else jitter  # noqa: S311 - spreads load, guards nothing
    return base * (1 + share / 4)


@contextmanager
def kept_alive(ledger: Ledger, claim: Claim[Any], every: timedelta) -> Iterator[None]:
    """While the block runs, *claim* is renewed: for work that may last longer than a lease.

    Where the ledger cannot be reached the lease runs out, as it would for a process that died.
    """
    done = threading.Event()

    def renew() -> None:
        while not done.wait(every.total_seconds()):
            with suppress(GatewayError):
                ledger.renew(claim)

    beating = threading.Thread(target=renew, name="renew", daemon=True)
    beating.start()
    try:
        yield
    finally:
        done.set()
        beating.join()


def together(
    claims: Sequence[Claim[T]],
    do: Callable[[Claim[T]], R],
    write: Callable[[Sequence[tuple[Claim[T], R]]], None],
    *,
    ledger: Ledger,
    where: str,
    waits: Sequence[timedelta],
    monotonic: Callable[[], float] = time.monotonic,
) -> int:
    """Do every claim, then write all results in one transaction; account for every way it may end.

    A known temporary error gives the row back; an unknown one lets the lease run out, so that the
    crash counts, and at the third the row is held with its trace (F15). Nothing else waits for it: if
    all results cannot be written together, each is written alone. What a slow neighbour would keep
    waiting under its lease is put back, uncounted.

    Returns:
        How many were done.
    """
    done: list[tuple[Claim[T], R]] = []
    began = monotonic()
    for place, claim in enumerate(claims):
        if monotonic() - began > LONGEST_BATCH.total_seconds():
            ledger.put_back(claims[place:])
            claims = claims[:place]
            break
        one(claim, lambda it: done.append((it, do(it))), ledger=ledger, where=where, waits=waits)
    try:
        if done:
            write(done)
    except Exception:  # noqa: BLE001 - written again below, where every end is accounted for
        for end in done:
            one(end[0], _alone(write, end), ledger=ledger, where=where, waits=waits)
    return len(claims)


def _alone(
    write: Callable[[Sequence[tuple[Claim[T], R]]], None], end: tuple[Claim[T], R]
) -> Callable[[Claim[T]], None]:
    return lambda _: write([end])


def one(
    claim: Claim[Any],
    do: Callable[[Claim[Any]], None],
    *,
    ledger: Ledger,
    where: str,
    waits: Sequence[timedelta],
) -> None:
    """As ``together``, for one claim that is written by *do* itself."""
    try:
        if claim.crashes >= POISON_AFTER:
            _hold_as_poison(claim, ledger, where=where, trace="")
            return
        do(claim)
    except GatewayError as error:
        _give_back(claim, ledger, error, waits)
    except Exception as error:  # noqa: BLE001 - the outermost line of the runner's work: a bug is temporary
        log.bug(where=where, error=error)
        if claim.crashes + 1 >= POISON_AFTER:
            _hold_as_poison(claim, ledger, where=where, trace=log.frames(error))


def _give_back(
    claim: Claim[Any], ledger: Ledger, error: GatewayError, waits: Sequence[timedelta]
) -> None:
    if not error.temporary or claim.tries > len(waits) + A_DAY_OF_HOURS:
        ledger.give_up(claim, refusal_of(error))
        log.held(item=claim.item.id, code=error.code)
        return
    wait = next_wait(claim.tries, waits)
    ledger.postpone(claim, wait=wait, code=error.code)
    log.postponed(item=claim.item.id, code=error.code, wait_seconds=wait.total_seconds())


def _hold_as_poison(claim: Claim[Any], ledger: Ledger, *, where: str, trace: str) -> None:
    poison = Poison(count=POISON_AFTER, where=where)
    ledger.give_up(claim, refusal_of(poison), trace=trace)
    log.held(item=claim.item.id, code=poison.code)
