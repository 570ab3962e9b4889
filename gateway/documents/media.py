"""What a file really is: the extension says it, the first bytes must agree."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable
from io import BytesIO

MEDIA_TYPES = {
    "pdf": "application/pdf",
    "txt": "text/plain",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
}
"""Media type by extension, for every type this module can judge."""

# zipfile lets these through on hostile archives.
_BROKEN_ZIP = (zipfile.BadZipFile, struct.error, OSError, ValueError, LookupError, NotImplementedError,
               OverflowError)


def agrees(extension: str, content: bytes) -> bool:
    """Whether *content* is what *extension* (lower case, no dot) says; False for unknown extensions."""
    judge = _JUDGES.get(extension)
    return judge is not None and judge(content)


def is_pdf(content: bytes) -> bool:
    """A PDF header within the first 1024 bytes, as readers accept it (ISO 32000-1, annex H.3.4.1)."""
    return b"%PDF-" in content[:1024]


def is_text(content: bytes) -> bool:
    """Text in UTF-8 or windows-1252: no NUL, and every byte means a character."""
    if b"\0" in content:
        return False
    for charset in ("utf-8", "cp1252"):
        try:
            content.decode(charset)
        except ValueError:
            continue
        return True
    return False


def _office(main_part: str) -> Callable[[bytes], bool]:
    """A judge of Office Open XML: the parts are there, and no macros under a harmless name."""

    def judge(content: bytes) -> bool:
        if not content.startswith(b"PK\x03\x04"):
            return False
        try:
            with zipfile.ZipFile(BytesIO(content)) as archive:
                names = set(archive.namelist())
        except _BROKEN_ZIP:
            return False
        macros = any(name.lower().endswith("vbaproject.bin") for name in names)
        return {"[Content_Types].xml", main_part} <= names and not macros

    return judge


def _begins(magic: bytes) -> Callable[[bytes], bool]:
    return lambda content: content.startswith(magic)


_JUDGES: dict[str, Callable[[bytes], bool]] = {
    "pdf": is_pdf,
    "txt": is_text,
    "docx": _office("word/document.xml"),
    "xlsx": _office("xl/workbook.xml"),
    "jpg": _begins(b"\xff\xd8\xff"),
    "jpeg": _begins(b"\xff\xd8\xff"),
    "png": _begins(b"\x89PNG\r\n\x1a\n"),
}
