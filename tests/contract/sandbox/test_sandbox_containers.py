"""Mass containers at the sandbox: one technical receipt, a business receipt for each message, whatever kills it."""

import hashlib
import io
from uuid import uuid4

import pytest

from gateway.digital_post.container import ContainerWriter
from gateway.errors import MemoUnreadable
from gateway.sandbox.dials import DELAY, Dials
from gateway.sandbox.mailroom import Mailroom

from .conftest import memo

CPR = "0101011234"


@pytest.fixture
def room(tmp_path):
    return new_room(tmp_path)


def new_room(folder):
    dials = Dials(folder / "sandbox")
    dials.set(DELAY, "0")
    return Mailroom(folder / "sandbox", dials)


def container(folder, messages):
    out = io.BytesIO()
    writer = ContainerWriter(out)
    for uuid, content in messages:
        writer.add(uuid, len(content), io.BytesIO(content))
    writer.close()
    file = folder / uuid4().hex
    file.write_bytes(out.getvalue())
    return file


def statuses(room):
    room.settle_due()
    return sorted((one["messageUUID"], one["receiptStatus"]) for one in room.receipts())


def test_each_message_gets_its_own_receipt(room, tmp_path):
    messages = [(uuid := str(uuid4()), memo(uuid)) for _ in range(3)]
    broken = str(uuid4())
    receipt = room.containers.take(container(tmp_path, [*messages, (broken, b"no xml")]))
    assert (receipt["receiptStatus"], receipt["messageUUID"]) == ("RECEIVED", None)
    assert statuses(room) == []
    assert room.containers.unpack() == 4
    assert statuses(room) == sorted([*((uuid, "COMPLETED") for uuid, _ in messages), (broken, "INVALID")])
    assert {line["container"] for line in room.accepted()} == {receipt["transmissionId"]}
    assert room.containers.waiting() == []


def test_a_message_that_came_before_is_a_repeat_and_delivered_once(room, tmp_path):
    uuid = str(uuid4())
    content = memo(uuid)
    for _ in range(2):
        room.containers.take(container(tmp_path, [(uuid, content)]))
        room.containers.unpack()
        room.settle_due()
    assert [line["repeat"] for line in room.accepted()] == [False, True]
    assert len(list((room.folder / "inboxes").rglob("memo.xml"))) == 1
    other = memo(uuid, content=b"%PDF-1.7 andet")
    room.containers.take(container(tmp_path, [(uuid, other)]))
    room.containers.unpack()
    assert [one["sha256"] for one in room.violations()] == [hashlib.sha256(other).hexdigest()]


def test_a_kill_while_unpacking_loses_and_doubles_nothing(room, tmp_path, monkeypatch):
    messages = [(uuid := str(uuid4()), memo(uuid)) for _ in range(5)]
    room.containers.take(container(tmp_path, messages))
    calls = 0
    offer = room.offer_packed

    def dies(*args, **given):
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        offer(*args, **given)

    monkeypatch.setattr(room, "offer_packed", dies)
    with pytest.raises(KeyboardInterrupt):
        room.containers.unpack()
    again = new_room(tmp_path)
    again.containers.unpack()
    assert statuses(again) == sorted((uuid, "COMPLETED") for uuid, _ in messages)
    assert [line["repeat"] for line in again.accepted()] == [False] * 5


def test_what_is_no_container_is_refused_at_once(room, tmp_path):
    file = tmp_path / "none"
    file.write_bytes(b"PK\3\4")
    with pytest.raises(MemoUnreadable):
        room.containers.take(file)
