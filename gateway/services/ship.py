"""Ship: offer each shipment under its own key until somebody has it or said no.

Order of writing, for one try: the bytes (once), the intent, the call, the answer. A crash after the
call leaves an intent without an answer; the next try offers the same UUID and the same bytes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

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
from gateway.ports import AttemptEnd, Claim, Clock, Destination, Ledger
from gateway.services.work import next_wait, one, refusal_of

PAUSE = timedelta(minutes=5)
"""After "no access": every shipment would fail alike, so none is tried for a while."""


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
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = f"ship.{kind}"
        self._kind = kind
        self._ledger = ledger
        self._destinations = destinations
        self._clock = clock
        self._waits = waits
        self._slack = (lease - longest_call).total_seconds()
        self._in_flight = in_flight
        self._monotonic = monotonic
        self._paused: dict[str, float] = {}
        self._threads = ThreadPoolExecutor(in_flight, thread_name_prefix=self.name)

    def work(self) -> int:
        """Offer what is due; how many there were. Claims no more than can start at once."""
        claimed_at = self._monotonic()
        claims = self._ledger.claim_shipments(
            self._kind, self._in_flight, paused=self._still_paused()
        )
        list(self._threads.map(lambda claim: self._guarded(claim, claimed_at), claims))
        return len(claims)

    def close(self) -> None:
        """Wait for the calls under way."""
        self._threads.shutdown(wait=True)

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
        try:
            claim = self._with_bytes(claim, destination)
        except SubmitterError as error:
            refused = error
        if self._monotonic() - claimed_at > self._slack:
            # Frozen or slow: the lease may end during the call, and somebody else would call too.
            return
        attempt = self._ledger.attempt_begun(claim, self._clock.now())
        if attempt is None:
            return
        if refused is not None:
            self._end(claim, attempt, _permanent(refused))
            return
        self._end(claim, attempt, self._call(claim, destination, attempt))

    def _with_bytes(
        self, claim: Claim[Sendable], destination: Destination
    ) -> Claim[Sendable]:
        """The claim with the bytes it offers; rendered and stored before the first attempt, once."""
        sendable = claim.item
        if sendable.shipment.rendered is not None:
            return claim
        blob = destination.render(sendable)
        if blob is None or not self._ledger.rendered(claim, blob):
            return claim
        return _offering(claim, blob)

    def _call(
        self, claim: Claim[Sendable], destination: Destination, attempt: Attempt
    ) -> AttemptEnd:
        try:
            taken = destination.send(claim.item)
        except DigitalPostAccessDenied as error:
            self._pause(destination.name, error)
            return AttemptEnd(outcome="temporary", code=error.code, retry_in=PAUSE)
        except RemoteError as error:
            return (
                self._later(claim, attempt, error) if error.temporary else _permanent(error)
            )
        except GatewayError as error:
            return self._later(claim, attempt, error)
        except Exception as error:  # noqa: BLE001 - the runner's line: an unknown fault is temporary
            log.bug(where=self.name, error=error)
            return self._later(claim, attempt, GatewayError(), outcome="unknown")
        rehearsal.at("ship.taken")
        return AttemptEnd(outcome="taken", receipts=taken.receipts)

    def _later(
        self,
        claim: Claim[Sendable],
        attempt: Attempt,
        error: GatewayError,
        outcome: Outcome = "temporary",
    ) -> AttemptEnd:
        """Offer again after a wait, unless the shipment's time is up; then a person is asked."""
        shipment = claim.item.shipment
        wait = next_wait(attempt.number, self._waits)
        if isinstance(error, DigitalPostUnavailable) and error.retry_after_seconds is not None:
            wait = max(wait, timedelta(seconds=error.retry_after_seconds))
        if self._clock.now() + wait > shipment.expires_at:
            hours = round((shipment.expires_at - shipment.created_at).total_seconds() / 3600)
            return _permanent(GaveUp(hours=hours, last=error.code))
        return AttemptEnd(outcome=outcome, code=error.code, retry_in=wait)

    def _end(self, claim: Claim[Sendable], attempt: Attempt, end: AttemptEnd) -> None:
        shipment = claim.item.shipment
        if not self._ledger.attempt_ended(claim, attempt, end):
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

    def _pause(self, destination: str, error: GatewayError) -> None:
        self._paused[destination] = self._monotonic() + PAUSE.total_seconds()
        log.paused(
            destination=destination, code=error.code, wait_seconds=PAUSE.total_seconds()
        )

    def _still_paused(self) -> list[str]:
        now = self._monotonic()
        return [name for name, until in self._paused.items() if until > now]


def _permanent(error: GatewayError) -> AttemptEnd:
    return AttemptEnd(outcome="permanent", code=error.code, refusal=refusal_of(error))


def _offering(claim: Claim[Sendable], blob: Blob) -> Claim[Sendable]:
    sendable = claim.item
    shipment = replace(sendable.shipment, rendered=blob)
    return Claim(replace(sendable, shipment=shipment), claim.fence, claim.crashes)
