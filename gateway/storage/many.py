# ruff: noqa: S608 - the SQL is made of the names of our own tables and columns; values are parameters
"""Many rows in one statement, made once for each table and set of columns.

SQLite gets the rows one after another in one call of its driver. PostgreSQL gets one array for each
column, so that the statement has the same few parameters for one row as for hundreds: neither its
driver nor the server reads it anew, and it is one round trip. The columns' own types turn the values.
SQLAlchemy's way with many rows took several times as long as the databases do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, CursorResult, Dialect, Table

_Turn = Callable[[Any], Any] | None
Rows = Sequence[Mapping[str, Any]]
"""At least one; all with the same names."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A statement, and the names of its parameters in order, each with what turns its values."""

    sql: str
    columns: tuple[tuple[str, _Turn], ...]
    arrays: bool

    def run(self, connection: Connection, rows: Rows) -> CursorResult[Any]:
        given: Any
        if self.arrays:
            given = tuple(
                [turn(row[name]) for row in rows] if turn else [row[name] for row in rows]
                for name, turn in self.columns
            )
        else:
            given = [
                tuple([turn(row[name]) if turn else row[name] for name, turn in self.columns])
                for row in rows
            ]
        return connection.exec_driver_sql(self.sql, given)


# There are some forty of them.
_known: dict[tuple[object, ...], _Prepared] = {}


def insert_many(
    connection: Connection,
    table: Table,
    rows: Rows,
    *,
    missing: bool = False,
    returning: tuple[str, ...] = (),
) -> CursorResult[Any]:
    """Insert *rows*.

    Args:
        missing: leave out those that break a unique key.
        returning: columns of what went in; only on PostgreSQL.
    """
    names = tuple(rows[0])
    dialect = connection.dialect
    key = (table, names, missing, returning, dialect.name)
    prepared = _known.get(key)
    if prepared is None:
        sql = f"INSERT INTO {table.name} ({_list(dialect, names)}) {_source(dialect, table, names)}"
        sql += " ON CONFLICT DO NOTHING" if missing else ""
        sql += f" RETURNING {_list(dialect, returning)}" if returning else ""
        prepared = _known[key] = _prepared(dialect, table, sql, [(name, name) for name in names])
    return prepared.run(connection, rows)


def change_many(connection: Connection, table: Table, by: tuple[str, ...], rows: Rows) -> None:
    """Write columns to the rows that have the values of the columns *by*, which in *rows* are named with
    an ``of_`` before them.
    """
    names = tuple(name for name in rows[0] if not name.startswith("of_"))
    dialect = connection.dialect
    key = (table, names, by, dialect.name)
    prepared = _known.get(key)
    if prepared is None:
        places = [(name, name) for name in names] + [(f"of_{name}", name) for name in by]
        sql = _update(dialect, table, names, by)
        prepared = _known[key] = _prepared(dialect, table, sql, places)
    prepared.run(connection, rows)


def _update(dialect: Dialect, table: Table, names: Sequence[str], by: Sequence[str]) -> str:
    quote = dialect.identifier_preparer.quote
    if not _arrays(dialect):
        written = ", ".join(f"{quote(name)} = ?" for name in names)
        return f"UPDATE {table.name} SET {written} WHERE " + " AND ".join(
            f"{quote(name)} = ?" for name in by
        )
    written = ", ".join(f"{quote(name)} = given.{quote(name)}" for name in names)
    columns = [table.c[name] for name in (*names, *by)]
    given = ", ".join([*map(quote, names), *(f"of_{name}" for name in by)])
    where = " AND ".join(f"{table.name}.{quote(name)} = given.of_{name}" for name in by)
    arrays = f"unnest({_array_parameters(dialect, columns)}) AS given ({given})"
    return f"UPDATE {table.name} SET {written} FROM {arrays} WHERE {where}"


def _source(dialect: Dialect, table: Table, names: Sequence[str]) -> str:
    if not _arrays(dialect):
        return f"VALUES ({', '.join('?' for _ in names)})"
    # The condition is for the grammar: without one, ON CONFLICT would be read as a join's.
    arrays = _array_parameters(dialect, [table.c[name] for name in names])
    return f"SELECT * FROM unnest({arrays}) AS given WHERE true"


def _array_parameters(dialect: Dialect, columns: Sequence[Column[Any]]) -> str:
    kinds = [column.type.compile(dialect=dialect) for column in columns]
    # In binary: psycopg writes a text array with a regular expression for each text.
    # A cast to VARCHAR(n) would cut silently what the column refuses.
    return ", ".join(f"%b::{'TEXT' if k.startswith('VARCHAR') else k}[]" for k in kinds)


def _prepared(
    dialect: Dialect, table: Table, sql: str, places: Sequence[tuple[str, str]]
) -> _Prepared:
    """*places*: name of each parameter in order, and its column."""
    turns = [
        (name, table.c[column].type.dialect_impl(dialect).bind_processor(dialect))
        for name, column in places
    ]
    return _Prepared(sql, tuple(turns), _arrays(dialect))


def _arrays(dialect: Dialect) -> bool:
    return dialect.name == "postgresql"


def _list(dialect: Dialect, names: Sequence[str]) -> str:
    return ", ".join(map(dialect.identifier_preparer.quote, names))
