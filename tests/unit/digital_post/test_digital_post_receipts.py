"""Receipts are read liberally, and never guessed."""

import json
from datetime import UTC, datetime

import pytest

from gateway.digital_post.receipts import ReceiptUnreadable, answer_id, parse_json, receipt_from

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
KEY = "8c2ea15d-61fb-4ba9-9366-42f8b194c365"
THEIRS = "11111111-2222-4333-8444-555555555555"


def receipt(**fields):
    given = {
        "transmissionId": THEIRS,
        "messageUUID": KEY,
        "messageId": None,
        "errorCode": None,
        "errorMessage": None,
        "timeStamp": "2026-01-01T11:59:58.5Z",
        "receiptStatus": "COMPLETED",
    } | fields
    return receipt_from(given, json.dumps(given).encode(), source_id="r1", now=NOW)


@pytest.mark.parametrize(
    ("status", "kind", "verdict", "code"),
    [
        ("RECEIVED", "technical", "received", None),
        ("COMPLETED", "business", "completed", None),
        ("INVALID", "business", "refused", "memo.invalid"),
        ("NOT_ALLOWED", "business", "refused", "memo.invalid"),
        ("completed", "business", "completed", None),
        (" Completed ", "business", "completed", None),
        (0, "business", "refused", "memo.invalid"),
        (1, "business", "refused", "memo.invalid"),
        (2, "technical", "received", None),
        (3, "business", "completed", None),
        ("3", "business", "completed", None),
    ],
)
def test_a_status_is_a_word_or_a_number(status, kind, verdict, code):
    found = receipt(receiptStatus=status, errorCode="memo.invalid")
    assert (found.kind, found.verdict, found.remote_code) == (kind, verdict, code)


@pytest.mark.parametrize("status", [None, "", "DELIVERED", 4, -1, 99, True, 2.5, [], {}, "٣", "9" * 5000])
def test_an_unknown_status_is_never_guessed(status):
    with pytest.raises(ReceiptUnreadable, match=r"^receiptStatus$"):
        receipt(receiptStatus=status)


@pytest.mark.parametrize("uuid", [None, "", 7, "0101011234", f"{KEY}0", ["x"]])
def test_a_receipt_about_no_message_is_unreadable_and_quotes_nothing(uuid):
    with pytest.raises(ReceiptUnreadable, match=r"^messageUUID$"):
        receipt(messageUUID=uuid)


@pytest.mark.parametrize("found", [None, [], "x", 7])
def test_a_receipt_is_an_object(found):
    with pytest.raises(ReceiptUnreadable, match=r"^not an object$"):
        receipt_from(found, b"x", source_id="r1", now=NOW)


@pytest.mark.parametrize(
    "octets", [b"", b"{", b"<html>", b"\xff\xfe", b"[" * 200_000, b"9" * 20_000]
)
def test_what_is_no_json_is_said_so(octets):
    with pytest.raises(ReceiptUnreadable, match=r"^not JSON$"):
        parse_json(octets)


@pytest.mark.parametrize(
    ("stamp", "at"),
    [
        ("2026-01-01T11:00:00Z", datetime(2026, 1, 1, 11, tzinfo=UTC)),
        ("2026-01-01T12:00:00.1234567+01:00", datetime(2026, 1, 1, 11, 0, 0, 123456, tzinfo=UTC)),
        (1767265200, datetime(2026, 1, 1, 11, tzinfo=UTC)),
        (1767265200000, datetime(2026, 1, 1, 11, tzinfo=UTC)),
        (None, NOW),
        ("yesterday", NOW),
        (1e300, NOW),
        (True, NOW),
    ],
)
def test_a_time_is_read_in_any_form_and_ours_is_taken_when_there_is_none(stamp, at):
    assert receipt(timeStamp=stamp).at == at


def test_the_message_is_known_whatever_the_case_of_its_uuid():
    assert receipt(messageUUID=KEY.upper()).key == KEY


def test_a_refusal_without_a_usable_code_carries_its_status():
    assert receipt(receiptStatus="NOT_ALLOWED").remote_code == "NOT_ALLOWED"
    assert receipt(receiptStatus="INVALID", errorCode="cpr 0101011234").remote_code == "INVALID"


def test_the_raw_bytes_are_kept_and_never_shown():
    found = receipt(errorMessage="0101011234")
    assert json.loads(found.raw)["errorMessage"] == "0101011234"
    assert "0101011234" not in repr(found)


def test_a_receipt_that_came_with_an_answer_is_never_taken_for_one_of_the_queue():
    assert answer_id({"transmissionId": THEIRS}, KEY) == f"answer:{THEIRS}"
    assert answer_id({}, KEY) == f"answer:{KEY}"
