"""Every dial of the sandbox, over real mTLS."""

from __future__ import annotations

import http.client
import json
import re
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from gateway.errors import ConfigError
from gateway.sandbox.dials import (
    CONTACT_LISTS,
    DEFAULTS,
    RECEIPT_FAULTS,
    ROUTE_FAULTS,
    Dials,
    every_dial,
)
from gateway.sandbox.posting import Letter, post
from gateway.sandbox.realistic import page

from .conftest import CPR, memo

JSON = {"Content-Type": "application/json"}
LOST = (http.client.HTTPException, ConnectionError, ssl.SSLError)


# ── faults of a route ───────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("dial", "value", "status", "code"),
    [
        ("unavailable", "1", 503, None),
        ("unavailable", "1,500", 500, None),
        ("unavailable", "1,504", 504, None),
        ("throttled", "1,30", 429, "too.many.requests"),
        ("unauthorized", "1", 401, "unauthorized"),
        ("forbidden", "1", 403, "forbidden"),
    ],
)
def test_a_message_answered_with_an_error_was_not_taken(sandbox, client, dial, value, status, code):
    sandbox.dials.set(dial, value)
    uuid = str(uuid4())
    answer = client.send(uuid)
    assert answer.status == status
    assert answer.json.get("code") == code
    assert answer.json["sandbox"] is True
    assert sandbox.accepted() == []
    assert client.send(uuid).status == 201


def test_503_to_a_message_is_a_receipt_and_elsewhere_an_error(sandbox, client):
    sandbox.dials.update({"unavailable": "1", "receipts.unavailable": "1"})
    uuid = str(uuid4())
    receipt = client.send(uuid).json
    assert (receipt["messageUUID"], receipt["errorCode"]) == (uuid, "service.unavailable")
    assert client.get("/receipts/").json["code"] == "service.unavailable"


@pytest.mark.parametrize("text", ["30", "Wed, 25 Nov 2026 12:00:00 GMT", "-1", "1000000000"])
def test_429_says_when_to_try_again(sandbox, client, text):
    sandbox.dials.set("throttled", f"always,{text}")
    assert client.send().headers["Retry-After"] == text


def test_slow_waits_before_the_answer_and_then_does_it(sandbox, connect):
    sandbox.dials.set("slow", "1,30")
    impatient = connect(sandbox, timeout=0.3)
    with pytest.raises(TimeoutError):
        impatient.send()
    impatient.close()
    sandbox.dials.set("slow", "1,0.01")
    assert connect(sandbox).send().status == 201


def test_a_connection_cut_before_means_nothing_was_taken(sandbox, connect):
    sandbox.dials.set("cut_before", "1")
    uuid = str(uuid4())
    with pytest.raises(LOST):
        connect(sandbox).send(uuid)
    assert sandbox.accepted() == []
    assert connect(sandbox).send(uuid).status == 201


@pytest.mark.parametrize("dial", ["cut_after", "half_status"])
def test_a_connection_cut_after_means_it_was_taken_and_nobody_was_told(sandbox, connect, dial):
    sandbox.dials.set(dial, "1")
    uuid = str(uuid4())
    with pytest.raises(LOST):
        connect(sandbox).send(uuid)
    assert [line["uuid"] for line in sandbox.accepted()] == [uuid]
    assert connect(sandbox).send(uuid).status == 409
    assert [message["uuid"] for message in sandbox.inbox(CPR)] == [uuid]


def test_half_a_status_line_is_half_a_status_line(sandbox, connect):
    sandbox.dials.set("half_status", "1")
    with pytest.raises(http.client.BadStatusLine, match=r"HTTP/1\.1 20"):
        connect(sandbox).send()


def test_a_proxys_page_instead_of_the_answer_says_200(sandbox, client):
    sandbox.dials.set("html", "1")
    answer = client.send()
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert len(sandbox.accepted()) == 1


@pytest.mark.parametrize(
    ("area", "path"),
    [
        ("receipts", "/receipts/"),
        ("receipts", "/receipts-bulk/"),
        ("contacts", f"/contacts/?cprNumber={CPR}"),
    ],
)
@pytest.mark.parametrize(
    ("fault", "status"),
    [("unavailable", 503), ("throttled", 429), ("unauthorized", 401), ("html", 200)],
)
def test_the_other_routes_have_the_same_faults_under_their_own_name(
    sandbox, client, area, path, fault, status
):
    sandbox.dials.set(f"{area}.{fault}", "1")
    assert client.send().status == 201
    failed = client.get(path)
    assert failed.status == status
    assert client.get(path).status == 200


def test_a_look_up_may_be_cut(sandbox, connect):
    sandbox.dials.set("contacts.cut_before", "1")
    with pytest.raises(LOST):
        connect(sandbox).get(f"/contacts/?cprNumber={CPR}")


# ── faults of business receipts ─────────────────────────────────────────────


def business_receipts(client):
    return client.get("/receipts-bulk/").json["receipts"]


@pytest.mark.parametrize(
    ("value", "status", "code"),
    [
        (("invalid", "1"), "INVALID", "memo.invalid"),
        (
            ("invalid", "1,do.not.deliver.until.date.too.late"),
            "INVALID",
            "do.not.deliver.until.date.too.late",
        ),
        (("not_allowed", "1"), "NOT_ALLOWED", "recipient.not.allowed"),
        (("not_allowed", "1,my.code"), "NOT_ALLOWED", "my.code"),
    ],
)
def test_a_good_message_may_be_refused_with_a_chosen_code(sandbox, client, value, status, code):
    sandbox.dials.set(*value)
    client.send()
    client.send()
    refused, completed = business_receipts(client)
    assert (refused["receiptStatus"], refused["errorCode"]) == (status, code)
    assert completed["receiptStatus"] == "COMPLETED"
    assert len(sandbox.inbox(CPR)) == 1


def test_a_receipt_may_be_late(start, connect):
    clock = [datetime(2026, 11, 25, 12, 0, tzinfo=UTC)]
    sandbox = start(delay=0, now=lambda: clock[0])
    sandbox.dials.set("receipt_late", "1,3600")
    client = connect(sandbox)
    client.send()
    clock[0] += timedelta(seconds=3599)
    assert business_receipts(client) == []
    clock[0] += timedelta(seconds=1)
    assert len(business_receipts(client)) == 1


def test_a_receipt_may_come_twice_under_two_ids(sandbox, client):
    sandbox.dials.set("receipt_twice", "1")
    uuid = str(uuid4())
    client.send(uuid)
    one, two = business_receipts(client)
    assert one["messageUUID"] == two["messageUUID"] == uuid
    assert one["id"] != two["id"]


def test_a_receipt_may_be_about_a_message_nobody_sent(sandbox, client):
    sandbox.dials.set("receipt_unknown", "1")
    uuid = str(uuid4())
    client.send(uuid)
    about = [receipt["messageUUID"] for receipt in business_receipts(client)]
    assert len(about) == 2
    assert uuid in about


# ── how often, and how they are turned ──────────────────────────────────────


def test_a_count_is_used_up(sandbox, client):
    sandbox.dials.set("unavailable", "2,502")
    assert [client.send().status for _ in range(3)] == [502, 502, 201]
    assert sandbox.dials.values() == {"delay": "0", "duplicate": "conflict"}


def test_always_is_always_until_it_is_off(sandbox, client):
    sandbox.dials.set("unavailable", "always")
    assert [client.send().status for _ in range(3)] == [503] * 3
    sandbox.dials.set("unavailable", "off")
    assert client.send().status == 201


def test_a_probability_is_one(tmp_path):
    chances = iter([0.0, 0.199, 0.2, 0.9])
    dials = Dials(tmp_path, chance=lambda: next(chances))
    dials.set("cut_after", "20%")
    assert [dials.take("cut_after") is not None for _ in range(4)] == [True, True, False, False]


def test_dials_are_turned_and_read_over_https(sandbox, client):
    turned = client.request(
        "PUT", "/sandbox/dials", b'{"unavailable": "1,500", "delay": 0.5}', JSON
    )
    assert turned.status == 200
    assert turned.json["dials"] == {"delay": "0.5", "duplicate": "conflict", "unavailable": "1,500"}
    assert client.send().status == 500
    assert client.request("GET", "/sandbox/dials").json["known"].keys() == every_dial().keys()


@pytest.mark.parametrize(
    "body",
    [
        b'{"nonsense": "1"}',
        b'{"slow": "often"}',
        b'{"unavailable": "1", "delay": "-1"}',
        b"[]",
        b"{",
    ],
)
def test_a_wrong_dial_over_https_is_400_and_changes_nothing(sandbox, client, body):
    answer = client.request("PUT", "/sandbox/dials", body, JSON)
    assert answer.status == 400
    assert sandbox.dials.values() == {"delay": "0", "duplicate": "conflict"}


def test_another_process_turns_the_dials_of_a_running_sandbox(sandbox, client):
    assert client.send().status == 201
    Dials(sandbox.folder).set("unauthorized", "1")
    assert client.send().status == 401
    assert Dials(sandbox.folder).values() == {"delay": "0", "duplicate": "conflict"}


def test_dials_stay_as_they_are_over_a_restart(start, connect):
    before = start()
    before.dials.set("forbidden", "2")
    assert connect(before).send().status == 403
    before.stop()
    after = start(delay=None)
    client = connect(after)
    assert [client.send().status for _ in range(2)] == [403, 201]


def test_reset_turns_everything_off(tmp_path):
    dials = Dials(tmp_path)
    dials.update({"slow": "always", "delay": "7", "exempt": CPR})
    dials.reset()
    assert dials.values() == DEFAULTS


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("nonsense", "1", "no such dial"),
        ("memos.slow", "1", "no such dial"),
        ("receipts.invalid", "1", "no such dial"),
        ("slow", "1,fast", "SECONDS"),
        ("slow", "x", "HOW_OFTEN"),
        ("cut_after", "101%", "a percentage"),
        ("unavailable", "1,200", "STATUS"),
        ("delay", "soon", "seconds"),
        ("duplicate", "both", "conflict or receipt"),
        ("exempt", "Hansen", "numbers or patterns"),
        ("throttled", "1,a\r\nb", "RETRY-AFTER"),
    ],
)
def test_a_wrong_dial_says_what_was_expected_and_quotes_nothing(tmp_path, name, value, expected):
    with pytest.raises(ConfigError, match=expected) as caught:
        Dials(tmp_path).set(name, value)
    assert value not in str(caught.value) or value in "1x"


def test_every_dial_is_told_of():
    told = every_dial()
    assert {*ROUTE_FAULTS, *RECEIPT_FAULTS, *CONTACT_LISTS, *DEFAULTS} <= told.keys()
    assert {"receipts.cut_after", "contacts.unavailable"} <= told.keys()


def test_every_dial_is_turned_in_these_tests():
    source = (
        Path(__file__).read_text() + Path(__file__).with_name("test_sandbox_api.py").read_text()
    )
    names = {name for name in every_dial() if "." not in name}
    assert {name for name in names if not re.search(rf'["\'{{.]{name}["\':,]', source)} == set()


def test_dials_turned_together_show_one_after_the_other(sandbox, client):
    sandbox.dials.update({"unavailable": "1", "throttled": "1", "unauthorized": "1"})
    uuid = str(uuid4())
    assert [client.send(uuid, memo(uuid)).status for _ in range(4)] == [503, 429, 401, 201]


@pytest.mark.parametrize(("dial", "left"), [({}, 0), ({"stays_listed": "yes"}, 1)], ids=["gone", "stays"])
def test_a_message_to_a_recipient_system_may_stay_listed_after_its_receipt(sandbox, client, dial, left):
    sandbox.dials.update(dial)
    uuid = post(sandbox.folder, Letter(to_cvr="12345674", from_cvr="19552101", from_name="SKAT", title="Brev", files=(page("SKAT", "Brev"),)))
    assert client.request("GET", "/apis/v1/memos/?page=0&size=10").json["content"] == [uuid]
    receipt = {"transmissionId": str(uuid4()), "messageUUID": uuid, "receiptStatus": "COMPLETED", "timeStamp": "2026-11-27T09:00:00Z"}
    answer = client.request("POST", f"/apis/v1/memos/{uuid}/receipt", json.dumps(receipt).encode(), JSON)
    assert answer.status == 200
    assert len(client.request("GET", "/apis/v1/memos/").json["content"]) == left
    removed = client.request("DELETE", f"/apis/v1/memos/{uuid}")
    assert removed.status == (204 if left else 404)
    assert client.request("GET", "/apis/v1/memos/").json["content"] == []


def test_faults_of_receiving_have_dials_of_their_own(sandbox, client):
    sandbox.dials.set("inbound.unavailable", "1")
    assert client.send().status == 201
    assert [client.request("GET", "/apis/v1/memos/").status for _ in range(2)] == [503, 200]
