"""A batch: one merged PDF that becomes many letters. Danish: samlefil, masseforsendelse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.model.identity import Recipient
from gateway.model.submission import Blob


def shown_pages(first: int, pages: int) -> str:
    """``7`` or ``7-9``, as a person counts them; *first* counts from 0."""
    return str(first + 1) if pages == 1 else f"{first + 1}-{first + pages}"


@dataclass(frozen=True, slots=True)
class Place:
    """A rectangle on the page as shown: millimetres from its top left corner."""

    x: float
    y: float
    width: float
    height: float

    def holds(self, x: float, y: float) -> bool:
        """Whether the point lies in it, borders included."""
        return self.x <= x <= self.x + self.width and self.y <= y <= self.y + self.height


@dataclass(frozen=True, slots=True)
class Cut:
    """Bytes that are not kept but made when they are asked for: some pages of a batch."""

    digest: str
    """SHA-256 of what it gives."""
    size_bytes: int
    source: Blob
    """The batch, plain (see ``gateway.documents.pdf.plain``)."""
    first: int
    """Page of the batch, from 0."""
    pages: int
    pdfa: str = ""
    """Part and level of PDF/A that it says it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Pages that belong together, and to whom they go."""

    first: int
    """Page of the file, from 0."""
    pages: int
    recipient: Recipient | None
    why: str = ""
    """Which evidence named the recipient: a word of docs/reference/batches.md."""
    flags: tuple[str, ...] = field(default=())
    """What makes it uncertain, words of the same page; a flagged piece is held."""

    @property
    def left_out(self) -> bool:
        """A person decided that nobody gets it."""
        return self.recipient is None and self.why == "assigned" and not self.flags

    @property
    def certain(self) -> bool:
        return self.recipient is not None and not self.flags

    @property
    def shown_pages(self) -> str:
        """As ``shown_pages``."""
        return shown_pages(self.first, self.pages)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What persons decided about one batch; it is read again with that."""

    place: Place | None = None
    """Where the recipients' numbers stand."""
    assigned: Mapping[int, Recipient | None] = field(default_factory=dict)
    """By first page (from 0) of a letter: to whom it goes; None: to nobody."""
    listed: frozenset[int] = frozenset()
    """Those of *assigned* that a list says, which came with the file."""
    accepted: bool = False
    """Flagged letters that have a recipient are right as they are."""
    approved: bool = False
    """A second person has looked at it."""


NOTHING_SETTLED = Settled()


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A merged file that was read: whose its pages are."""

    source: Blob
    """The plain file, of which letters are cut."""
    pages: int
    pieces: tuple[Piece, ...]
    cuts: tuple[Cut, ...]
    """Of each piece, in order."""
    place: Place | None
    """Where the numbers were looked for, if they were."""

    @property
    def uncertain(self) -> tuple[Piece, ...]:
        return tuple(piece for piece in self.pieces if not piece.certain and not piece.left_out)
