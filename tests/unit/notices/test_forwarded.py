"""The mail a department gets: plain Danish, and nothing its sender wrote can be anything but words in it."""

from __future__ import annotations

import email
import email.policy
import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fast_mail_parser import parse_email

from gateway.documents.reply_text import MARK, own_words
from gateway.egress.mail import wire_form
from gateway.errors import MailNotEncrypted
from gateway.model.inbound import Correspondent, Forward, Forwardable, InboundMessage, Post
from gateway.model.letter import Document
from gateway.model.submission import Blob
from gateway.notices.forwarded import ForwardRenderer

from .conftest import NOW, Standing

AT = datetime(2026, 11, 23, 8, 12, tzinfo=UTC)
UUID = "6e3ffa1c-9b25-4a0b-8b3f-0c8a1d2e3f40"
CORPUS = Path(__file__).resolve().parents[4] / "shared" / "corpora" / "text" / "blns" / "blns.json"


def document(name="Afgørelse.pdf", **given):
    return Document(**{"name": name, "media_type": "application/pdf", "digest": "0" * 64, "size_bytes": 42_000, "role": "main"} | given)


def item(*, kind="mail", settings=(), address="okonomi@eksempelby-gym.dk", rule="Skat til økonomi", **given):
    told = {
        "uuid": UUID, "title": "Afgørelse om lønsumsafgift", "recipient_cvr": "12345674", "documents": (document(),),
        "sender": Correspondent(kind="cvr", number="19552101", name="Skatteforvaltningen"),
    }  # fmt: skip
    message = InboundMessage(
        id="P-2026-7K3Q-M2XD", mailbox="virk", source_id=UUID, channel="digital-post", received_at=AT, raw=Blob("1" * 64, 1),
        post=Post(**told | given),
    )  # fmt: skip
    forward = Forward(
        id="P-2026-7K3Q-M2XD.1", kind=kind, department="oekonomi", address=address, rule=rule, settings=settings, token="f" * 32,
        created_at=AT,
    )  # fmt: skip
    return Forwardable(forward=forward, message=message)


def renderer(**given):
    told = {"clock": Standing(), "hide_subject": lambda _: False}
    return ForwardRenderer("Eksempelby Gymnasium", "digitalpost@dp.eksempelby-gym.dk", "dp.eksempelby-gym.dk", "gw", **told | given)


def parsed(octets):
    return email.message_from_bytes(octets, policy=email.policy.default)


def test_it_says_who_when_for_whom_by_which_rule_and_carries_the_documents():
    mail = parsed(renderer().compose(item(reply_by=datetime(2026, 12, 7, 11, tzinfo=UTC)), lambda _: b"%PDF-1.4"))
    assert mail["Subject"] == "[Digital Post] Afgørelse om lønsumsafgift"
    assert mail["From"] == "Digital Post – Eksempelby Gymnasium <digitalpost@dp.eksempelby-gym.dk>"
    assert mail["Message-ID"] == f"<{UUID}.1@dp.eksempelby-gym.dk>"
    assert (mail["Auto-Submitted"], mail["X-DigitalPost-From-CVR"]) == ("auto-generated", "19552101")
    text = mail.get_body(("plain",)).get_content()
    for line in (
        "Fra: Skatteforvaltningen (CVR 19 55 21 01)", "Modtaget: 23.11.2026 kl. 09.12", "Til: Eksempelby Gymnasium (CVR 12 34 56 74)",
        "Fordelt til jer af: Skat til økonomi", "Svarfrist: 07.12.2026 kl. 12.00", "- Afgørelse.pdf (hoveddokument, 42 kB)",
    ):  # fmt: skip
        assert line in text.splitlines()
    (attached,) = mail.iter_attachments()
    assert (attached.get_filename(), attached.get_content_type(), attached.get_content()) == ("Afgørelse.pdf", "application/pdf", b"%PDF-1.4")


def test_the_same_forward_has_the_same_id_on_every_try_and_each_mail_its_return_path():
    made = renderer()
    ids = {parsed(made.compose(item(), None))["Message-ID"] for _ in range(2)}
    assert ids == {f"<{UUID}.1@dp.eksempelby-gym.dk>"}
    assert made.return_path(item()) == f"retur+{'f' * 32}@dp.eksempelby-gym.dk"


def test_post_that_may_be_answered_says_where_and_has_a_line_to_write_above():
    answerable, other = (parsed(renderer().compose(item(reply_allowed=allowed), lambda _: b"x")) for allowed in (True, False))
    assert answerable["Reply-To"] == f"svar+{'f' * 32}@dp.eksempelby-gym.dk"
    text = answerable.get_body(("plain",)).get_content().replace("\r\n", "\n")
    assert text.startswith(f"──── {MARK} ────\n")
    assert MARK in answerable.get_body(("html",)).get_content()
    assert "Svar på denne mail" in text
    assert own_words(f"Ja tak.\n\n{text}", "digitalpost@dp.eksempelby-gym.dk") == "Ja tak."
    assert (other["Reply-To"], MARK in other.as_string()) == (None, False)


def test_a_link_says_nothing_of_what_it_is_about():
    mail = parsed(renderer(page=lambda token: f"https://dp/l/{token}").compose(item(), None))
    said = mail.get_body(("plain",)).get_content() + mail.get_body(("html",)).get_content() + mail["Subject"]
    assert mail["Subject"] == "Ny Digital Post fra Skatteforvaltningen"
    assert "lønsumsafgift" not in said
    assert "Afgørelse.pdf" not in said
    assert f"https://dp/l/{'f' * 32}" in said
    assert list(mail.iter_attachments()) == []


def test_a_department_may_want_its_subjects_empty_of_content():
    mail = parsed(renderer(hide_subject=lambda name: name == "oekonomi").compose(item(), lambda _: b"x"))
    assert mail["Subject"] == "Ny Digital Post fra Skatteforvaltningen"


def test_a_number_stands_in_no_subject_and_no_file_name():
    post = {"title": "Sag om 010101-1234", "documents": (document("0101011234 Jens.pdf"),)}
    octets = renderer().compose(item(**post), lambda _: b"x")
    mail = parsed(octets)
    assert "1234" not in mail["Subject"]
    assert "1234" not in next(mail.iter_attachments()).get_filename()


@pytest.fixture(scope="module")
def mailbox_pair(tmp_path_factory):
    """A certificate of a department's mailbox, valid in November 2026, and its key."""
    folder = tmp_path_factory.mktemp("smime")
    cert, key = folder / "m.crt", folder / "m.key"
    made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=okonomi", "-days", "3650", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(["openssl", *made], check=True, capture_output=True)
    return cert, key


def test_smime_encrypts_all_but_the_addresses_and_openssl_reads_it_back(mailbox_pair, tmp_path):
    cert, key = mailbox_pair
    made = renderer(certificate=lambda name: cert.read_text() if name == "oekonomi" else None, clock=Later())
    post = {"title": "Afgørelse om lønsumsafgift", "reply_allowed": True}
    octets = wire_form(made.compose(sealed_item(**post), lambda _: b"%PDF-1.4"))
    mail = parsed(octets)
    assert (mail["Subject"], mail["To"]) == ("Ny Digital Post fra Skatteforvaltningen", "okonomi@eksempelby-gym.dk")
    assert mail.get_content_type() == "application/pkcs7-mime"
    assert mail.defects == []
    assert not [word for word in (b"%PDF", "lønsumsafgift".encode(), "Afgørelse".encode(), b"text/plain") if word in octets]
    (tmp_path / "m.eml").write_bytes(octets)
    command = ["openssl", "cms", "-decrypt", "-in", tmp_path / "m.eml", "-recip", cert, "-inkey", key]
    inside = parsed(subprocess.run(command, check=True, capture_output=True).stdout)
    assert "Afgørelse om lønsumsafgift" in inside.get_body(("plain",)).get_content()
    (attached,) = inside.iter_attachments()
    assert (attached.get_filename(), attached.get_content()) == ("Afgørelse.pdf", b"%PDF-1.4")
    ours = subprocess.run(["openssl", "cms", "-cmsout", "-print", "-in", tmp_path / "m.eml"], check=True, capture_output=True).stdout
    assert b"aes-256-cbc" in ours


def test_without_a_valid_certificate_nothing_is_written_at_all(mailbox_pair):
    with pytest.raises(MailNotEncrypted):
        renderer().compose(sealed_item(), lambda _: b"x")
    early = renderer(certificate=lambda _: mailbox_pair[0].read_text())
    with pytest.raises(MailNotEncrypted):
        early.compose(sealed_item(), lambda _: b"x")


class Later:
    """A year in which a certificate of today is valid, and that of the other tests is not."""

    def now(self):
        return datetime.now(UTC)


def sealed_item(**given):
    made = item(**given)
    return Forwardable(forward=replace(made.forward, mode="smime"), message=made.message)


def test_a_web_page_is_attached_and_never_shown_inside():
    page = document("brev.html", media_type="text/html")
    mail = parsed(renderer().compose(item(documents=(page,)), lambda _: b"<script>alert(1)</script>"))
    (attached,) = mail.iter_attachments()
    assert attached.get_content_disposition() == "attachment"
    assert "script" not in mail.get_body(("html",)).get_content()


def test_templates_of_the_organisation_win(tmp_path):
    (tmp_path / "forward.txt").write_text("Hej {{ sender }}, nr. {{ id }}", encoding="utf-8")
    mail = parsed(renderer(overrides=tmp_path).compose(item(), None))
    assert mail.get_body(("plain",)).get_content().strip() == "Hej Skatteforvaltningen, nr. P-2026-7K3Q-M2XD"


def test_a_note_holds_nothing_of_the_post():
    octets = renderer().compose_note(item(kind="note", settings=(("text", "Se efter\r\nBcc: x@y.dk"),)))
    mail = parsed(octets)
    assert "Se efter Bcc: x@y.dk" in mail.get_body(("plain",)).get_content()
    assert "lønsumsafgift" not in octets.decode()


# ── whatever a sender writes ────────────────────────────────────────────────

HOSTILE = [
    "a\r\nBcc: victim@example.dk", "a\nSubject: x\n\nbody", "=?utf-8?q?a=0ABcc:_b@c.dk?=", "=?utf-8?q?=0D=0AX: y?=", "\u202ekcab\u202c.exe",
    "x" * 10_000, "å" * 10_000, "\x00\x07\x1b[31m", "a" * 998 + "\r\n.\r\n", "<script>alert(1)</script>", "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
    '"; filename="x.exe', "a, b <c@d.dk>", "{{ 7*7 }}", "{% raw %}", "../../etc/passwd", "", " ", ".", "\u2028\u2029\u0085", "=?" * 300,
]  # fmt: skip


def naughty():
    if not CORPUS.exists():
        if os.environ.get("CI"):
            pytest.fail("the corpora are missing beside the checkout")
        return HOSTILE
    return [*HOSTILE, *json.loads(CORPUS.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("place", ["title", "sender", "file", "attention", "text", "rule"])
def test_whatever_a_sender_writes_is_only_words(place, tmp_path):
    mails = []
    for text in naughty():
        given = {
            "title": {"title": text}, "sender": {"sender": Correspondent(kind="cvr", number=text[:16], name=text)},
            "file": {"documents": (document(text), document(text, role="attachment"))}, "attention": {"attention_person": text},
            "text": {"documents": (), "text": text}, "rule": {"rule": text},
        }[place]  # fmt: skip
        octets = wire_form(renderer().compose(item(**given), lambda _: b"content"))
        attachments = 2 if place == "file" else 0 if place == "text" else 1
        judge(octets, attachments=attachments)
        mails.append(tmp_path / f"{len(mails)}.eml")
        mails[-1].write_bytes(octets)
    for mail, seen in zip(mails, perl_reads(mails), strict=True):
        judge_alike(parsed(mail.read_bytes()), seen, attachments=attachments)


EXPECTED = {
    "from", "to", "subject", "date", "auto-submitted", "x-auto-response-suppress", "x-loop", "sensitivity", "message-id",
    "x-digitalpost-message-id", "x-digitalpost-from-cvr", "mime-version", "content-type",
}  # fmt: skip


def judge(octets, *, attachments):
    """Python's parser and one in Rust see the mail we meant, and no line is what SMTP forbids."""
    mail = parsed(octets)
    assert set(map(str.lower, mail.keys())) <= EXPECTED, "a header nobody meant"
    assert len(mail.keys()) == len({name.lower() for name in mail}), "a header twice"
    assert mail["To"] == "okonomi@eksempelby-gym.dk"
    assert mail.defects == []
    assert len(list(mail.iter_attachments())) == attachments
    assert [part.get_content() for part in mail.iter_attachments()] == [b"content"] * attachments
    other = parse_email(octets)
    assert (len(other.attachments), other.subject.strip()) == (attachments, mail["Subject"].strip())
    assert {name.lower() for name in other.headers} <= EXPECTED
    for line in octets.split(b"\r\n"):
        assert len(line) <= 998
        assert b"\n" not in line
        assert b"\r" not in line
    head = octets.partition(b"\r\n\r\n")[0]
    assert max(map(len, head.split(b"\r\n"))) <= 250
    assert head.isascii()
    for name in [part.get_filename() for part in mail.iter_attachments()]:
        assert re.search(r'[\x00-\x1f/\\"<>|:*?\u202a-\u202e]', name) is None
        assert 0 < len(name) <= 130


def perl_reads(mails):
    """What a third parser sees, older than the other two and used by mail filters: Perl's MIME::Parser."""
    program = shutil.which("perl")
    assert program is not None
    typed = "".join(f"{file}\n" for file in mails)
    script = Path(__file__).resolve().parents[2] / "helpers" / "mime_tools.pl"
    done = subprocess.run([program, script], input=typed, capture_output=True, text=True, timeout=120, check=False)
    if "MIME/Parser.pm" in done.stderr and not os.environ.get("CI"):
        pytest.skip("libmime-tools-perl is not installed")
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def judge_alike(mail, seen, *, attachments):
    assert set(seen["headers"]) <= EXPECTED, "a header nobody meant"
    assert len(seen["headers"]) == len(set(seen["headers"])), "a header twice"
    assert (seen["to"], seen["errors"]) == ("okonomi@eksempelby-gym.dk", [])
    # Perl's strict UTF-8 has no noncharacters.
    subject = re.sub("[\ufdd0-\ufdef\ufffe\uffff]", "\ufffd", mail["Subject"])
    assert "".join(seen["subject"].split()) == "".join(subject.split())
    assert seen["attached"] == ["content"] * attachments
    assert seen["leaves"] == attachments + 2, "a text and its HTML"


assert NOW == AT
