"""Versions of the rules: let one decide, approve it, compare, go back."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from gateway import log
from gateway.cli.context import Home, as_json, pass_home, show_json, table
from gateway.cli.rules.context import configured, examined, set_called
from gateway.errors import ConfigError, NotAllowedNow
from gateway.model.danish_time import local
from gateway.model.rule_version import Activation, RuleVersion
from gateway.rules.bundle import Bundle
from gateway.rules.difference import difference
from gateway.rules.engine import RuleSet
from gateway.rules.lists import Unread

_PROBLEMS = 3


@click.command()
@click.argument("path", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--note", default="", help="Why; kept with the version.")
@as_json
@pass_home
@click.pass_context
def activate(ctx: click.Context, home: Home, path: Path | None, *, note: str, as_json: bool) -> None:
    """Let the rules at PATH decide; without PATH those that gateway.toml names.

    They must pass `check`, their examples too. They are kept for ever as a version; a running gateway
    takes them within two seconds. With [rules] second_approver, they wait for `gateway rules approve`.
    """
    bundle, found = examined(home, path or configured(home))
    if found.rule_set is None or found.errors:
        for finding in found.errors:
            click.echo(finding.line(), err=True)
        click.echo(f"Not activated: {len(found.errors)} errors. What decides now goes on deciding.", err=True)
        ctx.exit(_PROBLEMS)
    ledger = home.ledger()
    changes = _changes(home, ledger.active_rules(), found.rule_set)
    kept = ledger.keep_rules(bundle.files, version=bundle.version, author=home.actor, note=note)
    made = ledger.activate_rules(
        kept.version, author=home.actor, kind="activate", second=home.settings.rules.second_approver
    )
    _tell(made, changes, as_json=as_json)


@click.command()
@click.argument("version")
@as_json
@pass_home
def approve(home: Home, version: str, *, as_json: bool) -> None:
    """Approve a VERSION that somebody else activated (two must agree)."""
    before = home.ledger().active_rules()
    made = home.ledger().approve_rules(version, approver=home.actor)
    _tell(made, _changes(home, before, set_called(home, made.version)), as_json=as_json)


@click.command()
@click.argument("version", required=False)
@as_json
@pass_home
def rollback(home: Home, version: str | None, *, as_json: bool) -> None:
    """Let an earlier VERSION decide again; without VERSION the one before the present one."""
    ledger = home.ledger()
    if version is None:
        past = [one for one in ledger.rule_activations() if one.state == "past"]
        if not past:
            raise NotAllowedNow(what="There is no earlier version.")
        version = past[0].version
    active = ledger.active_rules()
    made = ledger.activate_rules(version, author=home.actor, kind="rollback")
    _tell(made, _changes(home, active, set_called(home, made.version)), as_json=as_json)


@click.command()
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most this many, newest first.")
@as_json
@pass_home
def versions(home: Home, limit: int, *, as_json: bool) -> None:
    """Which version decided when, and who made it so; newest first."""
    found = home.ledger().rule_activations(limit)
    if as_json:
        show_json({"schema": "gateway.rules-versions/1", "activations": [asdict(one) for one in found]})
        return
    rows = [
        [str(one.number), one.version, f"{local(one.at):%Y-%m-%d %H:%M}", one.state, one.kind, _authors(one)] for one in found
    ]
    table(rows, ["no.", "version", "when", "state", "how", "who"])


@click.command()
@click.argument("version")
@click.option("--file", "name", help="Print this file as it was kept.")
@as_json
@pass_home
def show(home: Home, version: str, *, name: str | None, as_json: bool) -> None:
    """A VERSION (its number, or its twelve digits): who kept it, its files, its rules."""
    kept = home.ledger().rule_version(version)
    if as_json:
        show_json({"schema": "gateway.rules-version/1", **asdict(kept)})
        return
    if name is not None:
        if name not in kept.files:
            raise click.BadParameter(f"one of {', '.join(kept.files)}", param_hint="--file")
        click.echo(kept.files[name], nl=False)
        return
    _show(kept)


@click.command()
@click.argument("before")
@click.argument("after")
@as_json
@pass_home
def diff(home: Home, before: str, after: str, *, as_json: bool) -> None:
    """What differs, in words. BEFORE and AFTER: a version, its number, `active`, `builtin`, or a path."""
    changes = difference(set_called(home, before), set_called(home, after))
    if as_json:
        show_json({"schema": "gateway.rules-diff/1", "changes": changes})
        return
    for line in changes or ["No difference."]:
        click.echo(line)


def _changes(home: Home, before: str | None, after: RuleSet) -> list[str]:
    """What differs from the version *before*. One that cannot be read any more keeps nobody from another."""
    if before is None:
        return []
    try:
        return difference(set_called(home, before), after)
    except ConfigError:
        return [f"Version {before} cannot be read by this program, so there is nothing to compare with."]


def _tell(made: Activation, changes: list[str], *, as_json: bool) -> None:
    log.rules_activated(version=made.version, actor=made.approver or made.author, state=made.state)
    if as_json:
        show_json({"schema": "gateway.rules-activation/1", **asdict(made), "changes": changes})
        return
    for line in changes:
        click.echo(line)
    if made.state == "pending":
        click.echo(f"Version {made.number} ({made.version}) waits: another person types  gateway rules approve {made.number}")
    else:
        click.echo(f"Version {made.number} ({made.version}) decides now; a running gateway takes it within two seconds.")


def _authors(one: Activation) -> str:
    return one.author if one.approver is None else f"{one.author}, approved by {one.approver}"


def _show(kept: RuleVersion) -> None:
    click.echo(f"version {kept.number} ({kept.version}), kept {local(kept.made_at):%Y-%m-%d %H:%M} by {kept.author}")
    if kept.note:
        click.echo(f"  {kept.note}")
    click.echo(f"  files: {', '.join(kept.files)}")
    for rule in Bundle(files=kept.files).rule_set(Unread()).rules:
        mode = "" if rule.mode == "aktiv" else f" [{rule.mode}]"
        click.echo(f"  {rule.id}{mode}: {rule.name}")
