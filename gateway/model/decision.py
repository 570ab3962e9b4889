"""What the rules saw and what they decided: facts, actions, trail."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from gateway.model.submission import aware

Reach = Literal["registered", "exempt", "closed", "unknown", "unavailable"]
"""Whether Digital Post reaches a recipient. ``unavailable``: the look-up failed, which says nothing."""

FactValue = str | int | bool | datetime | tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The flat value rules may see. Never a CPR number: recipients only by kind and reach."""

    channel: str
    submitter: str
    submitter_kind: str
    flow: str
    address: str
    """Masked."""
    subject: str = field(repr=False)
    recipient_kind: str
    reach: Reach
    copy: bool
    document_count: int
    media_type: str
    """Of the main document."""
    pages: int | None
    size_bytes: int
    case: str | None
    received_at: datetime
    refused_by: tuple[str, ...] = ()
    """Destinations that refused this letter before; for fallback."""

    def __post_init__(self) -> None:
        aware(self.received_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing a rule wants done.

    ``target`` is the destination for send and archive, the reason for hold and reject; ``settings``
    are the action's own words (case, plan).
    """

    kind: Literal["send", "archive", "hold", "reject"]
    target: str
    settings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One condition of one rule: what was asked, what was seen, the answer."""

    field: str
    operator: str
    expected: str
    seen: str
    """Masked; long values cut."""
    answer: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One rule in the trail."""

    rule: str
    name: str
    matched: bool
    asked: tuple[Asked, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is to be done with a letter, and why. The last link of a chain always decides."""

    rule: str
    """Id of the rule whose link decided."""
    actions: tuple[Action, ...]
    version: str
    """Of the rule set."""
    trail: tuple[Step, ...] = ()
