"""route: never "not registered" by mistake, never off the end of the chain, never held twice by one rule."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from rules_text import rules_text

from gateway.errors import DigitalPostRefused
from gateway.rules.bundle import Bundle

HOLD = {"id": "hold-all", "name": "Alt ses først", "then": [{"hold": "Rektor vil se det."}]}
REJECT = {"id": "reject-all", "name": "Intet sendes", "then": [{"reject": "Brug papir."}]}
SEND = {"id": "send", "name": "Alt sendes", "then": [{"send": "digital-post"}]}


def when_reach(reach: str, then: str) -> dict:
    return {
        "id": f"if-{reach}", "name": f"Hvis {reach}", "when": {"field": "reach", "equals": reach},
        "then": [{"hold": then}],
    }  # fmt: skip


def read(road, *recipients: str) -> str:
    submission = road.accept(*recipients)
    assert road.read() == 1
    return submission


def test_a_registered_recipient_gets_one_shipment_to_send_and_one_to_archive(road, events):
    submission = read(road)
    assert road.route() == 1
    letter = road.letter(submission)
    assert (letter["send"], letter["archive"], letter["reach"]) == ("queued", "queued", "registered")
    keys = {one["key"] for one in letter["shipments"]}
    assert len(keys) == 2
    assert all(key[14] == "4" for key in keys)
    assert [event["event"] for event in events] == ["read", "routed"]


@pytest.mark.parametrize(
    ("reach", "code"), [("exempt", "GW-311"), ("unknown", "GW-312"), ("closed", "GW-313")]
)
def test_whom_digital_post_does_not_reach_waits_for_a_person_and_the_submitter_is_told_why(road, reach, code):
    road.rules = [when_reach(reach, reach), SEND]
    road.directory.reaches = [reach]
    submission = read(road)
    assert road.route() == 1
    letter = road.letter(submission)
    assert (letter["send"], letter["reach"], letter["refusal"]["code"]) == ("held", reach, code)
    assert letter["shipments"] == []
    assert road.notices() == ["held"]


def test_a_released_letter_goes_on_although_the_look_up_says_no(road):
    """A look-up may be stale (reference, 2.5): a person who releases the letter knows better."""
    road.rules = [when_reach("exempt", "exempt"), SEND]
    road.directory.reaches = ["exempt", "exempt"]
    submission = read(road)
    road.route()
    road.ledger.release(submission, "ole")
    assert road.route() == 1
    assert road.directory.asked == 2
    assert road.letter(submission)["send"] == "queued"


def test_a_letter_tried_again_looks_its_recipient_up_again(road):
    road.rules = [when_reach("exempt", "exempt"), SEND]
    road.directory.reaches = ["exempt", "exempt", "registered"]
    submission = read(road)
    road.route()
    road.ledger.retry(submission, "ole")
    assert road.route() == 1
    assert road.letter(submission)["send"] == "held", "still exempt"
    road.ledger.retry(submission, "ole")
    assert road.route() == 1
    assert road.letter(submission)["send"] == "queued"


def test_a_failed_look_up_waits_ever_longer_and_is_never_not_registered(road):
    road.directory.reaches = ["unavailable"] * 6
    submission = read(road)
    assert road.route() == 1
    for minutes in (1, 5, 15, 60, 60, 60):
        assert (road.status(submission), road.letter(submission)["reach"]) == ("queued", None)
        assert road.letter(submission)["code"] == "GW-406"
        assert road.letter(submission)["next_attempt"] is not None
        road.waits_about(road.route, minutes=minutes)
    assert (road.letter(submission)["reach"], road.shipment(submission)["state"]) == ("registered", "open")
    assert (road.letter(submission)["code"], road.letter(submission)["next_attempt"]) == (None, None)


def test_after_a_day_of_failed_look_ups_a_person_is_asked_and_may_try_again(road):
    road.directory.reaches = ["unavailable"] * 30
    submission = read(road)
    hours = 0.0
    while road.status(submission) != "held":
        assert road.route() == 1
        road.passes(minutes=80)
        hours += 80 / 60
    assert 20 < hours < 40
    letter = road.letter(submission)
    assert (letter["refusal"]["code"], letter["reach"]) == ("GW-406", None)
    assert road.notices() == ["held"]
    road.ledger.retry(submission, "ole")
    assert road.route() == 1
    assert road.status(submission) == "queued", "a person's retry is a fresh start"
    road.waits_about(road.route, minutes=1)
    assert road.shipment(submission)["state"] == "open"


def test_the_gateway_may_be_told_to_send_when_the_look_up_fails(road):
    road.directory.reaches = ["unavailable"]
    submission = read(road)
    assert road.route(on_lookup_failure="send") == 1
    assert (road.letter(submission)["reach"], road.letter(submission)["send"]) == ("unavailable", "queued")


@pytest.mark.parametrize(
    ("rule", "status", "code", "says"),
    [
        (HOLD, "held", "GW-321", "Brevet venter efter reglen »Alt ses først«: Rektor vil se det."),
        (REJECT, "rejected", "GW-320", "Brevet er afvist efter reglen »Intet sendes«: Brug papir."),
    ],
)
def test_a_rule_that_holds_or_rejects_says_so_in_its_own_words(road, rule, status, code, says):
    road.rules = [rule]
    submission = read(road)
    assert road.route() == 1
    letter = road.letter(submission)
    assert (letter["send"], letter["archive"]) == (status, "none")
    assert (letter["refusal"]["code"], letter["refusal"]["sentence"]) == (code, says)
    assert road.ledger.decisions_of(submission)[0].decision.rule == rule["id"]


def test_a_letter_released_from_a_rule_is_held_by_it_no_more_but_by_the_next(road):
    first = {**HOLD, "id": "a", "when": {"field": "channel", "equals": "smtp"}}
    road.rules = [first, {**first, "id": "b"}, SEND]
    submission = read(road)
    held_by = []
    for _ in range(2):
        assert road.route() == 1
        assert road.letter(submission)["send"] == "held"
        held_by.append(road.letter(submission)["rule"])
        road.ledger.release(submission, "ole")
    assert road.route() == 1
    assert held_by == ["a", "b"]
    assert (road.letter(submission)["send"], road.letter(submission)["rule"]) == ("queued", "send")


def test_the_last_rule_holds_for_ever_since_nothing_comes_after_it(road):
    road.rules = [HOLD]
    submission = read(road)
    road.route()
    road.ledger.release(submission, "ole")
    assert road.route() == 1
    assert road.letter(submission)["send"] == "held"


def test_a_destination_that_is_not_there_holds_the_letter_until_it_is(road):
    elsewhere = {**SEND, "id": "elsewhere", "when": {"field": "channel", "equals": "smtp"},
                 "then": [{"send": "e-boks"}]}  # fmt: skip
    road.rules = [elsewhere, SEND]
    submission = read(road)
    assert road.route() == 1
    letter = road.letter(submission)
    assert (letter["send"], letter["shipments"], letter["rule"]) == ("held", [], "elsewhere")
    assert "ingen vej ud" in letter["refusal"]["sentence"]
    road.ledger.release(submission, "ole")
    assert road.route(destinations=("digital-post", "archive", "e-boks")) == 1
    letter = road.letter(submission)
    assert [one["destination"] for one in letter["shipments"]] == ["e-boks"], "it did not hold, it was broken"


def test_what_one_destination_refused_the_rules_may_send_elsewhere(road):
    refused = {**HOLD, "id": "refused", "when": {"field": "refused_by", "contains": "digital-post"}}
    road.rules = [refused, SEND]
    submission, key = road.sent()
    road.ledger.add_receipts([road.receipt(key, "refused", remote_code="x")])
    assert road.ledger.pasts([f"{submission}.1"])[f"{submission}.1"].refused_by == ("digital-post",)


def test_a_bug_in_routing_is_tried_again_and_held_at_the_third_time(road):
    submission = read(road)
    road.directory.reach = lambda recipient: 1 / 0
    for _ in range(3):
        assert road.route() == 1
        road.passes(seconds=61)
    letter = road.letter(submission)
    assert (letter["send"], letter["refusal"]["code"]) == ("held", "GW-504")


def test_whoever_lost_the_claim_writes_no_shipment(road):
    submission = read(road)

    def another_node_is_quicker(recipient):
        road.passes(seconds=61)
        del road.directory.reach
        assert road.route() == 1
        return "exempt"

    road.directory.reach = another_node_is_quicker
    assert road.route() == 1
    assert road.letter(submission)["reach"] == "registered"
    assert len(road.ledger.decisions_of(submission)) == 1


# ── another way after a refusal ─────────────────────────────────────────────

PAPER = {
    "id": "paper", "name": "Papir", "when": {"field": "refused_by", "contains": "digital-post"},
    "then": [{"hold": "Send på papir ({{ refused_code | first }})"}],
}  # fmt: skip


def test_a_letter_that_was_refused_goes_the_way_that_the_rules_have_for_it(road):
    road.rules = [PAPER, SEND]
    submission, key = road.sent()
    road.ledger.add_receipts([road.receipt(key, "refused", remote_code="x")], reroute=True)
    assert road.notices() == [], "nothing is told before the rules were asked"
    assert road.route() == 1
    letter = road.letter(submission)
    assert (road.status(submission), letter["rule"], letter["refusal"]["code"]) == ("held", "paper", "GW-321")
    assert road.notices() == ["held"]
    assert len(letter["shipments"]) == 1, "never offered again under another key"


def test_without_another_way_a_refusal_is_told_as_it_is(road):
    road.rules = [{**PAPER, "when": {"field": "refused_by", "contains": "e-boks"}}, SEND]
    submission, key = road.sent()
    road.ledger.add_receipts([road.receipt(key, "refused", remote_code="x")], reroute=True)
    assert road.route() == 1
    assert road.route() == 0
    assert (road.status(submission), road.letter(submission)["rule"]) == ("failed", "send")
    assert road.notices() == ["final"]


def test_what_a_destination_refuses_at_once_is_asked_again_only_if_the_rules_care(road):
    for rules, status in (([PAPER, SEND], "held"), ([SEND], "failed")):
        road.rules = rules
        road.post.errors = [DigitalPostRefused(remote_code="x")]
        submission = road.routed()
        road.ship(asks_again=lambda: len(road.rules) > 1)
        road.route()
        assert road.status(submission) == status


# ── what a rule sets, asks and tells ────────────────────────────────────────


def test_what_a_rule_sets_travels_with_the_shipment_and_its_lane_is_kept(road):
    road.rules = [{**SEND, "then": [{"send": "digital-post"}, {"set": {"lane": "hurtig", "reply_allowed": True}}]}]
    submission = read(road)
    assert road.route() == 1
    assert road.shipment(submission)["settings"] == {"lane": "hurtig", "reply_allowed": "true"}


def test_approval_is_asked_for_before_anything_is_sent_and_then_all_is(road):
    road.rules = [{**SEND, "then": [{"approve": "Se først", "keys": 1}, {"send": "digital-post"}]}]
    submission = read(road)
    assert road.route() == 1
    letter = road.letter(submission)
    assert (letter["send"], letter["refusal"]["code"], letter["shipments"]) == ("held", "GW-324", [])
    assert "Se først" in letter["refusal"]["sentence"]
    road.ledger.approve(submission, "ole")
    assert road.route() == 1
    assert road.letter(submission)["send"] == "queued"


def test_no_rule_is_a_person_and_the_submitter_is_told(road):
    road.rules = [when_reach("exempt", "exempt")]
    submission = read(road)
    assert road.route() == 1
    letter = road.letter(submission)
    assert (letter["send"], letter["rule"], letter["refusal"]["code"]) == ("held", "ubehandlet", "GW-325")
    assert road.notices() == ["held"]


def test_a_rule_may_have_somebody_told(road):
    road.rules = [{**SEND, "then": [{"send": "digital-post"}, {"notify": "loen@skole.example.dk", "text": "Se {{ flow }}"}]}]
    read(road)
    assert road.route() == 1
    (claim,) = road.ledger.claim_notices(5)
    assert (claim.item.kind, claim.item.to, claim.item.rule.text) == ("rule", "loen@skole.example.dk", "Se default")


def test_the_text_of_the_document_is_read_only_if_a_rule_asks_and_never_kept(road):
    asked = []

    def texts(document):
        asked.append(document.role)
        return "Hermed en underretning"

    road.rules = [SEND]
    read(road)
    road.route(texts=texts)
    assert asked == []
    road.rules = [{**HOLD, "id": "text", "when": {"field": "text", "contains": "underretning"}}, SEND]
    submission = read(road)
    road.route(texts=texts)
    assert asked == ["main"]
    assert road.letter(submission)["rule"] == "text"
    (past,) = road.ledger.decisions_of(submission)
    assert past.facts.text is None


def test_the_rules_see_danish_time_and_the_letters_brothers(road):
    seen = []

    class Looking:
        version = "x"

        def addresses_of(self, name):
            return ()

        def uses(self, name):
            return False

        def decide(self, facts, *, released=()):
            seen.append(facts)
            return rule_set.decide(facts)

    rule_set = Bundle(files={"rules.toml": rules_text([SEND])}).rule_set({})
    road.accept(f"{'0101011234'}@dp.example.dk", "0202021234@dp.example.dk")
    road.read()
    road.chain = Looking()
    assert road.route() == 2
    here = seen[0].received_at.astimezone(ZoneInfo("Europe/Copenhagen"))
    assert (seen[0].time_of_day, seen[0].letters, seen[0].copies) == (f"{here:%H:%M}", 2, 0)
    assert seen[0].weekday == ("mandag", "tirsdag", "onsdag", "torsdag", "fredag", "lørdag", "søndag")[here.weekday()]
