"""batches: merged files, what persons decided about them, and what their letters are cut from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, select, update

from gateway.errors import NotAllowedNow, NotFound
from gateway.model.batch import Batch, Cut, Piece, Place, Settled, shown_pages
from gateway.model.identity import Recipient, recipient_from
from gateway.model.notice import Refusal
from gateway.model.shipment import Status
from gateway.model.submission import Blob
from gateway.storage import tables as t
from gateway.storage import values
from gateway.storage.among import among
from gateway.storage.connect import Tx
from gateway.storage.ledger.base import Part, lock_submissions, note
from gateway.storage.ledger.operate import due_again
from gateway.storage.news import Progress, tell, tell_again
from gateway.storage.values import Row


class Batching(Part):
    """The part of the ledger that deals with merged files."""

    def settled(self, submission_id: str) -> Settled:
        """See ``ports.Ledger.settled``."""
        with self._database.read() as connection:
            found = connection.execute(
                select(t.batches.c.settled).where(t.batches.c.submission_id == submission_id)
            ).scalar_one_or_none()
        return _settled(found or {})

    def settle_batch(
        self,
        submission_id: str,
        actor: str,
        *,
        place: Place | None = None,
        assigned: Mapping[int, Recipient | None] | None = None,
        accepted: bool = False,
        approved: bool = False,
    ) -> None:
        """See ``ports.Ledger.settle_batch``."""
        with self._database.write() as tx:
            held = _held(tx, submission_id)
            known: dict[str, Any] = dict(held["settled"])
            if approved and known.get("by") == [actor]:
                raise NotAllowedNow(what="You settled this batch yourself; another person must approve it.")
            if not approved:
                known["by"] = sorted({*known.get("by", []), actor})
                # Whoever approved it before has not seen this.
                known["approved"] = False
            if place is not None:
                known["place"] = [place.x, place.y, place.width, place.height]
            if assigned:
                known["assigned"] = known.get("assigned", {}) | {str(page): _who(who) for page, who in assigned.items()}
            known["accepted"] = accepted or known.get("accepted", False)
            known["approved"] = approved or known.get("approved", False)
            tx.run(update(t.batches).where(t.batches.c.submission_id == submission_id).values(settled=known))
            again = {"lease_until": None, **due_again(tx, "received", held)}
            tx.run(update(t.submissions).where(t.submissions.c.id == submission_id).values(**again))
            note(tx, submission_id, submission_id, "approve" if approved else "settle", actor=actor)
            tell_again(tx, [submission_id])

    def turn_down_batch(self, submission_id: str, actor: str, reason: str, refusal: Refusal) -> None:
        """See ``ports.Ledger.turn_down_batch``."""
        with self._database.write() as tx:
            _held(tx, submission_id)
            refused = {"state": "rejected", "refusal": values.refusal_row(refusal), "ended_at": tx.now, "due_at": None}
            tx.run(update(t.submissions).where(t.submissions.c.id == submission_id).values(**refused))
            note(tx, submission_id, submission_id, "turn down", reason, actor=actor)
            tell_again(tx, [submission_id])
            tell(tx, [submission_id])

    def batch_before(self, source: str, submission_id: str) -> str | None:
        """See ``ports.Ledger.batch_before``."""
        letters = select(t.letters.c.id).where(t.letters.c.submission_id == t.batches.c.submission_id).exists()
        wanted = (
            select(t.batches.c.submission_id)
            .where(t.batches.c.source == source, t.batches.c.submission_id != submission_id, letters)
            .order_by(t.batches.c.made_at)
            .limit(1)
        )
        with self._database.read() as connection:
            return connection.execute(wanted).scalar_one_or_none()

    def list_batches(self, *, limit: int = 50, held: bool = False) -> list[dict[str, Any]]:
        """See ``ports.Ledger.list_batches``."""
        wanted = _BATCHES.order_by(t.submissions.c.received_at.desc(), t.submissions.c.id.desc()).limit(limit)
        if held:
            wanted = wanted.where(t.submissions.c.state == "held")
        with self._database.read() as connection:
            rows = connection.execute(wanted).mappings().all()
            return [_view(connection, row) for row in rows]

    def show_batch(self, submission_id: str) -> dict[str, Any]:
        """See ``ports.Ledger.show_batch``."""
        with self._database.read() as connection:
            row = connection.execute(_BATCHES.where(t.batches.c.submission_id == submission_id)).mappings().one_or_none()
            if row is None:
                raise NotFound(what=submission_id)
            pieces = [
                {"first_page": first + 1, "pages": pages, "recipient": who, "why": why, "flags": flags, "digest": digest, "size_bytes": size}
                for first, pages, who, why, flags, digest, size in row["pieces"]
            ]
            return {**_view(connection, row), "pieces": pieces}

    def cut(self, digest: str) -> Cut | None:
        """See ``ports.Ledger.cut``."""
        with self._database.read() as connection:
            row = connection.execute(select(t.cuts).where(t.cuts.c.digest == digest)).mappings().one_or_none()
        if row is None:
            return None
        source = Blob(row["source"], row["source_size"])
        return Cut(row["digest"], row["size_bytes"], source, row["first"], row["pages"], row["pdfa"])


def keep_batches(tx: Tx, batches: Sequence[tuple[str, Batch]]) -> None:
    """Write down what was read of each submission's merged file; what persons decided about it stays."""
    if not batches:
        return
    ids = [submission_id for submission_id, _ in batches]
    known = {row["submission_id"]: row["settled"] for row in tx.run(_SETTLED, {"ids": ids}).mappings()}
    tx.run(delete(t.batches).where(t.batches.c.submission_id.in_(ids)))
    tx.insert(t.batches, [_batch_row(tx, one, batch, known.get(one, {})) for one, batch in batches])
    cuts = {cut.digest: cut for _, batch in batches for cut in batch.cuts}
    tx.insert_missing(t.cuts, [_cut_row(cut) for cut in cuts.values()], key="digest")


@dataclass(frozen=True, slots=True)
class ShownPiece:
    """Where a letter stood in its merged file."""

    pages: str
    """``7`` or ``7-9``."""
    why: str


def pieces_of(connection: Connection, submission_ids: Sequence[str]) -> dict[str, dict[int, ShownPiece]]:
    """Pieces of merged files by submission, and by the number of the letter that each may be."""
    if not submission_ids:
        return {}
    wanted = select(t.batches.c.submission_id, t.batches.c.pieces).where(among(t.batches.c.submission_id))
    rows = connection.execute(wanted, {"ids": list(submission_ids)}).mappings()
    return {
        row["submission_id"]: {
            first + 1: ShownPiece(shown_pages(first, pages), why)
            for first, pages, _, why, *_ in row["pieces"]
        }
        for row in rows
    }


def batch_digests(connection: Connection) -> set[str]:
    """Every vault digest that a letter may still be cut from."""
    return {*connection.execute(select(t.batches.c.source)).scalars(), *connection.execute(select(t.cuts.c.source)).scalars()}


_SETTLED = select(t.batches.c.submission_id, t.batches.c.settled).where(among(t.batches.c.submission_id))
_BATCHES = select(
    t.batches, t.submissions.c.state, t.submissions.c.received_at, t.submissions.c.submitter_name, t.submissions.c.title,
    t.submissions.c.refusal, t.submissions.c.fence,
).join(t.submissions, t.submissions.c.id == t.batches.c.submission_id)  # fmt: skip


def _batch_row(tx: Tx, submission_id: str, batch: Batch, settled: Mapping[str, Any]) -> dict[str, Any]:
    place = batch.place
    return {
        "submission_id": submission_id,
        "source": batch.source.digest,
        "source_size": batch.source.size_bytes,
        "pages": batch.pages,
        "letters": len(batch.pieces),
        "uncertain": len(batch.uncertain),
        "place": None if place is None else [place.x, place.y, place.width, place.height],
        "pieces": [_piece(piece, cut) for piece, cut in zip(batch.pieces, batch.cuts, strict=True)],
        "settled": dict(settled),
        "made_at": tx.now,
    }


def _piece(piece: Piece, cut: Cut) -> list[Any]:
    who = piece.recipient.masked() if piece.recipient is not None else None
    return [piece.first, piece.pages, who, piece.why, list(piece.flags), cut.digest, cut.size_bytes]


def _cut_row(cut: Cut) -> dict[str, Any]:
    return {
        "digest": cut.digest, "size_bytes": cut.size_bytes, "source": cut.source.digest, "source_size": cut.source.size_bytes,
        "first": cut.first, "pages": cut.pages, "pdfa": cut.pdfa,
    }  # fmt: skip


def _held(tx: Tx, submission_id: str) -> Row:
    """The batch, with what is needed of its submission, which is held."""
    lock_submissions(tx, [submission_id])
    row = tx.run(_BATCHES.where(t.batches.c.submission_id == submission_id)).mappings().one_or_none()
    if row is None:
        raise NotFound(what=submission_id)
    if row["state"] != "held":
        raise NotAllowedNow(what="The batch does not wait for anybody.")
    return row


def _who(who: Recipient | None) -> dict[str, str | None] | None:
    return None if who is None else {"kind": who.kind, "number": who.reveal(), "p_number": who.p_number}


def _settled(known: Mapping[str, Any]) -> Settled:
    place = known.get("place")
    return Settled(
        place=None if place is None else Place(*place),
        assigned={
            int(page): None if who is None else recipient_from(who["kind"], who["number"], who["p_number"])
            for page, who in known.get("assigned", {}).items()
        },
        accepted=known.get("accepted", False),
        approved=known.get("approved", False),
    )


def _view(connection: Connection, row: Row) -> dict[str, Any]:
    """How far it is: letters by what became of them."""
    submission_id = row["submission_id"]
    states = [status.whole for status in Progress(connection, [submission_id], whole=False).statuses(submission_id)]
    settled = row["settled"]
    return {
        "id": submission_id,
        "received_at": row["received_at"],
        "submitter": row["submitter_name"],
        "state": row["state"],
        "pages": row["pages"],
        "letters": row["letters"],
        "uncertain": row["uncertain"],
        "handed_over": sum(state in (Status.SENT, Status.COMPLETED) for state in states),
        "completed": sum(state is Status.COMPLETED for state in states),
        "stopped": sum(state in (Status.HELD, Status.FAILED, Status.REJECTED, Status.CANCELLED) for state in states),
        "place_mm": row["place"],
        "approved": bool(settled.get("approved")),
        "refusal": values.masked_refusal(row["refusal"]),
    }
