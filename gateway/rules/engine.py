"""Asks the rules in order; the first that matches decides, each kind of action by itself.

Pure and total: every item gets a decision. A rule set never changes: new rules are a new set with
another version. How a chain is decided stands in ``gateway.rules.chain``; here is the set as a whole.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

from gateway.config.settings import Flow
from gateway.model.decision import Decision, Direction, Facts, Shadow, Step
from gateway.rules.chain import Chain
from gateway.rules.explain import explained
from gateway.rules.language import tests_of
from gateway.rules.rule import Department, Place, Rule
from gateway.rules.walk import UNHANDLED


class RuleSet:
    """Rules of both directions, with the departments and flows they name. Implements ports.RuleChain.

    Args:
        rules: in order.
        version: first 12 hexadecimal digits of the SHA-256 of the content: comments and layout do not count.
    """

    def __init__(
        self,
        *,
        rules: tuple[Rule, ...],
        version: str,
        departments: Mapping[str, Department] | None = None,
        flows: Mapping[str, Flow] | None = None,
        places: Mapping[str, Place] | None = None,
    ) -> None:
        self.rules = rules
        self.version = version
        self.departments: Mapping[str, Department] = MappingProxyType(dict(departments or {}))
        self.flows: Mapping[str, Flow] = MappingProxyType(dict(flows or {}))
        self.places: Mapping[str, Place] = MappingProxyType(dict(places or {}))
        """Where each department and flow stands, by name."""
        self._chains: Mapping[Direction, Chain] = {
            "outbound": Chain(tuple(rule for rule in rules if rule.direction == "outbound")),
            "inbound": Chain(tuple(rule for rule in rules if rule.direction == "inbound")),
        }
        conditions = [condition for rule in rules if rule.mode != "fra" for condition in (rule.when, rule.unless)]
        self._fields = frozenset(test.field for condition in conditions for test in tests_of(condition))

    def addresses_of(self, name: str) -> tuple[str, ...]:
        """Where to tell the department *name*; a mail address is its own. Empty: there is none such."""
        if "@" in name:
            return (name,)
        department = self.departments.get(name)
        return () if department is None else department.addresses

    def uses(self, name: str) -> bool:
        """Whether any rule asks about the field *name*."""
        return name in self._fields

    def decide(self, facts: Facts, *, released: Collection[str] = ()) -> Decision:
        """What is to be done with an item.

        Args:
            released: ids of rules that a person has overruled for it: their hold and approve do nothing.
        """
        chain = self._chains[facts.direction]
        asking = chain.asking(facts)
        walk = chain.walk(asking, released)
        shadow = chain.walk(asking, released, shadows=True) if chain.shadow_matches(asking) else walk
        return Decision(
            rule=walk.rule,
            actions=walk.actions,
            version=self.version,
            trail=asking.trail(walk),
            shadow=None if shadow.same_as(walk) else Shadow(rule=shadow.rule, actions=shadow.actions),
        )

    def explain(self, facts: Facts, decision: Decision) -> tuple[Step, ...]:
        """The trail of *decision* as a person reads it: every rule, every condition with the value seen.

        Args:
            facts: as they were, with or without the text.
            decision: of this set; another one's bits mean other things.
        """
        return explained(self._chains[facts.direction], facts, decision)


__all__ = ["UNHANDLED", "RuleSet"]
