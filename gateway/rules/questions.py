"""From an operator and its value to the function that answers; used once, when rules are loaded."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any

from pydantic import ByteSize, TypeAdapter, ValidationError

from gateway.config.faults import found, nearest
from gateway.model.danish_time import DENMARK
from gateway.model.decision import FactValue
from gateway.rules.language import OPERATORS, Expected, Field, Holds, Test, folded, seen
from gateway.rules.lists import Lists
from gateway.rules.patterns import BadPattern, Pattern

_SIZE = TypeAdapter(ByteSize)
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)
_LIST = re.compile(r"[a-z0-9][a-z0-9-]{0,63}", re.ASCII)
_WANTS = {
    "text": "a text",
    "choice": "a text",
    "number": "a number",
    "size": 'a size such as "10 MB"',
    "flag": "true or false",
    "time": "a date such as 2026-12-01, or a date and time such as 2026-12-01T08:00:00Z",
    "clock": 'a time of day such as "08:00"',
    "names": "a text",
}


class Unfit(Exception):
    """A value that an operator cannot take; only between this module and gateway.rules.conditions."""

    def __init__(self, *, expected: str = "", found: str = "", says: str = "", nearest: str = "", remedy: str = "") -> None:
        self.expected = expected
        self.found = found
        self.says = says
        self.nearest = nearest
        self.remedy = remedy
        super().__init__(says or expected)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """All of a Test but its field and operator."""

    expected: str
    value: object
    holds: Holds
    captures: tuple[str, ...] = ()
    find: Callable[[str], dict[str, str]] | None = field(default=None, repr=False)


def question(asked: Field, operator: str, value: object, lists: Lists) -> Test:
    """The test that asks *operator* with *value* of the field *asked*.

    Raises:
        Unfit: *value* is nothing the operator can take for this field.
    """
    made = _question(asked, operator, value, lists)
    return Test(
        field=asked.name, operator=operator, expected=made.expected, value=made.value,
        holds=made.holds, captures=made.captures, find=made.find,
    )  # fmt: skip


def _question(asked: Field, operator: str, value: object, lists: Lists) -> _Question:
    takes = OPERATORS[operator].takes
    if takes == "pattern":
        return _pattern(value)
    if takes == "list":
        return _in_list(value, lists)
    if takes == "flag":
        wanted = _flag(value)
        return _Question(expected=seen(wanted), value=wanted, holds=lambda fact: _is_there(fact) == wanted)
    expected = one_value(asked, value) if takes == "one" else _several(asked, value, two=takes == "two")
    return _Question(expected=_told(expected), value=expected, holds=_present(_HOLDS[operator](expected)))


def _is_there(fact: FactValue) -> bool:
    """Whether there is a value: an empty text or an empty list is none."""
    return fact is not None and fact not in ("", ())


def _present(holds: Holds) -> Holds:
    """*holds* for a value; no value answers no."""
    return lambda fact: fact is not None and holds(fact)


# Below, fact and expected have the type of the field: one_value saw to the one, the catalogue's test to the other.


def _equals(expected: Any) -> Holds:
    if isinstance(expected, str):
        return lambda fact: folded(str(fact)) == expected
    return lambda fact: fact == expected


def _one_of(expected: Any) -> Holds:
    wanted = frozenset(expected)
    return lambda fact: (folded(fact) if isinstance(fact, str) else fact) in wanted


def _contains(expected: Any) -> Holds:
    def holds(fact: Any) -> bool:
        if isinstance(fact, tuple):
            return any(folded(name) == expected for name in fact)
        return expected in folded(fact)

    return holds


def _starts(expected: Any) -> Holds:
    return lambda fact: folded(str(fact)).startswith(expected)


def _ends(expected: Any) -> Holds:
    return lambda fact: folded(str(fact)).endswith(expected)


def _at_least(expected: Any) -> Holds:
    return lambda fact: fact >= expected


def _at_most(expected: Any) -> Holds:
    return lambda fact: fact <= expected


def _before(expected: Any) -> Holds:
    return lambda fact: fact < expected


def _after(expected: Any) -> Holds:
    return lambda fact: fact > expected


def _between(expected: Any) -> Holds:
    low, high = expected
    return lambda fact: low <= fact <= high


_HOLDS: Mapping[str, Callable[[Any], Holds]] = {
    "equals": _equals,
    "one_of": _one_of,
    "contains": _contains,
    "starts": _starts,
    "ends": _ends,
    "at_least": _at_least,
    "at_most": _at_most,
    "before": _before,
    "after": _after,
    "between": _between,
}


def _pattern(value: object) -> _Question:
    if not isinstance(value, str) or not value:
        raise Unfit(expected="a regular expression as text", found=found(value, key=""))
    try:
        pattern = Pattern(value)
    except BadPattern as bad:
        raise Unfit(says=str(bad), remedy=bad.remedy) from None

    def holds(fact: FactValue) -> bool:
        if isinstance(fact, tuple):
            return any(pattern.is_in(name) for name in fact)
        return isinstance(fact, str) and pattern.is_in(fact)

    return _Question(expected=seen(value), value=value, holds=holds, captures=pattern.names, find=pattern.find)


def _in_list(value: object, lists: Lists) -> _Question:
    if not isinstance(value, str) or not _LIST.fullmatch(value):
        raise Unfit(expected="the name of a list: small letters, digits and hyphens", found=found(value, key=""))
    if value not in lists:
        says = f"there is no list lists/{value}.txt beside the rules."
        raise Unfit(says=says, nearest=nearest(value, lists), remedy="Make the file, a value a line.")
    entries = lists[value]

    def holds(fact: FactValue) -> bool:
        if isinstance(fact, tuple):
            return any(folded(name) in entries for name in fact)
        return isinstance(fact, str) and folded(fact) in entries

    return _Question(expected=f"lists/{value}.txt", value=value, holds=holds)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise Unfit(expected="true or false", found=found(value, key="", wants="word"))
    return value


def _several(asked: Field, value: object, *, two: bool) -> Expected:
    if not isinstance(value, list) or not value or (two and len(value) != 2):
        length = "two values" if two else "at least one value"
        got = f"a list of {len(value)}" if isinstance(value, list) else found(value, key="")
        raise Unfit(expected=f"a list of {length}", found=got)
    values: Any = tuple(one_value(asked, item) for item in value)
    if two and values[0] > values[1]:
        raise Unfit(says="the first value is above the second, so nothing lies between them.", remedy="Exchange the two.")
    return values  # type: ignore[no-any-return]


def one_value(asked: Field, value: object) -> Any:
    """One value of the field's kind, in the form it is compared in. Raises Unfit."""
    if asked.kind == "choice":
        return _choice(asked, value)
    if asked.kind in ("text", "names") and isinstance(value, str) and value:
        return folded(value)
    if asked.kind == "number" and isinstance(value, int) and not isinstance(value, bool):
        return value
    if asked.kind == "size":
        return _size(value)
    if asked.kind == "flag" and isinstance(value, bool):
        return value
    if asked.kind == "time" and isinstance(value, date):
        return _moment(value)
    if asked.kind == "clock":
        return _clock(value)
    raise Unfit(expected=_WANTS[asked.kind], found=found(value, key=""))


def _choice(asked: Field, value: object) -> str:
    if isinstance(value, str) and value.casefold() in asked.choices:
        return value.casefold()
    words = ", ".join(f'"{choice}"' for choice in asked.choices)
    raise Unfit(
        expected=f"one of {words}", found=found(value, key="", wants="word"),
        nearest=nearest(value, asked.choices) if isinstance(value, str) else "",
    )


def _size(value: object) -> int:
    try:
        size = None if isinstance(value, bool) else int(_SIZE.validate_python(value))
    except ValidationError:
        size = None
    if size is None or size < 0:
        raise Unfit(expected=_WANTS["size"], found=found(value, key="", wants="word"))
    return size


def _clock(value: object) -> str:
    """``HH:MM``: texts of this form are in the order of time. A TOML time is taken too."""
    if isinstance(value, time):
        value = value.strftime("%H:%M")
    if isinstance(value, str) and _CLOCK.fullmatch(value):
        return value
    raise Unfit(expected=_WANTS["clock"], found=found(value, key="", wants="word"))


def _moment(value: date) -> datetime:
    """A moment in UTC; a date alone is its first moment in Denmark."""
    if not isinstance(value, datetime):
        return datetime.combine(value, time(), DENMARK).astimezone(UTC)
    if value.utcoffset() is None:
        raise Unfit(says="the time has no zone.", remedy="Add one, such as the Z in 2026-12-01T08:00:00Z.")
    return value.astimezone(UTC)


def _told(expected: Any) -> str:
    """*expected* for the trail."""
    if isinstance(expected, tuple):
        return seen(", ".join(seen(value) for value in expected))
    return seen(expected)
