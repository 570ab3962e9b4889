"""Handed over once, twice, or otherwise."""

import hashlib
import threading
from datetime import UTC, datetime

import pytest

from gateway.model.submission import Accepted, Arrival, Blob, Envelope, Submitter


def test_an_arrival_becomes_a_submission_with_its_bytes(ledger, post):
    (accepted,) = ledger.add([post.arrival("one@x", content=b"a mail")])
    (claim,) = ledger.claim_unread(5)
    assert accepted == Accepted(claim.item.id, "new")
    assert claim.item.raw == b"a mail"
    assert claim.item.envelope.recipients == ("0101011234@dp.example.dk",)
    assert claim.item.envelope.submitter.key() == "user:anna"
    assert claim.item.envelope.received_at.utcoffset().total_seconds() == 0


def test_a_large_arrival_is_known_by_its_blob(ledger, post):
    ledger.add([post.arrival(blob=Blob("b" * 64, 70_000_000))])
    (claim,) = ledger.claim_unread(5)
    assert (claim.item.raw, claim.item.blob) == (None, Blob("b" * 64, 70_000_000))


def test_the_same_post_again_is_a_duplicate_of_the_first(ledger, post):
    first = post.received("one@x")
    assert ledger.add([post.arrival("one@x")]) == [Accepted(first, "duplicate")]
    assert len(ledger.claim_unread(5)) == 1
    assert post.history(first) == ["received", "duplicate"]


def test_the_same_reference_with_other_content_is_a_conflict_and_is_not_written(ledger, post):
    first = post.received("one@x")
    assert ledger.add([post.arrival("one@x", content=b"other")]) == [Accepted(first, "conflict")]
    assert len(ledger.claim_unread(5)) == 1


def test_the_same_mail_split_by_recipient_is_two_submissions(ledger, post):
    both = [
        post.arrival("one@x", recipients=["0101011234@dp.example.dk"]),
        post.arrival("one@x", recipients=["0101011235@dp.example.dk"]),
    ]
    assert [one.outcome for one in ledger.add(both)] == ["new", "new"]


def test_the_order_of_recipients_does_not_matter(ledger, post):
    post.received("one@x", recipients=["a@dp.example.dk", "b@dp.example.dk"])
    (again,) = ledger.add([post.arrival("one@x", recipients=["b@dp.example.dk", "a@dp.example.dk"])])
    assert again.outcome == "duplicate"


def test_two_submitters_may_use_the_same_reference(ledger, post):
    post.received("one@x", name="anna")
    (other,) = ledger.add([post.arrival("one@x", name="bo", content=b"other")])
    assert other.outcome == "new"


def test_twins_within_one_batch_are_judged_like_two_batches(ledger, post):
    batch = [
        post.arrival("one@x"),
        post.arrival("two@x"),
        post.arrival("one@x"),
        post.arrival("one@x", content=b"other"),
    ]
    answers = ledger.add(batch)
    assert [one.outcome for one in answers] == ["new", "new", "duplicate", "conflict"]
    assert answers[0].submission_id == answers[2].submission_id == answers[3].submission_id


def test_a_batch_of_hundreds_is_written_whole(ledger, post):
    answers = ledger.add([post.arrival() for _ in range(700)])
    assert {one.outcome for one in answers} == {"new"}
    assert ledger.counts()["submissions.received"] == 700


def test_an_empty_batch_is_nothing(ledger):
    assert ledger.add([]) == []


def test_nodes_that_take_the_same_mail_at_once_write_it_once(open_again, post):
    nodes = [open_again() for _ in range(4)]
    start = threading.Barrier(len(nodes))
    answers: list[list[Accepted]] = []

    def take(node):
        batch = [post.arrival(f"{number}@x") for number in range(50)]
        start.wait()
        answers.append(node.add(batch))

    threads = [threading.Thread(target=take, args=[node]) for node in nodes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for same_mail in zip(*answers, strict=True):
        assert sorted(one.outcome for one in same_mail) == ["duplicate"] * 3 + ["new"]
        assert len({one.submission_id for one in same_mail}) == 1


@pytest.mark.parametrize("reference", ["n\0ul@x", "surrogate\udce6@x", "æøå@x", "x" * 16_000, "⚠😀@x"])
def test_an_odd_reference_is_kept_and_known_again(ledger, post, reference):
    first = post.received(reference)
    assert ledger.add([post.arrival(reference)]) == [Accepted(first, "duplicate")]


def test_odd_addresses_come_back_as_they_were(ledger, post):
    post.received(recipients=["n\0ul@x", "\udce6@x"])
    (claim,) = ledger.claim_unread(1)
    assert claim.item.envelope.recipients == ("n\0ul@x", "\udce6@x")


def test_a_submitter_comes_back_as_proved(ledger):
    envelope = Envelope(
        channel="smtp",
        submitter=Submitter(kind="relay", name="exchange", reply_to="bo@example.dk", wish="errors", system=True),
        recipients=("0101011234@dp.example.dk",),
        automatic=True,
        received_at=datetime.now(UTC),
    )
    arrival = Arrival(
        envelope=envelope, reference="r", identity=hashlib.sha256(b"").hexdigest(), size_bytes=0, raw=b""
    )
    ledger.add([arrival])
    (claim,) = ledger.claim_unread(1)
    assert claim.item.envelope == envelope
