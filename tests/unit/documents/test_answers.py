"""A mail that answers post to us: its writer's words are the letter, its files come with it, its quote does not."""

from __future__ import annotations

import pytest

from gateway.documents.batch.manner import SplitManner
from gateway.documents.mail import read_mail
from gateway.documents.reading import ReadFlow
from gateway.documents.recipients import batch_address
from gateway.documents.reply_text import MARK
from gateway.errors import ReplyNotAllowed
from gateway.model.identity import Cvr
from gateway.model.inbound import ReplyTo
from gateway.model.letter import Earlier

TOKEN = "f" * 32
ADDRESS = f"svar+{TOKEN}@dp.example"
THREAD = (Earlier(message_uuid="8c2ea15d-61fb-4ba9-9366-42f8b194c114", case="S-1"),)


def reply_to(title="Afgørelse"):
    return ReplyTo(
        inbound_id="P-2026-AAAA-AAAA", token=TOKEN, recipient=Cvr.parse("19552101", allow_test=True), title=title, thread=THREAD, contact_point="cp-7"
    )


@pytest.fixture
def answer(tmp_path, rules, envelope):
    """What reading the answer *raw* gives."""

    def make(raw, answers=None):
        file = tmp_path / "raw"
        file.write_bytes(raw)
        return read_mail(file, "F-2026-TEST-0001", envelope(ADDRESS), rules(), tmp_path, answers=answers or reply_to())

    return make


def text_mail(text, head=b""):
    return b"From: a@b.dk\r\nSubject: SV: [Digital Post] x\r\n" + head + b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + text.encode()


def test_the_words_are_the_letter_under_the_title_of_what_they_answer(answer, tmp_path):
    reading = answer(text_mail(f"Vi er enige.\r\n\r\nFra: Digital Post\r\n\r\n── {MARK} ──\r\nSkriv til forkert+{TOKEN}@dp.example\r\n"))
    (letter,) = reading.letters
    assert (tmp_path / letter.main.digest).read_bytes() == b"Vi er enige."
    assert (letter.title, letter.main.name, letter.recipient.reveal()) == ("SV: Afgørelse", "brev.txt", "19552101")
    assert (letter.options.thread, letter.options.contact_point, letter.address) == (THREAD, "cp-7", "svar@dp.example")


def test_a_mail_that_is_only_a_web_page_is_read_as_its_words(answer, tmp_path):
    page = f"<html><head><style>p {{}}</style></head><body><p>Vi er\r\nenige.</p><p>Mvh. Økonomi<br>Karen &amp; Bo</p><div>Fra: Digital Post</div><p>── {MARK} ──</p><p>forkert+{TOKEN}@dp.example</p></body></html>"
    (letter,) = answer(text_mail(page).replace(b"text/plain", b"text/html")).letters
    assert (tmp_path / letter.main.digest).read_text(encoding="utf-8") == "Vi er enige.\n\nMvh. Økonomi\nKaren & Bo"
    tagged = f"<p>Ja.</p><a href=\"mailto:forkert+{TOKEN}@dp.example\">tilbage</a>"
    assert answer(text_mail(tagged).replace(b"text/plain", b"text/html")).letters[0].main.size_bytes == len("Ja.\ntilbage")


def test_files_come_beside_the_words_and_alone_where_there_are_none(answer, mail, file_part, pdf):
    (letter,) = answer(mail(file_part(pdf()))).letters
    assert [(one.name, one.role) for one in letter.documents] == [("brev.txt", "main"), ("brev.pdf", "attachment")]
    empty = mail(file_part(pdf())).replace(b"Hej\r\n", b"\r\n")
    (letter,) = answer(empty).letters
    assert [(one.name, one.role) for one in letter.documents] == [("brev.pdf", "main")]


def test_nothing_written_is_refused_and_so_is_what_only_the_department_may_know(answer):
    assert answer(text_mail(f"\r\n── {MARK} ──\r\nx")).refusal.code == "GW-201"
    assert answer(text_mail(f"Se nedenfor.\r\nSkriv til forkert+{TOKEN}@dp.example\r\n")).refusal.code == "GW-259"


def test_an_answer_to_an_answer_says_so_once_and_a_number_in_its_title_is_masked(answer):
    assert answer(text_mail("Ja."), reply_to("SV: Om 010101-1234")).letters[0].title == "SV: Om xxxxxx-xxxx"
    assert len(answer(text_mail("Ja."), reply_to("x" * 300)).letters[0].title) == 256


def test_a_service_address_is_never_a_merged_file_whatever_the_default_flow_does(envelope, rules):
    dividing = rules(flows={"default": ReadFlow(split=SplitManner())})
    assert batch_address(envelope(ADDRESS), dividing) is None
    assert batch_address(envelope(ADDRESS, "send@dp.example"), dividing).masked == "send@dp.example"


def test_a_robot_answers_nothing_and_hears_nothing(answer):
    robot = text_mail("Jeg er på ferie.", b"Auto-Submitted: auto-replied\r\n")
    assert answer(robot).silent
    assert answer(robot, ReplyNotAllowed(why="x")).silent
    refused = answer(text_mail("Ja."), ReplyNotAllowed(why="x"))
    assert (refused.refusal.code, refused.silent, refused.letters) == ("GW-257", False, ())
