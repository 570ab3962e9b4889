"""Post to us: fetched, confirmed, distributed, forwarded."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from gateway.model.inbound import (
    Forwardable,
    ForwardKind,
    InboundMessage,
    NewPost,
    new_inbound_id,
)
from gateway.ports import Claim, DistributeEnd, Home, NewForward, Unconfirmed
from gateway.storage import decided, values
from gateway.storage import tables as t
from gateway.storage.connect import Tx
from gateway.storage.inbound_rows import forward_of, message_of, new_row
from gateway.storage.ledger.base import US, Part, end_claim, in_hand, made
from gateway.storage.ledger.guard import count_matches
from gateway.storage.values import Row


class Collecting(Part):
    """The part of the ledger that the services *collect*, *distribute* and *forward* call."""

    # ── collect ─────────────────────────────────────────────────────────────

    def add_inbound(self, posts: Sequence[NewPost]) -> list[str | None]:
        """See ``ports.Inbound``."""
        rows = [{"id": new_inbound_id(post.received_at), **new_row(post)} for post in posts]
        with self._database.write() as tx:
            went_in = tx.insert_missing(t.inbound, rows, key="id")
            new = [row["id"] if row["id"] in went_in else None for row in rows]
            note_inbound(tx, [one for one in new if one is not None], "received")
        return new

    def known_inbound(self, mailbox: str, source_ids: Sequence[str]) -> dict[str, bool]:
        """See ``ports.Inbound``."""
        columns = t.inbound.c
        wanted = select(columns.source_id, columns.confirmed_at).where(
            columns.mailbox == mailbox, columns.source_id.in_(list(source_ids))
        )
        with self._database.read() as connection:
            return {row.source_id: row.confirmed_at is not None for row in connection.execute(wanted)}

    def unconfirmed_inbound(self, mailbox: str, limit: int) -> list[Unconfirmed]:
        """See ``ports.Inbound``."""
        columns = t.inbound.c
        wanted = (
            select(columns.source_id, columns.answer, columns.code)
            .where(columns.mailbox == mailbox, t.UNCONFIRMED)
            .order_by(columns.received_at, columns.id)
            .limit(limit)
        )
        with self._database.read() as connection:
            return [Unconfirmed(row.source_id, row.answer, row.code) for row in connection.execute(wanted)]

    def inbound_confirmed(self, mailbox: str, source_ids: Sequence[str]) -> None:
        """See ``ports.Inbound``."""
        columns = t.inbound.c
        with self._database.write() as tx:
            tx.run(
                update(t.inbound)
                .where(columns.mailbox == mailbox, columns.source_id.in_(list(source_ids)), t.UNCONFIRMED)
                .values(confirmed_at=tx.now)
            )

    # ── mailboxes ───────────────────────────────────────────────────────────

    def mailbox_answered(self, name: str) -> None:
        """See ``ports.Inbound``."""
        with self._database.write() as tx:
            _mailbox(tx, name, polled_at=tx.now, alarmed_at=None)

    def silent_mailboxes(
        self, names: Sequence[str], after: timedelta, again: timedelta
    ) -> list[tuple[str, timedelta]]:
        """See ``ports.Inbound``."""
        silent: list[tuple[str, timedelta]] = []
        with self._database.write() as tx:
            for name in names:
                row = _mailbox(tx, name)
                lasts = tx.now - (row["polled_at"] or row["since"])
                if lasts > after and (row["alarmed_at"] is None or tx.now - row["alarmed_at"] > again):
                    _mailbox(tx, name, alarmed_at=tx.now)
                    silent.append((name, lasts))
        return silent

    def mailbox_state(self, name: str) -> dict[str, Any]:
        """See ``ports.Inbound``."""
        with self._database.read() as connection:
            found = connection.execute(select(t.mailboxes.c.state).where(t.mailboxes.c.name == name)).scalar()
        return dict(found or {})

    def keep_mailbox_state(self, name: str, state: dict[str, Any]) -> None:
        """See ``ports.Inbound``."""
        with self._database.write() as tx:
            _mailbox(tx, name, state=state)

    # ── distribute ──────────────────────────────────────────────────────────

    def claim_new_inbound(self, limit: int) -> list[Claim[InboundMessage]]:
        """Messages without a decision."""
        with self._database.write() as tx:
            rows = self._claim(tx, t.inbound, limit)
        return [made(row, message_of(row)) for row in rows]

    def home_of(self, uuids: Sequence[str]) -> Home | None:
        """See ``ports.Inbound``."""
        wanted = (
            select(t.shipments.c.key, t.shipments.c.letter_id, t.submissions.c.reply_to)
            .join(t.submissions, t.submissions.c.id == t.shipments.c.submission_id)
            .where(t.shipments.c.key.in_([uuid.lower() for uuid in uuids]), t.shipments.c.kind == "send")
        )
        with self._database.read() as connection:
            found = {row.key: row for row in connection.execute(wanted)}
        latest = next((found[uuid.lower()] for uuid in reversed(uuids) if uuid.lower() in found), None)
        return None if latest is None else Home(letter=latest.letter_id, address=latest.reply_to)

    def distributions_ended(self, ends: Sequence[tuple[Claim[InboundMessage], DistributeEnd]]) -> list[bool]:
        """See ``ports.Inbound``."""
        claims = [claim for claim, _ in ends]
        with self._database.write() as tx:
            alive = [row is not None for row in in_hand(tx, claims)]
            mine = [(claim.item, end) for (claim, end), ours in zip(ends, alive, strict=True) if ours]
            tx.change(t.inbound, [(message.id, _distributed(tx, end)) for message, end in mine])
            count_matches(tx, [end.decision for _, end in mine])
            tx.insert(t.inbound_decisions, [
                    {"inbound_id": message.id, **decided.decision_row(end.decision, end.facts, tx.now)} for message, end in mine
                ])
            for message, end in mine:
                add_forwards(tx, message.id, end.forwards)
                state = "distributed" if end.department else "inbox"
                note_inbound(tx, [message.id], state, end.department or end.decision.rule)
        return alive

    # ── forward ─────────────────────────────────────────────────────────────

    def claim_forwards(self, kind: ForwardKind, limit: int) -> list[Claim[Forwardable]]:
        """See ``ports.Inbound``."""
        with self._database.write() as tx:
            rows = self._claim(tx, t.forwards, limit, t.forwards.c.kind == kind)
            messages = messages_of(tx, [row["inbound_id"] for row in rows])
        return [
            made(row, Forwardable(forward=forward_of(row), message=messages[row["inbound_id"]])) for row in rows
        ]

    def forward_done(self, claim: Claim[Forwardable], *, sent_as: str | None = None) -> bool:
        """See ``ports.Inbound``."""
        forward = claim.item.forward
        with self._database.write() as tx:
            done = end_claim(
                tx, t.forwards, forward.id, claim.fence,
                state="done", due_at=None, sent_at=tx.now, sent_as=sent_as, ended_at=tx.now, refusal=None, code=None,
            )  # fmt: skip
            if done:
                verb = {"mail": "forwarded", "archive": "archived", "note": "told"}[forward.kind]
                note_inbound(tx, [claim.item.message.id], verb, sent_as or "", item=forward.id)
            return done


# ── rows ────────────────────────────────────────────────────────────────────


def messages_of(tx: Tx, ids: Sequence[str]) -> dict[str, InboundMessage]:
    """Messages by id."""
    rows = tx.run(select(t.inbound).where(t.inbound.c.id.in_(sorted(set(ids))))).mappings()
    return {row["id"]: message_of(row) for row in rows}


def add_forwards(tx: Tx, inbound_id: str, forwards: Sequence[NewForward]) -> None:
    """New forwards of a message, numbered on from those it has."""
    before = select(t.forwards.c.number).where(t.forwards.c.inbound_id == inbound_id)
    last = max(tx.run(before).scalars(), default=0)
    tx.insert(
        t.forwards,
        [
            {
                "id": f"{inbound_id}.{number}",
                "state": "open",
                "due_at": tx.now,
                "inbound_id": inbound_id,
                "number": number,
                "kind": new.kind,
                "department": new.department,
                "address": new.address,
                "mode": new.mode,
                "rule": new.rule,
                "settings": [list(setting) for setting in new.settings],
                "token": secrets.token_hex(16),
                "created_at": tx.now,
            }
            for number, new in enumerate(forwards, last + 1)
        ],
    )


def note_inbound(
    tx: Tx, inbound_ids: Sequence[str], verb: str, reason: str = "", *, item: str = "", actor: str = US
) -> None:
    """One line of history for each."""
    tx.insert(
        t.inbound_history,
        [
            {"at": tx.now, "actor": actor, "verb": verb, "inbound_id": one, "item": item or one, "reason": reason}
            for one in inbound_ids
        ],
    )


def _distributed(tx: Tx, end: DistributeEnd) -> dict[str, Any]:
    return {
        "lease_until": None,
        "crashes": 0,
        "due_at": None,
        "state": "distributed" if end.department else "inbox",
        "department": end.department,
        "refusal": values.refusal_row(end.inbox),
    }


def _mailbox(tx: Tx, name: str, **written: Any) -> Row:
    """The row of a mailbox, made if it is missing, with *written* in it."""
    tx.insert_missing(t.mailboxes, [{"name": name, "since": tx.now, "state": {}}], key="name")
    if written:
        tx.run(update(t.mailboxes).where(t.mailboxes.c.name == name).values(**written))
    return tx.run(select(t.mailboxes).where(t.mailboxes.c.name == name)).mappings().one()
