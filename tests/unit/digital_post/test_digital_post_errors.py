"""Row by row: what each answer of Digital Post means for a letter."""

import ssl
from datetime import UTC, datetime

import httpx2
import pytest

from gateway.digital_post.errors import (
    ALREADY_CODES,
    ASKING,
    CONFIRMING,
    OFFERING,
    REMOTE_CODES,
    SILENCE,
    Answer,
    retry_after_seconds,
    safe_code,
    silence,
    verdict,
)
from gateway.errors import DigitalPostAccessDenied, DigitalPostUnavailable

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "says", "then"),
    [
        (201, {"received"}, "taken"),
        (200, {"received"}, "taken"),
        (201, {"refused", "an error code"}, "permanent"),
        (200, set(), "retry"),  # HTML, cut JSON
        (202, set(), "retry"),
        (204, set(), "retry"),
        (201, {"received", "another message"}, "retry"),
        (301, set(), "retry"),
        (307, set(), "retry"),
        (400, set(), "permanent"),
        (400, {"an error code"}, "permanent"),
        (400, {"already there"}, "taken"),
        (400, {"already there", "another message"}, "retry"),
        (401, set(), "stop"),
        (403, {"an error code"}, "stop"),
        (404, set(), "retry"),
        (404, {"an error code"}, "permanent"),
        (405, set(), "retry"),
        (408, set(), "retry"),
        (409, set(), "taken"),
        (409, {"another message"}, "retry"),
        (413, set(), "permanent"),
        (418, set(), "retry"),
        (422, {"an error code"}, "permanent"),
        (422, {"already there"}, "taken"),
        (425, set(), "retry"),
        (429, set(), "retry"),
        (500, {"refused"}, "retry"),
        (502, set(), "retry"),
        (503, {"received"}, "retry"),
        (504, set(), "retry"),
        (599, set(), "retry"),
        (600, set(), "retry"),
        (101, set(), "retry"),
    ],
)
def test_what_an_answer_to_a_letter_means(status, says, then):
    assert verdict(Answer(status=status, says=frozenset(says))).then == then


@pytest.mark.parametrize(
    ("status", "then"),
    [(200, "taken"), (204, "retry"), (401, "stop"), (403, "stop"), (404, "retry"), (429, "retry"),
     (302, "retry"), (500, "retry")],
)  # fmt: skip
def test_what_an_answer_to_a_question_means(status, then):
    assert verdict(Answer(status=status), ASKING).then == then


@pytest.mark.parametrize(
    ("status", "then"),
    [(200, "taken"), (204, "taken"), (404, "taken"), (410, "taken"), (401, "stop"), (403, "stop"),
     (400, "retry"), (503, "retry")],
)  # fmt: skip
def test_what_an_answer_to_a_confirmation_means(status, then):
    assert verdict(Answer(status=status), CONFIRMING).then == then


@pytest.mark.parametrize("table", [OFFERING, ASKING, CONFIRMING])
def test_every_status_has_a_row_and_every_row_a_reason(table):
    assert all(verdict(Answer(status=status), table) for status in range(100, 1000))
    assert all(row.why for row in table)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("30", 30.0),
        (" 30 ", 30.0),
        ("0", 0.0),
        ("3601", 3600.0),
        ("1000000000", 3600.0),
        ("9" * 400, None),
        ("-5", None),
        ("1.5", None),
        ("nan", None),
        ("inf", None),
        ("", None),
        ("soon", None),
        ("٣٠", None),
        ("Thu, 01 Jan 2026 12:01:00 GMT", 60.0),
        ("Thursday, 01-Jan-26 12:01:00 GMT", 60.0),
        ("Thu, 01 Jan 2026 14:00:00 +0100", 3600.0),
        ("Fri, 01 Jan 2100 00:00:00 GMT", 3600.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", None),
        ("Thu, 99 Jan 2026 12:01:00 GMT", None),
    ],
)
def test_retry_after_is_honoured_up_to_an_hour(header, seconds):
    assert retry_after_seconds(header, NOW) == seconds


@pytest.mark.parametrize("kind", [kind for kind, _ in SILENCE])
def test_a_call_without_an_answer_is_tried_again(kind):
    error = silence(kind("https://example.dk/contacts/?cprNumber=0101011234"))
    assert isinstance(error, DigitalPostUnavailable)
    assert error.temporary
    assert "0101011234" not in str(error)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (httpx2.ConnectTimeout, "forbindelsen tog for lang tid"),
        (httpx2.ConnectError, "ingen forbindelse"),
        (httpx2.ReadTimeout, "intet svar i tide"),
        (httpx2.WriteTimeout, "intet svar i tide"),
        (httpx2.PoolTimeout, "for mange samtidige kald"),
        (httpx2.ReadError, "forbindelsen blev afbrudt"),
        (httpx2.WriteError, "forbindelsen blev afbrudt"),
        (httpx2.RemoteProtocolError, "svaret blev afbrudt"),
        (httpx2.LocalProtocolError, "fejl på forbindelsen"),
    ],
)
def test_each_silence_has_its_reason(kind, reason):
    assert silence(kind("x")).facts["reason"] == reason


def test_a_server_we_cannot_believe_is_tried_again_and_our_refused_certificate_stops_everything():
    distrust, alert = httpx2.ConnectError("x"), httpx2.ReadError("x")
    distrust.__cause__ = ssl.SSLCertVerificationError(1, "hostname mismatch")
    alert.__cause__ = ssl.SSLError(1, "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] x")
    alert.__cause__.reason = "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    assert silence(distrust).facts["reason"] == "serverens certifikat er ikke betroet"
    assert isinstance(silence(alert), DigitalPostAccessDenied)


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("memo.invalid", "memo.invalid"),
        ("MEMO_INVALID-1", "MEMO_INVALID-1"),
        ("", None),
        (None, None),
        (7, None),
        ("cpr 0101011234 unknown", None),
        ("cpr.0101011234", None),
        ("cpr.010101-1234", None),
        ("a" * 101, None),
        ("<script>", None),
    ],
)
def test_a_code_is_shown_only_if_it_is_no_more_than_a_code(code, shown):
    assert safe_code(code) == shown


@pytest.mark.parametrize(
    ("code", "already"),
    [
        ("message.already.exists", True),
        ("memo.already.received", True),
        ("duplicate.message.uuid", True),
        ("MEMO.EXISTS", True),
        ("recipient.not.exists", False),
        ("duplicate.filename", False),
        ("recipient.already.closed", False),
        *((code, False) for code in REMOTE_CODES),
    ],
)
def test_only_a_message_that_is_there_already_counts_as_sent(code, already):
    assert bool(ALREADY_CODES.search(code)) == already


def test_every_code_seen_so_far_is_for_a_person():
    assert set(REMOTE_CODES.values()) == {"permanent"}
