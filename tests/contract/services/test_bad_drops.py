"""Files that broke other programs, dropped as systems drop them: each is answered, with the real reader and its
bounds (10 s, 512 MB), on both databases. Nothing crashes, hangs or is sent that should not be.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncssh
import pytest
from drop_inputs import sidecar_name
from sqlalchemy import select

from gateway.cli.demo_letter import sample_pdf
from gateway.documents.process import ReaderProcess
from gateway.documents.reading import ReadRules
from gateway.ingress.sftp.tree import place_of
from gateway.model.drop import DropManner, NewFile
from gateway.notices.answers import DropAnswers
from gateway.services.answer import Answer
from gateway.services.gather import Gather
from gateway.storage import tables

SHARED = Path(__file__).parents[4] / "shared"
BAD, CORPORA = SHARED / "badinputs", SHARED / "corpora"
RULES = ReadRules(domains=("dp.example.dk",), flows={}, allow_test_numbers=False, loop_id="x")
TO = {"cpr": "0101011234", "emne": "Brev"}
# "QUARANTINE+REPORT" in the catalogue, and letters here all the same: what is wrong with these PDFs is no matter of
# gateways (active content, attachments, page sizes); Digital Post shows them as it shows all others.
_PDF_POLICY = {"PDF-13", "PDF-14", "PDF-15", "PDF-16", "PDF-17"}

pytestmark = pytest.mark.timeout(240)


class Road:
    """From dropped files to answers."""

    def __init__(self, ledger, vault) -> None:
        self.ledger, self.vault, self.count = ledger, vault, 0
        self.reader = ReaderProcess(lambda: RULES, time=timedelta(seconds=10), memory=512_000_000, processes=2)
        manner = DropManner(account="studie", channel="sftp", pair_timeout=timedelta(minutes=5))
        self.gather = Gather(ledger, vault, self.reader, self, manners=lambda: {"studie": manner}, rules=lambda: RULES, trier=None)
        self.answer = Answer(ledger, ledger, DropAnswers(self), self, waits=[timedelta(0)])
        self.late = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.late

    def put(self, name: str, content: bytes, *, folder: str = "") -> str:
        """Drop a file; its folder, a new one unless given."""
        self.count += not folder
        place = folder or f"n{self.count:04}"
        file = NewFile(account="studie", channel="sftp", area="ind", folder=place, name=name, blob=self.vault.put(content), how="rename", at=self.now())
        self.ledger.keep_files([file])
        return place

    def letter(self, name: str, content: bytes, **more) -> str:
        """*content* as the document of a letter."""
        folder = self.put(name, content)
        self.put("brev-0.meta.json", json.dumps({**TO, "dokumenter": [name], **more}).encode(), folder=folder)
        return folder

    def answered(self) -> dict[str, dict]:
        """The drop of each folder, once all waits are over; the check that every file has one, and it an answer."""
        for self.late in (timedelta(), timedelta(hours=1), timedelta(hours=30)):
            while self.gather.work():
                pass
        while self.answer.work():
            pass
        with self.ledger._database.read() as connection:
            files = connection.execute(select(tables.drop_files)).mappings().all()
            told = {row.drop_id for row in connection.execute(select(tables.drop_answers.c.drop_id))}
        assert {file["state"] for file in files} <= {"taken", "standard"}
        assert {file["drop_id"] for file in files} == told
        drops = {drop["id"]: drop for drop in self.ledger.list_drops(limit=10_000)}
        return {file["folder"]: drops[file["drop_id"]] for file in files}


@pytest.fixture
def road(ledger, vault) -> Iterator[Road]:
    if not BAD.exists():
        assert not os.environ.get("CI"), "shared/badinputs is missing"
        pytest.skip("shared/badinputs is missing")
    road = Road(ledger, vault)
    yield road
    road.reader.close()


def rows(*channels: str) -> list[dict[str, str]]:
    found = csv.DictReader((BAD / "catalogue.csv").read_text(encoding="utf-8").splitlines())
    return [row for row in found if row["channel"] in channels]


def codes(drop: dict) -> list[str]:
    return [fault["kode"] for fault in drop["faults"]]


def test_archives_and_pdfs_are_taken_or_refused_as_the_catalogue_says(road):
    files = {row["id"]: (row, road.letter(Path(row["file"]).name, (BAD / row["file"]).read_bytes())) for row in rows("archive", "pdf")}
    assert len(files) == 32
    drops = road.answered()
    wrong = {}
    for name, (row, folder) in files.items():
        refused = drops[folder]["state"] == "rejected"
        if (row["expected"].startswith("QUARANTINE") and not refused and name not in _PDF_POLICY) or (row["expected"] == "ACCEPT" and refused):
            wrong[name] = (row["expected"], drops[folder]["state"], codes(drops[folder]))
        assert not refused or codes(drops[folder])
    assert wrong == {}


def test_sidecars_of_the_catalogue_are_answered_each_beside_its_document(road):
    folders = {}
    for row in rows("xml", "json", "yaml", "csv"):
        file = BAD / row["file"]
        folders[row["id"]] = road.put(sidecar_name(file), file.read_bytes())
        road.put("brev.pdf", sample_pdf("brev"), folder=folders[row["id"]])
    drops = road.answered()
    bad = {name for name, folder in folders.items() if drops[folder]["state"] != "rejected"}
    assert len(folders) == 59
    assert bad == set(), "none of them names the file that lies beside it, so none may be a letter"


def test_every_file_of_the_corpora_ends_in_an_answer(road):
    kinds = ("xml", "json", "yaml", "csv")
    files = [file for kind in kinds for file in sorted((CORPORA / kind).rglob("*")) if file.is_file()]
    for file in files:
        folder = road.put(sidecar_name(file), file.read_bytes())
        road.put("brev.pdf", sample_pdf("brev"), folder=folder)
    documents = [file for file in sorted((CORPORA / "pdf").rglob("*")) if file.is_file()]
    for file in documents:
        road.letter(file.name, file.read_bytes())
    drops = road.answered()
    assert len(drops) == len(files) + len(documents) > 350


def test_names_are_refused_at_the_door_or_end_in_an_answer(road):
    names = json.loads((BAD / "names" / "names.json").read_text(encoding="utf-8"))
    taken: list[str] = []
    for name in names:
        try:
            place = place_of(f"ind/{name}".encode("utf-8", "surrogatepass"))
        except asyncssh.SFTPError:
            continue
        if place.room == "ind" and len(place.parts) == 1:
            assert "/" not in place.name
            taken.append(road.letter(place.name, sample_pdf("brev")))
    assert len(names) > len(taken) > 20
    drops = road.answered()
    assert {folder for folder in taken if folder not in drops} == set()
    assert {drop["state"] for drop in drops.values()} <= {"received", "rejected", "accepted", "done"}
    answers = [name for name, _, _ in road.ledger.answer_files("studie", datetime(2026, 1, 1, tzinfo=UTC))]
    assert all(len(name.encode()) < 255 and not set(name) & set('\\:*?"<>|\0\n\r') for name in answers)


def test_cpr_numbers_of_the_catalogue(road):
    cases = list(csv.DictReader((BAD / "cpr" / "cpr_cases.csv").read_text(encoding="utf-8").splitlines(), delimiter=";"))
    folders = {}
    for number, case in enumerate(cases):
        value = case["value"].replace("\\n", "\n")
        folders[number] = road.letter("brev.pdf", sample_pdf("brev"), cpr=value, emne=f"Brev {number}")
    drops = road.answered()
    ends = {(case["value"], case["valid"]): drops[folders[number]]["state"] for number, case in enumerate(cases)}
    assert [value for (value, valid), state in ends.items() if valid == "syntax" and state == "rejected"] == []
    # A line end around a value is no part of it, in any of the forms.
    assert [value for (value, valid), state in ends.items() if valid in ("no", "cvr") and state != "rejected"] == ["0101010000\\n"]
