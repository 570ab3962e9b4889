"""Post to us that lies with a department unopened: found, reminded of, passed on; each once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, exists, func, select

from gateway.ports import NewForward, Unopened
from gateway.storage import tables as t
from gateway.storage.connect import Tx
from gateway.storage.ledger.base import Part
from gateway.storage.ledger.inbound import add_forwards, note_inbound
from gateway.storage.ledger.inbound_acts import change, locked
from gateway.storage.values import Row


class InboundUnopened(Part):
    """The part of the ledger that the service *remind* calls."""

    def unopened_inbound(self, since: datetime) -> list[Unopened]:
        """See ``ports.Inbound``."""
        columns, sent = t.inbound.c, t.forwards.c
        handed = (
            select(func.max(sent.sent_at))
            .where(sent.inbound_id == columns.id, sent.kind == "mail", sent.state == "done", sent.department == columns.department)
            .scalar_subquery()
        )
        wanted = select(columns.id, columns.department, handed.label("since"), _told("reminded").label("reminded")).where(
            columns.state == "distributed", columns.department != "", columns.received_at > since, ~_told("escalated")
        )
        with self._database.read() as connection:
            rows = connection.execute(wanted.order_by(columns.received_at)).all()
        return [
            Unopened(id=row.id, department=row.department, since=row.since, reminded=bool(row.reminded))
            for row in rows
            if row.since is not None
        ]

    def remind_inbound(self, item: Unopened, told: Sequence[NewForward]) -> bool:
        """See ``ports.Inbound``."""
        with self._database.write() as tx:
            row = _still_unopened(tx, item, "reminded")
            if row is None:
                return False
            add_forwards(tx, row["id"], told)
            note_inbound(tx, [row["id"]], "reminded", item.department)
            return True

    def escalate_inbound(self, item: Unopened, forwards: Sequence[NewForward], *, department: str) -> bool:
        """See ``ports.Inbound``."""
        with self._database.write() as tx:
            row = _still_unopened(tx, item, "escalated")
            if row is None:
                return False
            add_forwards(tx, row["id"], forwards)
            change(tx, row, department=department)
            note_inbound(tx, [row["id"]], "escalated", item.department)
            return True


def _told(verb: str) -> ColumnElement[bool]:
    """Whether the department that has a message was *verb* of it."""
    lines = t.inbound_history.c
    return exists().where(lines.inbound_id == t.inbound.c.id, lines.verb == verb, lines.reason == t.inbound.c.department)


def _still_unopened(tx: Tx, item: Unopened, verb: str) -> Row | None:
    """Its row, if its department still has it, and nobody opened it nor was *verb* of it meanwhile."""
    locked(tx, item.id)
    columns = t.inbound.c
    wanted = select(t.inbound).where(
        columns.id == item.id, columns.state == "distributed", columns.department == item.department, ~_told(verb)
    )
    return tx.run(wanted).mappings().first()
