"""What we write back. A notice never answers a notice, a bounce or an automatic reply."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

# No display name, no quoting, no IP literal: nothing that two servers may read in two ways.
ADDRESS_FORM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,255}", re.ASCII)
"""Addresses we write to."""

NoticeKind = Literal["received", "held", "final", "conflict", "rule"]
"""``rule``: a rule wanted somebody told; to him, and not to the submitter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a submission or a letter is not going on; as stored, and as told."""

    code: str
    title: str
    sentence: str
    remedy: str
    private: str = field(default="", repr=False)
    """Only for the submitter's own eyes, such as a file name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterLine:
    """One letter in a notice."""

    recipient: str
    """Masked."""
    copy: bool
    status: str
    """A Status code."""
    archive: str
    """A Status code."""
    case: str | None
    attachments: int
    settled_at: datetime | None
    refusal: Refusal | None = None
    pages: str = ""
    """Of a merged file: ``7`` or ``7-9``."""
    why: str = ""
    """Which evidence named its recipient, as in ``model.batch.Piece``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleNote:
    """What a rule wants told about one letter. The title is not: whoever reads it may not be meant to."""

    rule: str
    """Name of the rule."""
    text: str = field(repr=False)
    """Of the rule; may be empty."""
    letter: str
    """Id of the letter."""
    submitter: str
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One mail to one submitter about one submission."""

    id: str
    kind: NoticeKind
    to: str = field(repr=False)
    submission_id: str
    title: str = field(repr=False)
    in_reply_to: str = field(default="", repr=False)
    """Message-ID of the mail it answers, without brackets."""
    letters: tuple[LetterLine, ...] = ()
    refusal: Refusal | None = None
    notes: tuple[str, ...] = field(default=(), repr=False)
    """Things the submitter should know: a signature image was left out."""
    rule: RuleNote | None = None
    """Of kind ``rule``."""
