"""route: letters get a decision and, from it, shipments."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, case, func, select, update

from gateway.model.letter import Letter
from gateway.ports import Claim, LetterPast, NewShipment, RouteEnd
from gateway.storage import decided, values
from gateway.storage import tables as t
from gateway.storage.among import among
from gateway.storage.connect import Tx
from gateway.storage.ledger.base import Line, Part, in_hand, latest, lock_submissions, made, notes
from gateway.storage.ledger.guard import count_matches
from gateway.storage.news import tell, tell_others


class Routing(Part):
    """The part of the ledger that the service *route* calls."""

    def claim_unrouted(self, limit: int) -> list[Claim[Letter]]:
        """Due letters."""
        with self._database.write() as tx:
            rows = self._claim(tx, t.letters, limit)
        return [made(row, values.letter(row)) for row in rows]

    def pasts(self, letter_ids: Sequence[str]) -> dict[str, LetterPast]:
        """See ``ports.Ledger.pasts``."""
        with self._database.read() as connection:
            submissions = connection.execute(_SUBMISSIONS_OF, {"ids": list(letter_ids)}).mappings().all()
            refused = _refused_by(connection, letter_ids)
            released = _released_from(connection, letter_ids)
            siblings = _siblings(connection, [row["id"] for row in submissions])
        return {
            row["letter_id"]: LetterPast(
                submission=values.submission(row),
                refused_by=tuple(destination for destination, _ in refused[row["letter_id"]]),
                refused_code=tuple(code for _, code in refused[row["letter_id"]]),
                released_from=frozenset(released[row["letter_id"]]),
                letters=siblings[row["id"]][0],
                copies=siblings[row["id"]][1],
            )
            for row in submissions
        }

    def routings_ended(self, ends: Sequence[tuple[Claim[Letter], RouteEnd]]) -> list[bool]:
        """See ``ports.Ledger.routings_ended``."""
        claims = [claim for claim, _ in ends]
        with self._database.write() as tx:
            lock_submissions(tx, [claim.item.submission_id for claim in claims])
            alive = [row is not None for row in in_hand(tx, claims)]
            mine = [(claim.item, end) for (claim, end), ours in zip(ends, alive, strict=True) if ours]
            tx.change(t.letters, [(letter.id, _left(tx, end)) for letter, end in mine])
            unchanged = [letter.submission_id for letter, end in mine if end.unchanged]
            mine = [(letter, end) for letter, end in mine if not end.unchanged]
            count_matches(tx, [end.decision for _, end in mine])
            tx.insert(t.decisions, [_decision_row(tx, letter, end) for letter, end in mine])
            rows = [
                _shipment_row(tx, letter, new, self._retry_give_up)
                for letter, end in mine
                for new in end.shipments
            ]
            tx.insert_missing(t.shipments, rows, key="id")
            lines = [Line(one.submission_id, one.id, _state(end), end.decision.rule) for one, end in mine]
            notes(tx, lines)
            tell_others(tx, [(letter, end.told) for letter, end in mine])
            tell(tx, [*unchanged, *(one.submission_id for one, end in mine if end.hold or end.reject)])
        return alive


def ask_again(tx: Tx, letter_ids: Sequence[str]) -> None:
    """Letters that a destination refused go to the rules once more."""
    columns = t.letters.c
    if letter_ids:
        tx.run(
            update(t.letters)
            .where(columns.id.in_(letter_ids), columns.state == "routed")
            .values(state="unrouted", due_at=tx.now, ended_at=None)
        )


_SUBMISSIONS_OF = (
    select(
        t.letters.c.id.label("letter_id"), *(one for one in t.submissions.c if one.name != "raw")
    )
    .join(t.letters, t.letters.c.submission_id == t.submissions.c.id)
    .where(among(t.letters.c.id))
)
_REFUSED_BY = (
    select(t.shipments.c.letter_id, t.shipments.c.destination, t.shipments.c.refusal)
    .where(
        among(t.shipments.c.letter_id),
        t.shipments.c.kind == "send",
        t.shipments.c.state == "failed",
    )
    .order_by(t.shipments.c.ended_at, t.shipments.c.id)
)

_RELEASED_FROM = select(t.audit.c.item, t.audit.c.reason).where(
    among(t.audit.c.item), t.RELEASED, t.audit.c.reason != ""
)


_SIBLINGS = (
    select(
        t.letters.c.submission_id, func.count(), func.sum(case((t.letters.c.copy, 1), else_=0))
    )
    .where(among(t.letters.c.submission_id))
    .group_by(t.letters.c.submission_id)
)


def _refused_by(connection: Connection, letter_ids: Sequence[str]) -> defaultdict[str, list[tuple[str, str]]]:
    """Destinations that refused each letter before, with the code, in order."""
    refused: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for letter_id, destination, refusal in connection.execute(_REFUSED_BY, {"ids": list(letter_ids)}):
        refused[letter_id].append((destination, refusal["code"] if refusal else ""))
    return refused


def _siblings(connection: Connection, submission_ids: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Letters, and copies among them, of each submission."""
    counted = connection.execute(_SIBLINGS, {"ids": sorted(set(submission_ids))})
    return {submission_id: (letters, copies) for submission_id, letters, copies in counted}


def _released_from(connection: Connection, letter_ids: Sequence[str]) -> defaultdict[str, set[str]]:
    released: defaultdict[str, set[str]] = defaultdict(set)
    for letter_id, rule in connection.execute(_RELEASED_FROM, {"ids": list(letter_ids)}):
        released[letter_id].add(rule)
    return released


def _state(end: RouteEnd) -> str:
    return "held" if end.hold else "rejected" if end.reject else "routed"


def _left(tx: Tx, end: RouteEnd) -> dict[str, Any]:
    """The letter leaves the queue."""
    refusal = end.hold or end.reject
    return {
        "lease_until": None,
        "crashes": 0,
        "state": _state(end),
        "due_at": None,
        "reach": end.reach,
        "refusal": values.refusal_row(refusal),
        "ended_at": tx.now if refusal else None,
    }


def _decision_row(tx: Tx, letter: Letter, end: RouteEnd) -> dict[str, Any]:
    return {"letter_id": letter.id, "reach": end.reach, **decided.decision_row(end.decision, end.facts, tx.now)}


def _shipment_row(tx: Tx, letter: Letter, new: NewShipment, give_up: timedelta) -> dict[str, Any]:
    not_before = latest(tx.now, new.due_at or tx.now)
    return {
        "id": shipment_id(letter.id, new.kind, new.destination, part=new.part),
        "state": "open",
        "due_at": not_before,
        "submission_id": letter.submission_id,
        "letter_id": letter.id,
        "kind": new.kind,
        "part": new.part,
        "destination": new.destination,
        "key": new.key.lower(),
        "settings": [list(setting) for setting in new.settings],
        "created_at": tx.now,
        "not_before": not_before,
        "expires_at": not_before + give_up,
        "mass": new.mass,
        "lane": new.lane,
    }


def shipment_id(letter_id: str, kind: str, destination: str, *, part: str) -> str:
    """``F-2026-7K3Q-M2XD.1.send.digital-post``: derived, so that routing twice makes no twins."""
    return f"{letter_id}.{kind}.{destination}" + ("" if part == "letter" else f".{part}")
