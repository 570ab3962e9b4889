"""Route: look the recipient up, ask the rules, write the shipments."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Literal

from gateway import log, rehearsal
from gateway.errors import (
    GatewayError,
    HeldByRule,
    LookupFailed,
    NoWayOut,
    RecipientClosed,
    RecipientExempt,
    RecipientNotRegistered,
    RefusedByRule,
)
from gateway.model.decision import Action, Decision, Facts, Reach
from gateway.model.letter import Letter
from gateway.model.notice import Refusal
from gateway.model.submission import Submission
from gateway.ports import (
    Claim,
    Directory,
    Ledger,
    LetterPast,
    NewShipment,
    RouteEnd,
    RuleChain,
)
from gateway.services.work import refusal_of, together

_BY_REACH: dict[str, type[GatewayError]] = {
    "exempt": RecipientExempt,
    "closed": RecipientClosed,
    "unknown": RecipientNotRegistered,
}


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
        batch: int = 64,
    ) -> None:
        self._ledger = ledger
        self._directory = directory
        self._rules = rules
        self._destinations = destinations
        self._on_lookup_failure = on_lookup_failure
        self._waits = waits
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
        decision = self._rules.decide(
            facts_of(letter, past.submission, reach, past.refused_by), released=past.released_from
        )
        rehearsal.at("route.decided")
        return self._end(decision, reach)

    def _end(self, decision: Decision, reach: Reach) -> RouteEnd:
        hold = _refusal(decision, "hold")
        reject = _refusal(decision, "reject")
        shipments = [
            _shipment(action)
            for action in decision.actions
            if action.kind in ("send", "archive") and hold is None and reject is None
        ]
        unknown = [s.destination for s in shipments if s.destination not in self._destinations]
        if unknown or not (shipments or hold or reject):
            hold, shipments = _no_way(decision), []
        return RouteEnd(
            decision=decision, reach=reach, shipments=shipments, hold=hold, reject=reject
        )

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


def facts_of(
    letter: Letter, submission: Submission, reach: Reach, refused_by: tuple[str, ...]
) -> Facts:
    """What the rules may see of *letter*: never a number."""
    envelope = submission.envelope
    return Facts(
        channel=envelope.channel,
        submitter=envelope.submitter.name,
        submitter_kind=envelope.submitter.kind,
        flow=letter.flow,
        address=letter.address,
        subject=letter.title,
        recipient_kind=letter.recipient.kind,
        reach=reach,
        copy=letter.copy,
        document_count=len(letter.documents),
        media_type=letter.main.media_type,
        pages=letter.main.pages,
        size_bytes=letter.size_bytes,
        case=letter.options.case,
        received_at=envelope.received_at,
        refused_by=refused_by,
    )


def _shipment(action: Action) -> NewShipment:
    """A shipment with the key it keeps for ever: the schema accepts only UUID version 4."""
    return NewShipment(
        kind="send" if action.kind == "send" else "archive",
        destination=action.target,
        key=str(uuid.uuid4()),
        settings=action.settings,
    )


def _refusal(decision: Decision, kind: Literal["hold", "reject"]) -> Refusal | None:
    """What the first *kind* action tells the submitter."""
    for action in decision.actions:
        if action.kind == kind:
            if kind == "hold" and action.target in _BY_REACH:
                return refusal_of(_BY_REACH[action.target]())
            error = HeldByRule if kind == "hold" else RefusedByRule
            return refusal_of(error(rule=_name(decision), reason=action.target))
    return None


def _no_way(decision: Decision) -> Refusal:
    """A rule that names a destination which is not there, or nothing at all: a person decides (F31)."""
    return refusal_of(NoWayOut(rule=_name(decision)))


def _name(decision: Decision) -> str:
    return next((step.name for step in decision.trail if step.rule == decision.rule), decision.rule)
