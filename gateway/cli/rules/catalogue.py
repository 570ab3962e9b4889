"""What a rule may ask and want, from the catalogues the loader uses."""

from __future__ import annotations

import click

from gateway.cli.context import as_json, show_json, table
from gateway.config.faults import nearest
from gateway.rules.acts import ACTIONS, SET_KEYS
from gateway.rules.language import FIELDS, OPERATORS, operators_of
from gateway.rules.schema import schema


@click.command()
@click.argument("name", required=False)
@as_json
def fields(name: str | None, *, as_json: bool) -> None:
    """Fields, operators and actions; with NAME one field or action in full."""
    if name is not None:
        _one(name)
        return
    if as_json:
        told = [
            {"name": one.name, "kind": one.kind, "means": one.means, "asked_of": one.asked_of, "operators": operators_of(one.kind)}
            for one in FIELDS.values()
        ]
        show_json({"schema": "gateway.rules-fields/1", "fields": told})
        return
    table([[one.name, one.kind, "/".join(one.asked_of), one.means] for one in FIELDS.values()], ["field", "kind", "post", "means"])
    click.echo()
    table([[one.name, one.means] for one in OPERATORS.values()], ["operator", "means"])
    click.echo()
    table([[one.name, one.means] for one in ACTIONS.values()], ["action", "means"])


def _one(name: str) -> None:
    if name in FIELDS:
        field = FIELDS[name]
        click.echo(f"{field.name} ({field.kind}, {' and '.join(field.asked_of)} post): {field.means}")
        if field.choices:
            click.echo(f"  one of: {', '.join(field.choices)}")
        for operator in operators_of(field.kind):
            click.echo(f"  {operator}: {OPERATORS[operator].means}")
        asked = "sidecar.NAME" if name == "sidecar" else name
        click.echo(f'  when = {{ field = "{asked}", {field.example} }}')
    elif name in ACTIONS:
        action = ACTIONS[name]
        click.echo(f"{action.name} ({' and '.join(action.directions)} post): {action.means}")
        click.echo(f"  then = [ {action.example} ]")
        for key in SET_KEYS.values() if name == "set" else ():
            click.echo(f"  {key.name}: {key.means}")
    else:
        near = nearest(name, [*FIELDS, *ACTIONS])
        raise click.BadParameter(f'there is no such field or action.{f" Did you mean {near}?" if near else ""}', param_hint="NAME")


@click.command("schema")
def schema_() -> None:
    """The JSON Schema of a rules file, for editors."""
    show_json(schema())
