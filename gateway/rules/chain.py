"""One direction's rules, made ready to be asked many times a second.

Every different test of the chain is one bit. A field's tests are answered together, and for short
values that come again, from memory; a rule is then a comparison of bits. Tests of the document's text
are dear and are asked only when the chain comes to a rule that needs them. What was answered is the
trail: no words are made before somebody wants to read them (``gateway.rules.explain``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TypeVar

from gateway.model.danish_time import local
from gateway.model.decision import Facts, FactValue, Trail
from gateway.rules.language import All, AnyOf, Condition, Not, Test, tests_of, value_of
from gateway.rules.rule import Place, Rule, Wanted
from gateway.rules.walk import UNHANDLED, UNHANDLED_NAME, Walk

DEAR = "text"
"""The field that is asked only when needed."""
LONGEST_REMEMBERED = 100
"""Characters of a value whose answers are remembered."""
MOST_REMEMBERED = 4096
"""Values of a field, or combinations of answers, that are remembered."""
MOST_TERMS = 8
"""Alternatives of a condition written out as bits; one with more is asked as a tree."""

Term = tuple[int, int]
"""Bits that must be set, and bits that must not be."""

K = TypeVar("K")

_NOWHERE = Place(file="the gateway")


class Chain:
    """The rules of one direction, in order, and the last link behind them. For use in threads."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self.rules = rules
        self.last = Rule(
            id=UNHANDLED, name=UNHANDLED_NAME, place=_NOWHERE,
            then=(Wanted(kind="hold", target=UNHANDLED_NAME, rule=UNHANDLED, by=UNHANDLED_NAME),),
        )  # fmt: skip
        self._bits: dict[tuple[str, str, str], int] = {}
        self._dear: dict[int, Test] = {}
        tests = self._interned()
        self._askers = _askers(tests)
        self.cheap = sum(bit for bit in self._bits.values() if bit not in self._dear)
        """Bits of the tests that are always asked."""
        self._terms: list[tuple[int, int, int]] = []
        self._trees: dict[int, Callable[[Asking], bool]] = {}
        self.shadows = 0
        """Bits of the rules in shadow mode."""
        for number, rule in enumerate(rules):
            if rule.mode != "fra":
                self._make_ready(1 << number, rule)
        self._tree_bits = sum(self._trees)
        self._groups = [rule.groups for rule in rules]
        self._remembered: dict[int, int] = {}

    def bit_of(self, test: Test) -> int:
        """The bit of *test*, which is one of this chain's."""
        return self._bits[_key(test)]

    def asking(self, facts: Facts) -> Asking:
        """The answers of *facts* to the cheap tests, and the rules that match by them."""
        answers = 0
        for asker in self._askers:
            answers |= asker.answers(facts)
        matched = self._remembered.get(answers)
        if matched is None:
            matched = 0
            for rule, need, forbid in self._terms:
                if answers & need == need and not answers & forbid:
                    matched |= rule
            _remember(self._remembered, answers, matched)
        return Asking(facts=facts, answers=answers, asked=self.cheap, matched=matched, dear=self._dear)

    def walk(self, asking: Asking, released: Collection[str], *, shadows: bool = False) -> Walk:
        """Go through the rules that match, in order, and take what they want."""
        walk = Walk(asking.facts, released)
        walk.reached = len(self.rules) + 1
        for number in _ones(asking.matched | self._tree_bits):
            bit, rule = 1 << number, self.rules[number]
            if not shadows and bit & self.shadows:
                continue
            if (rule.first or rule.last) and not rule.applies_on(asking.day):
                continue
            if self._groups[number] <= walk.closed_groups:
                walk.closed |= bit
                continue
            if bit in self._trees and not asking.matches(bit, self._trees[bit]):
                continue
            walk.take(rule, bit)
            if walk.ended:
                walk.reached = number + 1
                break
        if not walk.has_way:
            walk.take(self.last, 1 << len(self.rules))
        return walk

    def shadow_matches(self, asking: Asking) -> bool:
        """Whether a rule in shadow mode matches."""
        return bool(asking.matched & self.shadows) or any(
            asking.matches(bit, tree) for bit, tree in self._trees.items() if bit & self.shadows
        )

    def _interned(self) -> dict[int, Test]:
        """Every different test by its bit."""
        tests: dict[int, Test] = {}
        for rule in self.rules:
            for test in (*tests_of(rule.when), *tests_of(rule.unless)):
                bit = self._bits.setdefault(_key(test), 1 << len(self._bits))
                tests.setdefault(bit, test)
                if test.field == DEAR:
                    self._dear[bit] = test
        return tests

    def _make_ready(self, bit: int, rule: Rule) -> None:
        if rule.mode == "skygge":
            self.shadows |= bit
        condition = _whole(rule)
        terms = self._terms_of(condition, wanted=True)
        if terms is None or any((need | forbid) & ~self.cheap for need, forbid in terms):
            self._trees[bit] = self._tree(condition)
        else:
            self._terms.extend((bit, need, forbid) for need, forbid in terms)

    def _terms_of(self, condition: Condition, *, wanted: bool) -> list[Term] | None:
        """*condition* (or with *wanted* False its opposite) as alternatives; None: too many."""
        match condition:
            case Test():
                bit = self.bit_of(condition)
                return [(bit, 0) if wanted else (0, bit)]
            case Not(part=part):
                return self._terms_of(part, wanted=not wanted)
            case All(parts=parts) | AnyOf(parts=parts):
                together = isinstance(condition, All) is wanted
                return _joined([self._terms_of(part, wanted=wanted) for part in parts], together=together)

    def _tree(self, condition: Condition) -> Callable[[Asking], bool]:
        """*condition* as a function that asks no more than it needs, cheap parts first."""
        match condition:
            case Test():
                bit = self.bit_of(condition)
                return lambda asking: asking.answer(bit)
            case Not(part=part):
                inner = self._tree(part)
                return lambda asking: not inner(asking)
            case All(parts=parts):
                trees = [self._tree(part) for part in sorted(parts, key=_is_dear)]
                return lambda asking: all(tree(asking) for tree in trees)
            case AnyOf(parts=parts):
                trees = [self._tree(part) for part in sorted(parts, key=_is_dear)]
                return lambda asking: any(tree(asking) for tree in trees)


@dataclass(slots=True, kw_only=True)
class Asking:
    """One item being asked about: the answers so far."""

    facts: Facts
    answers: int
    asked: int
    matched: int
    """Bits of the rules that match, as far as they were asked."""
    dear: Mapping[int, Test]

    @property
    def day(self) -> date:
        """The Danish day of receipt."""
        return local(self.facts.received_at).date()

    def answer(self, bit: int) -> bool:
        """The answer to one test."""
        if not self.asked & bit:
            self.asked |= bit
            if self.dear[bit].holds(self.facts.text):
                self.answers |= bit
        return bool(self.answers & bit)

    def matches(self, bit: int, tree: Callable[[Asking], bool]) -> bool:
        """Whether a rule matches that is asked as a tree."""
        if tree(self):
            self.matched |= bit
            return True
        return False

    def trail(self, walk: Walk) -> Trail:
        """What was asked and answered, to be kept."""
        return Trail(
            asked=self.asked, answers=self.answers, matched=self.matched,
            acted=walk.acted, closed=walk.closed, reached=walk.reached,
        )  # fmt: skip


@dataclass(slots=True)
class _Asker:
    """All tests of one field."""

    name: str
    tests: list[tuple[int, Test]]
    remembered: dict[FactValue, int] = field(default_factory=dict)

    def answers(self, facts: Facts) -> int:
        """The bits of the tests that hold."""
        value = value_of(facts, self.name)
        bits = self.remembered.get(value)
        if bits is None:
            bits = sum(bit for bit, test in self.tests if test.holds(value))
            if not isinstance(value, str) or len(value) <= LONGEST_REMEMBERED:
                _remember(self.remembered, value, bits)
        return bits


def _askers(tests: Mapping[int, Test]) -> list[_Asker]:
    by_field: dict[str, _Asker] = {}
    for bit, test in tests.items():
        if test.field != DEAR:
            by_field.setdefault(test.field, _Asker(test.field, [])).tests.append((bit, test))
    return list(by_field.values())


def _remember(memory: dict[K, int], key: K, value: int) -> None:
    """Keep *value*; a full memory is emptied, which is cheaper than knowing what was used last."""
    if len(memory) >= MOST_REMEMBERED:
        memory.clear()
    memory[key] = value


def _key(test: Test) -> tuple[str, str, str]:
    return test.field, test.operator, repr(test.value)


def _whole(rule: Rule) -> Condition:
    """When, and not unless."""
    parts = [part for part in (rule.when, None if rule.unless is None else Not(rule.unless)) if part is not None]
    return parts[0] if len(parts) == 1 else All(tuple(parts))


def _joined(parts: list[list[Term] | None], *, together: bool) -> list[Term] | None:
    """Alternatives of several conditions: all of which must hold, or one of which."""
    terms: list[Term] = [(0, 0)] if together else []
    for part in parts:
        if part is None:
            return None
        if together:
            both = [(need | more, forbid | no) for need, forbid in terms for more, no in part]
            terms = [(need, forbid) for need, forbid in both if not need & forbid]
        else:
            terms = [*terms, *part]
        if len(terms) > MOST_TERMS:
            return None
    return terms


def _is_dear(condition: Condition) -> bool:
    return any(test.field == DEAR for test in tests_of(condition))


def _ones(bits: int) -> Iterator[int]:
    """Numbers of the bits that are set, lowest first."""
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low
