"""guard: a rule that suddenly sends far more than it used to waits for a person; a person is told once."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from gateway.errors import NotFound
from gateway.model.danish_time import local
from gateway.services.guard import Guard
from gateway.storage import tables as t

SEND = {"id": "send", "name": "Alt sendes", "then": [{"send": "digital-post"}]}


def today():
    """Asked anew each time: a run may begin before midnight in Denmark and end after it."""
    return local(datetime.now(UTC)).date()


def past_days(ledger, rule: str, *counts: int) -> None:
    """Matches of *rule* yesterday, the day before, and so on."""
    with ledger._database.write() as tx:
        tx.insert(
            t.rule_days,
            [{"rule": rule, "day": (today() - timedelta(days=n)).isoformat(), "matches": count} for n, count in enumerate(counts, 1)],
        )


@pytest.fixture
def guard(road) -> Guard:
    made = Guard(road.ledger, road.hours, factor=2, minimum=2, history=3, tell=["drift@skole.example.dk"])
    road.rules = [SEND]
    return made


def letters(road, count: int, guard: Guard) -> list[str]:
    """Letters handed in and routed, one after the other; where each is."""
    found = []
    for _ in range(count):
        submission = road.accept()
        road.read()
        road.route(guard=guard)
        letter = road.letter(submission)
        found.append(letter["refusal"]["code"] if letter["refusal"] else letter["send"])
    return found


def test_matches_are_counted_by_rule_and_danish_day(road, guard):
    letters(road, 3, guard)
    assert road.ledger.rule_days(today()) == {"send": {today(): 3}}
    assert road.ledger.rule_days(today() + timedelta(days=1)) == {}


def test_a_rule_that_suddenly_matches_far_more_is_paused_and_what_it_would_send_is_held(road, guard, events):
    past_days(road.ledger, "send", 1, 2, 1)
    guard.look()
    assert letters(road, 4, guard) == ["queued", "queued", "GW-326", "GW-326"]
    (pause,) = road.ledger.pauses()
    assert (pause.rule, pause.seen, pause.usual) == ("send", 3, 1)
    assert [event["rule"] for event in events if event["event"] == "rule_paused"] == ["send"]
    told = [claim.item for claim in road.ledger.claim_notices(20) if claim.item.kind == "rule"]
    assert [(one.to, one.rule.rule) for one in told] == [("drift@skole.example.dk", "Alt sendes")]
    assert "gateway rules resume send" in told[0].rule.text


@pytest.mark.parametrize(
    ("past", "why"),
    [
        ((), "a new rule has no past"),
        ((1, 1), "two days say little"),
        ((9, 9, 9), "nine a day is usual here"),
    ],
)
def test_a_rule_is_not_judged_without_a_past_or_within_it(road, guard, past, why):
    past_days(road.ledger, "send", *past)
    guard.look()
    assert letters(road, 6, guard) == ["queued"] * 6, why


def test_another_node_and_a_restart_know_the_pause(road, guard):
    road.ledger.pause_rule("send", seen=9, usual=1)
    assert not road.ledger.pause_rule("send", seen=9, usual=1)
    other = Guard(road.ledger, road.hours, factor=2, minimum=2, history=3)
    other.look()
    assert letters(road, 1, other) == ["GW-326"]


def test_a_person_lets_the_rule_go_on_and_it_is_not_paused_again_that_day(road, guard):
    past_days(road.ledger, "send", 1, 1, 1)
    guard.look()
    letters(road, 3, guard)
    assert len(road.ledger.resume_rule("send", "ole")) == 1
    assert road.ledger.pauses() == []
    assert road.ledger.resumed_on(today()) == {"send"}
    fresh = Guard(road.ledger, road.hours, factor=2, minimum=2, history=3)
    fresh.look()
    assert road.route(guard=fresh) == 1
    assert letters(road, 3, fresh) == ["queued"] * 3
    with pytest.raises(NotFound):
        road.ledger.resume_rule("send", "ole")


def test_a_letter_that_a_person_releases_goes_although_the_rule_is_paused(road, guard):
    road.ledger.pause_rule("send", seen=9, usual=1)
    guard.look()
    submission = road.accept()
    road.read()
    road.route(guard=guard)
    road.ledger.release(submission, "ole")
    assert road.route(guard=guard) == 1
    assert road.letter(submission)["send"] == "queued"


def test_old_days_are_not_looked_at(road):
    past_days(road.ledger, "send", *[1] * 40)
    assert min(road.ledger.rule_days(today() - timedelta(days=30))["send"]) == today() - timedelta(days=30)
    assert date.min < today()
