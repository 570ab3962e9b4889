"""What every part of the ledger stands on: transactions, claims, fences, the audit trail."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Executable, Table, func, or_, select, update

from gateway.model.drop import Drop
from gateway.model.inbound import Forwardable, InboundMessage
from gateway.model.letter import Letter
from gateway.model.notice import Notice, Refusal
from gateway.model.shipment import Sendable
from gateway.model.submission import Submission
from gateway.ports import Claim
from gateway.storage import tables as t
from gateway.storage.among import among
from gateway.storage.connect import Database, Tx
from gateway.storage.news import tell
from gateway.storage.values import Row, refusal_row

US = "gateway"
"""The actor in audit rows that no person caused."""


class Part:
    """Shared by all parts.

    Args:
        lease: how long a claim lasts; longer than any one network call.
        retry_give_up: how long a shipment is offered before a person is asked.
    """

    def __init__(self, database: Database, *, lease: timedelta, retry_give_up: timedelta) -> None:
        self._database = database
        self._lease = lease
        self._retry_give_up = retry_give_up

    def _claim(
        self, tx: Tx, table: Table, limit: int, *also: ColumnElement[bool], before_age: tuple[str, ...] = ()
    ) -> list[Row]:
        """Up to *limit* due rows of *table*, oldest first, now ours for the length of a lease.

        Args:
            also: conditions on the rows.
            before_age: columns whose order comes before that of age.

        Rows under which a process died come alone and last. Otherwise one that kills the process would
        take everything that was claimed beside it along, three times, and all would be held as poison. The one that
        died least often comes first: a machine that keeps losing power must not wear out the same row.
        """
        order = (*before_age, "due_at")
        healthy = self._claim_where(tx, table, limit, order, table.c.crashes == 0, *also)
        return healthy or self._claim_where(tx, table, 1, ("crashes", *order), table.c.crashes > 0, *also)

    def _claim_where(
        self, tx: Tx, table: Table, limit: int, order: tuple[str, ...], *also: ColumnElement[bool]
    ) -> list[Row]:
        free = or_(table.c.lease_until.is_(None), table.c.lease_until <= tx.now)
        due = (
            select(table.c.id)
            .where(table.c.due_at <= tx.now, free, *also)
            .order_by(*(table.c[name] for name in order))
            .limit(limit)
            .with_for_update(skip_locked=True)
            .cte("due")
        )
        claimed = tx.run(
            update(table)
            .where(table.c.id.in_(select(due.c.id)))
            .values(
                lease_until=tx.now + self._lease,
                fence=table.c.fence + 1,
                crashes=table.c.crashes + 1,
            )
            .returning(*table.c)
        )
        return sorted(claimed.mappings().all(), key=lambda row: (*(row[name] for name in order), row["id"]))

    def free_claims_of_the_dead(self) -> None:
        """Free what a killed process had claimed, instead of waiting for its leases to run out.

        Only for the process that holds the lock on the home, before it claims anything. Does nothing
        on PostgreSQL, where other nodes may be alive and at work.
        """
        with self._database.write() as tx:
            if tx.postgres:
                return
            for table in (t.submissions, t.letters, t.shipments, t.notices, t.drops, t.inbound, t.forwards):
                tx.run(update(table).where(table.c.lease_until.is_not(None)).values(lease_until=None))

    def renew(self, claim: Claim[Any]) -> bool:
        """See ``ports.Ledger.renew``."""
        table, item = queue_of(claim)
        with self._database.write() as tx:
            mine = update(table).where(ours(table, item, claim.fence)).values(lease_until=tx.now + self._lease)
            return tx.run(mine).rowcount == 1

    def put_back(self, claims: Sequence[Claim[Any]]) -> None:
        """See ``ports.Ledger.put_back``. The fence stays spent, and counts as no try."""
        self._give_back(claims)

    def _give_back(self, claims: Sequence[Claim[Any]], **also: object) -> None:
        with self._database.write() as tx:
            for table, alike in groupby(claims, key=lambda claim: queue_of(claim)[0]):
                mine = list(alike)
                rows = in_hand(tx, mine)
                tx.change(
                    table,
                    [
                        (
                            row["id"],
                            {
                                "lease_until": None,
                                "crashes": claim.crashes,
                                "spent": claim.fence - claim.tries + 1,
                                **also,
                            },
                        )
                        for claim, row in zip(mine, rows, strict=True)
                        if row is not None
                    ],
                )

    def postpone(self, claim: Claim[Any], *, wait: timedelta, code: str) -> bool:
        """Give the row back, due again after *wait*."""
        table, item = queue_of(claim)
        with self._database.write() as tx:
            return end_claim(tx, table, item, claim.fence, due_at=tx.now + wait, code=code)

    def give_up(self, claim: Claim[Any], refusal: Refusal, *, trace: str = "") -> bool:
        """Hold the row for a person (Ubehandlet), and tell the submitter."""
        table, item = queue_of(claim)
        if isinstance(claim.item, Drop):
            with self._database.write() as tx:
                return end_claim(tx, table, item, claim.fence, due_at=None, state="held", trace=trace or None)
        if isinstance(claim.item, InboundMessage | Forwardable):
            # Nobody distributed it: a person does.
            state = "inbox" if isinstance(claim.item, InboundMessage) else "held"
            with self._database.write() as tx:
                told = {"state": state, "refusal": refusal_row(refusal), "trace": trace or None}
                return end_claim(tx, table, item, claim.fence, due_at=None, ended_at=tx.now, **told)
        submission_id = submission_of_claim(claim)
        with self._database.write() as tx:
            lock_submissions(tx, [submission_id])
            values = {"state": "held", "refusal": refusal_row(refusal), "trace": trace or None}
            if not end_claim(tx, table, item, claim.fence, due_at=None, ended_at=tx.now, **values):
                return False
            note(tx, submission_id, item, "held", refusal.code)
            tell(tx, [submission_id])
            return True


def made(row: Row, item: Any) -> Claim[Any]:
    """The claim on *row*; crashes are those of earlier claims, not of this one."""
    return Claim(item, row["fence"], row["crashes"] - 1, row["fence"] - row["spent"])


def queue_of(claim: Claim[Any]) -> tuple[Table, str]:
    """Table and id of the claimed row."""
    item = claim.item
    if isinstance(item, Submission):
        return t.submissions, item.id
    if isinstance(item, Letter):
        return t.letters, item.id
    if isinstance(item, Sendable):
        return t.shipments, item.shipment.id
    if isinstance(item, Drop):
        return t.drops, item.id
    if isinstance(item, InboundMessage):
        return t.inbound, item.id
    if isinstance(item, Forwardable):
        return t.forwards, item.forward.id
    assert isinstance(item, Notice)
    return t.notices, item.id


def submission_of_claim(claim: Claim[Any]) -> str:
    item = claim.item
    if isinstance(item, Submission):
        return item.id
    if isinstance(item, Sendable):
        return item.letter.submission_id
    assert isinstance(item, Letter | Notice)
    return item.submission_id


def ours(table: Table, item: str, fence: int) -> ColumnElement[bool]:
    """Matches the claimed row while the claim is alive. Every end of a claim clears ``lease_until``."""
    return (table.c.id == item) & (table.c.fence == fence) & table.c.lease_until.is_not(None)


def in_hand(
    tx: Tx, claims: Sequence[Claim[Any]], *, also_ended: bool = False, also: tuple[str, ...] = ()
) -> list[Row | None]:
    """For each of *claims* (all on one table) its row while the claim is alive: ``id, fence, state``.
    No other node touches these rows until the transaction ends.

    Args:
        also_ended: count in what left its queue while we had it (a receipt came during the call).
        also: further columns.
    """
    if not claims:
        return []
    table, _ = queue_of(claims[0])
    ids = [queue_of(claim)[1] for claim in claims]
    found = tx.run(_in_hand(table, also, also_ended=also_ended), {"ids": ids}).mappings().all()
    rows = {(row["id"], row["fence"]): row for row in found}
    return [rows.get((item, claim.fence)) for item, claim in zip(ids, claims, strict=True)]


@cache
def _in_hand(table: Table, also: tuple[str, ...], *, also_ended: bool) -> Executable:
    columns = table.c
    wanted = select(*(columns[name] for name in ("id", "fence", "state", *also))).where(
        among(columns.id), columns.lease_until.is_not(None)
    )
    if not also_ended:
        wanted = wanted.where(columns.due_at.is_not(None))
    return wanted.order_by(columns.id).with_for_update(key_share=True)


def end_claim(tx: Tx, table: Table, item: str, fence: int, **values: Any) -> bool:
    """Write *values* and end the claim; False, and nothing written, if it is not ours any more."""
    done = tx.run(
        update(table)
        .where(ours(table, item, fence), table.c.due_at.is_not(None))
        .values(lease_until=None, crashes=0, **values)
    )
    return done.rowcount == 1


def lock_submissions(tx: Tx, submission_ids: Sequence[str]) -> None:
    """Let no other node finish a sibling at the same time: each would take the other's for open, and
    nobody would tell the submitter. Always taken first, and in order, so that nodes never wait in a
    ring. SQLite has one writer anyway.
    """
    if tx.postgres and submission_ids:
        tx.run(_LOCK, {"ids": sorted(set(submission_ids))}).all()


_LOCK = (
    select(t.submissions.c.id)
    .where(among(t.submissions.c.id))
    .order_by(t.submissions.c.id)
    .with_for_update(key_share=True)
)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the history: what happened to which item."""

    submission_id: str
    item: str
    verb: str
    reason: str = ""


def note(tx: Tx, submission_id: str, item: str, verb: str, reason: str = "", *, actor: str = US) -> None:
    """One line of the history."""
    notes(tx, [Line(submission_id, item, verb, reason)], actor=actor)


def notes(tx: Tx, lines: Iterable[Line], *, actor: str = US) -> None:
    """Many lines of the history."""
    tx.insert(
        t.audit,
        [
            {
                "at": tx.now,
                "actor": actor,
                "verb": line.verb,
                "submission_id": line.submission_id,
                "item": line.item,
                "reason": line.reason,
            }
            for line in lines
        ],
    )


def latest(first: datetime, second: datetime) -> datetime:
    return max(first, second)


def count(tx: Tx, table: Table, *where: ColumnElement[bool]) -> int:
    return int(tx.run(select(func.count()).select_from(table).where(*where)).scalar_one())
