"""Whatever arrives, reading gives a Reading: never an exception, never an unsafe name."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.documents.names import LONGEST, safe_name

MAILS = sorted((Path(__file__).parents[2] / "letters").glob("*/mail.eml"))
# Pieces that mean something to a parser; a random byte seldom does.
WORDS = st.sampled_from(
    [
        b"\r\n", b"\r\n\r\n", b"\n", b"\r", b"\0", b":", b";", b'"', b"=", b"=?", b"?=", b"*", b"''", b"%",
        b"--_Del_01", b"--_Del_01--", b"From: a@b.dk\r\n", b"Subject: x\r\n", b"Content-Type: ", b"multipart/mixed",
        b"boundary=_Del_01", b"message/rfc822", b"charset=utf-16", b"filename*0*=utf-7''", b"base64",
        b"quoted-printable", b"=?utf-7?Q?+2AA-?=", b"\xf8", b"\xc3", b"[sag:", b"]", b"a" * 300,
    ]
)
CHANGES = st.lists(
    st.tuples(st.integers(0, 4000), st.integers(0, 40), WORDS | st.binary(max_size=6)), min_size=1, max_size=6
)


def changed(raw, changes):
    """*raw* with pieces cut out and others put in."""
    for at, cut, put in changes:
        at %= len(raw) + 1
        raw = raw[:at] + put + raw[at + cut :]
    return raw


def judge(reading):
    assert (reading.refusal is None) is bool(reading.letters)
    for letter in reading.letters:
        assert letter.title == letter.title.strip() != ""
        for document in letter.documents:
            assert safe_name(document.name) == document.name
            assert 0 < len(document.name) <= LONGEST
            assert document.size_bytes > 0


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(MAILS), CHANGES)
def test_a_changed_mail_gives_a_reading(read, mail_file, changes):
    raw = changed(mail_file.read_bytes(), changes)
    judge(read(raw, "0101011234+tekst@dp.example", "0202021234@dp.example"))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(WORDS | st.binary(max_size=20), max_size=30))
def test_bytes_of_any_kind_give_a_reading(read, pieces):
    judge(read(b"".join(pieces), "0101011234+tekst@dp.example"))


@pytest.mark.parametrize(
    "raw",
    [
        b"from:r.:r.",
        b"Message-ID: <\r\n\r\n",
        b"Content-Type: multipart/mixed; boundary*=utf-8''%\r\n\r\n--\r\n",
        b"Content-Type: text/plain; charset*=x'y'z\r\n\r\nx",
        b"Content-Disposition: =?\r\n\r\nx",
        b"Subject: " + b"=?utf-8?Q?" * 1500 + b"\r\n\r\n",
        b"Content-Type: a/b" + b";a=b" * 4000 + b"\r\n\r\n",
        b"Content-Type: a/b; x=\"" + b"\\" * 16000 + b"\r\n\r\n",
    ],
)
def test_bytes_that_broke_other_parsers_give_a_reading(read, raw):
    judge(read(raw))
