"""Two decisions about the same item, side by side: what replay and shadow mode tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Literal

from gateway.model.decision import Action, Decision, Facts, Step
from gateway.model.rule_version import PastDecision
from gateway.rules.engine import RuleSet
from gateway.rules.walk import UNHANDLED, wishes

Outcome = Literal["same", "different", "unmatched"]
"""``unmatched``: no rule takes it any more, and one did before."""
Earlier = Callable[[str], RuleSet | None]
"""The rule set of a version; None: it is not there, or cannot be read any more."""

_WENT_ON = ("release", "approve")
_STOPPED = ("discard", "hold")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One item about which the new rules decide otherwise."""

    outcome: Outcome
    item: str
    facts: Facts = field(repr=False)
    before: Decision
    after: Decision


@dataclass(slots=True)
class Comparison:
    """Many items, counted; of each way in which they differ a few are kept to be shown.

    The text of documents is not stored: where ``asks_text``, its tests answer no to all items.
    """

    rule_set: RuleSet
    samples: int = 3
    earlier: Earlier = lambda version: None
    """To tell why it was decided as it was, and to release again what a person released."""
    counts: Counter[Outcome] = field(default_factory=Counter)
    by_rules: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Items that differ, by the rule that decided and the one that would."""
    kept: dict[tuple[str, str], list[Difference]] = field(default_factory=dict)

    @property
    def asks_text(self) -> bool:
        """Whether the new rules ask about the text of the document, which is not known here."""
        return self.rule_set.uses("text")

    def add(self, past: PastDecision) -> Outcome:
        """Decide *past* again, and count."""
        after = self.rule_set.decide(past.facts, released=self._released(past))
        outcome = outcome_of(past.decision, after)
        self.counts[outcome] += 1
        if outcome != "same":
            rules = (past.decision.rule, after.rule)
            self.by_rules[rules] += 1
            kept = self.kept.setdefault(rules, [])
            if len(kept) < self.samples:
                kept.append(
                    Difference(outcome=outcome, item=past.item, facts=past.facts, before=past.decision, after=after)
                )
        return outcome

    def why(self, one: Difference) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
        """The rules that matter to *one*, as they were asked then, and as they are asked now: those that act,
        and the one that decided, or would, in the other set. Then is empty if its rule set is not there.
        """
        deciding = (one.before.rule, one.after.rule)
        earlier = self.earlier(one.before.version)
        then = () if earlier is None else earlier.explain(one.facts, one.before)
        now = self.rule_set.explain(one.facts, one.after)
        return _around(then, deciding), _around(now, deciding)

    def _released(self, past: PastDecision) -> list[str]:
        """Rules that a person had overruled. Only looked up where somebody did: it takes the whole trail."""
        earlier = self.earlier(past.decision.version) if past.acted in _WENT_ON else None
        if earlier is None:
            return []
        return [step.rule for step in earlier.explain(past.facts, past.decision) if step.state == "overruled"]


def _around(steps: Collection[Step], deciding: Collection[str]) -> tuple[Step, ...]:
    return tuple(step for step in steps if step.actions or step.rule in deciding)


def outcome_of(before: Decision, after: Decision) -> Outcome:
    """How two decisions about the same item differ, whichever rules made them."""
    if after.rule == UNHANDLED and before.rule != UNHANDLED:
        return "unmatched"
    return "same" if wishes(before.actions) == wishes(after.actions) else "different"


@dataclass(slots=True)
class ShadowReport:
    """What the rules in shadow mode would have done, by rule, held against what people did."""

    most_samples: int = 20
    would: Counter[str] = field(default_factory=Counter)
    """Items that would have been decided otherwise, by the rule in shadow mode."""
    agreed: Counter[str] = field(default_factory=Counter)
    """A person did what the rule would have done."""
    disagreed: Counter[str] = field(default_factory=Counter)
    """A person did the opposite."""
    samples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, past: PastDecision) -> None:
        """Count one decision; without a shadow it counts nothing."""
        shadow = past.decision.shadow
        if shadow is None:
            return
        agrees = _agrees(shadow.actions, past.acted)
        for rule in _behind(past.decision):
            self.would[rule] += 1
            samples = self.samples.setdefault(rule, [])
            if len(samples) < self.most_samples:
                samples.append(past.item)
            if agrees is not None:
                (self.agreed if agrees else self.disagreed)[rule] += 1

    def nobody_acted(self, rule: str) -> int:
        """Items of *rule* that nobody touched, or whose handling says nothing about it."""
        return self.would[rule] - self.agreed[rule] - self.disagreed[rule]


def _behind(decision: Decision) -> list[str]:
    """The rules whose doing a shadow is: the one that would decide where the item goes, if that is another
    one; else those that would add something.
    """
    shadow = decision.shadow
    if shadow is None or shadow.rule != decision.rule:
        return [] if shadow is None else [shadow.rule]
    done = wishes(decision.actions)
    added = [action.rule for action in shadow.actions if not wishes([action]) <= done]
    return list(dict.fromkeys(added)) or [shadow.rule]


def _agrees(wanted: Collection[Action], acted: str | None) -> bool | None:
    """Whether a person did what the rule wanted; None: nobody did anything, or it cannot be compared."""
    stops = any(action.kind in ("hold", "reject", "approve") for action in wanted)
    if acted in _STOPPED:
        return stops
    return not stops if acted in _WENT_ON else None
