"""Post to us: what came, what was understood of it, and its way to a department."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from gateway.model.identity import Recipient
from gateway.model.letter import Document, Earlier
from gateway.model.submission import Blob, aware, new_id


class InboundStatus(StrEnum):
    """Stable codes of the state of a message to us."""

    NEW = "new"
    INBOX = "inbox"
    DISTRIBUTED = "distributed"
    OPENED = "opened"
    DONE = "done"
    INVALID = "invalid"

    @property
    def danish(self) -> str:
        return _DANISH[self]


_DANISH = {
    InboundStatus.NEW: "Ny",
    InboundStatus.INBOX: "Indbakke",
    InboundStatus.DISTRIBUTED: "Fordelt",
    InboundStatus.OPENED: "Åbnet",
    InboundStatus.DONE: "Behandlet",
    InboundStatus.INVALID: "Ugyldig",
}


def new_inbound_id(at: datetime) -> str:
    """An id of a message to us (modtaget post): ``P-2026-7K3Q-M2XD``."""
    return new_id("P", at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Correspondent:
    """Who wrote to us."""

    kind: Literal["cvr", "cpr"]
    number: str
    """A CVR number; of a person masked."""
    name: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """What was understood of a message. The bytes stay beside it, whatever was understood.

    What a field means to a rule stands in the catalogue of fields, under the same name.
    """

    uuid: str | None = None
    """Of the MeMo message; None: plain mail."""
    title: str = field(repr=False)
    sender: Correspondent
    recipient_cvr: str | None = None
    sent_at: datetime | None = None
    documents: tuple[Document, ...] = field(default=(), repr=False)
    text: str | None = field(default=None, repr=False)
    """Of a message without documents."""
    case: str | None = None
    document_type: str | None = None
    p_number: str | None = None
    contact_point: str | None = None
    attention_person: str | None = field(default=None, repr=False)
    attention_email: str | None = field(default=None, repr=False)
    gln: str | None = None
    rid: str | None = None
    kle: str | None = None
    form: str | None = None
    message_code: str | None = None
    reply_allowed: bool = False
    reply_by: datetime | None = None
    answers: tuple[str, ...] = ()
    """UUIDs of the messages it says it answers, the latest last."""
    forwarded: bool = False
    strays: int = 0
    """Departures from the schema that were forgiven."""

    @property
    def main(self) -> Document | None:
        """The main document; None: a message without any."""
        return next((one for one in self.documents if one.role == "main"), None)

    @property
    def size_bytes(self) -> int:
        return sum(one.size_bytes for one in self.documents)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPost:
    """A message that was fetched, and is about to be written down."""

    mailbox: str
    source_id: str
    """The mailbox's own id; (mailbox, source_id) is unique."""
    channel: Literal["digital-post", "imap"]
    received_at: datetime
    raw: Blob
    post: Post | None
    """None: the bytes could not be understood; they are kept all the same."""
    fault: str | None = None
    """The code of why not."""

    def __post_init__(self) -> None:
        aware(self.received_at)
        if (self.post is None) == (self.fault is None):
            raise ValueError("post was understood, or there is a fault")


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundMessage:
    """Post to us, written down; ours to lose. Danish: modtaget post."""

    id: str
    mailbox: str
    source_id: str
    channel: Literal["digital-post", "imap"]
    received_at: datetime
    raw: Blob
    post: Post


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyTo:
    """What a mail to ``svar+TOKEN@`` answers, and to whom the answer goes."""

    inbound_id: str
    token: str = field(repr=False)
    recipient: Recipient
    title: str = field(repr=False)
    """Of the message that is answered."""
    thread: tuple[Earlier, ...]
    contact_point: str | None = None


DeliveryMode = Literal["auto", "vedhaeft", "link", "smime"]
"""``vedhaeft``: documents attached, only over forced TLS; ``link``: that there is post, and where;
``smime``: documents attached, and the whole mail encrypted for the department besides;
``auto``: attached where that is safe and not too large, else a link."""

ForwardKind = Literal["mail", "archive", "note"]
"""``note``: a mail that a rule wants written about it, which never holds the post itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """One message × one address of a department, or × the archive. Written before the first try."""

    id: str
    """``P-2026-7K3Q-M2XD.1``"""
    kind: ForwardKind
    department: str = ""
    """Its name in the rules; empty: the unit whose letter was answered, or the archive."""
    address: str = field(default="", repr=False)
    mode: DeliveryMode = "auto"
    rule: str = ""
    """Name of the rule, for people."""
    settings: tuple[tuple[str, str], ...] = ()
    """Of the archive: case and plan; of a note: text."""
    token: str = field(repr=False)
    """Names it in addresses and links, and cannot be guessed."""
    created_at: datetime
    tries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwardable:
    """All that forwarding needs."""

    forward: Forward
    message: InboundMessage

    @property
    def id(self) -> str:
        return self.forward.id
