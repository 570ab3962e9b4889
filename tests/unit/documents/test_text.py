"""The text of a document, for rules: read in a worker, never longer than it may be, never a reason to stop."""

from __future__ import annotations

import pytest

from gateway.cli.demo_letter import sample_pdf
from gateway.documents.text import LONGEST, text_of


@pytest.fixture
def reader(rules):
    from datetime import timedelta

    from gateway.documents.process import ReaderProcess

    made = ReaderProcess(rules, time=timedelta(seconds=20), memory=1024**3, processes=1)
    yield made
    made.close()


def test_the_text_of_a_pdf_is_found_in_a_worker(reader, tmp_path):
    file = tmp_path / "a"
    file.write_bytes(sample_pdf("You may appeal within four weeks"))
    assert "appeal within four weeks" in reader.text(file, "application/pdf")


def test_a_plain_text_is_its_own_text_and_is_cut(tmp_path):
    file = tmp_path / "a"
    file.write_bytes("æ".encode() * (LONGEST + 5) + b"\xff")
    assert text_of(file, "text/plain") == "æ" * LONGEST


@pytest.mark.parametrize("content", [b"", b"%PDF-1.4\nnothing", b"\0" * 1000])
def test_what_cannot_be_read_has_no_text(content, tmp_path):
    file = tmp_path / "a"
    file.write_bytes(content)
    assert text_of(file, "application/pdf") is None
    assert text_of(file, "image/png") is None


def test_a_worker_that_is_killed_over_it_is_no_text(reader, tmp_path, monkeypatch):
    file = tmp_path / "a"
    file.write_bytes(b"x" * 10)
    assert reader.text(tmp_path / "missing", "image/png") is None
    # Out of time: a fifo that nobody writes into keeps the reader waiting for ever.
    import os
    from datetime import timedelta

    os.mkfifo(tmp_path / "fifo")
    monkeypatch.setattr(reader, "_time", timedelta(seconds=0.5))
    assert reader.text(tmp_path / "fifo", "text/plain") is None
    assert reader.text(file, "text/plain") == "x" * 10
