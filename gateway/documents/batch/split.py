"""From a merged file to letters: plain, read, divided, rid of numbers if that is wanted, cut and looked at.

Runs in a process of its own, see ``gateway.documents.process``. What is written down afterwards is the plain
file, once, and of each letter which of its pages it is.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from secrets import token_hex

from gateway.documents.batch.divide import divide
from gateway.documents.batch.guard import look_at_all, same_for_many
from gateway.documents.batch.manner import SplitManner
from gateway.documents.pdf.cut import PlainFile
from gateway.documents.pdf.pages import Surroundings, read_surroundings
from gateway.documents.pdf.plain import Plain, make_plain
from gateway.documents.pdf.removal import remove_numbers
from gateway.documents.pdf.seen import numbers_left, see_pages
from gateway.errors import DamagedPdf, SignedPdf
from gateway.model.batch import Batch, Cut, Piece, Settled
from gateway.model.identity import Cpr
from gateway.model.submission import Blob

MOST_PAGES = 20_000
"""Of one merged file (reference, pdf.md, section 5)."""
_BLOCK = 1 << 20


def split_file(
    file: Path, manner: SplitManner, settled: Settled, scratch: Path, *, allow_test: bool
) -> tuple[Batch, tuple[str, ...]]:
    """Divide the PDF in *file*; the plain file is then in *scratch*, under its digest.

    Returns:
        The batch, and Danish sentences about what was taken out of the file.

    Raises:
        LockedPdf, DamagedPdf, TooManyPages: it cannot be read.
        SignedPdf: it is signed, and the flow does not let signatures go.
    """
    around = _surroundings(file)
    if around is not None and around.signed and not manner.signed:
        raise SignedPdf()
    made = scratch / f"plain-{token_hex(8)}"
    plain = make_plain(file, made, most_pages=MOST_PAGES, bookmarks=manner.mode == "bookmarks")
    if around is None or around.pages != plain.pages:
        # Two readers that see two documents: whatever ours sees, a person looks first.
        plain = replace(plain, repaired=True)
    seen = list(see_pages(made, marker=_marker(manner)))
    if len(seen) != plain.pages:
        raise DamagedPdf()
    division = divide(seen, plain, manner, settled, allow_test=allow_test)
    pieces = look_at_all(division.pieces) if not settled.accepted else division.pieces
    if manner.remove_numbers:
        made, pieces = _without_numbers(made, pieces, scratch)
    source = _named(made, scratch)
    cuts = _cut(scratch / source.digest, source, pieces, plain)
    # Letters that lost their only difference, the number, are no reason to ask.
    if not settled.accepted and not manner.remove_numbers:
        pieces = same_for_many(pieces, [cut.digest for cut in cuts])
    batch = Batch(source=source, pages=plain.pages, pieces=pieces, cuts=cuts, place=division.place)
    return batch, _notes(plain, around)


def _surroundings(file: Path) -> Surroundings | None:
    """What pypdf sees; None if it cannot open what qpdf may still mend."""
    try:
        return read_surroundings(file)
    except DamagedPdf:
        return None


def _marker(manner: SplitManner) -> re.Pattern[str] | None:
    return re.compile(re.escape(manner.marker) + r"\s*(.{1,200}?)\s*@@", re.DOTALL) if manner.mode == "marker" else None


def _without_numbers(made: Path, pieces: Sequence[Piece], scratch: Path) -> tuple[Path, tuple[Piece, ...]]:
    """The file without its recipients' CPR numbers; pieces in which one is still found are flagged."""
    numbers = {
        page: piece.recipient.reveal()
        for piece in pieces
        if isinstance(piece.recipient, Cpr)
        for page in range(piece.first, piece.first + piece.pages)
    }
    clean = scratch / f"plain-{token_hex(8)}"
    remove_numbers(made, clean, numbers)
    made.unlink()
    left = numbers_left(clean, numbers)
    return clean, tuple(
        replace(piece, flags=tuple(sorted({*piece.flags, "number-still-there"})))
        if left.intersection(range(piece.first, piece.first + piece.pages))
        else piece
        for piece in pieces
    )


def _named(made: Path, scratch: Path) -> Blob:
    """The file under its digest."""
    digest = hashlib.sha256()
    with made.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
        size = stream.tell()
    made.rename(scratch / digest.hexdigest())
    return Blob(digest.hexdigest(), size)


def _cut(path: Path, source: Blob, pieces: Sequence[Piece], plain: Plain) -> tuple[Cut, ...]:
    file = PlainFile(path, pdfa=plain.pdfa)
    try:
        cuts = []
        for piece in pieces:
            letter = file.letter(piece.first, piece.pages)
            cuts.append(
                Cut(hashlib.sha256(letter).hexdigest(), len(letter), source, piece.first, piece.pages, plain.pdfa)
            )
        return tuple(cuts)
    finally:
        file.close()


def _notes(plain: Plain, around: Surroundings | None) -> tuple[str, ...]:
    notes = []
    if around is not None and around.form_fields:
        notes.append("Formularfelter er gjort til almindelig tekst.")
    if around is not None and around.embedded_files:
        notes.append(f"{around.embedded_files} filer, der lå inde i samlefilen, er ikke sendt med.")
    if around is not None and around.tagged:
        notes.append("Mærker til skærmlæsere følger ikke med, når samlefilen deles.")
    active = sum(count for name, count in plain.removed if not name.startswith("annotation"))
    if active:
        notes.append("Programkode og handlinger i samlefilen er fjernet.")
    return tuple(notes)
