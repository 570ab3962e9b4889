"""Judges one MeMo message in a single pass over its file, and unpacks the documents on the way.

Streaming (expat) and bounded: a document of 70 MB never stands in memory; texts are cut off soon
after their limit. Schema faults end the reading; the rules beyond the schema (reference,
digital-post.md, sections 1.5, 1.6 and 3) are all collected. Nothing said here quotes a value.
One module, although longer than most, because it is one state machine over one parser's events.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn
from xml.parsers import expat

from gateway.sandbox.base64_file import Base64File
from gateway.sandbox.memo_rules import Document, FileFacts, Header, broken_rules
from gateway.sandbox.memo_tables import (
    ATTRIBUTES,
    CONTENTS,
    NAMESPACES,
    TEXT,
    TYPES,
    Contents,
    Particle,
)
from gateway.sandbox.memo_types import is_of_type

_READ_BYTES = 256 * 1024
# Longer than any text of the schema (512), so that "too long" is seen without keeping all of it.
_TEXT_KEPT = 1024
_PREFIX = {uri: prefix for prefix, uri in NAMESPACES.items()}
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_SCHEMA_HINTS = (f"{_XSI} schemaLocation", f"{_XSI} noNamespaceSchemaLocation")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why a message is refused: the code of the receipt, the rule, and a sentence without values."""

    code: str
    rule: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was read, as far as it could be, and what is wrong with it (nothing: deliver it)."""

    malformed: Fault | None = None
    """Not XML, or not a MeMo message at all: answered at once with 400."""
    schema: Fault | None = None
    rules: tuple[Fault, ...] = ()
    version: str = ""
    header: Header = field(default_factory=Header)
    files: tuple[FileFacts, ...] = ()

    @property
    def faults(self) -> tuple[Fault, ...]:
        first = tuple(fault for fault in (self.malformed, self.schema) if fault)
        return first + self.rules


def judge(memo: Path, unpack_to: Path) -> Verdict:
    """Read the message in *memo*; its documents are written to *unpack_to* (made if missing)."""
    unpack_to.mkdir(parents=True, exist_ok=True)
    reading = _Reading(unpack_to)
    malformed = schema = None
    try:
        reading.run(memo)
    except _Malformed as fault:
        malformed = fault.fault
    except _AgainstSchema as fault:
        schema = fault.fault
    finally:
        reading.close()
    whole = malformed is None and schema is None
    rules = broken_rules(reading.header, reading.documents) if whole else ()
    return Verdict(
        malformed=malformed,
        schema=schema,
        rules=tuple(
            Fault(code=code, rule=rule, sentence=sentence) for code, rule, sentence in rules
        ),
        version=reading.version,
        header=reading.header,
        files=tuple(file for document in reading.documents for file in document.files),
    )


class _Malformed(Exception):
    def __init__(self, rule: str, sentence: str) -> None:
        self.fault = Fault(code="memo.malformed", rule=rule, sentence=sentence)


class _AgainstSchema(Exception):
    def __init__(self, rule: str, sentence: str) -> None:
        self.fault = Fault(code="memo.invalid", rule=rule, sentence=sentence)


@dataclass(slots=True)
class _Open:
    """An element whose end has not been read."""

    name: str
    particles: tuple[Particle, ...] | None
    """None: a leaf, which holds text."""
    at: int = 0
    seen: int = 0
    text: list[str] = field(default_factory=list)
    length: int = 0


class _Reading:
    """One pass. Element names carry the prefixes of memo_tables, whatever the message calls them."""

    def __init__(self, unpack_to: Path) -> None:
        self.header = Header()
        self.documents: list[Document] = []
        self.version = ""
        self._unpack_to = unpack_to
        self._contents: Contents = {}
        self._open: list[_Open] = []
        self._content: Base64File | None = None
        self._parser = self._expat()

    def run(self, memo: Path) -> None:
        try:
            with memo.open("rb") as file:
                _check_encoding(file.read(4))
                file.seek(0)
                while block := file.read(_READ_BYTES):
                    self._parser.Parse(block, False)
                self._parser.Parse(b"", True)
        except expat.ExpatError as error:
            # Only where: expat's texts are fixed, but the line would be the sender's.
            raise _Malformed("well-formed", f"not well-formed XML (line {error.lineno})") from None

    def close(self) -> None:
        """Break the circle between us and expat's handlers, and close what is half unpacked."""
        if self._content:
            self._content.close()
        self._parser.StartElementHandler = None
        self._parser.EndElementHandler = None
        self._parser.CharacterDataHandler = None
        self._parser.StartDoctypeDeclHandler = None
        self._parser.XmlDeclHandler = None

    def _expat(self) -> Any:
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.buffer_size = 64 * 1024
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._doctype
        parser.XmlDeclHandler = self._declaration
        return parser

    def _doctype(self, *_: object) -> NoReturn:
        # Entities are defined there: bombs and file reading (XXE). A MeMo message has none.
        raise _Malformed("no DOCTYPE", "a DOCTYPE is not allowed")

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.upper() != "UTF-8":
            raise _Malformed("encoding", "the encoding must be UTF-8")

    def _start(self, expanded: str, attributes: dict[str, str]) -> None:
        name = _short(expanded)
        if not self._open:
            self._start_message(name, attributes)
        else:
            _check_attributes(name, attributes, {})
            self._check_place(name)
        self._open.append(_Open(name, self._contents.get(name)))
        if name in ("memo:MainDocument", "memo:AdditionalDocument", "memo:TechnicalDocument"):
            self.documents.append(Document(kind=name))
        elif name == "memo:Action":
            self.documents[-1].actions.append({})
        elif name in ("memo:Reservation", "memo:EntryPoint"):
            self._note_choice(name)
        elif name == "memo:content":
            self._content = Base64File(self._unpack_to / str(self._files_so_far() + 1))

    def _note_choice(self, name: str) -> None:
        """Reservation or EntryPoint, never both (xs:choice)."""
        action = self._last_action()
        if "memo:Reservation" in action:
            raise _AgainstSchema("order", f"{_told(name)} is not allowed here")
        action[name] = ""

    def _start_message(self, name: str, attributes: dict[str, str]) -> None:
        if name != "memo:Message":
            raise _Malformed("root", "the root element is not a MeMo Message")
        self.version = attributes.get("memoVersion", "").strip()
        if self.version not in CONTENTS:
            raise _AgainstSchema("version", "memoVersion is not 1.1 or 1.2")
        _check_attributes(name, attributes, ATTRIBUTES[self.version])
        self._contents = CONTENTS[self.version]

    def _check_place(self, name: str) -> None:
        """Step on in the parent's sequence to *name*; strict order (xs:sequence)."""
        parent = self._open[-1]
        if parent.particles is None:
            raise _AgainstSchema("structure", f"{_told(parent.name)} holds text, no elements")
        while parent.at < len(parent.particles):
            particle = parent.particles[parent.at]
            if particle.name == name and (particle.most is None or parent.seen < particle.most):
                parent.seen += 1
                return
            if parent.seen < particle.least:
                raise _AgainstSchema(
                    "order", f"{_told(name)} is not allowed here; expected {_told(particle.name)}"
                )
            parent.at, parent.seen = parent.at + 1, 0
        raise _AgainstSchema("order", f"{_told(name)} is not allowed here")

    def _end(self, _expanded: str) -> None:
        closed = self._open.pop()
        if closed.particles is not None:
            self._check_complete(closed)
        elif self._content:
            self._end_content()
        else:
            self._end_leaf(closed.name, "".join(closed.text), closed.length)

    def _check_complete(self, closed: _Open) -> None:
        assert closed.particles is not None
        missing = [
            particle.name
            for index, particle in enumerate(closed.particles[closed.at :], closed.at)
            if particle.least > (closed.seen if index == closed.at else 0)
        ]
        if missing:
            raise _AgainstSchema(
                "missing", f"{_told(closed.name)} ends without {_told(missing[0])}"
            )

    def _text(self, text: str) -> None:
        if not self._open:
            return
        here = self._open[-1]
        if here.particles is not None:
            if text.strip(" \t\r\n"):
                raise _AgainstSchema("structure", f"{_told(here.name)} holds elements, no text")
        elif self._content:
            self._feed_content(text)
        else:
            here.length += len(text)
            if here.length <= _TEXT_KEPT:
                here.text.append(text)

    def _end_leaf(self, name: str, text: str, length: int) -> None:
        kind = TYPES.get(name, TEXT)
        if length > _TEXT_KEPT or not is_of_type(text, kind):
            raise _AgainstSchema(
                "type", f"{_told(name)} is not a {kind} (it is {length} characters)"
            )
        parent = self._open[-1].name
        if parent in ("memo:MessageHeader", "memo:Sender", "memo:Recipient", "memo:ContactPoint"):
            self.header.note(f"{parent[5:]}/{name[5:]}", text)
        elif parent == "memo:File":
            self.documents[-1].describe_file(name[5:], text)
        elif parent in ("memo:Action", "memo:EntryPoint") and self.documents:
            self._last_action()[name] = text.strip()

    def _feed_content(self, text: str) -> None:
        assert self._content is not None
        try:
            self._content.feed(text)
        except ValueError:
            raise _AgainstSchema("type", "'content' is not base64") from None

    def _end_content(self) -> None:
        assert self._content is not None
        content, self._content = self._content, None
        try:
            size_bytes, sha256 = content.finish()
        except ValueError:
            raise _AgainstSchema("type", "'content' is not base64") from None
        self.documents[-1].finish_file(path=content.path, size_bytes=size_bytes, sha256=sha256)

    def _last_action(self) -> dict[str, str]:
        return self.documents[-1].actions[-1]

    def _files_so_far(self) -> int:
        return sum(len(document.files) for document in self.documents)


def _check_encoding(first: bytes) -> None:
    """Refuse UTF-16: expat would follow its mark, whatever the declaration says; MeMo is UTF-8."""
    if first[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in first:
        raise _Malformed("encoding", "the encoding must be UTF-8")


def _check_attributes(name: str, given: Iterable[str], known: Mapping[str, bool]) -> None:
    names = {attribute for attribute in given if attribute not in _SCHEMA_HINTS}
    if names - set(known):
        raise _AgainstSchema("attribute", f"{_told(name)} has an attribute that is not allowed")
    if any(must and attribute not in names for attribute, must in known.items()):
        raise _AgainstSchema("attribute", f"{_told(name)} lacks an attribute")


def _short(expanded: str) -> str:
    """``{uri} local`` with the prefix of memo_tables; foreign names become ``?``."""
    uri, _, local = expanded.rpartition(" ")
    prefix = _PREFIX.get(uri)
    return f"{prefix}:{local}" if prefix else "?"


def _told(name: str) -> str:
    return "an element of another namespace" if name == "?" else f"'{name.removeprefix('memo:')}'"
