"""Whether a PDF can be opened by its reader, how many pages it has, and what it holds besides them (pypdf)."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from pypdf import PasswordType, PdfReader
from pypdf.errors import PyPdfError

from gateway.errors import DamagedPdf, LockedPdf

# What pypdf lets through on broken files, beside its own errors. Not MemoryError: that is the
# reader's limit and no fault of the file.
_BROKEN = (PyPdfError, ArithmeticError, AssertionError, AttributeError, LookupError, OSError,
           RuntimeError, TypeError, ValueError, struct.error, zlib.error)


def count_pages(content: bytes) -> int:
    """The number of pages of a PDF.

    Raises:
        LockedPdf: it opens only with a password. One that merely limits what its reader may do (an
            owner password) opens with the empty one, and is fine.
        DamagedPdf: it cannot be opened, or has no pages.
    """
    try:
        pdf = PdfReader(BytesIO(content), strict=False)
        locked = pdf.is_encrypted and pdf.decrypt("") == PasswordType.NOT_DECRYPTED
        pages = 0 if locked else len(pdf.pages)
    except _BROKEN:
        raise DamagedPdf() from None
    if locked:
        raise LockedPdf()
    if pages == 0:
        raise DamagedPdf()
    return pages


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a PDF holds besides its pages, and how many pages another reader than ours sees."""

    pages: int
    signed: bool
    """A signature field that is signed; no signature survives that its file is cut."""
    form_fields: int
    embedded_files: int
    tagged: bool


def read_surroundings(file: Path) -> Surroundings:
    """Raises LockedPdf, DamagedPdf: as ``count_pages``."""
    try:
        with file.open("rb") as stream:
            pdf = PdfReader(stream, strict=False)
            locked = pdf.is_encrypted and pdf.decrypt("") == PasswordType.NOT_DECRYPTED
            found = None if locked else _surroundings(pdf)
    except _BROKEN:
        raise DamagedPdf() from None
    if found is None:
        raise LockedPdf()
    return found


_WALKED = 500
"""Pages of a file that are counted one by one; a larger one is asked how many it has, which takes no time."""


def _pages(pdf: PdfReader, root: Any) -> int:
    said = root["/Pages"]["/Count"]
    return int(said) if isinstance(said, int) and said > _WALKED else len(pdf.pages)


def _surroundings(pdf: PdfReader) -> Surroundings:
    root: Any = pdf.trailer["/Root"]
    fields = pdf.get_fields() or {}
    return Surroundings(
        pages=_pages(pdf, root),
        signed=any(field.get("/FT") == "/Sig" and field.get("/V") is not None for field in fields.values()),
        form_fields=len(fields),
        embedded_files=sum(1 for _ in pdf.attachment_list),
        tagged="/StructTreeRoot" in root,
    )
