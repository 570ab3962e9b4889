"""Who may send as whom to which address: pure functions over the settings and what was proved.

Default deny. A header never proves anything; the submitter is a login, a client certificate or an
address that the organisation trusts, and both envelope sender and From must be among what it may
speak for (F21; security reference, section 2.2).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Protocol

from gateway.config.settings import AddressRule, NoticeWish, Settings, Smtp
from gateway.documents.addressing import is_ours, parse_address
from gateway.errors import InvalidCpr, InvalidCvr, InvalidPNumber, ReplacementCpr, SubmitterError
from gateway.ingress.smtp import replies
from gateway.ingress.smtp.replies import Reply
from gateway.model.submission import Submitter

# Dot-atoms only: no quoted local parts, no address literals, no comments.
_ADDRESS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,253}[A-Za-z0-9])?",
    re.ASCII,
)


class LoggedIn(Protocol):
    """What the gate must know of a user."""

    @property
    def name(self) -> str: ...
    @property
    def addresses(self) -> tuple[str, ...]: ...
    @property
    def notices(self) -> NoticeWish: ...
    @property
    def system(self) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """What is proved about the other side."""

    address: str
    """IP address."""
    tls: bool = False
    fingerprint: str | None = None
    """SHA-256 of the client certificate (DER), lower-case hex; only of one our CA signed."""
    user: LoggedIn | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A submitter and what it may speak for, for the length of one message."""

    submitter: Submitter
    sender: str = field(repr=False)
    """MAIL FROM; empty for automatic post."""
    addresses: frozenset[str] = field(default=frozenset(), repr=False)
    domains: frozenset[str] = frozenset()
    anybody: bool = False
    """May write as every address: for demonstrations and for machines that send for others."""

    def may_speak_for(self, address: str) -> bool:
        """Whether *address* (of MAIL FROM or From) is this submitter's to use."""
        lower = address.lower()
        return self.anybody or lower in self.addresses or _domain(lower) in self.domains


def sender_pattern(text: str) -> str | None:
    """*text* if it may stand in a user's list: an address, ``*@domain`` or ``*``; else None."""
    if text == "*":
        return text
    return text if plain_address(f"x{text[1:]}" if text.startswith("*@") else text) else None


def plain_address(text: str) -> str | None:
    """*text* if it is one address of the plain kind; None for anything cleverer."""
    return text if _ADDRESS.fullmatch(text) and ".." not in text else None


def admit(peer: Peer, sender: str, smtp: Smtp) -> Admitted | Reply:
    """The submitter behind ``MAIL FROM:<sender>``, or why not.

    The strongest proof wins: login, then certificate, then address.
    """
    trusted = [relay for relay in smtp.relays if _inside(peer.address, relay.networks)]
    if not peer.tls and not any(relay.plaintext for relay in trusted):
        return replies.TLS_FIRST
    known = _speakers(peer, sender, smtp)
    if not known:
        return replies.LOGIN_FIRST
    fitting = (one for one in known if not sender or one.may_speak_for(sender))
    return next(fitting, replies.SENDER_NOT_ALLOWED)


def _speakers(peer: Peer, sender: str, smtp: Smtp) -> list[Admitted]:
    """Every identity that *peer* has proved, of the strongest kind it has."""
    if peer.user is not None:
        return [_as_user(peer.user, sender)]
    certificates = [
        _for_domains("certificate", one.name, one.domains, sender, one.notices, system=one.system)
        for one in smtp.client_certificates
        if peer.tls and peer.fingerprint == one.sha256
    ]
    return certificates or [
        _for_domains("relay", one.name, one.domains, sender, one.notices)
        for one in smtp.relays
        if (peer.tls or one.plaintext) and _inside(peer.address, one.networks)
    ]


def is_relay(address: str, smtp: Smtp) -> bool:
    """Whether the IP *address* lies in a network of a configured relay."""
    return any(_inside(address, relay.networks) for relay in smtp.relays)


def has_proved(peer: Peer, smtp: Smtp) -> bool:
    """Whether some submitter is proved, or will be as soon as a relay goes under TLS."""
    return is_relay(peer.address, smtp) or bool(_speakers(peer, "", smtp))


def _as_user(user: LoggedIn, sender: str) -> Admitted:
    own = [address.lower() for address in user.addresses]
    plain = [address for address in own if not address.startswith("*")]
    speaker = Admitted(
        submitter=Submitter(kind="user", name=user.name, wish=user.notices, system=user.system),
        sender=sender,
        addresses=frozenset(plain),
        domains=frozenset(address[2:] for address in own if address.startswith("*@")),
        anybody="*" in own,
    )
    theirs = sender if sender and speaker.may_speak_for(sender) else next(iter(plain), None)
    return replace(speaker, submitter=replace(speaker.submitter, reply_to=theirs))


def _for_domains(
    kind: str,
    name: str,
    domains: Sequence[str],
    sender: str,
    wish: NoticeWish,
    *,
    system: bool = False,
) -> Admitted:
    submitter = Submitter(
        kind="certificate" if kind == "certificate" else "relay",
        name=name,
        reply_to=sender or None,
        wish=wish,
        system=system,
    )
    return Admitted(
        submitter=submitter, sender=sender, domains=frozenset(domain.lower() for domain in domains)
    )


@dataclass(frozen=True, slots=True)
class NoEntry:
    """Why an address is refused."""

    reply: Reply
    code: str
    """GW code for the log; empty if there is none."""


def recipient_refused(
    address: str, admitted: Admitted, settings: Settings, flows: Collection[str]
) -> NoEntry | None:
    """Why *admitted* may not send to *address*; None if it may.

    Args:
        flows: names of those that exist now.
    """
    if not is_ours(address, settings.smtp.domains):
        return NoEntry(replies.NO_RELAY, "")
    try:
        parsed = parse_address(
            address,
            domains=settings.smtp.domains,
            flows=flows,
            allow_test=settings.allow_test_numbers,
        )
    except (InvalidCpr, ReplacementCpr, InvalidCvr, InvalidPNumber) as error:
        return NoEntry(replies.BAD_NUMBER, error.code)
    except SubmitterError as error:
        return NoEntry(replies.UNKNOWN_ADDRESS, error.code)
    if not may_use_flow(parsed.flow, admitted, settings.smtp.addresses):
        return NoEntry(replies.NOT_ALLOWED_TO, "")
    return None


def may_use_flow(flow: str, admitted: Admitted, rules: Sequence[AddressRule]) -> bool:
    """Whether some rule lets *admitted* send to *flow*; without any rule all may."""
    return not rules or any(
        _allows(rule, admitted)
        for rule in rules
        if any(fnmatchcase(flow, pattern) for pattern in rule.flows)
    )


def _allows(rule: AddressRule, admitted: Admitted) -> bool:
    """An identity must be among the identities named, and the sender among the addresses named."""
    identity = f"{admitted.submitter.kind}:{admitted.submitter.name}"
    identities = [entry for entry in rule.allow if "@" not in entry or _names_identity(entry)]
    addresses = [entry.lower() for entry in rule.allow if entry not in identities]
    known = not identities or any(
        entry in (identity, f"{admitted.submitter.kind}:*") for entry in identities
    )
    sender = admitted.sender.lower()
    from_there = (
        # Automatic post has no sender to compare; it never becomes a letter.
        not addresses
        or not sender
        or any(entry in (sender, f"*@{_domain(sender)}") for entry in addresses)
    )
    return known and from_there


def _names_identity(entry: str) -> bool:
    return entry.startswith(("user:", "relay:", "certificate:"))


def _domain(address: str) -> str:
    return address.rpartition("@")[2]


def _inside(address: str, networks: Sequence[object]) -> bool:
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in networks)  # type: ignore[operator]


# A mail server that hands over a thousand letters has one address.
@lru_cache(maxsize=256)
def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return (parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None) or parsed
