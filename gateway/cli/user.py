"""Who may log in to send."""

from __future__ import annotations

import click

from gateway.cli.context import Home, as_json, ask_password, pass_home, show_json, table
from gateway.config.settings import NoticeWish
from gateway.ingress.smtp import users


@click.group()
def user() -> None:
    """Logins of people and systems that send by email."""


@user.command()
@click.argument("name")
@click.option("--address", "addresses", multiple=True, required=True, help="A sender address it may use; *@domain for all of a domain. May be repeated.")
@click.option("--notices", type=click.Choice(["all", "summary", "errors"]), default="summary", show_default=True, help="Which mails it gets about its letters.")
@click.option("--system", is_flag=True, help="A machine: its X-DigitalPost-* headers are believed.")
@pass_home
def add(home: Home, name: str, addresses: tuple[str, ...], notices: NoticeWish, system: bool) -> None:
    """Add a login called NAME, or give it new settings; the password is asked for, or read from stdin."""
    password = ask_password()
    path = home.settings.path(home.settings.smtp.users)
    users.add_user(path, name, password, addresses=addresses, notices=notices, system=system)
    click.echo(f"{name} may send.")


@user.command("list")
@as_json
@pass_home
def list_(home: Home, as_json: bool) -> None:
    """Every login; never a password."""
    found = users.list_users(home.settings.path(home.settings.smtp.users))
    if as_json:
        show_json({"users": [
            {"name": u.name, "addresses": u.addresses, "notices": u.notices, "system": u.system}
            for u in found
        ]})
        return
    table([[u.name, " ".join(u.addresses), u.notices, "system" if u.system else ""] for u in found],
          ["name", "addresses", "notices", ""])


@user.command()
@click.argument("name")
@pass_home
def remove(home: Home, name: str) -> None:
    """Take a login away."""
    users.remove_user(home.settings.path(home.settings.smtp.users), name)
    click.echo(f"{name} may no longer send.")
