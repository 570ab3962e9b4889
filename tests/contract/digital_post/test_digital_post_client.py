"""Our client against a server that misbehaves: what we send, and what every kind of answer means."""

import gzip
import io
import json
import logging
import socket
import ssl
import struct
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from gateway.errors import (
    ConfigError,
    DigitalPostAccessDenied,
    DigitalPostRefused,
    DigitalPostUnavailable,
    VaultDamaged,
)
from gateway.model.identity import Cpr, Cvr

KEY = "8c2ea15d-61fb-4ba9-9366-42f8b194c365"
OTHER = "11111111-2222-4333-8444-555555555555"
TAKEN = json.dumps(
    {"transmissionId": OTHER, "messageUUID": KEY, "messageId": None, "errorCode": None,
     "errorMessage": None, "timeStamp": "2026-01-01T11:59:59Z", "receiptStatus": "RECEIVED"}
)  # fmt: skip


def receipt(**fields) -> str:
    return json.dumps(json.loads(TAKEN) | fields)


def error(code: str, **fields) -> str:
    return json.dumps({"code": code, "message": "0101011234 is somebody", "fieldErrors": []} | fields)


# ── what we send ────────────────────────────────────────────────────────────


def test_a_message_is_sent_with_its_uuid_its_length_and_our_login(start_peer, make_client, send, http):
    peer = start_peer(http(201, TAKEN))
    found = send(make_client(peer.url), b"<memo>" + b"x" * 200_000)
    (asked,) = peer.asked
    assert asked.line == f"POST /apis/v1/memos/?memo-message-uuid={KEY} HTTP/1.1"
    assert asked.header("Content-Type") == "application/xml"
    assert asked.header("Content-Length") == "200006"
    assert asked.header("Transfer-Encoding") is None
    assert asked.header("Authorization") == "Basic c3lzdGVtOmhlbW1lbGln"  # system:hemmelig
    assert len(asked.body) == 200_006
    assert (found.kind, found.verdict, found.key) == ("technical", "received", KEY)
    assert (found.source, found.source_id) == ("digital-post", f"answer:{OTHER}")
    assert found.at == datetime(2026, 1, 1, 11, 59, 59, tzinfo=UTC)
    assert found.raw == TAKEN.encode()


def test_one_connection_carries_many_messages(start_peer, make_client, send, http):
    peer = start_peer(http(201, TAKEN).replace(b"Connection: close\r\n", b""), keep=True)
    client = make_client(peer.url)
    for _ in range(3):
        assert send(client).verdict == "received"
    assert (len(peer.asked), peer.connections) == (3, 1)


@pytest.mark.parametrize("said", [5, 9])
def test_a_message_of_another_length_than_said_is_never_finished(start_peer, make_client, http, said):
    peer = start_peer(http(201, TAKEN))
    with pytest.raises(VaultDamaged):
        make_client(peer.url).send_memo(KEY, io.BytesIO(b"<memo/>"), said)
    assert peer.asked == []


# ── what they answer ────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (201, receipt(receiptStatus=2)),
        (200, TAKEN),
        (201, receipt(receiptStatus="received", messageUUID=KEY.upper())),
    ],
)
def test_a_technical_receipt_is_taken_in_any_form(start_peer, make_client, send, http, status, body):
    assert send(make_client(start_peer(http(status, body)).url)).verdict == "received"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (409, ""),
        (409, "<html>"),
        (409, error("conflict")),
        (409, error("conflict", message=f"{KEY} exists")),
        (400, error("message.already.exists")),
        (422, error("memo.duplicate", fieldErrors=[{"rejectedValue": KEY}])),
    ],
)
def test_an_answer_that_they_have_it_already_counts_as_taken(
    start_peer, make_client, send, http, status, body
):
    assert send(make_client(start_peer(http(status, body)).url)) is None


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (201, receipt(messageUUID=OTHER)),
        (409, error("conflict", message=f"{OTHER} exists")),
        (409, receipt(messageUUID=OTHER)),
        (400, error("message.already.exists", fieldErrors=[{"rejectedValue": OTHER}])),
    ],
)
def test_an_answer_about_another_message_says_nothing_of_ours(
    start_peer, make_client, send, http, status, body
):
    with pytest.raises(DigitalPostUnavailable):
        send(make_client(start_peer(http(status, body)).url))


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, error("memo.invalid"), "memo.invalid"),
        (400, error("contact.point.id.format.not.allowed", fieldErrors=[{"rejectedValue": OTHER}]),
         "contact.point.id.format.not.allowed"),
        (400, "<html>", "HTTP 400"),
        (400, error("cpr 0101011234 is unknown"), "HTTP 400"),
        (404, error("recipient.not.found"), "recipient.not.found"),
        (413, "", "HTTP 413"),
        (422, error("file.extension.not.allowed"), "file.extension.not.allowed"),
        (422, error("duplicate.filename"), "duplicate.filename"),
        (201, receipt(receiptStatus="INVALID", errorCode="memo.invalid"), "memo.invalid"),
        (201, receipt(receiptStatus="NOT_ALLOWED"), "NOT_ALLOWED"),
        (201, receipt(receiptStatus=1), "INVALID"),
    ],
)  # fmt: skip
def test_a_no_to_this_letter_is_final_and_carries_their_code(
    start_peer, make_client, send, http, status, body, code
):
    with pytest.raises(DigitalPostRefused) as caught:
        send(make_client(start_peer(http(status, body)).url))
    assert caught.value.facts["remote_code"] == code
    assert not caught.value.temporary
    assert "0101011234" not in str(caught.value)


@pytest.mark.parametrize("status", [401, 403])
def test_a_no_to_every_letter_stops_the_sending(start_peer, make_client, send, http, status):
    with pytest.raises(DigitalPostAccessDenied) as caught:
        send(make_client(start_peer(http(status, error("denied"))).url))
    assert caught.value.facts["status"] == status


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (503, [], None),
        (500, [], None),
        (502, [], None),
        (504, [], None),
        (429, ["Retry-After: 30"], 30.0),
        (503, ["Retry-After: Thu, 01 Jan 2026 12:02:00 GMT"], 120.0),
        (429, ["Retry-After: 1000000000"], 3600.0),
        (429, ["Retry-After: -7"], None),
        (404, [], None),
        (204, [], None),
        (418, [], None),
    ],
)
def test_what_may_pass_is_tried_again_when_they_say(
    start_peer, make_client, send, http, status, headers, seconds
):
    with pytest.raises(DigitalPostUnavailable) as caught:
        send(make_client(start_peer(http(status, "", *headers)).url))
    assert caught.value.retry_after_seconds == seconds
    assert caught.value.temporary


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_never_followed(start_peer, make_client, send, http, status):
    elsewhere = start_peer(http(201, TAKEN))
    peer = start_peer(http(status, "", f"Location: {elsewhere.url}/memos/"))
    with pytest.raises(DigitalPostUnavailable):
        send(make_client(peer.url))
    assert elsewhere.asked == []


# ── answers that are none ───────────────────────────────────────────────────


def reset(connection: ssl.SSLSocket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


BROKEN = {
    "closed without a word": b"",
    "connection reset": reset,
    "half a status line": b"HTTP/1.1 20",
    "a status that is none": b"HTTP/1.1 9999 X\r\n\r\n",
    "no HTTP at all": b"220 mail.example.dk ESMTP\r\n",
    "half the headers": b"HTTP/1.1 201 X\r\nContent-Le",
    "half the body": b"HTTP/1.1 201 X\r\nContent-Length: 500\r\n\r\n" + TAKEN.encode()[:50],
    "HTML": b"HTTP/1.1 200 X\r\nContent-Length: 15\r\n\r\n<html>OK</html>",
    "cut JSON": b"HTTP/1.1 201 X\r\nContent-Length: 20\r\n\r\n" + TAKEN.encode()[:20],
    "a list": b"HTTP/1.1 201 X\r\nContent-Length: 2\r\n\r\n[]",
    "endless nesting": b"HTTP/1.1 201 X\r\nContent-Length: 90000\r\n\r\n" + b"[" * 90_000,
    "cut chunks": b"HTTP/1.1 201 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n",
    "wrong chunks": b"HTTP/1.1 201 X\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabcde\r\n",
    "gzip that is none": b"HTTP/1.1 201 X\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
    "a coding we did not ask for": b"HTTP/1.1 201 X\r\nContent-Encoding: br\r\nContent-Length: 3\r\n\r\nabc",
    "headers without end": b"HTTP/1.1 201 X\r\n" + b"X-A: " + b"a" * 300_000,
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN.keys())
def test_an_answer_that_cannot_be_understood_means_try_again(start_peer, make_client, send, answer):
    with pytest.raises(DigitalPostUnavailable) as caught:
        send(make_client(start_peer(answer).url))
    assert caught.value.__cause__ is None
    assert KEY not in str(caught.value)


def test_a_lost_answer_is_followed_by_the_same_uuid_and_the_same_bytes(
    start_peer, make_client, send, http
):
    peer = start_peer(reset, http(409, error("message.already.exists")))
    client = make_client(peer.url)
    with pytest.raises(DigitalPostUnavailable):
        send(client, b"<memo>one</memo>")
    assert send(client, b"<memo>one</memo>") is None
    first, second = peer.asked
    assert (first.line, first.body) == (second.line, second.body)


def test_nobody_listening_means_try_again(start_peer, make_client, send):
    peer = start_peer(b"")
    url = peer.url
    peer.stop()
    with pytest.raises(DigitalPostUnavailable) as caught:
        send(make_client(url))
    assert caught.value.facts["reason"] == "ingen forbindelse"


def test_a_zipped_answer_is_read(start_peer, make_client, send, http):
    peer = start_peer(http(201, gzip.compress(TAKEN.encode()), "Content-Encoding: gzip"))
    assert send(make_client(peer.url)).raw == TAKEN.encode()


@pytest.mark.parametrize("zipped", [True, False])
def test_an_answer_beyond_all_reason_is_not_read_to_its_end(start_peer, make_client, send, http, zipped):
    if zipped:
        answer = http(201, gzip.compress(bytes(200_000_000), 1), "Content-Encoding: gzip")
    else:
        answer = http(201, b"x" * 3_000_000, length=10_000_000_000)
    with pytest.raises(DigitalPostUnavailable) as caught:
        send(make_client(start_peer(answer).url))
    assert caught.value.facts["reason"] == "svaret er for stort"


def test_a_refusal_before_the_whole_message_came_is_heard(start_peer, make_client, http):
    peer = start_peer(http(403, error("denied")), at_once=True)
    with pytest.raises((DigitalPostAccessDenied, DigitalPostUnavailable)):
        make_client(peer.url).send_memo(KEY, io.BytesIO(b"x" * 3_000_000), 3_000_000)


# ── time ────────────────────────────────────────────────────────────────────


def dribble(start: bytes, drop: bytes):
    """*start*, then *drop* again and again, faster than any single wait runs out."""

    def answer(connection: ssl.SSLSocket) -> None:
        connection.sendall(start)
        while not over.wait(0.05):
            connection.sendall(drop)

    over = threading.Event()
    answer.over = over
    return answer


SLOW = {
    "silence": (b"", b""),
    "one byte of a header at a time": (b"HTTP/1.1 201 X\r\nX-A: ", b"a"),
    "one byte of the body at a time": (b"HTTP/1.1 201 X\r\nContent-Length: 100000\r\n\r\n", b" "),
    "always another 100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}


@pytest.mark.parametrize(("start", "drop"), SLOW.values(), ids=SLOW.keys())
def test_a_call_ends_in_its_time_however_the_answer_dribbles(start_peer, make_client, send, start, drop):
    answer = dribble(start, drop)
    client = make_client(start_peer(answer).url, timeout=0.6)
    began = time.monotonic()
    with pytest.raises(DigitalPostUnavailable) as caught:
        send(client)
    answer.over.set()
    assert time.monotonic() - began < 3
    assert caught.value.facts["reason"] == "intet svar i tide"


def test_a_server_that_takes_nothing_ends_in_its_time_too(start_peer, make_client):
    over = threading.Event()
    peer = start_peer(lambda _connection: over.wait(10), at_once=True)
    size = 50_000_000
    began = time.monotonic()
    with pytest.raises(DigitalPostUnavailable):
        make_client(peer.url, timeout=0.6).send_memo(KEY, io.BytesIO(bytes(size)), size)
    over.set()
    assert time.monotonic() - began < 3


# ── certificates ────────────────────────────────────────────────────────────


def test_a_server_that_is_not_who_it_should_be_gets_nothing(
    start_peer, make_client, send, authority, other_authority, http
):
    pairs = {
        "run out": authority.issue("old", days=-1),
        "another name": authority.issue("elsewhere", host="elsewhere.example.dk"),
        "another authority": other_authority.issue("server"),
    }
    for what, pair in pairs.items():
        peer = start_peer(http(201, TAKEN), pair=pair)
        with pytest.raises(DigitalPostUnavailable) as caught:
            send(make_client(peer.url))
        assert caught.value.facts["reason"] == "serverens certifikat er ikke betroet", what
        assert peer.asked == [], what


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_our_certificate_refused_stops_the_sending(
    start_peer, make_client, send, other_authority, http, version
):
    ours = other_authority.issue("client")
    peer = start_peer(http(201, TAKEN), tls=version)
    with pytest.raises(DigitalPostAccessDenied):
        send(make_client(peer.url, certificate=ours.certificate, key=ours.key))
    assert peer.asked == []


@pytest.mark.parametrize("name", ["certificate", "key", "ca"])
def test_a_certificate_file_that_is_missing_or_none_is_a_fault_of_the_configuration(
    make_client, tmp_path, name
):
    with pytest.raises(ConfigError, match="not there"):
        make_client("https://127.0.0.1:1", **{name: tmp_path / "missing.pem"})
    (tmp_path / "none.pem").write_text("none")
    with pytest.raises(ConfigError, match="cannot be used"):
        make_client("https://127.0.0.1:1", **{name: tmp_path / "none.pem"})


def test_a_locked_key_is_a_fault_and_asks_nobody(make_client, tmp_path, client_pair):
    from cryptography.hazmat.primitives import serialization

    (tmp_path / "locked.key").write_bytes(
        client_pair.secret.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    with pytest.raises(ConfigError, match="locked"):
        make_client("https://127.0.0.1:1", key=tmp_path / "locked.key")


def test_an_address_that_is_none_is_a_fault_of_the_configuration(make_client):
    with pytest.raises(ConfigError, match="no address"):
        make_client("https://[::1/apis/v1")


def test_a_proxy_of_the_environment_is_not_used(start_peer, make_client, send, http, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert send(make_client(start_peer(http(201, TAKEN)).url)).verdict == "received"


# ── receipts ────────────────────────────────────────────────────────────────


def ids(*found: str, pages: int = 1) -> str:
    return json.dumps({"content": list(found), "number": 0, "totalPages": pages, "totalElements": len(found)})


A, B, C = (f"{digit * 8}-0000-4000-8000-000000000000" for digit in "abc")


def test_receipts_are_read_without_removing_them(start_peer, make_client, http):
    body = receipt(receiptStatus="COMPLETED")
    peer = start_peer(http(200, ids(A)), http(200, body))
    waiting = make_client(peer.url).receipts(10)
    (found,) = waiting.receipts
    assert (found.source_id, found.key, found.verdict) == (A, KEY, "completed")
    assert found.raw == body.encode()
    assert [asked.line for asked in peer.asked] == [
        "GET /apis/v1/receipts/?page=0&size=10 HTTP/1.1",
        f"GET /apis/v1/receipts/{A}?delete=false HTTP/1.1",
    ]


def test_one_bad_receipt_does_not_stop_the_others_and_is_told_once(start_peer, make_client, http):
    good = http(200, receipt(receiptStatus="COMPLETED"))
    peer = start_peer(
        http(200, ids(A, B, C)), http(200, "<html>"), http(200, receipt(receiptStatus="LOST")), good,
        http(200, ids(A, B, C)), good,
    )  # fmt: skip
    client = make_client(peer.url)
    first, second = client.receipts(10), client.receipts(10)
    assert [found.source_id for found in first.receipts] == [C]
    assert first.unreadable == ((A, "not JSON"), (B, "receiptStatus"))
    assert [found.source_id for found in second.receipts] == [C]
    assert second.unreadable == ()


def test_a_receipt_whose_answer_was_garbled_once_is_asked_for_again_a_minute_later(
    start_peer, make_client, http, clock
):
    peer = start_peer(
        http(200, ids(A)), http(200, "<html>"),
        http(200, ids(A)),
        http(200, ids(A)), http(200, receipt(receiptStatus="COMPLETED")),
    )  # fmt: skip
    client = make_client(peer.url)
    assert client.receipts(10).unreadable == ((A, "not JSON"),)
    assert client.receipts(10).receipts == ()
    clock.later = timedelta(minutes=1)
    (found,) = client.receipts(10).receipts
    assert (found.source_id, found.verdict) == (A, "completed")


def test_what_could_not_be_read_is_told_although_a_later_call_fails(start_peer, make_client, http):
    peer = start_peer(http(200, ids(A, B)), http(200, "<html>"), http(503, ""))
    assert make_client(peer.url).receipts(10).unreadable == ((A, "not JSON"),)


def test_bad_receipts_at_the_head_of_the_queue_hide_nothing_behind_them(start_peer, make_client, http):
    peer = start_peer(
        http(200, ids(A, pages=2)), http(200, ids(B, pages=2)), http(200, "<html>"),
        http(200, ids(A, pages=2)), http(200, ids(B, pages=2)), http(200, receipt(receiptStatus="COMPLETED")),
    )  # fmt: skip
    client = make_client(peer.url)
    # Asked for one, the first page is enough; once it is known as bad, the next page is looked at.
    peer.answers.pop(1)
    assert client.receipts(1).receipts == ()
    assert [found.source_id for found in client.receipts(1).receipts] == [B]


def test_a_receipt_that_is_gone_meanwhile_is_no_fault(start_peer, make_client, http):
    peer = start_peer(http(200, ids(A, B)), http(404), http(200, receipt(receiptStatus="COMPLETED")))
    assert [found.source_id for found in make_client(peer.url).receipts(10).receipts] == [B]


def test_what_was_got_before_a_fault_is_kept(start_peer, make_client, http):
    peer = start_peer(http(200, ids(A, B)), http(200, receipt(receiptStatus="COMPLETED")), http(503))
    assert [found.source_id for found in make_client(peer.url).receipts(10).receipts] == [A]


@pytest.mark.parametrize("body", ["<html>", "[]", "{}", '{"content": 7}', ""])
def test_a_list_of_receipts_that_is_none_means_try_again(start_peer, make_client, http, body):
    with pytest.raises(DigitalPostUnavailable):
        make_client(start_peer(http(200, body)).url).receipts(10)


@pytest.mark.parametrize("status", [200, 204, 404, 410])
def test_a_receipt_is_confirmed_even_when_it_is_gone_already(start_peer, make_client, http, status):
    peer = start_peer(http(status))
    make_client(peer.url).confirm_receipt(A)
    assert peer.asked[0].line == f"DELETE /apis/v1/receipts/{A} HTTP/1.1"


def test_a_confirmation_that_failed_is_said_so(start_peer, make_client, http):
    with pytest.raises(DigitalPostUnavailable):
        make_client(start_peer(http(503)).url).confirm_receipt(A)
    with pytest.raises(DigitalPostAccessDenied):
        make_client(start_peer(http(401)).url).confirm_receipt(A)


def test_an_id_that_is_not_theirs_is_never_put_into_an_address(start_peer, make_client, http):
    peer = start_peer(http(204))
    make_client(peer.url).confirm_receipt(f"answer:{KEY}")
    make_client(peer.url).confirm_receipt("../memos/")
    assert peer.asked == []


# ── numbers ─────────────────────────────────────────────────────────────────


def test_a_look_up_names_the_number_as_the_interface_wants_it(start_peer, make_client, http):
    peer = start_peer(http(200, '{"contacts": []}'))
    client = make_client(peer.url)
    assert client.contacts(Cpr("0101011234")) == []
    assert client.contacts(Cvr("12345674", "1029829825")) == []
    assert [asked.line for asked in peer.asked] == [
        "GET /apis/v1/contacts/?cprNumber=0101011234 HTTP/1.1",
        "GET /apis/v1/contacts/?cvrNumber=12345674 HTTP/1.1",
    ]


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 503 X\r\n\r\n", b"HTTP/1.1 200 X\r\n\r\n<html>"])
def test_no_number_reaches_a_log_or_an_error(start_peer, make_client, caplog, answer):
    caplog.set_level(logging.DEBUG)
    client = make_client(start_peer(answer).url)
    with pytest.raises(DigitalPostUnavailable) as caught:
        client.contacts(Cpr("0101011234"))
    assert "0101011234" not in caplog.text + repr(caught.value) + str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__
