"""Letter × destination, its attempts and receipts, and the delivery computed from them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from gateway.model.letter import Letter
from gateway.model.submission import Blob


class Status(StrEnum):
    """Stable codes of receipts, API and command line (design, section 4)."""

    RECEIVED = "received"
    HELD = "held"
    QUEUED = "queued"
    SENT = "sent"
    COMPLETED = "completed"
    FAILED = "failed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    HANDLED = "handled"
    ARCHIVED = "archived"
    NONE = "none"

    @property
    def danish(self) -> str:
        return _DANISH[self]


_DANISH = {
    Status.RECEIVED: "Modtaget",
    Status.HELD: "Afventer",
    Status.QUEUED: "I kø",
    Status.SENT: "Afleveret ✓",
    Status.COMPLETED: "Afsluttet ✓✓",
    Status.FAILED: "Afsluttet med fejl ⚠",
    Status.REJECTED: "Afvist",
    Status.CANCELLED: "Annulleret",
    Status.HANDLED: "Håndteret",
    Status.ARCHIVED: "Arkiveret",
    Status.NONE: "Ikke valgt",
}

ShipmentKind = Literal["send", "archive"]
Part = Literal["letter", "receipt"]
"""What an archive gets: the letter itself, and later its receipts. A sending has only ``letter``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    """Written before the first try. Key and rendered bytes stay the same over all tries."""

    id: str
    letter_id: str
    kind: ShipmentKind
    part: Part = "letter"
    destination: str
    key: str
    """UUID version 4: the MeMo message UUID, or the archive's idempotency key."""
    rendered: Blob | None = None
    """The exact bytes offered; stored before the first attempt, reused on every retry."""
    settings: tuple[tuple[str, str], ...] = ()
    created_at: datetime
    expires_at: datetime
    """When retrying stops and a person is asked."""
    tries: int = 0


Outcome = Literal["offered", "taken", "temporary", "permanent", "unknown"]
"""``offered``: written before the call, no answer yet (also what a crash leaves behind);
``unknown``: the call ended without an answer, they may have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """We tried. Append-only but for the one answer to an ``offered`` row."""

    number: int
    at: datetime
    outcome: Outcome
    code: str | None = None
    """GW code, or the remote's own code."""


ReceiptKind = Literal["technical", "business"]
Verdict = Literal["received", "completed", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """They said. Append-only; the raw bytes are kept as evidence."""

    source: str
    """Destination that gave it."""
    source_id: str
    """The remote's id of this receipt; (source, source_id) is unique."""
    key: str
    """UUID of the message it is about."""
    kind: ReceiptKind
    verdict: Verdict
    at: datetime
    remote_code: str | None = None
    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sendable:
    """All a destination needs: the shipment, its letter, and receipts so far (for archives)."""

    shipment: Shipment
    letter: Letter
    receipts: tuple[Receipt, ...] = ()
    submitter: str = ""

    @property
    def id(self) -> str:
        return self.shipment.id


def delivery(attempts: Iterable[Attempt], receipts: Iterable[Receipt]) -> Status:
    """Where a sending is; a fold over all that was tried and said, so order and repeats do not matter.

    A final receipt beats everything; among contradicting final receipts COMPLETED wins, since the
    recipient then has the letter (the ledger flags the contradiction for a person).
    """
    verdicts = {receipt.verdict for receipt in receipts}
    outcomes = {attempt.outcome for attempt in attempts}
    if "completed" in verdicts:
        return Status.COMPLETED
    if "refused" in verdicts:
        return Status.FAILED
    if "received" in verdicts or "taken" in outcomes:
        return Status.SENT
    if "permanent" in outcomes:
        return Status.FAILED
    return Status.QUEUED
