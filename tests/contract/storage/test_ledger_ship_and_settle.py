"""Attempts and receipts: the same key over all tries, and receipts that end a sending whatever its state."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.model.submission import Blob
from gateway.ports import AttemptEnd


def test_only_the_first_rendering_counts(ledger, post, time_passes):
    post.ready()
    claim = post.claim()
    assert ledger.rendered(claim, Blob("1" * 64, 10))
    assert ledger.rendered(claim, Blob("2" * 64, 20))
    post.end(claim, "temporary", retry_in=timedelta(0))
    assert post.claim().item.shipment.rendered == Blob("1" * 64, 10)
    assert "1" * 64 in ledger.named_digests()


def test_the_intent_is_written_before_the_call(ledger, post):
    submission_id = post.ready()
    claim = post.claim()
    at = datetime.now(UTC)
    attempt = ledger.attempt_begun(claim, at)
    assert (attempt.number, attempt.at, attempt.outcome) == (1, at, "offered")
    assert [one["outcome"] for one in post.first_letter(submission_id)["attempts"]] == ["offered"]


def test_a_try_that_failed_for_now_comes_back_with_its_key(ledger, post, time_passes):
    submission_id = post.ready()
    first = post.claim()
    assert post.end(first, "temporary", code="GW-401", retry_in=timedelta(minutes=1))
    assert ledger.claim_shipments("send", 1) == []
    time_passes(timedelta(minutes=1, seconds=1))
    again = post.claim()
    assert again.item.shipment.key == first.item.shipment.key
    assert again.item.shipment.tries == 1
    assert post.end(again)
    attempts = post.first_letter(submission_id)["attempts"]
    assert [(one["number"], one["outcome"], one["code"]) for one in attempts] == [
        (1, "temporary", "GW-401"),
        (2, "taken", None),
    ]


def test_taken_is_sent_and_waits_for_the_business_receipt(ledger, post):
    submission_id, _ = post.sent()
    assert post.status(submission_id) == "sent"
    assert ledger.claim_shipments("send", 5) == []
    assert ledger.counts()["shipments.waiting"] == 1


def test_a_technical_receipt_of_the_answer_is_kept(ledger, post):
    submission_id = post.ready()
    claim = post.claim()
    receipt = post.receipt(claim.item.shipment.key, "received")
    post.end(claim, receipts=(receipt,))
    (kept,) = post.first_letter(submission_id)["receipts"]
    assert (kept["source_id"], kept["verdict"]) == (receipt.source_id, "received")
    assert post.status(submission_id) == "sent"


def test_refused_for_good_is_failed_with_its_reason(ledger, post):
    submission_id = post.ready()
    post.end(post.claim(), "permanent", code="HTTP 400", refusal=post.refusal("GW-402"))
    assert post.status(submission_id) == "failed"
    (shipment,) = post.first_letter(submission_id)["shipments"]
    assert (shipment["state"], shipment["refusal"]["code"]) == ("failed", "GW-402")


@pytest.mark.parametrize(("verdict", "status"), [("completed", "completed"), ("refused", "failed")])
def test_a_business_receipt_ends_the_sending(ledger, post, verdict, status):
    submission_id, (sendable,) = post.sent()
    receipt = post.receipt(sendable.shipment.key, verdict, remote_code="NOT_ALLOWED")
    (outcome,) = ledger.add_receipts([receipt])
    assert (outcome.known, outcome.news, outcome.shipment_id) == (True, True, sendable.shipment.id)
    assert post.status(submission_id) == status


def test_the_code_of_a_refusing_receipt_is_told(ledger, post):
    submission_id, (sendable,) = post.sent()
    ledger.add_receipts([post.receipt(sendable.shipment.key, "refused", remote_code="NOT_ALLOWED")])
    (shipment,) = post.first_letter(submission_id)["shipments"]
    assert (shipment["refusal"]["code"], shipment["code"]) == ("GW-402", "NOT_ALLOWED")
    assert "NOT_ALLOWED" in shipment["refusal"]["sentence"]


def test_the_same_receipt_again_is_no_news(ledger, post):
    submission_id, (sendable,) = post.sent()
    receipt = post.receipt(sendable.shipment.key)
    ledger.add_receipts([receipt])
    (again,) = ledger.add_receipts([receipt])
    assert (again.known, again.news) == (True, False)
    assert len(post.first_letter(submission_id)["receipts"]) == 1


def test_a_receipt_for_nothing_of_ours_is_kept_and_said(ledger, post):
    (outcome,) = ledger.add_receipts([post.receipt("00000000-0000-4000-8000-000000000000")])
    assert (outcome.known, outcome.news, outcome.shipment_id) == (False, True, None)
    assert ledger.counts()["receipts.unmatched"] == 1


def test_a_key_in_capitals_is_the_same_key(ledger, post):
    submission_id, (sendable,) = post.sent()
    ledger.add_receipts([post.receipt(sendable.shipment.key.upper())])
    assert post.status(submission_id) == "completed"


def test_a_receipt_before_the_answer_ends_the_sending_and_the_answer_does_not_undo_it(ledger, post):
    submission_id = post.ready()
    claim = post.claim()
    attempt = ledger.attempt_begun(claim, datetime.now(UTC))
    ledger.add_receipts([post.receipt(claim.item.shipment.key)])
    assert post.status(submission_id) == "completed"
    end = AttemptEnd(outcome="unknown", code="GW-401", retry_in=timedelta(0))
    assert ledger.attempt_ended(claim, attempt, end)
    assert post.status(submission_id) == "completed"
    assert ledger.claim_shipments("send", 5) == []


def test_a_receipt_during_the_wait_for_the_next_try_cancels_the_try(ledger, post):
    submission_id = post.ready()
    claim = post.claim()
    post.end(claim, "unknown", retry_in=timedelta(0))
    ledger.add_receipts([post.receipt(claim.item.shipment.key, "received")])
    assert post.status(submission_id) == "sent"
    assert ledger.claim_shipments("send", 5) == []


def test_a_claimed_shipment_that_is_settled_meanwhile_is_not_offered(ledger, post):
    post.ready()
    claim = post.claim()
    ledger.add_receipts([post.receipt(claim.item.shipment.key)])
    assert ledger.attempt_begun(claim, datetime.now(UTC)) is None
    assert not ledger.rendered(claim, Blob("1" * 64, 1))


@pytest.mark.parametrize("order", [("completed", "refused"), ("refused", "completed")])
def test_of_contradicting_receipts_completed_wins_and_the_contradiction_is_noted(ledger, post, order):
    submission_id, (sendable,) = post.sent()
    for verdict in order:
        ledger.add_receipts([post.receipt(sendable.shipment.key, verdict)])
    assert post.status(submission_id) == "completed"
    assert "contradiction" in post.history(submission_id)


def test_a_late_receipt_completes_what_a_person_gave_up(ledger, post, time_passes):
    submission_id, (sendable,) = post.sent()
    time_passes(timedelta(hours=25))
    ledger.overdue_receipts(timedelta(hours=24), 5)
    ledger.handled(submission_id, "ole", "asked by telephone")
    assert post.status(submission_id) == "handled"
    ledger.add_receipts([post.receipt(sendable.shipment.key)])
    assert post.status(submission_id) == "completed"


def test_a_refusal_a_person_dealt_with_does_not_come_back_when_said_again(ledger, post):
    submission_id, (sendable,) = post.sent()
    ledger.add_receipts([post.receipt(sendable.shipment.key, "refused")])
    ledger.handled(submission_id, "ole", "sent on paper")
    ledger.add_receipts([post.receipt(sendable.shipment.key, "refused")])
    assert post.status(submission_id) == "handled"


def test_a_missing_receipt_is_reported_once(ledger, post, time_passes):
    submission_id, (sendable,) = post.sent()
    day = timedelta(hours=24)
    assert ledger.overdue_receipts(day, 5) == []
    time_passes(day + timedelta(seconds=1))
    assert ledger.overdue_receipts(day, 5) == [sendable.shipment.id]
    assert ledger.overdue_receipts(day, 5) == []
    assert post.status(submission_id) == "sent"
    assert [one["id"] for one in ledger.list_submissions(unhandled=True)] == [submission_id]
    ledger.add_receipts([post.receipt(sendable.shipment.key)])
    assert ledger.list_submissions(unhandled=True) == []


def test_a_settled_sending_is_never_overdue(ledger, post, time_passes):
    _, (sendable,) = post.sent()
    ledger.add_receipts([post.receipt(sendable.shipment.key)])
    time_passes(timedelta(days=9))
    assert ledger.overdue_receipts(timedelta(hours=24), 5) == []


def test_shipments_to_a_paused_destination_wait(ledger, post):
    post.ready(archive=True)
    assert ledger.claim_shipments("send", 5, paused=["digital-post"]) == []
    assert len(ledger.claim_shipments("send", 5, paused=["another"])) == 1


def test_a_claim_asks_for_one_kind(ledger, post):
    post.ready(archive=True)
    assert [claim.item.shipment.kind for claim in ledger.claim_shipments("archive", 5)] == ["archive"]
    assert [claim.item.shipment.kind for claim in ledger.claim_shipments("send", 5)] == ["send"]


def test_a_sendable_has_the_letter_and_its_submitter(ledger, post):
    submission_id = post.ready()
    sendable = post.claim().item
    assert (sendable.letter.id, sendable.submitter) == (f"{submission_id}.1", "anna")


def archive_first(ledger, post, verdict):
    submission_id, (sendable,) = post.sent(archive=True)
    post.end(post.claim("archive"))
    assert ledger.claim_shipments("archive", 5) == []
    ledger.add_receipts([post.receipt(sendable.shipment.key, verdict)])
    return submission_id


def receipt_first(ledger, post, verdict):
    submission_id, (sendable,) = post.sent(archive=True)
    ledger.add_receipts([post.receipt(sendable.shipment.key, verdict)])
    post.end(post.claim("archive"))
    return submission_id


def with_the_answer(ledger, post, verdict):
    submission_id = post.ready(archive=True)
    post.end(post.claim("archive"))
    claim = post.claim()
    post.end(claim, receipts=(post.receipt(claim.item.shipment.key, verdict),))
    return submission_id


@pytest.mark.parametrize("verdict", ["completed", "refused"])
@pytest.mark.parametrize("road", [archive_first, receipt_first, with_the_answer])
def test_a_final_receipt_follows_the_letter_into_the_archive_once(ledger, post, road, verdict):
    submission_id = road(ledger, post, verdict)
    claim = post.claim("archive")
    shipment = claim.item.shipment
    assert (shipment.part, shipment.destination) == ("receipt", "builtin")
    assert shipment.settings == (("case", "2026-17"),)
    assert [receipt.verdict for receipt in claim.item.receipts] == [verdict]
    assert claim.item.receipts[0].raw == b"<receipt/>"
    keys = [one["key"] for one in post.first_letter(submission_id)["shipments"]]
    assert shipment.key in keys
    assert len(set(keys)) == 3
    post.end(claim)
    ledger.add_receipts([post.receipt(post.first_letter(submission_id)["uuid"], verdict)])
    assert ledger.claim_shipments("archive", 5) == []


def test_a_technical_receipt_alone_is_not_archived_yet(ledger, post):
    _, (sendable,) = post.sent(archive=True)
    post.end(post.claim("archive"))
    ledger.add_receipts([post.receipt(sendable.shipment.key, "received")])
    assert ledger.claim_shipments("archive", 5) == []


def test_archiving_that_failed_does_not_touch_the_sending(ledger, post):
    submission_id, _ = post.sent(archive=True)
    post.end(post.claim("archive"), "permanent", refusal=post.refusal("GW-422"))
    letter = post.first_letter(submission_id)
    assert (letter["send"], letter["archive"]) == ("sent", "failed")
    assert post.status(submission_id) == "sent"
    assert [one["id"] for one in ledger.list_submissions(unhandled=True)] == [submission_id]
