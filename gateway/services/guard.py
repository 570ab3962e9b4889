"""Guard: a rule that suddenly sends many times what it used to is paused, and somebody is told.

A rule that was written wrong, or a system that runs amok, sends thousands of letters in an hour. What it
would send waits for a person instead. A new rule has no past, and is judged once it has a few days of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import date, timedelta
from statistics import median

from gateway import log
from gateway.model.danish_time import local
from gateway.model.decision import Action, Decision
from gateway.ports import Clock, Ledger, Told

PAST = timedelta(days=30)
COUNT_AGAIN = timedelta(minutes=1)
"""Between looks at the ledger, which also counts what other nodes decide."""
_COUNTED = ("send", "forward")


class Guard:
    """Watches the rules that send or forward.

    Args:
        factor: so many times the median of its days is too much.
        minimum: matches of a day that are never too many.
        history: days with matches before a rule is judged.
        tell: mail addresses that are told.
    """

    def __init__(
        self, ledger: Ledger, clock: Clock, *, factor: int, minimum: int, history: int, tell: Collection[str] = ()
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._factor, self._minimum, self._history = factor, minimum, history
        self._tell = tell
        self._paused: frozenset[str] = frozenset()
        self._allowed: frozenset[str] = frozenset()
        self._today: Counter[str] = Counter()
        self._usual: dict[str, float] = {}
        self._counted_at = clock.now() - PAST

    def look(self) -> int:
        """Learn which rules are paused, by whichever node; 0, there is no work in it."""
        self._paused = frozenset(pause.rule for pause in self._ledger.pauses())
        now = self._clock.now()
        if now - self._counted_at >= COUNT_AGAIN:
            self._count(local(now).date())
            self._counted_at = now
        return 0

    def stops(self, decision: Decision, released: Collection[str]) -> tuple[Action, list[Told]] | None:
        """The action of a paused rule in *decision*, and whom to tell, which is nobody but the first time.

        Args:
            released: rules that a person has overruled for this letter: their pause does not hold it.
        """
        counted = {action.rule: action for action in decision.actions if action.kind in _COUNTED}
        for rule, action in counted.items():
            self._today[rule] += 1
            if rule in released:
                continue
            if rule in self._paused:
                return action, []
            if self._is_too_much(rule) and rule not in self._allowed:
                return action, self._pause(action)
        return None

    def _is_too_much(self, rule: str) -> bool:
        usual = self._usual.get(rule)
        return usual is not None and self._today[rule] > max(self._minimum, self._factor * usual)

    def _pause(self, action: Action) -> list[Told]:
        seen, usual = self._today[action.rule], round(self._usual[action.rule])
        self._paused |= {action.rule}
        if not self._ledger.pause_rule(action.rule, seen=seen, usual=usual):
            return []
        log.rule_paused(rule=action.rule, seen=seen, usual=usual)
        text = (
            f"Reglen er sat på pause. Den har i dag passet på {seen} breve; normalt er det {usual} om dagen. Breve, som "
            "reglen ville sende, venter under Ubehandlet. Er det rigtigt, at der er så mange, så kør: gateway rules "
            f"resume {action.rule}. Ellers: ret reglen, aktivér den, og kassér de breve, der ikke skulle sendes."
        )
        return [Told(to=address, rule=action.by, text=text) for address in self._tell]

    def _count(self, today: date) -> None:
        self._allowed = self._ledger.resumed_on(today)
        days = self._ledger.rule_days(today - PAST)
        self._today = Counter({rule: own.get(today, 0) for rule, own in days.items()})
        past = {rule: [count for day, count in own.items() if day != today] for rule, own in days.items()}
        self._usual = {rule: median(counts) for rule, counts in past.items() if len(counts) >= self._history}
