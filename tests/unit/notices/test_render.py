"""What the submitter reads, and that nobody can write a header of ours but we."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import (
    CprInFileName,
    CprInTitle,
    DamagedMail,
    DigitalPostRefused,
    GatewayError,
    HeldByRule,
    InvalidPNumber,
    MailNotSendable,
    NoRecipient,
    Poison,
    RecipientClosed,
    RecipientExempt,
    RecipientNotRegistered,
    TooComplex,
    every_error,
)
from gateway.model.identity import CPR_IN_TEXT
from gateway.model.notice import Notice, Refusal, RuleNote
from gateway.notices.words import page
from gateway.notices.written import clean, moment, recipient

HERE = Path(__file__).parent
HEADERS = [
    "From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "Auto-Submitted",
    "X-Auto-Response-Suppress", "X-Loop", "MIME-Version", "Content-Type",
]  # fmt: skip


def why(error: GatewayError) -> Refusal:
    return Refusal(
        code=error.code, title=error.title, sentence=error.text(), remedy=error.action(),
        private=error.private,
    )  # fmt: skip


def read(mail: bytes) -> EmailMessage:
    parsed = message_from_bytes(mail, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def text_of(mail: bytes, kind: str = "plain") -> str:
    body = read(mail).get_body((kind,))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


# ── golden files: a Danish reader reviews these ─────────────────────────────


def ended_by_a_person(line: Any, notice: Any) -> dict[str, Any]:
    handled = line(status="handled", refusal=why(RecipientExempt()))
    cancelled = line(status="cancelled", archive="none", case=None)
    return {
        "haandteret": notice(letters=(handled,)),
        "annulleret": notice(letters=(cancelled,)),
        "delvist-haandteret": notice(letters=(line(), handled, cancelled)),
    }


def wanted_by_a_rule(line: Any, notice: Any) -> Notice:
    said = RuleNote(
        rule="Kun lønsystemet sender lønsedler",
        text="En lønseddel er sendt af en anden end lønsystemet.",
        letter="F-2026-7K3Q-M2XD.1",
        submitter="anna",
        received_at=datetime(2026, 11, 23, 8, 11, tzinfo=UTC),
    )
    return notice(
        id="F-2026-7K3Q-M2XD.1.rule-1", kind="rule", to="loen@eksempelby-gym.dk", in_reply_to="", title="",
        letters=(line(status="held", archive="none", settled_at=None),), rule=said,
    )  # fmt: skip


def golden_cases(line: Any, notice: Any) -> dict[str, Any]:
    queued = line(status="queued", archive="queued", settled_at=None)
    failed = line(
        recipient="020202-xxxx", status="failed", archive="archived", case=None, attachments=0,
        refusal=why(DigitalPostRefused(remote_code="person.not.found")),
    )  # fmt: skip
    company = line(recipient="12345674-p1023456789", copy=True, archive="none", case=None)
    return {
        "modtaget": notice(
            kind="received",
            letters=(queued,),
            notes=("Emnet er længere end 50 tegn; nogle postkasser viser kun begyndelsen.",),
        ),
        "modtaget-flere": notice(kind="received", letters=(queued, replace(queued, copy=True))),
        "leveret": notice(),
        "leveret-alle": notice(letters=(line(), company)),
        "leveret-arkiv-fejlet": notice(letters=(line(archive="failed"),)),
        "delvist-leveret": notice(letters=(line(), company, failed)),
        "ikke-sendt": notice(
            title="Samtale om 010101-1234", letters=(), refusal=why(CprInTitle())
        ),
        "ikke-sendt-filnavn": notice(
            letters=(), refusal=why(CprInFileName(private="brev 0101011234.pdf"))
        ),
        "ikke-leveret": notice(letters=(failed,)),
        "ikke-leveret-flere": notice(letters=(failed, failed)),
        "afventer": notice(
            kind="held",
            letters=(
                line(status="held", archive="none", settled_at=None, refusal=why(RecipientExempt())),
            ),
        ),
        "afventer-regel": notice(
            kind="held",
            letters=(
                line(
                    status="held", archive="none", settled_at=None,
                    refusal=why(HeldByRule(rule="Store forsendelser", reason="42 modtagere.")),
                ),
                queued,
            ),
        ),
        "afventer-fejl-hos-os": notice(
            kind="held", letters=(), refusal=why(Poison(count=3, where="read"))
        ),
        "konflikt": notice(kind="conflict", letters=()),
        "kun-arkiveret": notice(letters=(line(status="archived"),)),
        **ended_by_a_person(line, notice),
        "regel": wanted_by_a_rule(line, notice),
    }  # fmt: skip


NAMES = [
    "modtaget", "modtaget-flere", "leveret", "leveret-alle", "leveret-arkiv-fejlet",
    "delvist-leveret", "ikke-sendt", "ikke-sendt-filnavn", "ikke-leveret", "ikke-leveret-flere",
    "afventer", "afventer-regel", "afventer-fejl-hos-os", "konflikt", "regel", "kun-arkiveret",
    "haandteret", "annulleret", "delvist-haandteret",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_the_mail_reads_as_it_was_approved(name, renderer, make_line, make_notice):
    """GOLDEN=write writes the files anew; then read them, they are what people get."""
    mail = renderer.compose(golden_cases(make_line, make_notice)[name])
    parsed = read(mail)
    head = "\n".join(f"{key}: {parsed[key]}" for key in HEADERS if key in parsed and key != "Content-Type")
    head = re.sub(r"\.[0-9a-f]{12}@", ".…@", head)  # a digest of the notice
    seen = f"{head}\n\n{text_of(mail)}\n=== HTML ===\n{text_of(mail, 'html')}"
    file = HERE / f"{name}.txt"
    if os.environ.get("GOLDEN") == "write":
        file.write_text(seen, encoding="utf-8")
    assert seen == file.read_text(encoding="utf-8")


def test_every_golden_file_belongs_to_a_case():
    assert sorted(file.stem for file in HERE.glob("*.txt")) == sorted(NAMES)


# ── headers ─────────────────────────────────────────────────────────────────


def test_a_mail_has_exactly_the_headers_we_mean(renderer, make_notice):
    parsed = read(renderer.compose(make_notice()))
    assert parsed.keys() == HEADERS
    assert parsed["Auto-Submitted"] == "auto-replied"
    assert parsed["X-Auto-Response-Suppress"] == "All"
    assert parsed["X-Loop"] == "gw-7f3a"
    assert parsed["To"] == "sek@eksempelby-gym.dk"
    assert parsed["From"].addresses[0].addr_spec == "digitalpost@dp.eksempelby-gym.dk"
    assert parsed["From"].addresses[0].display_name == "Eksempelby Gymnasium – Digital Post"
    assert parsed["In-Reply-To"] == "<abc@outlook.example.com>"
    assert list(parsed.iter_attachments()) == []


def test_the_message_id_is_the_same_on_every_try(renderer, make_notice, make_line):
    first, again = (read(renderer.compose(make_notice()))["Message-ID"] for _ in range(2))
    assert first == again
    assert first.startswith("<F-2026-7K3Q-M2XD.final.")
    news = make_notice(letters=(make_line(status="failed"),))
    assert read(renderer.compose(news))["Message-ID"] != first


def test_a_long_message_id_of_the_sender_is_answered_as_it_is(renderer, make_notice):
    theirs = f"{'A1' * 60}@{'b' * 60}.prod.outlook.com"
    mail = renderer.compose(make_notice(in_reply_to=theirs))
    assert f"\r\nIn-Reply-To: <{theirs}>\r\nReferences: <{theirs}>\r\n".encode() in mail


@pytest.mark.parametrize(
    "theirs",
    ["", "uden-snabel-a", "a b@c", "a@b>\r\nBcc: x@example.dk", "a@b\r\n", "æ@b", "a@b@c\x00", "<a@b>", "a" * 2000 + "@b"],
)
def test_a_strange_message_id_is_not_answered(renderer, make_notice, theirs):
    parsed = read(renderer.compose(make_notice(in_reply_to=theirs)))
    assert "In-Reply-To" not in parsed
    assert "Bcc" not in parsed


INJECTED = [
    "Samtale\r\nBcc: x@example.dk",
    "Samtale\nBcc: x@example.dk",
    "Samtale\rBcc: x@example.dk",
    "Samtale\r\n\r\n<b>krop</b>",
    "=?utf-8?q?Samtale=0D=0ABcc:_x@example.dk?=",
    "=?utf-8?b?U2FtdGFsZQ0KQmNjOiB4QGV4YW1wbGUuZGs=?=",
    "=?utf-8?q?a?= =?utf-8?q?=0D=0ABcc:_x?=",
    "Samtale\x00\x0b\x0c\x1b[31m\x85\u2028Bcc: x@example.dk",
    "\ud83dSamtale\udcff",
    "\u202eelatmaS\u2066",
    "Samtale" * 2000,
    "🎓" * 200,
    "a" * 70 + " æ",
    "x, y <z@example.dk>; \"q\"",
]


@pytest.mark.parametrize("title", INJECTED)
def test_a_hostile_title_is_only_a_title(renderer, make_notice, title):
    assert_only_a_title(renderer, make_notice(title=title))


def assert_only_a_title(renderer: Any, about: Any) -> None:
    mail = renderer.compose(about)
    parsed = read(mail)
    assert parsed.keys() == HEADERS
    assert parsed["Subject"] == page(about).subject
    assert parsed["To"] == about.to
    assert all(len(row) <= 998 for row in mail.split(b"\r\n"))
    assert mail.isascii()
    assert b"\n" not in mail.replace(b"\r\n", b"")
    assert [part.get_content_type() for part in parsed.walk()] == [
        "multipart/alternative", "text/plain", "text/html",
    ]  # fmt: skip
    for kind in ("plain", "html"):
        assert not CPR_IN_TEXT.search(text_of(mail, kind))


texts = st.text(alphabet=st.characters(), max_size=200) | st.lists(
    st.sampled_from(["\r\n", "\n", "=?utf-8?q?", "=0D=0A", "?=", "Bcc: x@y.dk", " ", "0101011234", "æ", "\u200b", "-"]),
    max_size=12,
).map("".join)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(title=texts, reason=texts, private=texts, reference=texts, case=texts, remark=texts)
def test_whatever_comes_in_exactly_our_headers_go_out(
    renderer, make_notice, make_line, title, reason, private, reference, case, remark
):
    refusal = Refusal(code="GW-320", title="Afvist", sentence=reason, remedy=reason, private=private)
    about = make_notice(
        title=title, in_reply_to=reference, refusal=refusal, notes=(remark,),
        letters=(make_line(case=case, status="failed", refusal=refusal),),
    )  # fmt: skip
    assert_only_a_title(renderer, replace(about, in_reply_to="abc@example.dk"))
    assert set(read(renderer.compose(about)).keys()) <= set(HEADERS)


@pytest.mark.parametrize("to", ["", "sek", "a@b\r\nBcc: c@d.dk", "a@b, c@d", "Navn <a@b>", "søren@b.dk"])
def test_an_address_with_two_meanings_is_not_written_to(renderer, make_notice, to):
    with pytest.raises(MailNotSendable) as error:
        renderer.compose(make_notice(to=to))
    assert to == "" or to not in str(error.value)


# ── words ───────────────────────────────────────────────────────────────────


def test_html_is_escaped(renderer, make_notice, make_line):
    about = make_notice(
        title="<script>alert(1)</script>", notes=("<img src=x>",), letters=(make_line(case='"><b>'),)
    )
    html = text_of(renderer.compose(about), "html")
    for raw in ("<script", "<img", "<b>"):
        assert raw not in html
    assert "&lt;img src=x&gt;" in html


@pytest.mark.parametrize(
    ("title", "seen"),
    [
        ("Samtale 010101-1234", "Samtale 010101-xxxx"),
        ("Samtale 0101011234", "Samtale 010101-xxxx"),
        ("Samtale 010101 1234", "Samtale 010101-xxxx"),
        ("Samtale 010101\u00a01234", "Samtale 010101-xxxx"),
        ("Samtale 0101\u200b011234", "Samtale 010101-xxxx"),
        ("Samtale 010101\r\n1234", "Samtale 010101-xxxx"),
        ("Sag 2026-0417", "Sag 2026-0417"),
    ],
)
def test_a_number_in_a_title_is_masked(title, seen):
    assert clean(title) == seen


def test_a_long_title_is_cut_with_a_sign(make_notice):
    subject = page(make_notice(title="a" * 500)).subject
    assert len(subject) == len("Leveret: ") + 120
    assert subject.endswith("a…")


def test_a_mail_without_a_title_names_the_submission(make_notice):
    assert page(make_notice(title=" \r\n")).subject == "Leveret: Forsendelse F-2026-7K3Q-M2XD"


@pytest.mark.parametrize(
    ("at", "seen"),
    [
        (datetime(2026, 11, 23, 8, 11, tzinfo=UTC), "23.11.2026 kl. 09.11"),
        (datetime(2026, 7, 1, 22, 30, tzinfo=UTC), "02.07.2026 kl. 00.30"),
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "25.10.2026 kl. 02.30"),
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "25.10.2026 kl. 02.30"),
    ],
)
def test_times_are_danish_times(at, seen):
    assert moment(at) == seen


@pytest.mark.parametrize(
    ("masked", "seen"),
    [
        ("010101-xxxx", "CPR 010101-xxxx"),
        ("12345674", "CVR 12345674"),
        ("12345674-p1023456789", "CVR 12345674, P-nummer 1023456789"),
        ("0101011234", "010101-xxxx"),
    ],
)
def test_a_recipient_is_named_by_its_kind(masked, seen):
    assert recipient(masked) == seen


@pytest.mark.parametrize(
    ("status", "said"),
    [("handled", "håndteret brevet på en anden måde"), ("cancelled", "annulleret brevet, så det")],
)
def test_what_a_person_decided_is_said_of_each_letter_and_old_reasons_are_not(
    make_notice, make_line, status, said
):
    about = make_notice(
        letters=(make_line(), make_line(status=status, refusal=why(RecipientExempt())))
    )
    told = [str(row) for row in page(about).blocks[1].rows]
    assert any(said in row for row in told)
    assert not any("GW-311" in row or "kollega" in row for row in told)


def test_a_code_of_digital_post_is_told_in_words_and_kept():
    known = DigitalPostRefused(remote_code="file.empty.not.allowed")
    assert known.text() == "Digital Post afviste brevet: en fil er tom (koden file.empty.not.allowed)."
    assert "Vedhæft filen igen" in known.action()
    unknown = DigitalPostRefused(remote_code="new.{code}")
    assert unknown.text() == "Digital Post afviste brevet med koden new.{code}."
    assert unknown.action().endswith("Send koden til den, der driver systemet.")


@pytest.mark.parametrize("kind", [DamagedMail, TooComplex, RecipientExempt, RecipientNotRegistered, RecipientClosed])
def test_a_secretary_is_not_told_our_own_words(kind):
    said = f"{kind.sentence} {kind.remedy}"
    assert not any(word in said for word in ("Ubehandlet", "hoved", "base64", "{"))


@pytest.mark.parametrize(
    ("letters", "word"),
    [
        (["completed"], "Leveret"),
        (["completed", "completed"], "Leveret"),
        (["completed", "failed", "completed"], "2 af 3 leveret"),
        (["completed", "archived"], "1 af 2 leveret"),
        (["failed"], "Ikke sendt"),
        (["rejected", "cancelled", "handled"], "Ikke sendt"),
        (["sent"], "Afventer"),
        (["archived", "archived"], "Arkiveret"),
        (["handled"], "Håndteret"),
        (["handled", "handled"], "Håndteret"),
        (["cancelled"], "Annulleret"),
        (["handled", "cancelled"], "Ikke sendt"),
        (["completed", "handled"], "1 af 2 leveret"),
        ([], "Ikke sendt"),
    ],
)
def test_the_subject_says_how_it_went(make_notice, make_line, letters, word):
    about = make_notice(letters=tuple(make_line(status=status) for status in letters))
    assert page(about).subject.partition(":")[0] == word


def test_only_delivered_letters_are_called_delivered(make_notice, make_line):
    for status in ("failed", "rejected", "sent", "held", "queued", "archived", "cancelled", "handled"):
        about = make_notice(letters=(make_line(status=status),))
        assert "er leveret i modtagerens" not in page(about).lead


def test_a_submitter_reads_danish_whatever_went_wrong(renderer, make_notice):
    english = re.compile(r"\b(the|is|not|nothing|try|check|letter|failed)\b", re.IGNORECASE)
    for kind in every_error():
        fields = {name for _, name, _, _ in Formatter().parse(kind.sentence + kind.remedy) if name}
        error = kind(**dict.fromkeys(fields, "x"))
        text = text_of(renderer.compose(make_notice(letters=(), refusal=why(error))))
        assert not english.search(text), f"{kind.__name__}: {text}"
        assert error.code in text


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (NoRecipient(domain="dp.example.dk"), "fx ddmmååxxxx@dp.example.dk"),
        (InvalidPNumber(), "fx 12345674-p1023456789"),
        (CprInFileName(private="brev 010101-1234.pdf"), "brev 010101-xxxx.pdf"),
    ],
)
def test_examples_and_file_names_hold_no_whole_cpr_number(renderer, make_notice, error, seen):
    assert seen in text_of(renderer.compose(make_notice(letters=(), refusal=why(error))))
