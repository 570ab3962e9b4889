"""Bytes to MeMo, streamed: file contents go block by block into a sink, the rest is small.

The parser is expat, whose events come in the size of the blocks it is fed; a tree builder would
hold the text of a 70 MB element whole. Hostile input: a document type declaration is refused as it
begins, so no entity can be defined, expanded or fetched; expat opens nothing by itself. Size, depth,
number of elements, length of texts and of single tokens are capped.

Reading is generous where meaning is plain (versions 1.0 to 1.2, unknown elements, a wrong order) and
says in ``strays`` what it forgave; whoever must be strict refuses a message with strays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO, cast
from xml.parsers import expat

from gateway.digital_post.content import Base64In, ContentSink
from gateway.digital_post.shape import Child, by_clark, children
from gateway.digital_post.simple import CONTENT
from gateway.digital_post.words import (
    MEMO,
    AdditionalDocument,
    MainDocument,
    MemoVersion,
    Message,
    TechnicalDocument,
    Word,
)
from gateway.errors import MemoUnreadable

_BLOCK = 64 * 1024
_STRAYS = 20
# Encodings expat knows by itself; any other would be looked up by name among Python's codecs.
_ENCODINGS = ("utf-8", "utf-16", "us-ascii", "iso-8859-1")
_VERSIONS = {"1": "1.0", "1.0": "1.0", "1.1": "1.1", "1.2": "1.2"}
# 1.0 had one name for what 1.1 names three ways.
_OLD_NAMES: dict[tuple[type[Word], str], str] = {
    (MainDocument, f"{MEMO} documentID"): f"{MEMO} mainDocumentID",
    (AdditionalDocument, f"{MEMO} documentID"): f"{MEMO} additionalDocumentID",
    (TechnicalDocument, f"{MEMO} documentID"): f"{MEMO} technicalDocumentID",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoLimits:
    """Caps on one message. The largest lawful one is 99.5 MB as sent (reference, section 3)."""

    total_bytes: int = 150_000_000
    elements: int = 20_000
    depth: int = 32
    text: int = 65_536
    """Characters in one element that is not a file; the schema's longest is 512."""
    token_bytes: int = 1_048_576
    """Longest tag, comment or processing instruction, which the parser must hold whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoRead:
    """What stood in the bytes."""

    version: MemoVersion
    message: Message
    strays: tuple[str, ...] = ()
    """What was forgiven: where, in MeMo's names, and what; never a value. At most 20."""


def read_memo(
    stream: BinaryIO,
    *,
    content_sink: Callable[[], ContentSink],
    limits: MemoLimits = MemoLimits(),
) -> MemoRead:
    """The message in *stream*.

    Args:
        content_sink: called once for each file; what its ``commit`` gives becomes ``File.content``.
            Sinks of files read before a fault stay committed; the open one is aborted.

    Raises:
        MemoUnreadable: not XML, not MeMo, or beyond *limits*.
    """
    reading = _Reading(content_sink, limits)
    try:
        _feed(stream, reading, limits)
        return reading.result()
    except expat.ExpatError:
        # Not quoted: expat's texts are harmless, but only its position would be of use.
        raise MemoUnreadable(what="XML") from None
    finally:
        reading.close()


def _feed(stream: BinaryIO, reading: _Reading, limits: MemoLimits) -> None:
    fed = 0
    while block := stream.read(_BLOCK):
        fed += len(block)
        if fed > limits.total_bytes:
            raise MemoUnreadable(what=f"over {limits.total_bytes} byte")
        reading.parser.Parse(block, False)
        if fed - reading.parser.CurrentByteIndex > limits.token_bytes + _BLOCK:
            raise MemoUnreadable(what=f"et led over {limits.token_bytes} byte")
    reading.parser.Parse(b"", True)


@dataclass(slots=True)
class _Open:
    """An element that has begun and not ended."""

    word: type[Word]
    path: str
    values: dict[str, Any] = field(default_factory=dict)
    place: int = 0
    """Place of the latest child in the schema's order."""


class _Reading:
    """The parser's events, and what has been understood so far."""

    def __init__(self, content_sink: Callable[[], ContentSink], limits: MemoLimits) -> None:
        self._content_sink, self._limits = content_sink, limits
        self._open: list[_Open] = []
        self._leaf: Child | None = None
        self._text: list[str] = []
        self._text_length = 0
        self._content: Base64In | None = None
        self._skipped = 0
        """Depth inside an element we do not know."""
        self._elements = 0
        self._version: str | None = None
        self._message: Message | None = None
        self._strays: list[str] = []
        self.parser = expat.ParserCreate(None, " ")
        self.parser.buffer_text = True
        self.parser.buffer_size = _BLOCK
        self.parser.XmlDeclHandler = self._declared
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._begin
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters

    def result(self) -> MemoRead:
        if self._message is None or self._version is None:
            raise MemoUnreadable(what="ingen Message")
        return MemoRead(
            version=cast("MemoVersion", self._version),
            message=self._message,
            strays=tuple(self._strays),
        )

    def close(self) -> None:
        """Drop a file that was not read to its end; break the circle parser → handlers → self."""
        if self._content is not None:
            self._content.sink.abort()
        self.parser.StartElementHandler = self.parser.EndElementHandler = None
        self.parser.CharacterDataHandler = self.parser.XmlDeclHandler = None
        self.parser.StartDoctypeDeclHandler = None

    # ── events ──────────────────────────────────────────────────────────────

    def _declared(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() not in _ENCODINGS:
            raise MemoUnreadable(what="tegnsæt")

    def _doctype(self, *_what: object) -> None:
        raise MemoUnreadable(what="DTD")

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > self._limits.elements:
            raise MemoUnreadable(what=f"over {self._limits.elements} elementer")
        if not self._open:
            self._root(name, attributes)
        elif self._skipped or self._leaf is not None:
            self._skip("et element, hvor der skal stå tekst")
        else:
            self._child(name)

    def _end(self, _name: str) -> None:
        if self._skipped:
            self._skipped -= 1
        elif self._leaf is not None:
            self._end_leaf(self._leaf)
        else:
            self._end_word()

    def _characters(self, text: str) -> None:
        if self._skipped:
            return
        if self._content is not None:
            self._content.take(text)
        elif self._leaf is None:
            if not text.isspace():
                self._stray(self._open[-1].path, "tekst mellem elementer")
        else:
            self._text_length += len(text)
            if self._text_length > self._limits.text:
                raise MemoUnreadable(what=f"en tekst over {self._limits.text} tegn")
            self._text.append(text)

    # ── what they mean ──────────────────────────────────────────────────────

    def _root(self, name: str, attributes: dict[str, str]) -> None:
        if name != f"{MEMO} Message":
            raise MemoUnreadable(what="ikke MeMo")
        self._version = _VERSIONS.get(attributes.get("memoVersion", "").strip())
        if self._version is None:
            raise MemoUnreadable(what="ukendt version")
        if ("memoSchVersion" in attributes) == (self._version == "1.2"):
            self._stray("Message", "memoSchVersion passer ikke til versionen")
        self._open.append(_Open(Message, "Message"))

    def _child(self, name: str) -> None:
        inside = self._open[-1]
        name = _OLD_NAMES.get((inside.word, name), name) if self._version == "1.0" else name
        found = by_clark(inside.word).get(name)
        if found is None:
            self._stray(inside.path, "et ukendt element")
            self._skip("")
            return
        place, child = found
        self._judge(inside, place, child)
        inside.place = place
        if child.word is None:
            self._begin_leaf(child)
        else:
            self._open.append(_Open(child.word, f"{inside.path}/{child.name}"))

    def _judge(self, inside: _Open, place: int, child: Child) -> None:
        where = f"{inside.path}/{child.name}"
        seen = len(inside.values.get(child.field, ())) if child.many else child.field in inside.values
        if place < inside.place:
            self._stray(where, "forkert rækkefølge")
        if child.most is not None and seen >= child.most:
            self._stray(where, f"mere end {child.most} gange")
        if self._version not in child.versions:
            self._stray(where, "findes ikke i versionen")

    def _begin_leaf(self, child: Child) -> None:
        self._leaf = child
        self._text, self._text_length = [], 0
        if child.simple is CONTENT:
            self._content = Base64In(self._content_sink())

    def _end_leaf(self, child: Child) -> None:
        value: Any
        if self._content is not None:
            value = self._content.finish()
            self._content = None
        else:
            value = self._simple(child, "".join(self._text))
        self._leaf = None
        self._keep(child, value)

    def _simple(self, child: Child, text: str) -> Any:
        assert child.simple is not None
        try:
            return child.simple.read(text)
        except ValueError:
            where = f"{self._open[-1].path}/{child.name}"
            raise MemoUnreadable(what=f"{where}: ikke {child.simple.name}") from None

    def _end_word(self) -> None:
        ended = self._open.pop()
        missing = [
            child.name
            for child in children(ended.word)
            if child.least and child.field not in ended.values
        ]
        if missing:
            raise MemoUnreadable(what=f"{ended.path}/{missing[0]}: mangler")
        word = ended.word(**ended.values)
        if not self._open:
            self._message = cast("Message", word)
            return
        self._keep(by_clark(self._open[-1].word)[f"{word.NAMESPACE} {type(word).__name__}"][1], word)

    def _keep(self, child: Child, value: Any) -> None:
        """The first of what may stand once; all of what may stand often."""
        values = self._open[-1].values
        if child.many:
            values[child.field] = (*values.get(child.field, ()), value)
        else:
            values.setdefault(child.field, value)

    def _skip(self, why: str) -> None:
        if why and not self._skipped:
            self._stray(self._open[-1].path, why)
        self._skipped += 1
        if self._skipped > self._limits.depth:
            raise MemoUnreadable(what=f"over {self._limits.depth} lag")

    def _stray(self, where: str, what: str) -> None:
        if len(self._strays) < _STRAYS:
            self._strays.append(f"{where}: {what}")
