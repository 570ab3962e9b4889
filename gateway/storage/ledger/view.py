"""What a person sees: plain dictionaries, numbers masked. Shapes: docs/reference/json.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, union_all

from gateway.model.identity import mask_numbers
from gateway.model.shipment import Status
from gateway.storage import tables as t
from gateway.storage import values
from gateway.storage.among import among
from gateway.storage.ledger.base import US, Part
from gateway.storage.ledger.batch import ShownPiece, batch_digests, pieces_of
from gateway.storage.ledger.find import needs_a_person, pages, target
from gateway.storage.news import Progress
from gateway.storage.status import LetterStatus, letter_status, submission_status
from gateway.storage.values import Row

_PAGE = 200


class Viewing(Part):
    """The part of the ledger that only looks."""

    def list_submissions(
        self, *, limit: int = 50, status: str | None = None, unhandled: bool = False
    ) -> list[dict[str, Any]]:
        """Newest first. *unhandled* (Ubehandlet): held, failed, or its receipt is overdue."""
        found: list[dict[str, Any]] = []
        with self._database.read() as connection:
            # What needs a person has indexes of its own; the rest is looked through page by page.
            few = unhandled or status in (Status.HELD, Status.FAILED)
            for rows in pages(connection, needs_a_person() if few else None, size=min(limit, _PAGE)):
                views = _views(connection, rows)
                found += [view for view in views if status is None or view["status"] == status]
                if len(found) >= limit:
                    break
        return found[:limit]

    def show_submission(self, item: str) -> dict[str, Any]:
        """One submission, all that is known of it but its content. Raises NotFound."""
        with self._database.read() as connection:
            named = target(connection, item)
            row = named.submission
            (view,) = _views(connection, [row], progress=named.progress)
            return {**view, **_details(row), "history": _history(connection, row)}

    def counts(self) -> dict[str, int]:
        """``submissions.received`` …, ``receipts.unmatched``, ``shipments.overdue``, and
        ``oldest_due_seconds``: how long the oldest due row has waited.
        """
        queues = (t.submissions, t.letters, t.shipments, t.notices, t.drops)
        counted: dict[str, int] = {}
        with self._database.read() as connection:
            for table in queues:
                by_state = select(table.c.state, func.count()).group_by(table.c.state)
                for state, number in connection.execute(by_state):
                    counted[f"{table.name}.{state}"] = number
            unmatched = select(func.count()).where(t.receipts.c.shipment_id.is_(None))
            counted["receipts.unmatched"] = connection.execute(unmatched).scalar_one()
            overdue = select(func.count()).where(t.shipments.c.overdue_at.is_not(None))
            counted["shipments.overdue"] = connection.execute(overdue).scalar_one()
            due = [
                connection.execute(select(func.min(q.c.due_at)).where(q.c.due_at.is_not(None)))
                for q in queues
            ]
            oldest = min((when for one in due if (when := one.scalar_one())), default=None)
            now = self._database.now(connection)
        waited = (now - oldest).total_seconds() if oldest else 0
        return {**counted, "oldest_due_seconds": max(0, int(waited))}

    def named_digests(self) -> set[str]:
        """Every vault digest some row names; what is not here may be swept."""
        columns = (t.submissions.c.digest, t.shipments.c.rendered, t.case_files.c.digest, t.drop_files.c.digest, t.inbound.c.digest)
        named: set[str] = set()
        with self._database.read() as connection:
            for column in columns:
                named.update(connection.execute(select(column).where(column.is_not(None))).scalars())
            for documents in connection.execute(union_all(select(t.letters.c.documents), select(t.inbound.c.documents))).scalars():
                named.update(document["digest"] for document in documents)
            named |= batch_digests(connection)
        return named


def views_of(connection: Connection, submission_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The views of these submissions, by id."""
    if not submission_ids:
        return {}
    columns = [column for column in t.submissions.c if column.name != "raw"]
    wanted = select(*columns).where(among(t.submissions.c.id)).params(ids=list(submission_ids))
    rows = connection.execute(wanted).mappings().all()
    return {view["id"]: view for view in _views(connection, rows)}


def _views(
    connection: Connection, rows: Sequence[Row], *, progress: Progress | None = None
) -> list[dict[str, Any]]:
    progress = progress or Progress(connection, [row["id"] for row in rows])
    ids = [row["id"] for row in rows]
    rules, pieces = _rules(connection, ids), pieces_of(connection, ids)
    return [_view(connection, row, progress, rules, pieces.get(row["id"], {})) for row in rows]


def _view(
    connection: Connection, row: Row, progress: Progress, rules: dict[str, str], pieces: Mapping[int, ShownPiece]
) -> dict[str, Any]:
    letters = progress.letters[row["id"]]
    statuses = [progress.status(letter) for letter in letters]
    twins: Sequence[str] = ()
    if row["state"] == "read" and not letters:
        twins, statuses = _twins(connection, row)
    return {
        "id": row["id"],
        "received_at": _iso(row["received_at"]),
        "channel": row["channel"],
        "submitter": row["submitter_name"],
        "subject": mask_numbers(row["title"] or ""),
        "status": submission_status(row["state"], statuses).value,
        "refusal": values.masked_refusal(row["refusal"]),
        "same_as": list(twins),
        "letters": [_letter(letter, progress, rules.get(letter["id"]), pieces) for letter in letters],
    }


def _twins(connection: Connection, row: Row) -> tuple[list[str], list[LetterStatus]]:
    """All letters of *row* were handed over before, in another split of the same mail: they count."""
    columns = t.submissions.c
    same = select(columns.id).where(columns.reference_key == row["reference_key"], columns.id != row["id"])
    others = list(connection.execute(same.order_by(columns.received_at)).scalars())
    progress = Progress(connection, others)
    return others, [status for one in others for status in progress.statuses(one)]


def _letter(
    row: Row, progress: Progress, rule: str | None, pieces: Mapping[int, ShownPiece]
) -> dict[str, Any]:
    piece = pieces.get(row["number"])
    shipments = progress.shipments[row["id"]]
    status = letter_status(row["state"], map(progress.state, shipments))
    sends = [one for one in shipments if one["kind"] == "send"]
    return {
        "id": row["id"],
        "recipient": values.recipient(row).masked(),
        "copy": row["copy"],
        "batch_pages": piece.pages if piece else None,
        "batch_why": piece.why if piece else None,
        "uuid": sends[0]["key"] if sends else None,
        "send": status.send.value,
        "archive": status.archive.value,
        "unhandled": status.unhandled,
        "rule": rule,
        "reach": row["reach"],
        "case": values.case_of(row, shipments),
        "flow": row["flow"],
        "refusal": values.masked_refusal(row["refusal"]),
        "code": row["code"] if row["due_at"] else None,
        "next_attempt": _iso(row["due_at"]),
        "attempts": [_attempt(one) for send in sends for one in progress.attempts[send["id"]]],
        "receipts": [_receipt(one) for send in sends for one in progress.receipts[send["id"]]],
        "shipments": [_shipment(one) for one in shipments],
    }


def _shipment(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "kind": row["kind"],
        "part": row["part"],
        "destination": row["destination"],
        "state": row["state"],
        "key": row["key"],
        "settings": dict(row["settings"]),
        "tries": row["tries"],
        "code": row["code"],
        "next_attempt": _iso(row["due_at"]),
        "expires_at": _iso(row["expires_at"]),
        "overdue_at": _iso(row["overdue_at"]),
        "refusal": values.masked_refusal(row["refusal"]),
    }


def _attempt(row: Row) -> dict[str, Any]:
    return {
        "number": row["number"],
        "at": _iso(row["at"]),
        "outcome": row["outcome"],
        "code": row["code"],
        "ended_at": _iso(row["ended_at"]),
    }


def _receipt(row: Row) -> dict[str, Any]:
    return {
        "source": row["source"],
        "source_id": row["source_id"],
        "kind": row["kind"],
        "verdict": row["verdict"],
        "at": _iso(row["at"]),
        "code": row["remote_code"],
    }


def _details(row: Row) -> dict[str, Any]:
    """What only the view of one submission has."""
    return {
        "size_bytes": row["size_bytes"],
        "submitter_kind": row["submitter_kind"],
        "reply_to": row["reply_to"],
        "remote": row["remote"],
        "automatic": row["automatic"],
        "recipients": [values.masked_address(address) for address in row["recipients"]],
        "notes": [mask_numbers(note) for note in row["notes"] or ()],
        "trace": row["trace"],
    }


def _history(connection: Connection, submission: Row) -> list[dict[str, Any]]:
    """Who did what, oldest first. That it was received stands in its own row: one insert less for each."""
    received = {
        "at": _iso(submission["received_at"]),
        "actor": US,
        "verb": "received",
        "item": submission["id"],
        "reason": submission["channel"],
    }
    lines = connection.execute(
        select(t.audit).where(t.audit.c.submission_id == submission["id"]).order_by(t.audit.c.id)
    ).mappings()
    return [received] + [
        {
            "at": _iso(row["at"]),
            "actor": row["actor"],
            "verb": row["verb"],
            "item": row["item"],
            "reason": mask_numbers(row["reason"]),
        }
        for row in lines
    ]


def _rules(connection: Connection, submission_ids: Sequence[str]) -> dict[str, str]:
    """By letter, the rule that decided last."""
    found = connection.execute(
        select(t.decisions.c.letter_id, t.decisions.c.rule)
        .join(t.letters, t.letters.c.id == t.decisions.c.letter_id)
        .where(t.letters.c.submission_id.in_(submission_ids))
        .order_by(t.decisions.c.id)
    )
    return {row["letter_id"]: row["rule"] for row in found.mappings()}


def _iso(when: datetime | None) -> str | None:
    return None if when is None else when.isoformat()
