"""guard: how often rules match, and those that are paused since they suddenly matched far more."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date

from sqlalchemy import select, update

from gateway.errors import NotFound, RulePaused
from gateway.model.danish_time import local
from gateway.model.decision import Decision
from gateway.model.rule_version import Pause
from gateway.storage import tables as t
from gateway.storage.connect import Tx
from gateway.storage.ledger.base import Part, lock_submissions, note
from gateway.storage.ledger.operate import due_again
from gateway.storage.news import tell_again

COUNTED = ("send", "forward")
"""Kinds of actions that are counted: those by which post leaves."""


class Guarding(Part):
    """The part of the ledger that the guard of the rules calls."""

    def rule_days(self, since: date) -> dict[str, dict[date, int]]:
        """See ``ports.Ledger.rule_days``."""
        columns = t.rule_days.c
        days: defaultdict[str, dict[date, int]] = defaultdict(dict)
        with self._database.read() as connection:
            for rule, day, matches in connection.execute(select(t.rule_days).where(columns.day >= since.isoformat())):
                days[rule][date.fromisoformat(day)] = matches
        return dict(days)

    def pauses(self) -> list[Pause]:
        """Rules that are paused now."""
        columns = t.rule_pauses.c
        paused = select(columns.rule, columns.at, columns.seen, columns.usual).where(_NOW)
        with self._database.read() as connection:
            return [Pause(**row) for row in connection.execute(paused.order_by(columns.id)).mappings()]

    def pause_rule(self, rule: str, *, seen: int, usual: int) -> bool:
        """See ``ports.Ledger.pause_rule``."""
        with self._database.write() as tx:
            if tx.run(select(t.rule_pauses.c.id).where(_NOW, t.rule_pauses.c.rule == rule)).first():
                return False
            tx.insert(t.rule_pauses, [{"rule": rule, "at": tx.now, "seen": seen, "usual": usual}])
            return True

    def resume_rule(self, rule: str, actor: str) -> list[str]:
        """See ``ports.Ledger.resume_rule``."""
        columns = t.rule_pauses.c
        with self._database.write() as tx:
            ended = tx.run(
                update(t.rule_pauses)
                .where(_NOW, columns.rule == rule)
                .values(resumed_at=tx.now, resumed_by=actor)
            )
            if not ended.rowcount:
                raise NotFound(what="paused rule")
            rows = [row for row in tx.run(_HELD).mappings() if _holds(row, rule)]
            lock_submissions(tx, [row["submission_id"] for row in rows])
            for row in rows:
                tx.run(update(t.letters).where(t.letters.c.id == row["id"]).values(**due_again(tx, "unrouted", row)))
                note(tx, row["submission_id"], row["id"], "resume", rule, actor=actor)
            tell_again(tx, sorted({row["submission_id"] for row in rows}))
            return [row["id"] for row in rows]

    def resumed_on(self, day: date) -> frozenset[str]:
        """See ``ports.Ledger.resumed_on``."""
        columns = t.rule_pauses.c
        with self._database.read() as connection:
            ended = connection.execute(select(columns.rule, columns.resumed_at).where(columns.resumed_at.is_not(None)))
            return frozenset(rule for rule, at in ended if local(at).date() == day)


_NOW = t.rule_pauses.c.resumed_at.is_(None)
_LATEST = (
    select(t.decisions.c.rule)
    .where(t.decisions.c.letter_id == t.letters.c.id)
    .order_by(t.decisions.c.id.desc())
    .limit(1)
    .scalar_subquery()
)
_HELD = select(t.letters, _LATEST.label("rule")).where(t.HELD).order_by(t.letters.c.id)


def _holds(row: object, rule: str) -> bool:
    """Whether a held letter waits for the end of the pause of *rule*."""
    held: dict[str, object] = dict(row)  # type: ignore[call-overload]
    refusal = held["refusal"]
    return isinstance(refusal, dict) and refusal["code"] == RulePaused.code and held["rule"] == rule


def count_matches(tx: Tx, decisions: Iterable[Decision]) -> None:
    """One more match today for each rule that wanted to send or forward. In order of their ids, so that
    nodes do not wait for each other in a ring.
    """
    counted = Counter(
        rule
        for decision in decisions
        for rule in {action.rule for action in decision.actions if action.kind in COUNTED}
    )
    day, columns = local(tx.now).date().isoformat(), t.rule_days.c
    for rule, matches in sorted(counted.items()):
        tx.insert_missing_by(t.rule_days, [{"rule": rule, "day": day, "matches": 0}], keys=("rule", "day"))
        mine = (columns.rule == rule) & (columns.day == day)
        tx.run(update(t.rule_days).where(mine).values(matches=columns.matches + matches))
