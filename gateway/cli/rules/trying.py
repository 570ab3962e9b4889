"""Trying rules on mails: what would be done, and why; nothing is."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from gateway.cli.context import Home, as_json, pass_home, show_json
from gateway.cli.rules.context import configured, files_at
from gateway.cli.rules.mails import REACHES, Mails, mails_in
from gateway.cli.why import show_actions, show_step
from gateway.model.decision import Decision, Facts, Step
from gateway.model.identity import mask_numbers
from gateway.rules.engine import RuleSet


@click.command("try")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--rules", "rules_path", type=click.Path(exists=True, path_type=Path), help="Rules to try; else those of gateway.toml.")
@click.option("--as", "submitter", default="user:example", show_default=True, help="Who hands it over: user:NAME.")
@click.option("--reach", type=click.Choice(REACHES), default="registered", show_default=True, help="What the look-up says; nobody is asked.")
@click.option("--all", "in_full", is_flag=True, help="Show the conditions of every rule.")
@as_json
@pass_home
def try_(
    home: Home, path: Path, *, rules_path: Path | None, submitter: str, reach: Any, in_full: bool, as_json: bool
) -> None:
    """Ask rules about a mail, a folder of mails (*.eml) or a ZIP of them.

    Shows for each letter every rule asked, every value seen, and what would be done. Nothing is kept,
    looked up or sent.
    """
    bundle, lists = files_at(rules_path or configured(home))
    rule_set = bundle.rule_set(lists)
    told: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch, Mails(
        home.settings, flows=rule_set.flows, reach=reach, submitter=submitter
    ) as mails:
        for name, mail in mails_in(path, Path(scratch)):
            reading, letters = mails.read(mail)
            one: dict[str, Any] = {"mail": mask_numbers(name), "refusal": None, "letters": []}
            if reading.refusal is not None:
                one["refusal"] = {"code": reading.refusal.code, "says": reading.refusal.text()}
            for letter, facts in letters:
                decision = rule_set.decide(facts)
                steps = rule_set.explain(facts, decision)
                one["letters"].append(_as_dict(letter.recipient.masked(), decision, steps))
            told.append(one)
            if not as_json:
                _show(one["mail"], one["refusal"], letters, rule_set, in_full=in_full)
    if as_json:
        show_json({"schema": "gateway.rules-try/1", "version": rule_set.version, "mails": told})
    elif not told:
        click.echo("There is no mail (*.eml) in it.")


def _as_dict(recipient: str, decision: Decision, steps: tuple[Step, ...]) -> dict[str, Any]:
    return {
        "recipient": recipient,
        "rule": decision.rule,
        "actions": [asdict(action) for action in decision.actions],
        "trail": [asdict(step) for step in steps],
        "shadow": None if decision.shadow is None else asdict(decision.shadow),
    }


def _show(name: str, refusal: dict[str, str] | None, letters: list[tuple[Any, Facts]], rule_set: RuleSet, *, in_full: bool) -> None:
    click.echo(name)
    if refusal is not None:
        click.echo(f"  refused before any rule is asked: {refusal['code']} {refusal['says']}")
    for letter, facts in letters:
        decision = rule_set.decide(facts)
        click.echo(f"  letter to {letter.recipient.masked()}: decided by {decision.rule}")
        for step in rule_set.explain(facts, decision):
            show_step(step, tree=bool(in_full or step.actions), indent="    ")
        show_actions(decision.actions, "    ")
        if decision.shadow is not None:
            click.echo("    rules in shadow mode would have done:")
            show_actions(decision.shadow.actions, "      ")
