"""One look at a dropped file: a control file's wishes, or what a document is. Runs where parsers run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gateway.documents import media, names
from gateway.documents.cpr_text import holds_cpr, mask_cpr
from gateway.documents.pdf.pages import count_pages
from gateway.documents.reading import ReadRules
from gateway.documents.sidecar.read import Asked, Control, control_of, read_control
from gateway.documents.sidecar.tree import LIMITS
from gateway.documents.sidecar.understand import Manner
from gateway.documents.sidecar.whole import whole
from gateway.errors import (
    ContentMismatch,
    CprInFileName,
    EmptyFile,
    FileTypeNotAllowed,
    GatewayError,
    TooLarge,
)

_MB = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look at a file tells. A control file has *control* and *asked*, a document the rest."""

    control: Control | None = None
    asked: Asked | None = None
    whole: bool | None = None
    """See ``whole``; of a document."""
    safe: str = field(default="", repr=False)
    """Name by the channel's rules."""
    media_type: str = ""
    pages: int | None = None
    fault: GatewayError | None = None
    """Why it can be no document of a letter."""


def look(name: str, path: Path, manner: Manner, rules: ReadRules, *, control: Control | None = None) -> Look:
    """What the file called *name*, whose bytes are at *path*, is.

    Args:
        control: what kind of control file to take it for; None: as its name says.
    """
    control = control or control_of(name)
    size = path.stat().st_size
    if control is not None:
        most = LIMITS.manifest_bytes if control.kind == "manifest" else LIMITS.size_bytes
        with path.open("rb") as stream:
            content = stream.read(most + 1)
        asked = read_control(control, content, name, manner)
        if asked.ours:
            return Look(control=control, asked=asked)
    if size > rules.total:
        return Look(fault=TooLarge(size_mb=round(size / _MB), limit_mb=round(rules.total / _MB)), whole=None)
    content = path.read_bytes()
    ends = whole(name, content)
    try:
        safe, media_type, pages = _document(name, content, rules)
    except GatewayError as error:
        return Look(whole=ends, fault=error)
    return Look(whole=ends, safe=safe, media_type=media_type, pages=pages)


def _document(name: str, content: bytes, rules: ReadRules) -> tuple[str, str, int | None]:
    """Safe name, media type and pages. Raises what makes it unfit for the channel."""
    safe = names.safe_name(name)
    if holds_cpr(safe):
        raise CprInFileName(private=mask_cpr(safe))
    if not content:
        raise EmptyFile(private=safe)
    ending = names.extension(safe)
    if media.is_pdf(content) and (not ending or names.hides_its_ending(name) or ending == "bin"):
        stem = safe.removesuffix(".bin")
        safe, ending = names.with_extension(stem, "pdf"), "pdf"
    if ending not in (*rules.main_types, *rules.attachment_types):
        raise FileTypeNotAllowed(private=safe, allowed=", ".join(rules.attachment_types))
    if not media.agrees(ending, content):
        raise ContentMismatch(private=safe)
    pages = _named(lambda: count_pages(content), safe) if ending == "pdf" else None
    return safe, media.MEDIA_TYPES[ending], pages


def _named(count: Callable[[], int], name: str) -> int:
    try:
        return count()
    except GatewayError as error:
        raise type(error)(private=name) from None
