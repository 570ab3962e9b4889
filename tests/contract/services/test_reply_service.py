"""What a mail to ``svar+TOKEN@`` answers: as the message says, and only where it may be answered."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from gateway.digital_post.reply import read_reply_to
from gateway.model.inbound import ReplyTo
from gateway.model.submission import Envelope, Submission, Submitter
from gateway.services.reply import Replies

from .test_inbound_services import Post

FIRST = "8c2ea15d-61fb-4ba9-9366-42f8b194c114"


@pytest.fixture
def post(ledger, vault, time_passes):
    return Post(ledger, vault, time_passes)


@pytest.fixture
def ask(post, vault):
    def go(*names, at=None):
        token = post.out.took[-1][1].partition("+")[2].partition("@")[0]
        envelope = Envelope(
            channel="smtp", submitter=Submitter(kind="relay", name="relay"), received_at=at or datetime.now(UTC),
            recipients=tuple(name.format(token=token) for name in names or ["svar+{token}@dp.example.dk"]),
        )  # fmt: skip
        submission = Submission(id="F-2026-AAAA-AAAA", envelope=envelope, reference="x", size_bytes=1, raw=b"x")
        return Replies(post.ledger, vault, domains=["dp.example.dk"], read=partial(read_reply_to, allow_test=True)).of(submission)

    return go


def came(post, **tags):
    shown = post.came("Til kontor", **tags)
    post.forward()
    return shown


def test_it_goes_to_whoever_wrote_and_names_the_whole_correspondence(post, ask):
    shown = came(post, reply=True, case="S-1", answers=FIRST)
    found = ask()
    assert isinstance(found, ReplyTo)
    assert (found.inbound_id, found.recipient.reveal(), found.title) == (shown["id"], "19552101", "Til kontor")
    assert [(one.message_uuid, one.reply_uuid) for one in found.thread] == [(FIRST, None), (FIRST, shown["uuid"])]
    assert found.thread[-1].case == "S-1"


def test_a_person_who_wrote_is_answered_by_the_number_that_stands_nowhere_else(post, ask):
    shown = came(post, reply=True, from_cpr="0101011234")
    found = ask()
    assert (found.recipient.kind, found.recipient.reveal()) == ("cpr", "0101011234")
    assert [(one.message_uuid, one.reply_uuid) for one in found.thread] == [(shown["uuid"], None)]
    assert "0101011234" not in repr(found)


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (["svar+{token}@dp.example.dk", "0101011234@dp.example.dk"], "GW-258"), (["svar+" + "0" * 32 + "@dp.example.dk"], "GW-257"),
        (["0101011234@dp.example.dk"], None), (["svar+{token}@other.example"], None), (["svar+kort@dp.example.dk"], None),
    ],
    ids=["not alone", "unknown", "a letter", "another domain", "no token"],
)  # fmt: skip
def test_what_is_no_answer_is_none_and_what_is_half_a_one_is_refused(post, ask, names, code):
    came(post, reply=True)
    found = ask(*names)
    assert getattr(found, "code", None) == code


def test_post_that_allows_no_answer_or_did_until_yesterday_gets_none(post, ask):
    came(post, reply=False)
    assert (ask().code, ask().facts["why"]) == ("GW-257", "afsenderen tager ikke imod svar på posten")
    came(post, reply=True, reply_by=datetime.now(UTC) + timedelta(days=1))
    assert isinstance(ask(), ReplyTo)
    late = ask(at=datetime.now(UTC) + timedelta(days=2))
    assert (late.code, late.facts["why"]) == ("GW-257", "svarfristen er udløbet")
