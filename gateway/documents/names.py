"""File names a recipient, a mail reader and a file system can live with."""

from __future__ import annotations

import re
import unicodedata

# Digital Post refuses these (reference, digital-post.md, section 1.6); / and \ are gone by then.
_FORBIDDEN = re.compile(r'[<>:"/\\|?*]')
_ODD_SPACES = re.compile(r"[\u00a0\u2000-\u200a\u2028\u2029\u205f\u2060\u3000]")
# A version number or an abbreviation after a dot ("brev v.2") is no extension.
_EXTENSION = re.compile(r"\.(?=[0-9]*[A-Za-z])([0-9A-Za-z]{1,5})\Z", re.ASCII)
# Overrides and isolates of writing direction: the name shown is not the name stored (Trojan source).
_DIRECTION = re.compile(r"[\u200e\u200f\u202a-\u202e\u2066-\u2069\u061c]")

LONGEST = 120
"""Characters. The channel takes 256; shorter names survive every file system (section 1.6)."""
NAMELESS = "dokument"


def safe_name(name: str) -> str:
    """*name* by the channel's rules; its extension kept, ``dokument`` if nothing is left.

    Folders are dropped, forbidden characters become ``_``, unseen ones vanish, and the stem is cut so
    that the whole is at most 120 characters. A safe name stays as it is.
    """
    base = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    spaced = _ODD_SPACES.sub(" ", base)
    # Controls, format characters (direction, zero width), lone surrogates, private use, unassigned.
    seen = "".join(
        sign for sign in spaced if sign.isspace() or not unicodedata.category(sign).startswith("C")
    )
    plain = " ".join(_FORBIDDEN.sub("_", seen).split())
    clean = unicodedata.normalize("NFC", plain).lstrip(". ").rstrip(". ")
    stem, dot_extension = _parts(clean)
    if not stem:
        stem, dot_extension = NAMELESS, dot_extension
    return stem[: LONGEST - len(dot_extension)].rstrip(". ") + dot_extension


def extension(name: str) -> str:
    """The extension of *name* in lower case without its dot; empty if it has none."""
    found = _EXTENSION.search(name)
    return found[1].lower() if found else ""


def with_extension(name: str, wanted: str) -> str:
    """*name* with ``.wanted`` after it, still a safe name."""
    return f"{name[: LONGEST - len(wanted) - 1].rstrip('. ')}.{wanted}"


def hides_its_ending(name: str) -> bool:
    """Whether *name* changes the writing direction, so that a reader sees another ending."""
    return _DIRECTION.search(name) is not None


def distinct(name: str, taken: set[str]) -> str:
    """*name*, or ``navn (2).pdf`` and so on if it is *taken* (in lower case); adds the result."""
    stem, dot_extension = _parts(name)
    candidate, number = name, 1
    while candidate.lower() in taken:
        number += 1
        tail = f" ({number}){dot_extension}"
        candidate = stem[: LONGEST - len(tail)].rstrip(". ") + tail
    taken.add(candidate.lower())
    return candidate


def _parts(name: str) -> tuple[str, str]:
    found = _EXTENSION.search(name)
    return (name[: found.start()], name[found.start() :]) if found else (name, "")
