"""Mass: letters of large submissions, many in one container. Single letters go beside it and never wait for it.

Order of writing, as in ``ship``: the container's bytes, the intents of all its letters, one call, the answers. A
crash after the call leaves intents without answers; those letters are offered again with the same UUIDs and the same
bytes, taken out of the container in which they went the first time.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from gateway import log, rehearsal
from gateway.errors import (
    DigitalPostAccessDenied,
    GatewayError,
    Poison,
    RemoteError,
)
from gateway.model.shipment import Attempt, Outcome, Sendable
from gateway.model.submission import Blob
from gateway.ports import Answer, AttemptEnd, Claim, Clock, Ledger, MassDestination, Offer
from gateway.services.ship import PAUSE, Pauses, later, offering
from gateway.services.work import POISON_AFTER, next_wait, refusal_of

_Claims = list[Claim[Sendable]]

DEATHS = POISON_AFTER + 2
"""A process may die so often with a letter before it is held: two in company, which say little of it, then alone."""


class Mass:
    """Claims due mass sendings and offers them together."""

    name = "ship.mass"

    def __init__(
        self,
        ledger: Ledger,
        destinations: Mapping[str, MassDestination],
        clock: Clock,
        *,
        waits: Sequence[timedelta],
        lease: timedelta,
        longest_call: timedelta,
        most: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            most: messages of a container.
        """
        self._ledger = ledger
        self._destinations = destinations
        self._clock = clock
        self._waits = waits
        self._slack = (lease - longest_call).total_seconds()
        self._most = most
        self._monotonic = monotonic
        self._pauses = Pauses(ledger, monotonic)
        self._resting = False

    def rest(self) -> None:
        """Begin no more calls; the one under way ends as it would."""
        self._resting = True

    def work(self) -> int:
        """Offer one container of what is due; how many letters there were."""
        if self._resting:
            return 0
        claimed_at = self._monotonic()
        claims = self._ledger.claim_mass(self._most, paused=self._pauses.now())
        if not claims:
            return 0
        poisoned = [claim for claim in claims if claim.crashes >= DEATHS]
        for claim in poisoned:
            self._ledger.give_up(claim, refusal_of(Poison(count=DEATHS, where=self.name)))
            log.held(item=claim.item.id, code=Poison.code)
        group, others = _first_group([claim for claim in claims if claim.crashes < DEATHS])
        self._ledger.put_back(others)
        if group:
            self._guarded(group, claimed_at)
        return len(claims)

    def _guarded(self, group: _Claims, claimed_at: float) -> None:
        """Offer *group*; whatever cannot even be tried is tried later."""
        try:
            self._offer(group, claimed_at)
        except GatewayError as error:
            for claim in group:
                self._ledger.postpone(claim, wait=next_wait(claim.tries, self._waits), code=error.code)
            log.postponed(item=group[0].item.id, code=error.code, wait_seconds=self._waits[0].total_seconds())
        except Exception as error:  # noqa: BLE001 - the runner's line: the leases run out, and the crash counts
            log.bug(where=self.name, error=error)

    def _offer(self, group: _Claims, claimed_at: float) -> None:
        destination = self._destinations[group[0].item.shipment.destination]
        container, offered, refused, left = self._container(destination, group)
        self._ledger.put_back(left)
        if self._resting or self._monotonic() - claimed_at > self._slack:
            # About to stop, or slow: the leases may end during the call, and somebody else would call too.
            self._ledger.put_back([*offered, *(claim for claim, _ in refused)])
            return
        self._refuse(refused)
        if not offered:
            return
        at = self._clock.now()
        attempts = self._ledger.attempts_begun([Offer(claim=claim, at=at, rendered=container) for claim in offered])
        begun = [(claim, attempt) for claim, attempt in zip(offered, attempts, strict=True) if attempt is not None]
        if len(begun) < len(offered):
            # Somebody took some of them from us, or a person stopped them: the container holds too many.
            self._end([(claim, attempt, _again()) for claim, attempt in begun])
            return
        rehearsal.at("mass.begun")
        self._end(self._call(destination, container, begun))

    def _container(
        self, destination: MassDestination, group: _Claims
    ) -> tuple[Blob, _Claims, list[tuple[Claim[Sendable], GatewayError]], _Claims]:
        """The bytes to offer; whom they are of; who can never be sent so; and who did not fit."""
        sendables = [claim.item for claim in group]
        if sendables[0].shipment.rendered is not None:
            return destination.render_again(sendables), group, [], []
        container, looked, refused = destination.render_all(sendables)
        mine, left = group[:looked], group[looked:]
        offered = [offering(claim, container) for claim in mine if claim.item.id not in refused]
        return container, offered, [(claim, refused[claim.item.id]) for claim in mine if claim.item.id in refused], left

    def _refuse(self, refused: Sequence[tuple[Claim[Sendable], GatewayError]]) -> None:
        at = self._clock.now()
        attempts = self._ledger.attempts_begun([Offer(claim=claim, at=at) for claim, _ in refused]) if refused else []
        self._end(
            [
                (claim, attempt, AttemptEnd(outcome="permanent", code=error.code, refusal=refusal_of(error)))
                for (claim, error), attempt in zip(refused, attempts, strict=True)
                if attempt is not None
            ]
        )

    def _call(
        self, destination: MassDestination, container: Blob, begun: Sequence[tuple[Claim[Sendable], Attempt]]
    ) -> list[tuple[Claim[Sendable], Attempt, AttemptEnd]]:
        try:
            taken = destination.send_all(container, [claim.item for claim, _ in begun])
        except Exception as error:  # noqa: BLE001 - the runner's line: an unknown fault is temporary
            if isinstance(error, DigitalPostAccessDenied):
                self._pauses.begin(destination.name, error)
            elif not isinstance(error, GatewayError):
                log.bug(where=self.name, error=error)
            return [(claim, attempt, self._not_taken(claim, error)) for claim, attempt in begun]
        rehearsal.at("mass.taken")
        receipts = {receipt.key.lower(): (receipt,) for receipt in taken.receipts}
        return [
            (claim, attempt, AttemptEnd(outcome="taken", receipts=receipts.get(claim.item.shipment.key.lower(), ())))
            for claim, attempt in begun
        ]

    def _not_taken(self, claim: Claim[Sendable], error: Exception) -> AttemptEnd:
        """What *error*, which is about the whole container, means for one letter of it."""
        if isinstance(error, DigitalPostAccessDenied):
            return AttemptEnd(outcome="temporary", code=error.code, retry_in=PAUSE)
        if isinstance(error, RemoteError) and not error.temporary:
            # They did not take the container; that says nothing of any one letter, which goes alone.
            return AttemptEnd(outcome="temporary", code=error.code, retry_in=timedelta(), alone=True)
        if isinstance(error, GatewayError):
            return self._later(claim, error)
        return self._later(claim, GatewayError(), outcome="unknown")

    def _later(self, claim: Claim[Sendable], error: GatewayError, outcome: Outcome = "temporary") -> AttemptEnd:
        return later(claim, error, now=self._clock.now(), waits=self._waits, outcome=outcome)

    def _end(self, ends: Sequence[tuple[Claim[Sendable], Attempt, AttemptEnd]]) -> None:
        if not ends:
            return
        ours = self._ledger.attempts_ended([Answer(claim=claim, attempt=attempt, end=end) for claim, attempt, end in ends])
        taken = sum(mine and end.outcome == "taken" for mine, (_, _, end) in zip(ours, ends, strict=True))
        if taken:
            log.mass_shipped(letters=taken, to=ends[0][0].item.shipment.destination)
        for mine, (claim, _, end) in zip(ours, ends, strict=True):
            if mine and end.outcome != "taken":
                if end.retry_in is not None:
                    log.postponed(item=claim.item.id, code=end.code or "", wait_seconds=end.retry_in.total_seconds())
                else:
                    log.failed(item=claim.item.id, code=end.code or "")


def _again() -> AttemptEnd:
    return AttemptEnd(outcome="temporary", retry_in=timedelta())


def _first_group(claims: _Claims) -> tuple[_Claims, _Claims]:
    """Claims that may share a container, and the others: one destination, and one container before this one."""
    groups: defaultdict[tuple[str, str | None], _Claims] = defaultdict(list)
    for claim in claims:
        shipment = claim.item.shipment
        groups[shipment.destination, shipment.rendered.digest if shipment.rendered else None].append(claim)
    first, *others = groups.values() if groups else [[]]
    return first, [claim for group in others for claim in group]
