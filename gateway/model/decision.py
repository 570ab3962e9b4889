"""What the rules saw and what they decided: facts, actions, trail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from gateway.model.submission import aware

Reach = Literal["registered", "exempt", "closed", "unknown", "unavailable"]
"""Whether Digital Post reaches a recipient. ``unavailable``: the look-up failed, which says nothing."""

Direction = Literal["outbound", "inbound"]

FactValue = str | int | bool | datetime | tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The flat value rules may see, of post out and of post in. Never a CPR number.

    A field that does not apply, or is not known, is None. What each means stands in the catalogue
    (``gateway.rules.language.FIELDS``), field by field under the same name.
    """

    direction: Direction = "outbound"
    channel: str
    received_at: datetime
    subject: str = field(repr=False)
    text: str | None = field(default=None, repr=False)
    """Of the main document; only if the rules ask for it. Never stored with the facts."""
    media_type: str
    """Of the main document."""
    document_type: str | None = None
    file_name: str | None = field(default=None, repr=False)
    """Of the main document, numbers masked."""
    file_names: tuple[str, ...] = field(default=(), repr=False)
    """Of all documents, numbers masked."""
    document_count: int
    pages: int | None
    size_bytes: int
    case: str | None

    # Time, in Denmark; derived from received_at when the facts are made.
    time_of_day: str = "00:00"
    """``HH:MM``."""
    weekday: str = "mandag"
    bank_day: bool = True

    # Outbound.
    submitter: str = ""
    submitter_kind: str = ""
    account: str | None = None
    flow: str = "default"
    address: str = ""
    """Masked."""
    folder: str | None = None
    sidecar: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Fields of the sidecar that are nobody else's, by name, numbers masked."""
    recipient_kind: str = ""
    reach: Reach | None = None
    copy: bool = False
    reply_allowed: bool | None = None
    copies: int = 0
    """Letters of the same submission that are copies."""
    letters: int = 1
    """Letters of the same submission, this one among them."""
    refused_by: tuple[str, ...] = ()
    """Destinations that refused this letter before; for fallback."""
    refused_code: tuple[str, ...] = ()
    """Their codes, in the same order."""

    # Inbound.
    sender_kind: str | None = None
    sender_id: str | None = None
    """A CVR number; None for a person."""
    sender_name: str | None = field(default=None, repr=False)
    recipient_cvr: str | None = None
    p_number: str | None = None
    contact_point: str | None = None
    attention_person: str | None = field(default=None, repr=False)
    attention_email: str | None = field(default=None, repr=False)
    gln: str | None = None
    rid: str | None = None
    kle: str | None = None
    form: str | None = None
    message_code: str | None = None
    reply_to_ours: bool = False
    forwarded: bool = False

    def __post_init__(self) -> None:
        aware(self.received_at)


ActionKind = Literal["send", "archive", "forward", "hold", "reject", "approve", "notify", "set"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing a rule wants done, its texts filled in.

    ``target`` is the destination for send and archive, the department for forward, the reason for
    hold, reject and approve, whom to tell for notify, the key for set; ``settings`` are the action's
    own words (case, plan, text, value, keys).
    """

    kind: ActionKind
    target: str
    settings: tuple[tuple[str, str], ...] = ()
    rule: str = ""
    """Id of the rule it came from."""
    by: str = ""
    """Name of that rule, for people."""

    def setting(self, name: str) -> str | None:
        """The setting called *name*."""
        return next((value for key, value in self.settings if key == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """What was asked and answered, as it is kept: one bit for each condition of the rule set.

    ``RuleSet.explain`` of the same version makes it readable. Kept compact because every letter has
    one: a set of 200 rules takes a hundred bytes, not a hundred lines.
    """

    asked: int = 0
    """Bit *n*: condition *n* of the set was asked."""
    answers: int = 0
    """Bit *n*: the answer was yes."""
    matched: int = 0
    """Bit *n*: link *n* of the chain matched."""
    acted: int = 0
    """Bit *n*: link *n* gave an action."""
    closed: int = 0
    """Bit *n*: link *n* came to nothing, since all it decides was decided before."""
    reached: int = 0
    """Links the chain came to before it ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One condition of one rule: what was asked, what was seen, the answer. A tree."""

    word: Literal["test", "all", "any", "not"] = "test"
    field: str = ""
    operator: str = ""
    expected: str = ""
    seen: str = ""
    """Masked; long values cut."""
    answer: bool | None
    """None: not asked, an earlier part had decided."""
    parts: tuple[Asked, ...] = ()
    """Of all, any and not."""


StepState = Literal["matched", "not matched", "closed", "overruled", "shadow", "off", "not reached"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One rule in the trail, readable."""

    rule: str
    name: str
    state: StepState
    """``closed``: what it decides was decided before; ``off``: its mode or dates; ``overruled``: a
    person released the letter from it; ``shadow``: it matched and only says what it would have done."""
    when: Asked | None = None
    unless: Asked | None = None
    actions: tuple[Action, ...] = ()
    """Those of this rule that took effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """What would have happened if the rules in shadow mode had acted."""

    rule: str
    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is to be done with an item, and why. The chain always decides."""

    rule: str
    """Id of the rule that decided where the item goes."""
    actions: tuple[Action, ...]
    version: str
    """Of the rule set."""
    trail: Trail = Trail()
    shadow: Shadow | None = None
    """None: the rules in shadow mode would have changed nothing."""
