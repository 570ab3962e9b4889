"""A list of recipients that came with a merged file: it says whose each page is, and overrides all that is read.

CSV as spreadsheets write it: semicolon, comma or tab; UTF-8 or windows-1252; a head line with ``side`` (where the letter
begins, from 1), ``cpr`` or ``cvr`` (or ``modtager`` for either), and, if wanted, ``sider`` (pages of the letter) and
``pnr`` (the company's production unit).
"""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
}


@dataclass(frozen=True, slots=True)
class Listed:
    """One line."""

    page: int
    """From 1."""
    pages: int | None
    recipient: Recipient
    line: int


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


def _columns(head: Sequence[str]) -> Mapping[str, list[int]]:
    plain = [name.strip().lower().rstrip(".:") for name in head]
    columns = {ours: [at for at, name in enumerate(plain) if name in theirs] for ours, theirs in _HEADS.items()}
    if len(columns["page"]) != 1 or not columns["number"]:
        raise BadRecipientList(what="første linje skal have kolonnerne »side« og »cpr« eller »cvr«")
    return columns


def _line(row: Sequence[str], columns: Mapping[str, list[int]], number: int, *, allow_test: bool) -> Listed:
    def cells(name: str) -> list[str]:
        return [text for at in columns[name] if at < len(row) and (text := row[at].strip())]

    page, pages = _count(cells("page"), number, "side"), cells("pages")
    numbers, unit = cells("number"), cells("unit")
    if len(numbers) != 1:
        raise BadRecipientList(what=f"linje {number} har ikke netop én modtager")
    # Spreadsheets take the first zero of a number away.
    digits = numbers[0].replace(" ", "")
    digits = f"0{digits}" if digits.isdigit() and len(digits) == 9 else digits
    try:
        recipient = parse_number(f"{digits}-p{unit[0]}" if unit else digits, allow_test=allow_test)
    except SubmitterError:
        raise BadRecipientList(what=f"linje {number} har intet gyldigt CPR- eller CVR-nummer") from None
    return Listed(page, _count(pages, number, "sider") if pages else None, recipient, number)


def _count(cells: Sequence[str], number: int, name: str) -> int:
    if len(cells) == 1 and cells[0].isascii() and cells[0].isdigit() and 0 < int(cells[0]) <= MOST:
        return int(cells[0])
    raise BadRecipientList(what=f"linje {number} har intet tal under »{name}«")
