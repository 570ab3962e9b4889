"""Route: look the recipient up, ask the rules, write the shipments."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from gateway import log, rehearsal
from gateway.errors import (
    AwaitsApproval,
    Expired,
    GatewayError,
    HeldByRule,
    LookupFailed,
    NoRuleMatched,
    NoWayOut,
    RecipientClosed,
    RecipientExempt,
    RecipientNotRegistered,
    RefusedByRule,
    RulePaused,
)
from gateway.model.danish_time import local, weekday
from gateway.model.decision import Decision, Facts, Reach
from gateway.model.identity import mask_numbers
from gateway.model.letter import Document, Letter
from gateway.model.notice import Refusal
from gateway.ports import (
    Claim,
    Directory,
    Ledger,
    LetterPast,
    NewShipment,
    RouteEnd,
    RuleChain,
    Told,
)
from gateway.rules.acts import LANES
from gateway.rules.calendar import is_bank_day
from gateway.rules.walk import UNHANDLED
from gateway.services.guard import Guard
from gateway.services.work import refusal_of, together

_BY_REACH: dict[str, type[GatewayError]] = {
    "exempt": RecipientExempt,
    "closed": RecipientClosed,
    "unknown": RecipientNotRegistered,
}
_BY_KIND: dict[str, type[GatewayError]] = {
    "hold": HeldByRule,
    "reject": RefusedByRule,
    "approve": AwaitsApproval,
}


GATHERING = timedelta(seconds=3)
"""How long letters that go together wait for each other: routed in turns, they would fill many small containers."""


class Route:
    """Claims letters without a decision and decides."""

    name = "route"

    def __init__(
        self,
        ledger: Ledger,
        directory: Directory,
        rules: RuleChain,
        *,
        destinations: Collection[str],
        on_lookup_failure: Literal["wait", "send"],
        waits: Sequence[timedelta],
        closed_days: Collection[date] = (),
        guard: Guard | None = None,
        mass_from: int | None = None,
        mass_destinations: Collection[str] = (),
        texts: Callable[[Document], str | None] = lambda _: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        batch: int = 64,
    ) -> None:
        """
        Args:
            closed_days: days that are no bank days here, besides the usual ones.
            guard: watches rules that send; None: none is watched.
            mass_from: letters of one submission from which they are sent together; None: never.
            mass_destinations: those that take letters together.
            texts: the text of a document, if it can be read; asked only if a rule asks for it.
        """
        self._ledger = ledger
        self._directory = directory
        self._rules = rules
        self._destinations = destinations
        self._on_lookup_failure = on_lookup_failure
        self._waits = waits
        self._closed_days = closed_days
        self._guard = guard
        self._mass_from = mass_from
        self._mass_destinations = mass_destinations
        self._texts = texts
        self._now = now
        self._batch = batch

    def work(self) -> int:
        """Route what is due; how many letters there were."""
        claims = self._ledger.claim_unrouted(self._batch)
        pasts = self._ledger.pasts([claim.item.id for claim in claims]) if claims else {}
        return together(
            claims,
            lambda claim: self._route(claim.item, pasts[claim.item.id]),
            self._write,
            ledger=self._ledger,
            where=self.name,
            waits=self._waits,
        )

    def _route(self, letter: Letter, past: LetterPast) -> RouteEnd:
        reach = self._directory.reach(letter.recipient)
        if reach == "unavailable" and self._on_lookup_failure == "wait":
            # Never read as "not registered": the letter would go on paper by mistake (reference, 2.5).
            raise LookupFailed(reason="no answer")
        facts = facts_of(letter, past, reach, closed_days=self._closed_days)
        if self._rules.uses("text"):
            facts = replace(facts, text=self._texts(letter.main))
        decision = self._rules.decide(facts, released=past.released_from)
        rehearsal.at("route.decided")
        end = self._together(past, self._within(letter, self._end(decision, facts, reach)))
        stopped = self._guard.stops(decision, past.released_from) if self._guard and end.shipments else None
        if stopped is None:
            return end
        action, told = stopped
        hold = refusal_of(RulePaused(rule=action.by))
        return replace(end, shipments=(), hold=hold, told=(*end.told, *told))

    def _end(self, decision: Decision, facts: Facts, reach: Reach) -> RouteEnd:
        hold = _refusal(decision, "hold") or _refusal(decision, "approve")
        reject = _refusal(decision, "reject")
        if facts.refused_by and decision.rule == UNHANDLED:
            # Asked once more since a destination refused it, and no rule knows another way.
            return RouteEnd(decision=decision, facts=facts, reach=reach, unchanged=True)
        shipments: list[NewShipment] = []
        if hold is None and reject is None:
            shipments = _shipments(decision)
            unknown = [s.destination for s in shipments if s.destination not in self._destinations]
            if unknown or not shipments:
                hold, shipments = _no_way(decision), []
        return RouteEnd(
            decision=decision,
            facts=facts,
            reach=reach,
            shipments=shipments,
            hold=hold,
            reject=reject,
            told=told_by(decision, self._rules),
        )

    def _within(self, letter: Letter, end: RouteEnd) -> RouteEnd:
        """*end*, but nothing that the sidecar does not allow, and nothing after its time."""
        options = letter.options
        if end.unchanged:
            return end
        if options.expires is not None and options.expires <= self._now():
            return replace(end, shipments=(), hold=None, reject=refusal_of(Expired()))
        if options.actions is None or not end.shipments:
            return end
        kept = [one for one in end.shipments if one.kind in options.actions]
        return replace(end, shipments=kept) if kept else replace(end, shipments=(), hold=_no_way(end.decision))

    def _together(self, past: LetterPast, end: RouteEnd) -> RouteEnd:
        """*end*, with the sendings of a large submission marked to go together."""
        if self._mass_from is None or past.letters < self._mass_from:
            return end
        due_at = self._now() + GATHERING
        shipments = [
            replace(one, mass=True, due_at=due_at) if one.kind == "send" and one.destination in self._mass_destinations else one
            for one in end.shipments
        ]
        return replace(end, shipments=shipments)

    def _write(self, ends: Sequence[tuple[Claim[Letter], RouteEnd]]) -> None:
        written = self._ledger.routings_ended(ends)
        for (claim, end), ours in zip(ends, written, strict=True):
            if ours:
                _tell(claim.item, end)


def _tell(letter: Letter, end: RouteEnd) -> None:
    log.routed(
        letter=letter.id,
        rule=end.decision.rule,
        version=end.decision.version,
        shipments=len(end.shipments),
    )
    if end.hold is not None:
        log.held(item=letter.id, code=end.hold.code)


def told_by(decision: Decision, rules: RuleChain) -> list[Told]:
    """Whom *decision* wants told."""
    return [
        Told(to=address, rule=action.by, text=action.setting("text") or "")
        for action in decision.actions
        if action.kind == "notify"
        for address in rules.addresses_of(action.target)
    ]


def facts_of(
    letter: Letter, past: LetterPast, reach: Reach, *, closed_days: Collection[date] = ()
) -> Facts:
    """What the rules may see of *letter*: never a number."""
    envelope = past.submission.envelope
    here = local(envelope.received_at)
    return Facts(
        direction="outbound",
        channel=envelope.channel,
        received_at=envelope.received_at,
        time_of_day=here.strftime("%H:%M"),
        weekday=weekday(here.date()),
        bank_day=is_bank_day(here.date(), closed_days),
        submitter=envelope.submitter.name,
        submitter_kind=envelope.submitter.kind,
        flow=letter.flow,
        address=letter.address,
        subject=letter.title,
        file_name=mask_numbers(letter.main.name),
        file_names=tuple(mask_numbers(document.name) for document in letter.documents),
        recipient_kind=letter.recipient.kind,
        reach=reach,
        copy=letter.copy,
        account=envelope.submitter.name if envelope.channel == "sftp" else None,
        folder=envelope.submitter.name if envelope.channel == "folder" else None,
        document_type=letter.options.document_type,
        sidecar={name: mask_numbers(value) for name, value in letter.options.sidecar},
        reply_allowed=letter.options.reply_allowed,
        letters=past.letters,
        copies=past.copies,
        document_count=len(letter.documents),
        media_type=letter.main.media_type,
        pages=letter.main.pages,
        size_bytes=letter.size_bytes,
        case=letter.options.case,
        refused_by=past.refused_by,
        refused_code=past.refused_code,
    )


def _shipments(decision: Decision) -> list[NewShipment]:
    """Shipments with the keys they keep for ever: the schema accepts only UUID version 4."""
    changed = tuple((one.target, one.setting("value") or "") for one in decision.actions if one.kind == "set")
    lane = LANES[dict(changed).get("lane", "normal")]
    return [
        NewShipment(
            kind="send" if action.kind == "send" else "archive",
            destination=action.target,
            key=str(uuid.uuid4()),
            settings=action.settings if action.kind == "archive" else changed,
            lane=lane,
        )
        for action in decision.actions
        if action.kind in ("send", "archive")
    ]


def _refusal(decision: Decision, kind: Literal["hold", "reject", "approve"]) -> Refusal | None:
    """What the first *kind* action tells the submitter."""
    action = next((one for one in decision.actions if one.kind == kind), None)
    if action is None:
        return None
    if action.rule == UNHANDLED:
        return refusal_of(NoRuleMatched())
    if kind == "hold" and action.target in _BY_REACH:
        return refusal_of(_BY_REACH[action.target]())
    return refusal_of(_BY_KIND[kind](rule=action.by, reason=action.target))


def _no_way(decision: Decision) -> Refusal:
    """A rule that names a destination which is not there, or nothing at all: a person decides (F31)."""
    name = next((action.by for action in decision.actions if action.rule == decision.rule), decision.rule)
    return refusal_of(NoWayOut(rule=name))
