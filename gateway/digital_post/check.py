"""May a message be written? Cardinalities, versions, simple types, and the rules no schema carries.

Sources: MeMo_core.xsd 1.1 and its 1.2 derivation; the tightened validation in production since
10 September 2025 (digitaliser.dk, "Øget validering i Digital Post"; reference, section 1.6).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from gateway.digital_post.shape import Child, children
from gateway.digital_post.words import Action, EntryPoint, File, Message, Word

Rules = Literal["today", "schema"]
"""``today``: all that Digital Post asks of new post. ``schema``: only schema and message kinds, for
writing down again post that was made under older rules."""

# Reference, section 1.6; word for word the set of the 2025 validation.
_NOT_IN_FILE_NAMES = re.compile(
    '[<>:"/\\\\|?*\r\n\u00a0\u2000-\u200a\u2028\u205f\u2060\u3000]'
)
_RESERVATION_CODES = ("AFTALE",)
_ENTRY_POINT_CODES = (
    "BETALING", "SELVBETJENING", "INFORMATION", "UNDERSKRIV", "BEKRAEFT", "FORBEREDELSE", "TILMELDING",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Broken:
    """One broken rule: where, in MeMo's own names, and what, in Danish; never the value."""

    element: str
    rule: str


def broken_rules(message: Message, version: str, rules: Rules = "today") -> Iterator[Broken]:
    """Every rule *message* breaks if it were written as MeMo *version*, in document order."""
    yield from _inside(message, "Message", version, rules)
    yield from _kind_of_message(message)


def _inside(word: Word, path: str, version: str, rules: Rules) -> Iterator[Broken]:
    for child in children(type(word)):
        value = getattr(word, child.field)
        present = value if child.many else () if value is None else (value,)
        where = f"{path}/{child.name}"
        yield from _count(child, len(present), where, version)
        for place, each in enumerate(present, 1):
            yield from _value(child, each, f"{where}[{place}]" if child.many else where, version, rules)
    if isinstance(word, Action) and word.reservation and word.entryPoint:
        yield Broken(path, "både Reservation og EntryPoint")
    if rules == "today":
        yield from _BY_WORD.get(type(word), _nothing)(word, path)


def _count(child: Child, count: int, where: str, version: str) -> Iterator[Broken]:
    if count and version not in child.versions:
        yield Broken(where, f"findes ikke i MeMo {version}")
    if not count and child.required(version):
        yield Broken(where, "mangler")
    if child.most is not None and count > child.most:
        yield Broken(where, f"mere end {child.most} gange")


def _value(child: Child, value: Any, where: str, version: str, rules: Rules) -> Iterator[Broken]:
    if child.word is not None:
        yield from _inside(value, where, version, rules)
    elif child.simple is not None and (rule := child.simple.broken(value)):
        yield Broken(where, rule)


def _kind_of_message(message: Message) -> Iterator[Broken]:
    header = message.messageHeader
    if header.messageType == "NEMSMS":
        if not (header.notification or "").strip():
            yield Broken("Message/MessageHeader/notification", "mangler i en NemSMS")
        if message.messageBody is not None:
            yield Broken("Message/MessageBody", "findes ikke i en NemSMS")
    elif message.messageBody is None:
        yield Broken("Message/MessageBody", "mangler")


def _file(file: Any, path: str) -> Iterator[Broken]:
    if isinstance(file.filename, str) and _NOT_IN_FILE_NAMES.search(file.filename):
        yield Broken(f"{path}/filename", "et tegn, som Digital Post ikke tillader i filnavne")
    if file.content.size_bytes == 0:
        yield Broken(f"{path}/content", "tom fil")


def _action(action: Any, path: str) -> Iterator[Broken]:
    if action.actionCode in _RESERVATION_CODES:
        if action.reservation is None:
            yield Broken(f"{path}/Reservation", "mangler")
    elif action.actionCode in _ENTRY_POINT_CODES:
        if action.entryPoint is None:
            yield Broken(f"{path}/EntryPoint", "mangler")
    else:
        yield Broken(f"{path}/actionCode", "ikke en kendt kode")


def _entry_point(entry_point: Any, path: str) -> Iterator[Broken]:
    if not entry_point.url.startswith("https://"):
        yield Broken(f"{path}/url", "ikke en https-adresse")


def _nothing(_word: Any, _path: str) -> Iterator[Broken]:
    yield from ()


_BY_WORD: dict[type[Word], Callable[[Any, str], Iterator[Broken]]] = {
    File: _file,
    Action: _action,
    EntryPoint: _entry_point,
}
