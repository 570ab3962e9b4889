"""From an operator and its value to the function that answers; used once, when rules are loaded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import re2
from pydantic import ByteSize, TypeAdapter, ValidationError

from gateway.config.faults import found
from gateway.model.decision import FactValue
from gateway.rules.language import OPERATORS, Expected, Field, Holds, clean, folded, seen

LONGEST_PATTERN = 1000
"""Characters of a regular expression; RE2 compiles in time and memory that grow with it."""

_SIZE = TypeAdapter(ByteSize)
_WANTS = {
    "text": "a text",
    "choice": "a text",
    "number": "a number",
    "size": 'a size such as "10 MB"',
    "flag": "true or false",
    "time": "a date and time such as 2026-12-01T08:00:00Z",
    "names": "a text",
}


class Unfit(Exception):
    """A value that an operator cannot take; only between this module and gateway.rules.load."""

    def __init__(self, *, expected: str = "", found: str = "", says: str = "", word: str = "", known: tuple[str, ...] = ()):
        self.expected = expected
        self.found = found
        self.says = says
        self.word = word
        self.known = known
        super().__init__(says or expected)


def question(asked: Field, operator: str, value: object) -> tuple[str, Holds]:
    """The expected value as told in the trail, and the function that answers.

    Raises:
        Unfit: *value* is nothing the operator can take for this field.
    """
    takes = OPERATORS[operator].takes
    if takes == "pattern":
        return _pattern(value)
    if takes == "flag":
        wanted = _flag(value)
        return seen(wanted), lambda fact: _is_there(fact) == wanted
    expected = _one(asked, value) if takes == "one" else _several(asked, value, two=takes == "two")
    return _told(expected), _present(_HOLDS[operator](expected))


def _is_there(fact: FactValue) -> bool:
    """Whether there is a value: an empty text or an empty list is none."""
    return fact is not None and fact not in ("", ())


def _present(holds: Holds) -> Holds:
    """*holds* for a value; no value answers no."""
    return lambda fact: fact is not None and holds(fact)


# Below, fact and expected have the type of the field: _one saw to the one, the catalogue's test to the other.


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


def _at_least(expected: Any) -> Holds:
    return lambda fact: fact >= expected


def _at_most(expected: Any) -> Holds:
    return lambda fact: fact <= expected


def _between(expected: Any) -> Holds:
    low, high = expected
    return lambda fact: low <= fact <= high


_HOLDS: dict[str, Callable[[Any], Holds]] = {
    "equals": _equals,
    "one_of": _one_of,
    "contains": _contains,
    "starts": _starts,
    "at_least": _at_least,
    "at_most": _at_most,
    "between": _between,
}


def _pattern(value: object) -> tuple[str, Holds]:
    if not isinstance(value, str) or not value:
        raise Unfit(expected="a regular expression as text", found=found(value, key=""))
    if len(value) > LONGEST_PATTERN:
        raise Unfit(expected=f"at most {LONGEST_PATTERN} characters", found=found(value, key=""))
    options = re2.Options()
    options.log_errors = False
    try:
        search = re2.compile(value, options).search
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        reason = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise Unfit(says=f"this is no regular expression ({reason}).") from None
    return seen(value), lambda fact: isinstance(fact, str) and search(clean(fact)) is not None


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise Unfit(expected="true or false", found=found(value, key="", wants="word"))
    return value


def _several(asked: Field, value: object, *, two: bool) -> Expected:
    if not isinstance(value, list) or not value or (two and len(value) != 2):
        length = "two values" if two else "at least one value"
        got = f"a list of {len(value)}" if isinstance(value, list) else found(value, key="")
        raise Unfit(expected=f"a list of {length}", found=got)
    values: Any = tuple(_one(asked, item) for item in value)
    if two and values[0] > values[1]:
        raise Unfit(says="the first value is above the second, so nothing lies between them.")
    return values  # type: ignore[no-any-return]


def _one(asked: Field, value: object) -> Any:
    """One value of the field's kind, in the form it is compared in."""
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
    if asked.kind == "time" and isinstance(value, datetime):
        return _aware(value)
    raise Unfit(expected=_WANTS[asked.kind], found=found(value, key=""))


def _choice(asked: Field, value: object) -> str:
    if isinstance(value, str) and value.casefold() in asked.choices:
        return value.casefold()
    words = ", ".join(f'"{choice}"' for choice in asked.choices)
    raise Unfit(
        expected=f"one of {words}", found=found(value, key="", wants="word"),
        word=value if isinstance(value, str) else "", known=asked.choices,
    )


def _size(value: object) -> int:
    try:
        size = None if isinstance(value, bool) else int(_SIZE.validate_python(value))
    except ValidationError:
        size = None
    if size is None or size < 0:
        raise Unfit(expected=_WANTS["size"], found=found(value, key="", wants="word"))
    return size


def _aware(value: datetime) -> datetime:
    if value.utcoffset() is None:
        raise Unfit(says="the time needs a zone, such as the Z in 2026-12-01T08:00:00Z.")
    return value.astimezone(UTC)


def _told(expected: Any) -> str:
    """*expected* for the trail."""
    if isinstance(expected, tuple):
        return seen(", ".join(seen(value) for value in expected))
    return seen(expected)
