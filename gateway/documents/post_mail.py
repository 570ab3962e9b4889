"""A mail that carries post to us, taken apart: documents, MeMo messages, or neither.

Runs in a process of its own, see ``gateway.documents.process``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

from gateway.documents import headers, media, names
from gateway.documents.files import keep
from gateway.documents.head import Head, read_head
from gateway.documents.mime import Part, take_apart
from gateway.documents.reading import ReadRules
from gateway.documents.subject import plain_subject
from gateway.errors import NoDocument, NotALetter


@dataclass(frozen=True, slots=True, kw_only=True)
class MailFile:
    """A file of the mail; its bytes lie in the scratch folder under its digest."""

    name: str = field(repr=False)
    media_type: str
    digest: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PostMail:
    """What a mail to a mailbox of ours carries."""

    subject: str = field(repr=False)
    sender: str = field(repr=False)
    """As its From says; nobody proved it."""
    sent_at: datetime | None
    files: tuple[MailFile, ...] = field(repr=False)


def read_post_mail(raw: Path, rules: ReadRules, scratch: Path) -> PostMail:
    """The mail in the file *raw*.

    Raises:
        NotALetter: a report about other mail, or a mail of our own.
        NoDocument: it carries no file at all.
        TooComplex, DamagedMail and the other refusals of ``take_apart``.
    """
    head = read_head(raw, rules)
    if head.fault is not None:
        raise head.fault
    if rules.loop_id.lower() in head.words("x-loop"):
        raise NotALetter(what="egen mail")
    pieces = take_apart(raw, rules)
    files = tuple(_kept(part, scratch) for part in pieces.files)
    if not files:
        raise NoDocument()
    return PostMail(
        subject=plain_subject(next(iter(head.all("subject")), b""))[: rules.title],
        sender=headers.text(next(iter(head.all("from")), b"")).strip()[:256],
        sent_at=_sent_at(head),
        files=files,
    )


def _kept(part: Part, scratch: Path) -> MailFile:
    content = part.content()
    digest = keep(content, scratch)
    name = names.safe_name(part.name)
    kind = "application/pdf" if media.is_pdf(content) else part.kind
    return MailFile(name=name, media_type=kind, digest=digest, size_bytes=len(content))


def _sent_at(head: Head) -> datetime | None:
    try:
        found = parsedate_to_datetime(headers.decode(next(iter(head.all("date")), b"")).strip())
        return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None
