"""Two forms that systems write already: KOMBIT's ``.trigger`` and Blanketmotor's form files (sidecar.md, D7).

Both are XML of somebody else's making; we look for the fields we know anywhere in it, and leave the rest alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.documents.sidecar.fields import field_named
from gateway.documents.sidecar.read_xml import CONTENT, FOREIGN
from gateway.documents.sidecar.tree import Entry, Node, Series, Table, Text, folded

_TRIGGER = {"filename": "fil", "sizeinbytes": "bytes"}
_NOT_OURS = ("type", "name", "id", "label", "dokument", "dokumenter", "files", "document", "documents", "bilag", "test", "action", "case", "sender", "version")
"""Aliases that mean something else in other people's files."""


def from_trigger(table: Table) -> Table:
    """A ``.trigger`` as a sidecar: the file it names with its size, the sender's id, and fields we know.

    ``Recipients`` names systems, not people, unless it says ``cpr:`` or ``cvr:``.
    """
    document: list[Entry] = []
    entries: list[Entry] = []
    for entry in _leaves(table):
        plain = folded(_local(entry.key))
        value = entry.node
        assert isinstance(value, Text)
        if plain in _TRIGGER:
            document.append(Entry(_TRIGGER[plain], entry.line, value))
        elif plain in ("recipients", "recipient"):
            if value.value.strip().lower().startswith(("cpr:", "cvr:")):
                entries.append(Entry("modtager", entry.line, value))
        elif (found := _ours(plain)) is not None:
            entries.append(Entry(found, entry.line, value))
    if document:
        entries.append(Entry("dokumenter", document[0].line, Series((Table(tuple(document), document[0].line),), document[0].line)))
    return Table(tuple(entries), table.line)


def from_form(table: Table) -> Table:
    """A form's XML as a sidecar without documents: those come with its marker."""
    entries = [
        Entry(found, entry.line, entry.node)
        for entry in _leaves(table)
        if (found := _ours(folded(_local(entry.key)))) is not None
    ]
    return Table(tuple(entries), table.line)


def _leaves(node: Node) -> Iterator[Entry]:
    """Every text in *node*, under the name right above it."""
    if not isinstance(node, Table):
        return
    for entry in node.entries:
        if isinstance(entry.node, Text):
            if entry.key != CONTENT and entry.node.value.strip():
                yield entry
        else:
            inner = entry.node
            if isinstance(inner, Table) and inner.entries and inner.entries[0].key == CONTENT:
                yield Entry(entry.key, entry.line, inner.entries[0].node)
            yield from _leaves(inner)


def _ours(plain: str) -> str | None:
    if plain in _NOT_OURS:
        return None
    field = field_named(plain)
    return field.name if field is not None and field.kind != "documents" else None


def _local(key: str) -> str:
    return key.removeprefix(FOREIGN)
