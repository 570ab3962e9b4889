"""Ship: offer each shipment under its own key until somebody has it or said no.

Order of writing, for one try: the bytes (once), the intent, the call, the answer. A crash after the
call leaves an intent without an answer; the next try offers the same UUID and the same bytes. Intents
and answers of calls under way at the same time share their commits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import datetime, timedelta

from gateway import log, rehearsal
from gateway.errors import (
    DigitalPostAccessDenied,
    DigitalPostUnavailable,
    GatewayError,
    GaveUp,
    RemoteError,
    SubmitterError,
)
from gateway.model.shipment import Attempt, Outcome, Sendable, ShipmentKind
from gateway.model.submission import Blob
from gateway.ports import Answer, AttemptEnd, Claim, Clock, Destination, Ledger, Offer
from gateway.services.group import Grouped
from gateway.services.work import next_wait, one, refusal_of

PAUSE = timedelta(minutes=5)
"""After "no access": every shipment would fail alike, so none is tried for a while."""

AHEAD = 2
"""Shipments claimed for each call that may be under way."""
LOOK_AGAIN = 1.0
"""Seconds until new work is looked for, while every call under way is slow."""
LONGEST_TURN = 10.0
"""Seconds until ``work`` returns although there is more, so that a stop need not wait for it."""


class Ship:
    """Claims due shipments of one kind and offers them, several at once."""

    def __init__(
        self,
        kind: ShipmentKind,
        ledger: Ledger,
        destinations: Mapping[str, Destination],
        clock: Clock,
        *,
        waits: Sequence[timedelta],
        lease: timedelta,
        longest_call: timedelta,
        in_flight: int,
        asks_again: Callable[[], bool] = lambda: False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            asks_again: whether the rules want to be asked again about what was refused.
        """
        self.name = f"ship.{kind}"
        self._kind = kind
        self._ledger = ledger
        self._destinations = destinations
        self._clock = clock
        self._waits = waits
        self._slack = (lease - longest_call).total_seconds()
        self._in_flight = in_flight
        self._asks_again = asks_again
        self._monotonic = monotonic
        self._pauses = Pauses(ledger, monotonic)
        self._places = threading.Semaphore(in_flight)
        # Some more threads than calls: while one calls, another makes its bytes or writes its answer.
        self._threads = ThreadPoolExecutor(AHEAD * in_flight, thread_name_prefix=self.name)
        self._running: set[Future[None]] = set()
        self._more = False
        """The last claim gave all that was asked for."""
        self._resting = False
        self._careful = False
        """The last claim was of something that a process died with."""
        self._begun: Grouped[Offer, Attempt | None] = Grouped(ledger.attempts_begun)
        self._ended: Grouped[Answer, bool] = Grouped(ledger.attempts_ended)

    def work(self) -> int:
        """Offer what is due; how many there were. A slow call keeps no other from starting: while any is
        under way, more is claimed. After a while the rest of them is left for the next time.
        """
        until = time.monotonic() + LONGEST_TURN
        offered = self._claim()
        while self._running and time.monotonic() < until:
            ended, self._running = wait(self._running, LOOK_AGAIN, FIRST_COMPLETED)
            for offer in ended:
                offer.result()
            if self._running or self._more:
                offered += self._claim()
        return offered

    def rest(self) -> None:
        """Begin no more calls; those under way end as they would."""
        self._resting = True

    def close(self) -> None:
        """Wait for the calls under way."""
        self._threads.shutdown(wait=True)

    def _claim(self) -> int:
        """Claim as many as there are places, some of them to wait: they start within a call's time, or
        are put back. Not one at a time while many are under way: one claim is one transaction.
        """
        room = AHEAD * self._in_flight - len(self._running)
        if self._resting:
            return 0
        if room < self._in_flight or (self._careful and self._running):
            return 0
        claimed_at = self._monotonic()
        claims = self._ledger.claim_shipments(self._kind, room, paused=self._pauses.now())
        self._more = len(claims) == room
        self._careful = any(claim.crashes for claim in claims)
        if self._careful and self._running:
            # A process died with it: never beside others, which would count as dead with it again.
            self._ledger.put_back(claims)
            return 0
        self._running |= {
            self._threads.submit(self._guarded, claim, claimed_at) for claim in claims
        }
        return len(claims)

    def _guarded(self, claim: Claim[Sendable], claimed_at: float) -> None:
        one(
            claim,
            lambda it: self._offer(it, claimed_at),
            ledger=self._ledger,
            where=self.name,
            waits=self._waits,
        )

    def _offer(self, claim: Claim[Sendable], claimed_at: float) -> None:
        destination = self._destinations[claim.item.shipment.destination]
        refused: GatewayError | None = None
        blob: Blob | None = None
        try:
            # Made before the first attempt, once.
            if claim.item.shipment.rendered is None:
                blob = destination.render(claim.item)
        except SubmitterError as error:
            refused = error
        with self._places:
            if self._resting or self._monotonic() - claimed_at > self._slack:
                # We are about to stop; or frozen or slow: the lease may end during the call, and somebody
                # else would call too.
                self._ledger.put_back([claim])
                return
            attempt = self._begun(Offer(claim=claim, at=self._clock.now(), rendered=blob))
            if attempt is None:
                return
            claim = offering(claim, blob)
            end = self._call(claim, destination) if refused is None else _permanent(refused)
        self._end(claim, attempt, end)

    def _call(self, claim: Claim[Sendable], destination: Destination) -> AttemptEnd:
        try:
            taken = destination.send(claim.item)
        except DigitalPostAccessDenied as error:
            self._pauses.begin(destination.name, error)
            return AttemptEnd(outcome="temporary", code=error.code, retry_in=PAUSE)
        except RemoteError as error:
            if error.temporary:
                return self._later(claim, error)
            # The rules may know another way for what a destination refused.
            return replace(_permanent(error), reroute=self._kind == "send" and self._asks_again())
        except GatewayError as error:
            return self._later(claim, error)
        except Exception as error:  # noqa: BLE001 - the runner's line: an unknown fault is temporary
            log.bug(where=self.name, error=error)
            return self._later(claim, GatewayError(), outcome="unknown")
        rehearsal.at("ship.taken")
        return AttemptEnd(outcome="taken", receipts=taken.receipts)

    def _later(self, claim: Claim[Sendable], error: GatewayError, outcome: Outcome = "temporary") -> AttemptEnd:
        return later(claim, error, now=self._clock.now(), waits=self._waits, outcome=outcome)

    def _end(self, claim: Claim[Sendable], attempt: Attempt, end: AttemptEnd) -> None:
        shipment = claim.item.shipment
        if not self._ended(Answer(claim=claim, attempt=attempt, end=end)):
            return
        if end.outcome == "taken":
            log.shipped(
                letter=shipment.letter_id,
                shipment=shipment.id,
                to=shipment.destination,
                key=shipment.key,
                tries=attempt.number,
            )
        elif end.retry_in is not None:
            log.postponed(
                item=shipment.id,
                code=end.code or "",
                wait_seconds=end.retry_in.total_seconds(),
            )
        else:
            log.failed(item=shipment.id, code=end.code or "")


class Pauses:
    """Destinations that said "no access": nothing is offered to them for a while. Shared by threads."""

    def __init__(self, ledger: Ledger, monotonic: Callable[[], float]) -> None:
        self._ledger = ledger
        self._monotonic = monotonic
        self._until: dict[str, float] = {}
        self._lock = threading.Lock()

    def begin(self, destination: str, error: GatewayError) -> None:
        """Once for all calls under way; the letters' time stands still meanwhile."""
        with self._lock:
            if destination in self.now():
                return
            self._until[destination] = self._monotonic() + PAUSE.total_seconds()
        self._ledger.more_time(destination, PAUSE)
        log.paused(destination=destination, code=error.code, wait_seconds=PAUSE.total_seconds())

    def now(self) -> list[str]:
        now = self._monotonic()
        return [name for name, until in self._until.items() if until > now]


def later(
    claim: Claim[Sendable], error: GatewayError, *, now: datetime, waits: Sequence[timedelta], outcome: Outcome = "temporary"
) -> AttemptEnd:
    """Offer again after a wait, unless the shipment's time is up; then a person is asked."""
    shipment = claim.item.shipment
    left = shipment.expires_at - now
    if left <= timedelta():
        hours = round((shipment.expires_at - shipment.created_at).total_seconds() / 3600)
        return _permanent(GaveUp(hours=hours, last=error.code))
    # The last try is at the end of its time, not up to an hour before.
    wait = min(next_wait(claim.tries, waits), left)
    if isinstance(error, DigitalPostUnavailable) and error.retry_after_seconds is not None:
        wait = max(wait, timedelta(seconds=error.retry_after_seconds))
    return AttemptEnd(outcome=outcome, code=error.code, retry_in=wait)


def _permanent(error: GatewayError) -> AttemptEnd:
    return AttemptEnd(outcome="permanent", code=error.code, refusal=refusal_of(error))


def offering(claim: Claim[Sendable], blob: Blob | None) -> Claim[Sendable]:
    """*claim* with the bytes it offers."""
    if blob is None:
        return claim
    sendable = claim.item
    shipment = replace(sendable.shipment, rendered=blob)
    return replace(claim, item=replace(sendable, shipment=shipment))
