"""Many rows in one call of the driver.

SQLAlchemy writes the SQL, once for each statement and set of columns, and its types turn the values; the
rows then go to the driver as they are. Its own way with many rows costs several times what SQLite needs
to store them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, CursorResult, Insert, Update

_Turn = Callable[[Any], Any] | None


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A statement for one driver, and the columns it takes."""

    sql: str
    columns: tuple[tuple[str, _Turn], ...]
    positional: bool

    def rows(self, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        """*rows* as the driver takes them."""
        if self.positional:
            return [
                tuple([turn(row[name]) if turn else row[name] for name, turn in self.columns])
                for row in rows
            ]
        return [
            {name: turn(row[name]) if turn else row[name] for name, turn in self.columns}
            for row in rows
        ]


# By statement, columns and database; there are some thirty of them.
_known: dict[tuple[Insert | Update, tuple[str, ...], str], _Prepared] = {}


def run_many(
    connection: Connection, statement: Insert | Update, rows: Sequence[Mapping[str, Any]]
) -> CursorResult[Any]:
    """Run *statement*, which gives nothing back, for each of *rows*.

    Args:
        statement: made once and kept; it is remembered for ever. All its values come from *rows*.
        rows: at least one, all with the same names.
    """
    names = tuple(rows[0])
    key = (statement, names, connection.dialect.name)
    prepared = _known.get(key)
    if prepared is None:
        prepared = _known[key] = _prepare(connection, statement, names)
    return connection.exec_driver_sql(prepared.sql, prepared.rows(rows))


def _prepare(
    connection: Connection, statement: Insert | Update, names: tuple[str, ...]
) -> _Prepared:
    dialect = connection.dialect
    compiled = statement.compile(dialect=dialect, column_keys=list(names))
    order = compiled.positiontup if compiled.positional else list(compiled.binds)
    kinds = {name: bind.type.dialect_impl(dialect) for name, bind in compiled.binds.items()}
    return _Prepared(
        sql=compiled.string,
        columns=tuple((name, kinds[name].bind_processor(dialect)) for name in order or ()),
        positional=compiled.positional,
    )
