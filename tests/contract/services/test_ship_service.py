"""ship: the same key and the same bytes until somebody has it or said no; never a call without a claim."""

from __future__ import annotations

import uuid

import pytest

from gateway.errors import (
    ArchiveRefused,
    ArchiveUnavailable,
    DigitalPostAccessDenied,
    DigitalPostRefused,
    DigitalPostUnavailable,
    DiskFull,
    MemoRulesBroken,
    VaultDamaged,
)

BUSY = DigitalPostUnavailable(reason="503")


class Killed(BaseException):
    """As SIGKILL: no handler of ours sees it."""


def dies(road, kind="send") -> None:
    with pytest.raises(Killed):
        road.ship(kind)
    road.passes(seconds=61)


def test_a_letter_that_is_taken_waits_for_its_receipt_and_is_never_offered_again(road, events):
    submission, key = road.sent()
    assert road.status(submission) == "sent"
    road.passes(days=2)
    assert road.ship() == 0
    assert [call[0] for call in road.post.calls] == [key]
    assert uuid.UUID(key).version == 4
    assert [event["tries"] for event in events if event["event"] == "shipped"] == [1]


def test_every_try_has_the_same_uuid_and_the_same_bytes(road):
    submission = road.routed()
    road.post.errors = [BUSY, RuntimeError("a bug"), BUSY]
    for wait in (0, 2, 7, 20):
        road.passes(minutes=wait)
        assert road.ship() == 1
    assert len(road.post.calls) == 4
    assert len(set(road.post.calls)) == 1
    assert road.outcomes(submission) == ["temporary", "unknown", "temporary", "taken"]


def test_a_crash_between_the_bytes_and_the_attempt_offers_those_bytes_and_no_others(road):
    submission = road.routed()
    (claim,) = road.ledger.claim_shipments("send", 1)
    blob = road.post.render(claim.item)
    assert road.ledger.rendered(claim, blob)
    road.passes(seconds=61)
    assert road.ship() == 1
    assert road.post.calls == [(road.letter(submission)["uuid"], road.vault.read(blob))]


def test_a_crash_after_they_took_it_offers_it_again_under_the_same_key(road):
    submission = road.routed()
    road.post.errors = [Killed()]
    dies(road)
    assert road.outcomes(submission) == ["offered"]
    assert road.ship() == 1
    assert road.outcomes(submission) == ["offered", "taken"]
    assert len(road.post.calls) == 2
    assert len(set(road.post.calls)) == 1


def test_a_shipment_that_kills_the_process_three_times_is_held_and_the_others_go_on(road):
    submission = road.routed()
    road.post.errors = [Killed()] * 3
    for _ in range(3):
        dies(road)
    other = road.routed()
    assert road.ship() == 1
    assert road.ship() == 1
    assert road.ship() == 0
    assert (road.status(other), road.status(submission)) == ("sent", "held")
    assert road.shipment(submission)["refusal"]["code"] == "GW-504"
    road.ledger.retry(submission, "ole")
    assert road.ship() == 1
    assert road.status(submission) == "sent"
    mine = [call for call in road.post.calls if call[0] == road.letter(submission)["uuid"]]
    assert (len(mine), len(set(mine))) == (4, 1)


def test_temporary_failures_wait_ever_longer(road):
    road.routed()
    road.post.errors = [BUSY] * 6
    assert road.ship() == 1
    for minutes in (1, 5, 15, 60, 60, 60):
        road.waits_about(road.ship, minutes=minutes)


def test_they_may_say_how_long_to_wait(road):
    road.routed()
    road.post.errors = [DigitalPostUnavailable(reason="429", retry_after_seconds=1800)]
    assert road.ship() == 1
    road.passes(minutes=29)
    assert road.ship() == 0
    road.passes(minutes=2)
    assert road.ship() == 1


def test_they_cannot_make_us_come_back_sooner_than_we_would(road):
    road.routed()
    road.post.errors = [DigitalPostUnavailable(reason="429", retry_after_seconds=0.0)]
    assert road.ship() == 1
    road.waits_about(road.ship, minutes=1)


def test_no_means_no_and_the_submitter_is_told(road, events):
    submission = road.routed()
    road.post.errors = [DigitalPostRefused(remote_code="memo.invalid")]
    assert road.ship() == 1
    road.passes(days=2)
    assert road.ship() == 0
    assert (road.status(submission), road.outcomes(submission)) == ("failed", ["permanent"])
    refusal = road.shipment(submission)["refusal"]
    assert (refusal["code"], "memo.invalid" in refusal["sentence"]) == ("GW-402", True)
    assert [event["event"] for event in events][-1] == "failed"


def test_a_letter_that_can_never_be_written_fails_before_any_call(road):
    submission = road.routed()
    road.post.rendering.errors = [MemoRulesBroken(element="Label", rule="too long")]
    assert road.ship() == 1
    assert (road.status(submission), road.outcomes(submission)) == ("failed", ["permanent"])
    assert road.post.calls == []


@pytest.mark.parametrize("fault", [DiskFull(), VaultDamaged()])
def test_a_fault_of_ours_while_the_bytes_are_made_is_waited_for(road, fault):
    submission = road.routed()
    road.post.rendering.errors = [fault]
    assert road.ship() == 1
    assert (road.post.calls, road.outcomes(submission)) == ([], [])
    road.waits_about(road.ship, minutes=1)
    assert road.status(submission) == "sent"


def test_after_its_time_to_live_a_letter_is_given_up_and_a_person_may_try_again(road):
    submission = road.routed()
    key = road.letter(submission)["uuid"]
    road.post.errors = [BUSY] * 40
    hours = 0.0
    while road.status(submission) == "queued":
        road.ship()
        road.passes(minutes=20)
        hours += 1 / 3
    assert 22 < hours <= 25
    assert road.shipment(submission)["refusal"]["code"] == "GW-405"
    road.ledger.retry(submission, "ole")
    assert road.ship() == 1
    assert road.status(submission) == "queued", "a person's retry has a whole new time to live"
    road.waits_about(road.ship, minutes=1)
    road.post.errors = []
    road.waits_about(road.ship, minutes=5)
    assert road.status(submission) == "sent"
    assert {call[0] for call in road.post.calls} == {key}
    assert len(set(road.post.calls)) == 1


def test_the_last_try_is_at_the_end_of_its_time_and_not_an_hour_before(road):
    submission = road.routed()
    road.post.errors = [BUSY] * 5
    for minutes in (0, 2, 7, 20, 80):
        road.passes(minutes=minutes)
        assert road.ship() == 1
    road.passes(hours=20)
    road.post.errors = [BUSY]
    assert road.ship() == 1
    road.post.errors = [BUSY]
    road.passes(hours=1.6)
    assert road.ship() == 1
    road.passes(minutes=40)
    assert road.ship() == 1
    assert road.status(submission) == "sent"


def test_a_letter_is_not_given_up_before_the_time_they_told_us_to_come_back(road):
    """A long Retry-After must not end the time of a letter early."""
    submission = road.routed()
    road.passes(hours=23)
    road.post.errors = [DigitalPostUnavailable(reason="429", retry_after_seconds=7200)]
    assert road.ship() == 1
    assert road.status(submission) == "queued"
    road.passes(hours=2, seconds=1)
    assert road.ship() == 1
    assert road.status(submission) == "sent"


def test_no_access_pauses_the_destination_for_every_letter(road, events):
    first = road.routed()
    road.post.errors = [DigitalPostAccessDenied(status=401)]
    assert road.ship() == 1
    second = road.routed()
    assert road.ship() == 0, "the second would fail alike"
    assert [event["event"] for event in events].count("paused") == 1
    assert road.ship("archive") == 2, "the archive is another destination"
    road.passes(minutes=6)
    assert road.ship() == 2
    assert (road.status(first), road.status(second)) == ("sent", "sent")


def test_a_pause_does_not_use_up_the_time_of_a_letter(road):
    """No access until after a day, and then they are busy for a moment."""
    tried, waiting = road.routed(), road.routed("0202021234@dp.example.dk")
    road.passes(hours=23)
    for _ in range(14):
        road.post.errors = [DigitalPostAccessDenied(status=401)] * 2
        assert road.ship() == 2
        road.passes(minutes=5, seconds=1)
    road.post.errors = [BUSY, BUSY]
    assert road.ship() == 2
    assert (road.status(tried), road.status(waiting)) == ("queued", "queued")
    road.passes(hours=2)
    assert road.ship() == 2
    assert (road.status(tried), road.status(waiting)) == ("sent", "sent")


def test_a_bug_in_a_destination_is_an_unknown_outcome_and_tried_again(road, events):
    submission = road.routed()
    road.post.errors = [ValueError("0101011234")]
    assert road.ship() == 1
    assert road.outcomes(submission) == ["unknown"]
    (bug,) = [event for event in events if event["event"] == "bug"]
    assert "0101011234" not in str(bug)
    road.waits_about(road.ship, minutes=1)
    assert road.status(submission) == "sent"


def test_a_claim_that_grew_old_makes_no_call_and_does_not_count_as_a_crash(road):
    submission = road.routed()
    road.hours.step = 21  # seconds; of a lease of 60, a call may take 40
    for _ in range(4):
        assert road.ship() == 1
        assert (road.post.calls, road.outcomes(submission)) == ([], [])
    road.hours.step = 0
    assert road.ship() == 1
    assert road.status(submission) == "sent"


def test_whoever_lost_the_claim_does_not_call(road):
    submission = road.routed()
    render = road.post.render

    def another_node_is_quicker(sendable):
        road.post.render = render
        blob = render(sendable)
        road.lease_runs_out()
        assert road.new_ship("send", {"digital-post": road.post}).work() == 1
        return blob

    road.post.render = another_node_is_quicker
    assert road.ship() == 1
    assert len(road.post.calls) == 1
    assert road.outcomes(submission) == ["taken"]


def test_an_answer_that_comes_after_the_lease_is_dropped_and_theirs_counts(road):
    submission = road.routed()

    def another_node_is_quicker(sendable):
        road.post.meanwhile = lambda sendable: None
        road.lease_runs_out()
        assert road.new_ship("send", {"digital-post": road.post}).work() == 1

    road.post.meanwhile = another_node_is_quicker
    road.post.errors = [None, BUSY]
    assert road.ship() == 1
    assert road.status(submission) == "sent"
    assert len(set(road.post.calls)) == 1


def test_a_receipt_that_is_quicker_than_the_answer_counts(road):
    submission = road.routed()

    def completed(sendable):
        road.ledger.add_receipts([road.receipt(sendable.shipment.key)])

    road.post.meanwhile = completed
    road.post.errors = [BUSY]
    assert road.ship() == 1
    assert road.status(submission) == "completed"
    road.passes(days=1)
    assert road.ship() == 0


def test_archiving_fails_while_sending_completes_and_is_seen_and_retried_on_its_own(road):
    submission, key = road.sent()
    road.archive.errors = [ArchiveUnavailable(reason="down"), ArchiveRefused(reason="the case is closed")]
    road.ledger.add_receipts([road.receipt(key)])
    assert road.ship("archive") == 1
    road.waits_about(lambda: road.ship("archive"), minutes=1)
    letter = road.letter(submission)
    assert (letter["send"], letter["archive"], letter["unhandled"]) == ("completed", "failed", True)
    assert [one["id"] for one in road.ledger.list_submissions(unhandled=True)] == [submission]
    assert road.ledger.retry(submission, "ole") == [road.shipment(submission, "archive")["id"]]
    assert road.ship("archive") == 1
    assert road.letter(submission)["archive"] == "archived"
    assert (road.ship("archive"), road.ship()) == (1, 0), "the receipt follows into the archive"
    assert len(road.post.calls) == 1
    assert len({call[0] for call in road.archive.calls[:3]}) == 1


def test_sending_fails_while_archiving_goes_on(road):
    submission = road.routed()
    road.post.errors = [DigitalPostRefused(remote_code="x")]
    assert (road.ship(), road.ship("archive")) == (1, 1)
    letter = road.letter(submission)
    assert (letter["send"], letter["archive"]) == ("failed", "archived")


def test_one_slow_or_broken_letter_does_not_keep_the_others_back(road):
    submissions = [road.routed() for _ in range(3)]
    road.post.rendering.errors = [ValueError()]
    assert road.ship() == 3
    assert sorted(map(road.status, submissions)) == ["queued", "sent", "sent"]


def test_a_destination_that_was_taken_out_of_the_configuration_holds_its_letters(road):
    submission = road.routed()
    ship = road.new_ship("send", {})
    for _ in range(3):
        assert ship.work() == 1
        road.passes(seconds=61)
    assert road.status(submission) == "held"


def test_a_stop_begins_no_more_calls_and_what_was_claimed_is_due_again_uncounted(road):
    submissions = [road.routed() for _ in range(20)]
    ship = road.new_ship("send", {"digital-post": road.post})

    def rest_at_the_third(sendable):
        if len(road.post.calls) >= 3:
            ship.rest()

    road.post.meanwhile = rest_at_the_third
    ship.work()
    called = len(road.post.calls)
    assert 3 <= called <= 3 + 4, "only those that had begun already"
    assert ship.work() == 0
    taken = [road.shipment(one)["tries"] for one in submissions]
    assert sum(taken) == called, "what was put back was not tried"
    other = road.new_ship("send", {"digital-post": road.post})
    road.post.meanwhile = lambda sendable: None
    other.work()
    assert len(road.post.calls) == 20
