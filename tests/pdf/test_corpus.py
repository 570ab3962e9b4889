"""Clean merged files of seven programs: every letter to the right recipient, none held, nobody else's bytes in it."""

import random
import subprocess
from hashlib import sha256

import pikepdf
import pypdf
import pypdfium2
import pytest
from merged import (
    FONT,
    OWN_CVR,
    Truth,
    by_fpdf,
    by_ghostscript_of_reportlab,
    by_libreoffice,
    by_reportlab,
    by_typst,
    by_weasyprint,
    merged,
)

from gateway.documents.batch.manner import SplitManner
from gateway.documents.batch.split import split_file
from gateway.documents.pdf.cut import PlainFile
from gateway.model.batch import Settled

MANNER = SplitManner(own_numbers=frozenset({OWN_CVR}))



PROGRAMS = {
    # name: (maker, letters); reportlab, fpdf2 and typst carry most of the pages, since they are quick.
    "reportlab": (by_reportlab, 330),
    "reportlab-plain": (lambda of, path: by_reportlab(of, path, compressed=False), 330),
    "reportlab-times": (lambda of, path: by_reportlab(of, path, font="Times-Roman"), 330),
    "fpdf2": (by_fpdf, 330),
    "fpdf2-subset-font": (lambda of, path: by_fpdf(of, path, font=FONT), 150),
    "typst": (by_typst, 200),
    "ghostscript": (by_ghostscript_of_reportlab, 200),
    "weasyprint": (by_weasyprint, 45),
    "weasyprint-ua": (lambda of, path: by_weasyprint(of, path, variant="pdf/ua-1"), 20),
    "weasyprint-a3u": (lambda of, path: by_weasyprint(of, path, variant="pdf/a-3u"), 20),
    "libreoffice": (by_libreoffice, 45),
    "libreoffice-tagged": (lambda of, path: by_libreoffice(of, path, tagged=True), 45),
}
OPTIONS = {
    "marks": {},
    "no-marks": {"marks": False},
    "every-page": {"every_page": True},
    "own-picture": {"pictures": True},
}
PAGES_AT_LEAST = 15_000
FILES_AT_LEAST = 40
CASES = [(program, option) for program in PROGRAMS for option in OPTIONS]


def test_the_corpus_is_as_large_as_it_says():
    pages = [
        len(merged(PROGRAMS[program][1], seed=_seed(program, option), **OPTIONS[option]).pages) for program, option in CASES
    ]
    assert len(pages) >= FILES_AT_LEAST
    assert sum(pages) >= PAGES_AT_LEAST, sum(pages)


@pytest.mark.parametrize(("program", "option"), CASES)
def test_every_letter_goes_to_the_right_recipient_and_holds_nothing_of_another(program, option, tmp_path):
    maker, count = PROGRAMS[program]
    of = merged(count, seed=_seed(program, option), **OPTIONS[option])
    file = tmp_path / "merged.pdf"
    maker(of, file)

    batch, _ = split_file(file, MANNER, Settled(), tmp_path, allow_test=True)

    assert [piece.flags for piece in batch.pieces if piece.flags] == []
    assert [Truth(one.first, one.pages, one.recipient.reveal()) for one in batch.pieces] == of.truth
    assert pypdf.PdfReader(file).get_num_pages() == batch.pages == len(of.pages)
    plain = PlainFile(tmp_path / batch.source.digest, pdfa=batch.cuts[0].pdfa)
    letters = [plain.letter(piece.first, piece.pages) for piece in batch.pieces]
    assert [sha256(letter).hexdigest() for letter in letters] == [cut.digest for cut in batch.cuts]
    _holds_its_own_text(file, letters, of)
    chosen = random.Random(1).sample(range(len(letters)), 6)
    for place in chosen:
        _is_sound(letters[place], tmp_path)
        _looks_the_same(file, letters[place], of.truth[place])
        _has_nothing_of_others(letters[place], place, of)
    if option == "own-picture":
        _has_only_its_own_picture(letters)


def _seed(program, option):
    return CASES.index((program, option)) + 100


def _holds_its_own_text(file, letters, of):
    """Text of every page as in the source, letter by letter."""
    source = pypdfium2.PdfDocument(file)
    for letter, truth in zip(letters, of.truth, strict=True):
        pdf = pypdfium2.PdfDocument(letter)
        assert len(pdf) == truth.pages
        for page in range(truth.pages):
            assert _text(pdf, page) == _text(source, truth.first + page)
        pdf.close()


def _text(pdf, page):
    return pdf[page].get_textpage().get_text_bounded()


def _is_sound(letter, folder):
    file = folder / "letter.pdf"
    file.write_bytes(letter)
    checked = subprocess.run(["qpdf", "--check", file], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "WARNING" not in checked.stdout + checked.stderr


def _looks_the_same(file, letter, truth):
    source, pdf = pypdfium2.PdfDocument(file), pypdfium2.PdfDocument(letter)
    for page in range(truth.pages):
        ours, theirs = pdf[page].render(scale=0.6), source[truth.first + page].render(scale=0.6)
        assert (ours.width, ours.height) == (theirs.width, theirs.height)
        assert bytes(ours.buffer) == bytes(theirs.buffer)


def _has_nothing_of_others(letter, place, of):
    """Neither drawn nor anywhere else in the file, streams inflated: other letters' names and numbers."""
    with pikepdf.open(_stream(letter)) as pdf:
        inside = b"".join(_bytes_of(one) for one in pdf.objects)
    pdf = pypdfium2.PdfDocument(letter)
    text = "".join(_text(pdf, page) for page in range(len(pdf)))
    for other, (truth, name) in enumerate(zip(of.truth, of.names, strict=True)):
        if other != place:
            assert name not in text
            assert name.encode("utf-8") not in inside
            assert truth.digits not in text.replace("-", "")
            assert truth.digits.encode() not in inside


def _bytes_of(one):
    if not isinstance(one, pikepdf.Stream):
        return one.unparse(resolved=True)
    try:
        return one.read_bytes() + one.unparse()
    except pikepdf.PdfError:
        # A photograph: no text is in it.
        return one.read_raw_bytes() + one.unparse()


def _has_only_its_own_picture(letters):
    owner = {}
    for place, letter in enumerate(letters):
        with pikepdf.open(_stream(letter)) as pdf:
            pictures = {
                sha256(one.read_raw_bytes()).hexdigest()
                for one in pdf.objects
                if isinstance(one, pikepdf.Stream) and one.get("/Subtype") == "/Image"
            }
        assert len(pictures) == 1
        assert owner.setdefault(pictures.pop(), place) == place, "one letter's picture in another's"


def _stream(content):
    from io import BytesIO

    return BytesIO(content)
