"""One watched folder: what lies in it, whether it may be taken, and what is written back.

No link is followed and nothing but regular files is opened (security.md, section 2.6). Times of files are only
compared with themselves: a file server's clock may be wrong.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from gateway.model.danish_time import local
from gateway.model.drop import AREAS, Area

SENTINEL = ".digitalpost-gateway"
"""A file in the folder's root that says which folder it is (F37)."""
ROOMS = ("ind", "kvittering", "fejl", "proeve", "skabelon", "arkiv")
_BLOCK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as one look saw it."""

    area: Area
    folder: str = field(repr=False)
    name: str = field(repr=False)
    size: int
    changed: int
    """Nanoseconds, by the file server's clock."""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.area, self.folder, self.name

    @property
    def mark(self) -> str:
        """The same for the same file, as long as nobody writes to it."""
        return f"{self.area}/{self.folder}/{self.name}:{self.size}:{self.changed}"


class Share:
    """The folder at *root*."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._changed: set[Path] = set()

    def sentinel(self) -> str | None:
        """What the sentinel file says; None: it is not there. Raises OSError: the folder does not answer."""
        try:
            return self._read(self.root / SENTINEL, most=200).decode("ascii", "replace").strip() or None
        except FileNotFoundError:
            return None

    def make(self) -> str:
        """Make the folders and the sentinel of a new share; what it says. Raises OSError."""
        for room in ROOMS:
            (self.root / room).mkdir(exist_ok=True)
        token = secrets.token_hex(16)
        self._write(self.root, SENTINEL, f"{token}\n".encode())
        return token

    def rooms(self) -> None:
        """Make folders that somebody removed. Raises OSError."""
        for room in ROOMS:
            (self.root / room).mkdir(exist_ok=True)

    def look(self) -> Iterator[Seen]:
        """Every regular file in the areas and their folders, one level deep. Raises OSError."""
        for area in AREAS:
            with os.scandir(self.root / area) as entries:
                found = list(entries)
            for entry in found:
                if entry.is_dir(follow_symlinks=False):
                    if not entry.name.startswith("."):
                        yield from self._in_folder(area, entry)
                else:
                    yield from self._file(area, "", entry)

    def read_tail(self, seen: Seen, most: int) -> bytes:
        """All of a small file, or the beginning and the end of a large one. Raises OSError."""
        handle = self._open(self._place(seen))
        with os.fdopen(handle, "rb") as stream:
            if seen.size <= most:
                return stream.read()
            head = stream.read(_BLOCK)
            stream.seek(-_BLOCK, os.SEEK_END)
            return head + stream.read()

    def blocks(self, seen: Seen) -> Iterator[bytes]:
        """The bytes of a file. Raises OSError: also if it is another file than was seen."""
        handle = self._open(self._place(seen))
        with os.fdopen(handle, "rb") as stream:
            before = os.fstat(handle)
            if (before.st_size, before.st_mtime_ns) != (seen.size, seen.changed):
                raise InterruptedError("it was written to")
            while block := stream.read(_BLOCK):
                yield block
            after = os.fstat(handle)
            if (after.st_size, after.st_mtime_ns) != (seen.size, seen.changed):
                raise InterruptedError("it was written to")

    def still(self, seen: Seen) -> bool:
        """Whether the file lies there as it was seen."""
        try:
            status = os.lstat(self._place(seen))
        except OSError:
            return False
        return (status.st_size, status.st_mtime_ns) == (seen.size, seen.changed)

    def put_away(self, area: str, folder: str, name: str, *, at: datetime, delete: bool) -> bool:
        """Move a taken file to ``arkiv/YYYY/MM/``, or delete it; False: it is gone already. Raises OSError."""
        source = self.root / area / folder / name if folder else self.root / area / name
        try:
            if delete:
                source.unlink()
                return True
            when = local(at)
            shelf = self.root / "arkiv" / f"{when:%Y}" / f"{when:%m}"
            shelf.mkdir(parents=True, exist_ok=True)
            source.rename(_free(shelf, name))
            self._changed |= {source.parent, shelf}
        except FileNotFoundError:
            return False
        if folder:
            with suppress(OSError):
                source.parent.rmdir()
        return True

    def write(self, name: str, content: bytes) -> None:
        """An answer, whole and never over another: *name* within ``kvittering/``, or with ``fejl/`` before it.
        Raises OSError.
        """
        parts = name.split("/")
        folder = self.root.joinpath(*(parts[:-1] if parts[0] == "fejl" else ("kvittering",)))
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / parts[-1]).exists():
            self._write(folder, parts[-1], content)
            self._changed.add(folder)

    def flush(self) -> None:
        """What was renamed here survives a power cut; as far as the file system can promise that."""
        for folder in self._changed:
            # File servers refuse to flush a folder, or flush by themselves.
            with suppress(OSError):
                handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)
        self._changed.clear()

    def remove_answer(self, name: str) -> None:
        """An old answer; of a rejected drop with its originals. *name* as for ``write``. A folder that somebody made
        there is left. Raises OSError.
        """
        parts = name.split("/")
        if parts[0] != "fejl":
            (self.root / "kvittering" / name).unlink(missing_ok=True)
            return
        folder = self.root.joinpath(*parts[:-1])
        with suppress(FileNotFoundError):
            for file in list(folder.iterdir()):
                if file.is_symlink() or not file.is_dir():
                    file.unlink()
        with suppress(OSError):
            folder.rmdir()
            folder.parent.rmdir()

    def write_again(self, room: str, name: str, content: bytes) -> None:
        """A file that is made anew now and then (the overview, examples). Raises OSError."""
        with suppress(FileNotFoundError):
            if (self.root / room / name).read_bytes() == content:
                return
        self._write(self.root / room, name, content)

    def asked_again(self) -> Iterator[tuple[str, dict[str, Path]]]:
        """Rejected drops in ``fejl/`` of which a file was renamed to ``….ret``: their id, and the files that lie
        there by their first names. Raises OSError.
        """
        for marker in (self.root / "fejl").glob("*/D-*/*.ret"):
            folder = marker.parent
            files = {file.name.removesuffix(".ret"): file for file in folder.iterdir() if file.is_file() and not file.is_symlink() and file.name != "LAES-MIG.txt"}
            yield folder.name, files

    def _in_folder(self, area: Area, folder: os.DirEntry[str]) -> Iterator[Seen]:
        with suppress(OSError), os.scandir(folder.path) as entries:
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    yield from self._file(area, folder.name, entry)

    def _file(self, area: Area, folder: str, entry: os.DirEntry[str]) -> Iterator[Seen]:
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError:
            return
        if stat.S_ISREG(status.st_mode):
            yield Seen(area, folder, entry.name, status.st_size, status.st_mtime_ns)

    def _place(self, seen: Seen) -> Path:
        area = self.root / seen.area
        return area / seen.folder / seen.name if seen.folder else area / seen.name

    def _read(self, file: Path, *, most: int) -> bytes:
        with os.fdopen(self._open(file), "rb") as stream:
            return stream.read(most)

    @staticmethod
    def _open(file: Path) -> int:
        """A handle on a regular file; neither a link nor a pipe is opened. Raises OSError."""
        handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise OSError("no regular file")
        return handle

    @staticmethod
    def _write(folder: Path, name: str, content: bytes) -> None:
        """Beside, flushed, renamed: whoever reads it reads all of it (sidecar.md, D5 28)."""
        beside = folder / f".{secrets.token_hex(8)}.tmp"
        handle = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o664)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(handle)
            beside.replace(folder / name)
        except OSError:
            beside.unlink(missing_ok=True)
            raise


def _free(shelf: Path, name: str) -> Path:
    """A place on *shelf* that nothing has: ``navn.pdf``, ``navn (2).pdf`` …"""
    place, number = shelf / name, 1
    stem, dot, ending = name.rpartition(".")
    while place.exists():
        number += 1
        place = shelf / (f"{stem} ({number}){dot}{ending}" if stem else f"{name} ({number})")
    return place
