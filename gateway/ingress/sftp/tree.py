"""What a path means. The tree is ours and has no links, so there is nothing to escape through (security.md, S1)."""

from __future__ import annotations

import posixpath
import unicodedata
from dataclasses import dataclass, field
from typing import Literal

import asyncssh

Room = Literal["root", "ind", "kvittering", "fejl", "skabelon", "proeve"]
ROOMS: tuple[Room, ...] = ("ind", "kvittering", "fejl", "skabelon", "proeve")
LONGEST_NAME = 200
"""Bytes (security.md, SFTP-07)."""
GUESSED = "Et filnavn var ikke UTF-8 og er læst som windows-1252."



@dataclass(frozen=True, slots=True)
class Place:
    """Where a path points: a room, and what is in it."""

    room: Room
    parts: tuple[str, ...] = field(default=(), repr=False)
    guessed: bool = False

    @property
    def is_area(self) -> bool:
        """Whether files may be dropped there."""
        return self.room in ("ind", "proeve")

    @property
    def folder(self) -> str:
        return self.parts[0] if len(self.parts) == 2 else ""

    @property
    def name(self) -> str:
        return self.parts[-1]


def place_of(path: bytes) -> Place:
    """What *path* means. Raises SFTPNoSuchFile: no such room; SFTPFailure: a name that cannot be."""
    # normpath keeps two slashes at the beginning (POSIX); ours mean one.
    plain = posixpath.normpath(b"/" + path.lstrip(b"/"))
    words = [word for word in plain.split(b"/") if word]
    if not words:
        return Place("root")
    try:
        room = words[0].decode("ascii")
    except UnicodeDecodeError:
        room = ""
    found: Room | None = next((one for one in ROOMS if one == room), None)
    if found is None:
        raise asyncssh.SFTPNoSuchFile(f"Der er kun mapperne {', '.join(ROOMS)}.")
    parts = [_name(word) for word in words[1:]]
    return Place(found, tuple(name for name, _ in parts), any(guessed for _, guessed in parts))


def _name(word: bytes) -> tuple[str, bool]:
    """A name as text, and whether its encoding was guessed."""
    guessed = False
    try:
        name = word.decode("utf-8")
    except UnicodeDecodeError:
        guessed = True
        try:
            name = word.decode("cp1252")
        except UnicodeDecodeError:
            raise _unfit("tegnsættet er ukendt") from None
    if len(word) > LONGEST_NAME:
        raise _unfit(f"det er over {LONGEST_NAME} byte")
    if any(unicodedata.category(sign) == "Cc" for sign in name) or "\\" in name:
        raise _unfit("det har tegn, som ikke må være i et navn")
    return name, guessed


def _unfit(why: str) -> asyncssh.SFTPError:
    return asyncssh.SFTPFailure(f"Ugyldigt filnavn: {why}.")
