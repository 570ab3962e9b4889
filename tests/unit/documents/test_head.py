import pytest

from gateway.documents.head import bare_cr, read_head, sender
from gateway.errors import SenderUnclear


@pytest.fixture
def head(tmp_path, rules):
    def make(raw, **changed):
        (tmp_path / "raw").write_bytes(raw)
        return read_head(tmp_path / "raw", rules(**changed))

    return make


@pytest.mark.parametrize(
    "value",
    [
        b"a@b.dk",
        b"<a@b.dk>",
        b"Anna <a@b.dk>",
        b'"Hansen, Anna" <a@b.dk>',
        b'"x@evil.dk" <a@b.dk>',
        b"=?utf-8?q?x=40evil=2Edk?= <a@b.dk>",
        b"Anna\r\n <a@b.dk>",
        b"S\xf8ren <a@b.dk>",
        b"Anna (Skolen) <a@b.dk>",
        b"Anna [3.b] <a@b.dk>",
        b"a@b.dk (Anna)",
        b"<a@b.dk>  ",
    ],
)
def test_the_sender_is_the_one_address_in_the_one_from_header(head, value):
    assert sender(head(b"From: " + value + b"\r\n\r\n")) == "a@b.dk"


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"From:\r\n",
        b"From: Anna\r\n",
        b"From: a@b.dk, c@d.dk\r\n",
        b"From: Hansen, Anna <a@b.dk>\r\n",
        b"From: a@b.dk\r\nFrom: a@b.dk\r\n",
        b"From : a@b.dk\r\nFrom: c@d.dk\r\n",
        b"From: a@b.dk\r\nFROM\t: c@d.dk\r\n",
        b"From: a@good.dk)evil@x.dk\r\n",
        b"From: a@good.dk<evil@x.dk>\r\n",
        b"From: <a@good.dk>evil@x.dk\r\n",
        b"From: a@good.dk <evil@x.dk>\r\n",
        b"From: <@route.dk:a@b.dk>\r\n",
        b'From: "a"@b.dk\r\n',
        b"From: a@k\xd0\xbemmune.dk\r\n",
        b"From: a@[127.0.0.1]\r\n",
        b"From: gruppe: a@b.dk;\r\n",
        b"From: a@b.dk\0c@d.dk\r\n",
        b"From: " + b" " * 9000 + b"\x01@\r\n",
    ],
)
def test_a_sender_that_programs_read_differently_is_unclear(head, header):
    with pytest.raises(SenderUnclear):
        sender(head(header + b"\r\n"))


def test_the_header_ends_at_the_first_empty_line(head):
    assert head(b"A: 1\r\n\r\nB: 2\r\n").fields == (("a", b"1"),)
    assert head(b"A: 1\n\nB: 2\n").fields == (("a", b"1"),)
    assert head(b"\r\nB: 2\r\n").fields == ()
    assert head(b"").fields == ()


def test_a_mailbox_separator_before_the_header_is_none_of_it(head):
    found = head(b"From a@b.dk Mon Nov  2 10 2026\r\nFrom: a@b.dk\r\n\r\n")
    assert found.fault is None
    assert sender(found) == "a@b.dk"


def test_folded_headers_are_one(head):
    assert head(b"To: a@b.dk,\r\n\tc@d.dk\r\n\r\n").all("to") == [b"a@b.dk,\r\n\tc@d.dk"]


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (b"A: 1\r\n" * 5 + b"\r\n", None),
        (b"A: 1\r\n" * 6 + b"\r\n", "GW-213"),
        (b"A: " + b"x" * 96 + b"\r\n\r\n", None),
        (b"A: " + b"x" * 100 + b"\r\n\r\n", "GW-213"),
        (b"A: x\r\n" + b" y\r\n" * 40 + b"\r\n", "GW-213"),
        (b"A: 1\r\n" + b"x" * 300, "GW-213"),
        (b"A: 1\r\nintet hoved\r\n\r\n", "GW-212"),
        (b"A: 1\r\nFrom midt i det hele\r\n\r\n", "GW-212"),
        (b" foldet uden hoved\r\nA: 1\r\n\r\n", "GW-212"),
    ],
)
def test_a_header_beyond_its_limits_is_refused_before_it_is_parsed(head, raw, fault):
    found = head(raw, headers=5, one_header=100, header_bytes=200).fault
    assert (found and found.code) == fault


@pytest.mark.parametrize(
    ("raw", "bare"),
    [
        (b"a\r\nb\r\n", False),
        (b"a\nb\n", False),
        (b"a\rb", True),
        (b"a\r", True),
        (b"a\r\r\n", True),
        (b"", False),
        (b"x" * (1024 * 1024 - 1) + b"\r\n", False),
        (b"x" * (1024 * 1024 - 1) + b"\rx", True),
        (b"x" * (1024 * 1024 - 1) + b"\r", True),
    ],
)
def test_a_cr_that_ends_no_line_is_seen(tmp_path, raw, bare):
    (tmp_path / "raw").write_bytes(raw)
    assert bare_cr(tmp_path / "raw") is bare


AUTOMATIC = [
    b"Auto-Submitted: auto-replied",
    b"Auto-Submitted: auto-generated; x=y",
    b"AUTO-SUBMITTED: Auto-Notified",
    b"Precedence: bulk",
    b"Precedence: LIST",
    b"Precedence: junk",
    b"List-Id: <a.b>",
    b"List-Unsubscribe: <mailto:x@y>",
    b"X-Loop: gw.example",
    b"X-Loop: other\r\nX-Loop: GW.example",
    b"X-Autoreply: yes",
    b"Return-Path: <>",
    b"Content-Type: multipart/report; report-type=disposition-notification; boundary=b",
    b"\r\n".join([b"Received: by x"] * 51),
]


@pytest.mark.parametrize("header", AUTOMATIC, ids=lambda header: header[:30].decode())
def test_automatic_post_is_never_a_letter_and_never_answered(read, mail, file_part, pdf, header):
    raw = mail(file_part(pdf()), head=b"From: a@b.dk\r\nSubject: Brev\r\n" + header + b"\r\n")
    reading = read(raw)
    assert (reading.refusal.code, reading.silent) == ("GW-216", True)


@pytest.mark.parametrize(
    "header",
    [
        b"Auto-Submitted: no",
        b"Precedence: normal",
        b"X-Loop: somebody.else",
        b"X-Auto-Response-Suppress: All",
        b"Return-Path: <a@b.dk>",
        b"\r\n".join([b"Received: by x"] * 50),
    ],
)
def test_post_of_people_and_systems_is_not_taken_for_automatic(read, mail, file_part, pdf, header):
    raw = mail(file_part(pdf()), head=b"From: a@b.dk\r\nSubject: Brev\r\n" + header + b"\r\n")
    assert len(read(raw).letters) == 1


def test_a_null_sender_is_never_answered_whatever_the_mail_says(read):
    for raw in (b"", b"Subject: Brev\r\n\r\n", b"\0" * 100):
        assert read(raw, automatic=True).silent


def test_automatic_post_beyond_the_limits_is_not_answered_either(read):
    raw = b"Auto-Submitted: auto-replied\r\n" + b"X: y\r\n" * 20_000 + b"\r\n"
    assert read(raw).silent


def test_our_own_mail_never_comes_in_again(read, mail, file_part, pdf):
    raw = mail(file_part(pdf()), head=b"From: <DigitalPost@dp.example>\r\nSubject: Brev\r\n")
    assert read(raw).silent
