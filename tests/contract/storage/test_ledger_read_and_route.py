"""Submissions become letters, letters get a decision and shipments."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from gateway.errors import NotFound
from gateway.model.identity import Cpr, Cvr
from gateway.model.letter import Options
from gateway.model.submission import Blob


def test_letters_come_back_as_they_were_read(ledger, post):
    claim = post.unread()
    options = Options(
        case="2026-17",
        plan="85.12",
        reply_allowed=True,
        deliver_from=date(2026, 12, 1),
        reply_by=datetime(2026, 12, 24, 12, 0, tzinfo=UTC),
    )
    documents = (post.document(), post.document("bilag æ.pdf", role="attachment", digest="e" * 64))
    to = Cvr("12345674", "1023456789")
    letter = post.letter(claim.item.id, to=to, options=options, documents=documents, copy=True, flow="skole")
    assert ledger.read_done(claim, title="T", letters=[letter])
    assert [claim.item for claim in ledger.claim_unrouted(5)] == [letter]


def test_bytes_leave_the_ledger_once_the_vault_has_them(ledger, post):
    claim = post.unread(content=b"a mail")
    ledger.read_done(claim, title="T", letters=[post.letter(claim.item.id)], raw=Blob("f" * 64, 6))
    submission = ledger.pasts([f"{claim.item.id}.1"])[f"{claim.item.id}.1"].submission
    assert (submission.raw, submission.blob) == (None, Blob("f" * 64, 6))
    assert "f" * 64 in ledger.named_digests()


def test_reading_again_makes_no_twins(ledger, post, time_passes):
    submission_id = post.received()
    (first,) = ledger.claim_unread(1)
    time_passes(timedelta(seconds=61))
    (second,) = ledger.claim_unread(1)
    letters = [post.letter(submission_id)]
    assert [ledger.read_done(claim, title="T", letters=letters) for claim in (second, first)] == [True, False]
    assert len(ledger.claim_unrouted(5)) == 1


def test_a_letter_that_came_in_another_split_of_the_mail_is_not_written_twice(ledger, post):
    """A mail server that lost our 250 for two recipients may retry them one by one."""
    both = post.unread("one@x", recipients=["a@x", "b@x"])
    letters = [post.letter(both.item.id, number, to=to) for number, to in enumerate(TWO, 1)]
    assert ledger.read_done(both, title="T", letters=letters)
    alone = post.unread("one@x", recipients=["b@x"])
    assert ledger.read_done(alone, title="T", letters=[post.letter(alone.item.id, to=TWO[1])])
    assert [claim.item.id for claim in ledger.claim_unrouted(5)] == [letter.id for letter in letters]
    shown = ledger.show_submission(alone.item.id)
    assert (shown["letters"], shown["same_as"], shown["status"]) == ([], [both.item.id], "queued")
    assert post.history(alone.item.id) == ["received", "read", "twin"]


TWO = (Cpr("0101011234"), Cpr("0101011235"))


def test_one_mail_may_hold_two_letters_to_one_recipient(ledger, post):
    claim = post.unread()
    letters = [post.letter(claim.item.id, number) for number in (1, 2)]
    assert ledger.read_done(claim, title="T", letters=letters)
    assert len(ledger.claim_unrouted(5)) == 2


def test_another_mail_to_the_same_recipient_is_another_letter(ledger, post):
    post.read()
    post.read()
    assert len(ledger.claim_unrouted(5)) == 2


def test_a_refused_submission_is_rejected_for_good_and_names_its_bytes(ledger, post):
    claim = post.unread()
    refusal = post.refusal("GW-201", private="brev.pdf")
    assert ledger.read_refused(claim, refusal, title="T", silent=False, raw=Blob("f" * 64, 6))
    shown = ledger.show_submission(claim.item.id)
    assert (shown["status"], shown["refusal"]["code"]) == ("rejected", "GW-201")
    assert "brev.pdf" not in str(shown)
    assert "f" * 64 in ledger.named_digests()


def test_the_submission_of_a_letter_is_found_without_its_bytes(ledger, post):
    submission_id = post.read(content=b"a mail")
    submission = ledger.pasts([f"{submission_id}.1"])[f"{submission_id}.1"].submission
    assert (submission.id, submission.raw, submission.size_bytes) == (submission_id, None, 6)
    assert ledger.pasts(["F-2026-0000-0000.1"]) == {}


def test_a_decision_is_kept_with_its_facts_and_every_answer(ledger, post):
    facts = post.facts(subject="Æble", refused_by=("e-boks",), sidecar={"a": "b"}, pages=None, reach="exempt")
    submission_id = post.read()
    (claim,) = ledger.claim_unrouted(1)
    post.routed(claim, [post.sending()], facts=replace(facts, text="never kept"))
    (past,) = ledger.decisions_of(submission_id)
    assert (past.decision, past.facts) == (post.decision(), facts)
    assert (past.item, past.recipient) == (f"{submission_id}.1", "010101-xxxx")
    assert ledger.decisions_of(f"{submission_id}.1") == [past]
    assert ledger.decisions_of(f"{submission_id}.1.send.digital-post") == [past]
    with pytest.raises(NotFound):
        ledger.decisions_of("F-2026-0000-0000")


def test_the_trail_of_one_letter_is_not_that_of_its_neighbour(ledger, post):
    submission_id = post.ready(letters=12)
    assert [past.item for past in ledger.decisions_of(f"{submission_id}.1")] == [f"{submission_id}.1"]


def test_routing_writes_shipments_under_their_keys(ledger, post):
    post.read()
    sending, archiving = post.sending(), post.archiving()
    (letter_id,) = post.route(sending, archiving)
    send, archive = post.claim().item.shipment, post.claim("archive").item.shipment
    assert (send.key, send.destination, send.letter_id) == (sending.key, "digital-post", letter_id)
    assert (archive.key, archive.settings) == (archiving.key, (("case", "2026-17"),))
    assert send.expires_at - send.created_at == timedelta(hours=24)


def test_routing_again_keeps_the_keys_of_the_first_time(ledger, post):
    submission_id = post.read()
    first = post.sending()
    post.route(first, hold=post.refusal())
    ledger.retry(submission_id, "ole")
    post.route(post.sending())
    assert post.claim().item.shipment.key == first.key


def test_a_letter_for_later_is_not_sent_before_its_time(ledger, post, time_passes):
    post.read()
    post.route(post.sending(due_at=datetime.now(UTC) + timedelta(days=3)))
    assert ledger.claim_shipments("send", 1) == []
    time_passes(timedelta(days=3, seconds=1))
    shipment = post.claim().item.shipment
    assert shipment.expires_at > datetime.now(UTC) + timedelta(hours=23)


@pytest.mark.parametrize(("what", "status"), [("hold", "held"), ("reject", "rejected")])
def test_a_decision_may_hold_or_reject(ledger, post, what, status):
    submission_id = post.read()
    post.route(**{what: post.refusal("GW-321"), "reach": "exempt"})
    letter = post.first_letter(submission_id)
    assert (letter["send"], letter["archive"], letter["refusal"]["code"]) == (status, "none", "GW-321")
    assert (post.status(submission_id), letter["reach"]) == (status, "exempt")


def test_a_decision_that_decides_nothing_is_a_mistake(ledger, post):
    post.read()
    (claim,) = ledger.claim_unrouted(1)
    with pytest.raises(ValueError, match="ships, holds or rejects"):
        post.routed(claim)
    assert ledger.postpone(claim, wait=timedelta(0), code="GW-500")


def test_a_letter_knows_which_destinations_refused_it(ledger, post):
    post.ready()
    claim = post.claim()
    letter = claim.item.letter.id
    assert ledger.pasts([letter])[letter].refused_by == ()
    post.end(claim, "permanent", refusal=post.refusal("GW-402"))
    past = ledger.pasts([letter])[letter]
    assert (past.refused_by, past.refused_code) == (("digital-post",), ("GW-402",))
