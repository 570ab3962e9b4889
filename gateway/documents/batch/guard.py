"""What looks wrong about the letters of one batch beside each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from gateway.model.batch import Piece

_JUDGED_FROM = 10
"""Letters; fewer have no usual length."""
_OFTEN = 3
"""Letters to one recipient that are nothing to ask about."""
_LONG = 4
"""Times the usual length (the median) from which a letter is remarkable, if it is also longer than _LONG_AT_LEAST."""
_LONG_AT_LEAST = 10


def look_at_all(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """*pieces* with flags for one recipient many times and for lengths out of line."""
    often = {who for who, count in Counter(one.recipient for one in pieces).items() if who and count > _OFTEN}
    usual = median(one.pages for one in pieces) if len(pieces) >= _JUDGED_FROM else None

    def flags(piece: Piece) -> set[str]:
        found = set(piece.flags)
        if piece.why in ("assigned", "list"):
            return found
        if piece.recipient in often:
            found.add("many-to-one")
        if usual is not None and piece.pages > max(_LONG_AT_LEAST, _LONG * usual):
            found.add("length")
        return found

    return tuple(replace(piece, flags=tuple(sorted(flags(piece)))) for piece in pieces)


def same_for_many(pieces: Sequence[Piece], digests: Sequence[str]) -> tuple[Piece, ...]:
    """*pieces* with a flag where several recipients would get the very same bytes.

    Args:
        digests: of each piece's letter, in order.
    """
    who: dict[str, set[object]] = {}
    for piece, digest in zip(pieces, digests, strict=True):
        who.setdefault(digest, set()).add(piece.recipient)
    return tuple(
        replace(piece, flags=tuple(sorted({*piece.flags, "same-content"})))
        if len(who[digest]) > 1 and piece.why != "assigned"
        else piece
        for piece, digest in zip(pieces, digests, strict=True)
    )
