"""When a notice becomes due: in the same transaction that made the news.

Also the statuses of a submission's letters, which decide it and which the views show.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select, update

from gateway.model.notice import NoticeKind
from gateway.model.shipment import Status
from gateway.storage import tables as t
from gateway.storage import values
from gateway.storage.connect import Tx
from gateway.storage.status import FINAL, LetterStatus, ShipmentState, letter_status
from gateway.storage.values import Row

_BAD_NEWS = frozenset({Status.HELD, Status.FAILED, Status.REJECTED})


class Progress:
    """Letters, shipments, attempts and receipts of some submissions, loaded in four queries."""

    def __init__(self, connection: Connection, submission_ids: Sequence[str]) -> None:
        def rows(statement: Any) -> list[Row]:
            return list(connection.execute(statement).mappings())

        letters, shipments = t.letters, t.shipments
        wanted = letters.c.submission_id.in_(submission_ids)
        order = (letters.c.submission_id, letters.c.number)
        self.letters = _grouped(rows(select(letters).where(wanted).order_by(*order)), "submission_id")
        found = rows(
            select(shipments)
            .where(shipments.c.submission_id.in_(submission_ids))
            .order_by(shipments.c.created_at, shipments.c.id)
        )
        self.shipments = _grouped(found, "letter_id")
        keys = values.ids(found)
        attempts = select(t.attempts).where(t.attempts.c.shipment_id.in_(keys))
        columns = [column for column in t.receipts.c if column.name != "raw"]
        receipts = select(*columns).where(t.receipts.c.shipment_id.in_(keys))
        self.attempts = _grouped(rows(attempts.order_by(t.attempts.c.number)), "shipment_id")
        self.receipts = _grouped(rows(receipts.order_by(t.receipts.c.id)), "shipment_id")

    def status(self, letter: Row) -> LetterStatus:
        return letter_status(letter["state"], map(self.state, self.shipments[letter["id"]]))

    def statuses(self, submission_id: str) -> list[LetterStatus]:
        return [self.status(letter) for letter in self.letters[submission_id]]

    def state(self, row: Row) -> ShipmentState:
        return ShipmentState(
            kind=row["kind"],
            part=row["part"],
            state=row["state"],
            attempts=[values.attempt(one) for one in self.attempts[row["id"]]],
            receipts=[values.receipt(one) for one in self.receipts[row["id"]]],
        )


def tell(tx: Tx, submission_id: str) -> None:
    """Make the notice ``held`` or ``final`` due if nothing more happens by itself. Call it, holding the
    submission's lock, after every write that may have been the last one.
    """
    if _still_sending(tx, submission_id):
        return
    row = _submission(tx, submission_id)
    if row["state"] in ("held", "rejected"):
        _due(tx, row, "held" if row["state"] == "held" else "final")
        return
    statuses = {one.whole for one in Progress(tx.connection, [submission_id]).statuses(submission_id)}
    if not statuses or not statuses <= FINAL:
        return
    if row["wish"] == "errors" and statuses.isdisjoint(_BAD_NEWS):
        return
    _due(tx, row, "held" if Status.HELD in statuses else "final")


def _still_sending(tx: Tx, submission_id: str) -> bool:
    """A cheap no, so that the end of each of 5,000 letters does not look at all the others."""
    columns = t.shipments.c
    moving = select(columns.id).where(
        columns.submission_id == submission_id, t.OPEN_OR_WAITING, columns.kind == "send"
    )
    return tx.run(moving.limit(1)).first() is not None


def tell_received(tx: Tx, submission_id: str) -> None:
    """Letters were read; for the submitter who wants all news."""
    _due(tx, _submission(tx, submission_id), "received")


def tell_again(tx: Tx, submission_id: str) -> None:
    """Something that was told is open again: its end will be news once more."""
    tx.run(
        update(t.notices)
        .where(
            t.notices.c.submission_id == submission_id,
            t.notices.c.kind.in_(("held", "final")),
            t.notices.c.state == "sent",
        )
        .values(state="again")
    )


def _due(tx: Tx, submission: Row, kind: NoticeKind) -> None:
    """Once: a notice that is due, sent or held already stays as it is."""
    if not submission["reply_to"] or submission["automatic"] or submission["silent"]:
        return
    notice_id = f"{submission['id']}.{kind}"
    row = {
        "id": notice_id,
        "state": "due",
        "due_at": tx.now,
        "submission_id": submission["id"],
        "kind": kind,
        "to": submission["reply_to"],
        "created_at": tx.now,
    }
    if not tx.insert_missing(t.notices, [row], key="id"):
        tx.run(
            update(t.notices)
            .where(t.notices.c.id == notice_id, t.notices.c.state == "again")
            .values(state="due", due_at=tx.now)
        )


def _submission(tx: Tx, submission_id: str) -> Row:
    """Without its bytes, which may be a quarter of a megabyte."""
    columns = [column for column in t.submissions.c if column.name != "raw"]
    return tx.run(select(*columns).where(t.submissions.c.id == submission_id)).mappings().one()


def _grouped(rows: Sequence[Row], by: str) -> defaultdict[Any, list[Row]]:
    groups: defaultdict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row[by]].append(row)
    return groups
