"""A file on its way into the vault that its client writes in any order."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from gateway.model.submission import Blob
from gateway.storage.disk import BLOCK, answering


class LocalUpload:
    """A file that is written in any order; see ``ports.BlobUpload``."""

    def __init__(self, folder: Path, name: Callable[[Path, str], None], beginning: Path | None = None) -> None:
        """
        Args:
            folder: where it lies until it is committed.
            name: gives a flushed file its place by its digest.
        """
        self._name = name
        self._hash = hashlib.sha256()
        self._hashed = 0
        """Bytes in the hash; -1: something before was written again, so all is read once more at the end."""
        self._whole_to = 0
        self._beyond: list[tuple[int, int]] = []
        self._file = folder / secrets.token_hex(16)
        with answering():
            self._handle: int | None = os.open(self._file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
            if beginning is not None:
                with beginning.open("rb") as stream:
                    while block := stream.read(BLOCK):
                        self.write_at(self._whole_to, block)

    @property
    def size_bytes(self) -> int:
        return max([self._whole_to, *(end for _, end in self._beyond)])

    @property
    def has_hole(self) -> bool:
        return bool(self._beyond)

    def write_at(self, offset: int, block: bytes) -> None:
        assert self._handle is not None, "written after commit or abort"
        rest, place = memoryview(block), offset
        with answering():
            while rest:
                done = os.pwrite(self._handle, rest, place)
                rest, place = rest[done:], place + done
        if offset == self._hashed:
            self._hash.update(block)
            self._hashed += len(block)
        elif 0 <= offset < self._hashed:
            self._hashed = -1
        self._cover(offset, offset + len(block))

    def read_at(self, offset: int, size: int) -> bytes:
        assert self._handle is not None, "read after commit or abort"
        with answering():
            return os.pread(self._handle, size, offset)

    def commit(self) -> Blob:
        assert self._handle is not None, "committed after commit or abort"
        size = self.size_bytes
        try:
            with answering():
                digest = self._hash.hexdigest() if self._hashed == size else self._digest()
                os.fsync(self._handle)
                self._name(self._file, digest)
        finally:
            self.abort()
        return Blob(digest, size)

    def truncate(self, size_bytes: int) -> None:
        assert self._handle is not None, "truncated after commit or abort"
        with answering():
            os.ftruncate(self._handle, size_bytes)
        self._whole_to = min(self._whole_to, size_bytes)
        self._beyond = [(begin, min(end, size_bytes)) for begin, end in self._beyond if begin < size_bytes]
        if size_bytes == 0:
            self._hash, self._hashed = hashlib.sha256(), 0
        elif size_bytes < self._hashed:
            self._hashed = -1

    def commit_beginning(self) -> Blob:
        self.truncate(self._whole_to)
        return self.commit()

    def abort(self) -> None:
        if self._handle is None:
            return
        os.close(self._handle)
        self._handle = None
        self._file.unlink(missing_ok=True)

    def _digest(self) -> str:
        with self._file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def _cover(self, begin: int, end: int) -> None:
        """Note that these bytes are there."""
        if begin > self._whole_to:
            self._beyond = sorted([*self._beyond, (begin, end)])
            if len(self._beyond) > 1000:
                self._beyond = _merged(self._beyond)
            return
        self._whole_to = max(self._whole_to, end)
        while self._beyond and self._beyond[0][0] <= self._whole_to:
            self._whole_to = max(self._whole_to, self._beyond.pop(0)[1])


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """*spans* (sorted) without overlaps."""
    merged: list[tuple[int, int]] = []
    for begin, end in spans:
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged
