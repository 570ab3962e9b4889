"""YAML as strings only: ``0101701234``, ``no`` and ``12:30`` are the texts they were written as. The home of PyYAML.

Only the parser's events are used, never its constructors: no type is guessed, no tag is followed, no anchor
is kept, and a doubled name is seen (sidecar.md, D5 15).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NoReturn

import yaml

from gateway.documents.sidecar.tree import LIMITS, Entry, Node, Series, Table, Text, unreadable

# libyaml's parser where the library has it: ten times as fast, the same events.
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_MEND = "Sæt anførselstegn om tekster med kolon, og ryk ind med mellemrum. skabelon/ har eksempler."
_PLAIN = "Skriv værdien ud, som den er."


def read_yaml(text: str, file: str) -> Node:  # noqa: RET503 - unreadable never returns
    """The one document in *text*; ``~`` and nothing are empty texts.

    Raises:
        SidecarRefused: not YAML, beyond the limits, two documents, or with an anchor, alias or tag.
    """
    reading = _Reading(text, file)
    try:
        return reading.document()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = None if mark is None else mark.line + 1
    except (ValueError, IndexError, OverflowError):
        # PyYAML lets these through on escapes such as "\\UFFFFFFFF".
        line = None
    unreadable(file, "YAML", "filen følger ikke formen", mend=_MEND, line=line)


class _Reading:
    """The events of one text, in their order."""

    def __init__(self, text: str, file: str) -> None:
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=_LOADER)
        self._file = file
        self._nodes = 0

    def document(self) -> Node:
        node: Node | None = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if node is not None:
                    self._fail(event, "der er mere end ét dokument (---)", "Lav én fil for hver forsendelse.")
                if event.tags or event.version:
                    self._fail(event, "der står et direktiv (%)", _PLAIN)
                node = self._node(next(self._events), 1)
        return Text("", 1) if node is None else node

    def _node(self, event: yaml.Event, depth: int) -> Node:
        self._nodes += 1
        line = _line(event)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            self._fail(event, "der står et anker eller en henvisning (& eller *)", _PLAIN)
        if getattr(event, "tag", None) is not None:
            self._fail(event, "der står en type (!)", _PLAIN)
        if depth > LIMITS.depth:
            self._fail(event, f"der er over {LIMITS.depth} lag", "Brug formen fra skabelon/.")
        if self._nodes > LIMITS.nodes:
            self._fail(event, f"der er over {LIMITS.nodes} værdier", "Del listen på flere filer.")
        if isinstance(event, yaml.ScalarEvent):
            plain = event.style is None or event.style == ""
            return Text("" if plain and event.value in ("~", "null") else event.value, line)
        if isinstance(event, yaml.SequenceStartEvent):
            return Series(tuple(self._items(depth)), line)
        return Table(tuple(self._entries(depth)), line)

    def _items(self, depth: int) -> Iterator[Node]:
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            yield self._node(event, depth + 1)

    def _entries(self, depth: int) -> Iterator[Entry]:
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            if not isinstance(key, Text):
                self._fail(event, "et feltnavn skal være en tekst", "Brug formen fra skabelon/.")
            yield Entry(key.value, key.line, self._node(next(self._events), depth + 1))

    def _fail(self, event: yaml.Event, what: str, mend: str) -> NoReturn:
        unreadable(self._file, "YAML", what, mend=mend, line=_line(event))


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark is not None else 1
