"""How a flow wants its merged files divided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gateway.model.batch import Place

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
