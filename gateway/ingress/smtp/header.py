"""The header block of a mail, as far as the door needs it: pure, no decoding, no guessing.

What the parts of a mail mean is for ``gateway.documents``; here we ask who says it is from, which
id it carries, whether it has been here before, and what makes it the same mail when it comes again.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

from gateway.documents.head import one_address

# A longer Message-ID is no key but an attack; such mail is known by its content instead.
LONGEST_REFERENCE = 500

# What stays the same when a mail server hands the same mail over again by another road: trace
# headers (Received, Return-Path, Authentication-Results, ARC-…, DKIM-…) do not.
_STABLE = frozenset((b"from", b"to", b"cc", b"subject", b"date", b"message-id", b"mime-version"))
_FIELD = re.compile(rb"[!-9;-~]+")
_PRINTABLE = re.compile(rb"[!-~]+")


@dataclass(frozen=True, slots=True)
class Header:
    """Fields in order; names in lower case, values unfolded and stripped."""

    fields: tuple[tuple[bytes, bytes], ...] = field(repr=False)
    sound: bool
    """False: a line was neither a field nor the continuation of one."""

    def values(self, name: bytes) -> list[bytes]:
        """All values of the field *name* (lower case)."""
        return [value for field_name, value in self.fields if field_name == name]


def header_end(top: bytes | bytearray, start: int = 0) -> int | None:
    """Where the body begins, after the empty line; None if the empty line is not in *top* yet.

    Args:
        start: what lies before was looked at already.
    """
    if top[:2] == b"\r\n":
        return 2
    found = top.find(b"\r\n\r\n", max(0, start - 3))
    return found + 4 if found >= 0 else None


def read_header(block: bytes) -> Header:
    """The fields in *block*: everything before the body, its line ends all CR LF."""
    fields: list[tuple[bytes, list[bytes]]] = []
    sound = True
    for line in block.split(b"\r\n"):
        if not line:
            continue
        name, colon, value = line.partition(b":")
        if line[:1] in b" \t":
            # Gathered and joined once: adding to a long value again and again takes its square.
            if fields:
                fields[-1][1].append(line.strip())
            sound = sound and bool(fields)
        elif colon and _FIELD.fullmatch(name.rstrip(b" \t")):
            # A space before the colon is wrong, but programs exist that read such a field.
            fields.append((name.rstrip(b" \t").lower(), [value.strip()]))
        else:
            sound = False
    unfolded = tuple((name, b" ".join(parts).strip()) for name, parts in fields)
    return Header(unfolded, sound)


def from_address(header: Header) -> str | None:
    """The one address of the one From field; None if there is not exactly that.

    Read by the pattern that reads the letter later: what we say yes to here is not refused there.
    """
    values = header.values(b"from")
    return one_address(values[0]) if len(values) == 1 and header.sound else None


def message_id(header: Header) -> str | None:
    """The Message-ID without its brackets; None if there is not exactly one that can be a key."""
    values = header.values(b"message-id")
    if len(values) != 1:
        return None
    text = values[0].removeprefix(b"<").removesuffix(b">")
    if len(text) > LONGEST_REFERENCE or not _PRINTABLE.fullmatch(text):
        return None
    return text.decode("ascii")


def identity_of(header: Header) -> hashlib._Hash:
    """A SHA-256 that has seen the stable fields in order; the body is still to be added."""
    digest = hashlib.sha256()
    for name, value in header.fields:
        if name in _STABLE or name.startswith(b"content-"):
            digest.update(name + b":" + value + b"\r\n")
    digest.update(b"\r\n")
    return digest


def goes_in_a_circle(header: Header, *, hops: int, loop_id: str) -> bool:
    """Whether it has passed more than *hops* servers, or carries our own mark."""
    if len(header.values(b"received")) > hops:
        return True
    mark = loop_id.encode("ascii", "replace").lower()
    return any(value.lower() == mark for value in header.values(b"x-loop"))
