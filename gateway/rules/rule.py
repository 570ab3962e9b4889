"""What a rules file says, read: rules with their actions, examples, departments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any, Literal

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import AfterValidator, field_validator, model_validator
from pydantic import Field as Setting

from gateway.config.settings import Means, Section
from gateway.model.danish_time import WEEKDAYS
from gateway.model.decision import Action, ActionKind, Direction
from gateway.model.inbound import DeliveryMode
from gateway.rules.language import Condition, tests_of
from gateway.rules.templates import Template

Mode = Literal["aktiv", "skygge", "fra"]
Next = Literal["fortsæt", "stop"]
Address = Annotated[
    str,
    Setting(pattern=r"^[^@\s]{1,64}@[A-Za-z0-9.-]{1,255}$"),
    Means("a mail address such as loen@skole.example.dk"),
]
DepartmentName = Annotated[str, Setting(pattern=r"^[a-z0-9-]{1,64}$"), Means("the name of a department")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something stands."""

    file: str
    row: int | None = None
    """Line, from 1."""

    def __str__(self) -> str:
        return self.file if self.row is None else f"{self.file}:{self.row}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An action as written; its texts may have places to fill in."""

    kind: ActionKind
    target: str | Template
    settings: tuple[tuple[str, str | Template], ...] = ()
    rule: str
    by: str = ""
    ready: Action | None = field(init=False)
    """The action itself, where nothing is to be filled in."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "ready", None if self.templates else self.fill({}))

    @property
    def group(self) -> str:
        """What it decides: ``way`` (where the item goes), ``archive``, ``approve``, ``notify``, or
        ``set.KEY``. The first rule that matches decides each group.
        """
        if self.kind in ("send", "forward", "hold", "reject"):
            return "way"
        return f"set.{_text(self.target)}" if self.kind == "set" else self.kind

    @property
    def templates(self) -> list[Template]:
        """The texts to fill in."""
        return [part for part in (self.target, *(value for _, value in self.settings)) if isinstance(part, Template)]

    def fill(self, values: Mapping[str, object]) -> Action:
        """The action with *values* in its texts. Raises gateway.rules.templates.Unfilled."""
        return Action(
            kind=self.kind,
            target=_filled(self.target, values),
            settings=tuple((key, _filled(value, values)) for key, value in self.settings),
            rule=self.rule,
            by=self.by,
        )


def _filled(part: str | Template, values: Mapping[str, object]) -> str:
    return part if isinstance(part, str) else part.fill(values)


def _text(part: str | Template) -> str:
    return part if isinstance(part, str) else part.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """An item stored beside a rule, and what is expected of it."""

    name: str
    facts: Mapping[str, Any] | None = field(default=None, repr=False)
    """Facts that differ from a usual item; None if *mail* is set."""
    mail: str | None = None
    """A file beside the rules."""
    matches: bool = True
    """Whether the rule it stands at matches."""
    then: tuple[Action, ...] | None = None
    """Exactly the actions of the decision; None: not said."""
    rule: str | None = None
    """The rule that decides where it goes; None: not said."""
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One link of the chain."""

    id: str
    """Stable; the trail and the log name it."""
    name: str
    """For people."""
    direction: Direction = "outbound"
    mode: Mode = "aktiv"
    first: date | None = None
    """Danish day of receipt from which it applies; None: always."""
    last: date | None = None
    """The last such day; None: for ever."""
    when: Condition | None = None
    """None: everything."""
    unless: Condition | None = None
    """The exception."""
    then: tuple[Wanted, ...]
    next: Next | None = None
    """``fortsæt``: what it decides stays open for later rules; ``stop``: no later rule is asked."""
    examples: tuple[Example, ...] = ()
    place: Place

    @property
    def groups(self) -> frozenset[str]:
        """What its actions decide."""
        return frozenset(wanted.group for wanted in self.then)

    @property
    def captures(self) -> frozenset[str]:
        """Names that its patterns give to parts of what they find."""
        return frozenset(name for test in tests_of(self.when) for name in test.captures)

    def applies_on(self, day: date) -> bool:
        """Whether *day* is within its dates."""
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)


class Absence(Section):
    """Days on which a department does not read its post."""

    first: date
    last: date

    @field_validator("last")
    @classmethod
    def _in_order(cls, value: date, info: Any) -> date:
        if "first" in info.data and value < info.data["first"]:
            raise ValueError("last is before first")
        return value


def _for_encryption(text: str) -> str:
    """*text*, if mail can be encrypted for it. Raises ValueError."""
    certificate = x509.load_pem_x509_certificate(text.encode())
    if not isinstance(certificate.public_key(), rsa.RSAPublicKey):
        raise ValueError("expected an RSA key")  # noqa: TRY004  (pydantic wants a ValueError)
    return text


class Department(Section):
    """Who gets forwarded post, and how."""

    name: str = Setting(min_length=1, max_length=100)
    """For people."""
    addresses: tuple[Address, ...] = Setting(min_length=1)
    """Mail addresses, each gets it."""
    delivery: DeliveryMode = "auto"
    """``vedhaeft``: the documents are attached; ``link``: only that there is post, and where; ``auto``: attached where
    that is safe and not too large, else a link; ``smime``: attached, and encrypted for `certificate` besides. Never
    unencrypted."""
    certificate: Annotated[str, AfterValidator(_for_encryption), Means("a certificate (PEM) with an RSA key")] | None = None
    """S/MIME certificate of the department's mailbox."""
    server: Annotated[str, Setting(pattern=r"^[A-Za-z0-9.-]{1,255}:[0-9]{1,5}$"), Means('a server such as "mx.example.dk:25"')] | None = None
    """Its mail server, reached directly over TLS; not set: `[mail]`."""
    hide_subject: bool = False
    """The title stands only inside the mail, not in its subject."""
    substitute: DepartmentName | None = None
    """Gets it while this one is absent."""
    hours: Annotated[str, Setting(pattern=r"^\d\d:\d\d-\d\d:\d\d$"), Means('hours such as "08:00-16:00"')] | None = None
    """When somebody is there; post outside of them is forwarded all the same, but not reminded of."""
    weekdays: tuple[Literal[WEEKDAYS], ...] = WEEKDAYS[:5]  # type: ignore[valid-type]
    absent: tuple[Absence, ...] = ()
    """Holidays, and other days away."""

    @model_validator(mode="after")
    def _smime_needs_a_certificate(self) -> Department:
        if self.delivery == "smime" and self.certificate is None:
            raise ValueError('delivery = "smime" needs certificate')
        return self
