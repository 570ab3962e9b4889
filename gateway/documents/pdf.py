"""Whether a PDF can be opened by its reader, and how many pages it has. The home of pypdf."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

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
