"""A document inside a message: base64 text in, bytes on the disk out, never whole in memory."""

from __future__ import annotations

import binascii
import hashlib
from pathlib import Path
from typing import IO


class Base64File:
    """The base64 text of one File, decoded to disk as it comes (xs:base64Binary)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] = path.open("wb")
        self._digest = hashlib.sha256()
        self._size_bytes = 0
        self._rest = b""
        self._ended = False

    def feed(self, text: str) -> None:
        """The next piece of text; white space in it does not count. Raises ValueError."""
        try:
            new = text.encode("ascii")
        except UnicodeEncodeError:
            raise ValueError("not base64") from None
        block = self._rest + new.translate(None, b" \t\r\n")
        whole = len(block) // 4 * 4
        self._rest = block[whole:]
        if whole:
            self._decode(block[:whole])

    def finish(self) -> tuple[int, str]:
        """Size in bytes and SHA-256 (hex) of the document. Raises ValueError: the text was cut short."""
        self.close()
        if self._rest:
            raise ValueError("not base64")
        return self._size_bytes, self._digest.hexdigest()

    def close(self) -> None:
        self._file.close()

    def _decode(self, block: bytes) -> None:
        if self._ended:
            raise ValueError("not base64")
        self._ended = block.endswith(b"=")
        try:
            decoded = binascii.a2b_base64(block, strict_mode=True)
        except binascii.Error:
            raise ValueError("not base64") from None
        self._digest.update(decoded)
        self._size_bytes += len(decoded)
        self._file.write(decoded)
