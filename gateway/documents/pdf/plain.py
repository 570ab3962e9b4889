"""One plain file of a merged PDF: repaired, decrypted, and without anything that belongs to no single page.

What this writes is what is read (``seen``) and cut (``cut``), never the upload: two readers may see two
different documents in one damaged file. Bookmarks, attachments, document metadata and the structure tree go,
since they may name other recipients; a page keeps only the fonts and pictures that it draws, since several
programs give all pages one list with everybody's (reference, pdf.md, section 2.5).
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pikepdf
from pikepdf import Array, Name, ObjectStreamMode, Page, Pdf, StreamDecodeLevel

from gateway.errors import DamagedPdf, LockedPdf, TooManyPages

_ROOT_KEPT = {"/Type", "/Pages", "/OutputIntents", "/OCProperties", "/Lang", "/Version"}
_PAGE_KEPT = {
    "/Type", "/Parent", "/MediaBox", "/CropBox", "/BleedBox", "/TrimBox", "/ArtBox", "/Rotate", "/UserUnit",
    "/Resources", "/Contents", "/Group", "/Annots",
}  # fmt: skip
_LINK = re.compile(r"(?:https?|mailto|tel):", re.IGNORECASE)
_PDFA = re.compile(rb"pdfaid:part(?:>|\s*=\s*[\"'])([0-9])")
_LARGEST_PAGE = 200 * 1024 * 1024
"""Bytes of one page's drawing, inflated; beyond it the file is taken for damaged (pdf.md, section 5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """What was found while a file was made plain."""

    pages: int
    repaired: bool
    """Something was mended on the way: pages may be missing or without their text."""
    broken_pages: tuple[int, ...] = ()
    """Pages, from 0, whose drawing is damaged."""
    hidden_layers: bool = False
    """There are layers that are not shown: what is read may not be what is seen."""
    bookmarks: tuple[int, ...] = field(default=(), repr=False)
    """Pages, from 0, that bookmarks of the first level lead to."""
    pdfa: str = ""
    """``2B``: the part of PDF/A it says it is, always at level B once it is cut; empty: none."""
    removed: tuple[tuple[str, int], ...] = ()
    """What active or foreign things were taken out, and how many."""


def make_plain(source: Path, target: Path, *, most_pages: int, bookmarks: bool = False) -> Plain:
    """Write the plain form of *source* to *target*.

    Args:
        bookmarks: whether to look where they lead.

    Raises:
        LockedPdf: it opens only with a password.
        DamagedPdf: it cannot be opened or mended, or has no pages.
        TooManyPages: more than *most_pages*.
    """
    try:
        with Pdf.open(source) as pdf:
            return _Making(pdf, most_pages).write(target, bookmarks=bookmarks)
    except pikepdf.PasswordError:
        raise LockedPdf() from None
    except (pikepdf.PdfError, ValueError, TypeError, KeyError, AttributeError, IndexError, RuntimeError, OverflowError):
        raise DamagedPdf() from None


class _Making:
    def __init__(self, pdf: Pdf, most_pages: int) -> None:
        self._pdf = pdf
        self._pages = len(pdf.pages)
        self._removed: Counter[str] = Counter()
        if self._pages == 0:
            raise DamagedPdf()
        if self._pages > most_pages:
            raise TooManyPages(count=self._pages, limit=most_pages)

    def write(self, target: Path, *, bookmarks: bool) -> Plain:
        pdf = self._pdf
        starts = self._bookmarks() if bookmarks else ()
        pdfa, hidden = self._pdfa(), self._hidden_layers()
        self._flatten()
        self._clean_root()
        broken = tuple(number for number, page in enumerate(pdf.pages) if not self._clean_page(page))
        pdf.remove_unreferenced_resources()
        # Adding a page and taking it away makes qpdf give every page the keys it inherits.
        pdf.pages.append(pdf.pages[0])
        del pdf.pages[-1]
        pdf.save(
            target,
            object_stream_mode=ObjectStreamMode.disable,
            stream_decode_level=StreamDecodeLevel.none,
            compress_streams=False,
            preserve_pdfa=True,
            encryption=False,
            static_id=True,
        )
        return Plain(
            pages=self._pages,
            repaired=bool(pdf.get_warnings()),
            broken_pages=broken,
            hidden_layers=hidden,
            bookmarks=starts,
            pdfa=pdfa,
            removed=tuple(sorted(self._removed.items())),
        )

    def _pdfa(self) -> str:
        metadata = self._pdf.Root.get("/Metadata")
        found = _PDFA.search(bytes(metadata.read_bytes())[: 1 << 20]) if isinstance(metadata, pikepdf.Stream) else None
        return f"{found[1].decode()}B" if found else ""

    def _hidden_layers(self) -> bool:
        layers = self._pdf.Root.get("/OCProperties")
        if layers is None:
            return False
        usual: Any = layers.get("/D", pikepdf.Dictionary())
        return len(usual.get("/OFF", [])) > 0 or usual.get("/BaseState", Name.ON) != Name.ON

    def _bookmarks(self) -> tuple[int, ...]:
        numbers = {page.obj.objgen: place for place, page in enumerate(self._pdf.pages)}
        found = []
        with self._pdf.open_outline(max_depth=1) as outline:
            for item in outline.root:
                place: Any = item.destination
                if place is None and item.action is not None:
                    place = item.action.get("/D")
                if isinstance(place, Array) and len(place) and isinstance(place[0], pikepdf.Object):
                    found.append(numbers.get(place[0].objgen, -1))
        return tuple(sorted({place for place in found if place >= 0}))

    def _flatten(self) -> None:
        """Draw what was typed into forms and written on pages, so that it is seen as any other text."""
        root = self._pdf.Root
        if "/AcroForm" in root:
            if "/XFA" in root.AcroForm:
                del root.AcroForm["/XFA"]
                self._removed["xfa"] += 1
            self._pdf.generate_appearance_streams()
        if "/AcroForm" in root or any(_is_drawn(note) for page in self._pdf.pages for note in _notes(page)):
            self._pdf.flatten_annotations("all")

    def _clean_root(self) -> None:
        root = self._pdf.Root
        for key in list(root.keys()):
            if key not in _ROOT_KEPT:
                if key == "/AA" or (key == "/OpenAction" and _does_something(root[key])):
                    self._removed[key[1:].lower()] += 1
                del root[key]
        if "/Info" in self._pdf.trailer:
            del self._pdf.trailer["/Info"]

    def _clean_page(self, page: Page) -> bool:
        """Whether its drawing is whole."""
        this = page.obj
        for key in list(this.keys()):
            if key not in _PAGE_KEPT:
                if key == "/AA":
                    self._removed["page action"] += 1
                del this[key]
        if "/Annots" in this:
            self._clean_links(page)
        contents = this.get("/Contents")
        if contents is None:
            return True
        streams = list(contents) if isinstance(contents, Array) else [contents]
        return all(_whole(stream) for stream in streams)

    def _clean_links(self, page: Page) -> None:
        """Keep links to the web, and nothing else: a page of a letter needs no other."""
        kept = []
        for note in _notes(page):
            target = _web_address(note)
            if target is None:
                self._removed[f"annotation {note.get('/Subtype', '?')}"] += 1
                continue
            link = pikepdf.Dictionary(
                Type=Name.Annot, Subtype=Name.Link, Rect=note.Rect, Border=Array([0, 0, 0]), F=4,
                A=pikepdf.Dictionary(S=Name.URI, URI=target),
            )  # fmt: skip
            kept.append(link)
        if kept:
            page.obj.Annots = Array(kept)
        else:
            del page.obj["/Annots"]


def _does_something(action: Any) -> bool:
    """Whether an action is more than a place in the document to begin at."""
    return isinstance(action, pikepdf.Dictionary) and action.get("/S") != Name.GoTo


def _notes(page: Page) -> list[Any]:
    notes: Any = page.obj.get("/Annots")
    return [note for note in notes if isinstance(note, pikepdf.Dictionary)] if isinstance(notes, Array) else []


def _is_drawn(note: Any) -> bool:
    return note.get("/Subtype") != Name.Link and "/AP" in note


def _web_address(note: Any) -> pikepdf.String | None:
    action = note.get("/A")
    if note.get("/Subtype") != Name.Link or not isinstance(action, pikepdf.Dictionary) or "/Rect" not in note:
        return None
    target = action.get("/URI")
    if action.get("/S") != Name.URI or not isinstance(target, pikepdf.String) or not _LINK.match(str(target)):
        return None
    return target


def _whole(stream: Any) -> bool:
    """Whether a stream that is only deflated inflates to its checksum. Others are not looked into."""
    if not isinstance(stream, pikepdf.Stream):
        return False
    filters = stream.get("/Filter")
    if isinstance(filters, Array):
        filters = filters[0] if len(filters) == 1 else None
    if filters != Name.FlateDecode:
        return True
    inflating = zlib.decompressobj()
    try:
        inflating.decompress(stream.read_raw_bytes(), _LARGEST_PAGE)
    except zlib.error:
        return False
    return inflating.eof
