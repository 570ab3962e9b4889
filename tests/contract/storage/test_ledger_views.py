"""What is shown: shapes that others read, and never a number."""

import json
from datetime import datetime, timedelta

import pytest

from gateway.errors import NotFound


def test_a_submission_is_shown_in_its_documented_shape(ledger, post):
    submission_id, (sendable,) = post.sent(archive=True)
    shown = ledger.show_submission(submission_id)
    assert {"id", "received_at", "channel", "submitter", "subject", "status", "letters"} <= shown.keys()
    assert datetime.fromisoformat(shown["received_at"]).utcoffset() == timedelta(0)
    assert (shown["channel"], shown["submitter"], shown["subject"]) == ("smtp", "anna", "Et brev")
    (letter,) = shown["letters"]
    assert letter.items() >= {
        "id": f"{submission_id}.1",
        "recipient": "010101-xxxx",
        "uuid": sendable.shipment.key,
        "send": "sent",
        "archive": "queued",
        "rule": "everything",
        "case": "2026-17",
        "receipts": [],
    }.items()
    assert letter["attempts"][0]["outcome"] == "taken"
    json.dumps(shown)


def test_letters_and_shipments_show_their_submission(ledger, post):
    submission_id, (sendable,) = post.sent()
    whole = ledger.show_submission(submission_id)
    assert ledger.show_submission(f"{submission_id}.1") == whole
    assert ledger.show_submission(sendable.shipment.id) == whole


@pytest.mark.parametrize("view", ["show_submission", "decisions_of"])
def test_what_there_is_not_is_not_shown(ledger, view):
    with pytest.raises(NotFound):
        getattr(ledger, view)("F-2026-0000-0000")


def test_no_view_holds_a_number(ledger, post):
    number = "0101011234"
    claim = post.unread(recipients=[f"{number}@dp.example.dk", "send+010101-1234@dp.example.dk"])
    title = "Om 010101-1234"
    ledger.read_done(claim, title=title, letters=[post.letter(claim.item.id)], notes=[title])
    post.route(post.sending())
    ledger.hold(claim.item.id, "ole", title)
    refused = post.unread(recipients=[f"{number}@dp.example.dk"])
    ledger.read_refused(refused, post.refusal("GW-222"), title=title, silent=False)
    views = [
        ledger.list_submissions(),
        *(ledger.show_submission(one) for one in (claim.item.id, refused.item.id)),
        ledger.decisions_of(claim.item.id),
        ledger.counts(),
    ]
    shown = json.dumps(views, default=str)
    assert number not in shown
    assert "010101-1234" not in shown
    assert "010101-xxxx" in shown


def test_the_newest_are_listed_first_and_no_more_than_asked_for(ledger, post):
    first, second, third = (post.received() for _ in range(3))
    assert [one["id"] for one in ledger.list_submissions(limit=2)] == [third, second]
    assert first in {one["id"] for one in ledger.list_submissions()}


def test_the_list_can_be_narrowed_to_one_status(ledger, post):
    sent, _ = post.sent()
    held = post.read()
    post.route(hold=post.refusal())
    refused = post.unread()
    ledger.read_refused(refused, post.refusal(), title="", silent=False)
    queued = post.read()
    received = post.received()

    def listed(status):
        return [one["id"] for one in ledger.list_submissions(status=status)]

    assert listed("sent") == [sent]
    assert listed("held") == [held]
    assert listed("rejected") == [refused.item.id]
    assert listed("queued") == [queued]
    assert listed("received") == [received]
    assert listed("completed") == []


def test_a_rare_status_is_found_behind_many_others(ledger, post):
    rare, _ = post.sent()
    ledger.add([post.arrival() for _ in range(450)])
    assert [one["id"] for one in ledger.list_submissions(status="sent", limit=3)] == [rare]


def test_what_needs_a_hand_is_listed(ledger, post):
    post.sent()
    poison = post.unread()
    ledger.give_up(poison, post.refusal("GW-504"))
    held = post.read()
    post.route(hold=post.refusal())
    failed = post.ready()
    post.end(post.claim(), "permanent", refusal=post.refusal())
    unhandled = ledger.list_submissions(unhandled=True)
    assert [one["id"] for one in unhandled] == [failed, held, poison.item.id]


def test_items_are_counted_by_state(ledger, post, time_passes):
    post.sent()
    post.received()
    time_passes(timedelta(seconds=90))
    counts = ledger.counts()
    assert counts.items() >= {
        "submissions.read": 1,
        "submissions.received": 1,
        "letters.routed": 1,
        "shipments.waiting": 1,
    }.items()
    assert 90 <= counts["oldest_due_seconds"] < 120


def test_every_digest_some_row_names_is_named(ledger, post):
    post.ready()
    claim = post.claim()
    from gateway.model.submission import Blob

    ledger.rendered(claim, Blob("1" * 64, 1))
    ledger.put_case("2026-17", plan=None, at=claim.item.shipment.created_at)
    files = [("brev.pdf", Blob("2" * 64, 1), "main")]
    ledger.put_item("2026-17", letter_id=claim.item.letter.id, metadata={}, files=files)
    post.received(blob=Blob("3" * 64, 1))
    assert ledger.named_digests() == {"d" * 64, "1" * 64, "2" * 64, "3" * 64}
