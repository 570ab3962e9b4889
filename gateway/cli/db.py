"""The ledger's schema."""

from __future__ import annotations

import click

from gateway.cli.context import Home, pass_home
from gateway.wiring import migrate_ledger


@click.group()
def db() -> None:
    """The database."""


@db.command()
@pass_home
def migrate(home: Home) -> None:
    """Bring the database to this version's schema; safe to run again, and from several nodes."""
    migrate_ledger(home.settings)
    click.echo("The database is up to date.")
