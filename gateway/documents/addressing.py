"""What an address means: ``CPR@``, ``CVR@``, ``CVR-pPNR@``, ``send@``, ``masseforsendelse-COUNT@``, each with ``+flow``.

One reading for the SMTP dialogue and for the reader, so that an address that was answered 250 is
never a surprise later. Journeys, section 4.1, has the conventions.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import idna

from gateway.errors import InvalidCpr, SubmitterError, UnknownAddress, UnknownFlow
from gateway.model.identity import Cpr, Cvr, Recipient

DEFAULT_FLOW = "default"

# RFC 5321, section 4.5.3.1: a path has at most 256 octets, the brackets included.
_LONGEST = 254
# Plain local parts only. Quotes, %, !, source routes and non-ASCII have been used to make one
# server read another recipient than the next one does, so they mean nobody here.
_LOCAL = re.compile(r"([0-9A-Za-z._-]+)(?:\+([0-9A-Za-z._-]+))?", re.ASCII)
_CVR_AND_P = re.compile(r"([0-9]{8})-[pP]([0-9]*)", re.ASCII)
_MANY = re.compile(r"masseforsendelse-([1-9][0-9]{0,5})", re.ASCII | re.IGNORECASE)
SERVICES = ("retur", "forkert", "svar")
"""Names of our own addresses before ``+TOKEN``; see ``gateway.services.returned``."""
_TOKEN = re.compile(r"[0-9a-f]{32}", re.ASCII)
_NUMBER = re.compile(r"[0-9][0-9-]*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An address of ours, understood."""

    recipient: Recipient | None
    """None: a ``send@`` or ``masseforsendelse-COUNT@`` address, whose recipients stand elsewhere in the mail."""
    count: int | None = None
    """How many recipients a ``masseforsendelse-COUNT@`` address promises: a guard against the wrong list."""
    flow: str = DEFAULT_FLOW
    flow_named: bool = False
    """Whether the address said ``+flow``; if not, another address of the mail may name it."""
    service: str | None = None
    """Set: one of SERVICES, which means no letter."""
    masked: str
    """``010101-xxxx+flow@domain``; for logs, facts and notices."""


def parse_address(
    address: str, *, domains: Iterable[str], flows: Collection[str], allow_test: bool
) -> Address:
    """The recipient and flow that *address* names.

    Args:
        address: as in RCPT TO, without angle brackets.
        domains: ours; compared as IDNA A-labels in lower case, without a trailing dot.
        flows: names of the flows that exist; ``default`` always does. Case does not matter.
        allow_test: take the made-up numbers of test systems (see gateway.model.identity).

    Raises:
        UnknownAddress: another domain, or a local part that is none of our forms.
        UnknownFlow: the flow after ``+`` does not exist.
        InvalidCpr, ReplacementCpr, InvalidCvr, InvalidPNumber: the number is not one to write to.
    """
    if not is_ours(address, domains):
        raise UnknownAddress()
    local, _, domain = address.rpartition("@")
    service = service_of(address, domains)
    if service is not None:
        return Address(recipient=None, service=service[0], masked=f"{service[0]}@{a_label(domain)}")
    parts = _LOCAL.fullmatch(local)
    if parts is None:
        raise UnknownAddress()
    name, wanted = parts.groups()
    many = _MANY.fullmatch(name)
    recipient = None if many or name.lower() == "send" else _recipient(name, allow_test=allow_test)
    flow = _flow(wanted, flows)
    shown = name.lower() if recipient is None else recipient.masked()
    plus = f"+{flow}" if wanted else ""
    return Address(
        recipient=recipient,
        count=int(many[1]) if many else None,
        flow=flow,
        flow_named=wanted is not None,
        masked=f"{shown}{plus}@{a_label(domain)}",
    )


def parse_number(text: str, *, allow_test: bool) -> Recipient:
    """The recipient in *text*: ``0101011234``, ``010101-1234``, ``12345674``, ``12345674-p1023456789``.

    Raises:
        InvalidCpr, ReplacementCpr, InvalidCvr, InvalidPNumber: it is not one to write to.
    """
    try:
        return _recipient(text, allow_test=allow_test)
    except UnknownAddress:
        raise InvalidCpr() from None


def service_of(address: str, domains: Iterable[str]) -> tuple[str, str] | None:
    """Name and token, if *address* is one of our service addresses."""
    if not is_ours(address, domains):
        return None
    name, plus, token = address.rpartition("@")[0].lower().partition("+")
    return (name, token) if plus and name in SERVICES and _TOKEN.fullmatch(token) else None


def means_a_letter(address: str, domains: Iterable[str]) -> bool:
    """Whether mail to *address* would be taken for a letter, or for a try at one."""
    try:
        parse_address(address, domains=domains, flows=(), allow_test=True)
    except UnknownAddress:
        return False
    except SubmitterError:
        pass
    return True


def is_ours(address: str, domains: Iterable[str]) -> bool:
    """Whether *address* is in one of *domains*; says nothing about its local part."""
    local, at, domain = address.rpartition("@")
    if not (local and at) or len(address) > _LONGEST:
        return False
    wanted = a_label(domain)
    return wanted is not None and any(wanted == a_label(ours) for ours in domains)


def a_label(domain: str) -> str | None:
    """*domain* in lower case as IDNA 2008 A-labels, without a trailing dot; None if it has none."""
    plain = domain.removesuffix(".").lower()
    if plain.isascii():
        return plain or None
    try:
        return idna.encode(plain, uts46=True).decode("ascii")
    except UnicodeError:
        return None


def _recipient(text: str, *, allow_test: bool) -> Recipient:
    unit = _CVR_AND_P.fullmatch(text)
    if unit is not None:
        return Cvr.parse(unit[1], p_number=unit[2], allow_test=allow_test)
    if _NUMBER.fullmatch(text) is None:
        raise UnknownAddress()
    # By the count of digits, so that a number with one too few is told what is wrong with it.
    if sum(sign.isdigit() for sign in text) > 8:
        return Cpr.parse(text, allow_test=allow_test)
    return Cvr.parse(text, allow_test=allow_test)


def _flow(wanted: str | None, flows: Collection[str]) -> str:
    if wanted is None:
        return DEFAULT_FLOW
    for flow in (*flows, DEFAULT_FLOW):
        if flow.lower() == wanted.lower():
            return flow
    raise UnknownFlow()
