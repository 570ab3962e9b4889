import io
import zipfile

import pytest

from gateway.documents import media
from gateway.documents.pdf.pages import count_pages
from gateway.errors import DamagedPdf, LockedPdf


def archive(*names):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        for name in names:
            # A fixed time: test ids hold these bytes, and workers must agree on them.
            packed.writestr(zipfile.ZipInfo(name), "<x/>")
    return out.getvalue()


WORD = archive("[Content_Types].xml", "word/document.xml")
SHEET = archive("[Content_Types].xml", "xl/workbook.xml")


@pytest.mark.parametrize(
    ("extension", "content", "agrees"),
    [
        ("pdf", b"%PDF-1.7\n", True),
        ("pdf", b"\xef\xbb\xbf%PDF-1.4", True),
        ("pdf", b"x" * 1020 + b"%PDF-1.4", False),
        ("pdf", b"MZ\x90\0", False),
        ("pdf", b"", False),
        ("txt", b"Hej", True),
        ("txt", "Sørens brød".encode(), True),
        ("txt", "Sørens „brød“".encode("cp1252"), True),
        ("txt", b"a\0b", False),
        ("txt", b"\x81\x8d", False),
        ("docx", WORD, True),
        ("docx", SHEET, False),
        ("docx", archive("word/document.xml"), False),
        ("docx", archive("[Content_Types].xml", "word/document.xml", "word/vbaProject.bin"), False),
        ("docx", WORD[:40], False),
        ("docx", b"PK\x03\x04" + b"\xff" * 200, False),
        ("docx", b"\xd0\xcf\x11\xe0" * 10, False),
        ("xlsx", SHEET, True),
        ("xlsx", WORD, False),
        ("jpg", b"\xff\xd8\xff\xe0", True),
        ("jpeg", b"\xff\xd8\xff\xdb", True),
        ("jpg", b"GIF89a", False),
        ("png", b"\x89PNG\r\n\x1a\n", True),
        ("png", b"\xff\xd8\xff\xe0", False),
        ("exe", b"MZ", False),
    ],
)
def test_name_and_first_bytes_must_agree(extension, content, agrees):
    assert media.agrees(extension, content) is agrees


def test_every_type_with_a_name_has_a_judge():
    assert not any(media.agrees(extension, b"") for extension in media.MEDIA_TYPES if extension != "txt")
    assert media.agrees("txt", b"")


@pytest.mark.parametrize("pages", [1, 3])
def test_pages_are_counted(pdf, pages):
    assert count_pages(pdf(pages)) == pages


def test_a_pdf_that_only_limits_its_reader_is_open(pdf):
    assert count_pages(pdf(2, owner="ejer")) == 2


def test_a_pdf_with_a_password_is_locked(pdf):
    with pytest.raises(LockedPdf):
        count_pages(pdf(user="hemmelig", owner="ejer"))


@pytest.mark.parametrize(
    "content",
    [
        b"%PDF-1.7\nikke en pdf",
        b"%PDF-1.7\n1 0 obj\n<</Type/Catalog>>\nendobj\ntrailer\n<</Root 1 0 R>>\n%%EOF",
        (b"%PDF-1.7\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n2 0 obj\n<</Type/Pages/Kids[]/Count 0>>"
        b"\nendobj\ntrailer\n<</Root 1 0 R>>\n%%EOF"),
        b"",
    ],
)
def test_a_pdf_that_does_not_open_or_has_no_pages_is_damaged(content):
    with pytest.raises(DamagedPdf):
        count_pages(content)


def test_a_pdf_cut_anywhere_is_counted_or_damaged(pdf):
    whole = pdf(2)
    for end in range(0, len(whole), 7):
        try:
            assert count_pages(whole[:end]) <= 2
        except DamagedPdf:
            continue
