"""What every part of the ledger stands on: transactions, claims, fences, the audit trail."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Table, func, insert, or_, select, update

from gateway.model.letter import Letter
from gateway.model.notice import Notice, Refusal
from gateway.model.shipment import Sendable
from gateway.model.submission import Submission
from gateway.ports import Claim
from gateway.storage import tables as t
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

    def _claim(self, tx: Tx, table: Table, limit: int, *also: ColumnElement[bool]) -> list[Row]:
        """Up to *limit* due rows of *table*, oldest first, now ours for the length of a lease."""
        free = or_(table.c.lease_until.is_(None), table.c.lease_until <= tx.now)
        due = (
            select(table.c.id)
            .where(table.c.due_at <= tx.now, free, *also)
            .order_by(table.c.due_at)
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
        return sorted(claimed.mappings(), key=lambda row: (row["due_at"], row["id"]))

    def free_claims_of_the_dead(self) -> None:
        """Free what a killed process had claimed, instead of waiting for its leases to run out.

        Only for the process that holds the lock on the home, before it claims anything. Does nothing
        on PostgreSQL, where other nodes may be alive and at work.
        """
        with self._database.write() as tx:
            if tx.postgres:
                return
            for table in (t.submissions, t.letters, t.shipments, t.notices):
                tx.run(update(table).where(table.c.lease_until.is_not(None)).values(lease_until=None))

    def postpone(self, claim: Claim[Any], *, wait: timedelta, code: str) -> bool:
        """Give the row back, due again after *wait*."""
        table, item = queue_of(claim)
        with self._database.write() as tx:
            return end_claim(tx, table, item, claim.fence, due_at=tx.now + wait, code=code)

    def give_up(self, claim: Claim[Any], refusal: Refusal, *, trace: str = "") -> bool:
        """Hold the row for a person (Ubehandlet), and tell the submitter."""
        table, item = queue_of(claim)
        submission_id = submission_of_claim(claim)
        with self._database.write() as tx:
            lock_submissions(tx, [submission_id])
            values = {"state": "held", "refusal": refusal_row(refusal), "trace": trace or None}
            if not end_claim(tx, table, item, claim.fence, due_at=None, ended_at=tx.now, **values):
                return False
            note(tx, submission_id, item, "held", refusal.code)
            tell(tx, submission_id)
            return True


def made(row: Row, item: Any) -> Claim[Any]:
    """The claim on *row*; crashes are those of earlier claims, not of this one."""
    return Claim(item, row["fence"], row["crashes"] - 1)


def queue_of(claim: Claim[Any]) -> tuple[Table, str]:
    """Table and id of the claimed row."""
    item = claim.item
    if isinstance(item, Submission):
        return t.submissions, item.id
    if isinstance(item, Letter):
        return t.letters, item.id
    if isinstance(item, Sendable):
        return t.shipments, item.shipment.id
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
        tx.run(
            select(t.submissions.c.id)
            .where(t.submissions.c.id.in_(set(submission_ids)))
            .order_by(t.submissions.c.id)
            .with_for_update(key_share=True)
        ).all()


def note(tx: Tx, submission_id: str, item: str, verb: str, reason: str = "", *, actor: str = US) -> None:
    """One line of the history."""
    tx.run(
        insert(t.audit).values(
            at=tx.now, actor=actor, verb=verb, submission_id=submission_id, item=item, reason=reason
        )
    )


def latest(first: datetime, second: datetime) -> datetime:
    return max(first, second)


def count(tx: Tx, table: Table, *where: ColumnElement[bool]) -> int:
    return int(tx.run(select(func.count()).select_from(table).where(*where)).scalar_one())
