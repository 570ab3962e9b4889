"""accept: arrivals become submissions. The hot path: one look-up, one insert, one flush a batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from gateway.model.submission import Accepted, Arrival, new_submission_id
from gateway.storage import tables as t
from gateway.storage.connect import Tx
from gateway.storage.ledger.base import Part, note
from gateway.storage.values import submission_row


@dataclass(frozen=True, slots=True)
class _Known:
    """A submission under some reference."""

    id: str
    identity: str
    recipients_digest: str


class Accepting(Part):
    """The part of the ledger that ways in call."""

    def add(self, arrivals: Sequence[Arrival]) -> list[Accepted]:
        """See ``ports.Ledger.add``. Two arrivals of one batch are judged like two batches of one."""
        rows = [submission_row(arrival) for arrival in arrivals]
        answers: dict[int, Accepted] = {}
        with self._database.write() as tx:
            while len(answers) < len(rows):
                # Again only for an id that was taken, or when another node was quicker.
                self._add(tx, rows, answers)
            _note_repeats(tx, answers.values())
        return [answers[place] for place in range(len(rows))]

    def _add(self, tx: Tx, rows: Sequence[Mapping[str, Any]], answers: dict[int, Accepted]) -> None:
        open_rows = {place: row for place, row in enumerate(rows) if place not in answers}
        known = _known(tx, {row["reference_key"] for row in open_rows.values()})
        fresh: dict[int, dict[str, Any]] = {}
        repeats: dict[int, Accepted] = {}
        for place, row in open_rows.items():
            under_reference = known.setdefault(row["reference_key"], [])
            repeat = _judged(row, under_reference)
            if repeat is not None:
                repeats[place] = repeat
                continue
            new_id = new_submission_id(row["received_at"])
            fresh[place] = {"id": new_id, **row}
            under_reference.append(_Known(new_id, row["identity"], row["recipients_digest"]))
        written = tx.insert_missing(t.submissions, list(fresh.values()), key="id")
        for place, row in fresh.items():
            if row["id"] in written:
                answers[place] = Accepted(row["id"], "new")
        lost = {row["id"] for row in fresh.values()} - written
        answers.update((p, a) for p, a in repeats.items() if a.submission_id not in lost)


def _judged(row: Mapping[str, Any], known: Sequence[_Known]) -> Accepted | None:
    """Duplicate or conflict with what is *known* under the same reference; None: it is new."""
    for one in known:
        if one.identity != row["identity"]:
            return Accepted(one.id, "conflict")
        if one.recipients_digest == row["recipients_digest"]:
            return Accepted(one.id, "duplicate")
    return None


def _known(tx: Tx, reference_keys: set[str]) -> dict[str, list[_Known]]:
    columns = t.submissions.c
    found = tx.run(
        select(columns.reference_key, columns.id, columns.identity, columns.recipients_digest)
        .where(columns.reference_key.in_(reference_keys))
        .order_by(columns.received_at, columns.id)
    )
    known: dict[str, list[_Known]] = {}
    for row in found.mappings():
        one = _Known(row["id"], row["identity"], row["recipients_digest"])
        known.setdefault(row["reference_key"], []).append(one)
    return known


def _note_repeats(tx: Tx, answers: Iterable[Accepted]) -> None:
    for answer in answers:
        if answer.outcome != "new":
            note(tx, answer.submission_id, answer.submission_id, answer.outcome)
