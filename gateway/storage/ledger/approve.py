"""approve: letters that go on when as many persons have said yes as their rule asks."""

from __future__ import annotations

from sqlalchemy import select, update

from gateway.errors import NotAllowedNow
from gateway.storage import tables as t
from gateway.storage.connect import Tx
from gateway.storage.ledger.base import Part, lock_submissions, note
from gateway.storage.ledger.find import submission_id_of, target
from gateway.storage.ledger.operate import awaits_approval, due_again
from gateway.storage.news import tell, tell_again


class Approving(Part):
    """The part of the ledger that ``gateway approve`` and the portal call."""

    def approve(self, item: str, actor: str) -> list[str]:
        """See ``ports.Ledger.approve``. Each key is a line of the history that names the rule."""
        with self._database.write() as tx:
            submission_id = submission_id_of(tx.connection, item)
            lock_submissions(tx, [submission_id])
            waiting = [row for row in target(tx.connection, item).letters if awaits_approval(row)]
            if not waiting:
                raise NotAllowedNow(what="Nothing here waits for approval.")
            given = []
            for row in waiting:
                rule, keys = _approval(tx, row["id"])
                holders = _key_holders(tx, row["id"], rule)
                if actor in holders:
                    continue
                note(tx, submission_id, row["id"], "approve", rule, actor=actor)
                given.append(row["id"])
                if len(holders) + 1 >= keys:
                    change = {"lease_until": None, **due_again(tx, "unrouted", row)}
                    tx.run(update(t.letters).where(t.letters.c.id == row["id"]).values(**change))
                    note(tx, submission_id, row["id"], "release", rule, actor=actor)
            if not given:
                raise NotAllowedNow(what="You approved it already; another person must, too.")
            tell_again(tx, [submission_id])
            tell(tx, [submission_id])
            return given


def _approval(tx: Tx, letter_id: str) -> tuple[str, int]:
    """The rule that asks for approval of a letter, and by how many."""
    actions = select(t.decisions.c.actions).where(t.decisions.c.letter_id == letter_id)
    for action in tx.run(actions.order_by(t.decisions.c.id.desc()).limit(1)).scalar_one():
        if action["kind"] == "approve":
            return action["rule"], int(dict(action["settings"]).get("keys", 2))
    return "", 2


def _key_holders(tx: Tx, letter_id: str, rule: str) -> set[str]:
    """Who has approved a letter for this rule."""
    columns = t.audit.c
    keys = select(columns.actor).where(columns.item == letter_id, columns.verb == "approve", columns.reason == rule)
    return set(tx.run(keys).scalars())
