"""Post to us, as persons see it and act on it: assign, return, done, open, try again; and what came back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, or_, select, update

from gateway.errors import NotAllowedNow, NotFound
from gateway.model.inbound import DeliveryMode, Forwardable, InboundMessage, InboundStatus
from gateway.model.rule_version import PastDecision
from gateway.ports import NewForward
from gateway.storage import decided, values
from gateway.storage import tables as t
from gateway.storage.connect import Tx
from gateway.storage.inbound_rows import forward_of, message_of
from gateway.storage.ledger.base import Part
from gateway.storage.ledger.inbound import add_forwards, messages_of, note_inbound
from gateway.storage.values import Row

_OPEN = ("new", "inbox", "distributed", "opened", "done")


class InboundActs(Part):
    """The part of the ledger that the command line, the link pages and the return path call."""

    # ── views ───────────────────────────────────────────────────────────────

    def list_inbound(
        self, *, limit: int = 100, status: InboundStatus | None = None, department: str | None = None
    ) -> list[dict[str, Any]]:
        """See ``ports.Inbound``; newest first, without history."""
        columns = t.inbound.c
        wanted = select(t.inbound).order_by(columns.received_at.desc(), columns.id.desc()).limit(limit)
        if status is not None:
            wanted = wanted.where(columns.state == status.value)
        if department is not None:
            wanted = wanted.where(columns.department == department)
        with self._database.read() as connection:
            return [_view(row) for row in connection.execute(wanted).mappings()]

    def show_inbound(self, item: str) -> dict[str, Any]:
        """See ``ports.Inbound``; with documents, forwards and history."""
        with self._database.read() as connection:
            row = _row(connection, item)
            forwards = select(t.forwards).where(t.forwards.c.inbound_id == row["id"]).order_by(t.forwards.c.number)
            history = (
                select(t.inbound_history)
                .where(t.inbound_history.c.inbound_id == row["id"])
                .order_by(t.inbound_history.c.id)
            )
            return {
                **_view(row),
                "documents": [
                    {name: document[name] for name in ("name", "role", "media_type", "size_bytes", "digest")}
                    for document in row["documents"]
                ],
                "keys": {
                    name: value
                    for name, value in row["post"].items()
                    if name not in ("text", "strays", "answers", "sent_at", "reply_by", "reply_allowed")
                },
                "memo": {"digest": row["digest"], "size_bytes": row["size_bytes"]},
                "forwards": [_forward_view(one) for one in connection.execute(forwards).mappings()],
                "history": [
                    {"at": line.at.isoformat(), "actor": line.actor, "verb": line.verb, "item": line.item, "reason": line.reason}
                    for line in connection.execute(history)
                ],
            }  # fmt: skip

    def inbound_message(self, item: str) -> InboundMessage:
        """See ``ports.Inbound``."""
        with self._database.read() as connection:
            row = _row(connection, item)
        _understood(row)
        return message_of(row)

    def inbound_decisions_of(self, item: str) -> list[PastDecision]:
        """See ``ports.Inbound``."""
        with self._database.read() as connection:
            row = _row(connection, item)
            wanted = select(t.inbound_decisions).where(t.inbound_decisions.c.inbound_id == row["id"])
            rows = connection.execute(wanted.order_by(t.inbound_decisions.c.id)).mappings().all()
        return [_past(one, row["department"]) for one in rows]

    def inbound_decisions_since(self, since: datetime, *, after: int = 0, limit: int = 1000) -> list[PastDecision]:
        """See ``ports.Inbound``."""
        columns = t.inbound_decisions.c
        wanted = (
            select(t.inbound_decisions, t.inbound.c.department.label("department"))
            .join(t.inbound, t.inbound.c.id == columns.inbound_id)
            .where(columns.at > since, columns.id > after)
            .order_by(columns.id)
            .limit(limit)
        )
        with self._database.read() as connection:
            return [_past(row, row["department"]) for row in connection.execute(wanted).mappings()]

    def inbox_overview(self) -> tuple[int, datetime | None]:
        """See ``ports.Inbound``."""
        wanted = select(func.count(), func.min(t.inbound.c.received_at)).where(t.IN_INBOX)
        with self._database.read() as connection:
            count, oldest = connection.execute(wanted).one()
        return count, oldest

    # ── acts ────────────────────────────────────────────────────────────────

    def assign_inbound(self, item: str, forwards: Sequence[NewForward], *, department: str, actor: str) -> None:
        """See ``ports.Inbound``."""
        with self._database.write() as tx:
            row = locked(tx, item)
            _understood(row)
            _supersede(tx, row["id"])
            add_forwards(tx, row["id"], forwards)
            change(tx, row, state="distributed", due_at=None, department=department, refusal=None, opened_at=None, ended_at=None)
            note_inbound(tx, [row["id"]], "assigned", department, actor=actor)

    def return_inbound(self, item: str, *, actor: str, reason: str) -> str:
        """See ``ports.Inbound``."""
        with self._database.write() as tx:
            row = locked(tx, item)
            _understood(row)
            if row["state"] in ("inbox", "new"):
                raise NotAllowedNow(what="It lies in Indbakke already.")
            _supersede(tx, row["id"], state="returned")
            change(tx, row, state="inbox", due_at=None, department="", opened_at=None, ended_at=None)
            note_inbound(tx, [row["id"]], "returned", reason, actor=actor)
            return str(row["id"])

    def inbound_done_by(self, item: str, *, actor: str) -> None:
        """See ``ports.Inbound``."""
        with self._database.write() as tx:
            row = locked(tx, item)
            if row["state"] == "done":
                raise NotAllowedNow(what="It is done already.")
            if row["state"] == "new":
                raise NotAllowedNow(what="It was not distributed yet.")
            change(tx, row, state="done", due_at=None, ended_at=tx.now)
            note_inbound(tx, [row["id"]], "done", actor=actor)

    def inbound_opened(self, item: str, *, actor: str) -> None:
        """See ``ports.Inbound``."""
        with self._database.write() as tx:
            row = locked(tx, item)
            if row["state"] == "distributed":
                change(tx, row, state="opened")
            if row["opened_at"] is None:
                change(tx, row, opened_at=tx.now)
            note_inbound(tx, [row["id"]], "opened", actor=actor)

    def retry_forwards(self, item: str, *, actor: str, mode: DeliveryMode | None = None) -> int:
        """See ``ports.Inbound``."""
        with self._database.write() as tx:
            row = locked(tx, item)
            held = t.forwards.c.inbound_id == row["id"], t.HELD
            changed: dict[str, Any] = {} if mode is None else {"mode": mode}
            done = tx.run(
                update(t.forwards)
                .where(*held)
                .values(
                    state="open", due_at=tx.now, lease_until=None, crashes=0, spent=t.forwards.c.fence,
                    refusal=None, ended_at=None, **changed,
                )
            )  # fmt: skip
            note_inbound(tx, [row["id"]], "retry", actor=actor)
            return done.rowcount

    # ── by token ────────────────────────────────────────────────────────────

    def forward_by_token(self, token: str) -> Forwardable | None:
        """See ``ports.Inbound``."""
        with self._database.write() as tx:
            row = tx.run(select(t.forwards).where(t.forwards.c.token == token)).mappings().first()
            if row is None:
                return None
            message = messages_of(tx, [row["inbound_id"]])[row["inbound_id"]]
            return Forwardable(forward=forward_of(row), message=message)

    def forward_bounced(self, token: str, *, reason: str, told: Sequence[NewForward] = ()) -> str | None:
        """See ``ports.Inbound``."""
        with self._database.write() as tx:
            forward = tx.run(select(t.forwards).where(t.forwards.c.token == token)).mappings().first()
            if forward is None or forward["state"] != "done":
                return None
            row = locked(tx, forward["inbound_id"])
            tx.change(t.forwards, [(forward["id"], {"state": "bounced", "code": reason})])
            if row["state"] in ("distributed", "opened"):
                change(tx, row, state="inbox", department="", ended_at=None)
            add_forwards(tx, row["id"], told)
            note_inbound(tx, [row["id"]], "bounced", reason, item=forward["id"])
            return str(row["id"])


def _row(connection: Connection, item: str) -> Row:
    """The message of that id, or of that forward's. Raises NotFound."""
    wanted = select(t.inbound).where(or_(t.inbound.c.id == item, t.inbound.c.id == item.rpartition(".")[0]))
    row = connection.execute(wanted).mappings().first()
    if row is None:
        raise NotFound(what="message")
    return row


def locked(tx: Tx, item: str) -> Row:
    """As ``_row``; nobody else changes it until the transaction ends."""
    inbound_id = _row(tx.connection, item)["id"]
    wanted = select(t.inbound).where(t.inbound.c.id == inbound_id).with_for_update(key_share=True)
    return tx.run(wanted).mappings().one()


def _past(row: Row, department: str) -> PastDecision:
    return PastDecision(
        id=row["id"],
        item=row["inbound_id"],
        recipient=department,
        at=row["at"],
        facts=decided.facts(row["facts"]),
        decision=decided.decision(row),
    )


def _understood(row: Row) -> None:
    if row["state"] not in _OPEN:
        raise NotAllowedNow(what="It could not be understood; only its bytes are kept.")


def change(tx: Tx, row: Row, **written: Any) -> None:
    tx.change(t.inbound, [(row["id"], {**written, **({"lease_until": None} if "due_at" in written else {})})])


def _supersede(tx: Tx, inbound_id: str, *, state: str = "superseded") -> None:
    """Mails that were not handed over yet go no more; those that were stay what they are."""
    columns = t.forwards.c
    tx.run(
        update(t.forwards)
        .where(columns.inbound_id == inbound_id, columns.kind == "mail", columns.state.in_(("open", "held")))
        .values(state=state, due_at=None, lease_until=None, ended_at=tx.now)
    )


def _view(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "status": row["state"],
        "received_at": row["received_at"].isoformat(),
        "mailbox": row["mailbox"],
        "channel": row["channel"],
        "uuid": row["uuid"],
        "title": row["title"],
        "sender": {"kind": row["sender_kind"], "number": row["sender_number"], "name": row["sender_name"]},
        "recipient_cvr": row["post"].get("recipient_cvr"),
        "department": row["department"] or None,
        "reply_allowed": bool(row["post"].get("reply_allowed")),
        "reply_by": row["post"].get("reply_by"),
        "confirmed_at": _iso(row["confirmed_at"]),
        "opened_at": _iso(row["opened_at"]),
        "code": row["code"],
        "refusal": values.masked_refusal(row["refusal"]),
    }


def _forward_view(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "kind": row["kind"],
        "state": row["state"],
        "department": row["department"] or None,
        "address": row["address"] or None,
        "mode": row["mode"],
        "sent_as": row["sent_as"],
        "rule": row["rule"],
        "sent_at": _iso(row["sent_at"]),
        "next_attempt": _iso(row["due_at"]),
        "code": row["code"],
        "refusal": values.masked_refusal(row["refusal"]),
    }


def _iso(when: datetime | None) -> str | None:
    return None if when is None else when.isoformat()
