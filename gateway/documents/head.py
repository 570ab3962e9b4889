"""The header of a mail, read from its raw bytes before any parser sees the mail.

Python's parser takes quadratic time on many or long headers and reads some malformed ones as
something else (reference, security.md, S8); so limits are checked first, and whom a mail is from is
judged on our own reading of the header.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from gateway.documents import headers
from gateway.documents.reading import ReadRules
from gateway.errors import DamagedMail, NotALetter, SenderUnclear, SubmitterError, TooComplex

_BLOCK = 1024 * 1024
_END = re.compile(rb"\r?\n\r?\n")
# RFC 5322 allows no space before the colon; some servers read such a line as a header all the same
# ("From :"), so it counts as one. A first line "From …" without a colon is a mailbox separator.
_HEADER = re.compile(rb"([!-9;-~]+)[ \t]*:(.*)", re.DOTALL)
_SEPARATOR = re.compile(rb">?From [^:]*[^: \t].*", re.DOTALL)

# One address, alone or after a display name. Unquoted specials are not guessed at: Python and other
# mail programs disagree on whom "a@good.dk)evil@x" is from (CVE-2023-27043).
_ADDRESS = r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*"
_COMMENT = r"\([^()<>,;:@\\\"]*\)"
_ONE_SENDER = re.compile(
    rf"(?:\"(?:[^\"\\]|\\.)*\"|{_COMMENT}|[^\"<>(),;:@\\])*<({_ADDRESS})>"
    rf"|({_ADDRESS})(?:\s+{_COMMENT})?",
    re.DOTALL,
)
_LIST_HEADERS = frozenset(
    {"list-id", "list-post", "list-unsubscribe", "list-help", "list-subscribe", "list-owner"}
)
_BULK = frozenset({"bulk", "list", "junk", "auto_reply"})


@dataclass(frozen=True, slots=True)
class Head:
    """The headers of a mail in their order: lower-case name and raw value."""

    fields: tuple[tuple[str, bytes], ...] = field(repr=False)
    fault: SubmitterError | None = None
    """The first limit or form the header breaks."""

    def all(self, name: str) -> list[bytes]:
        """Raw values of every header called *name*, in order."""
        return [value for called, value in self.fields if called == name]

    def words(self, name: str) -> set[str]:
        """The first words of the headers called *name*, in lower case."""
        return {headers.parameters(value)[0] for value in self.all(name)}


def read_head(raw: Path, rules: ReadRules) -> Head:
    """The header of the mail in the file *raw*, as far as limits allow it to be read."""
    with raw.open("rb") as file:
        block = file.read(rules.header_bytes + 1)
    end = _END.search(block)
    if block.startswith((b"\n", b"\r\n")):
        block, end = b"", None
    whole = end is not None or len(block) <= rules.header_bytes
    lines, broken = _unfold(block[: end.start()] if end else block)
    fields = tuple(lines)
    return Head(fields, _fault(fields, rules, whole=whole, broken=broken))


def bare_cr(raw: Path) -> bool:
    """Whether a CR without LF stands anywhere: parsers disagree on whether it ends a line."""
    with raw.open("rb") as file:
        before = b""
        while block := file.read(_BLOCK):
            if block.endswith(b"\r"):
                block += file.read(1)
            if block.count(b"\r") != block.count(b"\r\n"):
                return True
            before = block
    return before.endswith(b"\r")


def refuse_automatic(head: Head, rules: ReadRules) -> None:
    """Raise NotALetter for bounces, automatic replies, lists and our own mail (F35, F64)."""
    what = _automatic(head, rules)
    if what is not None:
        raise NotALetter(what=what)


def sender(head: Head) -> str:
    """The one address in the one From header. It is a claim: who submitted, the transport proved.

    Raises:
        SenderUnclear: none, several, or one that mail programs would read differently.
    """
    values = head.all("from")
    found = one_address(values[0]) if len(values) == 1 else None
    if found is None:
        raise SenderUnclear()
    return found


def one_address(value: bytes) -> str | None:
    """The one address in a From header's raw *value*; None for any other number, and for riddles."""
    found = _ONE_SENDER.fullmatch(headers.decode(value))
    return (found[1] or found[2]) if found else None


def _automatic(head: Head, rules: ReadRules) -> str | None:
    """What kind of automatic post this is, in Danish; None if a person or a system wrote it."""
    if rules.loop_id.lower() in head.words("x-loop") or len(head.all("received")) > rules.received:
        return "ring"
    if head.words("auto-submitted") - {"", "no"} or head.all("x-autoreply"):
        return "automatisk svar"
    if head.words("precedence") & _BULK:
        return "masseudsendelse"
    if any(name in _LIST_HEADERS for name, _ in head.fields):
        return "postliste"
    if "multipart/report" in head.words("content-type") or b"<>" in head.all("return-path"):
        return "rapport"
    return None


def _fault(
    fields: tuple[tuple[str, bytes], ...], rules: ReadRules, *, whole: bool, broken: bool
) -> SubmitterError | None:
    if not whole:
        return TooComplex(what="hoveder, bytes", limit=rules.header_bytes)
    if len(fields) > rules.headers:
        return TooComplex(what="hoveder", limit=rules.headers)
    if any(len(name) + len(value) > rules.one_header for name, value in fields):
        return TooComplex(what="ét hoved, bytes", limit=rules.one_header)
    return DamagedMail(defect="hoved") if broken else None


def _unfold(block: bytes) -> tuple[list[tuple[str, bytes]], bool]:
    """The headers in *block*, still folded, and whether it holds a line that is none."""
    found: list[tuple[str, list[bytes]]] = []
    broken = False
    for number, line in enumerate(block.split(b"\n")):
        if line[:1] in (b" ", b"\t") and found:
            found[-1][1].append(line)
            continue
        header = _HEADER.fullmatch(line)
        if header is not None:
            found.append((header[1].decode("ascii").lower(), [header[2]]))
        elif line.strip() and not (number == 0 and _SEPARATOR.fullmatch(line)):
            broken = True
    return [(name, b"\n".join(lines).strip()) for name, lines in found], broken
