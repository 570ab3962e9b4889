"""What one sidecar asks for: one letter, and its copies. Danish: forsendelse."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from gateway.model.identity import Recipient
from gateway.model.letter import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A document as the sidecar names it."""

    file: str = field(repr=False)
    """Base name, as written."""
    role: Role | None = None
    """None: not said; the first that can be the main document is it."""
    title: str | None = field(default=None, repr=False)
    sha256: str | None = None
    size_bytes: int | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """All fields of one sidecar, or of one line of a list, in their own types."""

    reference: str | None = field(default=None, repr=False)
    recipient: Recipient | None = None
    recipient_name: str | None = field(default=None, repr=False)
    copies: tuple[Recipient, ...] = ()
    subject: str = field(default="", repr=False)
    documents: tuple[Named, ...] = ()
    actions: frozenset[str] | None = None
    """Of ``send`` and ``archive``; None: the rules decide."""
    case: str | None = field(default=None, repr=False)
    case_title: str | None = field(default=None, repr=False)
    plan: str | None = None
    document_type: str | None = None
    unit: str | None = field(default=None, repr=False)
    sender_label: str | None = field(default=None, repr=False)
    reply_allowed: bool | None = None
    confidential: str | None = None
    deliver_from: datetime | None = None
    expires: datetime | None = None
    receipt_to: str | None = field(default=None, repr=False)
    again: bool = False
    """Send although its reference was used before (gensend)."""
    trial: bool = False
    split: str | None = None
    """Name of the flow that divides its merged file; ``ingen``: it is one letter whatever the account's flow says."""
    batch: str | None = None
    batch_count: int | None = None
    partly: bool = False
    """Lines without faults go although others have some (batch.politik = delvis)."""
    extra: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    line: int | None = None
    """Where it begins in a list."""
    notes: tuple[str, ...] = ()
    """Danish sentences for the receipt: what was guessed, what was left out."""
