"""File contents as base64, in and out, block by block."""

from __future__ import annotations

import binascii
import hashlib
from typing import BinaryIO, Protocol

from gateway.errors import MemoUnreadable, VaultDamaged
from gateway.model.submission import Blob

# A multiple of 3 bytes becomes base64 without padding, so blocks can be written one after another.
_BLOCK = 3 * 64 * 1024


class Out(Protocol):
    """Where the bytes go: an open file, or a writer of the vault."""

    def write(self, block: bytes, /) -> object: ...


class ContentSink(Protocol):
    """Takes one file's bytes; ``ports.BlobWriter`` is one."""

    def write(self, block: bytes) -> None: ...

    def commit(self) -> Blob: ...

    def abort(self) -> None: ...


def read_block(stream: BinaryIO, size_bytes: int) -> bytes:
    """Up to *size_bytes* of stored bytes; empty at their end. Raises VaultDamaged if the disk fails."""
    try:
        return stream.read(size_bytes)
    except OSError:
        raise VaultDamaged() from None


def write_content(named: Blob, stream: BinaryIO, out: Out) -> None:
    """The bytes of *stream* as base64. A wrong letter is worse than none: they are checked on the way.

    Raises VaultDamaged if they are not the bytes *named*; some of them are written by then.
    """
    digest, size, rest = hashlib.sha256(), 0, b""
    while block := read_block(stream, _BLOCK):
        digest.update(block)
        size += len(block)
        block = rest + block
        rest = block[len(block) - len(block) % 3 :]
        out.write(binascii.b2a_base64(block[: len(block) - len(rest)], newline=False))
    out.write(binascii.b2a_base64(rest, newline=False))
    if size != named.size_bytes or digest.hexdigest() != named.digest:
        raise VaultDamaged()


class Base64In:
    """The text of a ``content`` element on its way into a sink."""

    def __init__(self, sink: ContentSink) -> None:
        self.sink = sink
        self._rest = b""
        self._ended = False

    def take(self, text: str) -> None:
        try:
            block = self._rest + text.encode("ascii").translate(None, b" \t\r\n")
            whole = len(block) - len(block) % 4
            self._rest = block[whole:]
            self._decode(block[:whole])
        except ValueError:
            raise MemoUnreadable(what="content: ikke base64") from None

    def finish(self) -> Blob:
        if self._rest:
            raise MemoUnreadable(what="content: afbrudt base64")
        return self.sink.commit()

    def _decode(self, block: bytes) -> None:
        if not block:
            return
        if self._ended:
            raise ValueError("text after the padding")
        self._ended = block.endswith(b"=")
        self.sink.write(binascii.a2b_base64(block, strict_mode=True))
