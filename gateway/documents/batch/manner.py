"""How a flow wants its merged files divided, and what a person has settled about one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from gateway.model.batch import Place
from gateway.model.identity import Recipient

SplitMode = Literal["learned", "place", "every-page", "marker", "bookmarks", "count", "list"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitManner:
    """Of a flow. Lengths in millimetres."""

    mode: SplitMode = "learned"
    """Who says where a letter begins: the number's place, learned or given; a number on every page; a marker;
    bookmarks of the first level; a fixed count of pages; a list that came with the file."""
    place: Place | None = None
    """Where the recipient's number stands; None: learned."""
    pages: int | None = None
    """Pages of each letter, for ``count``."""
    marker: str = "@@DP:"
    """What begins a marker, for ``marker``; it ends with ``@@`` and holds the recipient's number."""
    own_numbers: frozenset[str] = frozenset()
    """The sender's own CVR numbers: they stand in every foot and are nobody's letter."""
    remove_numbers: bool = False
    """Fjern CPR: take the recipients' numbers out of their letters."""
    partly: bool = False
    """Delvis: send what is certain, and hold only the rest."""
    signed: bool = False
    """Cut files that are signed; their signatures are lost."""
    approve_over: int = 100
    """Letters of one file beyond which a second person looks at it first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What a person decided about one batch."""

    place: Place | None = None
    assigned: Mapping[int, Recipient | None] = field(default_factory=dict)
    """By first page (from 0) of a letter: to whom it goes; None: to nobody."""
    accepted: bool = False
    """Flagged letters with a recipient are right as they are."""
    approved: bool = False
    """A second person has looked at it."""
