"""A letter: one sender, one recipient, one main document, attachments. Danish: brev."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from gateway.model.identity import Recipient

Role = Literal["main", "attachment"]

COPY_PREFIX = "Kopi: "
"""Begins the title of a copy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One file, by content."""

    name: str = field(repr=False)
    """File name as the recipient sees it; safe by the rules of the channel."""
    media_type: str
    digest: str  # SHA-256, 64 lower-case hex digits
    size_bytes: int
    role: Role
    pages: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """One earlier message of a correspondence, as an answer names it. MeMo: ReplyData."""

    message_uuid: str
    """The message that the correspondence began with."""
    reply_uuid: str | None = None
    """The answer to it that this entry is about; None: the first message itself."""
    message_id: str | None = None
    case: str | None = field(default=None, repr=False)
    """The other side's case."""
    contact_point: str | None = None
    system: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the submitter asked for, from subject tags, flow or sidecar."""

    case: str | None = None
    """Number of the case to archive in. Danish: sag."""
    plan: str | None = None
    """Place in the journal plan. Danish: journalplan."""
    reply_allowed: bool | None = None
    """None: as the flow says."""
    deliver_from: date | None = None
    reply_by: datetime | None = None
    expires: datetime | None = None
    """Not sent after this. Danish: udløber."""
    document_type: str | None = None
    sender_label: str | None = field(default=None, repr=False)
    """The sender's name as the recipient sees it; a rule may say another."""
    actions: tuple[str, ...] | None = None
    """Of ``send`` and ``archive``: what may be done with it, of all that the rules want. None: all of it."""
    sidecar: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Fields that only rules ask about."""
    thread: tuple[Earlier, ...] = ()
    """Set: the letter answers post to us, the latest message last."""
    contact_point: str | None = None
    """Of the recipient, that the letter goes to; named by the message that is answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One recipient's letter. A copy (kopimodtager) is a letter of its own."""

    submission_id: str
    index: int  # from 1; reading the same bytes twice gives the same index
    recipient: Recipient
    copy: bool = False
    title: str = field(repr=False)
    documents: tuple[Document, ...] = field(repr=False)
    options: Options = Options()
    flow: str = "default"
    address: str = field(default="", repr=False)
    """The address it was sent to, number masked."""

    def __post_init__(self) -> None:
        if sum(document.role == "main" for document in self.documents) != 1:
            raise ValueError("a letter has exactly one main document")

    @property
    def id(self) -> str:
        """``F-2026-7K3Q-M2XD.1``: derived, so that reading twice makes no twins."""
        return f"{self.submission_id}.{self.index}"

    @property
    def main(self) -> Document:
        return next(document for document in self.documents if document.role == "main")

    @property
    def attachments(self) -> tuple[Document, ...]:
        return tuple(document for document in self.documents if document.role == "attachment")

    @property
    def size_bytes(self) -> int:
        return sum(document.size_bytes for document in self.documents)
