"""route: letters get a decision and, from it, shipments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from sqlalchemy import insert, select

from gateway.errors import NotFound
from gateway.model.decision import Decision, Reach
from gateway.model.letter import Letter
from gateway.model.notice import Refusal
from gateway.model.submission import Submission
from gateway.ports import Claim, NewShipment
from gateway.storage import tables as t
from gateway.storage import values
from gateway.storage.connect import Tx
from gateway.storage.ledger.base import Part, end_claim, latest, lock_submissions, made, note
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
            found = connection.execute(
                select(t.shipments.c.destination)
                .where(
                    t.shipments.c.letter_id == letter_id,
                    t.shipments.c.kind == "send",
                    t.shipments.c.state == "failed",
                )
                .order_by(t.shipments.c.ended_at, t.shipments.c.id)
            )
            return tuple(found.scalars())

    def released_from(self, letter_id: str) -> frozenset[str]:
        """Rules that held this letter until a person released it (the reason of the audit row)."""
        columns = t.audit.c
        with self._database.read() as connection:
            found = connection.execute(
                select(columns.reason).where(
                    columns.item == letter_id, columns.verb == "release", columns.reason != ""
                )
            )
            return frozenset(found.scalars())

    def submission_of(self, letter_id: str) -> Submission:
        """Envelope and all of the letter's submission, without its raw bytes. Raises NotFound."""
        columns = [column for column in t.submissions.c if column.name != "raw"]
        with self._database.read() as connection:
            row = connection.execute(
                select(*columns)
                .join(t.letters, t.letters.c.submission_id == t.submissions.c.id)
                .where(t.letters.c.id == letter_id)
            )
            found = row.mappings().one_or_none()
        if found is None:
            raise NotFound(what="letter")
        return values.submission(found)

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
        """See ``ports.Ledger.routed``.

        Raises:
            ValueError: the decision decides nothing: no shipment, no hold, no reject.
        """
        if not shipments and hold is None and reject is None:
            raise ValueError("a decision ships, holds or rejects")
        letter = claim.item
        refusal = hold or reject
        state = "held" if hold else "rejected" if reject else "routed"
        with self._database.write() as tx:
            lock_submissions(tx, [letter.submission_id])
            if not end_claim(
                tx,
                t.letters,
                letter.id,
                claim.fence,
                state=state,
                due_at=None,
                reach=reach,
                refusal=values.refusal_row(refusal),
                ended_at=tx.now if refusal else None,
            ):
                return False
            _keep(tx, letter.id, decision, reach)
            rows = [_shipment_row(tx, letter, new, self._retry_give_up) for new in shipments]
            tx.insert_missing(t.shipments, rows, key="id")
            note(tx, letter.submission_id, letter.id, state, decision.rule)
            if refusal:
                tell(tx, letter.submission_id)
            return True


def _keep(tx: Tx, letter_id: str, decision: Decision, reach: Reach) -> None:
    tx.run(
        insert(t.decisions).values(
            letter_id=letter_id,
            at=tx.now,
            version=decision.version,
            rule=decision.rule,
            reach=reach,
            actions=[asdict(action) for action in decision.actions],
            trail=[asdict(step) for step in decision.trail],
        )
    )


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
