"""Conditions as alternatives: each a list of tests that must hold or must not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.rules.language import All, AnyOf, Condition, Not, Test
from gateway.rules.rule import Rule

MOST_TERMS = 64
"""Alternatives that are looked at; a condition with more is not judged."""


@dataclass(frozen=True, slots=True, eq=False)
class Literal:
    """A test that holds, or does not."""

    test: Test
    wanted: bool
    key: tuple[bool, str, str, str] = field(init=False)
    _hash: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # By value: what is told of a test in the trail is cut and masked, and may be the same for two.
        object.__setattr__(self, "key", (self.wanted, self.test.field, self.test.operator, repr(self.test.value)))
        object.__setattr__(self, "_hash", hash(self.key))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Literal) and self.key == other.key

    def __hash__(self) -> int:
        return self._hash

    def opposite(self) -> Literal:
        return Literal(self.test, not self.wanted)


Term = tuple[Literal, ...]
"""All of these."""


def terms_of(condition: Condition | None, *, wanted: bool = True) -> list[Term] | None:
    """*condition* (or with *wanted* False its opposite) as alternatives; None: too many to look at."""
    match condition:
        case None:
            return [()] if wanted else []
        case Test():
            return [(Literal(condition, wanted),)]
        case Not(part=part):
            return terms_of(part, wanted=not wanted)
        case All(parts=parts) | AnyOf(parts=parts):
            together = isinstance(condition, All) is wanted
            terms: list[Term] = [()] if together else []
            for part in parts:
                more = terms_of(part, wanted=wanted)
                if more is None:
                    return None
                terms = both(terms, more) if together else [*terms, *more]
                if len(terms) > MOST_TERMS:
                    return None
            return terms


def both(one: Sequence[Term], other: Sequence[Term]) -> list[Term]:
    """Alternatives of two conditions that hold together."""
    return [(*first, *second) for first in one for second in other]


def form(condition: Condition) -> str:
    """What tells two conditions apart. Not their equality: what they tell in the trail is cut and masked."""
    if isinstance(condition, Test):
        return repr(Literal(condition, wanted=True).key)
    parts = (condition.part,) if isinstance(condition, Not) else condition.parts
    return f"{type(condition).__name__}({', '.join(map(form, parts))})"


def matched_by(rule: Rule) -> list[Term] | None:
    """When *rule* matches, as alternatives; None: too many to look at."""
    when = terms_of(rule.when)
    rest: list[Term] | None = [()] if rule.unless is None else terms_of(rule.unless, wanted=False)
    if when is None or rest is None or len(when) * len(rest) > MOST_TERMS:
        return None
    return both(when, rest)
