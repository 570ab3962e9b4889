"""A trail in words: every rule of the chain, its conditions as a tree, the value each saw."""

from __future__ import annotations

from gateway.model.danish_time import local
from gateway.model.decision import Asked, Decision, Facts, Step, StepState, Trail
from gateway.rules.chain import DEAR, Chain
from gateway.rules.language import All, AnyOf, Condition, Not, Test, seen, value_of
from gateway.rules.rule import Rule


def explained(chain: Chain, facts: Facts, decision: Decision) -> tuple[Step, ...]:
    """The steps of *decision*, which *chain* made of *facts*."""
    trail = decision.trail
    return tuple(
        Step(
            rule=rule.id,
            name=rule.name,
            state=_state(rule, number, facts, decision, chain),
            when=_asked(rule.when, chain, facts, trail),
            unless=_asked(rule.unless, chain, facts, trail),
            actions=tuple(action for action in decision.actions if action.rule == rule.id),
        )
        for number, rule in enumerate((*chain.rules, chain.last))
    )


def _state(rule: Rule, number: int, facts: Facts, decision: Decision, chain: Chain) -> StepState:
    trail, bit = decision.trail, 1 << number
    if rule.mode == "fra" or not rule.applies_on(local(facts.received_at).date()):
        return "off"
    if rule is chain.last:
        return "matched" if trail.acted & bit else "closed"
    if rule.mode == "skygge":
        return "shadow" if trail.matched & bit else "not matched"
    if number >= trail.reached:
        return "not reached"
    if trail.acted & bit:
        return "matched"
    if trail.closed & bit:
        return "closed"
    return "overruled" if trail.matched & bit else "not matched"


def _asked(condition: Condition | None, chain: Chain, facts: Facts, trail: Trail) -> Asked | None:
    match condition:
        case None:
            return None
        case Test():
            bit = chain.bit_of(condition)
            return Asked(
                field=condition.field,
                operator=condition.operator,
                expected=condition.expected,
                seen=_seen(condition.field, facts),
                answer=bool(trail.answers & bit) if trail.asked & bit else None,
            )
        case Not(part=part):
            inner = _asked(part, chain, facts, trail)
            known = inner is not None and inner.answer is not None
            return Asked(word="not", answer=not inner.answer if inner and known else None, parts=(inner,) if inner else ())
        case All(parts=parts) | AnyOf(parts=parts):
            every = tuple(asked for part in parts if (asked := _asked(part, chain, facts, trail)) is not None)
            return Asked(word="all" if isinstance(condition, All) else "any", answer=_together(condition, every), parts=every)


def _together(condition: All | AnyOf, parts: tuple[Asked, ...]) -> bool | None:
    """The answer of the whole; None if the parts that were asked do not say."""
    answers = [part.answer for part in parts]
    decisive = isinstance(condition, AnyOf)
    if decisive in answers:
        return decisive
    return None if None in answers else not decisive


def _seen(name: str, facts: Facts) -> str:
    """Texts of documents are not kept, and are nobody's business in a trail."""
    return "(the text of the document)" if name == DEAR else seen(value_of(facts, name))
