"""XML into a tree of texts, by expat: a document type declaration is refused as it begins, so no entity can
be defined, expanded or fetched; expat opens nothing by itself, and XInclude is an unknown element like any other.

Attributes and child elements mean the same. Encoding is judged before, so expat always reads UTF-8.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn
from xml.parsers import expat

from gateway.documents.sidecar.tree import LIMITS, Entry, Table, Text, unreadable

NAMESPACE = "urn:gateway:forsendelse:1"
FOREIGN = "{}"
"""Begins the name of what stands in a namespace that is neither ours nor none."""
CONTENT = ""
"""The name under which an element's own text stands beside its attributes and children."""

_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_MEND = "Kontrollér, at filen er hel, og at & er skrevet &amp;."


@dataclass(frozen=True, slots=True)
class Root:
    """The outermost element."""

    name: str
    """Local name; ``{}`` before it if its namespace is neither ours nor none."""
    namespace: str
    table: Table = field(repr=False)


def read_xml(text: str, file: str, *, namespaces: frozenset[str] = frozenset({NAMESPACE})) -> Root:  # noqa: RET503 - unreadable never returns
    """The outermost element of *text* and all that is in it.

    Args:
        namespaces: taken for ours; an element without one always is.

    Raises:
        SidecarRefused: not XML, with a document type declaration, or beyond the limits.
    """
    reading = _Reading(file, namespaces)
    try:
        reading.parser.Parse(text.encode("utf-8", "surrogatepass"), True)
    except expat.ExpatError as error:
        line = error.lineno
    else:
        assert reading.root is not None
        return reading.root
    finally:
        reading.close()
    unreadable(file, "XML", "filen følger ikke formen", mend=_MEND, line=line)


@dataclass(slots=True)
class _Open:
    """An element that has begun and not ended."""

    name: str
    line: int
    entries: list[Entry]
    text: list[str] = field(default_factory=list)
    length: int = 0


class _Reading:
    """The parser's events, and what has been understood so far."""

    def __init__(self, file: str, namespaces: frozenset[str]) -> None:
        self._file, self._namespaces = file, namespaces
        self._open: list[_Open] = []
        self._nodes = 0
        self._namespace = ""
        self.root: Root | None = None
        self.parser = expat.ParserCreate("utf-8", " ")
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._begin
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters

    def close(self) -> None:
        """Break the circle parser → handlers → self."""
        self.parser.StartDoctypeDeclHandler = self.parser.StartElementHandler = None
        self.parser.EndElementHandler = self.parser.CharacterDataHandler = None

    def _doctype(self, *_what: object) -> None:
        self._fail("der står en DTD (<!DOCTYPE …>)", "Fjern den.")

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        line = self.parser.CurrentLineNumber
        self._nodes += 1 + len(attributes)
        if len(attributes) > LIMITS.fields:
            self._fail(f"et element har over {LIMITS.fields} attributter", "Brug formen fra skabelon/.")
        if len(self._open) >= LIMITS.depth:
            self._fail(f"der er over {LIMITS.depth} lag", "Brug formen fra skabelon/.")
        if self._nodes > LIMITS.nodes:
            self._fail(f"der er over {LIMITS.nodes} værdier", "Del listen på flere filer.")
        if not self._open:
            self._namespace = name.rpartition(" ")[0]
        said = [
            Entry(self._local(key), line, Text(value, line))
            for key, value in attributes.items()
            if not key.startswith(f"{_XSI} ")
        ]
        self._open.append(_Open(self._local(name), line, said))

    def _end(self, _name: str) -> None:
        ended = self._open.pop()
        text = "".join(ended.text)
        node: Table | Text
        if not ended.entries and self._open:
            node = Text(text, ended.line)
        else:
            own = [] if not text.strip() else [Entry(CONTENT, ended.line, Text(text, ended.line))]
            node = Table((*own, *ended.entries), ended.line, repeats=True)
        if self._open:
            self._open[-1].entries.append(Entry(ended.name, ended.line, node))
        else:
            assert isinstance(node, Table)
            self.root = Root(ended.name, self._namespace, node)

    def _characters(self, text: str) -> None:
        inside = self._open[-1]
        inside.length += len(text)
        if inside.length > LIMITS.text:
            self._fail(f"en tekst er over {LIMITS.text} tegn", "Gør den kortere.")
        inside.text.append(text)

    def _local(self, name: str) -> str:
        namespace, _, local = name.rpartition(" ")
        return local if not namespace or namespace in self._namespaces else f"{FOREIGN}{local}"

    def _fail(self, what: str, mend: str) -> NoReturn:
        unreadable(self._file, "XML", what, mend=mend, line=self.parser.CurrentLineNumber)
