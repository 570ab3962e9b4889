"""PDFs that broke other programs: each ends as letters, held, or refused with a code; never a crash, never a hang."""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.documents.batch.manner import SplitManner
from gateway.documents.process import ReaderProcess
from gateway.documents.reading import ReadFlow, ReadRules
from gateway.model.letter import Document
from gateway.model.submission import Blob, Envelope, Submission, Submitter

CORPORA = Path(__file__).parents[3] / "shared" / "corpora" / "pdf"
RULES = ReadRules(
    domains=("dp.example.dk",), flows={"flet": ReadFlow(split=SplitManner())}, allow_test_numbers=True, loop_id="x"
)


def files():
    return sorted(file for file in CORPORA.rglob("*") if file.is_file()) if CORPORA.is_dir() else []


@pytest.fixture(scope="module")
def reader():
    made = ReaderProcess(
        lambda: RULES, time=timedelta(seconds=30), batch_time=timedelta(seconds=8), memory=1536 * 1024**2, processes=1,
        find=lambda blob: Path(PLACES[blob.digest]),
    )  # fmt: skip
    yield made
    made.close()


PLACES: dict[str, str] = {}


def test_each_ends_as_letters_held_or_refused(reader, tmp_path):
    if not files():
        if os.environ.get("CI"):
            pytest.fail("the corpora are missing beside the checkout")
        pytest.skip("the corpora are not at hand")
    ends: Counter[str] = Counter()
    for number, file in enumerate(files()):
        scratch = tmp_path / str(number)
        scratch.mkdir()
        reading = reader.read(package(file, scratch, number), submission(number), scratch)
        if reading.refusal is not None:
            ends[reading.refusal.code] += 1
        elif reading.hold is not None:
            ends["held"] += 1
            assert reading.letters == ()
        else:
            ends["letters"] += 1
            assert reading.batch is not None
            assert len(reading.letters) == len(reading.batch.pieces)
    assert sum(ends.values()) == len(files())
    assert "GW-500" not in ends
    print(dict(ends))


def package(file, scratch, number):
    import json

    digest = f"{number:064x}"
    PLACES[digest] = str(file)
    document = Document(
        name="samlefil.pdf", media_type="application/pdf", digest=digest, size_bytes=file.stat().st_size, role="main"
    )
    fields = {name: getattr(document, name) for name in ("name", "media_type", "digest", "size_bytes", "role", "pages")}
    body = {
        "flow": "flet", "recipient": None, "copies": [], "subject": "Brev", "documents": [fields], "case": None, "plan": None,
        "reply_allowed": None, "deliver_from": None, "expires": None, "document_type": None, "sender_label": None, "actions": None,
        "extra": [],
    }  # fmt: skip
    raw = scratch / "package.json"
    raw.write_text(json.dumps(body), encoding="utf-8")
    return raw


def submission(number):
    envelope = Envelope(
        channel="sftp", submitter=Submitter(kind="account", name="studie"), recipients=(), received_at=datetime.now(UTC)
    )
    return Submission(id=f"F-2026-AAAA-{number:04d}", envelope=envelope, reference=str(number), size_bytes=1, blob=Blob("0" * 64, 1))


def bomb(kind):
    """A small file whose page is enormous once it is unpacked, or that draws itself."""
    import io
    import zlib

    import pikepdf

    pdf = pikepdf.new()
    page = pdf.add_blank_page()
    if kind == "one gigabyte":
        packer = zlib.compressobj(9)
        content = b"".join(packer.compress(b" " * (1 << 24)) for _ in range(64)) + packer.flush()
    else:
        content = zlib.compress(b"BT /F1 12 Tf (A) Tj ET\n" * 8_000_000, 9)
    stream = pikepdf.Stream(pdf, content)
    stream.Filter = pikepdf.Name.FlateDecode
    page.obj.Contents = pdf.make_indirect(stream)
    out = io.BytesIO()
    pdf.save(out, compress_streams=False, stream_decode_level=pikepdf.StreamDecodeLevel.none)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["one gigabyte", "eight million words"])
def test_a_bomb_is_held_or_refused_and_the_reader_lives_on(reader, tmp_path, kind):
    file = tmp_path / "bomb.pdf"
    file.write_bytes(bomb(kind))
    reading = reader.read(package(file, tmp_path, 9000), submission(9000), tmp_path)
    assert reading.letters == ()
    assert reading.refusal is not None or reading.hold is not None
    good = tmp_path / "good.pdf"
    from gateway.cli.demo_letter import made_up_numbers, merged_pdf

    good.write_bytes(merged_pdf([(number, 2) for number in made_up_numbers(3)]))
    assert len(reader.read(package(good, tmp_path, 9001), submission(9001), tmp_path).letters) == 3
