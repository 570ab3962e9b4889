"""Reload: let the rules that were activated decide, at once and whole."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from gateway import log
from gateway.config.faults import Fault, config_error
from gateway.config.settings import Flow
from gateway.errors import ConfigError
from gateway.model.decision import Decision, Facts
from gateway.ports import Ledger
from gateway.rules.bundle import Bundle
from gateway.rules.engine import RuleSet
from gateway.rules.lists import Lists
from gateway.rules.rule import Department


class CurrentRules:
    """The rule set that decides now. Implements ``ports.RuleChain``.

    Sets never change, so whoever asks sees one set or the next, and never half of each.
    """

    def __init__(self, rule_set: RuleSet) -> None:
        self.rule_set = rule_set

    @property
    def version(self) -> str:
        return self.rule_set.version

    @property
    def departments(self) -> Mapping[str, Department]:
        return self.rule_set.departments

    @property
    def flows(self) -> Mapping[str, Flow]:
        return self.rule_set.flows

    def addresses_of(self, name: str) -> tuple[str, ...]:
        """See ``ports.RuleChain``."""
        return self.rule_set.addresses_of(name)

    def uses(self, name: str) -> bool:
        """See ``ports.RuleChain``."""
        return self.rule_set.uses(name)

    def asks_about_refusals(self) -> bool:
        """Whether a letter that was refused may go another way."""
        return self.uses("refused_by") or self.uses("refused_code")

    def decide(self, facts: Facts, *, released: Collection[str] = ()) -> Decision:
        """See ``ports.RuleChain``."""
        return self.rule_set.decide(facts, released=released)


class Reload:
    """Looks whether other rules were activated, or a list has changed.

    Args:
        lists: reads the lists. Raises ConfigError.
        marks: changes when a list does.
    """

    def __init__(
        self, ledger: Ledger, current: CurrentRules, *, lists: Callable[[], Lists], marks: Callable[[], object]
    ) -> None:
        self._ledger = ledger
        self._current = current
        self._lists = lists
        self._marks = marks
        self._tried = (current.version, marks())

    def look(self) -> int:
        """Let what was activated decide; 1 if it is another set than before.

        A set that cannot be read never takes the place of one that works: that is told, once, and the
        old one goes on.
        """
        wanted = self._ledger.active_rules() or self._current.version
        state = (wanted, self._marks())
        if state == self._tried:
            return 0
        self._tried = state
        try:
            rule_set = kept_rules(self._ledger, wanted, self._lists())
        except ConfigError as error:
            log.rules_kept(version=wanted, instead=self._current.version, code=error.code)
            return 0
        self._current.rule_set = rule_set
        log.rules_loaded(version=wanted, rules=len(rule_set.rules))
        return 1


def kept_rules(ledger: Ledger, version: str, lists: Lists) -> RuleSet:
    """The rule set that the ledger keeps under *version*. Raises NotFound; ConfigError: this program cannot
    read it, or a list it asks about is not there.
    """
    return Bundle(files=ledger.rule_version(version).files).rule_set(lists)


def first_rules(ledger: Ledger, bundle: Callable[[], Bundle], lists: Lists, *, author: str) -> RuleSet:
    """The set that decides when the gateway starts: the active one; else *bundle*, which becomes it.

    Raises:
        ConfigError: it cannot be read; for the active one with how to go back.
    """
    active = ledger.active_rules()
    if active is None:
        first = bundle()
        first.rule_set(lists)  # before it is kept for ever
        ledger.keep_rules(first.files, version=first.version, author=author)
        active = ledger.activate_rules(first.version, author=author, kind="first").version
    try:
        return kept_rules(ledger, active, lists)
    except ConfigError as error:
        says = f"the active rule set {active} cannot be read. Go back with `gateway rules rollback`, or mend: {error.text()}"
        raise config_error([Fault(file="", says=says)]) from None
