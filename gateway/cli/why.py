"""Why a letter went where it went: every rule, every value seen, in the words of the version that decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import click

from gateway.cli.context import Home, as_json, pass_home, show_json
from gateway.model.decision import Action, Asked, Step, StepState
from gateway.model.rule_version import PastDecision, RuleVersion
from gateway.rules.bundle import Bundle
from gateway.rules.engine import RuleSet
from gateway.rules.lists import Unread

_MARKS: dict[StepState, str] = {
    "matched": "✓",
    "not matched": "·",
    "closed": "-",
    "overruled": "✗",
    "shadow": "~",
    "off": " ",
    "not reached": " ",
}
_SAYS: dict[StepState, str] = {
    "closed": "what it decides was decided before",
    "overruled": "a person overruled it",
    "shadow": "matched, and only watches",
    "off": "off, or not in its dates",
    "not reached": "not asked",
}


INBOUND = "P-"
"""Begins the ids of post to us."""


@click.command()
@click.argument("item")
@click.option("--all", "in_full", is_flag=True, help="Show the conditions of every rule, not only of those that acted.")
@as_json
@pass_home
def why(home: Home, item: str, *, in_full: bool, as_json: bool) -> None:
    """Why a letter went where it went: every rule asked, every value seen.

    In the words of the rules that decided then, whatever decides today.
    """
    inbound = item.startswith(INBOUND)
    past = home.inbound().inbound_decisions_of(item) if inbound else home.ledger().decisions_of(item)
    versions = _Versions(home)
    if as_json:
        show_json(_as_json(home, item, past, versions))
        return
    if not past:
        click.echo("Nothing was decided about it yet.")
    for decision in past:
        _show(decision, versions, in_full=in_full)


class _Versions:
    """Rule sets as the ledger keeps them, each read once."""

    def __init__(self, home: Home) -> None:
        self._ledger = home.ledger()
        self.kept = lru_cache(self._kept)
        self.rule_set = lru_cache(self._rule_set)

    def _kept(self, version: str) -> RuleVersion:
        return self._ledger.rule_version(version)

    def _rule_set(self, version: str) -> RuleSet:
        return Bundle(files=self.kept(version).files).rule_set(Unread())

    def steps(self, past: PastDecision) -> tuple[Step, ...]:
        """What was asked, and answered, then."""
        return self.rule_set(past.decision.version).explain(past.facts, past.decision)


def _show(past: PastDecision, versions: _Versions, *, in_full: bool) -> None:
    decision = past.decision
    kept = versions.kept(decision.version)
    click.echo(f"{past.item} to {past.recipient or 'Indbakke'}  {past.at:%Y-%m-%d %H:%M:%S}")
    click.echo(f"  decided by {decision.rule}, rule set {kept.number} ({decision.version}) by {kept.author}")
    for step in versions.steps(past):
        tree = in_full or step.actions or step.state in ("matched", "overruled", "shadow")
        show_step(step, tree=bool(tree), indent="  ")
    show_actions(decision.actions, "  ")
    if decision.shadow is not None:
        click.echo("  rules in shadow mode would have done:")
        show_actions(decision.shadow.actions, "    ")


def show_step(step: Step, *, tree: bool, indent: str) -> None:
    """One rule of a trail, with its conditions below it if *tree*."""
    says = f": {_SAYS[step.state]}" if step.state in _SAYS else ""
    click.echo(f"{indent}{_MARKS[step.state]} {step.name} ({step.rule}){says}")
    if tree:
        _show_asked(step.when, f"{indent}    ")
        if step.unless is not None:
            click.echo(f"{indent}    unless")
            _show_asked(step.unless, f"{indent}      ")


def show_actions(actions: Sequence[Action], indent: str) -> None:
    """What was, or would be, done."""
    for action in actions:
        settings = "".join(f" {key}={value}" for key, value in action.settings)
        click.echo(f"{indent}→ {action.kind} {action.target}{settings}")


def _show_asked(asked: Asked | None, indent: str) -> None:
    if asked is None:
        return
    answer = {True: "yes", False: "no", None: "not asked"}[asked.answer]
    if asked.word == "test":
        click.echo(f"{indent}{asked.field} {asked.operator} {asked.expected}: {answer}, it was {asked.seen}")
        return
    click.echo(f"{indent}{asked.word}: {answer}")
    for part in asked.parts:
        _show_asked(part, f"{indent}  ")


def _as_json(home: Home, item: str, past: Sequence[PastDecision], versions: _Versions) -> dict[str, Any]:
    letters: dict[str, dict[str, Any]] = {}
    for one in past:
        letter = letters.setdefault(one.item, {"id": one.item, "recipient": one.recipient, "decisions": []})
        kept = versions.kept(one.decision.version)
        letter["decisions"].append(
            {
                "at": one.at.isoformat(),
                "rule": one.decision.rule,
                "version": one.decision.version,
                "number": kept.number,
                "author": kept.author,
                "reach": one.facts.reach,
                "actions": [asdict(action) for action in one.decision.actions],
                "trail": [asdict(step) for step in versions.steps(one)],
                "shadow": None if one.decision.shadow is None else asdict(one.decision.shadow),
            }
        )
    if item.startswith(INBOUND):
        return {"message": home.inbound().show_inbound(item)["id"], "letters": list(letters.values())}
    return {"submission": home.ledger().show_submission(item)["id"], "letters": list(letters.values())}
