"""What the operator sees of drops: plain dictionaries. Shapes: docs/reference/json.md."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any

from sqlalchemy import Connection, func, select

from gateway.errors import NotFound
from gateway.model.identity import mask_numbers
from gateway.storage import tables as t
from gateway.storage.among import among
from gateway.storage.ledger.base import Part
from gateway.storage.ledger.view import views_of
from gateway.storage.values import Row, by

HISTORY = timedelta(days=30)
_d = t.drops.c


class DropViewing(Part):
    """The part of the ledger that only looks at drops."""

    def list_drops(
        self, *, account: str | None = None, limit: int = 50, state: str | None = None, since: datetime | None = None
    ) -> list[dict[str, Any]]:
        """See ``ports.Drops.list_drops``."""
        wanted = [
            *([] if account is None else [_d.account == account]),
            *([] if state is None else [_d.state == state]),
            *([] if since is None else [_d.received_at >= since]),
        ]
        statement = select(t.drops).where(*wanted).order_by(_d.received_at.desc(), _d.id.desc()).limit(limit)
        with self._database.read() as connection:
            return _views(connection, list(connection.execute(statement).mappings()))

    def show_drop(self, drop_id: str) -> dict[str, Any]:
        """See ``ports.Drops.show_drop``."""
        with self._database.read() as connection:
            row = connection.execute(select(t.drops).where(_d.id == drop_id)).mappings().one_or_none()
            if row is None:
                raise NotFound(what="drop")
            (view,) = _views(connection, [row])
            answers = t.drop_answers.c
            written = select(answers.name, answers.made_at).where(answers.drop_id == drop_id).order_by(answers.id)
            view["answers"] = [{"name": mask_numbers(one.name), "at": one.made_at.isoformat()} for one in connection.execute(written)]
            view["notes"] = [mask_numbers(note) for note in row["notes"]]
            view["trace"] = row["trace"]
            return view

    def drop_health(self) -> list[dict[str, Any]]:
        """See ``ports.Drops.drop_health``. Days and counts as the database's clock has them."""
        with self._database.read() as connection:
            now = self._database.now(connection)
            recent = select(_d.account, _d.received_at, _d.state).where(_d.received_at >= now - HISTORY)
            rows = connection.execute(recent.order_by(_d.received_at)).all()
            last = connection.execute(select(_d.account, func.max(_d.received_at)).group_by(_d.account)).all()
            places = {row.account: row for row in connection.execute(select(t.drop_places))}
        by_account: dict[str, list[Any]] = defaultdict(list)
        for row in rows:
            by_account[row.account].append(row)
        names = sorted({name for name, _ in last} | set(places))
        latest: dict[str, datetime] = {row[0]: row[1] for row in last}
        return [_health(name, by_account[name], latest.get(name), places.get(name), now) for name in names]


def _health(name: str, rows: list[Any], last: datetime | None, place: Any, now: datetime) -> dict[str, Any]:
    rejected = sum(row.state == "rejected" for row in rows)
    usual = _usual_gap([row.received_at for row in rows])
    return {
        "account": name,
        "last_drop": last.isoformat() if last else None,
        "drops": len(rows),
        "rejected": rejected,
        "rejected_share": round(rejected / len(rows), 3) if rows else 0.0,
        "usual_gap_seconds": usual.total_seconds() if usual else None,
        "expected_before": (last + usual).isoformat() if last and usual else None,
        "nearly_late": bool(last and usual and now > last + 0.85 * usual),
        "late": bool(last and usual and now > last + usual),
        "share": place.state if place is not None else None,
    }


def _usual_gap(times: list[datetime]) -> timedelta | None:
    """The longest usual wait between two days with drops; None before there are five such days.

    Three quarters of the median gap are added, and a weekend if gaps of one day were usual: a system that
    drops every working day is not late on a Sunday.
    """
    days = sorted({when.date() for when in times})
    if len(days) < 5:
        return None
    gaps = Counter((second - first).days for first, second in pairwise(days))
    typical = median(gaps.elements())
    longest = max(gap for gap, count in gaps.items() if count >= 2 or gap <= typical)
    return timedelta(days=max(float(longest), typical) + 0.75 * typical)


def _views(connection: Connection, rows: list[Row]) -> list[dict[str, Any]]:
    ids = {"ids": [row["id"] for row in rows]}
    items = t.drop_items.c
    found = connection.execute(select(t.drop_items).where(among(items.drop_id)).order_by(items.number), ids).mappings().all()
    submissions = views_of(connection, sorted({one["submission_id"] for one in found}))
    files = t.drop_files.c
    dropped = connection.execute(select(t.drop_files).where(among(files.drop_id)).order_by(files.id), ids).mappings().all()
    items_of, files_of = by(found, "drop_id"), by(dropped, "drop_id")
    return [_view(row, items_of[row["id"]], submissions, files_of[row["id"]]) for row in rows]


def _view(row: Row, items: list[Row], submissions: dict[str, dict[str, Any]], files: list[Row]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "account": row["account"],
        "channel": row["channel"],
        "area": row["area"],
        "base": mask_numbers(row["base"]),
        "kind": row["kind"],
        "trial": row["trial"],
        "state": row["state"],
        "received_at": row["received_at"].isoformat(),
        "files": [{"name": mask_numbers(f["name"]), "size_bytes": f["size_bytes"], "sha256": f["digest"], "how": f["how"]} for f in files],
        "faults": [{**fault, "fil": mask_numbers(fault["fil"]), "tekst": mask_numbers(fault["tekst"])} for fault in row["faults"]],
        "items": [
            {"submission": item["submission_id"], "outcome": item["outcome"], "reference": mask_numbers(item["reference"]), "line": item["line"],
             "status": submissions[item["submission_id"]]["status"],
             "letters": [{"id": letter["id"], "send": letter["send"], "archive": letter["archive"], "recipient": letter["recipient"],
                          "rule": letter["rule"], "case": letter["case"]} for letter in submissions[item["submission_id"]]["letters"]]}
            for item in items
        ],
    }  # fmt: skip
