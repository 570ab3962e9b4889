"""What the lint says is surely so is so: random rule sets, random post, and no claim is ever refuted.

The generators draw from few words and small numbers, so that rules meet often; each test counts its
claims, and fails if there were too few to mean anything.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rules_text import rules_text

from gateway.model.danish_time import WEEKDAYS
from gateway.model.decision import Facts
from gateway.rules.bundle import Bundle
from gateway.rules.cover import Judge
from gateway.rules.engine import RuleSet
from gateway.rules.language import All, AnyOf, Condition, Not, Test, value_of
from gateway.rules.lint import lint
from gateway.rules.terms import terms_of
from gateway.rules.usual import usual_facts

TODAY = date(2026, 11, 25)
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
LISTS = {"ord": frozenset({"ab", "rykker"})}
DEPARTMENT = '[departments.loen]\nname = "Løn"\naddresses = ["loen@skole.example.dk"]\n'
PIECES = ["a", "b", "ab", "ba", "A", "17"]
TEXTS = ["", "a", "b", "ab", "Ab", "BA", "aba", "bab", "17", "1x7"]
NAMES = [(), ("a",), ("b",), ("a", "b"), ("AB", "17")]
HOURS = ["07:59", "08:00", "08:01", "12:00", "15:59", "16:00"]
LIMITS = st.integers(0, 5)


def one(field: str, operator: str, value: st.SearchStrategy) -> st.SearchStrategy[dict]:
    return value.map(lambda drawn: {"field": field, operator: drawn})


def counted(field: str, limits: st.SearchStrategy) -> list[st.SearchStrategy[dict]]:
    pairs = st.tuples(limits, limits).map(lambda pair: sorted(pair))
    return [
        *(one(field, operator, limits) for operator in ("at_least", "at_most")), one(field, "between", pairs),
    ]  # fmt: skip


def worded(field: str) -> list[st.SearchStrategy[dict]]:
    pieces = st.sampled_from(PIECES)
    return [
        *(one(field, operator, pieces) for operator in ("equals", "contains", "starts", "ends")),
        one(field, "one_of", st.lists(pieces, min_size=1, max_size=3)),
        one(field, "matches", st.sampled_from(["a", "^a", "b$", "(?i)ab", "^$", "17", "x*"])),
        one(field, "exists", st.booleans()),
        one(field, "in_list", st.just("ord")),
    ]


PAGES = [
    *counted("pages", LIMITS),
    one("pages", "equals", LIMITS),
    one("pages", "one_of", st.lists(LIMITS, min_size=1, max_size=3)),
    one("pages", "exists", st.booleans()),
]
TESTS = st.one_of(
    *PAGES,
    *counted("time_of_day", st.sampled_from(HOURS)),
    *(one("time_of_day", operator, st.sampled_from(HOURS)) for operator in ("before", "after")),
    *(one("received_at", operator, st.just(TODAY)) for operator in ("before", "after", "at_least", "at_most")),
    one("size_bytes", "at_least", st.sampled_from([0, 1, "1 kB"])),
    one("recipient_kind", "equals", st.sampled_from(["cpr", "cvr"])),
    one("weekday", "one_of", st.lists(st.sampled_from(WEEKDAYS), min_size=1, max_size=7)),
    one("copy", "equals", st.booleans()),
    one("reply_allowed", "equals", st.booleans()),
    one("reply_allowed", "exists", st.booleans()),
    *worded("subject"),
    *worded("sidecar.felt"),
    one("file_names", "contains", st.sampled_from(["a", "b"])),
    one("file_names", "exists", st.booleans()),
)


def trees(tests: st.SearchStrategy[dict], leaves: int) -> st.SearchStrategy[dict]:
    """Conditions: two of three are a single test, as in real rules."""
    deep = st.recursive(
        tests,
        lambda inner: st.one_of(
            st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"all": parts}),
            st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"any": parts}),
            inner.map(lambda part: {"not": part}),
        ),
        max_leaves=leaves,
    )
    return st.one_of(tests, tests, deep)


ACTIONS = st.sampled_from(
    [
        [{"send": "digital-post"}],
        [{"send": "digital-post"}, {"archive": "archive"}],
        [{"send": "paper"}],
        [{"archive": "archive", "case": "{{ sidecar.felt }}"}],
        [{"archive": "archive", "case": "A-{{ year }}"}],
        [{"hold": "x"}],
        [{"reject": "y"}],
        [{"approve": "z", "keys": 1}, {"send": "digital-post"}],
        [{"set": {"lane": "hurtig"}}],
        [{"notify": "loen"}],
    ]
)
REFUSAL = st.just({"field": "refused_by", "contains": "digital-post"})


def rules(conditions: st.SearchStrategy[dict]) -> st.SearchStrategy[list[dict]]:
    rule = st.fixed_dictionaries(
        {"then": ACTIONS},
        optional={
            "when": conditions,
            "unless": conditions,
            "next": st.sampled_from(["fortsæt", "stop"]),
            "mode": st.sampled_from(["aktiv", "aktiv", "aktiv", "skygge", "fra"]),
            "to": st.just(date(2026, 12, 1)),
        },
    ).filter(lambda rule: "unless" not in rule or "when" in rule)
    return st.lists(rule, min_size=2, max_size=6)


HALVES = st.sampled_from(
    [
        {"field": "recipient_kind", "equals": "cpr"},
        {"field": "recipient_kind", "equals": "cvr"},
        {"field": "copy", "equals": True},
        {"field": "copy", "equals": False},
        {"field": "pages", "at_least": 3},
        {"field": "pages", "at_most": 2},
        {"field": "pages", "exists": False},
        {"field": "subject", "equals": "a"},
        {"not": {"field": "subject", "equals": "a"}},
    ]
)
DECIDING = st.sampled_from([[{"send": "digital-post"}], [{"reject": "y"}], [{"send": "paper"}, {"notify": "loen"}]])
HALVED = st.lists(st.fixed_dictionaries({"when": HALVES, "then": DECIDING}), min_size=4, max_size=8)
FALLING_BACK = st.lists(st.fixed_dictionaries({"when": HALVES | REFUSAL, "then": DECIDING}), min_size=3, max_size=6)
# Of few tests, so that the rules of one set meet each other.
SETS = st.one_of(HALVED, FALLING_BACK, rules(trees(st.one_of(*PAGES), 4)), rules(trees(st.one_of(TESTS, REFUSAL), 6)))


def read(written: list[dict]) -> RuleSet:
    tables = [{"id": f"r{number}", "name": "R", **rule} for number, rule in enumerate(written)]
    return Bundle(files={"rules.toml": rules_text(tables) + DEPARTMENT}).rule_set(LISTS)


def items(seed: int, count: int, *, refused: bool) -> list[Facts]:
    """*count* random letters; a destination has refused some of them if *refused*."""
    chance = random.Random(seed)
    pick = chance.choice
    return [
        replace(
            usual_facts("outbound"),
            pages=pick([None, 0, 1, 2, 3, 4, 5, 6]), time_of_day=pick(HOURS), size_bytes=pick([0, 1, 999, 1000, 10**6]),
            received_at=pick([NOON, NOON - timedelta(days=1), datetime(2026, 11, 24, 23, tzinfo=UTC), NOON + timedelta(days=30)]),
            recipient_kind=pick(["cpr", "cvr"]), weekday=pick(WEEKDAYS), copy=pick([True, False]),
            reply_allowed=pick([None, True, False]), subject=pick(TEXTS), file_names=pick(NAMES),
            sidecar=pick([{}, {"felt": pick(TEXTS)}]), refused_by=pick([(), ("digital-post",)]) if refused else (),
        )
        for _ in range(count)
    ]  # fmt: skip


def holds(condition: Condition | None, facts: Facts) -> bool:
    match condition:
        case None:
            return True
        case Test():
            return condition.holds(value_of(facts, condition.field))
        case Not(part=part):
            return not holds(part, facts)
        case All(parts=parts):
            return all(holds(part, facts) for part in parts)
        case AnyOf(parts=parts):
            return any(holds(part, facts) for part in parts)


def acting(rule_set: RuleSet, facts: Facts, released: list[str]) -> set[str]:
    """Ids of the rules that do something, or would in shadow mode."""
    decision = rule_set.decide(facts, released=released)
    steps = rule_set.explain(facts, decision)
    did = {step.rule for step in steps if step.state == "matched"}
    return did | ({action.rule for action in decision.shadow.actions} if decision.shadow else set())


SEEDS = st.integers(0, 2**32)
MANY = settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)


def test_no_rule_said_never_to_act_ever_acts():
    claims: Counter[str] = Counter()

    @MANY
    @given(written=SETS, seed=SEEDS)
    def look(written, seed):
        rule_set = read(written)
        found = {(one.code, one.rule) for one in lint(rule_set, flows=[], lists=LISTS, today=TODAY)}
        never = {rule for code, rule in found if code in ("shadowed", "unreachable", "contradiction")}
        late = {rule for code, rule in found if code == "acts-late"}
        claims.update(code for code, _ in found)
        if not (never or late):
            return
        chance = random.Random(seed)
        asks = rule_set.uses("refused_by")
        for facts in items(seed, 150, refused=asks):
            released = chance.sample([rule.id for rule in rule_set.rules], chance.choice([0, 0, 1, len(written) // 2]))
            acts = acting(rule_set, facts, released)
            assert not never & acts, facts
            if not (released or facts.refused_by):
                assert not late & acts, facts

    look()
    assert claims["shadowed"] > 100
    assert claims["unreachable"] > 5
    assert claims["contradiction"] > 10
    assert claims["acts-late"] > 5


def test_no_condition_said_to_hold_never_or_always_does_otherwise():
    claims: Counter[str] = Counter()
    halves = st.lists(HALVES, min_size=2, max_size=3)
    conditions = st.one_of(
        trees(TESTS, 8),
        halves.map(lambda parts: {"all": parts}),
        halves.map(lambda parts: {"any": parts}),
        st.tuples(HALVES, HALVES).map(lambda pair: {"any": [pair[0], {"all": [pair[1], {"not": pair[0]}]}, {"not": {"any": list(pair)}}]}),
    )
    rule = st.one_of(
        st.fixed_dictionaries({"when": conditions}, optional={"unless": trees(TESTS, 3)}),
        st.fixed_dictionaries({"when": HALVES, "unless": HALVES}),
    )

    @MANY
    @given(written=st.lists(rule, min_size=3, max_size=3), seed=SEEDS)
    def look(written, seed):
        rule_set = read([{**rule, "then": [{"notify": "loen"}], "next": "fortsæt"} for rule in written])
        told = {(one.code, one.rule) for one in lint(rule_set, flows=[], lists=LISTS, today=TODAY)}
        claims.update(code for code, _ in told)
        judged = [rule for rule in rule_set.rules if {("contradiction", rule.id), ("always-true", rule.id), ("no-exception", rule.id)} & told]
        for facts in items(seed, 150, refused=False) if judged else []:
            for rule in judged:
                when, unless = holds(rule.when, facts), rule.unless is not None and holds(rule.unless, facts)
                assert ("contradiction", rule.id) not in told or not when or unless
                assert ("always-true", rule.id) not in told or when
                assert ("no-exception", rule.id) not in told or not (when and unless)

    look()
    assert claims["contradiction"] > 5
    assert claims["always-true"] > 5
    assert claims["no-exception"] > 5


@MANY
@given(one=trees(TESTS, 6), others=st.lists(trees(TESTS, 6), min_size=1, max_size=3), seed=SEEDS)
def test_what_is_covered_is_covered_for_every_letter(one, others, seed):
    first, *rest = [rule.when for rule in read([{"when": when, "then": [{"hold": "x"}]} for when in (one, *others)]).rules]
    terms, by = terms_of(first), [terms_of(condition) for condition in rest]
    if terms is None or None in by:
        return
    if Judge("outbound").covered(terms, [term for alternatives in by for term in alternatives]) is not None:
        for facts in items(seed, 150, refused=False):
            assert not holds(first, facts) or any(holds(condition, facts) for condition in rest)


@MANY
@given(one=trees(st.one_of(*PAGES), 4), others=st.lists(trees(st.one_of(*PAGES), 4), min_size=1, max_size=3))
def test_of_numbers_everything_is_known(one, others):
    first, *rest = [rule.when for rule in read([{"when": when, "then": [{"hold": "x"}]} for when in (one, *others)]).rules]
    letters = [replace(usual_facts("outbound"), pages=pages) for pages in (None, *range(8))]
    truly = all(any(holds(condition, facts) for condition in rest) for facts in letters if holds(first, facts))
    terms, by = terms_of(first), [terms_of(condition) for condition in rest]
    if terms is None or None in by:
        return
    known = Judge("outbound").covered(terms, [term for alternatives in by for term in alternatives])
    assert (known is not None) == truly


def codes_of(pattern: str) -> set[str]:
    rule_set = read([{"when": {"field": "subject", "matches": pattern}, "then": [{"hold": "x"}]}])
    return {finding.code for finding in lint(rule_set, flows=[], lists={}, today=TODAY)}


@pytest.mark.parametrize("text", ["", "a", "7", " ", "\n", "ab", "a b", " a ", "\n\n", "Ærø", "æ\nø", "_-_"])
@pytest.mark.parametrize("pattern", ["x*", "(?i)faktura|.*", "(a|)", r"\b|\B", "()", "x?y*", "(?:^|)", "^", "$", "(?m)$"])
def test_a_pattern_said_to_be_found_in_every_text_is(pattern, text):
    assert "pattern-matches-all" in codes_of(pattern)
    rule_set = read([{"when": {"field": "subject", "matches": pattern}, "then": [{"hold": "x"}]}])
    assert holds(rule_set.rules[0].when, replace(usual_facts("outbound"), subject=text))


@pytest.mark.parametrize("pattern", ["^$", r"^\s*$", r"\B", r"\b", "a+", "(?m)^x*$", "^x*$", ".a*"])
def test_a_pattern_that_some_texts_have_not_is_not_said_to_be_found_in_every_text(pattern):
    assert "pattern-matches-all" not in codes_of(pattern)


@pytest.mark.parametrize("pattern", [".", ".+", "^.*$", "(?i)^.+$", "^.+?"])
def test_a_pattern_that_only_asks_for_a_letter_is_told(pattern):
    assert "pattern-matches-all" in codes_of(pattern)
