"""Mails, PDFs and rules to read them by. Everything has a default; a test names what it is about."""

import base64
import io
from datetime import UTC, datetime

import pytest
from pypdf import PdfWriter

from gateway.documents.mail import read_mail
from gateway.documents.reading import ReadFlow, ReadRules
from gateway.model.submission import Envelope, Submitter


@pytest.fixture(scope="session")
def pdf():
    """A PDF of so many pages, locked if a password is named."""

    def make(pages=1, *, user=None, owner=None):
        writer = PdfWriter()
        for _ in range(pages):
            writer.add_blank_page(595, 842)
        if user is not None or owner is not None:
            writer.encrypt(user or "", owner, algorithm="AES-256")
        out = io.BytesIO()
        writer.write(out)
        return out.getvalue()

    return make


@pytest.fixture(scope="session")
def file_part():
    """A part of a mail that carries a file, as bytes."""

    def make(content, name='filename="brev.pdf"', *, kind="application/pdf", disposition="attachment"):
        named = name.encode() if isinstance(name, str) else name
        return (
            b"Content-Type: " + kind.encode() + b"\r\n"
            b"Content-Disposition: " + disposition.encode() + b"; " + named + b"\r\n"
            b"Content-Transfer-Encoding: base64\r\n\r\n"
            + base64.encodebytes(content).replace(b"\n", b"\r\n")
        )

    return make


@pytest.fixture(scope="session")
def mail():
    """A mail with these parts after its own text, as bytes."""

    def make(*parts, head=b"From: a@b.dk\r\nSubject: Brev\r\n", kind=b"multipart/mixed"):
        text = b"Content-Type: text/plain; charset=utf-8\r\n\r\nHej\r\n"
        body = b"".join(b"--b\r\n" + part for part in (text, *parts)) + b"--b--\r\n"
        return head + b"Content-Type: " + kind + b"; boundary=b\r\n\r\n" + body

    return make


@pytest.fixture(scope="session")
def rules():
    """Rules with a flow for the mail's own text."""

    def make(**changed):
        told = {
            "domains": ("dp.example",),
            "flows": {
                "tekst": ReadFlow(body_is_letter=True),
                "header": ReadFlow(recipient_from=("header",)),
                "address": ReadFlow(recipient_from=("address",)),
            },
            "allow_test_numbers": False,
            "loop_id": "gw.example",
            "own_addresses": ("digitalpost@dp.example",),
        }
        return ReadRules(**(told | changed))

    return make


@pytest.fixture(scope="session")
def envelope():
    def make(*recipients, system=False, automatic=False):
        return Envelope(
            channel="smtp",
            submitter=Submitter(kind="user", name="sekretaer", system=system),
            recipients=recipients or ("0101011234@dp.example",),
            automatic=automatic,
            received_at=datetime(2026, 11, 2, 9, 0, tzinfo=UTC),
        )

    return make


@pytest.fixture
def read(tmp_path, rules, envelope):
    """What reading these bytes gives."""

    def make(raw, *recipients, system=False, automatic=False, **changed):
        file = tmp_path / "raw"
        file.write_bytes(raw)
        told = envelope(*recipients, system=system, automatic=automatic)
        return read_mail(file, "F-2026-TEST-0001", told, rules(**changed), tmp_path)

    return make


@pytest.fixture
def code_of(read):
    """The code of the refusal these bytes give, or ``letters``."""

    def make(raw, *recipients, **told):
        reading = read(raw, *recipients, **told)
        return reading.refusal.code if reading.refusal else "letters"

    return make
