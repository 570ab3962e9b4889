"""Replay and shadow mode: the same, another, or nobody any more; and why."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rules_text import rules_text

from gateway.model.decision import Facts
from gateway.model.rule_version import PastDecision
from gateway.rules.bundle import Bundle
from gateway.rules.compare import Comparison, ShadowReport, outcome_of
from gateway.rules.engine import RuleSet
from gateway.rules.usual import usual_facts

SEND = [{"send": "digital-post"}]
LARGE = {"field": "pages", "at_least": 100}
LETTER = usual_facts("outbound")


def rules(*tables: dict) -> RuleSet:
    text = rules_text({"name": f"Regel {table['id']}", "then": SEND, **table} for table in tables)
    return Bundle(files={"rules.toml": text}).rule_set({})


def past(rule_set: RuleSet, facts: Facts = LETTER, *, item: str = "F-1/1", acted: str | None = None, released=()) -> PastDecision:
    decision = rule_set.decide(facts, released=released)
    return PastDecision(id=1, item=item, at=facts.received_at, facts=facts, decision=decision, acted=acted)


ALL = rules({"id": "all"})


@pytest.mark.parametrize(
    ("before", "after", "outcome"),
    [
        (ALL, rules({"id": "everything"}), "same"),  # another id, the same wish
        (rules({"id": "a", "then": [*SEND, {"archive": "archive"}]}), rules({"id": "a", "then": [{"archive": "archive"}], "next": "fortsæt"}, {"id": "b"}), "same"),
        (ALL, rules({"id": "all", "then": [*SEND, {"archive": "archive"}]}), "different"),
        (rules({"id": "a", "then": [*SEND, {"archive": "archive", "case": "A"}]}), rules({"id": "a", "then": [*SEND, {"archive": "archive", "case": "B"}]}), "different"),
        (ALL, rules({"id": "large", "when": LARGE}), "unmatched"),
        (rules({"id": "large", "when": LARGE}), ALL, "different"),
        (rules({"id": "large", "when": LARGE}), rules({"id": "huge", "when": {"field": "pages", "at_least": 999}}), "same"),
    ],
)
def test_two_decisions_are_compared_by_what_they_want(before, after, outcome):
    assert outcome_of(before.decide(LETTER), after.decide(LETTER)) == outcome
    comparison = Comparison(after)
    assert comparison.add(past(before)) == outcome
    assert comparison.counts == {outcome: 1}


def test_differences_are_counted_by_rule_and_a_few_are_kept():
    comparison = Comparison(rules({"id": "large", "when": LARGE, "then": [{"hold": "Stort"}]}, {"id": "all"}), samples=2)
    for number in range(5):
        comparison.add(past(ALL, replace(LETTER, pages=200), item=f"F-{number}/1"))
        comparison.add(past(ALL, item=f"G-{number}/1"))
    assert comparison.counts == {"different": 5, "same": 5}
    assert comparison.by_rules == {("all", "large"): 5}
    assert [one.item for one in comparison.kept["all", "large"]] == ["F-0/1", "F-1/1"]


def test_why_shows_the_deciding_rules_of_both_sets():
    before = rules({"id": "few", "when": {"field": "pages", "at_most": 5}}, {"id": "other"}, {"id": "unused", "when": LARGE})
    after = rules({"id": "first", "when": LARGE}, {"id": "few", "when": {"field": "pages", "at_most": 2}}, {"id": "rest", "then": [{"hold": "Se først"}]})
    comparison = Comparison(after, earlier={before.version: before}.get)
    comparison.add(past(before))
    then, now = comparison.why(comparison.kept["few", "rest"][0])
    assert [(step.rule, step.state) for step in then] == [("few", "matched")]
    assert [(step.rule, step.state) for step in now] == [("few", "not matched"), ("rest", "matched")]
    assert (now[0].when.expected, now[0].when.seen) == ("2", "3")
    assert Comparison(after).why(comparison.kept["few", "rest"][0]) == ((), now)


def test_what_a_person_released_is_released_again():
    hold = rules({"id": "large", "when": LARGE, "then": [{"hold": "Stort"}]}, {"id": "all"})
    letter = past(hold, replace(LETTER, pages=200), acted="release", released=["large"])
    assert Comparison(hold, earlier={hold.version: hold}.get).add(letter) == "same"
    assert Comparison(hold).add(letter) == "different", "without the set of then nobody knows which rule it was"


def test_a_comparison_says_when_it_does_not_know_the_text():
    assert not Comparison(ALL).asks_text
    assert Comparison(rules({"id": "a", "when": {"field": "text", "contains": "x"}})).asks_text


# ── shadow mode ─────────────────────────────────────────────────────────────

WOULD_HOLD = rules({"id": "try", "mode": "skygge", "when": LARGE, "then": [{"hold": "Stort"}]}, {"id": "all"})
WOULD_SEND = rules({"id": "try", "mode": "skygge"}, {"id": "all", "then": [{"hold": "Se først"}]})


@pytest.mark.parametrize(
    ("rule_set", "acted", "agreed", "disagreed"),
    [
        (WOULD_HOLD, "discard", 1, 0),
        (WOULD_HOLD, "hold", 1, 0),
        (WOULD_HOLD, "release", 0, 1),
        (WOULD_HOLD, None, 0, 0),
        (WOULD_HOLD, "handled", 0, 0),
        (WOULD_SEND, "release", 1, 0),
        (WOULD_SEND, "approve", 1, 0),
        (WOULD_SEND, "discard", 0, 1),
    ],
)
def test_a_shadow_is_held_against_what_people_did(rule_set, acted, agreed, disagreed):
    report = ShadowReport()
    report.add(past(rule_set, replace(LETTER, pages=200), acted=acted))
    assert (report.would["try"], report.agreed["try"], report.disagreed["try"]) == (1, agreed, disagreed)
    assert report.nobody_acted("try") == 1 - agreed - disagreed
    assert report.samples == {"try": ["F-1/1"]}


def test_a_rule_that_would_only_add_something_gets_the_credit():
    report = ShadowReport()
    report.add(past(rules({"id": "try", "mode": "skygge", "then": [{"archive": "archive"}]}, {"id": "all"})))
    assert report.would == {"try": 1}


def test_no_shadow_counts_nothing_and_samples_are_few():
    report = ShadowReport(most_samples=2)
    report.add(past(ALL))
    for number in range(4):
        report.add(past(WOULD_SEND, item=f"F-{number}/1"))
    assert report.would == {"try": 4}
    assert report.samples == {"try": ["F-0/1", "F-1/1"]}
