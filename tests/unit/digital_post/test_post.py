"""A MeMo message to us in our own words, from the state's samples and from slips senders make."""

from __future__ import annotations

import io
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.digital_post.post import read_post
from gateway.errors import MemoUnreadable
from gateway.model.submission import Blob
from gateway.sandbox.posting import Letter, memo_xml
from gateway.sandbox.realistic import page, realistic_letters

SAMPLES = Path(__file__).resolve().parents[4] / "shared" / "reference" / "memo"


class Sink:
    """Forgets the bytes."""

    def __init__(self):
        self.size = 0

    def write(self, block):
        self.size += len(block)

    def commit(self):
        return Blob("0" * 64, self.size)

    def abort(self):
        pass


def read(content):
    return read_post(io.BytesIO(content), content_sink=Sink)


def memo(**given):
    told = {"to_cvr": "12345674", "from_cvr": "19552101", "from_name": "SKAT", "title": "Brev", "files": (page("SKAT", "Brev"),)}
    return memo_xml(Letter(**told | given), "6e3ffa1c-9b25-4a0b-8b3f-0c8a1d2e3f40", datetime(2026, 11, 27, 9, tzinfo=UTC))


def samples():
    found = sorted(SAMPLES.glob("samples-*/*.xml"))
    if not found and os.environ.get("CI"):
        pytest.fail("the samples are missing beside the checkout")
    return found


def test_every_routing_key_is_found():
    post = read(
        memo(
            p_number="1003123456", attention_person="Lønkontoret", attention_email="loen@x.dk", gln="5798000012345", contact_point="cp-1",
            rid="CVR:12345674-RID:1", kle="27.36", form="44.10.05", case="S-1", message_code="AARSOPG", reply=True,
            reply_by=datetime(2026, 12, 7, 11, tzinfo=UTC), answers="8C2EA15D-61FB-4BA9-9366-42F8B194C114",
        )
    )  # fmt: skip
    assert (post.p_number, post.attention_person, post.attention_email, post.gln) == ("1003123456", "Lønkontoret", "loen@x.dk", "5798000012345")
    assert (post.contact_point, post.rid, post.kle, post.form, post.case) == ("cp-1", "CVR:12345674-RID:1", "27.36", "44.10.05", "S-1")
    assert (post.message_code, post.reply_allowed, post.recipient_cvr) == ("AARSOPG", True, "12345674")
    assert [answer.upper() for answer in post.answers] == ["8C2EA15D-61FB-4BA9-9366-42F8B194C114"]
    assert post.reply_by == datetime(2026, 12, 7, 11, tzinfo=UTC)
    assert (post.main.name, post.main.media_type) == ("Brev.pdf", "application/pdf")


def test_a_persons_number_is_masked():
    post = read(memo(from_cpr="0101011234", from_name="Mads Eksempel"))
    assert (post.sender.kind, post.sender.number) == ("cpr", "010101-xxxx")
    assert "0101011234" not in repr(post)


def test_the_first_day_of_our_era_is_no_date():
    post = read(memo(reply_by=datetime(1, 1, 1, tzinfo=UTC)).replace(b">1-01-01T", b">0001-01-01T"))
    assert post.reply_by is None


@pytest.mark.parametrize("content", [b"", b"x", b"<x/>", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'])
def test_what_is_no_memo_is_unreadable(content):
    with pytest.raises(MemoUnreadable):
        read(content)


@pytest.mark.parametrize("file", samples(), ids=lambda file: f"{file.parent.name}/{file.name}")
def test_the_states_samples_are_read(file):
    post = read(file.read_bytes())
    assert post.title
    assert post.sender.name
    assert post.documents or post.text


def test_every_realistic_message_is_read_without_a_stray():
    posts = [read(memo_xml(letter, "6e3ffa1c-9b25-4a0b-8b3f-0c8a1d2e3f40", datetime.now(UTC))) for letter in realistic_letters("12345674")]
    assert len(posts) == 40
    assert [post.strays for post in posts] == [0] * 40
