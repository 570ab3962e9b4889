"""REST push over real mTLS: 200 only when it is written down, and only for the one client we know."""

from __future__ import annotations

import ssl
import uuid as uuids
from datetime import UTC, datetime, timedelta
from functools import partial

import httpx2
import pytest

from gateway.digital_post.post import read_post
from gateway.errors import LedgerUnavailable, MemoUnreadable
from gateway.https import Clients, WebServer
from gateway.ingress.push.app import push_app
from gateway.model.inbound import InboundStatus
from gateway.ports import Understood
from gateway.sandbox.authority import Authority
from gateway.sandbox.posting import Letter, memo_xml, post
from gateway.sandbox.pushing import push, push_certificate
from gateway.sandbox.realistic import page
from gateway.services.collect import Collect


class Pushed:
    """A recipient system that is not asked, and hears receipts."""

    name, channel = "virk-push", "digital-post"

    def __init__(self, vault):
        self._vault = vault
        self.confirmed: list[tuple[str, str]] = []

    def understand(self, source_id, raw):
        try:
            with self._vault.open(raw) as stream:
                return [Understood(identity=source_id, post=read_post(stream, content_sink=self._vault.writer))]
        except MemoUnreadable as fault:
            return [Understood(identity=source_id, fault=fault.code)]

    def confirm(self, unconfirmed):
        self.confirmed.append((unconfirmed.source_id, unconfirmed.answer))


class Door:
    """Our server, and an authority that knows it."""

    def __init__(self, ledger, vault, folder):
        self.ledger, self.vault, self.folder = ledger, vault, folder
        self.authority = Authority.open(folder / "ca")
        self.authority.server_certificate(folder / "p.crt", folder / "p.key")
        self.mailbox = Pushed(vault)
        self.collect = Collect(ledger, ledger, vault, [], self, owner="n", ttl=timedelta(seconds=60))
        self.fault: Exception | None = None
        known = push_certificate(self.authority).fingerprint().hex()
        self.server = WebServer(
            push_app({"virk-push": self.take}, vault), section="push", host="127.0.0.1", port=0, certificate=folder / "p.crt",
            key=folder / "p.key", clients=Clients(ca=self.authority.ca.cert, fingerprints=[known]),
        )  # fmt: skip
        self.server.start()

    def now(self):
        return datetime.now(UTC)

    def take(self, source_id, raw):
        if self.fault is not None:
            raise self.fault
        return self.collect.take(self.mailbox, source_id, raw)

    @property
    def url(self):
        return f"https://localhost:{self.server.port}/virk-push/memos"

    def memo(self, title="Brev"):
        uuid = str(uuids.uuid4())
        letter = Letter(to_cvr="12345674", from_cvr="19552101", from_name="SKAT", title=title, files=(page("SKAT", title),))
        return uuid, memo_xml(letter, uuid, self.now())

    def posts(self, **given):
        """The status for a request of our own making."""
        pair = push_certificate(self.authority)
        context = ssl.create_default_context(cafile=str(self.authority.ca.cert))
        context.load_cert_chain(pair.cert, pair.key)
        with httpx2.Client(verify=context, timeout=20) as client:
            return client.post(self.url, **given).status_code

    def listed(self):
        return [(one["uuid"], one["status"]) for one in self.ledger.list_inbound()]


@pytest.fixture
def door(ledger, vault, tmp_path):
    made = Door(ledger, vault, tmp_path)
    yield made
    made.server.stop()


def test_a_message_is_written_down_once_then_confirmed(door):
    letter = Letter(to_cvr="12345674", from_cvr="19552101", from_name="SKAT", title="Brev", files=(page("SKAT", "Brev"),))
    uuid = post(door.folder, letter, listed=False)
    send = partial(push, door.folder, uuid, door.url, door.authority)
    assert (send(), send()) == (200, 200)
    assert door.listed() == [(uuid, "new")]
    door.collect.confirm([door.mailbox])
    door.collect.confirm([door.mailbox])
    assert door.mailbox.confirmed == [(uuid, "completed")]


def test_what_cannot_be_read_is_kept_and_answered_invalid(door):
    uuid = str(uuids.uuid4())
    assert door.posts(files={"file": (uuid, b"<!DOCTYPE x><x/>", "application/xml")}) == 200
    assert [one["code"] for one in door.ledger.list_inbound(status=InboundStatus.INVALID)] == ["GW-407"]
    door.collect.confirm([door.mailbox])
    assert door.mailbox.confirmed == [(uuid, "invalid")]


def test_a_file_without_a_name_goes_by_its_own_uuid(door):
    uuid, memo = door.memo()
    assert door.posts(files={"file": ("memo.xml", memo)}) == 200
    assert door.listed() == [(uuid, "new")]
    assert door.posts(files={"file": ("memo.xml", b"<x/>")}) == 400
    assert len(door.listed()) == 1


@pytest.mark.parametrize("fault", [LedgerUnavailable(reason="x"), ValueError("x")], ids=["ours", "a bug"])
def test_nothing_is_said_to_be_taken_that_was_not_written_down(door, fault):
    uuid, memo = door.memo()
    door.fault = fault
    assert door.posts(files={"file": (uuid, memo)}) == 503
    assert door.listed() == []
    door.fault = None
    assert door.posts(files={"file": (uuid, memo)}) == 200
    assert door.listed() == [(uuid, "new")]


@pytest.mark.parametrize(
    "given",
    [
        {"content": b"x", "headers": {"content-type": "application/xml"}}, {"content": b"", "headers": {"content-type": "multipart/form-data"}},
        {"files": {"other": ("a", b"x")}}, {"files": [("file", ("a", b"x")), ("file", ("b", b"y"))]},
        {"content": b"--b\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\nhalf", "headers": {"content-type": "multipart/form-data; boundary=b"}},
        {"content": b"--c\r\n", "headers": {"content-type": "multipart/form-data; boundary=b"}},
    ],
    ids=["no form", "no boundary", "another field", "two files", "cut", "another boundary"],
)  # fmt: skip
def test_what_is_no_form_with_one_file_is_refused_and_leaves_nothing(door, given):
    assert door.posts(**given) == 400
    assert door.listed() == []


def test_only_the_one_client_we_know_is_heard(door):
    uuid, memo = door.memo()
    (door.folder / "posted" / uuid).mkdir(parents=True)
    (door.folder / "posted" / uuid / "memo.xml").write_bytes(memo)
    other = door.authority.client_certificate(door.folder / "o.crt", door.folder / "o.key", "Somebody else")
    with pytest.raises(httpx2.HTTPError):
        push(door.folder, uuid, door.url, door.authority, shown=other)
    strangers = Authority.open(door.folder / "strangers").client_certificate(door.folder / "s.crt", door.folder / "s.key", "Nobody")
    with pytest.raises(httpx2.HTTPError):
        push(door.folder, uuid, door.url, door.authority, shown=strangers)
    with pytest.raises(httpx2.HTTPError), httpx2.Client(verify=ssl.create_default_context(cafile=str(door.authority.ca.cert))) as client:
        client.post(door.url, files={"file": (uuid, memo)})
    assert door.listed() == []


def test_another_path_is_not_found(door):
    uuid, memo = door.memo()
    (door.folder / "posted" / uuid).mkdir(parents=True)
    (door.folder / "posted" / uuid / "memo.xml").write_bytes(memo)
    assert push(door.folder, uuid, door.url.replace("virk-push", "x"), door.authority) == 404
