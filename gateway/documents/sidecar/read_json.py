"""JSON with lines, strictly by RFC 8259: numbers stay text, doubled names stay doubled, depth is bounded.

Python's own reader tells no lines and turns numbers into numbers; only its scanner of strings is used.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from json import JSONDecodeError
from json.decoder import scanstring  # type: ignore[attr-defined]  # the stub leaves it out
from typing import NoReturn

from gateway.documents.sidecar.tree import LIMITS, Entry, Node, Series, Table, Text, unreadable

_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WORDS = {"true": "truth", "false": "truth", "null": "null"}
_WORD = re.compile(r"true|false|null")
_QUOTE = "Skriv tal som CPR-numre i anførselstegn, og afslut filen, hvor den skal."


def read_json(text: str, file: str) -> Node:
    """The one value in *text*. ``null`` is an empty text.

    Raises:
        SidecarRefused: not JSON, or beyond the limits; tells the line, never what stood there.
    """
    reading = _Reading(text, file)
    at = reading.space(0)
    node, at = reading.value(at, 1)
    if reading.space(at) != len(text):
        reading.fail(at, "der står mere efter slutningen")
    return node


class _Reading:
    """One text, and how much has been found in it."""

    def __init__(self, text: str, file: str) -> None:
        self._text, self._file = text, file
        self._breaks = [found.start() for found in re.finditer("\n", text)]
        self._nodes = 0

    def value(self, at: int, depth: int) -> tuple[Node, int]:
        """The value that begins at *at*, and where it ends."""
        self._nodes += 1
        if depth > LIMITS.depth:
            self.fail(at, f"der er over {LIMITS.depth} lag", mend="Brug formen fra skabelon/.")
        if self._nodes > LIMITS.nodes:
            self.fail(at, f"der er over {LIMITS.nodes} værdier", mend="Del listen på flere filer.")
        sign = self._text[at : at + 1]
        if sign == "{":
            return self._table(at, depth)
        if sign == "[":
            return self._series(at, depth)
        if sign == '"':
            value, end = self._string(at)
            return Text(value, self._line(at)), end
        return self._bare(at)

    def space(self, at: int) -> int:
        found = _SPACE.match(self._text, at)
        assert found is not None
        return found.end()

    def fail(self, at: int, what: str, *, mend: str = _QUOTE) -> NoReturn:
        unreadable(self._file, "JSON", what, mend=mend, line=self._line(at))

    def _table(self, at: int, depth: int) -> tuple[Node, int]:
        line, entries = self._line(at), []
        at = self.space(at + 1)
        if self._text[at : at + 1] == "}":
            return Table((), line), at + 1
        while True:
            if self._text[at : at + 1] != '"':
                self.fail(at, "et feltnavn skal stå i anførselstegn")
            begin = at
            key, at = self._string(at)
            at = self._sign(self.space(at), ":")
            node, at = self.value(self.space(at), depth + 1)
            entries.append(Entry(key, self._line(begin), node))
            at = self.space(at)
            if self._text[at : at + 1] == "}":
                return Table(tuple(entries), line), at + 1
            at = self.space(self._sign(at, ","))

    def _series(self, at: int, depth: int) -> tuple[Node, int]:
        line, items = self._line(at), []
        at = self.space(at + 1)
        if self._text[at : at + 1] == "]":
            return Series((), line), at + 1
        while True:
            node, at = self.value(at, depth + 1)
            items.append(node)
            at = self.space(at)
            if self._text[at : at + 1] == "]":
                return Series(tuple(items), line), at + 1
            at = self.space(self._sign(at, ","))

    def _string(self, at: int) -> tuple[str, int]:  # noqa: RET503 - fail never returns
        try:
            value, end = scanstring(self._text, at + 1, True)
        except JSONDecodeError as error:
            where = error.pos
        else:
            return str(value), int(end)
        self.fail(where, "en tekst er ikke skrevet rigtigt eller ikke afsluttet")

    def _bare(self, at: int) -> tuple[Node, int]:
        word = _WORD.match(self._text, at)
        if word is not None:
            kind = _WORDS[word[0]]
            value = Text("", self._line(at)) if kind == "null" else Text(word[0], self._line(at), "truth")
            return value, word.end()
        number = _NUMBER.match(self._text, at)
        if number is None:
            self.fail(at, "her skulle stå en værdi")
        return Text(number[0], self._line(at), "number"), number.end()

    def _sign(self, at: int, wanted: str) -> int:
        if self._text[at : at + 1] != wanted:
            self.fail(at, f"her skulle stå »{wanted}«")
        return at + 1

    def _line(self, at: int) -> int:
        return bisect_right(self._breaks, at - 1) + 1
