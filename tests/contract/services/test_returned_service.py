"""Mails to service addresses: a failed report reopens, everything else about a forward changes nothing."""

from datetime import UTC, datetime

import pytest

from gateway.model.submission import Envelope, Submission, Submitter
from gateway.services.returned import Returned

from .test_inbound_services import Post

REPORT = b"Content-Type: multipart/report\r\n\r\nFinal-Recipient: rfc822; x@y.dk\r\nAction: %s\r\nStatus: 5.7.1\r\n"


@pytest.fixture
def post(ledger, vault, time_passes):
    made = Post(ledger, vault, time_passes)
    made.came("Til kontor")
    made.forward()
    return made


@pytest.fixture
def act(post, tmp_path):
    def go(content, *names):
        token = post.out.took[0][1].partition("+")[2].partition("@")[0]
        file = tmp_path / "raw"
        file.write_bytes(content)
        envelope = Envelope(
            channel="smtp", submitter=Submitter(kind="relay", name="relay"), received_at=datetime.now(UTC),
            recipients=tuple(name.format(token=token) for name in names),
        )  # fmt: skip
        submission = Submission(id="F-2026-AAAA-AAAA", envelope=envelope, reference="x", size_bytes=1, raw=content)
        return Returned(post.ledger, domains=["dp.example.dk"], distributors=["fordel@x.dk"]).act(submission, file)

    return go


def test_a_failed_report_reopens_it_and_tells_who_distributes(post, act):
    assert act(REPORT % b"failed", "retur+{token}@dp.example.dk") == "retur af en videresendt mail"
    assert post.shown()["status"] == "inbox"
    note = post.shown()["forwards"][-1]
    assert (note["kind"], note["address"], note["state"]) == ("note", "fordel@x.dk", "open")
    assert (post.forward("note"), post.own.took[-1][0]) == (1, "fordel@x.dk")


@pytest.mark.parametrize("content", [REPORT % b"delayed", REPORT % b"relayed", b"Subject: Jeg er p\xc3\xa5 ferie\r\n\r\nHej"])
def test_what_is_no_failure_changes_nothing(post, act, content):
    assert act(content, "retur+{token}@dp.example.dk") == "svar på en videresendt mail"
    assert post.shown()["status"] == "distributed"


def test_the_department_sends_it_back_once(post, act):
    assert act(b"x", "forkert+{token}@dp.example.dk")
    assert post.shown()["status"] == "inbox"
    assert act(b"x", "forkert+{token}@dp.example.dk")
    assert [line["verb"] for line in post.shown()["history"]].count("returned") == 1


@pytest.mark.parametrize(
    "names",
    [
        ["0101011234@dp.example.dk"], ["retur+{token}@dp.example.dk", "0101011234@dp.example.dk"], ["retur+kort@dp.example.dk"],
        ["retur+{token}@other.example"],
    ],
    ids=["a letter", "both", "no token", "another domain"],
)  # fmt: skip
def test_a_mail_that_may_mean_a_letter_is_read_as_one(post, act, names):
    assert act(REPORT % b"failed", *names) is None
    assert post.shown()["status"] == "distributed"
