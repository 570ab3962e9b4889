"""Rule sets: kept for ever, one of them decides, and nobody decides alone where two must."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import AwaitsApproval, NotAllowedNow, NotFound
from gateway.model.decision import Action, Decision, Shadow, Trail
from gateway.ports import RouteEnd, Told
from gateway.storage import decided, values

FIRST, SECOND, THIRD = "a" * 12, "123456789012", "c" * 12
FILES = {"rules.toml": "# Æ\n", "departments.toml": ""}
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def kept(ledger, *versions: str) -> None:
    for version in versions:
        ledger.keep_rules(FILES, version=version, author="anna")


def test_a_version_is_kept_as_it_was_first_given_and_has_a_number(ledger):
    first = ledger.keep_rules(FILES, version=FIRST, author="anna", note="Første")
    again = ledger.keep_rules({"x": "y"}, version=FIRST, author="bo")
    second = ledger.keep_rules(FILES, version=SECOND, author="bo")
    assert (first.number, again, second.number) == (1, first, 2)
    assert (first.files, list(first.files), first.author, first.note) == (FILES, list(FILES), "anna", "Første")
    assert ledger.rule_version(FIRST) == ledger.rule_version("1") == first
    assert ledger.rule_version(SECOND) == ledger.rule_version("2") == second
    for unknown in ("3", "x", THIRD, "9" * 30):
        with pytest.raises(NotFound):
            ledger.rule_version(unknown)


def test_none_decides_until_one_is_activated_and_then_the_last_one(ledger):
    assert ledger.active_rules() is None
    kept(ledger, FIRST, SECOND)
    ledger.activate_rules(FIRST, author="anna", kind="activate")
    assert ledger.active_rules() == FIRST
    ledger.activate_rules("2", author="bo", kind="activate")
    ledger.activate_rules(FIRST, author="anna", kind="rollback")
    assert ledger.active_rules() == FIRST
    told = [(one.number, one.author, one.kind, one.state) for one in ledger.rule_activations()]
    assert told == [
        (1, "anna", "rollback", "active"),
        (2, "bo", "activate", "past"),
        (1, "anna", "activate", "past"),
    ]
    with pytest.raises(NotAllowedNow):
        ledger.activate_rules(FIRST, author="bo", kind="activate")
    with pytest.raises(NotFound):
        ledger.activate_rules(THIRD, author="bo", kind="activate")


def test_what_starts_first_never_replaces_what_decides(ledger):
    kept(ledger, FIRST, SECOND)
    assert ledger.activate_rules(FIRST, author="gateway", kind="first").version == FIRST
    assert ledger.activate_rules(SECOND, author="gateway", kind="first").version == FIRST
    assert ledger.active_rules() == FIRST
    assert len(ledger.rule_activations()) == 1


def test_where_two_must_agree_nothing_changes_before_the_second_has(ledger):
    kept(ledger, FIRST, SECOND, THIRD)
    ledger.activate_rules(FIRST, author="anna", kind="activate")
    assert ledger.activate_rules(SECOND, author="anna", kind="activate", second=True).state == "pending"
    assert ledger.active_rules() == FIRST
    with pytest.raises(NotAllowedNow, match="Somebody else"):
        ledger.approve_rules(SECOND, approver="anna")
    with pytest.raises(NotAllowedNow, match="does not wait"):
        ledger.approve_rules(THIRD, approver="bo")
    ledger.activate_rules(THIRD, author="anna", kind="activate", second=True)
    with pytest.raises(NotAllowedNow, match="does not wait"):
        ledger.approve_rules(SECOND, approver="bo")
    approved = ledger.approve_rules(THIRD, approver="bo")
    assert (approved.state, approved.author, approved.approver) == ("active", "anna", "bo")
    assert approved.approved_at is not None
    assert ledger.active_rules() == THIRD
    assert [one.state for one in ledger.rule_activations()] == ["active", "withdrawn", "past"]


def test_the_past_has_the_latest_decision_of_each_letter_and_what_a_person_did_then(ledger, post):
    submission_id = post.read(letters=3)
    first, second, third = ledger.claim_unrouted(3)
    post.routed(first, [post.sending()], rule="a")
    post.routed(second, hold=post.refusal("GW-321"), rule="b")
    ledger.release(second.item.id, "ole")
    (again,) = ledger.claim_unrouted(3)[:1]
    post.routed(again, [post.sending()], rule="c")
    post.routed(third, hold=post.refusal("GW-321"), rule="d")
    ledger.discard(third.item.id, "ole", "Nej")
    past = ledger.decisions_since(LONG_AGO)
    told = [(one.item, one.decision.rule, one.acted) for one in past]
    assert told == [
        (f"{submission_id}.1", "a", None),
        (f"{submission_id}.2", "c", "release"),
        (f"{submission_id}.3", "d", "discard"),
    ]
    assert ledger.count_decisions_since(LONG_AGO) == 3
    page = ledger.decisions_since(LONG_AGO, limit=2)
    assert [one.item for one in page + ledger.decisions_since(LONG_AGO, after=page[-1].id)] == [one[0] for one in told]
    assert ledger.decisions_since(datetime.now(UTC) + timedelta(days=1)) == []


def test_a_letter_knows_its_brothers(ledger, post):
    claim = post.unread()
    letters = [post.letter(claim.item.id, place, copy=place == 3) for place in (1, 2, 3)]
    ledger.read_done(claim, title="T", letters=letters)
    past = ledger.pasts([letters[0].id])[letters[0].id]
    assert (past.letters, past.copies) == (3, 1)


def test_the_quick_lane_goes_first_and_the_slow_one_last(ledger, post):
    for lane in (2, 1, 0, 1):
        post.read()
        post.route(post.sending(lane=lane))
    first = [claim.item.letter.id for claim in ledger.claim_shipments("send", 2)]
    rest = [claim.item.letter.id for claim in ledger.claim_shipments("send", 2)]
    listed = [one["id"] for one in reversed(ledger.list_submissions())]
    slow, normal, quick, later = (f"{one}.1" for one in listed)
    assert (first, rest) == ([quick, normal], [later, slow])


# ── what is kept comes back ─────────────────────────────────────────────────

TEXT = st.text(max_size=5)
ACTIONS = st.builds(
    Action,
    kind=st.sampled_from(["send", "archive", "set"]),
    target=TEXT,
    settings=st.lists(st.tuples(TEXT, TEXT), max_size=2).map(tuple),
    rule=TEXT,
    by=TEXT,
)
BITS = st.integers(min_value=0, max_value=2**300)
DECISIONS = st.builds(
    Decision,
    rule=TEXT,
    version=TEXT,
    actions=st.lists(ACTIONS, max_size=3).map(tuple),
    trail=st.builds(Trail, asked=BITS, answers=BITS, matched=BITS, acted=BITS, closed=BITS, reached=BITS),
    shadow=st.none() | st.builds(Shadow, rule=TEXT, actions=st.lists(ACTIONS, max_size=2).map(tuple)),
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(decision=DECISIONS)
def test_a_decision_comes_back_as_it_was_kept(decision):
    row = {
        "rule": decision.rule,
        "version": decision.version,
        "actions": values.plain(decision.actions),
        "trail": decided.trail_row(decision.trail),
        "shadow": None if decision.shadow is None else values.plain(decision.shadow),
    }
    assert decided.decision(row) == decision


def test_facts_come_back_as_they_were_kept_but_for_the_text(post):
    facts = post.facts(file_names=("a.pdf",), sender_name="Bo", reply_allowed=False, letters=7, text="never")
    assert decided.facts(decided.facts_row(facts)) == replace(facts, text=None)
    assert "never" not in str(decided.facts_row(facts))
    assert decided.facts({**decided.facts_row(facts), "of a later version": 1}) == replace(facts, text=None)


# ── approval by several, and mails that rules want ──────────────────────────


def waiting_for_keys(post, keys: str) -> str:
    """A letter that waits for approval; its id."""
    post.read()
    (claim,) = post.ledger.claim_unrouted(1)
    ask = Action(kind="approve", target="Se først", settings=(("keys", keys),), rule="two", by="To")
    decision = replace(post.decision("send"), actions=(ask, Action(kind="send", target="digital-post", rule="send")))
    refusal = values.refusal_of(AwaitsApproval(rule="To", reason="Se først"))
    end = RouteEnd(decision=decision, facts=post.facts(), reach="registered", hold=refusal)
    assert post.ledger.routings_ended([(claim, end)]) == [True]
    return claim.item.id


def test_a_letter_waits_until_two_different_persons_have_approved_it(ledger, post):
    letter = waiting_for_keys(post, "2")
    with pytest.raises(NotAllowedNow, match="gateway approve"):
        ledger.release(letter, "anna")
    assert ledger.approve(letter, "anna") == [letter]
    with pytest.raises(NotAllowedNow, match="approved it already"):
        ledger.approve(letter, "anna")
    assert ledger.claim_unrouted(1) == []
    assert ledger.approve(letter, "bo") == [letter]
    (claim,) = ledger.claim_unrouted(1)
    assert claim.item.id == letter
    assert ledger.pasts([letter])[letter].released_from == {"two"}
    assert post.history(letter)[-3:] == ["approve", "approve", "release"]
    with pytest.raises(NotAllowedNow, match="Nothing here waits"):
        ledger.approve(letter, "cilie")


def test_one_key_may_be_enough_and_retry_never_stands_in_for_it(ledger, post):
    letter = waiting_for_keys(post, "1")
    ledger.retry(letter, "anna")
    assert ledger.pasts([letter])[letter].released_from == frozenset(), "routed again, and held again"
    letter = waiting_for_keys(post, "1")
    ledger.approve(letter, "anna")
    assert ledger.pasts([letter])[letter].released_from == {"two"}


def test_a_mail_that_a_rule_wants_is_written_once_and_says_no_title(ledger, post):
    post.read(letters=2)
    first, second = ledger.claim_unrouted(2)
    told = [Told(to="a@b.dk", rule="R", text="Se 0101011234"), Told(to="c@b.dk", rule="R", text="")]
    for claim in (first, second):
        post.routed(claim, hold=post.refusal("GW-321"), told=told)
    ledger.retry(first.item.id, "ole")
    (again,) = ledger.claim_unrouted(1)
    post.routed(again, hold=post.refusal("GW-321"), told=told)
    notices = [claim.item for claim in ledger.claim_notices(20)]
    mails = [(one.to, one.rule.letter, one.rule.text) for one in notices if one.kind == "rule"]
    assert sorted(mails) == [
        ("a@b.dk", first.item.id, "Se 010101-xxxx"),
        ("a@b.dk", second.item.id, "Se 010101-xxxx"),
        ("c@b.dk", first.item.id, ""),
        ("c@b.dk", second.item.id, ""),
    ]
    assert all(one.title == "" and len(one.letters) == 1 for one in notices if one.kind == "rule")
    assert [one.kind for one in notices if one.to == "anna@example.dk"] == ["held"]
