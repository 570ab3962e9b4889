"""The chain: each kind of action from the first rule that matches, and always a way in the end.

What the quick engine decides is compared with a slow one, written here as plainly as the promise is.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rules_text import rules_text

from gateway.model.decision import Facts
from gateway.rules.bundle import Bundle
from gateway.rules.engine import UNHANDLED, RuleSet

FACTS = Facts(
    channel="smtp", submitter="anna", submitter_kind="user", subject="Sag 2026-17", recipient_kind="cpr",
    reach="registered", document_count=1, media_type="application/pdf", pages=3, size_bytes=1000, case=None,
    received_at=datetime(2026, 11, 25, 12, 0, tzinfo=UTC),
)  # fmt: skip
DEPARTMENT = '[departments.loen]\nname = "Løn"\naddresses = ["loen@skole.example.dk"]\n'


def rules(text: str) -> RuleSet:
    """Rules in short: ``id: key = value | key = value`` a line."""
    told = []
    for line in text.strip().splitlines():
        rule_id, _, keys = line.strip().partition(": ")
        told.append(f'[[rule]]\nid = "{rule_id}"\nname = "Regel {rule_id}"\n' + keys.replace(" | ", "\n") + "\n")
    return Bundle(files={"rules.toml": "".join(told) + DEPARTMENT}).rule_set({})


def wants(decision) -> list[str]:
    return [f"{action.kind} {action.target}" for action in decision.actions]


ANNA = 'when = { field = "submitter", equals = "anna" }'
SEND = 'then = [ { send = "digital-post" } ]'


def test_each_kind_of_action_comes_from_the_first_rule_that_wants_it():
    decision = rules(f"""
        a: {ANNA} | then = [ {{ archive = "archive", case = "A" }} ]
        b: then = [ {{ send = "digital-post" }}, {{ archive = "archive", case = "B" }} ]
        c: then = [ {{ send = "e-boks" }}, {{ set = {{ lane = "hurtig" }} }} ]
    """).decide(FACTS)
    assert wants(decision) == ["archive archive", "send digital-post", "set lane"]
    assert [action.rule for action in decision.actions] == ["a", "b", "c"]
    assert (decision.rule, decision.actions[0].setting("case")) == ("b", "A")


def test_fortsaet_leaves_open_what_the_rule_decided():
    decision = rules(f"""
        a: next = "fortsæt" | {SEND}
        b: then = [ {{ send = "e-boks" }} ]
        c: then = [ {{ send = "paper" }} ]
    """).decide(FACTS)
    assert (wants(decision), decision.rule) == (["send digital-post", "send e-boks"], "a")


def test_stop_asks_no_later_rule():
    set_of = rules(f"""
        a: next = "stop" | {SEND}
        b: then = [ {{ archive = "archive" }} ]
    """)
    decision = set_of.decide(FACTS)
    assert wants(decision) == ["send digital-post"]
    assert [step.state for step in set_of.explain(FACTS, decision)] == ["matched", "not reached", "closed"]


def test_a_stop_before_anybody_said_where_it_goes_is_for_a_person():
    decision = rules('a: next = "stop" | then = [ { archive = "archive" } ]').decide(FACTS)
    assert (wants(decision), decision.rule) == (["hold Ingen regel passede"], UNHANDLED)


@pytest.mark.parametrize("word", ["hold", "reject"])
def test_what_is_held_or_rejected_goes_nowhere_else(word):
    decision = rules(f"""
        a: then = [ {{ archive = "archive" }}, {{ set = {{ lane = "langsom" }} }} ]
        b: then = [ {{ {word} = "Se her" }}, {{ notify = "loen" }} ]
        c: {SEND}
    """).decide(FACTS)
    assert wants(decision) == ["set lane", f"{word} Se her", "notify loen"]
    assert decision.rule == "b"


def test_a_hold_below_a_rule_that_sends_comes_too_late():
    decision = rules(f"""
        a: {SEND}
        b: then = [ {{ hold = "For sent" }} ]
    """).decide(FACTS)
    assert wants(decision) == ["send digital-post"]


def test_no_rule_is_a_person_and_the_last_link_is_always_there():
    set_of = rules(f'a: when = {{ field = "submitter", equals = "bo" }} | {SEND}')
    decision = set_of.decide(FACTS, released=[UNHANDLED])
    assert (decision.rule, wants(decision)) == (UNHANDLED, ["hold Ingen regel passede"])
    assert [step.state for step in set_of.explain(FACTS, decision)] == ["not matched", "matched"]


def test_a_released_rule_holds_no_more_and_still_does_the_rest():
    set_of = rules(f"""
        a: then = [ {{ approve = "Se først", keys = 2 }}, {{ send = "digital-post" }} ]
        b: {ANNA} | then = [ {{ hold = "Anna" }} ]
    """)
    assert wants(set_of.decide(FACTS)) == ["approve Se først", "send digital-post"]
    assert wants(set_of.decide(FACTS, released=["a"])) == ["send digital-post"]
    held = rules(f"""
        a: {ANNA} | then = [ {{ hold = "Anna" }} ]
        b: {SEND}
    """)
    decision = held.decide(FACTS, released=["a"])
    assert wants(decision) == ["send digital-post"]
    assert held.explain(FACTS, decision)[0].state == "overruled"


def test_a_destination_that_refused_is_passed_by():
    set_of = rules(f"""
        a: {SEND}
        b: when = {{ field = "refused_by", contains = "digital-post" }} | then = [ {{ hold = "Send på papir" }} ]
    """)
    assert wants(set_of.decide(FACTS)) == ["send digital-post"]
    assert wants(set_of.decide(replace(FACTS, refused_by=("digital-post",)))) == ["hold Send på papir"]


def test_a_rule_may_have_an_exception():
    set_of = rules(f"""
        a: {ANNA} | unless = {{ field = "pages", at_least = 5 }} | then = [ {{ hold = "Kort" }} ]
        b: {SEND}
    """)
    assert set_of.decide(FACTS).rule == "a"
    decision = set_of.decide(replace(FACTS, pages=5))
    assert decision.rule == "b"
    step = set_of.explain(replace(FACTS, pages=5), decision)[0]
    assert (step.when.answer, step.unless.answer) == (True, True)


def test_dates_are_danish_days_of_receipt():
    set_of = rules(f"""
        a: from = 2026-12-01 | to = 2026-12-01 | then = [ {{ hold = "Den dag" }} ]
        b: {SEND}
    """)
    first = datetime(2026, 11, 30, 23, 0, tzinfo=UTC)  # midnight in Denmark
    assert set_of.decide(replace(FACTS, received_at=first)).rule == "a"
    assert set_of.decide(replace(FACTS, received_at=first.replace(minute=0, hour=22))).rule == "b"
    assert set_of.decide(replace(FACTS, received_at=datetime(2026, 12, 1, 23, 0, tzinfo=UTC))).rule == "b"
    assert set_of.explain(FACTS, set_of.decide(FACTS))[0].state == "off"


def test_a_shadow_rule_only_says_what_it_would_have_done():
    set_of = rules(f"""
        a: mode = "skygge" | {ANNA} | then = [ {{ hold = "Anna" }} ]
        b: mode = "fra" | then = [ {{ hold = "Alt" }} ]
        c: {SEND}
    """)
    decision = set_of.decide(FACTS)
    assert wants(decision) == ["send digital-post"]
    assert decision.shadow is not None
    assert (decision.shadow.rule, wants(decision.shadow)) == ("a", ["hold Anna"])
    assert [step.state for step in set_of.explain(FACTS, decision)] == ["shadow", "off", "matched", "closed"]
    assert set_of.decide(replace(FACTS, submitter="bo")).shadow is None


def test_a_shadow_rule_that_would_change_nothing_is_silent():
    set_of = rules(f"""
        a: mode = "skygge" | {ANNA} | {SEND}
        b: {SEND}
    """)
    assert set_of.decide(FACTS).shadow is None


def test_texts_are_filled_in_with_facts_and_named_parts():
    set_of = rules(r"""
        a: when = { field = "subject", matches = '(?P<sagsnr>\d{4}-\d+)' } | then = [ { send = "digital-post" }, { archive = "archive", case = "S-{{ year }}-{{ sagsnr|upper }}", plan = "{{ flow }}" } ]
    """)
    archive = set_of.decide(FACTS).actions[1]
    assert (archive.setting("case"), archive.setting("plan")) == ("S-2026-2026-17", "default")


def test_what_cannot_be_filled_in_waits_for_a_person_and_names_what_is_missing():
    set_of = rules(f"""
        a: {SEND}
        b: then = [ {{ archive = "archive", case = "{{{{ case }}}}" }} ]
    """)
    decision = set_of.decide(FACTS)
    assert wants(decision) == ["hold Reglen »Regel b« kunne ikke udfyldes: case mangler"]
    assert wants(set_of.decide(replace(FACTS, case="S-1"))) == ["send digital-post", "archive archive"]
    assert wants(set_of.decide(FACTS, released=["b"])) == ["send digital-post"], "a person let it go on without"
    filled = rules("a: then = [ { send = \"digital-post\" }, { set = { send_date = \"{{ subject }}\" } } ]").decide(FACTS)
    assert wants(filled) == ["hold Reglen »Regel a« gav en værdi, der ikke kan bruges"]


def test_inbound_post_has_rules_of_its_own():
    set_of = rules(f"""
        a: direction = "inbound" | when = {{ field = "sender_name", contains = "skat" }} | then = [ {{ forward = "loen" }} ]
        b: {SEND}
    """)
    letter = replace(FACTS, direction="inbound", sender_name="Skattestyrelsen")
    assert wants(set_of.decide(letter)) == ["forward loen"]
    assert wants(set_of.decide(replace(letter, sender_name="Bo"))) == ["hold Ingen regel passede"]
    assert wants(set_of.decide(FACTS)) == ["send digital-post"]


def test_the_text_is_asked_only_when_the_rest_does_not_decide():
    set_of = rules(f"""
        a: when = {{ all = [ {{ field = "text", contains = "x" }}, {{ field = "submitter", equals = "bo" }} ] }} | then = [ {{ hold = "x" }} ]
        b: {SEND}
        c: when = {{ field = "text", contains = "y" }} | then = [ {{ hold = "y" }} ]
    """)
    decision = set_of.decide(replace(FACTS, text="x"))
    steps = set_of.explain(FACTS, decision)
    assert steps[0].when.answer is False
    assert [part.answer for part in steps[0].when.parts] == [None, False]
    assert (steps[2].state, steps[2].when.answer) == ("closed", None)


# ── the quick engine and a plain one ────────────────────────────────────────

TESTS = [
    {"field": "submitter", "equals": "anna"},
    {"field": "submitter", "one_of": ["anna", "bo"]},
    {"field": "pages", "at_least": 3},
    {"field": "text", "contains": "x"},
    {"field": "copy", "equals": True},
    {"field": "flow", "starts": "f"},
]
ACTIONS = [
    [{"send": "digital-post"}],
    [{"send": "e-boks"}, {"archive": "archive"}],
    [{"archive": "archive", "case": "B"}],
    [{"hold": "x"}],
    [{"reject": "y"}, {"notify": "loen"}],
    [{"approve": "z", "keys": 1}, {"send": "digital-post"}],
    [{"set": {"lane": "hurtig", "copy": True}}],
    [{"set": {"lane": "langsom"}}, {"notify": "a@b.dk"}],
]
CONDITIONS = st.recursive(
    st.sampled_from(TESTS),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map(lambda parts: {"all": parts}),
        st.lists(inner, min_size=1, max_size=4).map(lambda parts: {"any": parts}),
        inner.map(lambda part: {"not": part}),
    ),
    max_leaves=12,
)
RULES = st.lists(
    st.fixed_dictionaries(
        {"then": st.sampled_from(ACTIONS)},
        optional={
            "when": CONDITIONS,
            "unless": CONDITIONS,
            "next": st.sampled_from(["fortsæt", "stop"]),
            "mode": st.sampled_from(["aktiv", "skygge", "fra"]),
            "from": st.just(date(2026, 11, 26)),
            "to": st.sampled_from([date(2026, 11, 24), date(2026, 12, 1)]),
        },
    ).filter(lambda rule: ("unless" not in rule or "when" in rule) and rule.get("to", date.max) >= rule.get("from", date.min)),
    min_size=1,
    max_size=7,
)
ANY_FACTS = st.builds(
    replace,
    st.just(FACTS),
    submitter=st.sampled_from(["anna", "bo", "cilie"]),
    pages=st.sampled_from([None, 2, 3]),
    text=st.sampled_from([None, "x", "y"]),
    copy=st.booleans(),
    flow=st.sampled_from(["default", "f"]),
    refused_by=st.sampled_from([(), ("digital-post",)]),
)


def holds(condition: dict, facts: Facts) -> bool:
    if "all" in condition:
        return all(holds(part, facts) for part in condition["all"])
    if "any" in condition:
        return any(holds(part, facts) for part in condition["any"])
    if "not" in condition:
        return not holds(condition["not"], facts)
    (operator, wanted), value = next((k, v) for k, v in condition.items() if k != "field"), getattr(facts, condition["field"])
    if value is None:
        return False
    return {
        "equals": lambda: value == wanted, "one_of": lambda: value in wanted, "at_least": lambda: value >= wanted,
        "contains": lambda: wanted in value, "starts": lambda: value.startswith(wanted),
    }[operator]()  # fmt: skip


def plainly(written: list[dict], facts: Facts, released: set[str], shadows: bool) -> set[str]:
    """What the promise says, step by step."""
    taken: list[str] = []
    closed: set[str] = set()
    day = date(2026, 11, 25)
    for number, rule in enumerate(written):
        if rule.get("mode") == "fra" or (rule.get("mode") == "skygge" and not shadows):
            continue
        if not rule.get("from", date.min) <= day <= rule.get("to", date.max):
            continue
        if "when" in rule and not holds(rule["when"], facts):
            continue
        if "unless" in rule and holds(rule["unless"], facts):
            continue
        groups: set[str] = set()
        mine: list[str] = []
        for action in rule["then"]:
            for kind, target in action["set"].items() if "set" in action else [next(iter(action.items()))]:
                group = f"set.{kind}" if "set" in action else "way" if kind in ("send", "hold", "reject") else kind
                if group in closed or (kind in ("hold", "approve") and f"r{number}" in released):
                    continue
                if kind == "send" and target in facts.refused_by:
                    continue
                groups.add(group)
                mine.append(f"set {kind}" if "set" in action else f"{kind} {target}")
        if not mine:
            continue
        taken += mine
        if any(one.startswith(("hold ", "reject ")) for one in mine):
            return {one for one in taken if one.startswith(("hold ", "reject ", "set ", "notify "))}
        if rule.get("next") != "fortsæt":
            closed |= groups
        if rule.get("next") == "stop":
            break
    if not any(one.startswith("send ") for one in taken):
        return {one for one in taken if one.startswith(("set ", "notify "))} | {"hold Ingen regel passede"}
    return set(taken)


@settings(max_examples=600, deadline=None)
@given(written=RULES, facts=ANY_FACTS, released=st.sets(st.sampled_from([f"r{n}" for n in range(7)]), max_size=3))
def test_the_engine_decides_as_promised(written, facts, released):
    text = rules_text({"id": f"r{number}", "name": "R", **rule} for number, rule in enumerate(written))
    set_of = Bundle(files={"rules.toml": text + DEPARTMENT}).rule_set({})
    decision = set_of.decide(facts, released=released)
    expected = plainly(written, facts, released, shadows=False)
    assert set(wants(decision)) == expected
    assert set_of.decide(facts, released=released) == decision, "asked twice, decided alike"
    would = plainly(written, facts, released, shadows=True)
    if decision.shadow is None:
        assert would == expected or settings_differ(written)
    else:
        assert set(wants(decision.shadow)) == would
    for step in set_of.explain(replace(facts, text=None), decision):
        assert (step.state == "matched") >= bool(step.actions)


def settings_differ(written: list[dict]) -> bool:
    """Two sets that differ only in a value: `plainly` does not look at those."""
    return any("set" in action for rule in written for action in rule["then"])
