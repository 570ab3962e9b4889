"""Examples beside the rules: an item each, what is expected of it, and whether it comes out so (F44)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gateway.config.faults import nearest, shown
from gateway.model.danish_time import local
from gateway.model.decision import Action, Asked, Facts, Step
from gateway.rules.engine import RuleSet
from gateway.rules.rule import Example, Place, Rule
from gateway.rules.usual import facts_from, usual_facts
from gateway.rules.walk import UNHANDLED, wishes

ReadMail = Callable[[str], Sequence[Facts]]
"""The facts of each letter in a mail beside the rules, by its file name. Raises OSError, ValueError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleResult:
    """How an example came out."""

    rule: str
    name: str
    place: Place
    says: str = ""
    """What came instead of what was expected; empty: as expected."""

    @property
    def passed(self) -> bool:
        return not self.says


def run_examples(rule_set: RuleSet, *, read_mail: ReadMail | None = None) -> list[ExampleResult]:
    """Every example of every rule that is not off, asked of the whole set.

    Args:
        read_mail: reads the mails that examples name; None: those examples fail.
    """
    return [
        ExampleResult(
            rule=rule.id, name=example.name, place=example.place,
            says=_run(rule_set, rule, example, read_mail),
        )
        for rule in rule_set.rules
        if rule.mode != "fra"
        for example in rule.examples
    ]  # fmt: skip


def _run(rule_set: RuleSet, rule: Rule, example: Example, read_mail: ReadMail | None) -> str:
    known = {UNHANDLED, *(one.id for one in rule_set.rules)}
    if example.rule is not None and example.rule not in known:
        near = nearest(example.rule, known)
        return f'there is no rule "{shown(example.rule)}".' + (f' Did you mean "{near}"?' if near else "")
    try:
        items = _items(rule, example, read_mail)
    except OSError as error:
        return f"its mail cannot be read ({error.strerror})."
    except ValueError as error:
        return str(error)
    if not items:
        return "its mail gives no letter."
    return next((says for facts in items if (says := _judge(rule_set, rule, example, facts))), "")


def _items(rule: Rule, example: Example, read_mail: ReadMail | None) -> Sequence[Facts]:
    if example.mail is not None:
        if read_mail is None:
            raise ValueError("its mail cannot be read here.")
        return read_mail(example.mail)
    return [facts_from(_on_its_days(rule, example.facts or {}), rule.direction)]


def _on_its_days(rule: Rule, given: Mapping[str, object]) -> dict[str, object]:
    """*given*, received on a day on which *rule* applies, unless they say when."""
    usual = local(usual_facts(rule.direction).received_at).date()
    if "received_at" in given or rule.applies_on(usual):
        return dict(given)
    return {**given, "received_at": rule.first if rule.first is not None and usual < rule.first else rule.last}


def _judge(rule_set: RuleSet, rule: Rule, example: Example, facts: Facts) -> str:
    """What came instead of what was expected; empty: as expected."""
    decision = rule_set.decide(facts)
    step = next(one for one in rule_set.explain(facts, decision) if one.rule == rule.id)
    if (step.state in ("matched", "shadow")) is not example.matches:
        return f"expected the rule to {'match' if example.matches else 'let it pass'}, but {_instead(step, example)}."
    if example.rule is not None and decision.rule != example.rule:
        return f"expected {example.rule} to decide where it goes, but {decision.rule} did."
    if example.then is not None and wishes(example.then) != wishes(decision.actions):
        return f"expected {_told(example.then)}; got {_told(decision.actions)}."
    return ""


def _instead(step: Step, example: Example) -> str:
    """What the rule did, and the test that made it so."""
    if not example.matches:
        return "it matches"
    if step.state != "not matched":
        told = {"closed": "rules above it had decided", "not reached": "the chain ended above it", "off": "it is off then"}
        return told.get(step.state, "it had nothing to do")
    if step.unless is not None and step.unless.answer:
        return f"its exception holds{_because(_cause(step.unless, wanted=False))}"
    return f"it does not match{_because(None if step.when is None else _cause(step.when, wanted=True))}"


def _cause(asked: Asked, *, wanted: bool) -> Asked | None:
    """The first test by which *asked* did not come out as *wanted*."""
    if asked.answer is None or asked.answer is wanted:
        return None
    if asked.word == "test":
        return asked
    deeper = (_cause(part, wanted=wanted is not (asked.word == "not")) for part in asked.parts)
    return next((one for one in deeper if one is not None), None)


def _because(test: Asked | None) -> str:
    return "" if test is None else f" ({test.field} {test.operator} {test.expected}: it was {test.seen})"


def _told(actions: Sequence[Action]) -> str:
    return ", ".join(
        " ".join([action.kind, action.target, *(f"{key}={value}" for key, value in action.settings)]) for action in actions
    )
