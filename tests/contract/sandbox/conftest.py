"""A sandbox to talk to, a client that talks to it over real mTLS, and messages to send."""

from __future__ import annotations

import base64
import http.client
import json
import os
import ssl
from pathlib import Path
from uuid import uuid4

import pytest

from gateway.sandbox.judge import judge
from gateway.sandbox.running import start_in_thread

CPR = "0101011234"
CVR = "12345674"
REFERENCE = Path(__file__).parents[4] / "shared" / "reference" / "memo"

NAMESPACES = """
    xmlns:memo="https://DigitalPost.dk/MeMo-1" xmlns:grd="https://data.gov.dk/model/core/"
    xmlns:gln="https://www.gs1.dk/gs1-standarder/identifikation/gln-global-location-number/"
    xmlns:dmv="https://motorregister.skat.dk/\""""

MEMO = """<?xml version="1.0" encoding="UTF-8"?>
<memo:Message {namespaces} memoVersion="1.1" memoSchVersion="1.1.0">
  <memo:MessageHeader>
    <memo:messageType>DIGITALPOST</memo:messageType>
    <memo:messageUUID>{uuid}</memo:messageUUID>
    <memo:messageID>MSG-1</memo:messageID>
    <memo:label>Indkaldelse til møde</memo:label>
    <memo:reply>false</memo:reply>
    <memo:replyByDateTime>2026-12-24T12:00:00.5Z</memo:replyByDateTime>
    <memo:doNotDeliverUntilDate>2026-12-01</memo:doNotDeliverUntilDate>
    <memo:mandatory>false</memo:mandatory>
    <memo:legalNotification>false</memo:legalNotification>
    <memo:Sender>
      <memo:senderID>12345674</memo:senderID>
      <memo:idType>CVR</memo:idType>
      <memo:label>Eksempelby Gymnasium</memo:label>
    </memo:Sender>
    <memo:Recipient>
      <memo:recipientID>{number}</memo:recipientID>
      <memo:idType>{kind}</memo:idType>
      <memo:AttentionData>
        <grd:ProductionUnit><grd:productionUnitNumber>1023456789</grd:productionUnitNumber></grd:ProductionUnit>
        <gln:GlobalLocationNumber><gln:globalLocationNumber>5798000012345</gln:globalLocationNumber></gln:GlobalLocationNumber>
      </memo:AttentionData>
      <memo:ContactPoint>
        <memo:contactPointID>241d39f6-998e-4929-b198-ccacbbf4b330</memo:contactPointID>
        <memo:ContactInfo><memo:label>A</memo:label><memo:value>1</memo:value></memo:ContactInfo>
      </memo:ContactPoint>
    </memo:Recipient>
    <memo:ContentData>
      <dmv:MotorVehicle><dmv:licenseNumber>AB12345</dmv:licenseNumber></dmv:MotorVehicle>
    </memo:ContentData>
  </memo:MessageHeader>
  <memo:MessageBody>
    <memo:createdDateTime>2026-11-25T12:00:00Z</memo:createdDateTime>
    <memo:MainDocument>
      <memo:label>Brev</memo:label>
      <memo:File>
        <memo:encodingFormat>application/pdf</memo:encodingFormat>
        <memo:filename>brev.pdf</memo:filename>
        <memo:language>da</memo:language>
        <memo:content>{content}</memo:content>
      </memo:File>
      <memo:Action>
        <memo:label>Tilmeld</memo:label>
        <memo:actionCode>TILMELDING</memo:actionCode>
        <memo:EntryPoint><memo:url>https://www.example.dk/tilmeld</memo:url></memo:EntryPoint>
      </memo:Action>
    </memo:MainDocument>
  </memo:MessageBody>
</memo:Message>
"""

SMS = """<memo:Message xmlns:memo="https://DigitalPost.dk/MeMo-1" memoVersion="1.2">
  <memo:MessageHeader>
    <memo:messageType>NEMSMS</memo:messageType>
    <memo:messageUUID>5e0d2f6c-51a6-4f39-9a0c-0d8f4a5b6c7d</memo:messageUUID>
    <memo:label>Husk mødet</memo:label>
    <memo:notification>Husk mødet i morgen</memo:notification>
    <memo:Sender>
      <memo:senderID>12345674</memo:senderID><memo:idType>CVR</memo:idType><memo:label>Skolen</memo:label>
    </memo:Sender>
    <memo:Recipient><memo:recipientID>0101011234</memo:recipientID><memo:idType>CPR</memo:idType></memo:Recipient>
  </memo:MessageHeader>
</memo:Message>
"""


def memo(uuid, *, number=CPR, content=b"%PDF-1.7 brev", changes=()):
    """A MeMo 1.1 message as bytes; *changes* are pairs (old, new) of text, each of which must hit."""
    text = MEMO.format(
        namespaces=NAMESPACES,
        uuid=uuid,
        number=number,
        kind="CPR" if len(number) == 10 else "CVR",
        content=base64.b64encode(content).decode(),
    )
    return change(text, changes).encode()


def change(text, changes):
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def json(self):
        return json.loads(self.body)


class Client:
    """One connection to the sandbox, as strict about certificates as Python can be."""

    def __init__(self, sandbox, *, cert=None, key=None, password=None, timeout=20):
        context = ssl.create_default_context(cafile=sandbox.ca)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        context.load_cert_chain(cert or sandbox.cert, key or sandbox.key)
        self._connection = http.client.HTTPSConnection(
            "127.0.0.1", sandbox.port, context=context, timeout=timeout
        )
        basic = base64.b64encode(f"{sandbox.system}:{password or sandbox.token}".encode()).decode()
        self.headers = {"Authorization": f"Basic {basic}"}

    def request(self, method, path, body=None, headers=None):
        self._connection.request(
            method, path, body=body, headers={**self.headers, **(headers or {})}
        )
        answer = Answer(self._connection.getresponse())
        assert answer.headers["X-Sandbox"] == "true"
        return answer

    def get(self, path):
        return self.request("GET", f"/apis/v1{path}")

    def delete(self, path):
        return self.request("DELETE", f"/apis/v1{path}")

    def send(self, uuid=None, body=None, *, media_type="application/xml", **made):
        """POST a message; with no *body* one is made for *uuid* (or a new one)."""
        uuid = uuid or str(uuid4())
        body = memo(uuid, **made) if body is None else body
        path = f"/apis/v1/memos/?memo-message-uuid={uuid}"
        return self.request("POST", path, body, {"Content-Type": media_type})

    def close(self):
        self._connection.close()


@pytest.fixture
def start(tmp_path):
    """Start sandboxes in this test's folder; without a delay unless asked."""
    running = []

    def start_one(**options):
        sandbox = start_in_thread(tmp_path / "sandbox", **{"delay": 0, **options})
        running.append(sandbox)
        return sandbox

    yield start_one
    for sandbox in running:
        sandbox.stop()


@pytest.fixture
def sandbox(start):
    return start()


@pytest.fixture
def connect():
    clients = []

    def connect_to(sandbox, **options):
        clients.append(Client(sandbox, **options))
        return clients[-1]

    yield connect_to
    for client in clients:
        client.close()


@pytest.fixture
def client(sandbox, connect):
    return connect(sandbox)


@pytest.fixture
def verdict(tmp_path):
    """Judge the bytes or text of a message."""

    def judged(message):
        path = tmp_path / "judged.xml"
        path.write_bytes(message if isinstance(message, bytes) else message.encode())
        return judge(path, tmp_path / "unpacked")

    return judged


@pytest.fixture(scope="session")
def reference():
    """Digst's samples and schemas, which are not shipped with us."""
    if not REFERENCE.is_dir():
        if os.environ.get("CI"):
            pytest.fail("the official MeMo material is missing at ../shared/reference/memo")
        pytest.skip("the official MeMo material is not at ../shared/reference/memo")
    return REFERENCE
