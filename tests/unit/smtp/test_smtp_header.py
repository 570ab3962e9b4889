"""What the door reads from a header: the one From, the id, the identity, the circle."""

import hashlib

import pytest

from gateway.ingress.smtp.header import (
    from_address,
    goes_in_a_circle,
    header_end,
    identity_of,
    message_id,
    read_header,
)


def header(*lines):
    return read_header("".join(f"{line}\r\n" for line in lines).encode("utf-8") + b"\r\n")


@pytest.mark.parametrize(
    "value",
    [
        "a@ok.dk",
        "<a@ok.dk>",
        " Anna And <a@ok.dk>",
        '"And, Anna" <a@ok.dk>',
        '"a \\"b\\" c" <a@ok.dk>',
        "=?utf-8?Q?J=C3=B8rgen?= <a@ok.dk>",
        "Jørgen Å. (IT) <a@ok.dk>",
        "Anna\r\n And\r\n <a@ok.dk>",
        "a@ok.dk (Anna)",
        '"a@ok.dk" <a@ok.dk>',
    ],
)
def test_one_sender_is_read_as_people_write_it(value):
    assert from_address(header(f"From: {value}")) == "a@ok.dk"


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["From: "],
        ["From: Anna"],
        ["From: a@ok.dk, b@evil.dk"],
        ["From: a@ok.dk", "From: b@evil.dk"],
        ["From: a@ok.dk", "from : b@evil.dk"],
        ["From: alice@ok.dk)bob@evil.dk"],
        ["From: a@ok.dk<x@evil.dk>"],
        ["From: <a@ok.dk>x@evil.dk"],
        ["From: <a@ok.dk><x@evil.dk>"],
        ["From: a@ok.dk <x@evil.dk>"],
        ["From: <@evil.dk,@ok.dk:a@ok.dk>"],
        ["From: Group: a@ok.dk;"],
        ['From: "a b"@ok.dk'],
        ["From: =?utf-8?Q?=61=40ok.dk?="],
        ["From: a@ok.dk\0@evil.dk"],
        ["From: a@ok.dk\\@evil.dk"],
        ["From: a@ok.dk (x) (y@z)"],
        ["From: a@[127.0.0.1]"],
        # What the reader of the letter would not read either (it would say GW-217 after our 250).
        ["From: Anna <a@ok.dk> (Skole)"],
        ["From: < a@ok.dk >"],
        ["nonsense", "From: a@ok.dk"],
        [" From: b@evil.dk", "From: a@ok.dk"],
        ["Fr\0om: b@evil.dk", "From: a@ok.dk"],
    ],
)
def test_a_sender_that_can_be_read_in_two_ways_is_no_sender(lines):
    assert from_address(header(*lines)) is None


def test_reading_a_hostile_sender_takes_no_time():
    assert from_address(header("From: " + '("' * 8000)) is None
    assert from_address(header("From: " + "a " * 8000 + "<")) is None
    assert from_address(header("From: " + "a@" * 8000)) is None


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["Message-ID: <1@ok.dk>"], "1@ok.dk"),
        (["message-id:\r\n\t<1@ok.dk>"], "1@ok.dk"),
        (["Message-ID: 1@ok.dk"], "1@ok.dk"),
        (["Message-ID: <>"], None),
        (["Message-ID: <a b@ok.dk>"], None),
        (["Message-ID: <æ@ok.dk>"], None),
        (["Message-ID: <1@ok.dk>", "Message-ID: <2@ok.dk>"], None),
        (["Message-ID: <" + "x" * 500 + ">"], "x" * 500),
        (["Message-ID: <" + "x" * 501 + ">"], None),
        ([], None),
    ],
)
def test_the_message_id_is_a_key_only_if_it_is_a_good_one(lines, expected):
    assert message_id(header(*lines)) == expected


def identity(*lines):
    return identity_of(header(*lines)).hexdigest()


def test_the_road_a_mail_took_does_not_change_what_it_is():
    mail = ["From: a@ok.dk", "Subject: Brev", "Content-Type: text/plain"]
    trace = ["Received: from x by y", "Return-Path: <a@ok.dk>", "DKIM-Signature: v=1", "X-Spam: no"]
    assert identity(*trace, *mail) == identity(*mail)
    assert identity("FROM:  a@ok.dk", "subject: Brev", "Content-type: text/plain") == identity(*mail)


@pytest.mark.parametrize("name", ["From", "To", "Cc", "Subject", "Date", "Message-ID", "Content-Type"])
def test_each_stable_field_changes_what_a_mail_is(name):
    assert identity(f"{name}: a") != identity(f"{name}: b")
    assert identity(f"{name}: a") != identity()


def test_the_identity_of_nothing_is_known():
    assert identity() == hashlib.sha256(b"\r\n").hexdigest()


@pytest.mark.parametrize(
    ("top", "expected"),
    [(b"\r\nbody", 2), (b"A: b\r\n\r\nbody", 8), (b"A: b\r\n", None), (b"", None), (b"A: b\r\n\r", None)],
)
def test_the_body_begins_after_the_empty_line(top, expected):
    assert header_end(top) == expected


def test_a_circle_is_seen_by_our_mark_or_by_too_many_hops():
    def circles(*lines):
        return goes_in_a_circle(header(*lines), hops=2, loop_id="gw.dk")

    assert circles("X-Loop: GW.dk")
    assert circles(*["Received: x"] * 3)
    assert not circles("X-Loop: other.dk", *["Received: x"] * 2)
