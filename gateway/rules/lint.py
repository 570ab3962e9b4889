"""What is wrong with a rule set although it can be read: questions without answer, dates that have passed,
departments that nobody uses. Rules that never act are found by ``gateway.rules.reach``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from datetime import date

from gateway.config.faults import nearest
from gateway.model.decision import Direction
from gateway.rules.cover import Judge
from gateway.rules.engine import RuleSet
from gateway.rules.finding import Finding, Level
from gateway.rules.language import Condition, Not, Test, field_called, tests_of
from gateway.rules.lists import Lists
from gateway.rules.patterns import BadPattern, Pattern
from gateway.rules.reach import never_acts
from gateway.rules.rule import Place, Rule
from gateway.rules.terms import both, form, matched_by, terms_of

_DIRECTIONS: tuple[Direction, ...] = ("outbound", "inbound")


def lint(rule_set: RuleSet, *, flows: Collection[str], lists: Lists, today: date) -> list[Finding]:
    """Everything found, in the order of the rules.

    Args:
        flows: names of the flows that exist besides those of the set.
        today: Danish day, for dates that have passed.
    """
    found: list[Finding] = []
    for direction in _DIRECTIONS:
        rules = [rule for rule in rule_set.rules if rule.direction == direction and rule.mode != "fra"]
        judge = Judge(direction)
        impossible = {rule.id: faults for rule in rules if (faults := _never_matches(rule, judge))}
        found += [fault for faults in impossible.values() for fault in faults]
        found += [one for one in never_acts(rules, judge, rule_set) if one.rule not in impossible]
        found += [one for rule in rules if rule.id not in impossible for one in _says_nothing(rule, judge)]
    known = {*flows, *rule_set.flows, "default"}
    for rule in rule_set.rules:
        found += _questions(rule, known, lists)
        found += _dates_and_examples(rule, today)
    found += _departments(rule_set)
    order = {rule.id: place for place, rule in enumerate(rule_set.rules)}
    return sorted(found, key=lambda finding: order.get(finding.rule or "", len(order)))


def _about(rule: Rule, code: str, level: Level, says: str, remedy: str) -> Finding:
    return Finding(code=code, level=level, place=rule.place, rule=rule.id, says=says, remedy=remedy)


# ── conditions that decide nothing ──────────────────────────────────────────


def _never_matches(rule: Rule, judge: Judge) -> list[Finding]:
    if judge.never(terms_of(rule.when)):
        says = "its conditions contradict each other, so that it never matches."
        return [_about(rule, "contradiction", "error", says, "Ask for one of them, or put them into `any`.")]
    if rule.unless is not None and judge.never(matched_by(rule)):
        says = "its exception takes away all that it asks for, so that it never matches."
        return [_about(rule, "contradiction", "error", says, "Make `unless` more exact, or take the rule away.")]
    return []


def _says_nothing(rule: Rule, judge: Judge) -> Iterator[Finding]:
    if rule.when is not None and judge.never(terms_of(rule.when, wanted=False)):
        remedy = "Leave `when` out, or ask for less."
        if rule.unless is not None:
            remedy = "Ask for less, or write when = { not = … } with the exception in it."
        yield _about(rule, "always-true", "warning", "its condition holds of everything.", remedy)
    when, exception = terms_of(rule.when), terms_of(rule.unless)
    if rule.unless is not None and when is not None and exception is not None and judge.never(both(when, exception)):
        says = "its exception never holds of what it asks for."
        yield _about(rule, "no-exception", "warning", says, "Take `unless` away, or mend it.")


# ── questions ───────────────────────────────────────────────────────────────


def _questions(rule: Rule, flows: Collection[str], lists: Lists) -> Iterator[Finding]:
    for test in (*tests_of(rule.when), *tests_of(rule.unless)):
        asked = field_called(test.field)
        if asked is not None and rule.direction not in asked.asked_of:
            says = f"{test.field} has a value only for {asked.asked_of[0]} post, and this is a rule for {rule.direction}."
            yield _about(rule, "no-value-here", "error", says, "Ask about another field, or give the rule the other `direction`.")
        if test.operator == "matches":
            yield from _patterns(rule, test)
        if test.operator == "in_list" and not lists.get(str(test.value), ("",)):
            says = f"lists/{test.value}.txt is empty, so that nothing is in it."
            yield _about(rule, "empty-list", "warning", says, "Fill it, or take the test away.")
        if test.field == "flow":
            yield from _flows(rule, test, flows)
    if any(_has_twice(parts) for condition in (rule.when, rule.unless) for parts in _lists_in(condition)):
        says = "the same condition stands twice in one list."
        yield _about(rule, "asked-twice", "warning", says, "Take one away, or mend it if it should be another.")


def _patterns(rule: Rule, test: Test) -> Iterator[Finding]:
    if _is_in_all(str(test.value)):
        says = f"the pattern for {test.field} is found in every text, also in an empty one."
        yield _about(rule, "pattern-matches-all", "error", says, "Make it ask for at least one letter, such as + in the place of *.")
    elif _ANY_LETTER.fullmatch(str(test.value)):
        says = f"the pattern for {test.field} is found in every text that has a letter."
        yield _about(rule, "pattern-matches-all", "error", says, "Name what is looked for, or ask exists = true.")


_ANY_LETTER = re.compile(r"(\(\?[a-z]+\))?\^?[.][*+]?[?]?\$?")


def _is_in_all(pattern: str) -> bool:
    r"""Whether *pattern* is surely found in every text: at the beginning or at the end of each.

    There it finds the empty text, whether there is no letter beside it, one of a word, or another. No
    more can be asked of a place: ``\b`` and ``\B`` tell words, ``^`` and ``$`` tell ends.
    """
    begins, ends = f"^(?:{pattern})", f"(?:{pattern})$"
    try:
        return Pattern(pattern).is_in("") and (
            all(Pattern(begins + letter).is_in(letter) for letter in "a ")
            or all(Pattern(letter + ends).is_in(letter) for letter in "a ")
        )
    except BadPattern:
        return False  # it fits by itself and not beside a letter: not known


def _flows(rule: Rule, test: Test, flows: Collection[str]) -> Iterator[Finding]:
    if test.operator not in ("equals", "one_of"):
        return
    named = test.value if isinstance(test.value, tuple) else (test.value,)
    for flow in map(str, named):
        if flow not in flows:
            near = nearest(flow, flows)
            hint = f'Did you mean "{near}"?' if near else f"Add [flows.{flow}], or take the test away."
            yield _about(rule, "no-such-flow", "error", f'there is no flow "{flow}", so that no letter comes by it.', hint)


def _lists_in(condition: Condition | None) -> Iterator[tuple[Condition, ...]]:
    if isinstance(condition, Not):
        yield from _lists_in(condition.part)
    elif condition is not None and not isinstance(condition, Test):
        yield condition.parts
        for part in condition.parts:
            yield from _lists_in(part)


def _has_twice(parts: tuple[Condition, ...]) -> bool:
    forms = [form(part) for part in parts]
    return len(set(forms)) < len(forms)


def _dates_and_examples(rule: Rule, today: date) -> Iterator[Finding]:
    if rule.last is not None and rule.last < today:
        says = f"it ended on {rule.last.isoformat()}."
        yield _about(rule, "date-passed", "warning", says, "Take it away, or give it another `to`.")
    if not rule.examples and rule.mode != "fra":
        says = "it has no example, so that nobody notices when it stops working."
        yield _about(rule, "no-example", "warning", says, "Add a [[rule.example]] with a letter it is meant for.")


# ── departments ─────────────────────────────────────────────────────────────


def _departments(rule_set: RuleSet) -> Iterator[Finding]:
    departments = rule_set.departments
    used = {wanted.target for rule in rule_set.rules for wanted in rule.then if wanted.kind in ("forward", "notify")}
    # A text that is filled in may name any of them.
    named_later = any(not isinstance(target, str) for target in used)
    substitutes = {one.substitute for one in departments.values()}
    for name, department in departments.items():
        place = rule_set.places.get(name, Place(file="departments"))
        ring = _ring(lambda one: departments[one].substitute if one in departments else None, name)
        if ring:
            yield Finding(
                code="substitute-ring", level="error", place=place,
                says=f"[departments.{name}]: the substitutes stand in for each other in a ring ({' → '.join(ring)}).",
                remedy="Give one of them another substitute, or none.",
            )  # fmt: skip
        elif name not in used and name not in substitutes and not named_later:
            yield Finding(
                code="department-unused", level="warning", place=place,
                says=f"[departments.{name}]: no rule forwards to {department.name}, or notifies it.",
                remedy="Add a rule, or take it away.",
            )  # fmt: skip


def _ring(next_of: Callable[[str], str | None], name: str) -> list[str]:
    """The ring that begins with *name*, told once: where *name* is the first of it in the alphabet."""
    ring = [name]
    while (following := next_of(ring[-1])) is not None:
        if following == name:
            return [*ring, name] if name == min(ring) else []
        if following in ring:
            return []
        ring.append(following)
    return []
