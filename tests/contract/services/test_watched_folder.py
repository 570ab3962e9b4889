"""A watched folder: what is taken from it, what is left alone, what is told. On both databases."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.config.settings import DropSettings, WatchedFolder
from gateway.documents.reading import ReadRules
from gateway.documents.sidecar.look import look
from gateway.documents.sidecar.understand import Manner
from gateway.ingress.folder.share import SENTINEL, Share
from gateway.ingress.folder.watch import Watched

LARGEST = 3_000_000


@pytest.fixture
def root(tmp_path):
    (tmp_path / "mappe").mkdir()
    return tmp_path / "mappe"


@pytest.fixture
def watched(ledger, vault, root):
    folder = WatchedFolder(name="loen", path=root, age="0 s")
    return Watched(
        folder, Share(root), drops=ledger, vault=vault, settings=DropSettings(), largest=LARGEST, overview=lambda _: {},
        templates={}, now=lambda: datetime.now(UTC),
    )  # fmt: skip


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
