"""Conditions of a rules file, read: tests and trees of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.config.faults import found, nearest, shown
from gateway.rules.language import (
    FIELDS,
    OPERATORS,
    All,
    AnyOf,
    Condition,
    Not,
    field_called,
    operators_of,
)
from gateway.rules.questions import Unfit, question
from gateway.rules.reading import Reader, table_of

DEEPEST = 20
"""Levels of all, any and not inside each other."""

_TREES = ("all", "any", "not")


def read_condition(reader: Reader, value: object, place: str, depth: int = 1) -> Condition | None:
    """The condition *value* at *place*; None and a fault if it is none."""
    if not isinstance(value, dict) or not value:
        expected = 'a condition such as { field = "flow", equals = "fravaer" }'
        reader.fault(place, expected=expected, found=table_of(value))
        return None
    if depth > DEEPEST:
        says = f"conditions stand more than {DEEPEST} levels inside each other."
        reader.fault(place, says=says, remedy="Make several rules of it.")
        return None
    tree = [word for word in _TREES if word in value]
    if not tree:
        return _test(reader, value, place)
    if len(value) > 1:
        reader.fault(place, says=f"`{tree[0]}` stands alone in its braces.", remedy="Put the rest inside it.")
        return None
    return _tree(reader, tree[0], value[tree[0]], f"{place}.{tree[0]}", depth)


def _tree(reader: Reader, word: str, value: object, place: str, depth: int) -> Condition | None:
    if word == "not":
        part = read_condition(reader, value, place, depth + 1)
        return None if part is None else Not(part)
    if not isinstance(value, list) or not value:
        got = "an empty list" if value == [] else found(value, key=word)
        reader.fault(place, expected="a list of conditions", found=got)
        return None
    parts = [read_condition(reader, item, f"{place} {number}", depth + 1) for number, item in enumerate(value, 1)]
    whole = tuple(part for part in parts if part is not None)
    return All(whole) if word == "all" else AnyOf(whole)


def _test(reader: Reader, value: Mapping[str, Any], place: str) -> Condition | None:
    name = value.get("field")
    if not isinstance(name, str):
        missing = "field" not in value
        hint = nearest(next(iter(value)), ("field", *_TREES)) if missing else ""
        reader.fault(place, says="names no `field`." if missing else "`field` must be text.", nearest=hint)
        return None
    asked = field_called(name)
    if asked is None:
        reader.fault(place, says=f'there is no field "{shown(name)}".', nearest=nearest(name, FIELDS))
        return None
    operators = [key for key in value if key != "field"]
    fitting = operators_of(asked.kind)
    if len(operators) != 1:
        count = "none" if not operators else f"{len(operators)}"
        reader.fault(place, expected=f"one operator for {name} ({', '.join(fitting)})", found=count)
        return None
    operator, where = operators[0], f"{place}.{shown(operators[0])}"
    if operator not in OPERATORS:
        reader.fault(where, says=f'there is no operator "{shown(operator)}".', nearest=nearest(operator, fitting))
        return None
    if operator not in fitting:
        remedy = f"Use {', '.join(fitting)}."
        reader.fault(where, says=f"{operator} does not fit the field {name}.", remedy=remedy)
        return None
    try:
        return question(asked, operator, value[operator], reader.lists)
    except Unfit as unfit:
        reader.fault(
            where, says=unfit.says, expected=unfit.expected, found=unfit.found, nearest=unfit.nearest, remedy=unfit.remedy
        )
        return None
