"""accept: arrivals become submissions. The hot path: one look-up, one insert, one flush a batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Executable, select
from sqlalchemy.dialects import postgresql, sqlite

from gateway.model.submission import Accepted, Arrival, new_submission_id
from gateway.storage import tables as t
from gateway.storage.among import among
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
        lost = _insert(tx, list(fresh.values()))
        for place, row in fresh.items():
            if row["id"] not in lost:
                answers[place] = Accepted(row["id"], "new")
        answers.update((p, a) for p, a in repeats.items() if a.submission_id not in lost)


def conflicts(tx: Tx, arrivals: Sequence[Arrival]) -> set[int]:
    """Places of those of *arrivals* whose reference was used for something else, before or among themselves."""
    rows = [submission_row(arrival) for arrival in arrivals]
    known = _known(tx, {row["reference_key"] for row in rows}) if rows else {}
    clashing: set[int] = set()
    for place, row in enumerate(rows):
        under_reference = known.setdefault(row["reference_key"], [])
        repeat = _judged(row, under_reference)
        if repeat is None:
            under_reference.append(_Known("", row["identity"], row["recipients_digest"]))
        elif repeat.outcome == "conflict":
            clashing.add(place)
    return clashing


def _judged(row: Mapping[str, Any], known: Sequence[_Known]) -> Accepted | None:
    """Duplicate or conflict with what is *known* under the same reference; None: it is new."""
    for one in known:
        if one.identity != row["identity"]:
            return Accepted(one.id, "conflict")
        if one.recipients_digest == row["recipients_digest"]:
            return Accepted(one.id, "duplicate")
    return None


# Made once: building a statement and its cache key costs more than running it.
_UNDER_REFERENCES = (
    select(
        t.submissions.c.reference_key,
        t.submissions.c.id,
        t.submissions.c.identity,
        t.submissions.c.recipients_digest,
    )
    .where(among(t.submissions.c.reference_key))
    .order_by(t.submissions.c.received_at, t.submissions.c.id)
)
_WRITTEN = select(t.submissions.c.id, t.submissions.c.reference_key).where(
    among(t.submissions.c.id)
)
_INSERT: dict[bool, Executable] = {
    postgres: kind(t.submissions).on_conflict_do_nothing()
    for postgres, kind in ((False, sqlite.insert), (True, postgresql.insert))
}


def _known(tx: Tx, reference_keys: set[str]) -> dict[str, list[_Known]]:
    known: dict[str, list[_Known]] = {}
    for row in tx.run(_UNDER_REFERENCES, {"ids": list(reference_keys)}):
        one = _Known(row.id, row.identity, row.recipients_digest)
        known.setdefault(row.reference_key, []).append(one)
    return known


def _insert(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> set[str]:
    """The ids of those of *rows* that did not go in: the id was taken, or another node was quicker."""
    if not rows or tx.run(_INSERT[tx.postgres], rows).rowcount == len(rows):
        return set()
    found = tx.run(_WRITTEN, {"ids": [row["id"] for row in rows]})
    ours = {(row.id, row.reference_key) for row in found}
    return {row["id"] for row in rows if (row["id"], row["reference_key"]) not in ours}


def _note_repeats(tx: Tx, answers: Iterable[Accepted]) -> None:
    for answer in answers:
        if answer.outcome != "new":
            note(tx, answer.submission_id, answer.submission_id, answer.outcome)
