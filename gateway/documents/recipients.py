"""Who a mail is to: addresses of the envelope, and the header of a system that is believed.

Two places that disagree reject the mail; nothing is guessed (F24). Cc makes a copy.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from gateway.documents import headers
from gateway.documents.addressing import (
    DEFAULT_FLOW,
    Address,
    is_ours,
    parse_address,
    parse_number,
)
from gateway.documents.head import Head
from gateway.documents.reading import ReadFlow, ReadRules
from gateway.errors import NoRecipient, RecipientsDisagree, SubmitterError
from gateway.model.identity import Recipient
from gateway.model.submission import Envelope

RECIPIENT_HEADER = "x-digitalpost-recipient"
NOT_BELIEVED_NOTE = "Felter i mailen, der begynder med X-DigitalPost, gælder kun fra systemer og er ikke brugt."

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
# Looks behind so that a long run without @ is walked once, not once for each of its characters.
_ADDRESS = re.compile(r"(?<![^\s<>(),;:\"@])[^\s<>(),;:\"@]+@[^\s<>(),;:\"@]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One letter to be: its recipient, and what its address says about it."""

    recipient: Recipient
    copy: bool
    flow: str
    masked: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Targets:
    """Everybody the mail is to, in the order of the envelope."""

    targets: tuple[Target, ...]
    notes: tuple[str, ...] = ()


def read_recipients(head: Head, envelope: Envelope, rules: ReadRules) -> Targets:
    """The letters a mail asks for.

    Raises:
        NoRecipient: no address and no believed header names one that its flow allows.
        RecipientsDisagree: the header names somebody else than the addresses do.
        UnknownAddress, UnknownFlow, InvalidCpr, ReplacementCpr, InvalidCvr, InvalidPNumber: an address
            of ours that cannot be a letter.
    """
    notes = () if envelope.submitter.system or not _asks(head) else (NOT_BELIEVED_NOTE,)
    addresses = _ours(envelope.recipients, rules)
    told = _told(head, rules) if envelope.submitter.system else None
    named = {address.recipient for address in addresses if address.recipient is not None}
    if told is not None and named and named != {told}:
        raise RecipientsDisagree(candidates=_masked([*sorted(named, key=str), told]))
    flow = next((address.flow for address in addresses if address.flow_named), DEFAULT_FLOW)
    found = _from_addresses(addresses, _copied(head, rules), flow)
    found = [target for target in found if _allows(rules, target.flow, "address")]
    if not found and told is not None and addresses and _allows(rules, flow, "header"):
        found = [Target(recipient=told, copy=False, flow=flow, masked=addresses[0].masked)]
    if not found:
        raise NoRecipient(domain=rules.domains[0])
    return Targets(tuple(found), notes)


def batch_address(envelope: Envelope, rules: ReadRules) -> Address | None:
    """The address whose flow divides merged files, if the mail is to such a one.

    Raises:
        RecipientsDisagree: another address names a recipient: the numbers in the file do that here.
        UnknownAddress, UnknownFlow, InvalidCpr, ReplacementCpr, InvalidCvr, InvalidPNumber: as ``read_recipients``.
    """
    addresses = _ours(envelope.recipients, rules)
    found = next((one for one in addresses if one.service is None and flow_of(rules, one.flow).split is not None), None)
    named = [one.recipient for one in addresses if one.recipient is not None]
    if found is not None and (named or len({one.flow for one in addresses}) > 1):
        raise RecipientsDisagree(candidates=_masked(named) or "to forløb")
    return found


def many_address(envelope: Envelope, rules: ReadRules) -> Address | None:
    """The address ``masseforsendelse-COUNT@``, if the mail is to such a one.

    Raises:
        RecipientsDisagree: another address names a recipient, another flow or another count.
        UnknownAddress, UnknownFlow, InvalidCpr, ReplacementCpr, InvalidCvr, InvalidPNumber: as ``read_recipients``.
    """
    addresses = _ours(envelope.recipients, rules)
    found = next((one for one in addresses if one.count is not None), None)
    if found is not None and any(one != found for one in addresses):
        named = [one.recipient for one in addresses if one.recipient is not None]
        raise RecipientsDisagree(candidates=_masked(named) or "to adresser")
    return found


def flow_of(rules: ReadRules, name: str) -> ReadFlow:
    """The flow called *name*; ``default`` exists even where nothing describes it."""
    return rules.flows.get(name, ReadFlow())


def _ours(recipients: Iterable[str], rules: ReadRules) -> list[Address]:
    own = {address.lower() for address in rules.own_addresses}
    return [
        parse_address(
            address, domains=rules.domains, flows=rules.flows, allow_test=rules.allow_test_numbers
        )
        for address in recipients
        if is_ours(address, rules.domains) and address.lower() not in own
    ]


def _from_addresses(
    addresses: Sequence[Address], copied: set[Recipient], flow: str
) -> list[Target]:
    """One target for each recipient. *flow*: for addresses that name none."""
    found: dict[Recipient, Target] = {}
    for address in addresses:
        if address.recipient is None:
            continue
        target = Target(
            recipient=address.recipient,
            copy=address.recipient in copied,
            flow=address.flow if address.flow_named else flow,
            masked=address.masked,
        )
        # The same person twice is one letter, at the first one's place; an address that names a flow
        # says more than one that does not.
        if address.recipient not in found or address.flow_named:
            found[address.recipient] = target
    return list(found.values())


def _copied(head: Head, rules: ReadRules) -> set[Recipient]:
    """Recipients in Cc; those who stand in To as well get the letter itself."""
    return _listed(head.all("cc"), rules) - _listed(head.all("to"), rules)


def _listed(values: Iterable[bytes], rules: ReadRules) -> set[Recipient]:
    """Recipients whose addresses stand in these headers; whatever else stands there does not matter."""
    found: set[Recipient] = set()
    for value in values:
        for address in _ADDRESS.findall(_QUOTED.sub(" ", headers.decode(value))):
            try:
                parsed = parse_address(
                    address, domains=rules.domains, flows=rules.flows, allow_test=rules.allow_test_numbers
                )
            except SubmitterError:
                continue
            if parsed.recipient is not None:
                found.add(parsed.recipient)
    return found


def _told(head: Head, rules: ReadRules) -> Recipient | None:
    """The recipient in the header, if it names one."""
    told = [
        parse_number(headers.decode(value), allow_test=rules.allow_test_numbers)
        for value in head.all(RECIPIENT_HEADER)
    ]
    if len(set(told)) > 1:
        raise RecipientsDisagree(candidates=_masked(told))
    return told[0] if told else None


def _asks(head: Head) -> bool:
    return any(name.startswith("x-digitalpost-") for name, _ in head.fields)


def _allows(rules: ReadRules, flow: str, place: str) -> bool:
    return place in flow_of(rules, flow).recipient_from


def _masked(recipients: Iterable[Recipient]) -> str:
    return ", ".join(dict.fromkeys(recipient.masked() for recipient in recipients))
