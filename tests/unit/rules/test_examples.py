"""Examples beside the rules: they come out as told, or say what came instead."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from rules_text import rules_text

from gateway.rules.bundle import Bundle, read_rules
from gateway.rules.check import check
from gateway.rules.examples import ExampleResult, run_examples
from gateway.rules.usual import facts_from, usual_facts

CONFIG = Path(__file__).parents[3] / "config"
SEND = [{"send": "digital-post"}]
LARGE = {"field": "pages", "at_least": 100}


def results(example: dict, *more: dict, read_mail=None, **rule) -> list[ExampleResult]:
    """How *example* comes out beside a rule that holds large letters."""
    large = {"id": "large", "name": "Stort", "when": LARGE, "then": [{"hold": "Stort"}], **rule, "example": [{"name": "En", **example}]}
    text = rules_text([*more, large, {"id": "rest", "name": "Resten", "then": SEND}])
    return run_examples(Bundle(files={"rules.toml": text}).rule_set({}), read_mail=read_mail)


def says(example: dict, *more: dict, **rule) -> str:
    [result] = results(example, *more, **rule)
    assert result.passed is (not result.says)
    return result.says


@pytest.mark.parametrize(
    "example",
    [
        {"facts": {"pages": 100}},
        {"facts": {"pages": 99}, "matches": False},
        {"facts": {}, "matches": False, "rule": "rest"},
        {"facts": {"pages": 100}, "rule": "large", "then": [{"hold": "Stort"}]},
        {"facts": {}, "matches": False, "then": SEND},
    ],
)
def test_what_is_expected_comes(example):
    assert says(example) == ""


@pytest.mark.parametrize(
    ("example", "expected"),
    [
        ({"facts": {"pages": 9}}, "expected the rule to match, but it does not match (pages at_least 100: it was 9)."),
        ({"facts": {"pages": 100}, "matches": False}, "expected the rule to let it pass, but it matches."),
        ({"facts": {"pages": 100}, "rule": "rest"}, "expected rest to decide where it goes, but large did."),
        ({"facts": {"pages": 100}, "rule": "lrge"}, 'there is no rule "lrge". Did you mean "large"?'),
        ({"facts": {"pages": 100}, "then": [{"hold": "Stor"}]}, "expected hold Stor; got hold Stort."),
        ({"facts": {"page": 100}}, 'there is no fact "page". Did you mean "pages"?'),
        ({"facts": {"pages": "mange"}}, "the fact pages: expected a number, found text of 5 characters."),
        ({"facts": {"reach": "exemt"}}, "the fact reach: expected one of"),
        ({"facts": {"file_names": "a.pdf"}}, "the fact file_names: expected a list of texts, found text of 5 characters."),
        ({"facts": {"received_at": datetime(2026, 12, 1, 8)}}, "the fact received_at: the time has no zone. Add one"),  # noqa: DTZ001
        ({"facts": {"sender_name": "Skat"}}, "sender_name has a value only for inbound post, and this is a rule for outbound."),
        ({"mail": "examples/x.eml"}, "its mail cannot be read here."),
    ],
)
def test_what_does_not_come_is_told(example, expected):
    assert says(example).startswith(expected)


def test_why_a_rule_does_not_match_is_the_first_test_that_says_no():
    when = {"all": [{"field": "pages", "at_least": 1}, {"not": {"any": [{"field": "copy", "equals": True}, {"field": "subject", "starts": "Brev"}]}}]}
    assert "(subject starts brev: it was Brev)" in says({"facts": {}}, when=when)
    assert "its exception holds (pages at_least 3: it was 3)" in says({"facts": {}}, when={"field": "pages", "exists": True}, unless={"field": "pages", "at_least": 3})


@pytest.mark.parametrize(
    ("above", "told"),
    [
        ({"id": "a", "name": "A", "then": SEND}, "but rules above it had decided."),
        ({"id": "a", "name": "A", "then": [{"reject": "Nej"}]}, "but the chain ended above it."),
    ],
)
def test_a_rule_that_is_not_asked_says_why(above, told):
    assert told in says({"facts": {"pages": 100}}, above)


def test_an_example_has_its_own_place():
    [result] = results({"facts": {}})
    assert (result.rule, result.name, result.place.file) == ("large", "En", "rules.toml")


def test_an_example_of_a_rule_with_dates_comes_on_one_of_its_days():
    assert says({"facts": {"pages": 100}}, **{"from": date(2027, 3, 1)}) == ""
    assert says({"facts": {"pages": 100}}, to=date(2026, 1, 31)) == ""
    given = {"pages": 100, "received_at": date(2026, 11, 25)}
    assert "it is off then" in says({"facts": given}, **{"from": date(2027, 3, 1)})


def test_a_rule_that_is_off_has_no_results_and_one_in_shadow_mode_has():
    assert results({"facts": {"pages": 100}}, mode="fra") == []
    assert says({"facts": {"pages": 100}}, mode="skygge") == ""


def test_a_mail_may_give_several_letters_and_all_are_judged():
    letters = {"a.eml": [replace(usual_facts("outbound"), pages=100), replace(usual_facts("outbound"), pages=2)], "b.eml": []}

    def read(name: str):
        if name not in letters:
            raise FileNotFoundError(2, "No such file or directory")
        return letters[name]

    assert "it was 2" in results({"mail": "a.eml"}, read_mail=read)[0].says
    assert results({"mail": "b.eml"}, read_mail=read)[0].says == "its mail gives no letter."
    assert results({"mail": "c.eml"}, read_mail=read)[0].says == "its mail cannot be read (No such file or directory)."


def test_facts_are_read_as_rules_read_them():
    facts = facts_from({"size_bytes": "10 MB", "received_at": date(2026, 12, 24), "sidecar.felt": "x", "time_of_day": "07:00", "reach": "exempt"}, "outbound")
    assert (facts.size_bytes, facts.sidecar, facts.time_of_day, facts.reach) == (10_000_000, {"felt": "x"}, "07:00", "exempt")
    assert (facts.weekday, facts.bank_day) == ("torsdag", False), "as they follow from the day"
    assert facts_from({"received_at": datetime(2026, 12, 1, 23, 30, tzinfo=UTC)}, "outbound").time_of_day == "00:30"
    assert facts_from({"sender_name": "Skat"}, "inbound").sender_name == "Skat"


@pytest.mark.parametrize("name", ["rules.toml", "school", "municipality", "law-firm", "clinic", "housing"])
def test_the_examples_of_shipped_rules_come_out(name):
    outcome = run_examples(read_rules(CONFIG / name))
    assert [(one.rule, one.name, one.says) for one in outcome if not one.passed] == []


def test_a_set_with_a_failing_example_is_not_passed():
    text = rules_text([{"id": "a", "name": "A", "when": LARGE, "then": SEND, "example": [{"name": "En", "facts": {}}]}])
    found = check(Bundle(files={"rules.toml": text}), {}, destinations=["digital-post"], archives=[], flows=[], today=date(2026, 11, 25))
    assert [(one.code, one.level) for one in found.errors] == [("example-fails", "error")]
