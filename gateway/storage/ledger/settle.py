"""settle: receipts are stored; they end sendings, whatever state those are in, and follow into the archive."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from gateway.errors import DigitalPostRefused
from gateway.model.shipment import Receipt, Status, delivery
from gateway.ports import ReceiptOutcome
from gateway.storage import tables as t
from gateway.storage import values
from gateway.storage.connect import Tx
from gateway.storage.ledger.base import Part, lock_submissions, note
from gateway.storage.news import tell, tell_again
from gateway.storage.values import Row

_FINAL_VERDICTS = ("completed", "refused")


class Settling(Part):
    """The part of the ledger that the service *settle* calls."""

    def add_receipts(self, receipts: Sequence[Receipt]) -> list[ReceiptOutcome]:
        """See ``ports.Ledger.add_receipts``. A shipment being sent at this moment is ended as well; the
        sender's answer is then only kept as an attempt.
        """
        columns = t.shipments.c
        with self._database.write() as tx:
            keys = {receipt.key.lower() for receipt in receipts}
            wanted = select(columns.id, columns.letter_id, columns.submission_id)
            about = tx.run(wanted.where(columns.key.in_(keys))).mappings().all()
            lock_submissions(tx, [row["submission_id"] for row in about])
            outcomes = store(tx, receipts)
            changed = {outcome.shipment_id for outcome in outcomes if outcome.news}
            for row in about:
                if row["id"] in changed:
                    settle(tx, row["id"])
                    release_receipts_to_archive(tx, row["letter_id"], self._retry_give_up)
                    tell(tx, row["submission_id"])
            return outcomes

    def overdue_receipts(self, older_than: timedelta, limit: int) -> list[str]:
        """See ``ports.Ledger.overdue_receipts``; oldest first."""
        columns = t.shipments.c
        with self._database.write() as tx:
            late = (
                select(columns.id)
                .where(columns.awaits_since <= tx.now - older_than)
                .order_by(columns.awaits_since)
                .limit(limit)
                .with_for_update(skip_locked=True)
                .cte("late")
            )
            reported = tx.run(
                update(t.shipments)
                .where(columns.id.in_(select(late.c.id)))
                .values(awaits_since=None, overdue_at=tx.now)
                .returning(columns.id, columns.submission_id, columns.taken_at)
            )
            found = sorted(reported.mappings(), key=lambda row: (row["taken_at"], row["id"]))
            for row in found:
                note(tx, row["submission_id"], row["id"], "overdue")
            return values.ids(found)


def store(tx: Tx, receipts: Sequence[Receipt]) -> list[ReceiptOutcome]:
    """Write *receipts* by (source, source_id), each with the shipment its key names, if any."""
    keys = {receipt.key.lower() for receipt in receipts}
    columns = t.shipments.c
    found = tx.run(select(t.shipments).where(columns.key.in_(keys))).mappings()
    shipments = {row["key"]: (row["id"], row["submission_id"]) for row in found}
    outcomes = []
    for receipt in receipts:
        shipment, submission = shipments.get(receipt.key.lower(), (None, None))
        news = bool(tx.insert_missing(t.receipts, [_row(tx, receipt, shipment)], key="id"))
        outcomes.append(ReceiptOutcome(known=shipment is not None, news=news, shipment_id=shipment))
        if news and shipment is not None and submission is not None:
            told = f"{receipt.kind} {receipt.verdict} {receipt.remote_code or ''}".rstrip()
            note(tx, submission, shipment, "receipt", told)
    return outcomes


def settle(tx: Tx, shipment_id: str) -> None:
    """Bring a sending's queue state in line with its delivery, folded from all attempts and receipts."""
    row = tx.run(select(t.shipments).where(t.shipments.c.id == shipment_id)).mappings().one()
    if row["kind"] != "send":
        return
    attempts = tx.run(select(t.attempts).where(t.attempts.c.shipment_id == shipment_id)).mappings().all()
    receipts = tx.run(
        select(t.receipts).where(t.receipts.c.shipment_id == shipment_id).order_by(t.receipts.c.id)
    )
    said = [values.receipt(one) for one in receipts.mappings()]
    if {*_FINAL_VERDICTS} <= {one.verdict for one in said}:
        note(tx, row["submission_id"], shipment_id, "contradiction", "completed and refused")
    change = _change(tx, row, delivery([values.attempt(one) for one in attempts], said), said)
    if change is None:
        return
    if row["state"] in ("failed", "held", "handled", "cancelled"):
        # The submitter may have been told so; now it is otherwise.
        tell_again(tx, row["submission_id"])
    tx.run(update(t.shipments).where(t.shipments.c.id == shipment_id).values(**change))


def release_receipts_to_archive(tx: Tx, letter_id: str, give_up: timedelta) -> None:
    """A final receipt of an archived letter is archived too, as a shipment of its own, due now."""
    columns = t.shipments.c
    final = (
        select(t.receipts.c.id)
        .join(t.shipments, columns.id == t.receipts.c.shipment_id)
        .where(
            columns.letter_id == letter_id,
            columns.kind == "send",
            t.receipts.c.verdict.in_(_FINAL_VERDICTS),
        )
    )
    if tx.run(final.limit(1)).first() is None:
        return
    archived = tx.run(
        select(t.shipments).where(
            columns.letter_id == letter_id,
            columns.kind == "archive",
            columns.part == "letter",
            columns.state == "done",
        )
    ).mappings()
    rows = [_receipt_part(tx, row, give_up) for row in archived]
    tx.insert_missing(t.shipments, rows, key="id")


def _change(tx: Tx, row: Row, status: Status, said: Sequence[Receipt]) -> dict[str, Any] | None:
    """What to write so that the queue state fits *status*; None if it fits already."""
    state = row["state"]
    refusals = [receipt for receipt in said if receipt.verdict == "refused"]
    ended = {"due_at": None, "ended_at": tx.now, "awaits_since": None, "overdue_at": None}
    if status is Status.COMPLETED and state != "done":
        return {**ended, "state": "done", "refusal": None}
    if status is Status.FAILED and refusals and state != "failed":
        if state == "handled" and len(refusals) > 1:
            return None  # a person has dealt with this refusal; hearing it again is no news
        remote_code = refusals[-1].remote_code
        refusal = values.refusal_of(DigitalPostRefused(remote_code=remote_code or "-"))
        return {
            **ended,
            "state": "failed",
            "code": remote_code,
            "refusal": values.refusal_row(refusal),
        }
    if status is Status.SENT and state in ("open", "held", "failed"):
        # They have it after all (the answer was lost): never offered again, the receipt decides.
        return {
            "state": "waiting",
            "due_at": None,
            "ended_at": None,
            "refusal": None,
            "taken_at": tx.now,
            "awaits_since": tx.now,
        }
    return None


def _receipt_part(tx: Tx, archived: Row, give_up: timedelta) -> dict[str, Any]:
    return {
        "id": f"{archived['id']}.receipt",
        "state": "open",
        "due_at": tx.now,
        "submission_id": archived["submission_id"],
        "letter_id": archived["letter_id"],
        "kind": "archive",
        "part": "receipt",
        "destination": archived["destination"],
        "key": str(uuid.uuid4()),
        "settings": archived["settings"],
        "created_at": tx.now,
        "not_before": tx.now,
        "expires_at": tx.now + give_up,
    }


def _row(tx: Tx, receipt: Receipt, shipment_id: str | None) -> dict[str, Any]:
    return {
        "source": receipt.source,
        "source_id": receipt.source_id,
        "shipment_id": shipment_id,
        "key": receipt.key,
        "kind": receipt.kind,
        "verdict": receipt.verdict,
        "at": receipt.at,
        "stored_at": tx.now,
        "remote_code": receipt.remote_code,
        "raw": receipt.raw,
    }
