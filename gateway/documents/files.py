"""The files of a mail as the documents of a letter, within what Digital Post takes (F26, F63)."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from gateway.documents import media, names
from gateway.documents.body import body_text
from gateway.documents.cpr_text import holds_cpr, mask_cpr
from gateway.documents.mime import Part, Pieces
from gateway.documents.pdf.pages import count_pages
from gateway.documents.reading import ReadRules
from gateway.errors import (
    ContentMismatch,
    CprInFileName,
    DiskFull,
    EmptyFile,
    FileTypeNotAllowed,
    GatewayError,
    NoDocument,
    TooLarge,
    TooManyFiles,
)
from gateway.model.letter import Document

BODY_NAME = "brev.txt"

# What the message around the files takes, in bytes: generously, since the limit is the channel's.
_MESSAGE_OVERHEAD = 16 * 1024
_FILE_OVERHEAD = 1024
_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Files:
    """The documents, main one first, and what the submitter should know about them."""

    documents: tuple[Document, ...] = field(repr=False)
    notes: tuple[str, ...] = field(default=(), repr=False)


def documents_of(
    pieces: Pieces, rules: ReadRules, scratch: Path, *, body_is_letter: bool, text: str | None = None
) -> Files:
    """Judge every file of a mail and write its bytes to ``scratch/<digest>``.

    Args:
        body_is_letter: without a document that can be the main one, the mail's text is it.
        text: of an answer; it is the main document, whatever else there is, unless it is empty.

    Raises:
        NoDocument, TooManyFiles, TooLarge, EmptyFile, FileTypeNotAllowed, ContentMismatch,
        CprInFileName, LockedPdf, DamagedPdf: file names only in *private*.
        DamagedMail: a file is not what its encoding says.
    """
    if len(pieces.files) > rules.files:
        raise TooManyFiles(count=len(pieces.files), limit=rules.files)
    notes: list[str] = []
    taken: set[str] = set()
    found = [_document(part, rules, scratch, taken, notes) for part in pieces.files]
    main = None if text else _main(found, rules, notes)
    if main is None:
        words = body_text(pieces.body) if text is None else text
        main = _body(words, scratch, taken) if body_is_letter else None
        if main is None:
            raise NoDocument()
        found = [main, *found]
        if len(found) > rules.files:
            raise TooManyFiles(count=len(found), limit=rules.files)
    rest = [document for document in found if document is not main]
    _judge_attachments(rest, rules)
    judge_size([document.size_bytes for document in found], rules)
    return Files((replace(main, role="main"), *rest), tuple(dict.fromkeys(notes)))


def size_as_sent(sizes_bytes: Sequence[int]) -> int:
    """Bytes of the message with files of these sizes: base64 without line breaks, and what is around."""
    return _MESSAGE_OVERHEAD + sum(_FILE_OVERHEAD + 4 * math.ceil(size / 3) for size in sizes_bytes)


def _document(part: Part, rules: ReadRules, scratch: Path, taken: set[str], notes: list[str]) -> Document:
    content = part.content()
    name = _name(part, content, notes)
    if holds_cpr(name):
        raise CprInFileName(private=mask_cpr(name))
    if not content:
        raise EmptyFile(private=name)
    ending = names.extension(name)
    if ending not in (*rules.main_types, *rules.attachment_types):
        raise FileTypeNotAllowed(private=name, allowed=", ".join(rules.attachment_types))
    if not media.agrees(ending, content):
        raise ContentMismatch(private=name)
    return Document(
        name=names.distinct(name, taken),
        media_type=media.MEDIA_TYPES[ending],
        digest=keep(content, scratch),
        size_bytes=len(content),
        role="attachment",
        pages=_pages(content, name) if ending == "pdf" else None,
    )


def _name(part: Part, content: bytes, notes: list[str]) -> str:
    """A safe name for *part*; a PDF that names no type, or hides it, is named as one."""
    name = names.safe_name(part.name)
    hidden = names.hides_its_ending(part.name)
    if not media.is_pdf(content) or (names.extension(name) and not hidden):
        return name
    stem = name.replace(".", "_") if hidden else name
    named = names.with_extension(stem, "pdf")
    notes.append(f"En PDF-fil uden filtype i navnet er sendt som »{named}«.")
    return named


def _pages(content: bytes, name: str) -> int:
    try:
        return count_pages(content)
    except GatewayError as error:
        raise type(error)(private=name) from None


def _main(found: Sequence[Document], rules: ReadRules, notes: list[str]) -> Document | None:
    """The main document: named ``brev…`` or ``hoved…``, else the first of a type that can be main."""
    able = [document for document in found if names.extension(document.name) in rules.main_types]
    named = [document for document in able if document.name.lower().startswith(("brev", "hoved"))]
    if named:
        return named[0]
    if len(able) > 1:
        notes.append(
            f"»{able[0].name}« er sendt som hoveddokument, de andre filer som bilag. "
            "Giv hoveddokumentet et navn, der begynder med »brev«, for selv at vælge."
        )
    return able[0] if able else None


def _body(text: str, scratch: Path, taken: set[str]) -> Document | None:
    """The mail's text as a text file; None if there is no text."""
    content = text.encode("utf-8", "replace")
    if not content:
        return None
    if not media.is_text(content):
        raise ContentMismatch()
    return Document(
        name=names.distinct(BODY_NAME, taken),
        media_type=media.MEDIA_TYPES["txt"],
        digest=keep(content, scratch),
        size_bytes=len(content),
        role="attachment",
    )


def _judge_attachments(rest: Sequence[Document], rules: ReadRules) -> None:
    """What may be a main document may still be no attachment."""
    for document in rest:
        if names.extension(document.name) not in rules.attachment_types:
            raise FileTypeNotAllowed(private=document.name, allowed=", ".join(rules.attachment_types))


def judge_size(sizes_bytes: Sequence[int], rules: ReadRules) -> None:
    """Whether files of these sizes fit into one letter. Raises TooLarge."""
    size = size_as_sent(sizes_bytes)
    if size > rules.total:
        raise TooLarge(size_mb=_mb(size, math.ceil), limit_mb=_mb(rules.total, math.floor))


def _mb(size_bytes: int, rounded: Callable[[float], int]) -> str:
    """Megabytes with one decimal, as Danes write it."""
    tenths = rounded(size_bytes * 10 / _MB)
    return f"{tenths // 10},{tenths % 10}"


def keep(content: bytes, scratch: Path) -> str:
    """*content* as a file of *scratch*, named by its digest, which is returned. Raises DiskFull."""
    digest = hashlib.sha256(content).hexdigest()
    try:
        (scratch / digest).write_bytes(content)
    except OSError as error:
        raise DiskFull() from error
    return digest
