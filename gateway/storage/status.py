"""Status codes of letters and submissions, folded from the states of their rows.

Pure: tables in, one code out. Queue states are ours (is it due, does it wait for a person); where a
sending *is* comes from ``delivery``, computed from attempts and receipts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.model.shipment import Attempt, Part, Receipt, ShipmentKind, Status, delivery

# What a reader must know first; a person's work before progress, the least advanced before the most.
_FIRST = (
    Status.HELD,
    Status.FAILED,
    Status.RECEIVED,
    Status.QUEUED,
    Status.SENT,
    Status.REJECTED,
    Status.COMPLETED,
    Status.ARCHIVED,
    Status.HANDLED,
    Status.CANCELLED,
    Status.NONE,
)
_LETTER_STOPPED = {
    "held": Status.HELD,
    "rejected": Status.REJECTED,
    "cancelled": Status.CANCELLED,
    "handled": Status.HANDLED,
}
_SHIPMENT_STOPPED = {
    "held": Status.HELD,
    "failed": Status.FAILED,
    "cancelled": Status.CANCELLED,
    "handled": Status.HANDLED,
}
_SUBMISSION_STOPPED = {"received": Status.RECEIVED, **_LETTER_STOPPED}

FINAL = frozenset(
    {Status.COMPLETED, Status.FAILED, Status.REJECTED, Status.CANCELLED, Status.HANDLED, Status.HELD}
)
"""Nothing more happens by itself. Held is among them: a person must act, and the submitter is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentState:
    """What the fold needs of a shipment."""

    kind: ShipmentKind
    part: Part = "letter"
    state: str
    attempts: Sequence[Attempt] = ()
    receipts: Sequence[Receipt] = ()


@dataclass(frozen=True, slots=True)
class LetterStatus:
    """Sending and archiving, each on its own."""

    send: Status
    archive: Status

    @property
    def whole(self) -> Status:
        """The sending's; a letter that is only archived is completed by that."""
        if self.send is not Status.NONE:
            return self.send
        return Status.COMPLETED if self.archive is Status.ARCHIVED else self.archive

    @property
    def unhandled(self) -> bool:
        """Ubehandlet: it waits for a person."""
        return not {self.send, self.archive}.isdisjoint({Status.HELD, Status.FAILED})


def letter_status(state: str, shipments: Iterable[ShipmentState]) -> LetterStatus:
    """Of a letter in queue state *state* with all its *shipments*."""
    all_of_them = list(shipments)
    sends = [_sending(one) for one in all_of_them if one.kind == "send"]
    archives = [_archiving(one) for one in all_of_them if one.kind == "archive"]
    if state == "unrouted":
        send: Status = Status.QUEUED
    else:
        send = _LETTER_STOPPED.get(state) or _first(sends)
    return LetterStatus(send, _first(archives))


def submission_status(state: str, letters: Iterable[LetterStatus]) -> Status:
    """Of a submission in queue state *state* with all its *letters*."""
    stopped = _SUBMISSION_STOPPED.get(state)
    return stopped if stopped is not None else _first([letter.whole for letter in letters])


def _sending(shipment: ShipmentState) -> Status:
    stopped = _SHIPMENT_STOPPED.get(shipment.state)
    if stopped is not None:
        return stopped
    status = delivery(shipment.attempts, shipment.receipts)
    # It failed once, and a person lets it be offered again.
    again = shipment.state == "open" and status is Status.FAILED
    return Status.QUEUED if again else status


def _archiving(shipment: ShipmentState) -> Status:
    stopped = _SHIPMENT_STOPPED.get(shipment.state)
    if stopped is not None:
        return stopped
    # Receipts follow on their own; until they fail, the letter's own part says where it is.
    if shipment.part == "receipt":
        return Status.ARCHIVED
    return Status.ARCHIVED if shipment.state == "done" else Status.QUEUED


def _first(statuses: Sequence[Status]) -> Status:
    return min(statuses, key=_FIRST.index, default=Status.NONE)
