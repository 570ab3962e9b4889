"""Post for the benchmarks, and its steps along the ledger: read, route, ship and settle."""

from __future__ import annotations

import contextlib
import hashlib
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.model.decision import Action, Decision, Facts, Trail
from gateway.model.identity import Cpr
from gateway.model.letter import Document, Letter
from gateway.model.shipment import Receipt, Sendable
from gateway.model.submission import Arrival, Blob, Envelope, Submission, Submitter
from gateway.ports import Answer, AttemptEnd, Claim, NewShipment, Offer, ReadEnd, RouteEnd
from gateway.storage.store import SqlLedger, open_ledger

MAIL = b"x" * 5_000
RECEIPT = b"<r/>" * 100


@contextlib.contextmanager
def opened(url: str) -> Iterator[SqlLedger]:
    ledger = open_ledger(url, lease=timedelta(minutes=10), retry_give_up=timedelta(hours=24))
    try:
        yield ledger
    finally:
        ledger.close()


def read(ledger: SqlLedger, batch: int) -> bool:
    claims = ledger.claim_unread(batch)
    ledger.reads_ended([(claim, read_end(claim.item)) for claim in claims])
    return bool(claims)


def route(ledger: SqlLedger, batch: int) -> bool:
    claims = ledger.claim_unrouted(batch)
    ledger.pasts([claim.item.id for claim in claims])
    ledger.routings_ended([(claim, route_end()) for claim in claims])
    return bool(claims)


def ship_and_settle(ledger: SqlLedger, batch: int) -> bool:
    claims = ledger.claim_shipments("send", batch)
    now = datetime.now(UTC)
    offers = [Offer(claim=claim, at=now, rendered=Blob("f" * 64, 5)) for claim in claims]
    attempts = ledger.attempts_begun(offers)
    ledger.attempts_ended(
        [
            Answer(
                claim=claim,
                attempt=attempt,
                end=AttemptEnd(outcome="taken", receipts=(receipt(claim, "technical", "received"),)),
            )
            for claim, attempt in zip(claims, attempts, strict=True)
            if attempt is not None
        ]
    )
    ledger.add_receipts([receipt(claim, "business", "completed") for claim in claims])
    return bool(claims)


def arrival(number: int) -> Arrival:
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


def read_end(submission: Submission) -> ReadEnd:
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


def route_end() -> RouteEnd:
    """As the built-in rules decide: three that do not match, one that does."""
    trail = Trail(asked=7, answers=0, matched=8, acted=8, reached=5)
    sending = Action(kind="send", target="digital-post", rule="send", by="Alt andet sendes")
    decision = Decision(rule="send", version="1", actions=(sending,), trail=trail)
    facts = Facts(
        channel="smtp", received_at=datetime.now(UTC), subject="Et brev", media_type="application/pdf",
        document_count=1, pages=1, size_bytes=3, case=None, submitter="anna", submitter_kind="user",
        address="010101-xxxx@dp.example.dk", recipient_kind="cpr", reach="registered",
    )  # fmt: skip
    shipment = NewShipment(kind="send", destination="digital-post", key=str(uuid.uuid4()))
    return RouteEnd(decision=decision, facts=facts, reach="registered", shipments=[shipment])


def receipt(claim: Claim[Sendable], kind: Any, verdict: Any) -> Receipt:
    return Receipt(
        source="digital-post",
        source_id=str(uuid.uuid4()),
        key=claim.item.shipment.key,
        kind=kind,
        verdict=verdict,
        at=datetime.now(UTC),
        raw=RECEIPT,
    )
