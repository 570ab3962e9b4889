"""From rules that matched, in order, to what is to be done: each kind of action from the first that wants it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import fields

from gateway.model.danish_time import local
from gateway.model.decision import Action, Facts
from gateway.rules.acts import fits
from gateway.rules.language import tests_of, value_of
from gateway.rules.rule import Rule, Wanted
from gateway.rules.templates import Unfilled

UNHANDLED = "ubehandlet"
"""Id of the last link, which is always there: a person decides (F31)."""
UNHANDLED_NAME = "Ingen regel passede"


class Walk:
    """What the rules that matched want, taken in order."""

    def __init__(self, facts: Facts, released: Collection[str]) -> None:
        self.actions: tuple[Action, ...] = ()
        self.rule = UNHANDLED
        self.closed_groups: set[str] = set()
        self.acted = 0
        self.closed = 0
        self.reached = 0
        self.ended = False
        self._facts = facts
        self._released = released

    def take(self, rule: Rule, bit: int) -> None:
        """Take the actions of a rule that matches, those whose group is open."""
        offered = list(self._offered(rule))
        if not offered:
            return
        taken = [action for _, action in offered]
        self.acted |= bit
        ways = [action for action in taken if action.kind in _WAYS]
        if ways and not self.has_way:
            self.rule = rule.id
        self.actions += tuple(taken)
        stopped = any(action.kind in _STOPS for action in ways)
        if stopped:
            self.actions = tuple(one for one in self.actions if one.kind in (*_STOPS, "set", "notify"))
            self.rule = rule.id
        if rule.next != "fortsæt":
            self.closed_groups.update(group for group, _ in offered)
        self.ended = stopped or rule.next == "stop"

    @property
    def has_way(self) -> bool:
        """Whether some rule has said where the item goes."""
        return any(action.kind in _WAYS for action in self.actions)

    def same_as(self, other: Walk) -> bool:
        """Whether both want the same, whichever rule wants it."""
        return wishes(self.actions) == wishes(other.actions)

    def _offered(self, rule: Rule) -> Iterator[tuple[str, Action]]:
        """The rule's actions whose group is open, with that group; without those that a person or a
        destination has ruled out.
        """
        released = rule.id in self._released and rule.id != UNHANDLED
        for wanted in rule.then:
            if wanted.group in self.closed_groups or (released and wanted.kind in ("hold", "approve")):
                continue
            action = wanted.ready or self._filled(rule, wanted)
            if released and action.kind != wanted.kind:
                continue  # it cannot be filled in, and a person let the item go on all the same
            if action.kind != "send" or action.target not in self._facts.refused_by:
                yield wanted.group, action

    def _filled(self, rule: Rule, wanted: Wanted) -> Action:
        """The action filled in; what cannot be filled in holds the item."""
        try:
            action = wanted.fill(_values(self._facts, rule))
            if fits(action):
                return action
            reason = f"Reglen »{rule.name}« gav en værdi, der ikke kan bruges"
        except Unfilled as unfilled:
            reason = f"Reglen »{rule.name}« kunne ikke udfyldes: {unfilled.name} mangler"
        return Action(kind="hold", target=reason, rule=rule.id, by=rule.name)


_WAYS = ("send", "forward", "hold", "reject")
_STOPS = ("hold", "reject")


def wishes(actions: Collection[Action]) -> frozenset[tuple[str, str, tuple[tuple[str, str], ...]]]:
    """*actions* to be compared: without the rules they came from and their order."""
    return frozenset((action.kind, action.target, tuple(sorted(action.settings))) for action in actions)


def _values(facts: Facts, rule: Rule) -> dict[str, object]:
    """What a text may be filled in with."""
    values: dict[str, object] = {one.name: value_of(facts, one.name) for one in fields(Facts) if one.name != "sidecar"}
    day = local(facts.received_at)
    values |= {"year": day.year, "day": day.date().isoformat(), "sidecar": dict(facts.sidecar)}
    for test in tests_of(rule.when):
        value = value_of(facts, test.field)
        texts = value if isinstance(value, tuple) else (value,)
        for text in texts:
            if test.find is not None and isinstance(text, str):
                values |= test.find(text)
    return {name: value for name, value in values.items() if value is not None}
