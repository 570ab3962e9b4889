"""settle: stored before confirmed; late, twice, unknown or contradicting receipts lose and double nothing."""

from __future__ import annotations

import pytest

from gateway.errors import DigitalPostUnavailable
from gateway.services.settle import PAGE

BUSY = DigitalPostUnavailable(reason="503")


def said(events, event: str) -> list:
    return [one for one in events if one["event"] == event]


def test_a_receipt_completes_its_letter_and_the_submitter_is_told(road, events):
    submission, key = road.sent()
    road.source.waiting = [road.receipt(key)]
    assert road.settle().work() == 1
    assert (road.status(submission), road.source.waiting) == ("completed", [])
    assert len(said(events, "settled")) == 1
    assert road.notices() == ["final"]


def test_a_receipt_is_confirmed_only_once_it_is_stored(road):
    submission, key = road.sent()
    road.source.waiting = [road.receipt(key)]
    seen = []
    road.source.on_confirm = lambda receipt: seen.append(road.status(submission))
    road.settle().work()
    assert seen == ["completed"]


def test_a_receipt_that_could_not_be_confirmed_comes_again_and_changes_nothing(road, events):
    submission, key = road.sent()
    road.source.waiting = [road.receipt(key)]
    road.source.confirming.errors = [BUSY]
    settle = road.settle()
    settle.work()
    assert (road.status(submission), len(road.source.waiting)) == ("completed", 1)
    assert said(events, "poll_failed")
    assert settle.work() == 1
    assert road.source.waiting == []
    assert len(said(events, "settled")) == 1
    assert len(road.letter(submission)["receipts"]) == 1
    assert road.notices() == ["final"]


def test_one_receipt_that_cannot_be_confirmed_does_not_keep_the_others_back(road):
    _, key = road.sent()
    road.source.waiting = [road.receipt(key) for _ in range(3)]
    road.source.confirming.errors = [BUSY]
    road.settle().work()
    assert len(road.source.confirmed) == 2


def test_when_nothing_can_be_confirmed_we_do_not_try_a_whole_page(road):
    _, key = road.sent()
    road.source.waiting = [road.receipt(key) for _ in range(50)]
    tried = []
    road.source.on_confirm = tried.append
    road.source.confirming.errors = [BUSY] * 50
    assert road.settle().work() == 50
    assert len(tried) < 5


def test_the_same_receipt_under_two_ids_is_one_completion_and_one_notice(road):
    submission, key = road.sent()
    road.source.waiting = [road.receipt(key), road.receipt(key)]
    assert road.settle().work() == 2
    assert road.status(submission) == "completed"
    assert road.notices() == ["final"]


def test_a_receipt_about_nothing_of_ours_is_kept_confirmed_and_alarmed(road, events):
    road.source.waiting = [road.receipt("0f0b1a0e-6a58-4e0c-9c60-6f4f3f0f8f43")]
    assert road.settle().work() == 1
    assert road.source.waiting == []
    assert [one["log_level"] for one in said(events, "receipt_unmatched")] == ["error"]
    assert road.ledger.counts()["receipts.unmatched"] == 1


@pytest.mark.parametrize("order", [("refused", "completed"), ("completed", "refused")])
def test_of_contradicting_receipts_the_recipient_who_has_it_wins_and_it_is_noted(road, order):
    submission, key = road.sent()
    road.source.waiting = [road.receipt(key, verdict, remote_code="x") for verdict in order]
    assert road.settle().work() == 2
    assert road.status(submission) == "completed"
    assert "contradiction" in [line["verb"] for line in road.show(submission)["history"]]


def test_a_late_completion_of_what_a_person_handled_is_news(road):
    submission, key = road.sent()
    road.source.waiting = [road.receipt(key, "refused", remote_code="x")]
    road.settle().work()
    assert (road.status(submission), road.notices()) == ("failed", ["final"])
    road.ledger.handled(submission, "ole", "sendt på papir")
    assert road.status(submission) == "handled"
    road.source.waiting = [road.receipt(key)]
    road.settle().work()
    assert (road.status(submission), road.notices()) == ("completed", ["final"])


def test_a_source_that_fails_is_asked_again_and_keeps_nobody_else_waiting(road, new_source, events):
    submission, key = road.sent()
    broken, road.source.waiting = new_source("broken"), [road.receipt(key)]
    broken.fetching.errors = [BUSY]
    settle = road.settle(broken, road.source)
    assert settle.work() == 1
    assert road.status(submission) == "completed"
    assert [one["source"] for one in said(events, "poll_failed")] == ["broken"]
    broken.waiting = [road.receipt(key)]
    assert settle.work() == 1


def test_a_source_is_emptied_page_by_page(road):
    _, key = road.sent()
    road.source.waiting = [road.receipt(key) for _ in range(PAGE + 5)]
    assert road.settle().work() == PAGE + 5
    assert road.source.waiting == []


def test_a_source_that_never_lets_go_of_a_receipt_is_not_asked_without_end(road):
    _, key = road.sent()
    stuck = [road.receipt(key) for _ in range(PAGE)]
    road.source.fetch = lambda limit: stuck
    road.source.confirm = lambda receipt: None
    assert road.settle().work() < 3 * PAGE


def test_only_one_node_polls_a_source_until_its_time_is_up(road):
    _, key = road.sent()
    first, second = road.settle(owner="node-1"), road.settle(owner="node-2")
    assert first.work() == 0
    road.source.waiting = [road.receipt(key)]
    assert (second.work(), len(road.source.waiting)) == (0, 1)
    assert first.work() == 1
    road.source.waiting = [road.receipt(key)]
    road.passes(seconds=61)
    assert second.work() == 1
    assert first.work() == 0


def test_a_letter_without_a_receipt_for_a_day_is_flagged_once_and_never_sent_again(road, events):
    submission, key = road.sent()
    settle = road.settle()
    assert settle.look_for_overdue() == 0
    road.passes(hours=25)
    assert (settle.look_for_overdue(), settle.look_for_overdue()) == (1, 0)
    assert len(said(events, "receipt_overdue")) == 1
    assert road.ship() == 0
    assert [one["id"] for one in road.ledger.list_submissions(unhandled=True)] == [submission]
    road.source.waiting = [road.receipt(key)]
    settle.work()
    assert road.ledger.list_submissions(unhandled=True) == []
