"""Notices about merged files: counted, the odd ones in full, and one line for each: pages, recipient, why."""

from datetime import UTC, datetime

from gateway.errors import RecipientExempt
from gateway.model.notice import LetterLine, Notice
from gateway.model.shipment import Status
from gateway.notices.words import page
from gateway.services.work import refusal_of

AT = datetime(2026, 12, 1, 9, tzinfo=UTC)


def line(number, **changed):
    given = {
        "recipient": f"{number % 28 + 1:02d}0150-xxxx", "copy": False, "status": Status.COMPLETED, "archive": Status.ARCHIVED, "case": None,
        "attachments": 0, "settled_at": AT, "pages": f"{2 * number - 1}-{2 * number}", "why": "place",
    }  # fmt: skip
    return LetterLine(**{**given, **changed})


def test_a_large_file_is_counted_and_each_letter_has_one_line():
    held = refusal_of(RecipientExempt())
    letters = [line(number) for number in range(1, 3001)]
    letters[6] = line(7, status=Status.HELD, settled_at=None, refusal=held, why="assigned")
    said = page(
        Notice(id="F-1.held", kind="held", to="anna@example.dk", submission_id="F-2026-AAAA-BBBB", title="Attest", letters=tuple(letters))
    )
    counted, odd, each = said.blocks
    assert [(row.label, row.value) for row in counted.rows[:3]] == [
        ("Breve", "3.000"), ("Afsluttet ✓✓", "2.999"), ("Afventer", "1"),
    ]  # fmt: skip
    assert odd.heading == "Side 13-14"
    assert held.sentence in [row.value for row in odd.rows]
    assert len(each.rows) == 3000
    assert (each.rows[0].label, each.rows[0].value) == ("Side 1-2", "CPR 020150-xxxx, Afsluttet ✓✓, nummeret stod på pladsen")
    assert each.rows[6].value.endswith("Afventer, valgt af en medarbejder")
