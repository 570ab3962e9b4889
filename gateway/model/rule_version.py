"""Rule sets as they are kept: immutable versions, and who made which of them decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from gateway.model.decision import Decision, Facts

ActivationKind = Literal["first", "activate", "rollback"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleVersion:
    """One rule set, for ever."""

    version: str
    """First 12 hexadecimal digits of the SHA-256 of its content."""
    number: int
    """1, 2, 3 … in the order they were first activated; for people."""
    files: Mapping[str, str] = field(repr=False)
    """Text of each file, by its name in the rules folder."""
    made_at: datetime
    author: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """Somebody made a version the one that decides, or asked for it."""

    version: str
    number: int
    at: datetime
    author: str
    kind: ActivationKind
    state: Literal["pending", "active", "past", "withdrawn"]
    """``pending``: waits for a second person; ``past``: another one came after it."""
    approver: str | None = None
    approved_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A rule that was stopped because it matched far more than it used to."""

    rule: str
    at: datetime
    seen: int
    """Matches of that day when it was stopped."""
    usual: int
    """The median of its days before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastDecision:
    """A decision as it was stored, with what happened to its item since."""

    id: int
    item: str
    """Id of the letter."""
    recipient: str = ""
    """Masked; empty where it was not asked for."""
    at: datetime
    facts: Facts = field(repr=False)
    decision: Decision
    acted: str | None = None
    """What a person did to the item afterwards: the verb of the last audit line
    (release, discard, hold, handled, retry), or None."""
