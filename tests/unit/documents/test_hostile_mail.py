"""The catalogue of bad mails and the collected hostile ones; official material beside the repository."""

import csv
import os
import re
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.documents.process import ReaderProcess
from gateway.model.submission import Submission

SHARED = Path(__file__).parents[3].parent / "shared"
CATALOGUE = SHARED / "badinputs" / "catalogue.csv"
CORPUS = SHARED / "corpora" / "mail"
HERE = all(place.exists() for place in (CATALOGUE, CORPUS))

if not HERE and os.environ.get("CI"):
    raise RuntimeError(f"the hostile mails are not at {SHARED}")
pytestmark = pytest.mark.skipif(not HERE, reason=f"the hostile mails are not at {SHARED}")

# What each mail of the catalogue must end as. The catalogue names the recipient in the subject, which
# is always refused here ("CPR-nummer i emnet"); so the subject "0101010000 Brev" becomes "Brev", a
# missing subject is put in, and the number stands in the address.
ANY, SILENT = "any refusal", "silent"
EXPECTED = {
    1: "letters", 2: SILENT, 3: SILENT, 4: SILENT, 5: SILENT, 6: SILENT, 7: SILENT,
    8: "GW-217", 9: "GW-217", 10: "GW-217", 11: "GW-217",
    # One address, and another than the display name says: whether it may send is the dialogue's to
    # judge, by what was proved. To the reader these two are letters.
    12: "letters", 13: "letters",
    14: "GW-217", 15: "GW-217",
    16: "letters",
    # Whether the same Message-ID came before is the ledger's to know.
    17: "letters",
    18: "letters", 19: "GW-213", 20: "GW-213",
    # Accepted in the catalogue ("header ignored"); but its Cc has 189 kB, and headers end at 100 kB.
    21: "GW-213",
    22: "GW-213", 23: "GW-213", 24: "GW-213", 25: "GW-215", 26: "GW-215", 27: "GW-209", 28: "GW-208",
    29: "GW-222",
    **dict.fromkeys([*range(30, 40), 41], "letters"),
    40: "GW-203", 42: "GW-212", 43: "GW-206", 44: "GW-212", 45: "GW-212", 46: "GW-212", 47: "GW-212",
    48: "GW-212", 49: "GW-212", 50: "GW-207",
    # The dialogue refuses bare LF, bare CR and long lines; what comes by another way is read.
    51: "letters", 52: "GW-212", 53: "letters",
    54: "letters", 55: "GW-201", 56: "GW-222", 57: "GW-222", 58: "GW-203", 59: "letters", 60: "GW-217",
}  # fmt: skip
STORED = {
    30: "x.pdf", 31: "x.pdf", 32: "x.pdf", 33: "afdp_exe.pdf", 34: "a.exe.pdf", 35: "a Bcc_ evil@x.pdf",
    36: "a.pdf", 37: "bøg.pdf", 38: "dokument.pdf", 39: "a" * 116 + ".pdf", 41: "brev.pdf",
}  # fmt: skip


def catalogue():
    if not HERE:
        return []
    with CATALOGUE.open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["id"].startswith("MAIL-")]


def prepared(raw):
    raw = raw.replace(b"Subject: 0101010000 Brev\r\n", b"Subject: Brev\r\n")
    head, blank, body = raw.partition(b"\r\n\r\n")
    if not blank or re.search(rb"(?mi)^subject:", head):
        return raw
    return head + b"\r\nSubject: Brev" + blank + body


def test_every_mail_of_the_catalogue_has_its_expectation():
    assert [int(row["id"][5:]) for row in catalogue()] == sorted(EXPECTED)


@pytest.mark.parametrize("row", catalogue(), ids=lambda row: row["file"])
def test_a_bad_mail_ends_as_the_catalogue_says(read, row):
    number = int(row["id"][5:])
    raw = prepared((SHARED / "badinputs" / row["file"]).read_bytes())
    flow = "" if number in (29, 55, 58) else "+tekst"
    reading = read(raw, f"0101010000{flow}@gw.example", domains=("gw.example",))
    ended = SILENT if reading.silent else reading.refusal.code if reading.refusal else "letters"
    assert ended == EXPECTED[number], row["why"]
    if number in STORED:
        assert reading.letters[0].main.name == STORED[number]
    if number == 18:
        assert reading.title == "x Bcc: evil@x"


@pytest.mark.parametrize("row", [row for row in catalogue() if row["expected"] == "QUARANTINE+REPORT"],
                         ids=lambda row: row["file"])
def test_what_the_catalogue_refuses_is_refused_as_it_stands(read, row):
    raw = (SHARED / "badinputs" / row["file"]).read_bytes()
    reading = read(raw, "0101010000@gw.example", domains=("gw.example",))
    assert reading.refusal is not None
    assert not reading.silent


def test_every_hostile_mail_ends_within_its_limits(tmp_path, rules, envelope):
    files = sorted(file for file in CORPUS.rglob("*") if file.is_file())
    submission = Submission(
        id="F-2026-TEST-0001",
        envelope=envelope("0101011234+tekst@dp.example"),
        reference="x",
        size_bytes=1,
        raw=b"",
    )
    reader = ReaderProcess(rules, time=timedelta(seconds=5), memory=1024**3, processes=1)
    try:
        ended = {file: reader.read(file, submission, tmp_path) for file in files}
    finally:
        reader.close()
    assert len(ended) > 300
    for file, reading in ended.items():
        code = reading.refusal.code if reading.refusal else "letters"
        assert code != "GW-506", file
        assert (code == "letters") is bool(reading.letters), file
