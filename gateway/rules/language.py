"""The words of a rule's condition: fields, operators that fit their types, and trees of all, any, not.

A condition in TOML is one test, ``{ field = "subject", contains = "rykker" }``, or a tree,
``{ all = [ … ] }``, ``{ any = [ … ] }``, ``{ not = { … } }``. A rule is data and never code. Texts
are compared without regard to case; regular expressions run in linear time (RE2), so no text can
make a rule slow. A field without a value (no case, pages unknown) answers no to every operator.
"""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from gateway.model.decision import Asked, Facts, FactValue, Reach
from gateway.model.identity import mask_numbers

LONGEST_SEEN = 80
"""Characters of a value kept in the trail."""

Kind = Literal["text", "choice", "number", "size", "flag", "time", "names"]
Expected = str | int | bool | datetime | tuple[str, ...] | tuple[int, ...] | tuple[datetime, ...]
Holds = Callable[[FactValue], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Something a rule may ask about: an attribute of Facts, by the same name."""

    name: str
    kind: Kind
    means: str
    choices: tuple[str, ...] = ()


def _fields(*fields: Field) -> dict[str, Field]:
    return {field.name: field for field in fields}


FIELDS = _fields(
    Field(name="channel", kind="choice", means="The way in.", choices=("smtp", "sftp", "folder", "cli")),
    Field(name="submitter", kind="text", means="Who handed it over, as proved: name of the user, relay or certificate."),
    Field(
        name="submitter_kind", kind="choice", means="How the submitter was proved.",
        choices=("user", "relay", "certificate", "cli"),
    ),
    Field(name="flow", kind="text", means="The flow named after + in the address; ``default`` if none."),
    Field(name="address", kind="text", means="The address it was sent to, number masked."),
    Field(name="subject", kind="text", means="The title, without tags."),
    Field(name="recipient_kind", kind="choice", means="Person or company.", choices=("cpr", "cvr")),
    Field(name="reach", kind="choice", means="Whether Digital Post reaches the recipient.", choices=get_args(Reach)),
    Field(name="copy", kind="flag", means="Whether it is a copy (kopimodtager)."),
    Field(name="document_count", kind="number", means="Files in the letter, main document included."),
    Field(name="media_type", kind="text", means="Of the main document, such as ``application/pdf``."),
    Field(name="pages", kind="number", means="Of the main document; no value if unknown."),
    Field(name="size_bytes", kind="size", means="Of all files together."),
    Field(name="case", kind="text", means="The case (sag) the submitter named; no value if none."),
    Field(name="received_at", kind="time", means="When it reached us."),
    Field(name="refused_by", kind="names", means="Destinations that refused this letter before; for fallback."),
)
"""The catalogue; a new fact is one attribute of Facts and one line here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """A question that can be asked of fields of some kinds."""

    name: str
    kinds: frozenset[Kind]
    takes: Literal["one", "many", "two", "pattern", "flag"]
    """What stands after it: a value of the field's kind, a list of them, two of them, a pattern, true or false."""
    means: str


_TEXTS: frozenset[Kind] = frozenset({"text"})
_COUNTED: frozenset[Kind] = frozenset({"number", "size", "time"})
_SAME: frozenset[Kind] = frozenset({"text", "choice", "number", "size", "flag"})


def _operators(*operators: Operator) -> dict[str, Operator]:
    return {operator.name: operator for operator in operators}


OPERATORS = _operators(
    Operator(name="equals", kinds=_SAME, takes="one", means="It is this."),
    Operator(name="one_of", kinds=_SAME - {"flag"}, takes="many", means="It is one of these."),
    Operator(name="contains", kinds=_TEXTS | {"names"}, takes="one", means="This is somewhere in it."),
    Operator(name="starts", kinds=_TEXTS, takes="one", means="It begins with this."),
    Operator(name="matches", kinds=_TEXTS, takes="pattern", means="This regular expression (RE2) is found in it."),
    Operator(name="at_least", kinds=_COUNTED, takes="one", means="It is this or more; of a time: then or later."),
    Operator(name="at_most", kinds=_COUNTED, takes="one", means="It is this or less; of a time: then or earlier."),
    Operator(name="between", kinds=_COUNTED, takes="two", means="From the first to the second, both included."),
    Operator(
        name="exists", kinds=frozenset({"text", "number", "names"}), takes="flag",
        means="Whether there is a value at all.",
    ),
)


def operators_of(kind: Kind) -> list[str]:
    """Names of the operators that fit fields of *kind*."""
    return [name for name, operator in OPERATORS.items() if kind in operator.kinds]


# ── conditions ──────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """One question about one field; *holds* was built when the rules were loaded."""

    __test__ = False  # not one of pytest's

    field: str
    operator: str
    expected: str
    """As told in the trail."""
    holds: Holds = dataclasses.field(repr=False, compare=False)

    def answer(self, facts: Facts, asked: list[Asked]) -> bool:
        value = getattr(facts, self.field)
        answer = self.holds(value)
        asked.append(
            Asked(
                field=self.field, operator=self.operator, expected=self.expected,
                seen=seen(value), answer=answer,
            )
        )
        return answer


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds; asked in order, until one does not."""

    parts: tuple[Condition, ...]

    def answer(self, facts: Facts, asked: list[Asked]) -> bool:
        return all(part.answer(facts, asked) for part in self.parts)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Some part holds; asked in order, until one does."""

    parts: tuple[Condition, ...]

    def answer(self, facts: Facts, asked: list[Asked]) -> bool:
        return any(part.answer(facts, asked) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold; the trail keeps the answer to the part itself."""

    part: Condition

    def answer(self, facts: Facts, asked: list[Asked]) -> bool:
        return not self.part.answer(facts, asked)


Condition = Test | All | AnyOf | Not


# ── values ──────────────────────────────────────────────────────────────────


def folded(text: str) -> str:
    """*text* as it is compared: one form of every letter (NFC), case ignored."""
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
