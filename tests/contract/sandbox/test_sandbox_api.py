"""The documented REST API of the sandbox, over real mTLS."""

from __future__ import annotations

import hashlib
import http.client
import json
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from gateway.errors import ConfigError
from gateway.sandbox.authority import Authority
from gateway.sandbox.inbox import inbox_folder
from gateway.sandbox.mailroom import LARGEST_BYTES
from gateway.sandbox.official_schema import official_schema
from gateway.sandbox.running import listen

from .conftest import CPR, CVR, memo

UUID_4, OTHER_UUID_4 = (
    "5e0d2f6c-51a6-4f39-9a0c-0d8f4a5b6c7d",
    "0e0d2f6c-51a6-4f39-9a0c-0d8f4a5b6c7d",
)
RECEIPT_FIELDS = {
    *("transmissionId", "messageUUID", "messageId", "errorCode", "errorMessage", "timeStamp"),
    *("receiptStatus", "sandbox"),
}


# ── sending ─────────────────────────────────────────────────────────────────


def test_a_message_is_answered_with_a_technical_receipt(client):
    uuid = str(uuid4())
    answer = client.send(uuid)
    assert answer.status == 201
    receipt = answer.json
    assert receipt.keys() == RECEIPT_FIELDS
    assert (receipt["receiptStatus"], receipt["messageUUID"]) == ("RECEIVED", uuid)
    assert (receipt["errorCode"], receipt["sandbox"]) == (None, True)
    assert datetime.fromisoformat(receipt["timeStamp"]).utcoffset() == timedelta(0)


@pytest.mark.parametrize("number", [CPR, CVR])
def test_the_recipient_gets_the_documents_byte_for_byte(sandbox, client, number):
    content = b"%PDF-1.7\r\n" + bytes(range(256)) * 500
    uuid = str(uuid4())
    client.send(uuid, number=number, content=content)
    [message] = sandbox.inbox(number)
    assert (message["uuid"], message["title"]) == (uuid, "Indkaldelse til møde")
    assert message["sender"] == "Eksempelby Gymnasium"
    [file] = message["files"]
    assert file["name"] == "brev.pdf"
    assert Path(file["path"]).read_bytes() == content
    assert (file["size"], file["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())


def test_the_message_itself_is_kept_as_it_came(sandbox, client):
    uuid = str(uuid4())
    body = memo(uuid)
    client.send(uuid, body, media_type="text/xml; charset=utf-8")
    kept = inbox_folder(sandbox.folder, "cpr", CPR) / uuid / "memo.xml"
    assert kept.read_bytes() == body
    [line] = sandbox.accepted()
    assert (line["uuid"], line["sha256"]) == (uuid, hashlib.sha256(body).hexdigest())
    assert (line["size_bytes"], line["repeat"]) == (len(body), False)


@pytest.mark.parametrize(
    ("query", "body", "media_type", "code"),
    [
        ("", b"<x/>", "application/xml", "memo.message.uuid.invalid"),
        ("memo-message-uuid=7", b"<x/>", "application/xml", "memo.message.uuid.invalid"),
        (
            f"memo-message-uuid={UUID(int=1)}",
            b"<x/>",
            "application/xml",
            "memo.message.uuid.invalid",
        ),
        (f"memo-message-uuid={UUID_4}", b"<x/>", "application/json", "content.type.not.allowed"),
        (f"memo-message-uuid={UUID_4}", b"<x/>", "application/x-lzma", "memo.container.malformed"),
        (f"memo-message-uuid={UUID_4}", b"<x/>", "application/xml", "memo.malformed"),
        (f"memo-message-uuid={UUID_4}", b"", "application/xml", "memo.malformed"),
        (
            f"memo-message-uuid={UUID_4}",
            memo(OTHER_UUID_4),
            "application/xml",
            "memo.message.uuid.mismatch",
        ),
    ],
)
def test_a_malformed_request_is_answered_400_and_not_taken(
    sandbox, client, query, body, media_type, code
):
    answer = client.request("POST", f"/apis/v1/memos/?{query}", body, {"Content-Type": media_type})
    assert (answer.status, answer.json["code"]) == (400, code)
    assert answer.json.keys() == {"code", "message", "fieldErrors", "sandbox"}
    assert sandbox.accepted() == []
    assert list((sandbox.folder / "incoming").iterdir()) == []


def test_a_body_without_content_length_is_refused(sandbox, client):
    body = iter([memo(uuid4())])
    path = f"/apis/v1/memos/?memo-message-uuid={uuid4()}"
    answer = client.request("POST", path, body, {"Content-Type": "application/xml"})
    assert (answer.status, answer.json["code"]) == (400, "content.length.required")


def test_a_message_that_is_too_large_is_refused_before_it_is_read(sandbox, connect):
    client = connect(sandbox)
    connection = client._connection
    connection.putrequest("POST", f"/apis/v1/memos/?memo-message-uuid={uuid4()}")
    for name, value in client.headers.items():
        connection.putheader(name, value)
    connection.putheader("Content-Type", "application/xml")
    connection.putheader("Content-Length", str(LARGEST_BYTES + 1))
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 400
    assert json.loads(answer.read())["code"] == "memo.size.not.allowed"


def test_a_connection_that_ends_inside_the_message_leaves_nothing(sandbox, connect):
    client = connect(sandbox)
    connection = client._connection
    connection.putrequest("POST", f"/apis/v1/memos/?memo-message-uuid={uuid4()}")
    for name, value in client.headers.items():
        connection.putheader(name, value)
    connection.putheader("Content-Type", "application/xml")
    connection.putheader("Content-Length", "100000")
    connection.endheaders(b"<memo:Message")
    client.close()
    sandbox.stop()
    assert sandbox.accepted() == []
    assert list((sandbox.folder / "incoming").iterdir()) == []


def test_a_large_document_arrives_whole(sandbox, client):
    content = bytes(range(256)) * 4096 * 20
    assert client.send(content=content).status == 201
    [message] = sandbox.inbox(CPR)
    assert message["files"][0]["sha256"] == hashlib.sha256(content).hexdigest()


def test_the_same_message_again_is_counted_and_never_delivered_twice(sandbox, client):
    uuid = str(uuid4())
    assert client.send(uuid).status == 201
    again = client.send(uuid)
    assert (again.status, again.json["code"]) == (409, "message.already.exists")
    assert len(sandbox.inbox(CPR)) == 1
    assert [line["repeat"] for line in sandbox.accepted()] == [False, True]
    assert sandbox.violations() == []


def test_the_same_message_again_may_be_answered_with_a_receipt(sandbox, client):
    sandbox.dials.set("duplicate", "receipt")
    uuid = str(uuid4())
    client.send(uuid)
    again = client.send(uuid)
    assert (again.status, again.json["messageUUID"]) == (201, uuid)
    assert len(sandbox.inbox(CPR)) == 1


def test_the_same_uuid_with_other_bytes_is_a_violation(sandbox, client):
    uuid = str(uuid4())
    client.send(uuid, content=b"one")
    assert client.send(uuid, content=b"two").status == 409
    [violation] = sandbox.violations()
    assert violation["uuid"] == uuid
    assert violation["first_sha256"] != violation["sha256"]
    assert len(sandbox.accepted()) == 1


def test_many_at_once_are_all_taken_once(sandbox, connect):
    uuids = [str(uuid4()) for _ in range(20)]
    local = threading.local()

    def send(uuid):
        if not hasattr(local, "client"):
            local.client = connect(sandbox)
        return local.client.send(uuid).status

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(send, uuids * 2))
    assert sorted(statuses) == [201] * 20 + [409] * 20
    assert {message["uuid"] for message in sandbox.inbox(CPR)} == set(uuids)
    assert len(sandbox.inbox(CPR)) == 20
    assert len(sandbox.accepted()) == 40


# ── receipts ────────────────────────────────────────────────────────────────


def test_a_good_message_gets_a_business_receipt_completed(client):
    uuid = str(uuid4())
    client.send(uuid)
    listed = client.get("/receipts/").json
    [receipt_id] = listed["content"]
    assert (listed["number"], listed["totalElements"], listed["totalPages"]) == (0, 1, 1)
    receipt = client.get(f"/receipts/{receipt_id}?delete=false").json
    assert receipt.keys() == RECEIPT_FIELDS
    assert (receipt["receiptStatus"], receipt["messageUUID"]) == ("COMPLETED", uuid)
    assert (receipt["messageId"], receipt["errorCode"]) == ("MSG-1", None)


def test_a_message_against_the_rules_gets_a_business_receipt_invalid(sandbox, client):
    client.send(changes=[("brev.pdf", "brev.exe")])
    [receipt] = client.get("/receipts-bulk/").json["receipts"]
    assert (receipt["receiptStatus"], receipt["errorCode"]) == (
        "INVALID",
        "file.extension.not.allowed",
    )
    assert sandbox.inbox(CPR) == []


def test_a_message_in_the_wrong_order_is_memo_invalid(client):
    flag = "<memo:mandatory>false</memo:mandatory>"
    client.send(changes=[(flag, ""), ("<memo:Sender>", f"{flag}<memo:Sender>")])
    [receipt] = client.get("/receipts-bulk/").json["receipts"]
    assert (receipt["receiptStatus"], receipt["errorCode"]) == ("INVALID", "memo.invalid")


def test_the_business_receipt_comes_after_the_delay(start, connect):
    clock = [datetime(2026, 11, 25, 12, 0, tzinfo=UTC)]
    sandbox = start(delay=2, now=lambda: clock[0])
    client = connect(sandbox)
    client.send()
    clock[0] += timedelta(seconds=1.9)
    assert client.get("/receipts/").json["content"] == []
    assert sandbox.inbox(CPR) == []
    clock[0] += timedelta(seconds=0.2)
    assert len(client.get("/receipts/").json["content"]) == 1
    assert len(sandbox.inbox(CPR)) == 1


def test_a_receipt_fetched_without_saying_otherwise_is_deleted(client):
    client.send()
    [receipt_id] = client.get("/receipts/").json["content"]
    assert client.get(f"/receipts/{receipt_id}?delete=false").status == 200
    assert client.get(f"/receipts/{receipt_id}").status == 200
    gone = client.get(f"/receipts/{receipt_id}")
    assert (gone.status, gone.json["code"]) == (404, "receipt.not.found")
    assert client.get("/receipts/").json["content"] == []


def test_a_receipt_is_deleted_once(client):
    client.send()
    [receipt_id] = client.get("/receipts/").json["content"]
    deleted = client.delete(f"/receipts/{receipt_id}")
    assert (deleted.status, deleted.body) == (204, b"")
    assert client.delete(f"/receipts/{receipt_id}").status == 404


def test_receipts_are_paged_from_zero(client):
    uuids = [str(uuid4()) for _ in range(5)]
    for uuid in uuids:
        client.send(uuid)
    first, last = (
        client.get("/receipts/?page=0&size=2").json,
        client.get("/receipts/?page=2&size=2").json,
    )
    assert (len(first["content"]), first["previous"]) == (2, None)
    assert first["next"] == {"page": 1, "size": 2}
    assert (len(last["content"]), last["next"]) == (1, None)
    assert last["previous"] == {"page": 1, "size": 2}
    assert (last["number"], last["size"], last["totalElements"], last["totalPages"]) == (2, 2, 5, 3)
    bulk = client.get("/receipts-bulk/?page=1&size=2").json
    assert (bulk["currentPage"], bulk["totalPages"]) == (1, 3)
    assert (bulk["elementsOnPage"], bulk["totalElements"]) == (2, 5)
    assert [receipt["messageUUID"] for receipt in bulk["receipts"]] == uuids[2:4]
    assert bulk["receipts"][0].keys() == RECEIPT_FIELDS - {"sandbox"} | {"id"}


@pytest.mark.parametrize("query", ["page=-1", "page=x", "size=0", "size=99999"])
def test_a_wrong_page_is_answered_with_the_field_that_is_wrong(client, query):
    answer = client.get(f"/receipts/?{query}")
    assert answer.status == 400
    assert answer.json["fieldErrors"][0]["field"] == query.partition("=")[0]


# ── contacts ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("query", "field", "kind"),
    [(f"cprNumber={CPR}", "cprNumber", "CITIZEN"), (f"cvrNumber={CVR}", "cvrNumber", "COMPANY")],
)
def test_everybody_is_registered_unless_a_dial_says_otherwise(client, query, field, kind):
    found = client.get(f"/contacts/?{query}").json
    assert (found["totalElements"], found["currentPage"], found["next"]) == (1, 0, None)
    [contact] = found["contacts"]
    assert (contact[field], contact["type"]) == (query.partition("=")[2], kind)
    assert contact["mailboxSubscription"]["publicRegistrationStatus"] == "REGISTERED"


@pytest.mark.parametrize(
    ("dial", "status", "detailed"),
    [
        ("exempt", "EXEMPT", "EXEMPT_OTHER_REASON"),
        ("closed", "CLOSED", "UNKNOWN"),
        ("unknown", "UNKNOWN", "UNKNOWN"),
    ],
)
@pytest.mark.parametrize("pattern", [CPR, "01010?1*", f"*9999, {CPR}"])
def test_a_contact_may_be_exempt_closed_or_unknown(
    sandbox, client, dial, status, detailed, pattern
):
    sandbox.dials.set(dial, pattern)
    [contact] = client.get(f"/contacts/?cprNumber={CPR}").json["contacts"]
    subscription = contact["mailboxSubscription"]
    assert subscription["publicRegistrationStatus"] == status
    assert subscription["registrationStatus"] == detailed
    [other] = client.get("/contacts/?cprNumber=0202021234").json["contacts"]
    assert other["mailboxSubscription"]["publicRegistrationStatus"] == "REGISTERED"


def test_a_contact_may_not_be_found(sandbox, client):
    sandbox.dials.set("missing", CPR)
    found = client.get(f"/contacts/?cprNumber={CPR}").json
    assert (found["contacts"], found["totalElements"]) == ([], 0)


def test_a_letter_to_an_exempt_citizen_is_not_allowed_unless_it_is_mandatory(sandbox, client):
    sandbox.dials.set("exempt", CPR)
    client.send()
    client.send(changes=[("<memo:mandatory>false", "<memo:mandatory>true")])
    receipts = client.get("/receipts-bulk/").json["receipts"]
    assert [receipt["receiptStatus"] for receipt in receipts] == ["NOT_ALLOWED", "COMPLETED"]
    assert len(sandbox.inbox(CPR)) == 1


@pytest.mark.parametrize(
    "query", ["", f"cprNumber={CPR}&cvrNumber={CVR}", "cprNumber=010101-1234", "cvrNumber=1"]
)
def test_a_look_up_needs_one_number(client, query):
    answer = client.get(f"/contacts/?{query}")
    assert answer.status == 400
    assert "0101" not in answer.body.decode()


# ── who may ask ─────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", ["/receipts/", "/receipts-bulk/", f"/contacts/?cprNumber={CPR}"])
def test_a_wrong_token_is_answered_401(sandbox, connect, path):
    answer = connect(sandbox, password="wrong").get(path)
    assert (answer.status, answer.json["code"]) == (401, "unauthorized")


def test_no_token_at_all_is_answered_401_and_nothing_is_taken(sandbox, client):
    client.headers.clear()
    assert client.send().status == 401
    assert sandbox.accepted() == []


def answer_of(connection):
    connection.request("GET", "/")
    return connection.getresponse()


def test_a_client_without_a_certificate_is_refused_in_the_handshake(sandbox):
    context = ssl.create_default_context(cafile=sandbox.ca)
    connection = http.client.HTTPSConnection("127.0.0.1", sandbox.port, context=context, timeout=20)
    # TLS 1.3 tells the client at its first read.
    with pytest.raises((ssl.SSLError, ConnectionError)):
        answer_of(connection)
    connection.close()


def test_a_certificate_of_another_authority_is_refused_in_the_handshake(sandbox, connect, tmp_path):
    stranger = Authority.open(tmp_path / "stranger").client
    client = connect(sandbox, cert=stranger.cert, key=stranger.key)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        client.get("/receipts/")


def test_a_servers_certificate_is_no_clients_certificate(sandbox, connect):
    server = sandbox.authority.server
    with pytest.raises((ssl.SSLError, ConnectionError)):
        connect(sandbox, cert=server.cert, key=server.key).get("/receipts/")


def test_a_certificate_of_another_system_is_answered_403(sandbox, connect, tmp_path):
    other = sandbox.authority.client_certificate(
        tmp_path / "o.crt", tmp_path / "o.key", "another system"
    )
    answer = connect(sandbox, cert=other.cert, key=other.key).send()
    assert (answer.status, answer.json["code"]) == (403, "forbidden")
    assert sandbox.accepted() == []


def test_a_client_that_does_not_know_the_authority_refuses_the_sandbox(sandbox):
    with pytest.raises(ssl.SSLCertVerificationError):
        http.client.HTTPSConnection(
            "127.0.0.1", sandbox.port, context=ssl.create_default_context(), timeout=20
        ).request("GET", "/")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.dk", ""])
def test_the_sandbox_listens_on_loopback_only(host):
    with pytest.raises(ConfigError, match="loopback only"):
        listen(host, 0)


def test_a_taken_port_is_said_so(sandbox):
    with pytest.raises(ConfigError, match="is taken"):
        listen("127.0.0.1", sandbox.port)


def test_two_sandboxes_do_not_share_one_folder(sandbox, start):
    with pytest.raises(ConfigError, match="already"):
        start()


# ── it says what it is ──────────────────────────────────────────────────────


def test_the_front_page_says_in_danish_that_it_is_a_sandbox_and_masks_numbers(client):
    client.send()
    page = client.request("GET", "/")
    text = page.body.decode()
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "SANDKASSE – ikke Digital Post" in text
    assert "010101-xxxx" in text
    assert CPR not in text


@pytest.mark.parametrize(
    "path", ["/apis/v1/memos", "/apis/v1/organisations/", "/docs", "/openapi.json"]
)
def test_what_is_not_documented_is_not_there_and_says_sandbox_too(client, path):
    answer = client.request("GET", path)
    assert (answer.status, answer.json["code"]) == (404, "not.found")
    assert answer.json["sandbox"] is True


# ── restart ─────────────────────────────────────────────────────────────────


def test_everything_is_found_again_after_a_restart(start, connect):
    before = start(delay=0)
    uuid = str(uuid4())
    body = memo(uuid)
    first = connect(before)
    first.send(uuid, body)
    inbox, accepted = before.inbox(CPR), before.accepted()
    receipts = first.get("/receipts-bulk/").json["receipts"]
    before.stop()
    after = start(delay=0)
    client = connect(after)
    assert (after.token, after.inbox(CPR), after.accepted()) == (before.token, inbox, accepted)
    assert client.get("/receipts-bulk/").json["receipts"] == receipts
    assert client.send(uuid, body).status == 409
    assert client.send(uuid, content=b"other").status == 409
    assert len(after.violations()) == 1


def test_a_receipt_that_was_not_due_comes_after_a_restart(start, connect):
    clock = [datetime(2026, 11, 25, 12, 0, tzinfo=UTC)]
    before = start(delay=5, now=lambda: clock[0])
    connect(before).send()
    before.stop()
    clock[0] += timedelta(seconds=6)
    after = start(delay=None, now=lambda: clock[0])
    assert len(connect(after).get("/receipts/").json["content"]) == 1
    assert len(after.inbox(CPR)) == 1


def test_a_kill_between_taking_and_logging_loses_nothing(start, connect):
    before = start(delay=5)
    connect(before).send()
    before.stop()
    log = before.folder / "accepted.jsonl"
    [line] = before.accepted()
    log.write_bytes(log.read_bytes()[:40])
    after = start(delay=None)
    [found] = after.accepted()
    assert (found["uuid"], found["sha256"]) == (line["uuid"], line["sha256"])


# ── the official schema beside our own ──────────────────────────────────────


def test_with_the_official_schema_good_messages_pass_and_our_verdict_stays(
    start, connect, reference
):
    sandbox = start(extra_check=official_schema(reference / "xsd-1.1"))
    client = connect(sandbox)
    client.send()
    client.send(changes=[("brev.pdf", "brev.exe")])
    receipts = client.get("/receipts-bulk/").json["receipts"]
    assert [receipt["errorCode"] for receipt in receipts] == [None, "file.extension.not.allowed"]


def test_the_official_schema_has_its_own_say(start, connect, tmp_path):
    (tmp_path / "MeMo_core.xsd").write_text(
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" version="1.1"><xs:element name="x"/></xs:schema>'
    )
    client = connect(start(extra_check=official_schema(tmp_path)))
    client.send()
    [receipt] = client.get("/receipts-bulk/").json["receipts"]
    assert receipt["errorMessage"] == "the official schema refuses it"


def test_a_folder_without_the_schema_is_said_so(tmp_path):
    with pytest.raises(ConfigError, match="MeMo_core"):
        official_schema(tmp_path)
