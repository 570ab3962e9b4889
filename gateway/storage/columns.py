"""Column types that mean the same on both databases.

Each gives SQLAlchemy the bare function that turns a value: a method of a ``TypeDecorator`` for every
value of every row was a third of the ledger's work.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, Text
from sqlalchemy.types import TypeDecorator

Counter = BigInteger().with_variant(Integer, "sqlite")
"""A number the database counts up by itself; SQLite does so only for INTEGER."""

_Turn = Callable[[Any], Any]


class Utc(TypeDecorator[datetime]):
    """A point in time. Aware and in UTC on our side; ``timestamptz``, or UTC text that sorts, in the database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> _Turn:
        return _time_to_text if dialect.name == "sqlite" else _time_to_utc

    def result_processor(self, dialect: Dialect, coltype: object) -> _Turn:
        return _text_to_time if dialect.name == "sqlite" else _time_to_utc


class Json(TypeDecorator[Any]):
    """A small value as JSON text; ASCII, so no byte a mail can hold is refused by a database."""

    impl = Text
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> _Turn:
        return _value_to_json

    def result_processor(self, dialect: Dialect, coltype: object) -> _Turn:
        return _json_to_value


class Words(TypeDecorator[str]):
    """Text from outside. PostgreSQL refuses NUL, and neither database takes half a surrogate pair;
    both become U+FFFD, so that one odd header cannot make a mail come back for ever.
    """

    impl = Text
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> _Turn:
        return _words_to_text

    def result_processor(self, dialect: Dialect, coltype: object) -> None:
        return None


def storable(text: str) -> str:
    """*text* as a column of ``Words`` keeps it."""
    if text.isascii() and "\0" not in text:
        return text
    return "".join("�" if c == "\0" or "\ud800" <= c <= "\udfff" else c for c in text)


def _words_to_text(value: str | None) -> str | None:
    return None if value is None else storable(value)


def _time_to_utc(value: datetime | None) -> datetime | None:
    if value is None:
        return None
    if value.utcoffset() is None:
        raise ValueError("a time needs a time zone; use datetime.now(UTC)")
    return value.astimezone(UTC)


# A transaction writes and reads its own time again and again: remembered, not worked out.


@lru_cache(maxsize=1024)
def _time_to_text(value: datetime | None) -> str | None:
    moment = _time_to_utc(value)
    return None if moment is None else moment.replace(tzinfo=None).isoformat(" ", "microseconds")


@lru_cache(maxsize=1024)
def _text_to_time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC)


_to_json = json.JSONEncoder(separators=(",", ":")).encode


def _value_to_json(value: Any) -> str | None:
    return None if value is None else _to_json(value)


def _json_to_value(text: str | None) -> Any:
    return None if text is None else json.loads(text)
