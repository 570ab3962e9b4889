"""ship: shipments are claimed, offered and answered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, insert, select, update

from gateway.model.shipment import Attempt, Receipt, Sendable, ShipmentKind
from gateway.model.submission import Blob
from gateway.ports import AttemptEnd, Claim
from gateway.storage import tables as t
from gateway.storage import values
from gateway.storage.connect import Tx
from gateway.storage.ledger.base import Part, lock_submissions, made, note, ours
from gateway.storage.ledger.settle import release_receipts_to_archive, settle, store
from gateway.storage.news import tell


class Shipping(Part):
    """The part of the ledger that the service *ship* calls."""

    def claim_shipments(
        self, kind: ShipmentKind, limit: int, *, paused: Sequence[str] = ()
    ) -> list[Claim[Sendable]]:
        """Due shipments, not to the *paused* destinations; those for archives with their receipts."""
        columns = t.shipments.c
        with self._database.write() as tx:
            rows = self._claim(
                tx, t.shipments, limit, columns.kind == kind, columns.destination.not_in(paused)
            )
            letters = _letters(tx, [row["letter_id"] for row in rows])
            receipts = _receipts(tx, list(letters)) if kind == "archive" else {}
        return [
            made(
                row,
                Sendable(
                    shipment=values.shipment(row),
                    letter=values.letter(letters[row["letter_id"]]),
                    receipts=tuple(receipts.get(row["letter_id"], ())),
                    submitter=letters[row["letter_id"]]["submitter_name"],
                ),
            )
            for row in rows
        ]

    def rendered(self, claim: Claim[Sendable], blob: Blob) -> bool:
        """Keep which bytes are offered; only the first call counts. The claim goes on."""
        columns = t.shipments.c
        with self._database.write() as tx:
            if not _in_hand(tx, claim):
                return False
            tx.run(
                update(t.shipments)
                .where(columns.id == claim.item.shipment.id, columns.rendered.is_(None))
                .values(rendered=blob.digest, rendered_size=blob.size_bytes)
            )
            return True

    def attempt_begun(self, claim: Claim[Sendable], at: datetime) -> Attempt | None:
        """See ``ports.Ledger.attempt_begun``."""
        shipment = claim.item.shipment
        columns = t.shipments.c
        with self._database.write() as tx:
            number = tx.run(
                update(t.shipments)
                .where(ours(t.shipments, shipment.id, claim.fence), columns.state == "open")
                .values(tries=columns.tries + 1)
                .returning(columns.tries)
            ).scalar_one_or_none()
            if number is None:
                return None
            attempt = Attempt(number=number, at=at, outcome="offered")
            tx.run(
                insert(t.attempts).values(
                    shipment_id=shipment.id, number=number, at=at, outcome=attempt.outcome
                )
            )
            return attempt

    def attempt_ended(self, claim: Claim[Sendable], attempt: Attempt, end: AttemptEnd) -> bool:
        """See ``ports.Ledger.attempt_ended``. A receipt that came meanwhile is not undone by the answer."""
        shipment = claim.item.shipment
        submission_id = claim.item.letter.submission_id
        with self._database.write() as tx:
            lock_submissions(tx, [submission_id])
            state = tx.run(
                update(t.shipments)
                .where(ours(t.shipments, shipment.id, claim.fence))
                .values(lease_until=None, crashes=0)
                .returning(t.shipments.c.state)
            ).scalar_one_or_none()
            if state is None:
                return False
            _answer(tx, shipment.id, attempt, end)
            if state == "open":
                tx.run(
                    update(t.shipments)
                    .where(t.shipments.c.id == shipment.id)
                    .values(**_after(tx, claim.item, end))
                )
            reason = f"{attempt.number} {end.outcome} {end.code or ''}".rstrip()
            note(tx, submission_id, shipment.id, "attempt", reason)
            if end.receipts:
                # An open shipment has none of earlier: the first one would have settled it.
                store(tx, end.receipts)
                settle(tx, shipment.id)
            if end.receipts or shipment.kind == "archive":
                release_receipts_to_archive(tx, shipment.letter_id, self._retry_give_up)
            waits = end.retry_in is not None or (end.outcome == "taken" and shipment.kind == "send")
            if end.receipts or not waits:
                tell(tx, submission_id)
            return True


def _in_hand(tx: Tx, claim: Claim[Sendable]) -> bool:
    """Whether the claim lives and the shipment still wants to be sent."""
    columns = t.shipments.c
    mine = and_(ours(t.shipments, claim.item.shipment.id, claim.fence), columns.state == "open")
    return tx.run(select(columns.id).where(mine).with_for_update()).first() is not None


def _after(tx: Tx, sendable: Sendable, end: AttemptEnd) -> dict[str, Any]:
    """What follows for an open shipment."""
    if end.outcome == "taken":
        if sendable.shipment.kind == "archive":
            return {"state": "done", "due_at": None, "taken_at": tx.now, "ended_at": tx.now}
        return {"state": "waiting", "due_at": None, "taken_at": tx.now, "awaits_since": tx.now}
    if end.retry_in is not None:
        return {"due_at": tx.now + end.retry_in, "code": end.code}
    return {
        "state": "failed",
        "due_at": None,
        "ended_at": tx.now,
        "code": end.code,
        "refusal": values.refusal_row(end.refusal),
    }


def _answer(tx: Tx, shipment_id: str, attempt: Attempt, end: AttemptEnd) -> None:
    columns = t.attempts.c
    tx.run(
        update(t.attempts)
        .where(
            columns.shipment_id == shipment_id,
            columns.number == attempt.number,
            columns.outcome == "offered",
        )
        .values(outcome=end.outcome, code=end.code, ended_at=tx.now)
    )


def _letters(tx: Tx, letter_ids: Sequence[str]) -> dict[str, values.Row]:
    found = tx.run(
        select(t.letters, t.submissions.c.submitter_name)
        .join(t.submissions, t.submissions.c.id == t.letters.c.submission_id)
        .where(t.letters.c.id.in_(letter_ids))
    )
    return {row["id"]: row for row in found.mappings()}


def _receipts(tx: Tx, letter_ids: Sequence[str]) -> dict[str, list[Receipt]]:
    """Receipts of each letter's sending, as they came."""
    found = tx.run(
        select(t.receipts, t.shipments.c.letter_id)
        .join(t.shipments, t.shipments.c.id == t.receipts.c.shipment_id)
        .where(t.shipments.c.letter_id.in_(letter_ids), t.shipments.c.kind == "send")
        .order_by(t.receipts.c.id)
    )
    by_letter: dict[str, list[Receipt]] = defaultdict(list)
    for row in found.mappings():
        by_letter[row["letter_id"]].append(values.receipt(row))
    return by_letter
