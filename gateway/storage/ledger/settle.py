"""settle: receipts are stored; they end sendings, whatever state those are in, and follow into the archive."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from gateway.errors import DigitalPostRefused
from gateway.model.shipment import Receipt, Status, delivery
from gateway.ports import ReceiptOutcome
from gateway.storage import tables as t
from gateway.storage import values
from gateway.storage.among import among
from gateway.storage.columns import storable
from gateway.storage.connect import Tx
from gateway.storage.ledger.base import Line, Part, lock_submissions, notes
from gateway.storage.ledger.route import ask_again
from gateway.storage.news import tell, tell_again
from gateway.storage.values import Row, by

FINAL_VERDICTS = ("completed", "refused")


class Settling(Part):
    """The part of the ledger that the service *settle* calls."""

    def add_receipts(self, receipts: Sequence[Receipt], *, reroute: bool = False) -> list[ReceiptOutcome]:
        """See ``ports.Ledger.add_receipts``. A shipment being sent at this moment is ended as well; the
        sender's answer is then only kept as an attempt.
        """
        with self._database.write() as tx:
            named = _named(tx, receipts)
            lock_submissions(tx, [row["submission_id"] for row in named.values()])
            outcomes = store(tx, receipts, named)
            changed = {outcome.shipment_id for outcome in outcomes if outcome.news}
            about = [row for row in named.values() if row["id"] in changed]
            settle(tx, values.ids(about))
            release_receipts_to_archive(
                tx, [row["letter_id"] for row in about], self._retry_give_up
            )
            if reroute:
                ask_again(tx, tx.run(_REFUSED, {"ids": values.ids(about)}).scalars().all())
            tell(tx, [row["submission_id"] for row in about])
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
            notes(tx, [Line(row["submission_id"], row["id"], "overdue") for row in found])
            return values.ids(found)


def store(
    tx: Tx, receipts: Sequence[Receipt], named: Mapping[str, Row] | None = None
) -> list[ReceiptOutcome]:
    """Write *receipts* by (source, source_id), each with the shipment its key names, if any.

    Args:
        named: those shipments by key, if they are known already.
    """
    named = _named(tx, receipts) if named is None else named
    new = _insert(tx, receipts, named)
    outcomes = []
    lines = []
    for receipt in receipts:
        shipment = named.get(receipt.key.lower())
        name = (receipt.source, storable(receipt.source_id))
        news = name in new
        new.discard(name)  # the same once more in one batch is no news
        shipment_id = shipment["id"] if shipment else None
        outcomes.append(ReceiptOutcome(known=shipment is not None, news=news, shipment_id=shipment_id))
        if news and shipment:
            told = f"{receipt.kind} {receipt.verdict} {receipt.remote_code or ''}".rstrip()
            lines.append(Line(shipment["submission_id"], shipment["id"], "receipt", told))
    notes(tx, lines)
    return outcomes


def settle(tx: Tx, shipment_ids: Sequence[str]) -> None:
    """Bring the queue states of sendings in line with their deliveries, folded from all attempts and
    receipts.
    """
    if not shipment_ids:
        return
    ids = {"ids": list(shipment_ids)}
    rows = tx.run(_SENDINGS, ids).mappings().all()
    attempts = by(tx.run(_ATTEMPTS, ids).mappings().all(), "shipment_id")
    receipts = by(tx.run(_RECEIPTS, ids).mappings().all(), "shipment_id")
    changes = []
    contradictions = []
    reopened = []
    for row in rows:
        said = [values.receipt(one) for one in receipts[row["id"]]]
        if {*FINAL_VERDICTS} <= {one.verdict for one in said}:
            contradictions.append(
                Line(row["submission_id"], row["id"], "contradiction", "completed and refused")
            )
        tried = [values.attempt(one) for one in attempts[row["id"]]]
        change = _change(tx, row, delivery(tried, said), said)
        if change is None:
            continue
        changes.append((row["id"], change))
        if row["state"] in ("failed", "held", "handled", "cancelled"):
            # The submitter may have been told so; now it is otherwise.
            reopened.append(row["submission_id"])
    notes(tx, contradictions)
    tell_again(tx, reopened)
    tx.change(t.shipments, changes)


def release_receipts_to_archive(tx: Tx, letter_ids: Sequence[str], give_up: timedelta) -> None:
    """Final receipts of archived letters are archived too, as shipments of their own, due now."""
    if not letter_ids:
        return
    settled = tx.run(_SETTLED_LETTERS, {"ids": list(letter_ids)}).scalars().all()
    if not settled:
        return
    archived = tx.run(_ARCHIVED, {"ids": settled}).mappings().all()
    tx.insert_missing(t.shipments, [_receipt_part(tx, row, give_up) for row in archived], key="id")


def _named(tx: Tx, receipts: Sequence[Receipt]) -> dict[str, Row]:
    """The shipments that *receipts* are about, by key."""
    keys = list({receipt.key.lower() for receipt in receipts})
    return {row["key"]: row for row in tx.run(_BY_KEY, {"ids": keys}).mappings().all()} if keys else {}


def _insert(tx: Tx, receipts: Sequence[Receipt], named: Mapping[str, Row]) -> set[tuple[str, ...]]:
    """The (source, source_id) that were not there before."""
    rows = []
    for receipt in receipts:
        shipment = named.get(receipt.key.lower())
        rows.append(_row(tx, receipt, shipment["id"] if shipment else None))
    return tx.insert_missing_by(t.receipts, rows, keys=("source", "source_id"))


_COLUMNS = t.shipments.c
_REFUSED = select(_COLUMNS.letter_id).where(
    among(_COLUMNS.id), _COLUMNS.kind == "send", _COLUMNS.state == "failed"
)
_BY_KEY = select(_COLUMNS.key, _COLUMNS.id, _COLUMNS.letter_id, _COLUMNS.submission_id).where(
    among(_COLUMNS.key)
)
# Taken in order, as ``in_hand`` does, so that two nodes never wait for each other in a ring.
_SENDINGS = (
    select(_COLUMNS.id, _COLUMNS.submission_id, _COLUMNS.state)
    .where(among(_COLUMNS.id), _COLUMNS.kind == "send")
    .order_by(_COLUMNS.id)
    .with_for_update(key_share=True)
)
_ATTEMPTS = select(t.attempts).where(among(t.attempts.c.shipment_id))
_RECEIPTS = (
    select(*(one for one in t.receipts.c if one.name != "raw"))
    .where(among(t.receipts.c.shipment_id))
    .order_by(t.receipts.c.id)
)
_SETTLED_LETTERS = (
    select(_COLUMNS.letter_id)
    .join(t.receipts, _COLUMNS.id == t.receipts.c.shipment_id)
    .where(
        among(_COLUMNS.letter_id),
        _COLUMNS.kind == "send",
        t.receipts.c.verdict.in_(FINAL_VERDICTS),
    )
    .distinct()
)
_ARCHIVED = select(t.shipments).where(
    among(_COLUMNS.letter_id),
    _COLUMNS.kind == "archive",
    _COLUMNS.part == "letter",
    _COLUMNS.state == "done",
)


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
