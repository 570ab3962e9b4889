"""Rules that stopped themselves: which, and let them go on."""

from __future__ import annotations

from dataclasses import asdict

import click

from gateway import log
from gateway.cli.context import Home, as_json, pass_home, show_json, table
from gateway.model.danish_time import local


@click.command()
@as_json
@pass_home
def pauses(home: Home, *, as_json: bool) -> None:
    """Rules that are paused, since they suddenly matched many times more than they used to."""
    found = home.ledger().pauses()
    if as_json:
        show_json({"schema": "gateway.rules-pauses/1", "pauses": [asdict(pause) for pause in found]})
        return
    if not found:
        click.echo("No rule is paused.")
        return
    rows = [[one.rule, f"{local(one.at):%Y-%m-%d %H:%M}", str(one.seen), str(one.usual)] for one in found]
    table(rows, ["rule", "since", "matches", "usual"])


@click.command()
@click.argument("rule")
@as_json
@pass_home
def resume(home: Home, rule: str, *, as_json: bool) -> None:
    """Let a paused RULE go on; the letters it held go to the rules again. It is not paused again today."""
    letters = home.ledger().resume_rule(rule, home.actor)
    log.operator_acted(verb="resume", item=rule, actor=home.actor)
    if as_json:
        show_json({"verb": "resume", "rule": rule, "items": letters})
        return
    click.echo(f"{rule} goes on; {len(letters)} letters go to the rules again.")
