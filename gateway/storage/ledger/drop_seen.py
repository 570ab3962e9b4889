"""Dropped files as their owner sees them: what waits, what was taken a moment ago, and what was rejected."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Select,
    and_,
    bindparam,
    func,
    select,
    union,
    union_all,
)

from gateway.model.drop import Area
from gateway.model.submission import Blob
from gateway.ports import SeenFile
from gateway.storage import tables as t
from gateway.storage.ledger.base import Part
from gateway.storage.values import Row

_f = t.drop_files.c
_UNTAKEN = t.UNTAKEN


class DropsSeen(Part):
    """The part of the ledger that answers a client's questions about its files."""

    def drop_folders(self, account: str, area: Area, since: datetime) -> list[str]:
        """See ``ports.Drops.drop_folders``."""
        mine = {"account": account, "area": area, "since": since}
        with self._database.read() as connection:
            return sorted(connection.execute(_FOLDERS, mine).scalars())

    def seen_files(
        self, account: str, area: Area, since: datetime, *, folder: str | None = None, name: str | None = None
    ) -> list[SeenFile]:
        """See ``ports.Drops.seen_files``."""
        given = {"account": account, "area": area, "since": since, "folder": folder, "name": name}
        asked = tuple(part for part in ("folder", "name") if given[part] is not None)
        with self._database.read() as connection:
            rows = connection.execute(_SEEN[asked], {part: given[part] for part in ("account", "area", "since", *asked)}).mappings()
            return [_seen(row) for row in rows]

    def waiting_room(self, account: str) -> tuple[int, int]:
        """See ``ports.Drops.waiting_room``."""
        with self._database.read() as connection:
            counted = select(func.count(), func.coalesce(func.sum(_f.size_bytes), 0)).where(_f.account == account, _UNTAKEN)
            count, size = connection.execute(counted).one()
        return int(count), int(size)

    def rejected_files(self, account: str, since: datetime) -> list[tuple[SeenFile, datetime]]:
        """See ``ports.Drops.rejected_files``."""
        of_rejected = select(t.drops.c.id).where(
            t.drops.c.account == account, t.drops.c.state == "rejected", t.drops.c.received_at >= since
        )
        wanted = and_(_f.account == account, _f.drop_id.in_(of_rejected), _f.state.in_(("taken", "mended")))
        files = select(t.drop_files, t.drops.c.received_at).join(t.drops, t.drops.c.id == _f.drop_id).where(wanted)
        with self._database.read() as connection:
            rows = connection.execute(files.order_by(_f.id)).mappings()
            return [(_seen(row), row["received_at"]) for row in rows]

    def originals(self, drop_id: str) -> list[SeenFile]:
        """See ``ports.Drops.originals``."""
        with self._database.read() as connection:
            mine = select(t.drop_files).where(_f.drop_id == drop_id, _f.state == "taken").order_by(_f.id)
            return [_seen(row) for row in connection.execute(mine).mappings()]


def _visible(what: Select[Any], *parts: str) -> tuple[Select[Any], Select[Any]]:
    """*what* of an account's files in an area that wait, and of those taken at ``since`` or later: two questions,
    each with an index. *parts*: columns that are asked for as well, by parameters of their names.
    """
    mine = [_f[part] == bindparam(part) for part in ("account", "area", *parts)]
    # One name is looked for by the index of names: its state is not said as in the other index, which SQLite prefers.
    taken: ColumnElement[bool] = _f.state == "taken" if "name" in parts else cast("ColumnElement[bool]", t.TAKEN)
    return what.where(*mine, _UNTAKEN), what.where(*mine, taken, _f.at >= bindparam("since", type_=_f.at.type))


# Made once: clients ask for every file they drop, and putting a statement together takes longer than answering it.
_SEEN: dict[tuple[str, ...], CompoundSelect[Any]] = {
    parts: union_all(*_visible(select(t.drop_files), *parts)).order_by("id")
    for parts in ((), ("folder",), ("name",), ("folder", "name"))
}
_FOLDERS = union(*_visible(select(_f.folder).where(_f.folder != "")))


def _seen(row: Row) -> SeenFile:
    return SeenFile(
        id=row["id"], folder=row["folder"], name=row["name"], blob=Blob(row["digest"], row["size_bytes"]),
        at=row["at"], state=row["state"], drop_id=row["drop_id"],
    )  # fmt: skip
