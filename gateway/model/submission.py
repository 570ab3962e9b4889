"""What reached us: envelope, arrival, submission, and the ids they carry."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

# Crockford's base 32: no I, L, O, U, so that an id survives being read aloud.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

NoticeWish = Literal["all", "summary", "errors"]
Channel = Literal["smtp", "sftp", "folder", "cli"]
SubmitterKind = Literal["user", "relay", "certificate", "account", "cli"]


def aware(when: datetime) -> datetime:
    """*when*, or ValueError if it has no time zone. Every time in the gateway is aware and in UTC."""
    if when.utcoffset() is None:
        raise ValueError("a time needs a time zone; use datetime.now(UTC)")
    return when


def new_id(kind: str, at: datetime) -> str:
    """An id such as ``F-2026-7K3Q-M2XD``: 40 random bits within the year; the ledger refuses twins.

    Groups of four can never be taken for a CPR number (six digits and four).

    Args:
        kind: the letter it begins with.
    """
    bits = int.from_bytes(secrets.token_bytes(5))
    letters = "".join(_ALPHABET[bits >> shift & 31] for shift in range(0, 40, 5))
    return f"{kind}-{at.year}-{letters[:4]}-{letters[4:]}"


def new_submission_id(at: datetime) -> str:
    """An id of a submission (forsendelse)."""
    return new_id("F", at)


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes in the vault, by content."""

    digest: str  # SHA-256, 64 lower-case hex digits
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitter:
    """Who handed post over, as *proved* by login, certificate or trusted address; never as claimed."""

    kind: SubmitterKind
    name: str
    """Login, name of the relay, or name of the certificate: ours, from the configuration."""
    reply_to: str | None = field(default=None, repr=False)
    """Where notices go; None: nowhere."""
    wish: NoticeWish = "summary"
    system: bool = False
    """A machine account: its X-DigitalPost-* headers are believed (F22)."""

    def key(self) -> str:
        """Unique name of the proved identity. Behind a relay each address is a submitter of its own."""
        if self.kind in ("relay", "certificate"):
            return f"{self.kind}:{self.name}:{self.reply_to or ''}"
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What the transport said."""

    channel: Channel
    submitter: Submitter
    recipients: tuple[str, ...] = field(repr=False)
    """Addresses as given (RCPT TO), order kept; a local part may be a CPR number."""
    remote: str = ""
    """IP address of the peer."""
    automatic: bool = False
    """Null sender: a bounce; kept, never a letter, never answered."""
    received_at: datetime

    def __post_init__(self) -> None:
        aware(self.received_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Envelope and bytes; still the sender's to lose, nobody was told yes."""

    envelope: Envelope
    reference: str = field(repr=False)
    """The sender's own id (Message-ID without brackets), else ``sha256:<identity>``."""
    identity: str
    """SHA-256 over what makes it this letter (not trace headers): same reference, other identity = conflict."""
    size_bytes: int
    raw: bytes | None = field(default=None, repr=False)
    """Small arrivals ride in the ledger's own commit …"""
    blob: Blob | None = None
    """… larger ones are durable in the vault already. Exactly one of the two is set."""

    def __post_init__(self) -> None:
        if (self.raw is None) == (self.blob is None):
            raise ValueError("an arrival has its bytes in one place: raw or blob")


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the ledger did with an arrival."""

    submission_id: str
    """Of the new submission, or of the first one if this is a repeat or a conflict."""
    outcome: Literal["new", "duplicate", "conflict"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """An arrival written down; ours to lose. Danish: forsendelse."""

    id: str
    envelope: Envelope
    reference: str = field(repr=False)
    size_bytes: int
    raw: bytes | None = field(default=None, repr=False)
    blob: Blob | None = None
