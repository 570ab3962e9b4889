"""From a message that a person gave to a department to a rule that would have, held against the post of the past."""

from datetime import UTC, datetime

import pytest

from gateway.errors import NotAllowedNow
from gateway.rules.bundle import Bundle
from gateway.services.distribute import to_department
from gateway.services.propose import propose, proposed_rule

from .test_inbound_services import RULES, Post

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.fixture
def post(ledger, vault, time_passes):
    return Post(ledger, vault, time_passes)


def assigned(post, title, department="kontor", **tags):
    """A message that no rule took, and a person gave to *department*."""
    shown = post.came(title, **tags)
    forwards = to_department(department, post.rules.departments[department], rule="Fordelt af a")
    post.ledger.assign_inbound(shown["id"], forwards, department=department, actor="cli:a")
    return shown["id"]


def proposal(post, item, department="kontor"):
    decision = post.ledger.inbound_decisions_of(item)[-1]
    return propose(decision, department, bundle=Bundle(files={"rules.toml": RULES}), lists={}, past=post.ledger.inbound_decisions_since(LONG_AGO))


def test_it_goes_by_who_wrote_and_the_most_exact_key_and_counts_what_it_takes(post):
    first = assigned(post, "Brev", message_code="AARSOPG", kle="27.36")
    second = assigned(post, "Andet brev", message_code="AARSOPG")
    post.came("Ukendt", message_code="AARSOPG")
    inbox = post.shown()["id"]
    taken = post.came("Din skat", message_code="AARSOPG")["id"]
    assigned(post, "Af en anden", message_code="AARSOPG", from_cvr="29189803")
    assigned(post, "Uden kode")
    found = proposal(post, first)
    assert 'equals = "19552101"' in found.rule
    assert 'equals = "AARSOPG"' in found.rule
    assert "27.36" not in found.rule
    assert (found.looked_at, set(found.there)) == (6, {first, second})
    assert set(found.elsewhere) == {(inbox, ""), (taken, "loen")}


def test_the_rule_it_proposes_decides_the_next_of_its_kind(post):
    item = assigned(post, "Brev", kle="27.36")
    post.rules = Bundle(files={"a.toml": proposal(post, item).rule, "rules.toml": RULES}).rule_set({})
    shown = post.came("Helt andet", kle="27.36")
    assert (shown["status"], shown["department"]) == ("distributed", "kontor")


def test_a_person_is_never_named_and_what_nothing_tells_apart_gives_no_rule(post):
    item = assigned(post, "Brev", from_cpr="0101011234", contact_point="cp-1")
    found = proposal(post, item)
    assert "010101" not in found.rule
    assert 'field = "contact_point"' in found.rule
    other = assigned(post, "Brev", from_cpr="0101011234")
    with pytest.raises(NotAllowedNow):
        proposal(post, other)


@pytest.mark.parametrize("text", ['a"b', "a\\b", "a\nb", "æøå", "'''", "\x7f\x00"])
def test_whatever_a_sender_writes_is_one_text_in_the_rule(post, text):
    item = assigned(post, "Brev", kle="27.36")
    facts = post.ledger.inbound_decisions_of(item)[-1].facts
    from dataclasses import replace

    rule = proposed_rule(replace(facts, message_code=text), "kontor", rule_id="x")
    made = Bundle(files={"a.toml": rule, "rules.toml": RULES}).rule_set({})
    assert made.decide(replace(facts, message_code=text)).rule == "x"
