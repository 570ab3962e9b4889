"""What the built-in archive remembers: cases, items, files. See ``ports.Cases``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from gateway.errors import ArchiveRefused, NotFound
from gateway.model.submission import Blob
from gateway.storage import tables as t
from gateway.storage.ledger.base import Part
from gateway.storage.values import Row


class CaseKeeping(Part):
    """The part of the ledger that the built-in archive calls."""

    def put_case(self, number: str, *, plan: str | None, at: datetime) -> bool:
        """See ``ports.Cases.put_case``."""
        with self._database.write() as tx:
            new = {"number": number, "plan": plan, "made_at": at}
            if tx.insert_missing(t.cases, [new], key="number"):
                return True
            closed = tx.run(select(t.cases.c.closed_at).where(t.cases.c.number == number)).scalar_one()
            if closed is not None:
                raise ArchiveRefused(reason="the case is closed")
            return False

    def put_item(
        self,
        number: str,
        *,
        letter_id: str,
        metadata: dict[str, Any],
        files: Sequence[tuple[str, Blob, str]],
    ) -> None:
        """See ``ports.Cases.put_item``. The first metadata stay. Raises NotFound for a missing case."""
        with self._database.write() as tx:
            case = select(t.cases.c.number).where(t.cases.c.number == number)
            if tx.run(case).first() is None:
                raise NotFound(what="case")
            item = {"number": number, "letter_id": letter_id, "metadata": metadata, "put_at": tx.now}
            tx.insert_missing(t.case_items, [item], key="letter_id")
            rows = [
                {
                    "number": number,
                    "letter_id": letter_id,
                    "name": name,
                    "role": role,
                    "digest": blob.digest,
                    "size_bytes": blob.size_bytes,
                    "put_at": tx.now,
                }
                for name, blob, role in files
            ]
            tx.insert_missing(t.case_files, rows, key="id")

    def list_cases(self, *, limit: int = 100) -> list[dict[str, Any]]:
        """Newest first: ``number, plan, made_at, closed_at, items`` (how many)."""
        counted = (
            select(t.case_items.c.number, func.count().label("items"))
            .group_by(t.case_items.c.number)
            .subquery()
        )
        with self._database.read() as connection:
            found = connection.execute(
                select(t.cases, func.coalesce(counted.c["items"], 0).label("items"))
                .outerjoin(counted, counted.c.number == t.cases.c.number)
                .order_by(t.cases.c.made_at.desc(), t.cases.c.number.desc())
                .limit(limit)
            )
            return [{**_case(row), "items": row["items"]} for row in found.mappings()]

    def show_case(self, number: str) -> dict[str, Any]:
        """See ``ports.Cases.show_case``; ``items: [{letter_id, put_at, metadata, files: [{name, role,
        digest, size_bytes}]}]``, as they were put.
        """
        with self._database.read() as connection:
            case = select(t.cases).where(t.cases.c.number == number)
            found = connection.execute(case).mappings().one_or_none()
            if found is None:
                raise NotFound(what="case")
            items = select(t.case_items).where(t.case_items.c.number == number)
            files = select(t.case_files).where(t.case_files.c.number == number)
            item_rows = connection.execute(
                items.order_by(t.case_items.c.put_at, t.case_items.c.letter_id)
            ).mappings()
            file_rows = connection.execute(files.order_by(t.case_files.c.id)).mappings().all()
            return {**_case(found), "items": [_item(row, file_rows) for row in item_rows]}


def _case(row: Row) -> dict[str, Any]:
    return {
        "number": row["number"],
        "plan": row["plan"],
        "made_at": row["made_at"].isoformat(),
        "closed_at": row["closed_at"].isoformat() if row["closed_at"] else None,
    }


def _item(row: Row, files: Sequence[Row]) -> dict[str, Any]:
    return {
        "letter_id": row["letter_id"],
        "put_at": row["put_at"].isoformat(),
        "metadata": row["metadata"],
        "files": [
            {name: file[name] for name in ("name", "role", "digest", "size_bytes")}
            for file in files
            if file["letter_id"] == row["letter_id"]
        ],
    }
