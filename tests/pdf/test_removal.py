"""Fjern CPR: the number is gone from what is drawn, everything else stays where it was."""

import pypdfium2
import pytest
from merged import (
    FONT,
    OWN_CVR,
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
from gateway.model.identity import Cpr

MANNER = SplitManner(own_numbers=frozenset({OWN_CVR}), remove_numbers=True)



@pytest.mark.parametrize(
    "maker",
    [by_reportlab, by_fpdf, lambda of, path: by_fpdf(of, path, font=FONT), by_weasyprint, by_typst, by_libreoffice, by_ghostscript_of_reportlab],
    ids=["reportlab", "fpdf2", "fpdf2-subset-font", "weasyprint", "typst", "libreoffice", "ghostscript"],
)  # fmt: skip
@pytest.mark.parametrize("every_page", [False, True], ids=["first page", "every page"])
def test_the_recipients_number_is_gone_and_nothing_else(maker, every_page, tmp_path):
    of = merged(30, seed=8, every_page=every_page)
    file = tmp_path / "merged.pdf"
    maker(of, file)

    batch, _ = split_file(file, MANNER, Settled(), tmp_path, allow_test=True)

    assert [piece.flags for piece in batch.pieces if piece.flags] == []
    source = pypdfium2.PdfDocument(file)
    plain = PlainFile(tmp_path / batch.source.digest, pdfa=batch.cuts[0].pdfa)
    for piece, truth in zip(batch.pieces, of.truth, strict=True):
        letter = plain.letter(piece.first, piece.pages)
        pdf = pypdfium2.PdfDocument(letter)
        for page in range(piece.pages):
            before, after = _words(source, truth.first + page), _words(pdf, page)
            number = f"{truth.digits[:6]}-{truth.digits[6:]}"
            if isinstance(piece.recipient, Cpr):
                assert truth.digits not in "".join(sign for sign in "".join(after) if sign.isdigit())
                before = [word for word in before if number not in word and word != number]
                after = [word for word in after if word != "CPR-nr.:"]
                before = [word for word in before if word != "CPR-nr.:"]
            assert after == before
        pdf.close()


def _words(pdf, page):
    return pdf[page].get_textpage().get_text_bounded().split()
