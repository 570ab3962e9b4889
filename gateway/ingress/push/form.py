"""The one file of a multipart form, written as it comes: a message of any size costs one block of memory."""

from __future__ import annotations

from collections.abc import Callable

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

FIELD = b"file"
"""Name of the field that Digital Post sends (reference, digital-post.md, section 2.4)."""


class NotAForm(Exception):
    """The bytes are no form with that one file."""


class OneFile:
    """Takes the body of a form block by block.

    Args:
        content_type: of the request.
        write: gets the bytes of the file.

    Raises:
        NotAForm: here, and from every method.
    """

    def __init__(self, content_type: str, write: Callable[[bytes], object]) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/form-data" or not boundary:
            raise NotAForm
        self._write = write
        self._name = self._value = b""
        self._headers: dict[bytes, bytes] = {}
        self._wanted = self._whole = False
        self._files = 0
        self.name = ""
        """File name, as the other side says it."""
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begins,
                "on_header_field": self._header_name,
                "on_header_value": self._header_value,
                "on_header_end": self._header_ends,
                "on_headers_finished": self._headers_end,
                "on_part_data": self._data,
                "on_end": self._ends,
            },
        )

    def take(self, block: bytes) -> None:
        """The next block of the body."""
        try:
            self._parser.write(block)
        except MultipartParseError:
            raise NotAForm from None

    def end(self) -> None:
        """The body has ended; it must have held the file, whole."""
        if self._files != 1 or not self._whole:
            raise NotAForm

    def _part_begins(self) -> None:
        self._headers = {}

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_ends(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _headers_end(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._wanted = options.get(b"name") == FIELD
        if self._wanted:
            self._files += 1
            if self._files > 1:
                raise NotAForm
            self.name = options.get(b"filename", b"").decode("utf-8", "replace")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._wanted:
            self._write(data[start:end])

    def _ends(self) -> None:
        self._whole = True
