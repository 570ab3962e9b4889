"""Merged files in the ledger: what was read of them, what persons decide, and what their letters are cut from."""

from dataclasses import replace

import pytest

from gateway.errors import BatchTurnedDown, BatchUncertain, NotAllowedNow, NotFound
from gateway.model.batch import Batch, Cut, Piece, Place
from gateway.model.identity import Cpr
from gateway.model.submission import Blob
from gateway.ports import ReadEnd
from gateway.services.work import refusal_of

SOURCE = Blob("5" * 64, 1000)
PLACE = Place(120.0, 18.5, 44.0, 9.0)
A, B = Cpr("0101011234"), Cpr("0202021234")
HELD = refusal_of(BatchUncertain(count=1, letters=2, pages="3-4"))


def cut(number, piece):
    return Cut(f"{number:064x}", 10 + number, SOURCE, piece.first, piece.pages, "2B")


def batch(*pieces):
    return Batch(
        source=SOURCE, pages=sum(one.pages for one in pieces), pieces=pieces,
        cuts=tuple(cut(number, piece) for number, piece in enumerate(pieces, 1)), place=PLACE,
    )  # fmt: skip


def certain(first, who, pages=2):
    return Piece(first=first, pages=pages, recipient=who, why="place")


UNCERTAIN = Piece(first=2, pages=2, recipient=None, flags=("first-page-without-number",))


@pytest.fixture
def held(ledger, post):
    """A batch with one certain and one uncertain letter, of which nothing is sent yet."""
    claim = post.unread()
    end = ReadEnd(title="Et brev", batch=batch(certain(0, A), UNCERTAIN), hold=HELD)
    assert ledger.reads_ended([(claim, end)]) == [True]
    return claim.item.id


def read_again(ledger, post, submission, *pieces, hold=None):
    (claim,) = ledger.claim_unread(1)
    assert claim.item.id == submission
    letters = [post.letter(submission, one.first + 1, to=one.recipient) for one in pieces if one.certain]
    end = ReadEnd(title="Et brev", batch=batch(*pieces), letters=letters, hold=hold)
    assert ledger.reads_ended([(claim, end)]) == [True]


def test_an_uncertain_batch_waits_for_a_person_and_its_sender_is_told(ledger, post, held):
    shown = ledger.show_batch(held)
    assert (shown["state"], shown["pages"], shown["letters"], shown["uncertain"]) == ("held", 4, 2, 1)
    assert [one["recipient"] for one in shown["pieces"]] == ["010101-xxxx", None]
    assert shown["pieces"][1]["flags"] == ["first-page-without-number"]
    assert ledger.show_submission(held)["status"] == "held"
    assert [one["id"] for one in ledger.list_batches(held=True)] == [held]
    assert [claim.item.kind for claim in ledger.claim_notices(5)] == ["held"]
    assert ledger.claim_unread(1) == []


def test_what_a_person_settled_is_known_when_it_is_read_again(ledger, post, held):
    ledger.settle_batch(held, "cli:anna", place=PLACE, assigned={2: B, 4: None})
    settled = ledger.settled(held)
    assert (settled.place, dict(settled.assigned), settled.accepted) == (PLACE, {2: B, 4: None}, False)
    read_again(ledger, post, held, certain(0, A), certain(2, B))
    assert ledger.show_batch(held)["uncertain"] == 0
    assert {one["recipient"] for one in ledger.show_submission(held)["letters"]} == {"010101-xxxx", "020202-xxxx"}
    assert dict(ledger.settled(held).assigned) == {2: B, 4: None}


def test_letters_that_went_ahead_stay_the_same_ones(ledger, post):
    claim = post.unread()
    submission = claim.item.id
    end = ReadEnd(title="Et brev", letters=[post.letter(submission, 1, to=A)], batch=batch(certain(0, A), UNCERTAIN), hold=HELD)
    assert ledger.reads_ended([(claim, end)]) == [True]
    assert [one.item.id for one in ledger.claim_unrouted(5)] == [f"{submission}.1"]
    ledger.settle_batch(submission, "cli:anna", assigned={2: A})
    # The second letter is to the same person: told apart by its page, and no twin of the first.
    read_again(ledger, post, submission, certain(0, A), certain(2, A))
    assert [one["id"] for one in ledger.show_submission(submission)["letters"]] == [f"{submission}.1", f"{submission}.3"]
    assert [one.item.id for one in ledger.claim_unrouted(5)] == [f"{submission}.3"]
    assert not [line for line in ledger.show_submission(submission)["history"] if line["verb"] == "twin"]


def test_whoever_settled_it_does_not_approve_it(ledger, post, held):
    ledger.settle_batch(held, "cli:anna", assigned={2: B})
    read_again(ledger, post, held, certain(0, A), certain(2, B), hold=HELD)
    with pytest.raises(NotAllowedNow):
        ledger.settle_batch(held, "cli:anna", approved=True)
    ledger.settle_batch(held, "cli:bo", approved=True)
    assert ledger.settled(held).approved
    read_again(ledger, post, held, certain(0, A), certain(2, B), hold=HELD)
    # Who changes it again has nobody's approval yet.
    ledger.settle_batch(held, "cli:bo", accepted=True)
    assert not ledger.settled(held).approved


def test_a_batch_that_is_turned_down_is_rejected_and_told(ledger, held):
    ledger.turn_down_batch(held, "cli:anna", "forkert fil", refusal_of(BatchTurnedDown()))
    assert ledger.show_submission(held)["status"] == "rejected"
    assert ledger.show_submission(held)["refusal"]["code"] == BatchTurnedDown.code
    with pytest.raises(NotAllowedNow):
        ledger.settle_batch(held, "cli:anna", accepted=True)


def test_a_cut_is_known_by_its_digest_and_its_file_is_kept(ledger, held):
    shown = ledger.show_batch(held)
    found = ledger.cut(shown["pieces"][1]["digest"])
    assert found == replace(cut(2, UNCERTAIN))
    assert SOURCE.digest in ledger.named_digests()
    assert ledger.cut("0" * 64) is None


def test_nobody_settles_what_is_no_batch(ledger, post):
    submission = post.read()
    for do in (lambda: ledger.show_batch(submission), lambda: ledger.settle_batch(submission, "cli:anna", accepted=True)):
        with pytest.raises(NotFound):
            do()


def test_mass_sendings_are_claimed_apart_from_single_ones(ledger, post):
    from gateway.ports import NewShipment

    submission = post.read(3)
    for number, claim in enumerate(ledger.claim_unrouted(5)):
        new = NewShipment(kind="send", destination="digital-post", key=f"11111111-1111-4111-8111-11111111111{number}", mass=number > 0)
        assert post.routed(claim, [new])
    assert [one.item.letter.id for one in ledger.claim_shipments("send", 5)] == [f"{submission}.1"]
    assert [one.item.letter.id for one in ledger.claim_mass(5)] == [f"{submission}.2", f"{submission}.3"]
    assert ledger.claim_mass(5) == []
