"""Two rule sets in words: what an operator reads before a set decides, and what the log of versions tells."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rules_text import rules_text

from gateway.rules.bundle import Bundle
from gateway.rules.difference import difference
from gateway.rules.engine import RuleSet

SEND = [{"send": "digital-post"}]
LARGE = {"field": "pages", "at_least": 100}
COPY = {"field": "copy", "equals": True}


def rules(*tables: dict, more: str = "") -> RuleSet:
    text = rules_text({"name": f"Regel {table['id']}", "then": SEND, **table} for table in tables)
    return Bundle(files={"rules.toml": text + more}).rule_set({})


def one(**keys) -> RuleSet:
    return rules({"id": "loen", **keys})


def test_the_same_content_has_no_difference():
    assert difference(one(), one()) == []
    spaced = Bundle(files={"rules.toml": '# words\n\n[[rule]]\nid="loen"\nname="Regel loen"\nthen=[{send="digital-post"}]\n'}).rule_set({})
    assert difference(one(), spaced) == []


def test_rules_come_and_go():
    assert difference(rules({"id": "a"}), rules({"id": "b", "when": LARGE, "then": [{"hold": "Stort"}]})) == [
        "removed  rule a (Regel a)",
        "added    rule b (Regel b): when pages at_least 100: hold Stort",
    ]


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ({}, {"name": "Løn"}, "name: Regel loen → Løn"),
        ({}, {"direction": "inbound", "then": [{"archive": "archive"}]}, "direction: outbound → inbound"),
        ({}, {"mode": "skygge"}, "mode: aktiv → skygge"),
        ({}, {"from": date(2026, 12, 1)}, "from: the beginning → 2026-12-01"),
        ({"to": date(2026, 12, 1)}, {}, "to: 2026-12-01 → for ever"),
        ({}, {"when": LARGE}, "when: always → pages at_least 100"),
        ({"when": LARGE}, {"when": {"all": [LARGE, {"not": {"any": [COPY, COPY]}}]}},
         "when: pages at_least 100 → pages at_least 100 and (not (copy equals true or copy equals true))"),
        ({"when": LARGE}, {"when": LARGE, "unless": COPY}, "unless: never → copy equals true"),
        ({"then": [*SEND, {"archive": "archive", "case": "A"}]}, {"then": [*SEND, {"archive": "archive", "case": "{{ year }}"}]},
         "then: send digital-post, archive archive case=A → send digital-post, archive archive case={{ year }}"),
        ({}, {"next": "stop"}, "next: as usual → stop"),
        ({}, {"example": [{"name": "En", "facts": {}}]}, "examples: 0 → 1"),
        ({"example": [{"name": "En", "facts": {}}]}, {"example": [{"name": "En", "facts": {"pages": 1}}]}, "examples: others"),
    ],
)  # fmt: skip
def test_what_changed_in_a_rule_is_told(before, after, change):
    assert f"changed  rule loen: {change}" in difference(one(**before), one(**after))


def test_a_change_that_is_masked_or_cut_is_told_without_quoting_it():
    for values in (("0101011234", "0101015678"), ("x" * 200 + "a", "x" * 200 + "b")):
        before, after = (one(when={"field": "subject", "contains": value}) for value in values)
        [line] = difference(before, after)
        assert line.endswith("→ another value that looks the same when masked")
        assert values[0] not in line


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("abcd", "dabc", ["d: now above a"]),
        ("abcd", "bcda", ["a: now last"]),
        ("abcd", "acbd", ["c: now above b"]),
        ("abcd", "badc", ["b: now above a", "d: now above c"]),
        ("abxd", "abd", []),
        ("abd", "axbd", []),
    ],
)
def test_the_fewest_moves_are_told(before, after, told):
    lines = difference(rules(*({"id": name} for name in before)), rules(*({"id": name} for name in after)))
    assert [line for line in lines if line.startswith("moved")] == [f"moved    rule {one}" for one in told]


@given(order=st.permutations("abcdef"))
def test_every_new_order_is_told_and_no_old_one(order):
    lines = difference(rules(*({"id": name} for name in "abcdef")), rules(*({"id": name} for name in order)))
    assert (lines == []) == (list(order) == list("abcdef"))


def test_the_order_between_the_directions_is_none():
    inbound = {"id": "i", "direction": "inbound", "then": [{"archive": "archive"}]}
    assert difference(rules({"id": "a"}, inbound), rules(inbound, {"id": "a"})) == []


def test_departments_and_flows_are_told():
    def more(address: str, extra: str = "", flow: str = "fravaer", case: str = "A") -> str:
        return f'[departments.loen]\nname = "Løn"\naddresses = ["{address}"]\n{extra}[flows.{flow}]\ncase = "{case}"\n'

    before = rules({"id": "a"}, more=more("a@skole.example.dk"))
    assert difference(before, rules({"id": "a"}, more=more("b@skole.example.dk", "hide_subject = true\nabsent = [ { first = 2026-12-24, last = 2026-12-31 } ]\n"))) == [
        "changed  department loen: addresses: a@skole.example.dk → b@skole.example.dk",
        "changed  department loen: hide_subject: false → true",
        "changed  department loen: absent: none → 2026-12-24 to 2026-12-31",
    ]
    assert difference(before, rules({"id": "a"}, more=more("a@skole.example.dk", flow="loen"))) == ["removed  flow fravaer", "added    flow loen"]
    assert difference(before, rules({"id": "a"}, more=more("a@skole.example.dk", case="B"))) == ["changed  flow fravaer: case: A → B"]
