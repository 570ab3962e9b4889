"""Mass containers ``.tar.lzma``: many messages in one transmission (reference, digital-post.md, section 1.8).

Written and read as a stream. The same messages give the same bytes: no clock, no owner. The compression is the
old LZMA "alone", not .xz, with a dictionary of 16 MiB: the size stands nowhere, an end mark does.
"""

from __future__ import annotations

import io
import lzma
import re
import tarfile
from collections.abc import Generator
from typing import IO, Any, BinaryIO, Protocol

from gateway.digital_post.content import Out
from gateway.errors import MemoUnreadable

_FILTERS: list[dict[str, Any]] = [{"id": lzma.FILTER_LZMA1, "preset": 1, "dict_size": 16 << 20}]
"""Preset 1: what is inside is base64 of deflated pages, which harder trying makes hardly smaller."""
_DICTIONARY = 160 << 20
"""Bytes of memory for reading: dictionaries of up to 128 MiB."""
_NAME = re.compile(r"([0-9a-fA-F]{8}-[0-9a-fA-F]{4}-4[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12})\.xml")
_BLOCK = 1 << 18


class Body(Protocol):
    """The bytes of one message."""

    def read(self, size: int = -1, /) -> bytes:
        """Raises MemoUnreadable."""


class ContainerWriter:
    """Messages on their way into a container; *out* gets its bytes as they come."""

    def __init__(self, out: Out) -> None:
        self._packed = _Packed(out)
        self._tar = tarfile.open(fileobj=self._packed, mode="w|", format=tarfile.PAX_FORMAT, bufsize=10_240)  # noqa: SIM115 - closed by ``close``

    @property
    def size_bytes(self) -> int:
        """Written so far, compressed; what is still being compressed is not counted."""
        return self._packed.size_bytes

    def add(self, uuid: str, size_bytes: int, body: BinaryIO) -> None:
        """One message; exactly *size_bytes* of *body*."""
        entry = tarfile.TarInfo(f"{uuid}.xml")
        entry.size = size_bytes
        entry.mode = 0o600
        self._tar.addfile(entry, body)

    def close(self) -> None:
        """Write the end; nothing may be added any more."""
        self._tar.close()
        self._packed.finish()


class _Packed(io.RawIOBase):
    """Compresses what the tar writes."""

    def __init__(self, out: Out) -> None:
        self._out = out
        self._compressor = lzma.LZMACompressor(format=lzma.FORMAT_ALONE, filters=_FILTERS)
        self.size_bytes = 0

    def write(self, block: Any, /) -> int:
        self._put(self._compressor.compress(bytes(block)))
        return len(block)

    def finish(self) -> None:
        self._put(self._compressor.flush())

    def _put(self, packed: bytes) -> None:
        if packed:
            self._out.write(packed)
            self.size_bytes += len(packed)


def read_container(
    packed: BinaryIO, *, most: int = 10_000, largest: int = 100_000_000, total: int = 20_000_000_000
) -> Generator[tuple[str, Body], None, None]:
    """UUID and bytes of each message; the bytes must be read before the next one is asked for.

    Args:
        most: messages.
        largest: bytes of one.
        total: bytes of all, unpacked.

    Raises:
        MemoUnreadable: it is no such container, is cut short, or is beyond one of the bounds.
    """
    seen: set[str] = set()
    try:
        with tarfile.open(fileobj=_Unpacked(packed, total), mode="r|", bufsize=10_240) as tar:
            for entry in tar:
                name = _NAME.fullmatch(entry.name)
                if name is None or not entry.isreg():
                    raise MemoUnreadable(what="samlefil: en post, der ikke er en meddelelse")
                uuid = name[1].lower()
                if entry.size > largest or len(seen) == most or uuid in seen:
                    raise MemoUnreadable(what="samlefil: for stor, for mange eller to med samme navn")
                seen.add(uuid)
                body = tar.extractfile(entry)
                assert body is not None
                yield uuid, _Body(body)
    except tarfile.TarError:
        raise _broken() from None


class _Body:
    """The bytes of one message, with our errors."""

    def __init__(self, inside: IO[bytes]) -> None:
        self._inside = inside

    def read(self, size: int = -1, /) -> bytes:
        try:
            return self._inside.read(size)
        except tarfile.TarError:
            raise _broken() from None


class _Unpacked(io.RawIOBase):
    """What the tar reads: never more than was asked for is unpacked."""

    def __init__(self, packed: BinaryIO, total: int) -> None:
        self._packed = packed
        self._decompressor = lzma.LZMADecompressor(format=lzma.FORMAT_ALONE, memlimit=_DICTIONARY)
        self._left = total

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        size = _BLOCK if size < 0 else size
        found = bytearray()
        while len(found) < size and not self._decompressor.eof:
            block = self._packed.read(_BLOCK) if self._decompressor.needs_input else b""
            if self._decompressor.needs_input and not block:
                raise _broken()
            try:
                found += self._decompressor.decompress(block, size - len(found))
            except lzma.LZMAError:
                raise _broken() from None
        self._left -= len(found)
        if self._left < 0:
            raise MemoUnreadable(what="samlefil: for stor")
        return bytes(found)


def _broken() -> MemoUnreadable:
    return MemoUnreadable(what="samlefil: kan ikke pakkes ud")


def only(packed: BinaryIO, wanted: set[str], out: Out) -> int:
    """Write a container with those of *packed*'s messages that are *wanted* (UUIDs, lower case); how many there were.

    Raises MemoUnreadable: as ``read_container``.
    """
    writer = ContainerWriter(out)
    count = 0
    for uuid, body in read_container(packed):
        if uuid in wanted:
            content = body.read()
            writer.add(uuid, len(content), io.BytesIO(content))
            count += 1
    writer.close()
    return count
