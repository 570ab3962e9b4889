"""Lists of recipients: of a merged file, where they say whose each page is and override all that is read, and of
one letter to many.

CSV as spreadsheets write it: semicolon, comma or tab; UTF-8 or windows-1252; a head line with ``side`` (where the letter
begins, from 1), ``cpr`` or ``cvr`` (or ``modtager`` for either), and, if wanted, ``sider`` (pages of the letter),
``pnr`` (the company's production unit), ``kopi`` (who gets a copy, several numbers with spaces between) and ``bilag``
(names of attachments that only this recipient gets, with ``|`` between).
"""

from __future__ import annotations

import csv
import io
import itertools
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.documents.addressing import parse_number
from gateway.errors import BadRecipientList, SubmitterError
from gateway.model.batch import Piece
from gateway.model.identity import Recipient

MOST = 20_000
"""Lines; as many as a merged file may have pages."""
_HEADS = {
    "page": ("side", "fra_side", "fra side", "page", "startside"),
    "pages": ("sider", "antal_sider", "antal sider", "pages"),
    "number": ("modtager", "nummer", "cpr", "cvr", "cprnr", "cvrnr", "cpr-nr", "cvr-nr", "recipient"),
    "unit": ("pnr", "p-nr", "p_nummer", "p-nummer"),
    "copies": ("kopi", "kopimodtager", "kopimodtagere"),
    "attachments": ("bilag", "vedhæftet"),
}


@dataclass(frozen=True, slots=True)
class Listed:
    """One line."""

    page: int
    """From 1."""
    pages: int | None
    recipient: Recipient
    line: int
    copies: tuple[Recipient, ...] = ()
    attachments: tuple[str, ...] = field(default=(), repr=False)
    """Names as they are compared."""


def read_list(content: bytes, *, allow_test: bool) -> tuple[Listed, ...]:
    """The lines of a list, in the order of their pages.

    Raises:
        BadRecipientList: it is no such list, or a line of it cannot be used; nothing of it is quoted.
    """
    rows = _rows(content)
    columns = _columns(rows[0])
    found = [_line(row, columns, number, allow_test=allow_test) for number, row in enumerate(rows[1:], 2) if any(map(str.strip, row))]
    if not found or len(found) > MOST:
        raise BadRecipientList(what="listen er tom eller for lang")
    found.sort(key=lambda one: one.page)
    for before, after in itertools.pairwise(found):
        if before.page == after.page:
            raise BadRecipientList(what=f"linje {after.line} begynder på samme side som linje {before.line}")
    if found[0].page != 1:
        raise BadRecipientList(what="ingen linje begynder på side 1")
    return tuple(found)


def judge_list(listed: Sequence[Listed], pieces: Sequence[Piece]) -> None:
    """Whether the file has the pages that the list says. Raises BadRecipientList."""
    behind = pieces[-1].first + pieces[-1].pages
    by_page = {piece.first + 1: piece for piece in pieces}
    for one in listed:
        piece = by_page.get(one.page)
        if piece is None:
            raise BadRecipientList(what=f"linje {one.line} nævner en side, som ikke findes; filen har {behind} sider")
        if one.pages is not None and one.pages != piece.pages:
            raise BadRecipientList(what=f"linje {one.line} siger {one.pages} sider, men der er {piece.pages} til næste brev")


def read_numbers(content: bytes, *, allow_test: bool) -> tuple[Recipient, ...]:
    """Everybody on a list for one letter to many, in its order.

    Either one number on each line, or CSV with a head line as above, without ``side``.

    Raises:
        BadRecipientList: it is no such list, a line of it cannot be used, or a recipient stands twice; nothing
            of it is quoted.
    """
    rows = _rows(content)
    head = _named(rows[0])
    begin = 1 if head["number"] else 0
    columns = head if begin else {**head, "number": [0]}
    lines: dict[Recipient, int] = {}
    for number, row in enumerate(rows[begin:], begin + 1):
        if not any(map(str.strip, row)):
            continue
        if not begin and len([cell for cell in row if cell.strip()]) > 1:
            raise BadRecipientList(what=f"linje {number} har mere end ét nummer")
        recipient = _recipient(row, columns, number, allow_test=allow_test)
        if recipient in lines:
            raise BadRecipientList(what=f"linje {number} har samme modtager som linje {lines[recipient]}")
        lines[recipient] = number
    if not lines or len(lines) > MOST:
        raise BadRecipientList(what="listen er tom eller for lang")
    return tuple(lines)


def _rows(content: bytes) -> list[list[str]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", "replace")
    head = text.partition("\n")[0]
    delimiter = max(";,\t", key=head.count)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error:
        raise BadRecipientList(what="den kan ikke læses som CSV") from None
    if not rows:
        raise BadRecipientList(what="listen er tom eller for lang")
    return rows


def _named(head: Sequence[str]) -> dict[str, list[int]]:
    """Which columns are which, by the head line."""
    plain = [name.strip().lower().rstrip(".:") for name in head]
    return {ours: [at for at, name in enumerate(plain) if name in theirs] for ours, theirs in _HEADS.items()}


def _columns(head: Sequence[str]) -> Mapping[str, list[int]]:
    columns = _named(head)
    if len(columns["page"]) != 1 or not columns["number"]:
        raise BadRecipientList(what="første linje skal have kolonnerne »side« og »cpr« eller »cvr«")
    return columns


def _line(row: Sequence[str], columns: Mapping[str, list[int]], number: int, *, allow_test: bool) -> Listed:
    page, pages = _count(_cells(row, columns, "page"), number, "side"), _cells(row, columns, "pages")
    recipient = _recipient(row, columns, number, allow_test=allow_test)
    named = [name for cell in _cells(row, columns, "attachments") for name in cell.split("|")]
    return Listed(
        page=page,
        pages=_count(pages, number, "sider") if pages else None,
        recipient=recipient,
        line=number,
        copies=_copies(_cells(row, columns, "copies"), recipient, number, allow_test=allow_test),
        attachments=tuple(plain_name(name) for name in named if name.strip()),
    )


def plain_name(name: str) -> str:
    """A file name as it is compared."""
    return unicodedata.normalize("NFC", name.strip()).casefold()


def _copies(cells: Sequence[str], recipient: Recipient, number: int, *, allow_test: bool) -> tuple[Recipient, ...]:
    found: list[Recipient] = []
    for text in " ".join(cells).split():
        copy = _parsed(text, number, allow_test=allow_test)
        if copy == recipient or copy in found:
            raise BadRecipientList(what=f"linje {number} har samme kopimodtager to gange, eller modtageren selv")
        found.append(copy)
    return tuple(found)


def _cells(row: Sequence[str], columns: Mapping[str, list[int]], name: str) -> list[str]:
    return [text for at in columns[name] if at < len(row) and (text := row[at].strip())]


def _recipient(row: Sequence[str], columns: Mapping[str, list[int]], number: int, *, allow_test: bool) -> Recipient:
    numbers, unit = _cells(row, columns, "number"), _cells(row, columns, "unit")
    if len(numbers) != 1:
        raise BadRecipientList(what=f"linje {number} har ikke netop én modtager")
    return _parsed(numbers[0].replace(" ", ""), number, unit=unit[0] if unit else None, allow_test=allow_test)


def _parsed(digits: str, number: int, *, unit: str | None = None, allow_test: bool) -> Recipient:
    # Spreadsheets take the first zero of a number away.
    digits = f"0{digits}" if digits.isdigit() and len(digits) == 9 else digits
    try:
        return parse_number(f"{digits}-p{unit}" if unit else digits, allow_test=allow_test)
    except SubmitterError:
        raise BadRecipientList(what=f"linje {number} har intet gyldigt CPR- eller CVR-nummer") from None


def _count(cells: Sequence[str], number: int, name: str) -> int:
    if len(cells) == 1 and cells[0].isascii() and cells[0].isdigit() and 0 < int(cells[0]) <= MOST:
        return int(cells[0])
    raise BadRecipientList(what=f"linje {number} har intet tal under »{name}«")
