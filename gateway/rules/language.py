"""The words of a rule's condition: fields, operators that fit their types, and trees of all, any, not.

A condition in TOML is one test, ``{ field = "subject", contains = "rykker" }``, or a tree,
``{ all = [ … ] }``, ``{ any = [ … ] }``, ``{ not = { … } }``. A rule is data and never code. Texts
are compared without regard to case; regular expressions run in linear time (RE2), so no text can
make a rule slow. A field without a value (no case, pages unknown) answers no to every operator
but ``exists``.
"""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from gateway.model.decision import Facts, FactValue
from gateway.model.identity import mask_numbers
from gateway.rules.catalogue import FIELDS, OPERATORS, Field, Kind

LONGEST_SEEN = 80
"""Characters of a value kept in the trail."""
SIDECAR = "sidecar."
"""Begins the name of a field that the sidecar carried beside the known ones."""

_SIDECAR_NAME = re.compile(r"[\w-]{1,64}")

Expected = str | int | bool | datetime | tuple[str, ...] | tuple[int, ...] | tuple[datetime, ...]
Holds = Callable[[FactValue], bool]


def field_called(name: str) -> Field | None:
    """The field *name*; None if there is none. ``sidecar.NAME`` is one for every name."""
    if name.startswith(SIDECAR) and _SIDECAR_NAME.fullmatch(name.removeprefix(SIDECAR)):
        return dataclasses.replace(FIELDS["sidecar"], name=name)
    return FIELDS.get(name) if name != "sidecar" else None


def operators_of(kind: Kind) -> list[str]:
    """Names of the operators that fit fields of *kind*."""
    return [name for name, operator in OPERATORS.items() if kind in operator.kinds]


def value_of(facts: Facts, name: str) -> FactValue:
    """The value of the field *name* in *facts*."""
    if name.startswith(SIDECAR):
        return facts.sidecar.get(name.removeprefix(SIDECAR))
    value: FactValue = getattr(facts, name)
    return value


# ── conditions ──────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """One question about one field; *holds* was built when the rules were loaded."""

    __test__ = False  # not one of pytest's

    field: str
    operator: str
    expected: str
    """As told in the trail."""
    value: object = dataclasses.field(default=None, repr=False, compare=False)
    """As compared with: for the lint, which reasons about it."""
    holds: Holds = dataclasses.field(repr=False, compare=False)
    captures: tuple[str, ...] = ()
    """Names that a regular expression gives to parts of what it found."""
    find: Callable[[str], dict[str, str]] | None = dataclasses.field(default=None, repr=False, compare=False)
    """What the named parts of a regular expression found in a text."""


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Some part holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: Condition


Condition = Test | All | AnyOf | Not


def tests_of(condition: Condition | None) -> list[Test]:
    """Every test in *condition*, in the order written."""
    match condition:
        case None:
            return []
        case Test():
            return [condition]
        case Not(part=part):
            return tests_of(part)
        case All(parts=parts) | AnyOf(parts=parts):
            return [test for part in parts for test in tests_of(part)]


# ── values ──────────────────────────────────────────────────────────────────


def folded(text: str) -> str:
    """*text* as it is compared: one form of every letter (NFC), case ignored."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", text).casefold()


def clean(text: str) -> str:
    """*text* without half characters (lone surrogates), which neither RE2 nor a database takes."""
    return text.encode("utf-8", "replace").decode("utf-8")


def seen(value: FactValue) -> str:
    """*value* for the trail: numbers masked, at most LONGEST_SEEN characters."""
    if value is None:
        return "(no value)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, int):
        return mask_numbers(str(value))
    text = ", ".join(value) if isinstance(value, tuple) else value
    # Masked before the last cut: a number cut in half is no longer known for one. The first cut only
    # spares the work for long texts; masking never shortens, so nothing near it is ever shown.
    text = mask_numbers(clean(text[: 2 * LONGEST_SEEN]))
    return text if len(text) <= LONGEST_SEEN else f"{text[: LONGEST_SEEN - 1]}…"


__all__ = [
    "FIELDS", "OPERATORS", "All", "AnyOf", "Condition", "Expected", "Field", "Holds", "Kind", "Not", "Test",
    "clean", "field_called", "folded", "operators_of", "seen", "tests_of", "value_of",
]  # fmt: skip
