"""One letter to everybody on a list: ``masseforsendelse-COUNT@``, where list and count must agree."""

import pytest

from gateway.documents.batch.manner import SplitManner
from gateway.documents.reading import ReadFlow

THREE = b"0101011234\r\n020202-1234\r\n\r\n12345674\r\n"
TO = "masseforsendelse-3@dp.example"


@pytest.fixture
def mass(mail, file_part, pdf):
    """A mail with a letter and this list."""

    def make(content, name="masseforsendelse.txt", *more):
        listed = file_part(content, f'filename="{name}"', kind="text/plain")
        return mail(file_part(pdf()), listed, *more)

    return make


def test_everybody_on_the_list_gets_the_letter_and_nobody_the_list(read, mass):
    reading = read(mass(THREE), TO)
    assert [letter.recipient.masked() for letter in reading.letters] == ["010101-xxxx", "020202-xxxx", "12345674"]
    assert [letter.index for letter in reading.letters] == [1, 2, 3]
    assert {tuple(one.name for one in letter.documents) for letter in reading.letters} == {("brev.pdf",)}
    assert {letter.address for letter in reading.letters} == {TO}


def test_a_list_may_be_a_sheet_with_production_units_and_a_flow_may_be_named(read, mass):
    sheet = "cvr;pnr\n13748136;1029829825\n12345674;\n".encode("utf-8-sig")
    reading = read(mass(sheet, "Masseforsendelse.CSV"), "masseforsendelse-2+address@dp.example")
    assert [letter.recipient.masked() for letter in reading.letters] == ["13748136-p1029829825", "12345674"]
    assert {letter.flow for letter in reading.letters} == {"address"}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"0101011234\n0202021234\n", "GW-256"),
        (b"0101011234\n0202021234\n12345674\n0303031234\n", "GW-256"),
        (b"0101011234\n0202021234\n010101-1234\n", "GW-253"),
        (b"0101011234\n0202021234\nnobody\n", "GW-253"),
        (b"0101011234\n0202021234\n3213131234\n", "GW-253"),
        (b"0101011234;0202021234\n", "GW-253"),
        (b"", "GW-253"),
    ],
    ids=["one short", "one over", "one twice", "no number", "no date", "two in a line", "empty"],
)
def test_a_list_that_does_not_fit_sends_nothing(code_of, mass, content, code):
    assert code_of(mass(content), TO) == code


def test_a_refusal_names_the_line_and_quotes_nothing_of_it(read, mass):
    refusal = read(mass(b"0101011234\n0202021234\n0303039999999\n"), TO).refusal
    assert "linje 3" in refusal.text()
    assert "0303" not in f"{refusal!r} {refusal}"


def test_without_a_list_or_with_two_nothing_is_sent(code_of, mail, file_part, pdf, mass):
    assert code_of(mail(file_part(pdf())), TO) == "GW-255"
    second = file_part(THREE, 'filename="masseforsendelse.csv"', kind="text/csv")
    assert code_of(mass(THREE, "masseforsendelse.txt", second), TO) == "GW-255"


def test_another_recipient_or_another_count_beside_it_is_a_contradiction(code_of, mass):
    assert code_of(mass(THREE), TO, "0404041234@dp.example") == "GW-302"
    assert code_of(mass(THREE), TO, "masseforsendelse-4@dp.example") == "GW-302"


def test_the_count_guards_a_merged_file_too(code_of, mail, file_part, pdf):
    flows = {"flet": ReadFlow(split=SplitManner(mode="list"))}
    listed = file_part(b"side;cpr\n1;0101011234\n2;0202021234\n", 'filename="liste.csv"', kind="text/csv")
    merged = mail(file_part(pdf(2)), listed)
    assert code_of(merged, "masseforsendelse-2+flet@dp.example", flows=flows) == "letters"
    assert code_of(merged, "masseforsendelse-3+flet@dp.example", flows=flows) == "GW-256"
