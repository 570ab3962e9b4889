"""route: letters get a decision and, from it, shipments."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, select

from gateway.errors import NotFound
from gateway.model.decision import Decision, Reach
from gateway.model.letter import Letter
from gateway.model.notice import Refusal
from gateway.model.submission import Submission
from gateway.ports import Claim, LetterPast, NewShipment, RouteEnd
from gateway.storage import tables as t
from gateway.storage import values
from gateway.storage.among import among
from gateway.storage.connect import Tx
from gateway.storage.ledger.base import Line, Part, in_hand, latest, lock_submissions, made, notes
from gateway.storage.news import tell


class Routing(Part):
    """The part of the ledger that the service *route* calls."""

    def claim_unrouted(self, limit: int) -> list[Claim[Letter]]:
        """Due letters."""
        with self._database.write() as tx:
            rows = self._claim(tx, t.letters, limit)
        return [made(row, values.letter(row)) for row in rows]

    def refused_by(self, letter_id: str) -> tuple[str, ...]:
        """Destinations that refused this letter before, in order."""
        with self._database.read() as connection:
            return _refused_by(connection, [letter_id])[letter_id]

    def released_from(self, letter_id: str) -> frozenset[str]:
        """Rules that held this letter until a person released it (the reason of the audit row)."""
        with self._database.read() as connection:
            return frozenset(_released_from(connection, [letter_id])[letter_id])

    def submission_of(self, letter_id: str) -> Submission:
        """Envelope and all of the letter's submission, without its raw bytes. Raises NotFound."""
        found = self.pasts([letter_id]).get(letter_id)
        if found is None:
            raise NotFound(what="letter")
        return found.submission

    def pasts(self, letter_ids: Sequence[str]) -> dict[str, LetterPast]:
        """See ``ports.Ledger.pasts``."""
        with self._database.read() as connection:
            submissions = connection.execute(_SUBMISSIONS_OF, {"ids": list(letter_ids)}).mappings().all()
            refused = _refused_by(connection, letter_ids)
            released = _released_from(connection, letter_ids)
        return {
            row["letter_id"]: LetterPast(
                submission=values.submission(row),
                refused_by=refused[row["letter_id"]],
                released_from=frozenset(released[row["letter_id"]]),
            )
            for row in submissions
        }

    def routed(
        self,
        claim: Claim[Letter],
        decision: Decision,
        shipments: Sequence[NewShipment],
        *,
        reach: Reach,
        hold: Refusal | None = None,
        reject: Refusal | None = None,
    ) -> bool:
        """See ``ports.Ledger.routed``. Raises ValueError if it decides nothing."""
        end = RouteEnd(decision=decision, reach=reach, shipments=shipments, hold=hold, reject=reject)
        return self.routings_ended([(claim, end)])[0]

    def routings_ended(self, ends: Sequence[tuple[Claim[Letter], RouteEnd]]) -> list[bool]:
        """See ``ports.Ledger.routings_ended``."""
        claims = [claim for claim, _ in ends]
        with self._database.write() as tx:
            lock_submissions(tx, [claim.item.submission_id for claim in claims])
            alive = [row is not None for row in in_hand(tx, claims)]
            mine = [(claim.item, end) for (claim, end), ours in zip(ends, alive, strict=True) if ours]
            tx.change(t.letters, [(letter.id, _left(tx, end)) for letter, end in mine])
            tx.insert(t.decisions, [_decision_row(tx, letter, end) for letter, end in mine])
            rows = [
                _shipment_row(tx, letter, new, self._retry_give_up)
                for letter, end in mine
                for new in end.shipments
            ]
            tx.insert_missing(t.shipments, rows, key="id")
            lines = [Line(one.submission_id, one.id, _state(end), end.decision.rule) for one, end in mine]
            notes(tx, lines)
            tell(tx, [letter.submission_id for letter, end in mine if end.hold or end.reject])
        return alive


_SUBMISSIONS_OF = (
    select(
        t.letters.c.id.label("letter_id"), *(one for one in t.submissions.c if one.name != "raw")
    )
    .join(t.letters, t.letters.c.submission_id == t.submissions.c.id)
    .where(among(t.letters.c.id))
)
_REFUSED_BY = (
    select(t.shipments.c.letter_id, t.shipments.c.destination)
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


def _refused_by(connection: Connection, letter_ids: Sequence[str]) -> defaultdict[str, tuple[str, ...]]:
    refused: defaultdict[str, tuple[str, ...]] = defaultdict(tuple)
    for letter_id, destination in connection.execute(_REFUSED_BY, {"ids": list(letter_ids)}):
        refused[letter_id] += (destination,)
    return refused


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
    decision = end.decision
    return {
        "letter_id": letter.id,
        "at": tx.now,
        "version": decision.version,
        "rule": decision.rule,
        "reach": end.reach,
        "actions": values.plain(decision.actions),
        "trail": values.plain(decision.trail),
    }


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
    }


def shipment_id(letter_id: str, kind: str, destination: str, *, part: str) -> str:
    """``F-2026-7K3Q-M2XD.1.send.digital-post``: derived, so that routing twice makes no twins."""
    return f"{letter_id}.{kind}.{destination}" + ("" if part == "letter" else f".{part}")
