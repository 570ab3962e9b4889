"""The rules of Digital Post beyond the schema (reference, digital-post.md, sections 1.4 to 1.6 and 3).

Codes with a known name are the real ones (section 2.7). Where the real code has not been seen the
sandbox answers ``memo.invalid``, or for limits a name of its own, marked so in the table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from gateway.sandbox.memo_tables import ACTIONS, EXTENSIONS, FORBIDDEN_IN_NAMES
from gateway.sandbox.memo_types import is_uuid4

# An authority's message may have ten files attached to its main document (BEK, section 3).
MOST_ATTACHED_FILES = 10

Broken = tuple[str, str, str]
"""Receipt code, name of the rule, sentence."""


@dataclass(slots=True)
class Header:
    """Leaves of the header that rules and inboxes need, by ``Parent/name``."""

    leaves: dict[str, str] = field(default_factory=dict, repr=False)
    contact_points: list[str] = field(default_factory=list)

    def note(self, path: str, text: str) -> None:
        self.leaves[path] = text
        if path == "ContactPoint/contactPointID":
            self.contact_points.append(text)

    def get(self, name: str, parent: str = "MessageHeader") -> str:
        """The text, or ``""`` when the message does not have it."""
        return self.leaves.get(f"{parent}/{name}", "")

    def is_true(self, name: str) -> bool:
        return self.get(name).strip() in ("true", "1")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """One File of a message, unpacked."""

    name: str = field(repr=False)
    media_type: str
    path: Path
    size_bytes: int
    sha256: str


@dataclass(slots=True)
class Document:
    """A main, additional or technical document, as far as it has been read."""

    kind: str
    files: list[FileFacts] = field(default_factory=list)
    actions: list[dict[str, str]] = field(default_factory=list)
    """Each with the leaves of the action and its entry point, and the elements it has."""
    _described: dict[str, str] = field(default_factory=dict, repr=False)

    def describe_file(self, name: str, text: str) -> None:
        self._described[name] = text

    def finish_file(self, *, path: Path, size_bytes: int, sha256: str) -> None:
        name, media_type = self._described["filename"], self._described["encodingFormat"].strip()
        self.files.append(
            FileFacts(
                name=name, media_type=media_type, path=path, size_bytes=size_bytes, sha256=sha256
            )
        )
        self._described = {}


def broken_rules(header: Header, documents: Sequence[Document]) -> tuple[Broken, ...]:
    """Every rule the message breaks, in the order of the message."""
    broken = [*_header_rules(header)]
    broken += _body_rules(header, documents)
    for document in documents:
        for file in document.files:
            broken += _file_rules(file)
        for action in document.actions:
            broken += _action_rules(action)
    return tuple(broken)


def _header_rules(header: Header) -> Iterator[Broken]:
    if not header.get("label").strip():
        yield "memo.invalid", "title", "the label of the message is empty"
    for parent, leaf in (("Sender", "senderID"), ("Recipient", "recipientID")):
        kind = header.get("idType", parent).strip()
        form = _ID_FORMS.get(kind)
        if form is None:
            yield "memo.invalid", "id type", f"{parent}/idType is not CPR or CVR"
        elif not form.fullmatch(header.get(leaf, parent).strip()):
            yield (
                "memo.invalid",
                "id form",
                f"{parent}/{leaf} does not have the form of a {kind} number",
            )
    if not all(map(is_uuid4, header.contact_points)):
        yield (
            "contact.point.id.format.not.allowed",
            "contact point",
            "a contactPointID is not a UUID",
        )


_ID_FORMS = {"CPR": re.compile(r"[0-9]{10}", re.ASCII), "CVR": re.compile(r"[0-9]{8}", re.ASCII)}


def _body_rules(header: Header, documents: Sequence[Document]) -> Iterator[Broken]:
    if header.get("messageType") == "NEMSMS":
        if not header.get("notification").strip():
            yield "empty.notification.not.allowed", "notification", "a NemSMS needs a notification"
        if documents:
            yield "memo.invalid", "body", "a NemSMS has no MessageBody"
    elif not documents:
        yield "memo.invalid", "body", "MessageBody is missing"
    attached = sum(
        len(document.files) for document in documents if document.kind != "memo:MainDocument"
    )
    if attached > MOST_ATTACHED_FILES:
        # The real code has not been seen; the name is the sandbox's own.
        yield (
            "too.many.files.not.allowed",
            "files",
            f"{attached} files are attached; {MOST_ATTACHED_FILES} may be",
        )


def _file_rules(file: FileFacts) -> Iterator[Broken]:
    if FORBIDDEN_IN_NAMES & set(file.name):
        yield "memo.invalid", "file name", "a filename has a forbidden character"
    stem, _, extension = file.name.rpartition(".")
    if not stem or extension.lower() not in EXTENSIONS:
        yield (
            "file.extension.not.allowed",
            "extension",
            "a filename has an extension that is not allowed",
        )
    if file.size_bytes == 0:
        yield "file.empty.not.allowed", "empty file", "a file is empty"


def _action_rules(action: dict[str, str]) -> Iterator[Broken]:
    needed = ACTIONS.get(action.get("memo:actionCode", ""))
    if needed is None:
        yield "memo.invalid", "action code", "an actionCode is not in the code list"
    elif needed not in action:
        yield "memo.invalid", "action", f"an Action lacks {needed.removeprefix('memo:')}"
    if "memo:EntryPoint" in action and not _is_https(action.get("memo:url", "")):
        yield "memo.invalid", "url", "an EntryPoint/url is not an absolute https:// address"


def _is_https(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and bool(parts.hostname)
    except ValueError:
        return False
