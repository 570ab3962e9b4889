"""``among(column)``: the column has one of the values given as ``{"ids": [...]}``, all texts.

One parameter for however many: an IN list would be another statement for each length, built by
SQLAlchemy, read by the driver and planned by the server anew every time.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Dialect, Text, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NULLTYPE, TypeDecorator, TypeEngine


class _Texts(TypeDecorator[list[str]]):
    """An array on PostgreSQL, JSON on SQLite."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(ARRAY(Text) if dialect.name == "postgresql" else Text())

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        return None if dialect.name == "postgresql" else json.dumps


class _Among(FunctionElement[Any]):
    name = "among"
    # Not Boolean: on SQLite that would become "… = 1", which no index fits.
    type = NULLTYPE
    inherit_cache = True


def among(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return _Among(column, bindparam("ids", type_=_Texts()))


@compiles(_Among, "postgresql")
def _on_postgres(element: _Among, compiler: Any, **given: Any) -> str:
    column, ids = (compiler.process(clause, **given) for clause in element.clauses)
    return f"{column} = ANY ({ids})"


@compiles(_Among, "sqlite")
def _on_sqlite(element: _Among, compiler: Any, **given: Any) -> str:
    column, ids = (compiler.process(clause, **given) for clause in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({ids}))"  # noqa: S608 - made of our own columns
