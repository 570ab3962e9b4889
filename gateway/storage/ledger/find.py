"""Which rows are meant: by an item (submission, letter ``F-….1``, shipment ``F-….1.send.…``), by a list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Select, select, tuple_, union

from gateway.errors import NotFound
from gateway.storage import tables as t
from gateway.storage.news import Progress
from gateway.storage.values import Row


@dataclass(frozen=True, slots=True)
class Target:
    """Everything under the item that was named, and the statuses of its whole submission."""

    submission: Row
    whole: bool
    """The submission itself was named, not a letter or a shipment of it."""
    letters: Sequence[Row]
    """Empty when a shipment was named."""
    shipments: Sequence[Row]
    progress: Progress


def submission_id_of(connection: Connection, item: str) -> str:
    """The submission *item* belongs to. Raises NotFound."""
    for lookup in (
        select(t.submissions.c.id).where(t.submissions.c.id == item),
        select(t.letters.c.submission_id).where(t.letters.c.id == item),
        select(t.shipments.c.submission_id).where(t.shipments.c.id == item),
    ):
        found: str | None = connection.execute(lookup).scalar_one_or_none()
        if found is not None:
            return found
    raise NotFound(what="submission, letter or shipment")


def target(connection: Connection, item: str) -> Target:
    """Raises NotFound."""
    submission_id = submission_id_of(connection, item)
    columns = [column for column in t.submissions.c if column.name != "raw"]
    submission = select(*columns).where(t.submissions.c.id == submission_id)
    row = connection.execute(submission).mappings().one()
    progress = Progress(connection, [submission_id])
    whole = item == submission_id
    letters = [one for one in progress.letters[submission_id] if whole or one["id"] == item]
    if letters or whole:
        shipments = [one for letter in letters for one in progress.shipments[letter["id"]]]
    else:
        found = [one for several in progress.shipments.values() for one in several]
        shipments = [one for one in found if one["id"] == item]
    return Target(row, whole, letters, shipments, progress)


def needs_a_person() -> Select[tuple[str]]:
    """Ids of submissions with something Ubehandlet; every part is a partial index."""
    overdue = t.shipments.c.overdue_at.is_not(None)
    ids = union(
        select(t.submissions.c.id.label("id")).where(t.HELD),
        select(t.letters.c.submission_id).where(t.HELD),
        select(t.shipments.c.submission_id).where(t.HELD_OR_FAILED),
        select(t.shipments.c.submission_id).where(overdue),
    ).subquery()
    return select(ids.c.id)


def pages(connection: Connection, among: Select[tuple[str]] | None, *, size: int) -> Iterator[Sequence[Row]]:
    """All submissions (or those *among*), newest first, *size* at a time."""
    columns = t.submissions.c
    place = tuple_(columns.received_at, columns.id)
    statement = (
        select(*(column for column in columns if column.name != "raw"))
        .order_by(columns.received_at.desc(), columns.id.desc())
        .limit(size)
    )
    if among is not None:
        statement = statement.where(columns.id.in_(among))
    after: ColumnElement[bool] | None = None
    while True:
        page = statement if after is None else statement.where(after)
        rows = connection.execute(page).mappings().all()
        if rows:
            yield rows
        if len(rows) < size:
            return
        after = place < (rows[-1]["received_at"], rows[-1]["id"])
