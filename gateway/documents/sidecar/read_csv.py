"""Lists (manifests) in CSV: a line is a dispatch. Whatever Excel made of the file, nothing is repaired silently."""

from __future__ import annotations

import csv
import io
import re

from gateway.documents.sidecar.tree import LIMITS, Entry, Series, Table, Text, folded, unreadable

_DELIMITERS = (";", ",", "\t")
_COUNT = "#ANTAL"
_MEND = "Gem arket som CSV (UTF-8) fra Excel, og ret linjen."
LISTS = {"bilag": "|"}
"""Columns that hold several values, and what stands between them."""

_MAIN, _ATTACHMENTS, _DIGEST, _SIZE = "fil", "bilag", "sha256", "bytes"
_COLUMNS = {"fil": _MAIN, "filnavn": _MAIN, "filename": _MAIN, "hoveddokument": _MAIN, "bilag": _ATTACHMENTS,
            "sha256": _DIGEST, "bytes": _SIZE}  # fmt: skip


def read_csv(text: str, file: str) -> tuple[Series, int | None]:
    """The lines of a list as tables with the fields of a sidecar, and the count in its last line if it has one.

    Raises:
        SidecarRefused: no header or no line, two columns alike, a line with more or fewer fields than the header,
            an open quotation mark, or beyond the limits.
    """
    if "\0" in text:
        unreadable(file, "CSV", "der står et NUL-tegn", mend=_MEND)
    rows = _rows(text.replace("\r\n", "\n").replace("\r", "\n"), file)
    if not rows:
        unreadable(file, "CSV", "listen er tom", mend="Skriv en linje med feltnavne og en linje for hver forsendelse.")
    (line, header), *rest = rows
    header = [name.strip().lstrip("\ufeff") for name in header]
    if len(header) > LIMITS.fields:
        unreadable(file, "CSV", f"der er over {LIMITS.fields} kolonner", mend=_MEND, line=line)
    names = [_COLUMNS.get(folded(name), folded(name)) for name in header]
    if len(set(names)) != len(names) or "" in names:
        unreadable(file, "CSV", "to kolonner hedder det samme, eller en kolonne har intet navn", mend="Ret linjen med feltnavne.", line=line)
    count, rest = _count(rest, file)
    if not rest:
        unreadable(file, "CSV", "der er ingen linjer under feltnavnene", mend="Skriv en linje for hver forsendelse.")
    if len(rest) > LIMITS.items:
        unreadable(file, "CSV", f"der er over {LIMITS.items} linjer", mend="Del listen på flere filer.")
    for at, row in rest:
        if len(row) != len(header):
            what = f"linjen har {len(row)} felter, men der er {len(header)} feltnavne"
            unreadable(file, "CSV", what, mend=_MEND, line=at)
    return Series(tuple(_dispatch(header, names, row, at) for at, row in rest), line), count


def _rows(text: str, file: str) -> list[tuple[int, list[str]]]:
    """Every line that is not empty, with its number."""
    first, _, after = text.partition("\n")
    skipped = 0
    delimiter: str | None = None
    if found := re.fullmatch(r"\ufeff?sep=(.)\s*", first, re.IGNORECASE):
        delimiter, text, skipped = found[1], after, 1
        first = text.partition("\n")[0]
    if delimiter is None:
        delimiter = max(_DELIMITERS, key=lambda one: (first.count(one), -_DELIMITERS.index(one)))
    if delimiter not in _DELIMITERS:
        unreadable(file, "CSV", "skilletegnet i linjen sep= er hverken ; , eller tabulator", mend=_MEND, line=1)
    if text and not text.endswith("\n") and text.count('"') % 2:
        unreadable(file, "CSV", "et anførselstegn er ikke afsluttet", mend=_MEND)
    rows, broken = _parsed(text, delimiter, strict=True)
    if broken and text.count('"') % 2 == 0:
        # A quotation mark inside a quoted cell that nobody doubled, as in hand-made files: taken as it stands,
        # if every line still has as many fields as the header.
        rows, broken = _parsed(text, delimiter, strict=False)
        broken = broken or next((line for line, row in rows if len(row) != len(rows[0][1])), 0)
    if broken:
        what = "linjen følger ikke formen, eller et felt er for langt"
        unreadable(file, "CSV", what, mend=_MEND, line=skipped + broken)
    return [(skipped + line, row) for line, row in rows]


def _parsed(text: str, delimiter: str, *, strict: bool) -> tuple[list[tuple[int, list[str]]], int]:
    """The lines that are not empty with their numbers, and the line that could not be read (0: none)."""
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=strict)
    rows: list[tuple[int, list[str]]] = []
    try:
        for row in reader:
            if any(len(cell) > LIMITS.text for cell in row):
                return rows, reader.line_num
            if any(cell.strip() for cell in row):
                rows.append((reader.line_num, row))
            if len(rows) > LIMITS.items + 2:
                break
    except csv.Error:
        return rows, reader.line_num
    return rows, 0


def _count(rows: list[tuple[int, list[str]]], file: str) -> tuple[int | None, list[tuple[int, list[str]]]]:
    """The number in the last line ``#ANTAL;2``, and the lines before it."""
    if not rows or not rows[-1][1][0].strip().upper().startswith(_COUNT):
        return None, rows
    line, row = rows[-1]
    cells = [cell.strip() for cell in row[1:] if cell.strip()]
    if len(cells) != 1 or not re.fullmatch(r"[0-9]{1,9}", cells[0], re.ASCII):
        unreadable(file, "CSV", "linjen #ANTAL har ikke ét tal", mend="Skriv fx #ANTAL;2.", line=line)
    return int(cells[0]), rows[:-1]


def _dispatch(header: list[str], names: list[str], row: list[str], line: int) -> Table:
    """One line as the table that a sidecar would be; empty cells are not there."""
    cells = dict(zip(names, (cell.strip() for cell in row), strict=True))
    entries = [
        Entry(title, line, Text(cells[name], line))
        for title, name in zip(header, names, strict=True)
        if name not in _COLUMNS.values() and cells[name]
    ]
    documents = []
    if cells.get(_MAIN):
        main = [("fil", cells[_MAIN]), ("rolle", "hoveddokument"), ("sha256", cells.get(_DIGEST, "")), ("bytes", cells.get(_SIZE, ""))]
        documents.append(_table(main, line))
    attachments = (cells.get(_ATTACHMENTS) or "").split(LISTS["bilag"])
    documents += [_table([("fil", name.strip()), ("rolle", "bilag")], line) for name in attachments if name.strip()]
    if documents:
        entries.append(Entry("dokumenter", line, Series(tuple(documents), line)))
    return Table(tuple(entries), line)


def _table(pairs: list[tuple[str, str]], line: int) -> Table:
    return Table(tuple(Entry(key, line, Text(value, line)) for key, value in pairs if value), line)
