"""What is surely so about conditions, whatever post comes: the ground of the lint.

What a field's tests allow together is found by trying values: all choices, and for ordered fields every
border and its neighbours, which is exact; texts are only called impossible for reasons that need no
search. Every answer errs on one side: "surely" is said only where it is so. What lists hold is not looked
at, since they change without a new rule set. Work is counted, not timed, so that the same rules always
give the same answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from gateway.model.decision import Direction, FactValue
from gateway.rules.catalogue import Field
from gateway.rules.language import Test, field_called, folded
from gateway.rules.terms import Literal, Term, both

MOST_PAIRS = 256
"""Pairs of alternatives of two conditions that are held against each other."""
MOST_COVERS = 100
"""Alternatives that are tried together to cover one; the proof goes as deep."""
MOST_WORK = 50_000
"""Tests held against each other for one question; beyond them the answer is "not known"."""
PATIENCE = 1_000_000
"""The same for all questions to one judge together: seconds."""

_ALWAYS_BOTH = (
    "channel", "received_at", "document_count", "size_bytes", "time_of_day", "weekday", "bank_day",
)  # fmt: skip
_ALWAYS = {
    "outbound": frozenset((*_ALWAYS_BOTH, "submitter_kind", "recipient_kind", "reach", "copy", "copies", "letters")),
    "inbound": frozenset((*_ALWAYS_BOTH, "reply_to_ours", "forwarded")),
}
"""Fields that are no texts and have a value in every item. ``reach``: the look-up comes before the rules."""

_CASELESS = re.compile(r"[0-9.-]+", re.ASCII)
_PIECES = ("contains", "starts", "ends")

_Cube = Mapping[str, frozenset[Literal]]
"""A term that may hold, by field."""


class Judge:
    """Answers for post of one direction; remembers what it found."""

    def __init__(self, direction: Direction) -> None:
        self._always = _ALWAYS[direction]
        self._known: dict[frozenset[Literal], bool] = {}
        self._opposites: dict[Literal, Literal] = {}
        self._left = 0
        self._patience = PATIENCE

    def never(self, terms: Iterable[Term] | None) -> bool:
        """Whether surely none of the alternatives can hold. None, too many of them: not known."""
        return terms is not None and all(self._both({}, term) is None for term in terms)

    def apart(self, one: Sequence[Term], other: Sequence[Term]) -> bool:
        """Whether surely nothing fits both. Too many combinations: not known."""
        return len(one) * len(other) <= MOST_PAIRS and self.never(both(one, other))

    def covered(self, terms: Iterable[Term], by: Sequence[Term], *, work: int = MOST_WORK) -> set[int] | None:
        """The places of some alternatives in *by* of which surely one holds whenever one of *terms* does.

        None: there are none, or they were not found with so much work.
        """
        self._left = allowed = min(work, self._patience)
        used = self._used(terms, by)
        self._patience -= allowed - self._left
        return used

    def _used(self, terms: Iterable[Term], by: Sequence[Term]) -> set[int] | None:
        used: set[int] = set()
        # Those that ask for less first: they cover more.
        covers = sorted(enumerate(by), key=lambda cover: len(cover[1]))
        for term in terms:
            cube = self._both({}, term)
            if cube is not None and not self._covered(cube, self._meeting(cube, covers), used):
                return None
        return used

    def _meeting(self, cube: _Cube, covers: Sequence[tuple[int, Term]]) -> list[tuple[int, Term]]:
        """The first of *covers* that have anything to do with *cube*."""
        found: list[tuple[int, Term]] = []
        for cover in covers:
            if self._left < 0 or len(found) == MOST_COVERS:
                break
            if self._both(cube, cover[1]) is not None:
                found.append(cover)
        return found

    def _covered(self, cube: _Cube, covers: Sequence[tuple[int, Term]], used: set[int]) -> bool:
        for place, (number, cover) in enumerate(covers):
            if self._left < 0:
                return False
            if self._both(cube, cover) is not None:
                used.add(number)
                return self._rest_covered(cube, cover, covers[place + 1 :], used)
        return False

    def _rest_covered(self, cube: _Cube, cover: Term, others: Sequence[tuple[int, Term]], used: set[int]) -> bool:
        """Whether what is in *cube* and not in *cover* is in *others*."""
        inside: _Cube | None = cube
        for literal in cover:
            if inside is None:
                return True
            outside = self._both(inside, (self._opposite(literal),))
            if outside is not None and not self._covered(outside, others, used):
                return False
            inside = self._both(inside, (literal,))
        return True

    def _both(self, cube: _Cube, term: Term) -> _Cube | None:
        """What is in both; None: surely nothing."""
        whole = dict(cube)
        for literal in term:
            name = literal.test.field
            kept = whole.get(name, frozenset())
            if literal not in kept:
                whole[name] = kept | {literal}
                self._left -= len(whole[name])
                if self._impossible(name, whole[name]):
                    return None
        return whole

    def _opposite(self, literal: Literal) -> Literal:
        found = self._opposites.get(literal)
        if found is None:
            found = self._opposites[literal] = literal.opposite()
        return found

    def _impossible(self, name: str, literals: frozenset[Literal]) -> bool:
        known = self._known.get(literals)
        if known is None:
            # Each of them is asked about the values around each.
            self._left -= len(literals) ** 2
            known = self._known[literals] = self._no_value_fits(field_called(name), literals)
        return known

    def _no_value_fits(self, asked: Field | None, literals: frozenset[Literal]) -> bool:
        if asked is None or asked.kind in ("text", "names"):
            return _no_text_fits(literals, names=asked is not None and asked.kind == "names")
        values = list(_values(asked, [one.test.value for one in literals if one.test.operator != "exists"]))
        if asked.name not in self._always:
            values.append(None)
        return not any(_fits(value, literals) for value in values)


def _fits(value: FactValue, literals: Iterable[Literal]) -> bool:
    return all(literal.test.holds(value) is literal.wanted for literal in literals)


def _values(asked: Field, wanted: Iterable[object]) -> Iterator[FactValue]:
    """One value of every kind that tests for *wanted* can tell apart, or more."""
    borders = [value for one in wanted for value in (one if isinstance(one, tuple) else (one,))]
    match asked.kind:
        case "choice":
            yield from asked.choices
        case "flag":
            yield from (True, False)
        case "time":
            yield from _moments([one for one in borders if isinstance(one, datetime)])
        case "clock":
            for border in borders:
                yield from (_clock(str(border), minutes) for minutes in (-1, 0, 1))
        case _:
            whole = {0, *(value + step for value in borders if isinstance(value, int) for step in (-1, 0, 1))}
            yield from (value for value in whole if value >= 0)


def _moments(borders: Sequence[datetime]) -> Iterator[datetime]:
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    for border in borders:
        yield border
        if border > first:
            yield border - timedelta(microseconds=1)
        if border < last:
            yield border + timedelta(microseconds=1)


def _clock(text: str, minutes: int) -> str:
    total = min(max(int(text[:2]) * 60 + int(text[3:]) + minutes, 0), 24 * 60 - 1)
    return f"{total // 60:02d}:{total % 60:02d}"


# ── texts ───────────────────────────────────────────────────────────────────


def _no_text_fits(literals: frozenset[Literal], *, names: bool) -> bool:
    keys = {one.key for one in literals}
    if any((not wanted, *asked) in keys for wanted, *asked in keys):
        return True
    if any(one.test.operator == "exists" and one.test.value is not one.wanted for one in literals):
        return not any(_fits(value, literals) for value in (None, () if names else ""))
    if names:
        return False  # there may be several, one for each test
    choices = next((values for one in literals if one.wanted and (values := _only(one.test))), None)
    if choices is None:
        return _pieces_impossible([one.test for one in literals if one.wanted], literals)
    return not any(_may_be(value, literals) for value in choices)


def _only(test: Test) -> tuple[str, ...]:
    """The few texts it holds of; empty: not few."""
    if test.operator == "equals":
        return (str(test.value),)
    return tuple(map(str, test.value)) if test.operator == "one_of" and isinstance(test.value, tuple) else ()


def _may_be(value: str, literals: Iterable[Literal]) -> bool:
    """Whether a text that is *value* when folded may fit; a pattern sees it as it was written, in any case."""
    if folded(value) != value:
        return True
    unseen = ("in_list",) if _CASELESS.fullmatch(value) else ("in_list", "matches")
    return _fits(value, (one for one in literals if one.test.operator not in unseen))


def _pieces_impossible(wanted: Sequence[Test], literals: Iterable[Literal]) -> bool:
    """Beginnings or ends that exclude each other, or pieces that bring a barred piece along."""
    starts = [str(test.value) for test in wanted if test.operator == "starts"]
    ends = [str(test.value) for test in wanted if test.operator == "ends"]
    if any(not longest.startswith(one) for longest in starts for one in starts if len(one) <= len(longest)):
        return True
    if any(not longest.endswith(one) for longest in ends for one in ends if len(one) <= len(longest)):
        return True
    barred = [one.test for one in literals if not one.wanted and one.test.operator in _PIECES]
    return any(_brings(one, other) for one in wanted if one.operator in _PIECES for other in barred)


def _brings(one: Test, other: Test) -> bool:
    """Whether a text for which *one* holds is surely one for which *other* holds."""
    has, needs = str(one.value), str(other.value)
    match other.operator:
        case "contains":
            return needs in has
        case "starts":
            return one.operator == "starts" and has.startswith(needs)
        case _:
            return one.operator == "ends" and has.endswith(needs)
