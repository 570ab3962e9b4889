"""Drops: files that belong together, the submissions they became, and what was answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case, delete, literal, select, update

from gateway.errors import NotAllowedNow, NotFound
from gateway.model.drop import AnswerFile, Drop, DropFault, DropItem, new_drop_id
from gateway.model.submission import Accepted, Arrival
from gateway.ports import Claim, NewDrop
from gateway.storage import tables as t
from gateway.storage.among import among
from gateway.storage.connect import Tx
from gateway.storage.ledger.accept import Accepting, conflicts
from gateway.storage.ledger.base import end_claim, made, note
from gateway.storage.ledger.drop_files import hand_over_again
from gateway.storage.ledger.view import views_of
from gateway.storage.values import Row, by, submission_row

_d = t.drops.c
_a = t.drop_answers.c
_f = t.drop_files.c


class Dropping(Accepting):
    """The part of the ledger that the services *gather* and *answer* call."""

    def keep_drops(self, drops: Sequence[NewDrop]) -> list[str | None]:
        """See ``ports.Drops.keep_drops``."""
        with self._database.write() as tx:
            return [self._keep(tx, drop) for drop in drops]

    def keep_standards(self, drops: Sequence[NewDrop]) -> list[str | None]:
        """See ``ports.Drops.keep_standards``."""
        with self._database.write() as tx:
            return [self._keep_standard(tx, drop) for drop in drops]

    def _keep_standard(self, tx: Tx, drop: NewDrop) -> str | None:
        kept = self._keep(tx, drop)
        if kept is not None and not drop.faults:
            place = (_f.account == drop.account, _f.area == drop.area, _f.folder == drop.folder)
            tx.run(update(t.drop_files).where(*place, t.UNTAKEN, _f.state == "standard").values(state="taken"))
            tx.run(update(t.drop_files).where(_f.drop_id == kept).values(state="standard"))
        return kept

    def _keep(self, tx: Tx, drop: NewDrop) -> str | None:
        still = select(_f.id).where(_f.id.in_(drop.file_ids), _f.state.in_(("waiting", "temporary", "cut"))).with_for_update()
        if len(tx.run(still).all()) != len(set(drop.file_ids)):
            return None
        drop_id = new_drop_id(tx.now)
        arrivals = [_meant(arrival, drop_id, again) for arrival, again in zip(drop.arrivals, drop.again, strict=True)]
        faults = list(drop.faults)
        kept = list(enumerate(arrivals))
        if clashing := conflicts(tx, arrivals):
            assert drop.conflict is not None
            faults += [replace(drop.conflict, linje=drop.lines[place]) for place in clashing]
            kept = [(place, arrival) for place, arrival in kept if place not in clashing]
        if faults and not drop.partly:
            kept = []
        state = "rejected" if faults and not kept else "received"
        tx.insert(t.drops, [_drop_row(tx, drop, drop_id, state=state, faults=faults)])
        tx.run(update(t.drop_files).where(_f.id.in_(drop.file_ids)).values(state="taken", drop_id=drop_id))
        answers = self._added(tx, [arrival for _, arrival in kept])
        items = [
            {"drop_id": drop_id, "number": number, "submission_id": answer.submission_id, "outcome": answer.outcome,
             "reference": arrival.reference, "line": drop.lines[place]}
            for number, (answer, (place, arrival)) in enumerate(zip(answers, kept, strict=True), 1)
        ]  # fmt: skip
        tx.insert(t.drop_items, items)
        for answer, (place, _) in zip(answers, kept, strict=True):
            if drop.again[place]:
                note(tx, answer.submission_id, answer.submission_id, "again", "gensend")
        return drop_id

    def _added(self, tx: Tx, arrivals: Sequence[Arrival]) -> list[Accepted]:
        rows = [submission_row(arrival) for arrival in arrivals]
        answers: dict[int, Accepted] = {}
        while len(answers) < len(rows):
            self._add(tx, rows, answers)
        return [answers[place] for place in range(len(rows))]

    def claim_drops(self, limit: int) -> list[Claim[Drop]]:
        """See ``ports.Drops.claim_drops``."""
        with self._database.write() as tx:
            rows = self._claim(tx, t.drops, limit)
            items = _items(tx, [row["id"] for row in rows])
        return [made(row, _drop(row, items.get(row["id"], ()))) for row in rows]

    def drop_answered(
        self,
        claim: Claim[Drop],
        *,
        state: str,
        answered: Sequence[str],
        files: Sequence[AnswerFile],
        again_in: timedelta | None = None,
    ) -> bool:
        """See ``ports.Drops.drop_answered``."""
        drop = claim.item
        with self._database.write() as tx:
            due = None if again_in is None else tx.now + again_in
            # News that came while the answer was written is not lost.
            still = case((_d.due_at > drop.due_at, _d.due_at), else_=literal(due, _d.due_at.type))
            written = {"state": state, "answered": list(answered), "due_at": still}
            if not end_claim(tx, t.drops, drop.id, claim.fence, **written):
                return False
            rows = [
                {"drop_id": drop.id, "account": drop.account, "name": file.name, "content": file.content,
                 "size_bytes": len(file.content), "made_at": tx.now, "written": drop.channel != "folder"}
                for file in files
            ]  # fmt: skip
            tx.insert_missing(t.drop_answers, rows, key="name")
            return True

    def answer_files(self, account: str, since: datetime) -> list[tuple[str, int, datetime]]:
        """See ``ports.Drops.answer_files``."""
        with self._database.read() as connection:
            mine = select(_a.name, _a.size_bytes, _a.made_at).where(_a.account == account, _a.made_at >= since)
            return [(row.name, row.size_bytes, row.made_at) for row in connection.execute(mine.order_by(_a.id))]

    def answer_file(self, account: str, name: str) -> bytes | None:
        """See ``ports.Drops.answer_file``."""
        with self._database.read() as connection:
            one = select(_a.content).where(_a.account == account, _a.name == name)
            found: bytes | None = connection.execute(one).scalar_one_or_none()
            return found

    def unwritten_answers(self, account: str, limit: int) -> list[tuple[int, str | None, AnswerFile]]:
        """See ``ports.Drops.unwritten_answers``."""
        with self._database.read() as connection:
            mine = select(t.drop_answers).where(_a.account == account, t.UNWRITTEN).order_by(_a.id).limit(limit)
            rows = connection.execute(mine).mappings()
            return [(row["id"], row["drop_id"], AnswerFile(name=row["name"], content=row["content"])) for row in rows]

    def answers_written(self, numbers: Sequence[int]) -> None:
        """See ``ports.Drops.answers_written``."""
        if numbers:
            with self._database.write() as tx:
                tx.run(update(t.drop_answers).where(_a.id.in_(numbers)).values(written=True))

    def old_answers(self, account: str, before: datetime) -> list[str]:
        """See ``ports.Drops.old_answers``."""
        with self._database.read() as connection:
            mine = select(_a.name).where(_a.account == account, _a.made_at < before, _a.written).order_by(_a.name)
            return list(connection.execute(mine).scalars())

    def forget_answers(self, before: datetime) -> int:
        """See ``ports.Drops.forget_answers``."""
        with self._database.write() as tx:
            return int(tx.run(delete(t.drop_answers).where(_a.made_at < before, _a.written)).rowcount)

    def retry_drop(self, drop_id: str, actor: str) -> list[str]:
        """See ``ports.Drops.retry_drop``."""
        with self._database.write() as tx:
            row = tx.run(select(t.drops).where(_d.id == drop_id)).mappings().one_or_none()
            if row is None:
                raise NotFound(what="drop")
            if row["state"] == "held":
                tx.run(update(t.drops).where(_d.id == drop_id).values(state="accepted", due_at=tx.now, crashes=0, lease_until=None))
            elif not hand_over_again(tx, row["account"], drop_id):
                raise NotAllowedNow(what="Only a rejected drop can be handed over again; this one is not.")
            return [drop_id]


def _meant(arrival: Arrival, drop_id: str, again: bool) -> Arrival:
    """*arrival*, under a reference of its own if it is to be sent once more (gensend)."""
    if not again:
        return arrival
    return replace(arrival, reference=f"{arrival.reference}#{drop_id}")


def _drop_row(tx: Tx, drop: NewDrop, drop_id: str, *, state: str, faults: Sequence[DropFault]) -> dict[str, Any]:
    taken = tx.run(select(_d.id).where(_d.account == drop.account, _d.base == drop.base)).first()
    return {
        "id": drop_id,
        "state": state,
        "due_at": tx.now,
        "account": drop.account,
        "channel": drop.channel,
        "area": drop.area,
        "folder": drop.folder,
        "base": drop.base if taken is None else f"{drop.base}.{drop_id}",
        "kind": drop.kind,
        "trial": drop.trial,
        "received_at": tx.now,
        "documents": [list(document) for document in drop.documents],
        "faults": [asdict(fault) for fault in faults],
        "notes": list(drop.notes),
        "tried": drop.tried,
        "answered": [],
    }


def _items(tx: Tx, drop_ids: Sequence[str]) -> Mapping[str, Sequence[DropItem]]:
    if not drop_ids:
        return {}
    items = t.drop_items.c
    rows = tx.run(select(t.drop_items).where(among(items.drop_id)).order_by(items.drop_id, items.number), {"ids": list(drop_ids)}).mappings().all()
    views = views_of(tx.connection, sorted({row["submission_id"] for row in rows}))
    return {drop_id: [_item(row, views) for row in mine] for drop_id, mine in by(rows, "drop_id").items()}


def _item(row: Row, views: Mapping[str, dict[str, Any]]) -> DropItem:
    return DropItem(
        number=row["number"], submission_id=row["submission_id"], outcome=row["outcome"],
        reference=row["reference"], line=row["line"], view=views[row["submission_id"]],
    )  # fmt: skip


def _drop(row: Row, items: Sequence[DropItem]) -> Drop:
    return Drop(
        id=row["id"], account=row["account"], channel=row["channel"], area=row["area"], base=row["base"],
        kind=row["kind"], trial=row["trial"], state=row["state"], received_at=row["received_at"],
        documents=tuple((d[0], d[1], d[2], d[3]) for d in row["documents"]),
        faults=tuple(DropFault(**fault) for fault in row["faults"]), notes=tuple(row["notes"]),
        tried=row["tried"], answered=tuple(row["answered"]), items=tuple(items), due_at=row["due_at"],
    )  # fmt: skip

