"""What a person may do, and what nobody may: offer again what may have been taken."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.errors import NotAllowedNow, NotFound

VERBS = {
    "retry": lambda ledger, item: ledger.retry(item, "ole"),
    "hold": lambda ledger, item: ledger.hold(item, "ole", "wait"),
    "release": lambda ledger, item: ledger.release(item, "ole"),
    "discard": lambda ledger, item: ledger.discard(item, "ole", "a mistake"),
    "handled": lambda ledger, item: ledger.handled(item, "ole", "by telephone"),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("item", ["", "F-2026-0000-0000", "F-2026-0000-0000.1", "' OR 1=1 --"])
def test_what_there_is_not_is_not_found(ledger, verb, item):
    with pytest.raises(NotFound):
        VERBS[verb](ledger, item)


@pytest.mark.parametrize("verb", VERBS)
def test_nothing_can_be_done_to_a_letter_that_was_delivered(ledger, post, verb):
    submission_id, (sendable,) = post.sent(archive=True)
    post.end(post.claim("archive"))
    ledger.add_receipts([post.receipt(sendable.shipment.key)])
    post.end(post.claim("archive"))
    with pytest.raises(NotAllowedNow):
        VERBS[verb](ledger, submission_id)
    assert post.status(submission_id) == "completed"


def failed(ledger, post, **details):
    submission_id = post.ready(**details)
    claim = post.claim()
    post.end(claim, "permanent", refusal=post.refusal("GW-405"))
    return submission_id, claim.item.shipment


def test_a_failed_sending_is_retried_under_its_key_and_its_numbering_goes_on(ledger, post, time_passes):
    submission_id, shipment = failed(ledger, post)
    time_passes(timedelta(days=2))
    assert ledger.retry(submission_id, "ole") == [shipment.id]
    again = post.claim().item.shipment
    assert (again.key, again.tries) == (shipment.key, 1)
    assert again.expires_at > datetime.now(UTC) + timedelta(hours=23)
    assert post.status(submission_id) == "queued"


@pytest.mark.parametrize("name", ["submission", "letter", "shipment"])
def test_an_item_may_be_named_at_any_height(ledger, post, name):
    submission_id, shipment = failed(ledger, post)
    item = {"submission": submission_id, "letter": f"{submission_id}.1", "shipment": shipment.id}[name]
    assert ledger.retry(item, "ole") == [shipment.id]


def test_only_what_was_named_is_touched(ledger, post):
    submission_id = post.ready(letters=2)
    for claim in ledger.claim_shipments("send", 2):
        post.end(claim, "permanent", refusal=post.refusal())
    assert ledger.retry(f"{submission_id}.2", "ole") == [f"{submission_id}.2.send.digital-post"]
    assert len(ledger.claim_shipments("send", 5)) == 1


def test_what_waits_for_its_receipt_is_never_sent_again(ledger, post):
    submission_id, _ = post.sent()
    with pytest.raises(NotAllowedNow, match="never sent again"):
        ledger.retry(submission_id, "ole")
    assert ledger.claim_shipments("send", 5) == []


def test_what_a_receipt_refused_for_good_is_not_sent_under_the_same_key(ledger, post):
    submission_id, (sendable,) = post.sent()
    ledger.add_receipts([post.receipt(sendable.shipment.key, "refused", remote_code="INVALID")])
    with pytest.raises(NotAllowedNow, match="new letter"):
        ledger.retry(submission_id, "ole")


def test_failed_archiving_is_retried_on_its_own(ledger, post):
    submission_id, _ = post.sent(archive=True)
    post.end(post.claim("archive"), "permanent", refusal=post.refusal("GW-422"))
    assert ledger.retry(submission_id, "ole") == [f"{submission_id}.1.archive.builtin"]
    assert ledger.claim_shipments("send", 5) == []
    post.end(post.claim("archive"))
    assert post.first_letter(submission_id)["archive"] == "archived"


def test_poison_is_read_again_with_a_clean_sheet(ledger, post, time_passes):
    submission_id = post.received(content=b"a mail")
    for _ in range(3):
        ledger.claim_unread(1)
        time_passes(timedelta(seconds=61))
    (claim,) = ledger.claim_unread(1)
    ledger.give_up(claim, post.refusal("GW-504"), trace="x")
    assert ledger.retry(submission_id, "ole") == [submission_id]
    (again,) = ledger.claim_unread(1)
    assert (again.crashes, again.item.raw) == (0, b"a mail")
    assert ledger.show_submission(submission_id)["refusal"] is None


@pytest.mark.parametrize("verb", ["retry", "release"])
def test_a_held_letter_is_routed_again(ledger, post, verb):
    submission_id = post.read()
    post.route(hold=post.refusal())
    assert VERBS[verb](ledger, submission_id) == [f"{submission_id}.1"]
    post.route(post.sending())
    letter = post.first_letter(submission_id)
    assert (letter["send"], letter["refusal"]) == ("queued", None)


def test_a_notice_that_could_not_be_sent_is_tried_again(ledger, post):
    claim = post.unread()
    ledger.read_refused(claim, post.refusal(), title="", silent=False)
    (notice,) = ledger.claim_notices(1)
    ledger.give_up(notice, post.refusal("GW-412"))
    assert ledger.retry(claim.item.id, "ole") == [f"{claim.item.id}.final"]
    assert len(ledger.claim_notices(1)) == 1


def test_held_post_stands_still_and_released_post_goes_on(ledger, post):
    submission_id = post.ready(archive=True)
    held = ledger.hold(submission_id, "ole", "wait for the principal")
    assert held == [f"{submission_id}.1.archive.builtin", f"{submission_id}.1.send.digital-post"]
    assert ledger.claim_shipments("send", 5) == ledger.claim_shipments("archive", 5) == []
    letter = post.first_letter(submission_id)
    assert (post.status(submission_id), letter["send"], letter["archive"]) == ("held", "held", "held")
    assert ledger.release(submission_id, "ole") == held
    assert post.end(post.claim())


def test_unread_and_unrouted_post_can_be_held_too(ledger, post):
    unrouted = post.read()
    assert ledger.hold(unrouted, "ole", "") == [f"{unrouted}.1"]
    unread = post.received()
    assert ledger.hold(unread, "ole", "") == [unread]
    assert ledger.claim_unread(5) == ledger.claim_unrouted(5) == []
    ledger.release(unread, "ole")
    ledger.release(unrouted, "ole")
    assert [len(ledger.claim_unread(5)), len(ledger.claim_unrouted(5))] == [1, 1]


def test_post_held_in_a_worker_s_hands_is_not_sent_by_it(ledger, post):
    submission_id = post.ready()
    claim = post.claim()
    ledger.hold(submission_id, "ole", "")
    assert ledger.attempt_begun(claim, datetime.now(UTC)) is None


@pytest.mark.parametrize("verb", ["hold", "discard"])
def test_what_is_being_sent_at_this_moment_is_left_alone(ledger, post, verb):
    submission_id = post.ready()
    claim = post.claim()
    ledger.attempt_begun(claim, datetime.now(UTC))
    with pytest.raises(NotAllowedNow):
        VERBS[verb](ledger, submission_id)


def test_a_letter_for_later_that_was_held_is_still_for_later(ledger, post):
    submission_id = post.read()
    post.route(post.sending(due_at=datetime.now(UTC) + timedelta(days=3)))
    ledger.hold(submission_id, "ole", "")
    ledger.release(submission_id, "ole")
    assert ledger.claim_shipments("send", 5) == []


def test_discarded_post_is_cancelled_and_never_sent(ledger, post):
    submission_id = post.ready(archive=True)
    ledger.discard(submission_id, "ole", "sent by mistake")
    assert ledger.claim_shipments("send", 5) == ledger.claim_shipments("archive", 5) == []
    assert post.status(submission_id) == "cancelled"


def test_unread_post_can_be_discarded(ledger, post):
    submission_id = post.received()
    assert ledger.discard(submission_id, "ole", "") == [submission_id]
    assert (ledger.claim_unread(5), post.status(submission_id)) == ([], "cancelled")


@pytest.mark.parametrize("outcome", ["unknown", "taken"])
def test_what_they_may_have_is_not_called_cancelled_nor_left_out_of_the_archive(ledger, post, outcome):
    submission_id = post.ready(archive=True)
    post.end(post.claim(), outcome, retry_in=timedelta(hours=1))
    with pytest.raises(NotAllowedNow, match="may have it"):
        ledger.discard(submission_id, "ole", "")
    assert len(ledger.claim_shipments("archive", 5)) == 1


def test_of_several_letters_those_not_yet_taken_are_discarded(ledger, post):
    submission_id = post.ready(letters=2)
    first = post.claim()
    post.end(first)
    discarded = ledger.discard(submission_id, "ole", "")
    assert discarded == [f"{submission_id}.2.send.digital-post"]


@pytest.mark.parametrize("name", ["submission", "letter", "shipment"])
def test_what_a_person_dealt_with_leaves_the_list_of_what_needs_a_hand(ledger, post, name):
    submission_id, shipment = failed(ledger, post)
    item = {"submission": submission_id, "letter": f"{submission_id}.1", "shipment": shipment.id}[name]
    assert len(ledger.list_submissions(unhandled=True)) == 1
    assert ledger.handled(item, "ole", "sent on paper") == [shipment.id]
    assert ledger.list_submissions(unhandled=True) == []
    assert post.status(submission_id) == "handled"


def test_who_did_what_and_why_stands_in_the_history_without_numbers(ledger, post):
    submission_id, _ = failed(ledger, post)
    ledger.handled(submission_id, "ole", "telephoned 010101-1234")
    line = ledger.show_submission(submission_id)["history"][-1]
    assert (line["actor"], line["verb"], line["reason"]) == ("ole", "handled", "telephoned 010101-xxxx")
    assert post.history(submission_id) == ["received", "read", "routed", "attempt", "handled"]
