"""What a sidecar's bytes hold before anybody asks what it means: texts, tables and series, with their lines.

Every format is read into this and no further, so a number stays the text it was written as: a CPR number
whose zero a reader would drop never meets one. Faults of all fields are collected, not raised one by one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NoReturn

from gateway.errors import Fault, GatewayError, SidecarRefused, SidecarUnreadable

_DANISH = str.maketrans({"æ": "ae", "ø": "oe", "å": "aa"})
_IGNORED = re.compile(r"[\s_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Caps on one sidecar or manifest (security.md, section 2.7)."""

    size_bytes: int = 1024 * 1024
    manifest_bytes: int = 5 * 1024 * 1024
    depth: int = 20
    fields: int = 200
    """In one letter's sidecar, and columns of a list."""
    nodes: int = 250_000
    """Texts, tables and series in one file."""
    items: int = 10_000
    """Letters that one manifest may list."""
    text: int = 10_000
    """Characters in one value."""
    faults: int = 100
    """Faults that are told; more are counted."""


LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Text:
    """A value as it was written."""

    value: str = field(repr=False)
    line: int
    kind: Literal["text", "number", "truth"] = "text"
    """``number`` and ``truth`` only in JSON, which tells them apart."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A name and what stands under it."""

    key: str = field(repr=False)
    line: int
    node: Node = field(repr=False)


@dataclass(frozen=True, slots=True)
class Table:
    """Names with values, in order; a name may stand twice, which whoever reads it must judge."""

    entries: tuple[Entry, ...] = field(repr=False)
    line: int
    repeats: bool = False
    """In XML a list is an element that is repeated."""


@dataclass(frozen=True, slots=True)
class Series:
    """Values in a row."""

    items: tuple[Node, ...] = field(repr=False)
    line: int


Node = Text | Table | Series


@dataclass(slots=True)
class Faults:
    """Faults of one file, as they are found."""

    file: str = field(repr=False)
    found: list[Fault] = field(default_factory=list)
    count: int = 0

    def add(self, error: GatewayError, field: str = "", line: int | None = None) -> None:
        """Note a fault; past the limit it only counts."""
        self.count += 1
        if len(self.found) < LIMITS.faults:
            self.found.append(Fault(error=error, file=self.file, field=field, line=line))

    def refuse(self) -> None:
        """Raise SidecarRefused if there are any, in the order of their lines."""
        if self.found:
            raise refusal(sorted(self.found, key=lambda fault: fault.line or 0), count=self.count)


def refusal(faults: Sequence[Fault], *, count: int | None = None) -> SidecarRefused:
    """All of *faults* as one error. *count*: how many there were, if some are left out."""
    lines = "\n".join(said(fault) for fault in faults)
    return SidecarRefused(private=lines, faults=tuple(faults), count=count or len(faults))


def said(fault: Fault) -> str:
    """A fault in one Danish line for the system's own eyes: file, line, field, what, and what to do."""
    places = [fault.file, f"linje {fault.line}" if fault.line else "", f"felt {fault.field}" if fault.field else ""]
    where = ", ".join(place for place in places if place)
    named = f" (»{fault.error.private}«)" if fault.error.private else ""
    return f"{where}: {fault.error.code} {of_files(fault.error.text())}{named} {of_files(fault.error.action())}".strip()


# Sentences of the tree were first written for mail.
_OF_FILES = (
    ("og send mailen igen", "og læg filerne op igen"),
    ("Vedhæft filen igen", "Læg filen op igen"),
    ("En vedhæftet fil", "En fil"),
    ("en vedhæftet fil", "en fil"),
    ("Mailen har intet emne", "Der er intet emne"),
)


def of_files(text: str) -> str:
    """A sentence of the error tree as it is told to a system that drops files."""
    for mail, files in _OF_FILES:
        text = text.replace(mail, files)
    return text


def unreadable(file: str, form: str, what: str, *, mend: str, line: int | None = None) -> NoReturn:
    """Raise that *file* is not what its format says; *what* and *mend* are Danish and quote nothing."""
    error = SidecarUnreadable(format=form, what=what, mend=mend)
    raise refusal([Fault(error=error, file=file, line=line)])


def folded(name: str) -> str:
    """*name* as fields are compared: case, ``-``, ``_``, space and Danish letters do not matter."""
    plain = unicodedata.normalize("NFC", name).casefold().translate(_DANISH)
    return _IGNORED.sub("", plain)


def keys(node: Node) -> Iterable[str]:
    """The folded names directly in *node*; none if it is no table."""
    return [folded(entry.key) for entry in node.entries] if isinstance(node, Table) else []
