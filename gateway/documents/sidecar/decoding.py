"""Bytes of a sidecar as text, strictly: nothing is replaced, and a guess is said (sidecar.md, D5 13 and 14)."""

from __future__ import annotations

import codecs
import re

from gateway.documents.sidecar.tree import LIMITS, unreadable

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, ""),
    (codecs.BOM_UTF32_BE, ""),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
GUESS_NOTE = "Filen er ikke UTF-8 og er læst som windows-1252. Gem den som UTF-8 for at være sikker."
CHARSETS = {"utf-8": "utf-8", "windows-1252": "cp1252", "cp1252": "cp1252", "iso-8859-1": "iso-8859-1",
            "latin-1": "iso-8859-1", "us-ascii": "ascii"}  # fmt: skip
"""What an account (``tegnsaet``) and an XML declaration may name."""

_SAVE = "Gem filen som UTF-8."
_DECLARED = re.compile(r"<\?xml\s[^<>]{0,200}?\bencoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")


def text_of(
    content: bytes, file: str, form: str, *, charset: str | None = None, guess: bool = False, most: int | None = None
) -> tuple[str, tuple[str, ...]]:
    """*content* without a byte order mark, and notes about what was guessed.

    Args:
        charset: one of CHARSETS that the account is set to; a byte order mark says more than it.
        guess: bytes that are no UTF-8 are windows-1252, as Excel saves them.
        most: bytes; as the limit of a sidecar if None.

    Raises:
        SidecarRefused: too large, empty, or not in that encoding; names the first byte that is not.
    """
    limit = most or LIMITS.size_bytes
    if len(content) > limit:
        mend = "Del listen på flere filer." if most else "Fjern det, der ikke hører til i en følgefil."
        unreadable(file, form, f"filen er over {limit} byte", mend=mend)
    marked = next(((mark, name) for mark, name in _MARKS if content.startswith(mark)), None)
    if marked is not None:
        mark, name = marked
        if not name:
            unreadable(file, form, "tegnsættet er UTF-32", mend=_SAVE)
        return _decoded(content[len(mark) :], name, file, form, skipped=len(mark)), ()
    if charset is not None:
        return _decoded(content, CHARSETS[charset.lower()], file, form), ()
    if not guess:
        return _decoded(content, "utf-8", file, form), ()
    try:
        return content.decode("utf-8"), ()
    except UnicodeDecodeError:
        return _decoded(content, "cp1252", file, form), (GUESS_NOTE,)


def xml_text_of(content: bytes, file: str, *, charset: str | None = None, most: int | None = None) -> str:
    """As ``text_of`` for XML, whose own declaration names the encoding.

    Raises:
        SidecarRefused: as there; or the declaration names an encoding we do not take, or another than
            the byte order mark does.
    """
    declared = _DECLARED.match(content.removeprefix(codecs.BOM_UTF8)[:300].decode("latin-1"))
    named = declared[1].lower() if declared else None
    if named is not None and named != "utf-16" and named not in CHARSETS:
        unreadable(file, "XML", "filen siger selv, at den har et tegnsæt, som vi ikke tager imod", mend=_SAVE, line=1)
    if named == "utf-16":
        # Its letters stand one byte each, so whatever it is, it is not that.
        unreadable(file, "XML", "filen siger UTF-16, men er det ikke", mend=_SAVE, line=1)
    text, _ = text_of(content, file, "XML", charset=charset or (named or "utf-8"), most=most)
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    inside = _DECLARED.match(text[:300])
    if wide and inside is not None and not inside[1].lower().startswith("utf-16"):
        unreadable(file, "XML", "filen er UTF-16, men siger et andet tegnsæt", mend=_SAVE, line=1)
    return text


def _decoded(content: bytes, charset: str, file: str, form: str, *, skipped: int = 0) -> str:
    try:
        return content.decode(charset)
    except UnicodeDecodeError as error:
        name = "windows-1252" if charset == "cp1252" else charset.removesuffix("-le").removesuffix("-be").upper()
        what = f"byte {skipped + error.start} er ikke {name}"
        line = content[: error.start].count(b"\n") + 1
        unreadable(file, form, what, mend=_SAVE, line=line)
