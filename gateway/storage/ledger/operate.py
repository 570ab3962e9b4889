"""What a person may do to post: retry, hold, release, discard, mark as handled.

Each verb picks the rows it may change and says why it leaves the others; a verb that finds none
raises NotAllowedNow with the first of those reasons. What may have been taken by the other side is
never offered under a new key, and never called cancelled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Table, select, update

from gateway.errors import (
    AwaitsApproval,
    HeldByPerson,
    HeldByRule,
    NotAllowedNow,
    RecipientClosed,
    RecipientExempt,
    RecipientNotRegistered,
    RulePaused,
)
from gateway.model.shipment import Status, delivery
from gateway.storage import tables as t
from gateway.storage import values
from gateway.storage.connect import Tx
from gateway.storage.ledger.base import Part, latest, lock_submissions, note
from gateway.storage.ledger.find import Target, submission_id_of, target
from gateway.storage.news import tell, tell_again
from gateway.storage.values import Row

_WAITS = "It was taken and waits for its receipt; it is never sent again."
_REFUSED = "The receipt says it was refused for good; hand it in as a new letter."
_MAYBE_TAKEN = "They may have it already; when you know how it went, mark it as handled."
_BEING_SENT = "It is being sent at this moment; try again in a minute."
_HELD_BY_A_RULE = tuple(
    error.code
    for error in (HeldByRule, RulePaused, RecipientExempt, RecipientNotRegistered, RecipientClosed)
)
_NEEDS_KEYS = "It waits for approval: `gateway approve`."
_NOTHING = {
    "retry": "Nothing here failed or is held.",
    "hold": "Nothing here waits to be sent.",
    "release": "Nothing here is held.",
    "discard": "Nothing here can be cancelled any more.",
    "handled": "Nothing here needs a hand.",
}


@dataclass(slots=True)
class _Plan:
    """Rows to change, and why others stay."""

    changes: list[tuple[Table, str, dict[str, Any]]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    def change(self, table: Table, row: Row, **written: Any) -> None:
        self.changes.append((table, row["id"], written))


class Operating(Part):
    """The part of the ledger that the command line and the portal call."""

    def retry(self, item: str, actor: str) -> list[str]:
        """See ``ports.Ledger.retry``."""

        def pick(tx: Tx, named: Target, plan: _Plan) -> None:
            _back_in_queue(tx, named, plan)
            for row in named.shipments:
                reason = _never_again(named, row)
                if row["state"] in ("failed", "held") and reason is None:
                    expires = latest(tx.now, row["not_before"]) + self._retry_give_up
                    plan.change(t.shipments, row, expires_at=expires, **due_again(tx, "open", row))
                elif reason is not None:
                    plan.reasons.append(reason)
            if named.whole:
                for row in _held_notices(tx, named.submission["id"]):
                    plan.change(t.notices, row, **due_again(tx, "due", row))

        return self._act(item, actor, "retry", pick)

    def hold(self, item: str, actor: str, reason: str) -> list[str]:
        """Keep what has not been taken from going on, until it is released. Raises as ``retry``."""
        refusal = values.refusal_row(values.refusal_of(HeldByPerson()))

        def pick(tx: Tx, named: Target, plan: _Plan) -> None:
            for table, row in _rows(named):
                if row["state"] not in ("received", "unrouted", "open"):
                    continue
                if table is t.shipments and _being_sent(tx, named, row):
                    plan.reasons.append(_BEING_SENT)
                    continue
                plan.change(table, row, refusal=refusal, **_ended(tx, "held"))

        return self._act(item, actor, "hold", pick, reason)

    def release(self, item: str, actor: str) -> list[str]:
        """Let what is held go on where it stood; a rule that held a letter does not hold it again
        (``Routing.released_from``). Raises as ``retry``.
        """

        def pick(tx: Tx, named: Target, plan: _Plan) -> None:
            _back_in_queue(tx, named, plan, but=awaits_approval)
            if any(awaits_approval(row) for row in named.letters):
                plan.reasons.append(_NEEDS_KEYS)
            for row in named.shipments:
                if row["state"] == "held":
                    plan.change(t.shipments, row, **due_again(tx, "open", row))

        return self._act(item, actor, "release", pick)

    def discard(self, item: str, actor: str, reason: str) -> list[str]:
        """Cancel what has not been taken. A letter that may have been is left whole: its archiving too.
        Raises as ``retry``.
        """

        def pick(tx: Tx, named: Target, plan: _Plan) -> None:
            gone = {row["letter_id"] for row in named.shipments if _maybe_taken(named, row)}
            for table, row in _rows(named):
                if row["state"] not in ("received", "unrouted", "open", "held", "failed"):
                    continue
                if row.get("letter_id", row["id"]) in gone:
                    plan.reasons.append(_MAYBE_TAKEN)
                    continue
                plan.change(table, row, **_ended(tx, "cancelled"))

        return self._act(item, actor, "discard", pick, reason)

    def handled(self, item: str, actor: str, reason: str) -> list[str]:
        """A person has dealt with what failed, is held, or got no receipt. Raises as ``retry``."""

        def pick(tx: Tx, named: Target, plan: _Plan) -> None:
            for table, row in _rows(named):
                if row["state"] in ("held", "failed"):
                    plan.change(table, row, **_ended(tx, "handled"))
                elif row["state"] == "waiting" and row["overdue_at"]:
                    plan.change(table, row, overdue_at=None, **_ended(tx, "handled"))

        return self._act(item, actor, "handled", pick, reason)

    def _act(
        self,
        item: str,
        actor: str,
        verb: str,
        pick: Callable[[Tx, Target, _Plan], None],
        reason: str = "",
    ) -> list[str]:
        with self._database.write() as tx:
            submission_id = submission_id_of(tx.connection, item)
            lock_submissions(tx, [submission_id])
            plan = _Plan()
            pick(tx, target(tx.connection, item), plan)
            if not plan.changes:
                raise NotAllowedNow(what=plan.reasons[0] if plan.reasons else _NOTHING[verb])
            for table, row_id, written in plan.changes:
                why = _rule_overruled(tx, row_id) if verb == "release" else reason
                tx.run(update(table).where(table.c.id == row_id).values(lease_until=None, **written))
                note(tx, submission_id, row_id, verb, why, actor=actor)
            if verb in ("retry", "release"):
                tell_again(tx, [submission_id])
            tell(tx, [submission_id])
            return [row_id for _, row_id, _ in plan.changes]


def _rule_overruled(tx: Tx, letter_id: str) -> str:
    """The rule that holds this letter, whatever it gives as its reason; empty if something else does
    (a person, a crash), or it is no letter.
    """
    held = select(t.letters.c.refusal).where(t.letters.c.id == letter_id)
    refusal = tx.run(held).scalar_one_or_none()
    if refusal is None or refusal["code"] not in _HELD_BY_A_RULE:
        return ""
    decisions = select(t.decisions.c.rule).where(t.decisions.c.letter_id == letter_id)
    return str(tx.run(decisions.order_by(t.decisions.c.id.desc()).limit(1)).scalar_one())


def _rows(named: Target) -> list[tuple[Table, Row]]:
    """Every queue row under the item, in the order post meets them."""
    submission = [(t.submissions, named.submission)] if named.whole else []
    letters = [(t.letters, row) for row in named.letters]
    return [*submission, *letters, *((t.shipments, row) for row in named.shipments)]


def awaits_approval(row: Row) -> bool:
    """Whether a letter waits for approval."""
    return row["state"] == "held" and row["refusal"] is not None and row["refusal"]["code"] == AwaitsApproval.code


def _back_in_queue(
    tx: Tx, named: Target, plan: _Plan, *, but: Callable[[Row], bool] = lambda _: False
) -> None:
    """A held submission is read again, a held letter routed again, but those that *but* names."""
    if named.whole and named.submission["state"] == "held":
        plan.change(t.submissions, named.submission, **due_again(tx, "received", named.submission))
    for row in named.letters:
        if row["state"] == "held" and not but(row):
            plan.change(t.letters, row, **due_again(tx, "unrouted", row))


def due_again(tx: Tx, state: str, row: Row) -> dict[str, Any]:
    """In the queue again, with a clean sheet; a shipment not before its time."""
    due_at = latest(tx.now, row.get("not_before", tx.now))
    return {
        "state": state,
        "due_at": due_at,
        "crashes": 0,
        "spent": row["fence"],
        "code": None,
        "refusal": None,
        "trace": None,
        "ended_at": None,
    }


def _ended(tx: Tx, state: str) -> dict[str, Any]:
    return {"state": state, "due_at": None, "ended_at": tx.now}


def _sent(named: Target, row: Row) -> Status:
    attempts = [values.attempt(one) for one in named.progress.attempts[row["id"]]]
    receipts = [values.receipt(one) for one in named.progress.receipts[row["id"]]]
    return delivery(attempts, receipts)


def _never_again(named: Target, row: Row) -> str | None:
    """Why a sending must not be offered once more; None: it may."""
    if row["kind"] != "send":
        return None
    if row["state"] == "waiting" or _sent(named, row) is Status.SENT:
        return _WAITS
    if row["state"] == "failed" and any(
        one["verdict"] == "refused" for one in named.progress.receipts[row["id"]]
    ):
        return _REFUSED
    return None


def _maybe_taken(named: Target, row: Row) -> bool:
    """Whether the other side has this sending, or may have it because an answer was lost."""
    if row["kind"] != "send":
        return False
    outcomes = {one["outcome"] for one in named.progress.attempts[row["id"]]}
    accepted = any(one["verdict"] != "refused" for one in named.progress.receipts[row["id"]])
    return accepted or not outcomes.isdisjoint({"offered", "unknown", "taken"})


def _being_sent(tx: Tx, named: Target, row: Row) -> bool:
    attempts = named.progress.attempts[row["id"]]
    offered = bool(attempts) and attempts[-1]["outcome"] == "offered"
    return offered and row["lease_until"] is not None and row["lease_until"] > tx.now


def _held_notices(tx: Tx, submission_id: str) -> list[Row]:
    columns = t.notices.c
    held = select(t.notices).where(columns.submission_id == submission_id, columns.state == "held")
    return list(tx.run(held).mappings())
