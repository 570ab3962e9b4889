"""ship: shipments are claimed, offered and answered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from gateway.model.shipment import Attempt, Receipt, Sendable, ShipmentKind
from gateway.model.submission import Blob
from gateway.ports import Answer, AttemptEnd, Claim, Offer
from gateway.storage import tables as t
from gateway.storage import values
from gateway.storage.among import among
from gateway.storage.connect import Tx
from gateway.storage.ledger.base import Line, Part, in_hand, lock_submissions, made, notes
from gateway.storage.ledger.route import ask_again
from gateway.storage.ledger.settle import (
    FINAL_VERDICTS,
    release_receipts_to_archive,
    settle,
    store,
)
from gateway.storage.news import tell
from gateway.storage.values import Row

_SMALLER = 10
"""How much smaller a container is whose letters were in one with which the process died."""


class Shipping(Part):
    """The part of the ledger that the service *ship* calls."""

    def claim_shipments(
        self, kind: ShipmentKind, limit: int, *, paused: Sequence[str] = ()
    ) -> list[Claim[Sendable]]:
        """Due shipments, not to the *paused* destinations; those for archives with their receipts."""
        columns = t.shipments.c
        with self._database.write() as tx:
            mine = (columns.kind == kind, columns.mass.is_(False), columns.destination.not_in(paused))
            rows = self._claim(tx, t.shipments, limit, *mine, before_age=("lane",))
            return self._sendables(tx, rows, kind)

    def claim_mass(self, limit: int, *, paused: Sequence[str] = ()) -> list[Claim[Sendable]]:
        """See ``ports.Ledger.claim_mass``."""
        columns = t.shipments.c
        with self._database.write() as tx:
            mine = (columns.kind == "send", columns.mass.is_(True), columns.destination.not_in(paused))
            order = ("lane", "due_at")
            # A death takes a whole container along and says little of any one letter: those that were there go
            # in smaller ones, until the letter that kills is alone and the others are not worn out with it.
            rows = self._claim_where(tx, t.shipments, limit, order, columns.crashes == 0, *mine)
            rows = rows or self._claim_where(tx, t.shipments, max(1, limit // _SMALLER), order, columns.crashes == 1, *mine)
            rows = rows or self._claim_where(tx, t.shipments, 1, ("crashes", *order), columns.crashes > 1, *mine)
            return self._sendables(tx, rows, "send")

    def _sendables(self, tx: Tx, rows: Sequence[Row], kind: ShipmentKind) -> list[Claim[Sendable]]:
        letters = _letters(tx, [row["letter_id"] for row in rows])
        receipts = _receipts(tx, list(letters)) if kind == "archive" else {}
        return [
            made(
                row,
                Sendable(
                    shipment=values.shipment(row),
                    letter=values.letter(letters[row["letter_id"]]),
                    receipts=tuple(receipts.get(row["letter_id"], ())),
                    submitter=letters[row["letter_id"]]["submitter_name"],
                ),
            )
            for row in rows
        ]

    def rendered(self, claim: Claim[Sendable], blob: Blob) -> bool:
        """Keep which bytes are offered; only the first call counts. The claim goes on."""
        with self._database.write() as tx:
            (row,) = in_hand(tx, [claim], also=("rendered",))
            if row is None or row["state"] != "open":
                return False
            kept = _kept(row, blob)
            tx.change(t.shipments, [(row["id"], kept)] if kept else [])
            return True

    def attempt_begun(self, claim: Claim[Sendable], at: datetime) -> Attempt | None:
        """See ``ports.Ledger.attempt_begun``."""
        return self.attempts_begun([Offer(claim=claim, at=at)])[0]

    def attempts_begun(self, offers: Sequence[Offer]) -> list[Attempt | None]:
        """See ``ports.Ledger.attempts_begun``."""
        with self._database.write() as tx:
            rows = in_hand(tx, [offer.claim for offer in offers], also=("tries", "rendered"))
            begun: list[tuple[Offer, Row, Attempt] | None] = [
                (offer, row, Attempt(number=row["tries"] + 1, at=offer.at, outcome="offered"))
                if row is not None and row["state"] == "open"
                else None
                for offer, row in zip(offers, rows, strict=True)
            ]
            mine = [one for one in begun if one is not None]
            tx.change(t.shipments, [(row["id"], _begun(offer, row)) for offer, row, _ in mine])
            tx.insert(t.attempts, [_attempt_row(row["id"], new) for _, row, new in mine])
        return [None if one is None else one[2] for one in begun]

    def attempt_ended(self, claim: Claim[Sendable], attempt: Attempt, end: AttemptEnd) -> bool:
        """See ``ports.Ledger.attempt_ended``. A receipt that came meanwhile is not undone by the answer."""
        return self.attempts_ended([Answer(claim=claim, attempt=attempt, end=end)])[0]

    def more_time(self, destination: str, by: timedelta) -> None:
        """See ``ports.Ledger.more_time``."""
        columns = t.shipments.c
        with self._database.write() as tx:
            due = tx.run(
                select(columns.id, columns.expires_at).where(
                    columns.due_at.is_not(None), columns.destination == destination
                )
            ).mappings()
            longer = [(row["id"], {"expires_at": row["expires_at"] + by}) for row in due]
            tx.change(t.shipments, longer)

    def attempts_ended(self, answers: Sequence[Answer]) -> list[bool]:
        """See ``ports.Ledger.attempts_ended``."""
        with self._database.write() as tx:
            lock_submissions(tx, [answer.claim.item.letter.submission_id for answer in answers])
            rows = in_hand(tx, [answer.claim for answer in answers], also_ended=True)
            mine = [
                (answer, row["state"])
                for answer, row in zip(answers, rows, strict=True)
                if row is not None
            ]
            _answer(tx, mine)
            notes(tx, [_line(answer) for answer, _ in mine])
            store(tx, [receipt for answer, _ in mine for receipt in answer.end.receipts])
            settle(tx, [_shipment_id(answer) for answer, state in mine if _settles(answer, state)])
            follow = [answer for answer, _ in mine if _may_follow(answer)]
            release_receipts_to_archive(
                tx, [one.claim.item.letter.id for one in follow], self._retry_give_up
            )
            ask_again(tx, [answer.claim.item.letter.id for answer, _ in mine if answer.end.reroute])
            tell(tx, _news(tx, [answer for answer, _ in mine]))
        return [row is not None for row in rows]


def _shipment_id(answer: Answer) -> str:
    return answer.claim.item.shipment.id


def _line(answer: Answer) -> Line:
    end = answer.end
    told = f"{answer.attempt.number} {end.outcome} {end.code or ''}".rstrip()
    return Line(answer.claim.item.letter.submission_id, _shipment_id(answer), "attempt", told)


def _has_final_receipt(end: AttemptEnd) -> bool:
    return any(receipt.verdict in FINAL_VERDICTS for receipt in end.receipts)


def _settles(answer: Answer, state: str) -> bool:
    """Whether the receipts of the answer may change what ``_after`` wrote."""
    end = answer.end
    plain = state == "open" and end.outcome == "taken" and not _has_final_receipt(end)
    return bool(end.receipts) and not plain


def _may_follow(answer: Answer) -> bool:
    """Whether a receipt may follow its letter into an archive now."""
    return answer.claim.item.shipment.kind == "archive" or _has_final_receipt(answer.end)


def _news(tx: Tx, answers: Sequence[Answer]) -> set[str]:
    """Submissions in which something may have ended. The archiving of a letter that is also sent says
    nothing about where the letter is; and 5,000 of them would each look at all the others.
    """
    ended = [answer for answer in answers if _is_last(answer)]
    archived = [one.claim.item.letter.id for one in ended if one.claim.item.shipment.kind == "archive"]
    sent_too = set(tx.run(_SENT_TOO, {"ids": archived}).scalars()) if archived else set()
    letters = [one.claim.item.letter for one in ended]
    return {letter.submission_id for letter in letters if letter.id not in sent_too}


def _is_last(answer: Answer) -> bool:
    """Whether nothing more happens to the shipment by itself."""
    end = answer.end
    sent = end.outcome == "taken" and answer.claim.item.shipment.kind == "send"
    return _has_final_receipt(end) or not (sent or end.retry_in is not None)


def _kept(row: Row, blob: Blob | None) -> dict[str, Any]:
    """What to write so that *blob* is offered from now on; the bytes of an earlier try stay."""
    if blob is None or row["rendered"] is not None:
        return {}
    return {"rendered": blob.digest, "rendered_size": blob.size_bytes}


def _begun(offer: Offer, row: Row) -> dict[str, Any]:
    return {"tries": row["tries"] + 1, **_kept(row, offer.rendered)}


def _attempt_row(shipment_id: str, new: Attempt) -> dict[str, Any]:
    return {"shipment_id": shipment_id, "number": new.number, "at": new.at, "outcome": new.outcome}


def _after(tx: Tx, sendable: Sendable, end: AttemptEnd) -> dict[str, Any]:
    """What follows for an open shipment."""
    if end.outcome == "taken":
        if sendable.shipment.kind == "archive":
            return {"state": "done", "due_at": None, "taken_at": tx.now, "ended_at": tx.now}
        return {"state": "waiting", "due_at": None, "taken_at": tx.now, "awaits_since": tx.now}
    if end.retry_in is not None:
        alone = {"mass": False, "rendered": None, "rendered_size": None} if end.alone else {}
        return {"due_at": tx.now + end.retry_in, "code": end.code, **alone}
    return {
        "state": "failed",
        "due_at": None,
        "ended_at": tx.now,
        "code": end.code,
        "refusal": values.refusal_row(end.refusal),
    }


def _answer(tx: Tx, mine: Sequence[tuple[Answer, str]]) -> None:
    """End the claims; write what was answered, and what follows for shipments that are open."""
    changes = []
    for answer, state in mine:
        after = _after(tx, answer.claim.item, answer.end) if state == "open" else {}
        changes.append((_shipment_id(answer), {"lease_until": None, "crashes": 0, **after}))
    tx.change(t.shipments, changes)
    tx.change_by(
        t.attempts,
        ("shipment_id", "number", "outcome"),
        [
            (
                (_shipment_id(answer), answer.attempt.number, "offered"),
                {"outcome": answer.end.outcome, "code": answer.end.code, "ended_at": tx.now},
            )
            for answer, _ in mine
        ],
    )


_SENT_TOO = select(t.shipments.c.letter_id).where(
    among(t.shipments.c.letter_id), t.shipments.c.kind == "send"
)
_LETTERS = (
    select(t.letters, t.submissions.c.submitter_name)
    .join(t.submissions, t.submissions.c.id == t.letters.c.submission_id)
    .where(among(t.letters.c.id))
)
_RECEIPTS = (
    select(t.receipts, t.shipments.c.letter_id)
    .join(t.shipments, t.shipments.c.id == t.receipts.c.shipment_id)
    .where(among(t.shipments.c.letter_id), t.shipments.c.kind == "send")
    .order_by(t.receipts.c.id)
)


def _letters(tx: Tx, letter_ids: Sequence[str]) -> dict[str, Row]:
    if not letter_ids:
        return {}
    return {row["id"]: row for row in tx.run(_LETTERS, {"ids": list(letter_ids)}).mappings()}


def _receipts(tx: Tx, letter_ids: Sequence[str]) -> dict[str, list[Receipt]]:
    """Receipts of each letter's sending, as they came."""
    if not letter_ids:
        return {}
    rows = tx.run(_RECEIPTS, {"ids": list(letter_ids)}).mappings()
    return {
        letter_id: [values.receipt(row) for row in own]
        for letter_id, own in values.by(rows, "letter_id").items()
    }
