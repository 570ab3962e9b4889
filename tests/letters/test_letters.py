"""Sixty-odd mails made by hand, each with the letters or the refusal it must give.

A folder ``NN-name`` holds ``mail.eml`` as it came over the wire (CRLF), ``envelope.json`` with what
the transport proved, and ``expected.json``: *why* the mail is here, and either *letters* with the
number of *notes*, or *refusal* and whether it is *silent*.
"""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.documents.mail import read_mail
from gateway.documents.reading import ReadFlow, ReadRules
from gateway.model.submission import Envelope, Submitter

HERE = Path(__file__).parent
FOLDERS = sorted(folder for folder in HERE.iterdir() if (folder / "mail.eml").exists())
RULES = ReadRules(
    domains=("dp.eksempelby-gym.dk",),
    flows={
        "fravaer": ReadFlow(case="FRAVAER-2026", reply_allowed=True),
        "tekst": ReadFlow(body_is_letter=True),
        "system": ReadFlow(recipient_from=("header",)),
    },
    allow_test_numbers=False,
    loop_id="dp.eksempelby-gym.dk",
    own_addresses=("digitalpost@dp.eksempelby-gym.dk",),
)


def test_there_are_sixty_mails():
    assert len(FOLDERS) >= 60


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_mail_gives_what_is_expected_of_it(folder, tmp_path):
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    reading = read_mail(folder / "mail.eml", "F-2026-TEST-0001", envelope(folder), RULES, tmp_path)
    if "refusal" in expected:
        assert reading.refusal is not None
        assert (reading.refusal.code, reading.silent) == (expected["refusal"], expected["silent"])
        assert reading.letters == ()
        return
    assert reading.refusal is None
    assert [described(letter) for letter in reading.letters] == expected["letters"]
    assert [letter.index for letter in reading.letters] == list(range(1, len(reading.letters) + 1))
    assert len(reading.notes) == expected["notes"]
    for letter in reading.letters:
        for document in letter.documents:
            assert (tmp_path / document.digest).stat().st_size == document.size_bytes


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_no_refusal_holds_a_whole_number_or_a_file_name(folder, tmp_path):
    reading = read_mail(folder / "mail.eml", "F-2026-TEST-0001", envelope(folder), RULES, tmp_path)
    said = f"{reading.refusal!r} {reading.refusal} {reading.title} {reading!r}"
    assert "1011234" not in said.replace("0101011234@dp.eksempelby", "")  # the remedy's own example
    assert ".exe" not in said


def envelope(folder):
    told = json.loads((folder / "envelope.json").read_text(encoding="utf-8"))
    return Envelope(
        channel="smtp",
        submitter=Submitter(**told["submitter"], reply_to="sekretaer@eksempelby-gym.dk"),
        recipients=tuple(told["recipients"]),
        automatic=told["automatic"],
        received_at=datetime(2026, 11, 2, 9, 0, tzinfo=UTC),
    )


def described(letter):
    day = letter.options.deliver_from
    return {
        "recipient": letter.recipient.masked(),
        "copy": letter.copy,
        "title": letter.title,
        "flow": letter.flow,
        "options": {
            "case": letter.options.case,
            "plan": letter.options.plan,
            "reply_allowed": letter.options.reply_allowed,
            "deliver_from": day.isoformat() if day else None,
        },
        "documents": [
            {
                "name": document.name,
                "role": document.role,
                "media_type": document.media_type,
                "pages": document.pages,
                "sha256": document.digest,
            }
            for document in letter.documents
        ],
    }
