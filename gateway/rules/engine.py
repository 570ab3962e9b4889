"""Asks the rules in order; the first that matches decides. Pure and total: every letter gets a decision.

Implements gateway.ports.RuleChain. A rule set never changes: new rules are a new set with another version.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from gateway.model.decision import Action, Asked, Decision, Facts, Step
from gateway.rules.language import Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One link of the chain."""

    id: str
    """Stable; the trail and the log name it."""
    name: str
    """For people."""
    when: Condition | None
    """None: it matches everything."""
    actions: tuple[Action, ...]

    def step(self, facts: Facts) -> Step:
        """What was asked of *facts*, and whether this rule matches."""
        asked: list[Asked] = []
        matched = self.when is None or self.when.answer(facts, asked)
        return Step(rule=self.id, name=self.name, matched=matched, asked=tuple(asked))


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSet:
    """An ordered chain whose last link has no condition."""

    rules: tuple[Rule, ...]
    version: str
    """First 12 hexadecimal digits of the SHA-256 of the content: comments and layout do not count."""

    def __post_init__(self) -> None:
        if not self.rules or self.rules[-1].when is not None:
            raise ValueError("the last rule of a set has no condition, so that every letter gets a decision")

    def decide(self, facts: Facts, *, released: Collection[str] = ()) -> Decision:
        """The actions of the first rule that matches, with every rule asked until then.

        Rules in *released* are asked and passed by: a person has overruled them. Never the last one.
        """
        trail: list[Step] = []
        for rule in self.rules:
            step = rule.step(facts)
            trail.append(step)
            if step.matched and (rule.id not in released or rule is self.rules[-1]):
                return Decision(rule=rule.id, actions=rule.actions, version=self.version, trail=tuple(trail))
        raise AssertionError("unreachable: the last rule matches everything")
