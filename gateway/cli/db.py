"""The ledger's schema."""

from __future__ import annotations

import click

from gateway.cli.context import Home, as_json, pass_home, show_json
from gateway.wiring.state import migrate_ledger


@click.group()
def db() -> None:
    """The database."""


@db.command()
@as_json
@pass_home
def migrate(home: Home, as_json: bool) -> None:
    """Bring the database to this version's schema; safe to run again, and from several nodes."""
    migrate_ledger(home.settings)
    if as_json:
        show_json({"migrated": True})
        return
    click.echo("The database is up to date.")
