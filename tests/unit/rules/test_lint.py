"""The lint: what it finds, what it does not call a fault, and how it says so."""

from __future__ import annotations

import time
from datetime import date

import pytest
from rules_text import rules_text

from gateway.rules.bundle import Bundle
from gateway.rules.finding import Finding
from gateway.rules.lint import lint

TODAY = date(2026, 11, 25)
SEND = [{"send": "digital-post"}]
BOTH = [{"send": "digital-post"}, {"archive": "archive"}]
CPR, CVR = {"field": "recipient_kind", "equals": "cpr"}, {"field": "recipient_kind", "equals": "cvr"}
REFUSED = {"field": "refused_by", "contains": "digital-post"}


def pages(**asked) -> dict:
    return {"field": "pages", **asked}


def found(*tables: dict, more: str = "", flows=(), lists=None) -> list[Finding]:
    """What is found in a set of *tables*, but for missing examples."""
    text = rules_text({"id": f"r{number}", "name": "R", "then": SEND, **table} for number, table in enumerate(tables, 1))
    rule_set = Bundle(files={"rules.toml": text + more}).rule_set(lists or {})
    return [one for one in lint(rule_set, flows=flows, lists=lists or {}, today=TODAY) if one.code != "no-example"]


def codes(*tables: dict, **kept) -> list[str]:
    return [f"{one.rule}: {one.code}" for one in found(*tables, **kept)]


# ── rules that never act ────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("above", "below"),
    [
        ({}, {"when": pages(at_least=3)}),
        ({"when": pages(at_least=3)}, {"when": pages(at_least=5)}),
        ({"when": pages(at_least=3)}, {"when": pages(between=[3, 9])}),
        ({"when": {"field": "subject", "contains": "b"}}, {"when": {"field": "subject", "starts": "ABC"}}),
        ({"when": {"field": "subject", "one_of": ["a", "b"]}}, {"when": {"field": "subject", "equals": "A"}}),
        ({"when": {"field": "case", "exists": True}}, {"when": {"field": "case", "matches": "^S-"}}),
        ({"when": {"not": CPR}}, {"when": CVR}),
        ({"when": CVR, "unless": pages(at_least=5)}, {"when": {"all": [CVR, pages(at_most=4)]}}),
        ({"when": CPR, "then": BOTH}, {"when": CPR, "then": [{"archive": "archive", "case": "B"}]}),
        ({"then": [{"reject": "Nej"}]}, {"when": CPR, "then": BOTH}),
        ({"then": [{"archive": "archive", "case": "A-{{ year }}"}]}, {"then": [{"archive": "archive"}]}),
        ({"then": SEND, "next": "stop"}, {"then": [{"archive": "archive"}]}),
        ({"then": [{"set": {"copy": True}}], "next": "stop"}, {"then": SEND}),
    ],
)
def test_a_rule_below_one_that_decides_all_it_matches_is_shadowed(above, below):
    [finding] = found(above, below)
    assert (finding.code, finding.level, finding.rule) == ("shadowed", "error", "r2")
    assert "r1 (rules.toml:1) above it" in finding.says
    assert finding.remedy.startswith("Move it above r1, or take ")


@pytest.mark.parametrize(
    ("above", "below"),
    [
        ({"when": pages(at_least=5)}, {"when": pages(at_least=3)}),
        ({"when": pages(at_least=0)}, {}),  # unknown pages are not 0 or more
        ({"when": CPR}, {"when": CPR, "then": BOTH}),  # the archive is still open
        ({"next": "fortsæt"}, {}),
        ({"mode": "skygge"}, {}),
        ({"mode": "fra"}, {}),
        ({"from": date(2026, 12, 1)}, {}),
        ({"then": [{"approve": "x"}]}, {"then": SEND}),
        ({"then": [{"archive": "archive", "case": "{{ case }}"}]}, {"then": BOTH}),  # held without a case, and then released
        ({"direction": "inbound", "then": [{"archive": "archive"}]}, {"then": [{"archive": "archive"}]}),
        ({"when": {"field": "subject", "in_list": "ord"}}, {"when": {"field": "subject", "equals": "ab"}}),
        ({"when": {"field": "subject", "matches": "abc"}}, {"when": {"field": "subject", "equals": "abc"}}),  # ABC
        ({"when": {"field": "file_names", "contains": "a"}}, {"when": {"field": "file_names", "contains": "b"}}),
        ({"when": pages(at_least=100), "then": [{"hold": "Stort"}]}, {"when": pages(at_least=200)}),  # after a release
        ({}, {"when": REFUSED, "then": [{"hold": "Send på papir"}]}),  # another way when the first said no
    ],
)
def test_a_rule_that_may_still_act_is_not_called_dead(above, below):
    assert codes(above, below, lists={"ord": frozenset({"ab"})}) == []


def test_rules_that_together_decide_all_are_named_and_no_others():
    [finding] = found({"when": pages(at_least=3)}, {"when": {"field": "copy", "equals": True}}, {"when": pages(at_most=4)}, {"when": pages(exists=True)})
    assert (finding.code, finding.rule) == ("unreachable", "r4")
    assert "r1 (rules.toml:1) and r3 (rules.toml:11) above it together" in finding.says


def test_each_group_may_be_decided_by_another_rule():
    assert codes({"when": CPR}, {"then": [{"archive": "archive"}]}, {"when": CPR, "then": BOTH}) == ["r3: unreachable"]


def test_a_stop_that_does_nothing_stops_nothing():
    archives = {"then": [{"archive": "archive"}]}
    assert codes(archives, {**archives, "next": "stop", "when": CPR}, {}) == ["r2: shadowed"]


def test_where_letters_come_again_after_a_refusal_a_rule_may_act_late():
    fallback = {"when": REFUSED, "then": [{"reject": "Kan ikke sendes"}]}
    late = found({}, {"when": CPR, "then": [{"hold": "Se først"}]}, fallback)
    assert [(one.rule, one.code, one.level) for one in late] == [("r2", "acts-late", "warning")]
    assert "only on post that a destination refused: all other is decided by r1" in late[0].says
    assert codes({}, {"when": CPR, "then": [{"hold": "Se først"}]}) == ["r2: shadowed"], "nobody asks about refusals"


def test_a_hold_below_a_hold_acts_only_on_released_post():
    hold = {"when": CPR, "then": [{"hold": "x"}]}
    assert codes(hold, {**hold, "when": {"all": [CPR, pages(at_least=5)]}}) == ["r2: acts-late"]
    assert codes(hold, {"when": CPR}) == [], "where a released letter goes"


def test_two_hundred_rules_are_judged_in_a_moment():
    tables = [
        {"when": {"any": [{"field": "flow", "equals": f"f{n % 40}"}, {"field": "subject", "contains": f"ord {n}"}, pages(between=[n, n + 9])]}}
        for n in range(200)
    ]
    began = time.process_time()
    found(*tables, {}, flows=[f"f{n}" for n in range(40)])
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "parts",
    [
        lambda n: [{"field": "subject", "contains": f"ord {n * 7 % 61} {part}"} for part in range(60)],
        lambda n: [pages(between=[part * 20 + n % 17, part * 20 + n % 17 + 9]) for part in range(60)],
        lambda n: [{"all": [{"field": "copies", "at_least": n * part % 9}, pages(at_most=part * n % 13)]} for part in range(60)],
    ],
)
def test_rules_that_cannot_be_judged_in_time_are_not_called_dead(parts):
    began = time.process_time()
    assert found(*({"when": {"any": parts(n)}, "then": BOTH} for n in range(120))) is not None
    assert time.process_time() - began < 20


# ── conditions ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "rule",
    [
        {"when": {"all": [pages(at_least=5), pages(at_most=4)]}},
        {"when": {"all": [pages(exists=False), pages(at_least=0)]}},
        {"when": {"all": [CPR, CVR]}},
        {"when": {"field": "document_count", "equals": -1}},
        {"when": {"all": [{"field": "time_of_day", "before": "08:00"}, {"field": "time_of_day", "at_least": "08:00"}]}},
        {"when": {"all": [{"field": "received_at", "after": date(2026, 12, 2)}, {"field": "received_at", "before": date(2026, 12, 1)}]}},
        {"when": {"all": [{"field": "subject", "equals": "a"}, {"field": "subject", "starts": "b"}]}},
        {"when": {"all": [{"field": "subject", "starts": "a"}, {"field": "subject", "starts": "b"}]}},
        {"when": {"all": [{"field": "subject", "starts": "ab"}, {"not": {"field": "subject", "contains": "B"}}]}},
        {"when": {"all": [{"field": "submitter", "equals": "17"}, {"not": {"field": "submitter", "matches": "^17$"}}]}},
        {"when": {"all": [{"field": "case", "exists": False}, {"field": "case", "matches": "S"}]}},
        {"when": {"not": {"any": [CPR, CVR]}}},
        {"when": CPR, "unless": CPR},
        {"when": pages(at_least=5), "unless": pages(exists=True)},
    ],
)
def test_a_rule_that_never_matches_is_told(rule):
    assert codes(rule) == ["r1: contradiction"]


@pytest.mark.parametrize(
    "when",
    [
        {"all": [pages(exists=True), pages(equals=1)]},  # true and 1 are the same to Python
        {"all": [{"field": "file_names", "contains": "a"}, {"field": "file_names", "contains": "b"}]},
        {"all": [{"field": "subject", "starts": "ab"}, {"field": "subject", "ends": "ba"}]},
        {"all": [{"field": "subject", "equals": "abc"}, {"field": "subject", "matches": "ABC"}]},
        {"not": pages(at_least=0)},
    ],
)
def test_a_rule_that_may_match_is_not_called_a_contradiction(when):
    assert "r1: contradiction" not in codes({"when": when})


def test_the_ends_of_time_are_no_trouble():
    first, last = {"field": "received_at", "at_least": date(1, 1, 2)}, {"field": "received_at", "at_most": date(9999, 12, 31)}
    assert codes({"when": {"all": [first, last]}}) == []


@pytest.mark.parametrize(
    "when",
    [
        {"any": [CPR, CVR]},
        {"not": {"all": [CPR, CVR]}},
        {"field": "document_count", "at_least": 0},
        {"any": [pages(at_least=3), pages(at_most=2), pages(exists=False)]},
        {"any": [{"field": "subject", "contains": "a"}, {"not": {"field": "subject", "contains": "a"}}]},
    ],
)
def test_a_condition_that_holds_of_everything_is_told(when):
    assert codes({"when": when}) == ["r1: always-true"]


def test_unknown_pages_are_neither_few_nor_many():
    assert codes({"when": {"any": [pages(at_least=3), pages(at_most=2)]}}) == []


def test_an_exception_that_excepts_nothing_is_told():
    assert codes({"when": pages(at_least=5), "unless": pages(at_most=4)}) == ["r1: no-exception"]


def test_the_same_condition_twice_in_a_list_is_told():
    assert codes({"when": {"any": [CPR, pages(at_least=3), CPR]}}) == ["r1: asked-twice"]
    long = "x" * 200
    numbers = [{"field": "subject", "contains": number} for number in ("0101011234", "0202021234", f"{long}a", f"{long}b")]
    assert codes({"when": {"any": numbers}}) == [], "they only look alike, masked and cut, in the trail"


# ── questions without answer ────────────────────────────────────────────────


def test_a_field_of_the_other_direction_is_told():
    [finding] = found({"when": {"field": "sender_name", "contains": "x"}})
    assert finding.line() == (
        "rules.toml:1, rule r1: error: sender_name has a value only for inbound post, and this is a rule for outbound. "
        "Ask about another field, or give the rule the other `direction`."
    )


def test_a_flow_that_does_not_exist_is_told():
    [finding] = found({"when": {"field": "flow", "one_of": ["loen", "fravær"]}}, flows=["loen", "fravaer"])
    assert (finding.code, finding.remedy) == ("no-such-flow", 'Did you mean "fravaer"?')
    assert codes({"when": {"field": "flow", "equals": "default"}}) == []
    assert codes({"when": {"field": "flow", "equals": "fravaer"}}, more='[flows.fravaer]\ncase = "A"\n') == []


def test_an_empty_list_is_told():
    when = {"field": "submitter", "in_list": "ord"}
    assert codes({"when": when}, lists={"ord": frozenset()}) == ["r1: empty-list"]
    assert codes({"when": when}, lists={"ord": frozenset({"a"})}) == []


def test_dates_that_have_passed_and_missing_examples_are_told():
    assert codes({"to": date(2026, 11, 24)}) == ["r1: date-passed"]
    assert codes({"to": TODAY}) == []
    rule_set = Bundle(files={"rules.toml": rules_text([{"id": "a", "name": "A", "then": SEND}])}).rule_set({})
    assert [one.code for one in lint(rule_set, flows=[], lists={}, today=TODAY)] == ["no-example"]


# ── departments ─────────────────────────────────────────────────────────────


def department(name: str, substitute: str | None = None) -> str:
    more = "" if substitute is None else f'substitute = "{substitute}"\n'
    return f'[departments.{name}]\nname = "{name}"\naddresses = ["{name}@skole.example.dk"]\n{more}'


def test_substitutes_in_a_ring_are_told_once():
    more = department("a", "b") + department("b", "c") + department("c", "b") + department("d", "a")
    ring = [one for one in found({}, more=more) if one.code == "substitute-ring"]
    assert [one.says for one in ring] == ["[departments.b]: the substitutes stand in for each other in a ring (b → c → b)."]
    assert str(ring[0].place) == "rules.toml:9"


def test_a_department_that_nobody_names_is_told():
    notify = {"then": [*SEND, {"notify": "a"}]}
    assert [one.says for one in found(notify, more=department("a", "b") + department("b") + department("c"))] == [
        "[departments.c]: no rule forwards to c, or notifies it."
    ]
