"""Distribute: whose post is it? The inbound chain decides, and what nobody decides lies in Indbakke."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Protocol

from gateway import log, rehearsal
from gateway.errors import HeldByRule, NobodysPost, UnknownDepartment
from gateway.model.danish_time import local, weekday
from gateway.model.decision import Decision, Facts
from gateway.model.identity import mask_numbers
from gateway.model.inbound import InboundMessage
from gateway.model.letter import Document
from gateway.model.notice import ADDRESS_FORM, Refusal
from gateway.ports import Claim, DistributeEnd, Home, Inbound, Ledger, NewForward, RuleChain
from gateway.rules.calendar import is_bank_day
from gateway.rules.rule import Department
from gateway.rules.walk import UNHANDLED
from gateway.services.route import told_by
from gateway.services.work import refusal_of, together

ANSWER = "Svar på eget brev"
"""Said of post that answers a letter of ours, where a rule's name would stand."""
ATTENTION = "Afsenderen skrev adressen på"
"""Said of post that went to the address its sender named."""
SUBMITTER = "afsenderenheden"
"""The department of an answer: the unit that sent the letter."""


class InboundRules(RuleChain, Protocol):
    """The rules that decide now, and who the departments are."""

    @property
    def departments(self) -> Mapping[str, Department]: ...


class Distribute:
    """Claims new post and decides whose it is.

    An answer to a letter of ours goes home to the unit that sent it, before any rule. An address that the sender
    named is honoured only inside our own domains, and only where no rule said otherwise.

    Args:
        default: department for post whose rule names one that is not there; None: Indbakke.
        own_domains: mail domains of the organisation.
    """

    name = "distribute"

    def __init__(
        self,
        ledger: Ledger,
        inbound: Inbound,
        rules: InboundRules,
        *,
        default: str | None,
        own_domains: Collection[str],
        waits: Sequence[timedelta],
        closed_days: Collection[date] = (),
        texts: Callable[[Document], str | None] = lambda _: None,
        batch: int = 32,
    ) -> None:
        self._ledger = ledger
        self._inbound = inbound
        self._rules = rules
        self._default = default
        self._own_domains = frozenset(domain.lower() for domain in own_domains)
        self._waits = waits
        self._closed_days = closed_days
        self._texts = texts
        self._batch = batch

    def work(self) -> int:
        """Distribute what is due; how many messages there were."""
        return together(
            self._inbound.claim_new_inbound(self._batch),
            lambda claim: self._distribute(claim.item),
            self._write,
            ledger=self._ledger,
            where=self.name,
            waits=self._waits,
        )

    def _distribute(self, message: InboundMessage) -> DistributeEnd:
        home = self._inbound.home_of(message.post.answers) if message.post.answers else None
        facts = inbound_facts(
            message, answers_ours=home is not None, own_domains=self._own_domains, closed_days=self._closed_days
        )
        if self._rules.uses("text"):
            facts = replace(facts, text=self._text(message))
        decision = self._rules.decide(facts)
        rehearsal.at("distribute.decided")
        return self._end(message, facts, decision, home)

    def _text(self, message: InboundMessage) -> str | None:
        main = message.post.main
        return message.post.text if main is None else self._texts(main)

    def _end(self, message: InboundMessage, facts: Facts, decision: Decision, home: Home | None) -> DistributeEnd:
        archive, notes = _archive(decision), self._notes(decision)
        if home is not None and home.address is not None:
            mail = [NewForward(kind="mail", address=home.address, rule=ANSWER)]
            return DistributeEnd(decision=decision, facts=facts, forwards=[*mail, archive, *notes], department=SUBMITTER)
        named = [action for action in decision.actions if action.kind == "forward"]
        for action in named:
            found = self._department(action.target, facts)
            if found is not None:
                forwards = [*to_department(*found, rule=action.by), archive, *notes]
                return DistributeEnd(decision=decision, facts=facts, forwards=forwards, department=found[0])
        if not named and decision.rule == UNHANDLED and facts.attention_email is not None:
            mail = [NewForward(kind="mail", address=facts.attention_email, rule=ATTENTION)]
            return DistributeEnd(
                decision=decision, facts=facts, forwards=[*mail, archive, *notes], department=facts.attention_email
            )
        if named:
            log.department_unknown(message=message.id, rule=named[0].rule)
        reason = _inbox(decision)
        return DistributeEnd(decision=decision, facts=facts, forwards=[archive, *notes], inbox=reason)

    def _department(self, name: str, facts: Facts) -> tuple[str, Department] | None:
        """Who gets it: the department, its substitute while it is away, the default if it is not there."""
        departments = self._rules.departments
        wanted = name if name in departments else self._default
        if wanted is None or wanted not in departments:
            return None
        here = present(departments, wanted, local(facts.received_at).date())
        return here, departments[here]

    def _notes(self, decision: Decision) -> list[NewForward]:
        return [
            NewForward(kind="note", address=one.to, rule=one.rule, settings=(("text", one.text),))
            for one in told_by(decision, self._rules)
        ]

    def _write(self, ends: Sequence[tuple[Claim[InboundMessage], DistributeEnd]]) -> None:
        written = self._inbound.distributions_ended(ends)
        for (claim, end), ours in zip(ends, written, strict=True):
            if ours:
                log.distributed(
                    message=claim.item.id, rule=end.decision.rule, version=end.decision.version, inbox=not end.department
                )


def to_department(name: str, department: Department, *, rule: str) -> list[NewForward]:
    """A mail to each of its addresses."""
    return [
        NewForward(kind="mail", department=name, address=address, mode=department.delivery, rule=rule)
        for address in department.addresses
    ]


def present(departments: Mapping[str, Department], name: str, day: date) -> str:
    """*name*, or who stands in for it on *day*; itself if everybody in the ring is away."""
    seen: list[str] = []
    here: str | None = name
    while here is not None and here in departments and here not in seen:
        department = departments[here]
        if not any(absence.first <= day <= absence.last for absence in department.absent):
            return here
        seen.append(here)
        here = department.substitute
    return name


def inbound_facts(
    message: InboundMessage, *, answers_ours: bool, own_domains: Collection[str], closed_days: Collection[date] = ()
) -> Facts:
    """What the rules may see of *message*: never a number of a person."""
    post, here = message.post, local(message.received_at)
    main = post.main
    return Facts(
        direction="inbound",
        channel=message.channel,
        received_at=message.received_at,
        time_of_day=here.strftime("%H:%M"),
        weekday=weekday(here.date()),
        bank_day=is_bank_day(here.date(), closed_days),
        subject=mask_numbers(post.title),
        media_type="text/plain" if main is None else main.media_type,
        document_type=post.document_type,
        file_name=None if main is None else mask_numbers(main.name),
        file_names=tuple(mask_numbers(document.name) for document in post.documents),
        document_count=len(post.documents),
        pages=None if main is None else main.pages,
        size_bytes=post.size_bytes,
        case=post.case,
        sender_kind=post.sender.kind,
        sender_id=post.sender.number if post.sender.kind == "cvr" else None,
        sender_name=mask_numbers(post.sender.name),
        recipient_cvr=post.recipient_cvr,
        p_number=post.p_number,
        contact_point=post.contact_point,
        attention_person=None if post.attention_person is None else mask_numbers(post.attention_person),
        attention_email=_own(post.attention_email, own_domains),
        gln=post.gln,
        rid=post.rid,
        kle=post.kle,
        form=post.form,
        message_code=post.message_code,
        reply_to_ours=answers_ours,
        forwarded=post.forwarded,
    )


def _own(address: str | None, own_domains: Collection[str]) -> str | None:
    """An address that its sender wrote, if it is ours: anybody could write any other (reference, section 5.4)."""
    if address is None or ADDRESS_FORM.fullmatch(address) is None:
        return None
    return address if address.rpartition("@")[2].lower() in own_domains else None


def _archive(decision: Decision) -> NewForward:
    """All post to us is archived; a rule may say in which case."""
    action = next((one for one in decision.actions if one.kind == "archive"), None)
    return NewForward(kind="archive", rule=action.by if action else "", settings=action.settings if action else ())


def _inbox(decision: Decision) -> Refusal:
    """Why it lies in Indbakke."""
    held = next((action for action in decision.actions if action.kind == "hold"), None)
    if decision.rule == UNHANDLED or held is None:
        unknown = next((action for action in decision.actions if action.kind == "forward"), None)
        return refusal_of(NobodysPost() if unknown is None else UnknownDepartment(rule=unknown.by))
    return refusal_of(HeldByRule(rule=held.by, reason=held.target))
