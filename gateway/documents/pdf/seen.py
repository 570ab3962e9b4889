"""What stands on the pages of a plain PDF: numbers with their places, page marks, and markers (PDFium).

Runs in a process of its own, one at a time: PDFium is not safe for threads, and ends the process on some
hostile files (reference, pdf.md, section 5).
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pypdfium2.raw as pdfium

from gateway.documents.numbers import Label, Number, NumberKind, find_numbers, label_before
from gateway.errors import DamagedPdf

_MM = 25.4 / 72
"""Millimetres of a point."""
_LABEL_ABOVE = 18.0
"""Points above a number in which a label may stand: a table's head, a form."""
_FINEST = 3.0
"""Points; smaller writing is not there for a reader."""
_TENTHS = 10
"""PDFium gives whole pixels: ten to the point."""
_INVISIBLE = 3  # text render mode, ISO 32000-1, table 106
_MARK = re.compile(r"[Ss]ide\s*(\d{1,4})\s*(?:af|of|/|AF)\s*(\d{1,4})\b")
# Signs of the private area, and none at all: a font that does not say what it shows.
_STRANGE = re.compile("[\ue000-\uf8ff\ufffd\x00]")
_LONGEST_MARK = 24  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedNumber:
    """A number, and where it is seen on the page."""

    kind: NumberKind
    digits: str = field(repr=False)
    x: float
    """Millimetres of its left edge from the left of the page as shown."""
    y: float
    """Millimetres of its top edge from the top."""
    label: Label
    check: bool
    possible: bool
    weak: bool
    hidden: bool
    """Nobody sees it: white, invisible, tiny, or outside the page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenPage:
    """What stands on one page."""

    numbers: tuple[PlacedNumber, ...]
    mark: tuple[int, int] | None = None
    """``Side 2 af 3``; the last one on the page."""
    characters: int
    """0: a scan, or an empty page; -1: it could not be read."""
    unreadable: bool = False
    """Its font says nothing of which letters it shows."""
    marker: str | None = field(default=None, repr=False)
    """What the pattern asked for found."""


def see_pages(file: Path, *, marker: re.Pattern[str] | None = None) -> Iterator[SeenPage]:
    """Every page of *file*, in order.

    Args:
        marker: its first group is looked for in the text of each page.

    Raises:
        DamagedPdf: PDFium does not open it.
    """
    with _opened(file) as document:
        reader = _Reader(document, marker)
        for number in range(pdfium.FPDF_GetPageCount(document)):
            yield reader.page(number)


class _Reader:
    """Reads pages into buffers that are made once."""

    def __init__(self, document: Any, marker: re.Pattern[str] | None) -> None:
        self._document = document
        self._marker = marker
        self._units = 1 << 15
        self._buffer = (ctypes.c_ushort * self._units)()
        self._above = (ctypes.c_ushort * 200)()
        self._box = [ctypes.c_double() for _ in range(4)]  # left, right, bottom, top
        self._pixel = (ctypes.c_int(), ctypes.c_int())
        self._colour = [ctypes.c_uint() for _ in range(4)]

    def page(self, number: int) -> SeenPage:
        with _page(self._document, number) as found:
            return SeenPage(numbers=(), characters=-1) if found is None else self._read(*found)

    def digits(self, number: int) -> str:
        """All digits of a page, without what stands between them."""
        with _page(self._document, number) as found:
            return "" if found is None else re.sub(r"\D", "", self._text(found[1])[0])

    def _read(self, page: Any, text_page: Any) -> SeenPage:
        text, characters = self._text(text_page)
        numbers = tuple(self._placed(page, text_page, found) for found in find_numbers(text))
        hit = self._marker.search(text) if self._marker is not None else None
        strange = len(_STRANGE.findall(text))
        return SeenPage(
            numbers=numbers,
            mark=_mark(text),
            characters=len(text.strip()) if characters else 0,
            unreadable=strange * 4 > max(characters, 1),
            marker=hit[1] if hit else None,
        )

    def _text(self, text_page: Any) -> tuple[str, int]:
        count = pdfium.FPDFText_CountChars(text_page)
        if count + 1 > self._units:
            self._units = 2 * count
            self._buffer = (ctypes.c_ushort * self._units)()
        got = pdfium.FPDFText_GetText(text_page, 0, count, self._buffer)
        return _decoded(self._buffer, got), count

    def _placed(self, page: Any, text_page: Any, found: Number) -> PlacedNumber:
        left, right, bottom, top = self._box
        at = pdfium.FPDFText_GetCharIndexFromTextIndex(text_page, found.start)
        at = found.start if at < 0 else at
        pdfium.FPDFText_GetCharBox(text_page, at, left, right, bottom, top)
        label = found.label
        if label == "none":
            label = self._label_above(text_page, found)
        width, height = pdfium.FPDF_GetPageWidthF(page), pdfium.FPDF_GetPageHeightF(page)
        across, down = self._pixel
        pdfium.FPDF_PageToDevice(
            page, 0, 0, round(width * _TENTHS), round(height * _TENTHS), 0, left.value, top.value, across, down
        )
        x, y = across.value / _TENTHS, down.value / _TENTHS
        outside = not (0 <= x <= width and 0 <= y <= height)
        return PlacedNumber(
            kind=found.kind,
            digits=found.digits,
            x=round(x * _MM, 1),
            y=round(y * _MM, 1),
            label=label,
            check=found.check,
            possible=found.possible,
            weak=not found.possible or (found.weak and label != "own"),
            hidden=outside or self._is_hidden(text_page, at),
        )

    def _label_above(self, text_page: Any, found: Number) -> Label:
        left, _, _, top = self._box
        got = pdfium.FPDFText_GetBoundedText(
            text_page, left.value - 4, top.value + _LABEL_ABOVE, left.value + 60, top.value + 1, self._above, 200
        )
        return label_before(found.kind, _decoded(self._above, min(got, 200)).rstrip()[-28:]) if got > 0 else "none"

    def _is_hidden(self, text_page: Any, at: int) -> bool:
        piece = pdfium.FPDFText_GetTextObject(text_page, at)
        if piece and pdfium.FPDFTextObj_GetTextRenderMode(piece) == _INVISIBLE:
            return True
        red, green, blue, alpha = self._colour
        if pdfium.FPDFText_GetFillColor(text_page, at, red, green, blue, alpha) and (
            alpha.value == 0 or min(red.value, green.value, blue.value) > 245
        ):
            return True
        left, right, bottom, top = self._box
        return max(top.value - bottom.value, right.value - left.value) < _FINEST * 0.6


def _decoded(buffer: Any, units: int) -> str:
    return ctypes.string_at(buffer, 2 * units).decode("utf-16le", "replace").rstrip("\0")


def _mark(text: str) -> tuple[int, int] | None:
    """The last page mark: it stands in the foot, and one in the body speaks of something else."""
    at = len(text)
    while (at := text.rfind("ide", 0, at)) > 0:
        hit = _MARK.match(text, at - 1, at - 1 + _LONGEST_MARK)
        if hit is not None:
            return int(hit[1]), int(hit[2])
    return None


def numbers_left(file: Path, numbers: Mapping[int, str]) -> set[int]:
    """Pages (from 0) of *file* on which the digits of *numbers* can still be read, in whatever spelling.

    Raises DamagedPdf: as ``see_pages``.
    """
    with _opened(file) as document:
        reader = _Reader(document, None)
        return {page for page, digits in numbers.items() if digits in reader.digits(page)}


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    pdfium.FPDF_InitLibrary()
    document = pdfium.FPDF_LoadDocument(os.fsencode(file) + b"\0", None)
    if not document:
        raise DamagedPdf()
    try:
        yield document
    finally:
        pdfium.FPDF_CloseDocument(document)


@contextmanager
def _page(document: Any, number: int) -> Iterator[tuple[Any, Any] | None]:
    """A page and its text; None if it cannot be read."""
    page = pdfium.FPDF_LoadPage(document, number)
    if not page:
        yield None
        return
    text_page = pdfium.FPDFText_LoadPage(page)
    try:
        yield page, text_page
    finally:
        pdfium.FPDFText_ClosePage(text_page)
        pdfium.FPDF_ClosePage(page)
