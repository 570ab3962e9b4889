"""Dropped files: written down before their sender is told so, and what became of each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    and_,
    func,
    select,
    update,
)

from gateway.documents.dropped_names import is_temporary
from gateway.model.drop import Area, DroppedFile, KeptFile, NewFile
from gateway.model.submission import Blob
from gateway.ports import LyingFile
from gateway.storage import tables as t
from gateway.storage.among import among
from gateway.storage.connect import Tx
from gateway.storage.ledger.base import Part
from gateway.storage.values import Row

_f = t.drop_files.c


class DropFiles(Part):
    """The part of the ledger that ways in for files call."""

    def keep_files(self, files: Sequence[NewFile]) -> list[KeptFile]:
        """See ``ports.Drops.keep_files``."""
        rows = [_row(file) for file in files]
        with self._database.write() as tx:
            known = _lying(tx, {(row["account"], row["mark"]) for row in rows if row["lies"]})
            kept: list[KeptFile] = []
            fresh = [row for row in rows if (row["account"], row["mark"]) not in known]
            made = iter(_insert(tx, fresh))
            for row in rows:
                seen = known.get((row["account"], row["mark"]))
                kept.append(KeptFile(id=seen, known=True) if seen else KeptFile(id=next(made), known=False))
        return kept

    def rename_file(self, account: str, area: Area, folder: str, old: str, new: str) -> bool:
        """See ``ports.Drops.rename_file``."""
        with self._database.write() as tx:
            found = tx.run(
                select(_f.id)
                .where(*_called(account, area, folder, old), _f.state.in_(("waiting", "temporary")))
                .order_by(_f.id.desc())
                .limit(1)
                .with_for_update()
            ).scalar_one_or_none()
            if found is None:
                return False
            written = {"name": new, "how": "rename", "at": tx.now, "state": _state_of(new)}
            tx.run(update(t.drop_files).where(_f.id == found).values(**written))
            return True

    def withdraw_file(
        self, account: str, area: Area, folder: str, name: str
    ) -> Literal["withdrawn", "taken", "none"]:
        """See ``ports.Drops.withdraw_file``."""
        with self._database.write() as tx:
            called = _called(account, area, folder, name)
            gone = tx.run(
                update(t.drop_files)
                .where(*called, _UNTAKEN)
                .values(state="withdrawn", lies=False)
            )
            if gone.rowcount:
                return "withdrawn"
            there = tx.run(select(_f.id).where(*called, _f.state == "taken").limit(1)).scalar_one_or_none()
            return "none" if there is None else "taken"

    def supersede_file(self, file_id: int) -> None:
        """See ``ports.Drops.supersede_file``."""
        with self._database.write() as tx:
            still = (_f.id == file_id, _f.state.in_(("waiting", "temporary")))
            tx.run(update(t.drop_files).where(*still).values(state="withdrawn"))

    def stale_files(self, before: datetime) -> list[DroppedFile]:
        """See ``ports.Drops.stale_files``."""
        with self._database.read() as connection:
            return [_dropped(row) for row in connection.execute(select(t.drop_files).where(_UNTAKEN, _f.state == "temporary", _f.at < before).order_by(_f.id)).mappings()]

    def cut_files(self) -> list[DroppedFile]:
        """See ``ports.Drops.cut_files``."""
        # Asked first without a lock: there is nearly never one.
        mine = select(t.drop_files).where(_UNTAKEN, _f.state == "cut").order_by(_f.id)
        with self._database.read() as connection:
            if connection.execute(mine.limit(1)).first() is None:
                return []
        newer = t.drop_files.alias("newer").c
        same = and_(newer.account == _f.account, newer.area == _f.area, newer.folder == _f.folder, newer.name == _f.name)
        came = select(newer.id).where(same, newer.id != _f.id, newer.at >= _f.at, newer.state != "withdrawn").exists()
        with self._database.write() as tx:
            tx.run(update(t.drop_files).where(_UNTAKEN, _f.state == "cut", came).values(state="withdrawn"))
            return [_dropped(row) for row in tx.run(mine).mappings()]

    def waiting_mark(self) -> object:
        """See ``ports.Drops.waiting_mark``."""
        with self._database.read() as connection:
            return tuple(connection.execute(select(func.count(), func.max(_f.id), func.max(_f.at)).where(_UNTAKEN)).one())

    def waiting_files(self) -> list[DroppedFile]:
        """See ``ports.Drops.waiting_files``."""
        with self._database.read() as connection:
            rows = connection.execute(select(t.drop_files).where(_UNTAKEN, _f.state == "waiting").order_by(_f.at, _f.id)).mappings()
            return [_dropped(row) for row in rows]

    def standard_files(self) -> list[DroppedFile]:
        """See ``ports.Drops.standard_files``."""
        with self._database.read() as connection:
            rows = connection.execute(select(t.drop_files).where(_UNTAKEN, _f.state == "standard").order_by(_f.id)).mappings()
            return [_dropped(row) for row in rows]

    def mend_file(self, account: str, drop_id: str, name: str, blob: Blob) -> bool:
        """See ``ports.Drops.mend_file``."""
        with self._database.write() as tx:
            drop = _rejected(tx, account, drop_id)
            if drop is None:
                return False
            file = NewFile(account=account, channel=drop["channel"], area=drop["area"], folder=drop["folder"],
                           name=name, blob=blob, how="again", at=tx.now)  # fmt: skip
            tx.insert(t.drop_files, [{**_row(file), "state": "mended", "drop_id": drop_id}])
            return True

    def again(self, account: str, drop_id: str) -> bool:
        """See ``ports.Drops.again``."""
        with self._database.write() as tx:
            return hand_over_again(tx, account, drop_id)

    def lying_files(self, account: str) -> list[LyingFile]:
        """See ``ports.Drops.lying_files``."""
        with self._database.read() as connection:
            # Every mark is more than "": said so that the index over both columns is taken.
            mine = select(_f.id, _f.mark, _f.folder, _f.name).where(_f.account == account, _f.mark > "", _LIES)
            rows = connection.execute(mine.order_by(_f.id)).mappings()
            return [LyingFile(id=row["id"], mark=row["mark"], folder=row["folder"], name=row["name"]) for row in rows]

    def lies_no_more(self, ids: Sequence[int]) -> None:
        """See ``ports.Drops.lies_no_more``."""
        if ids:
            with self._database.write() as tx:
                tx.run(update(t.drop_files).where(_f.id.in_(ids)).values(lies=False))

    def sentinel(self, account: str) -> str | None:
        """See ``ports.Drops.sentinel``."""
        with self._database.read() as connection:
            found: str | None = connection.execute(_token(account)).scalar_one_or_none()
            return found

    def keep_sentinel(self, account: str, token: str) -> str:
        """See ``ports.Drops.keep_sentinel``."""
        with self._database.write() as tx:
            row = {"account": account, "sentinel": token, "state": "ok", "since": tx.now}
            tx.insert_missing(t.drop_places, [row], key="account")
            return str(tx.run(_token(account)).scalar_one())

    def place_is(self, account: str, state: Literal["ok", "lost"]) -> bool:
        """See ``ports.Drops.place_is``."""
        with self._database.write() as tx:
            places = t.drop_places.c
            changed = update(t.drop_places).where(places.account == account, places.state != state)
            return tx.run(changed.values(state=state, since=tx.now)).rowcount == 1


def hand_over_again(tx: Tx, account: str, drop_id: str) -> bool:
    """The files of a rejected drop wait once more; its state says so, so that it happens once."""
    drop = _rejected(tx, account, drop_id)
    if drop is None:
        return False
    rows = tx.run(select(t.drop_files).where(_f.drop_id == drop_id).order_by(_f.id)).mappings().all()
    newest: dict[str, Row] = {}
    for row in rows:
        newest[row["name"]] = row
    copies = [
        {**{name: row[name] for name in _COPIED}, "how": "again", "at": tx.now, "state": "waiting", "drop_id": None,
         "note": "", "mark": "", "lies": False}
        for row in newest.values()
    ]  # fmt: skip
    tx.insert(t.drop_files, copies)
    tx.run(update(t.drops).where(t.drops.c.id == drop_id).values(state="again"))
    return True


_NEW = t.drop_files.insert().returning(_f.id, sort_by_parameter_order=True)
_COPIED = ("account", "channel", "area", "folder", "name", "digest", "size_bytes")
# Written as in the index, which a database uses only where it sees the same words.
_LIES = t.LIES
_UNTAKEN = t.UNTAKEN


def _rejected(tx: Tx, account: str, drop_id: str) -> Row | None:
    mine = (t.drops.c.id == drop_id, t.drops.c.account == account, t.drops.c.state == "rejected")
    return tx.run(select(t.drops).where(*mine).with_for_update()).mappings().one_or_none()


def _called(account: str, area: str, folder: str, name: str) -> tuple[ColumnElement[bool], ...]:
    return (_f.account == account, _f.area == area, _f.folder == folder, _f.name == name)


def _token(account: str) -> Any:
    return select(t.drop_places.c.sentinel).where(t.drop_places.c.account == account)


def _lying(tx: Tx, marks: set[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Files that lie at their share with one of *marks*, by account and mark."""
    if not marks:
        return {}
    found = select(_f.account, _f.mark, _f.id).where(among(_f.mark), _LIES)
    rows = tx.run(found, {"ids": sorted({mark for _, mark in marks})})
    return {(row.account, row.mark): row.id for row in rows if (row.account, row.mark) in marks}


def _insert(tx: Tx, rows: Sequence[dict[str, Any]]) -> list[int]:
    """The ids of *rows*, in order."""
    return list(tx.run(_NEW, list(rows)).scalars()) if rows else []


def _row(file: NewFile) -> dict[str, Any]:
    return {
        "account": file.account,
        "channel": file.channel,
        "area": file.area,
        "folder": file.folder,
        "name": file.name,
        "digest": file.blob.digest,
        "size_bytes": file.blob.size_bytes,
        "how": file.how,
        "at": file.at,
        "state": "cut" if file.how == "cut" else _state_of(file.name),
        "drop_id": None,
        "note": file.note,
        "mark": file.mark,
        "lies": bool(file.mark),
    }


def _state_of(name: str) -> str:
    return "temporary" if is_temporary(name) else "waiting"


def _dropped(row: Row) -> DroppedFile:
    return DroppedFile(
        id=row["id"], account=row["account"], channel=row["channel"], area=row["area"], folder=row["folder"],
        name=row["name"], blob=Blob(row["digest"], row["size_bytes"]), how=row["how"], at=row["at"], note=row["note"],
    )  # fmt: skip
