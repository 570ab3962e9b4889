"""A watched folder: what is taken from it, what is left alone, what is told. On both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.config.settings import DropSettings, WatchedFolder
from gateway.documents.reading import ReadRules
from gateway.documents.sidecar.look import look
from gateway.documents.sidecar.understand import Manner
from gateway.ingress.folder.share import SENTINEL, Share
from gateway.ingress.folder.watch import Watched
from gateway.model.drop import AnswerFile, DropFault, NewFile
from gateway.ports import NewDrop

LARGEST = 3_000_000
FAULT = DropFault(kode="FIL_TOM", gw="GW-206", tekst="t", goer_saadan="g")


@pytest.fixture
def root(tmp_path):
    (tmp_path / "mappe").mkdir()
    return tmp_path / "mappe"


def new_watched(ledger, vault, root, now=lambda: datetime.now(UTC)):
    folder = WatchedFolder(name="loen", path=root, age="0 s")
    return Watched(folder, Share(root), drops=ledger, vault=vault, settings=DropSettings(), largest=LARGEST, overview=lambda _: {}, templates={}, now=now)


@pytest.fixture
def watched(ledger, vault, root):
    return new_watched(ledger, vault, root)


def test_a_file_is_written_down_and_then_put_away(watched, root, ledger):
    watched.look()
    (root / "ind" / "brev.txt").write_text("Kære Åse")
    assert [watched.look(), watched.look()] == [1, 0]
    assert [file.name for file in ledger.waiting_files()] == ["brev.txt"]
    assert list((root / "ind").iterdir()) == []
    assert len(list((root / "arkiv").rglob("brev.txt"))) == 1


def test_a_file_too_large_for_a_letter_is_refused_for_that_whatever_is_in_it(watched, root, ledger, vault):
    watched.look()
    (root / "ind" / "stor.txt").write_bytes(b"a" * (LARGEST * 2))
    assert watched.look() == 1
    (file,) = ledger.waiting_files()
    rules = ReadRules(domains=("dp.example.dk",), flows={}, allow_test_numbers=True, loop_id="x", total=LARGEST)
    found = look(file.name, vault.path(file.blob), Manner(), rules)
    assert found.fault is not None
    assert found.fault.code == "GW-205"
    # Its beginning is enough to know that.
    assert file.blob.size_bytes < LARGEST + 2 * 1024 * 1024
    (kept,) = (root / "arkiv").rglob("stor.txt")
    assert kept.stat().st_size == LARGEST * 2


def test_another_sentinel_is_another_folder(watched, root, ledger):
    watched.look()
    (root / "ind" / "brev.txt").write_text("x")
    (root / SENTINEL).write_text("somebody else's")
    assert watched.look() == 0
    assert ledger.drop_health()[0]["share"] == "lost"
    assert (root / "ind" / "brev.txt").exists()


def test_what_is_not_ours_in_fejl_is_left_alone(watched, root):
    watched.look()
    place = Path(root / "fejl" / "2026-11-26" / "D-2026-0000-0000")
    place.mkdir(parents=True)
    (place / "noget.ret").write_text("x")
    watched.look()
    assert (place / "noget.ret").exists()


def test_answers_and_what_was_rejected_are_removed_after_thirty_days(ledger, vault, root):
    hours = {"late": timedelta()}
    watched = new_watched(ledger, vault, root, now=lambda: datetime.now(UTC) + hours["late"])
    watched.look()
    (kept,) = ledger.keep_files([NewFile(account="loen", channel="folder", area="ind", name="brev.pdf", blob=vault.put(b"x"), how="scan", at=datetime.now(UTC))])
    ledger.keep_drops([NewDrop(account="loen", channel="folder", area="ind", base="brev", kind="document", file_ids=[kept.id], faults=[FAULT])])
    (claim,) = ledger.claim_drops(1)
    place = f"fejl/2026-11-27/{claim.item.id}"
    answers = [AnswerFile(name="brev.2-afvist.json", content=b"{}"), AnswerFile(name=f"{place}/LAES-MIG.txt", content=b"Ret")]
    ledger.drop_answered(claim, state="rejected", answered=["afvist"], files=answers)
    watched.look()
    assert (root / place / "brev.pdf").exists()
    (root / "kvittering" / "noget-andet.txt").write_text("not ours")
    (root / place / "min mappe").mkdir()
    hours["late"] = timedelta(days=31)
    new_watched(ledger, vault, root, now=lambda: datetime.now(UTC) + hours["late"]).look()
    assert ledger.drop_health()[0]["share"] == "ok"
    assert [file.name for file in (root / place).iterdir()] == ["min mappe"]
    (root / place / "min mappe").rmdir()
    new_watched(ledger, vault, root, now=lambda: datetime.now(UTC) + hours["late"]).look()
    assert not (root / "fejl" / "2026-11-27").exists()
    assert not (root / "kvittering" / "brev.2-afvist.json").exists()
    assert (root / "kvittering" / "noget-andet.txt").exists()
