"""The JSON Schema that editors use says yes to rules that load, and no where an editor can know better."""

from __future__ import annotations

import tomllib
from datetime import date, time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from rules_text import toml

from gateway.errors import ConfigError
from gateway.rules.acts import ACTIONS
from gateway.rules.bundle import Bundle
from gateway.rules.catalogue import FIELDS, OPERATORS
from gateway.rules.language import operators_of
from gateway.rules.lists import Unread
from gateway.rules.schema import schema

ROOT = Path(__file__).parents[3]
VALIDATOR = Draft202012Validator(schema())
DEPARTMENT = '[departments.loen]\nname = "Løn"\naddresses = ["loen@skole.example.dk"]\n'
SHIPPED = sorted(file for file in (ROOT / "config").rglob("*.toml") if file.name != "gateway.toml")
# What an editor cannot see: it knows no other rule, no other file and no list, and no pattern.
NOT_SEEN = {
    "08-pattern-broken", "09-pattern-slow", "10-pattern-matches-all", "11-shadowed", "12-unreachable", "13-contradiction",
    "14-destination-unknown", "15-archive-unknown", "16-department-unknown", "17-substitutes-in-a-ring", "18-list-unknown",
    "19-id-twice", "21-hold-beside-send", "22-forward-on-the-way-out", "23-template-names-nothing", "24-dates-in-no-order",
    "26-flow-unknown", "27-example-fails", "28-field-of-the-other-direction", "29-stop-hides-the-rest",
}  # fmt: skip


def as_json(value: object) -> object:
    """TOML as an editor gives it to the schema: days and times are texts."""
    if isinstance(value, dict):
        return {key: as_json(one) for key, one in value.items()}
    if isinstance(value, list):
        return [as_json(one) for one in value]
    return value.isoformat() if isinstance(value, date | time) else value


def faults(text: str) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(as_json(tomllib.loads(text)))]


def rule(when: str = "", then: str = '[ { hold = "x" } ]', more: str = "") -> str:
    asked = f"when = {when}\n" if when else ""
    return f'[[rule]]\nid = "a"\nname = "A"\n{asked}then = {then}\n{more}'


def test_the_schema_is_one():
    Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: f"{file.parent.name}-{file.name}")
def test_shipped_rules_fit(file):
    assert faults(file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("field", FIELDS.values(), ids=lambda field: field.name)
def test_the_example_of_every_field_fits(field):
    name = "sidecar.afdeling" if field.name == "sidecar" else field.name
    assert faults(rule(f'{{ field = "{name}", {field.example} }}')) == []
    assert faults(rule(f'{{ field = "{name}x", {field.example} }}')) != [] or field.name == "sidecar"


@pytest.mark.parametrize("word", ACTIONS.values(), ids=lambda word: word.name)
def test_the_example_of_every_action_fits(word):
    assert faults(rule(then=f"[ {word.example} ]")) == []


@pytest.mark.parametrize("folder", sorted((ROOT / "tests" / "bad_rules").iterdir()), ids=lambda folder: folder.name)
def test_a_broken_rule_set_fits_only_where_an_editor_cannot_see_why(folder):
    text = (folder / "rules.toml").read_text(encoding="utf-8")
    try:
        fits = not faults(text)
    except tomllib.TOMLDecodeError:
        fits = False
    # Facts of examples are not judged: a misspelt one is told when the example is run.
    assert fits == (folder.name in NOT_SEEN or folder.name == "30-example-of-an-unknown-fact")


VALUES = st.sampled_from(
    [1, 0, "a", "cpr", "exempt", "10 MB", "08:00", True, [1, 2], ["a"], ["cpr", "cvr"], ["08:00", "16:00"], [], "", "titler", ["1 kB", "2 kB"]]
)


@settings(max_examples=1500, deadline=None)
@given(field=st.sampled_from(sorted({*FIELDS} - {"sidecar"} | {"sidecar.x"})), operator=st.sampled_from(sorted(OPERATORS)), value=VALUES)
def test_what_loads_fits(field, operator, value):
    text = rule(toml({"field": field, operator: value}))
    try:
        Bundle(files={"rules.toml": text}).rule_set(Unread())
    except ConfigError:
        kind = FIELDS[field.partition(".")[0]].kind
        assert operator in operators_of(kind) or faults(text)
    else:
        assert faults(text) == []


@pytest.mark.parametrize(
    "text",
    [
        rule('{ all = [ { field = "pages", at_least = 3 } ], field = "pages" }'),
        rule('{ field = "pages" }'),
        rule('{ field = "pages", at_least = 3, at_most = 4 }'),
        rule("{ }"),
        rule('{ at_least = 3 }'),
        rule('{ field = "reach", equals = "exemt" }'),
        rule('{ field = "pages", contains = "3" }'),
        rule(then="[ ]"),
        rule(then='[ { approve = "x", keys = 3 } ]'),
        rule(then='[ { set = { lane = "hurtigst" } } ]'),
        rule(then='[ { send = "a", archive = "b" } ]'),
        rule(more='mode = "slukket"\n'),
        rule(more='next = "fortsaet"\n'),
        rule(more='unless = { field = "pages", at_least = 3 }\n'),
        rule().replace('"a"', '"ubehandlet"'),
        DEPARTMENT.replace("loen@skole.example.dk", "loen"),
        DEPARTMENT + 'delivery = "half"\n',
        "[flows.a]\nkey = 1\n",
    ],
)
def test_what_does_not_load_and_an_editor_can_see_does_not_fit(text):
    assert faults(text) != []
