"""Acting: what a person does with post that needs one. Each command leaves an audit line."""

from __future__ import annotations

import click

from gateway import log
from gateway.cli.context import Home, as_json, pass_home, show_json

reason = click.option("--reason", required=True, help="Why; kept in the audit.")


def _tell(verb: str, home: Home, changed: list[str], *, as_json: bool) -> None:
    for item in changed:
        log.operator_acted(verb=verb, item=item, actor=home.actor)
    if as_json:
        show_json({"verb": verb, "items": changed})
        return
    for item in changed:
        click.echo(f"{verb}: {item}")


@click.command()
@click.argument("item")
@as_json
@pass_home
def retry(home: Home, item: str, as_json: bool) -> None:
    """Try again what failed or is held: same letter, same UUID, same bytes."""
    _tell("retry", home, home.ledger().retry(item, home.actor), as_json=as_json)


@click.command()
@click.argument("item")
@reason
@as_json
@pass_home
def hold(home: Home, item: str, reason: str, as_json: bool) -> None:
    """Keep what has not been sent yet from being sent."""
    _tell("hold", home, home.ledger().hold(item, home.actor, reason), as_json=as_json)


@click.command()
@click.argument("item")
@as_json
@pass_home
def release(home: Home, item: str, as_json: bool) -> None:
    """Let go on what is held."""
    _tell("release", home, home.ledger().release(item, home.actor), as_json=as_json)


@click.command()
@click.argument("item")
@as_json
@pass_home
def approve(home: Home, item: str, as_json: bool) -> None:
    """Approve what a rule wants approved; two different persons where it asks for two."""
    _tell("approve", home, home.ledger().approve(item, home.actor), as_json=as_json)


@click.command()
@click.argument("item")
@reason
@as_json
@pass_home
def discard(home: Home, item: str, reason: str, as_json: bool) -> None:
    """Do not send it, ever (Annulleret)."""
    _tell("discard", home, home.ledger().discard(item, home.actor, reason), as_json=as_json)


@click.command()
@click.argument("item")
@reason
@as_json
@pass_home
def handled(home: Home, item: str, reason: str, as_json: bool) -> None:
    """A person has dealt with it another way (Håndteret)."""
    _tell("handled", home, home.ledger().handled(item, home.actor, reason), as_json=as_json)
