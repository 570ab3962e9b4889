"""Two rule sets, and how they differ, in words."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence

from gateway.config.settings import Section
from gateway.rules.engine import RuleSet
from gateway.rules.language import All, AnyOf, Condition, Not, Test
from gateway.rules.rule import Absence, Example, Rule, Wanted
from gateway.rules.templates import Template
from gateway.rules.terms import form


def difference(before: RuleSet, after: RuleSet) -> list[str]:
    """One line for each difference, empty if there is none:
    ``changed  rule loen: then: archive archive case=A → archive archive case=B``.
    """
    old, new = {rule.id: rule for rule in before.rules}, {rule.id: rule for rule in after.rules}
    lines = [f"removed  rule {rule_id} ({old[rule_id].name})" for rule_id in old if rule_id not in new]
    for rule_id, rule in new.items():
        if rule_id not in old:
            lines.append(f"added    rule {rule_id} ({rule.name}): when {told(rule.when)}: {_actions(rule)}")
        else:
            lines += [f"changed  rule {rule_id}: {change}" for change in _changes(old[rule_id], rule)]
    lines += _moved(old, new)
    lines += _tables("department", before.departments, after.departments)
    return lines + _tables("flow", before.flows, after.flows)


def told(condition: Condition | None) -> str:
    """A condition in one line."""
    match condition:
        case None:
            return "always"
        case Test():
            return f"{condition.field} {condition.operator} {condition.expected}"
        case Not(part=part):
            return f"not ({told(part)})"
        case All(parts=parts) | AnyOf(parts=parts):
            word = " and " if isinstance(condition, All) else " or "
            return word.join(told(part) if isinstance(part, Test) else f"({told(part)})" for part in parts)


def _changes(old: Rule, new: Rule) -> Iterator[str]:
    pairs = {
        "name": (old.name, new.name),
        "direction": (old.direction, new.direction),
        "mode": (old.mode, new.mode),
        "from": (_or(old.first, "the beginning"), _or(new.first, "the beginning")),
        "to": (_or(old.last, "for ever"), _or(new.last, "for ever")),
        "then": (_actions(old), _actions(new)),
        "next": (_or(old.next, "as usual"), _or(new.next, "as usual")),
    }
    changes = {key: f"{was} → {now}" for key, (was, now) in pairs.items() if was != now}
    changes |= _changed_conditions(old, new)
    if [_content(one) for one in old.examples] != [_content(one) for one in new.examples]:
        was, now = len(old.examples), len(new.examples)
        changes["examples"] = f"{was} → {now}" if was != now else "others"
    return (f"{key}: {changes[key]}" for key in _ORDER if key in changes)


_ORDER = ("name", "direction", "mode", "from", "to", "when", "unless", "then", "next", "examples")


def _changed_conditions(old: Rule, new: Rule) -> dict[str, str]:
    changes = {}
    for key, was, now, without in (("when", old.when, new.when, "always"), ("unless", old.unless, new.unless, "never")):
        if (was and form(was)) != (now and form(now)):
            before, after = (without if one is None else told(one) for one in (was, now))
            # What is told is cut, and numbers in it are masked.
            changes[key] = f"{before} → {after}" if before != after else f"{before} → another value that looks the same when masked"
    return changes


def _content(example: Example) -> tuple[object, ...]:
    return example.name, example.facts, example.mail, example.matches, example.then, example.rule


def _or(value: object, otherwise: str) -> str:
    return otherwise if value is None else str(value)


def _actions(rule: Rule) -> str:
    return ", ".join(_action(wanted) for wanted in rule.then)


def _action(wanted: Wanted) -> str:
    settings = [f"{key}={_text(value)}" for key, value in wanted.settings]
    return " ".join([wanted.kind, _text(wanted.target), *settings])


def _text(part: str | Template) -> str:
    return part if isinstance(part, str) else part.text


def _moved(old: Mapping[str, Rule], new: Mapping[str, Rule]) -> Iterator[str]:
    """The fewest rules whose moving explains the new order; outbound and inbound have an order each."""
    for direction in ("outbound", "inbound"):
        order = [one.id for one in old.values() if one.direction == direction and one.id in new]
        there = [one.id for one in new.values() if one.direction == direction and one.id in order]
        order = [rule_id for rule_id in order if rule_id in there]
        stayed = _longest_in_order([order.index(rule_id) for rule_id in there])
        for place, rule_id in enumerate(there):
            if order.index(rule_id) not in stayed:
                where = f"now above {there[place + 1]}" if place + 1 < len(there) else "now last"
                yield f"moved    rule {rule_id}: {where}"


def _longest_in_order(numbers: Sequence[int]) -> set[int]:
    """The most of *numbers*, all different, that stand in rising order."""
    ends: list[int] = []  # the lowest end of a row of each length
    before: dict[int, int | None] = {}
    for number in numbers:
        length = bisect_left(ends, number)
        before[number] = ends[length - 1] if length else None
        ends[length : length + 1] = [number]
    row: set[int] = set()
    last = ends[-1] if ends else None
    while last is not None:
        row.add(last)
        last = before[last]
    return row


def _tables(what: str, old: Mapping[str, Section], new: Mapping[str, Section]) -> list[str]:
    lines = [f"removed  {what} {name}" for name in old if name not in new]
    for name, table in new.items():
        if name not in old:
            lines.append(f"added    {what} {name}")
            continue
        for key in type(table).model_fields:
            was, now = getattr(old[name], key), getattr(table, key)
            if was != now:
                lines.append(f"changed  {what} {name}: {key}: {_shown(was)} → {_shown(now)}")
    return lines


def _shown(value: object) -> str:
    """A setting in words."""
    if isinstance(value, tuple):
        return ", ".join(map(_shown, value)) or "none"
    if isinstance(value, Absence):
        return f"{value.first} to {value.last}"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "none" if value is None else str(value)
