"""When a notice becomes due: in the same transaction that made the news.

Also the statuses of a submission's letters, which decide it and which the views show.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta

from sqlalchemy import Connection, Executable, or_, select, text, update

from gateway.model.letter import Letter
from gateway.model.notice import NoticeKind
from gateway.model.shipment import Status
from gateway.ports import Told
from gateway.storage import tables as t
from gateway.storage import values
from gateway.storage.among import among
from gateway.storage.connect import Tx
from gateway.storage.status import FINAL, LetterStatus, ShipmentState, letter_status
from gateway.storage.values import Row, by

DROPPED = ("sftp", "folder")
"""Channels whose submissions are answered with files."""
LIST_WAIT = timedelta(seconds=5)
RULE = "rule-"
"""Begins the kind of a notice that a rule wants; what follows makes it the only one of its kind."""

_BAD_NEWS = frozenset({Status.HELD, Status.FAILED, Status.REJECTED})


class Progress:
    """Letters, shipments, attempts and receipts of some submissions, loaded in four queries.

    Args:
        whole: every column; False: only what statuses are folded from.
    """

    def __init__(
        self, connection: Connection, submission_ids: Sequence[str], *, whole: bool = True
    ) -> None:
        def rows(statement: Executable, ids: Sequence[str]) -> Sequence[Row]:
            if not ids:
                return []
            return connection.execute(statement, {"ids": list(ids)}).mappings().all()

        letters = rows(_LETTERS if whole else _LETTER_STATES, submission_ids)
        self.letters = by(letters, "submission_id")
        found = rows(_SHIPMENTS if whole else _SHIPMENT_STATES, submission_ids)
        self.shipments = by(found, "letter_id")
        keys = values.ids(found)
        self.attempts = by(rows(_ATTEMPTS, keys), "shipment_id")
        self.receipts = by(rows(_RECEIPTS, keys), "shipment_id")

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


def tell(tx: Tx, submission_ids: Collection[str]) -> None:
    """Make the notices ``held`` or ``final`` due where nothing more happens by itself. Call it, holding
    the submissions' locks, after every write that may have been the last one.
    """
    quiet = sorted({*submission_ids} - _still_sending(tx, submission_ids))
    found = _submissions(tx, quiet)
    answer_drops(tx, [row["id"] for row in found if row["channel"] in DROPPED])
    rows = [row for row in found if _is_told(row)]
    progress = Progress(tx.connection, values.ids(rows), whole=False)
    kinds = [(row, _news(row, {one.whole for one in progress.statuses(row["id"])})) for row in rows]
    _due(tx, [(row, kind) for row, kind in kinds if kind is not None])


def _news(row: Row, statuses: set[Status]) -> NoticeKind | None:
    """The notice that is due about a submission whose letters have these *statuses*; None: not yet."""
    if row["state"] in ("held", "rejected"):
        return "held" if row["state"] == "held" else "final"
    if not statuses or not statuses <= FINAL:
        return None
    if row["wish"] == "errors" and statuses.isdisjoint(_BAD_NEWS):
        return None
    return "held" if Status.HELD in statuses else "final"


def _still_sending(tx: Tx, submission_ids: Collection[str]) -> set[str]:
    """A cheap no, so that the end of each of 5,000 letters does not look at all the others."""
    if not submission_ids:
        return set()
    # One look-up for each, which stops at the first row found.
    return set(tx.run(_MOVING, {"ids": list(submission_ids)}).scalars())


def tell_received(tx: Tx, submission_ids: Sequence[str]) -> None:
    """Letters were read; for submitters who want all news."""
    _due(tx, [(row, "received") for row in _submissions(tx, submission_ids) if _is_told(row)])


def answer_drops(tx: Tx, submission_ids: Sequence[str]) -> None:
    """There is news of these submissions: the drops that they came by have something to answer.

    A list of thousands is looked at now and then, not after each of its letters.
    """
    if not submission_ids:
        return
    drops = t.drops.c
    mine = drops.id.in_(select(t.drop_items.c.drop_id).where(among(t.drop_items.c.submission_id)))
    given = {"ids": list(submission_ids)}
    lists = drops.kind == "manifest"
    tx.run(update(t.drops).where(mine, ~lists).values(due_at=tx.now), given)
    idle = or_(drops.due_at.is_(None), drops.lease_until.is_not(None))
    tx.run(update(t.drops).where(mine, lists, idle).values(due_at=tx.now + LIST_WAIT), given)


def tell_again(tx: Tx, submission_ids: Sequence[str]) -> None:
    """Something that was told is open again: its end will be news once more."""
    if not submission_ids:
        return
    tx.run(
        update(t.notices)
        .where(
            t.notices.c.submission_id.in_(submission_ids),
            t.notices.c.kind.in_(("held", "final")),
            t.notices.c.state == "sent",
        )
        .values(state="again")
    )


def tell_others(tx: Tx, told: Sequence[tuple[Letter, Sequence[Told]]]) -> None:
    """Mails that rules want written about letters; routing a letter again writes none twice."""
    rows = [
        {
            # Numbered: a submission has many letters, a rule many addresses.
            "id": f"{letter.id}.rule-{number}",
            "state": "due",
            "due_at": tx.now,
            "submission_id": letter.submission_id,
            "kind": f"{RULE}{letter.index}-{number}",
            "to": one.to,
            "created_at": tx.now,
            "about": {"rule": one.rule, "text": one.text, "letter": letter.id},
        }
        for letter, several in told
        for number, one in enumerate(several, 1)
    ]
    if rows:
        tx.insert_missing(t.notices, rows, key="id")


def _is_told(submission: Row) -> bool:
    return bool(submission["reply_to"] and not submission["automatic"] and not submission["silent"])


def _due(tx: Tx, news: Sequence[tuple[Row, NoticeKind]]) -> None:
    """Once: a notice that is due, sent or held already stays as it is."""
    rows = [
        {
            "id": f"{submission['id']}.{kind}",
            "state": "due",
            "due_at": tx.now,
            "submission_id": submission["id"],
            "kind": kind,
            "to": submission["reply_to"],
            "created_at": tx.now,
        }
        for submission, kind in news
    ]
    known = [row["id"] for row in rows]
    known = sorted({*known} - tx.insert_missing(t.notices, rows, key="id"))
    if known:
        tx.run(
            update(t.notices)
            .where(t.notices.c.id.in_(known), t.notices.c.state == "again")
            .values(state="due", due_at=tx.now)
        )


def _submissions(tx: Tx, submission_ids: Sequence[str]) -> Sequence[Row]:
    """What decides whether and where news goes."""
    if not submission_ids:
        return []
    return tx.run(_TOLD, {"ids": list(submission_ids)}).mappings().all()


_OF_LETTERS = among(t.letters.c.submission_id)
_OF_SHIPMENTS = among(t.shipments.c.submission_id)
_LETTERS_IN_ORDER = (t.letters.c.submission_id, t.letters.c.number)
_SHIPMENTS_IN_ORDER = (t.shipments.c.created_at, t.shipments.c.id)
_LETTERS = select(t.letters).where(_OF_LETTERS).order_by(*_LETTERS_IN_ORDER)
_LETTER_STATES = (
    select(t.letters.c.id, t.letters.c.submission_id, t.letters.c.state)
    .where(_OF_LETTERS)
    .order_by(*_LETTERS_IN_ORDER)
)
_SHIPMENTS = select(t.shipments).where(_OF_SHIPMENTS).order_by(*_SHIPMENTS_IN_ORDER)
_SHIPMENT_STATES = (
    select(*(t.shipments.c[name] for name in ("id", "letter_id", "kind", "part", "state")))
    .where(_OF_SHIPMENTS)
    .order_by(*_SHIPMENTS_IN_ORDER)
)
_ATTEMPTS = (
    select(t.attempts).where(among(t.attempts.c.shipment_id)).order_by(t.attempts.c.number)
)
_RECEIPTS = (
    select(*(one for one in t.receipts.c if one.name != "raw"))
    .where(among(t.receipts.c.shipment_id))
    .order_by(t.receipts.c.id)
)
_MOVING = select(t.submissions.c.id).where(
    among(t.submissions.c.id),
    select(t.shipments.c.id)
    .where(
        t.shipments.c.submission_id == t.submissions.c.id,
        text("shipments.state IN ('open', 'waiting')"),
        t.shipments.c.kind == "send",
    )
    .exists(),
)
_TOLD = select(
    *(t.submissions.c[name] for name in ("id", "state", "channel", "wish", "reply_to", "automatic", "silent"))
).where(among(t.submissions.c.id))
