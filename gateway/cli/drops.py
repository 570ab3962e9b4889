"""What systems dropped, what became of it, and how each account is doing."""

from __future__ import annotations

from typing import Any

import click

from gateway.cli.context import Home, as_json, pass_home, show_json, table

SCHEMA = "gateway.drops/1"
_STATES = ("received", "accepted", "rejected", "done", "again", "held")


@click.group()
def drops() -> None:
    """Files that systems dropped by SFTP or in a watched folder."""


@drops.command("list")
@click.option("--account", help="Only of this account or folder.")
@click.option("--state", type=click.Choice(_STATES), help="Only in this state.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most this many, newest first.")
@as_json
@pass_home
def list_(home: Home, *, account: str | None, state: str | None, limit: int, as_json: bool) -> None:
    """Every drop, newest first."""
    found = home.drops().list_drops(account=account, limit=limit, state=state)
    if as_json:
        show_json({"schema": SCHEMA, "drops": found})
        return
    table([_row(drop) for drop in found], ["id", "received", "account", "state", "letters", "name"])


@drops.command()
@click.argument("drop")
@as_json
@pass_home
def show(home: Home, drop: str, as_json: bool) -> None:
    """One drop: its files, its faults, its letters and the answers that were written."""
    found = home.drops().show_drop(drop)
    if as_json:
        show_json(found)
        return
    click.echo(f"{found['id']}  {found['state']}  account {found['account']}  {str(found['received_at'])[:19]}{'  (trial)' if found['trial'] else ''}")
    for file in found["files"]:
        click.echo(f"  file {file['name']}  {file['size_bytes']} bytes  complete by {file['how']}")
    _show_faults(found)
    for item in found["items"]:
        click.echo(f"  {item['outcome']} {item['submission']}  {item['status']}")
    for answer in found["answers"]:
        click.echo(f"  answered {str(answer['at'])[:19]}  {answer['name']}")


@drops.command()
@click.argument("drop")
@as_json
@pass_home
def why(home: Home, drop: str, as_json: bool) -> None:
    """Why a drop was rejected, or which rule decided each of its letters."""
    found = home.drops().show_drop(drop)
    if as_json:
        show_json({"id": found["id"], "state": found["state"], "faults": found["faults"], "items": found["items"]})
        return
    click.echo(f"{found['id']}  {found['state']}")
    _show_faults(found)
    for item in found["items"]:
        for letter in item["letters"]:
            click.echo(f"  letter {letter['id']} to {letter['recipient']}: send {letter['send']}, archive {letter['archive']}, rule {letter['rule'] or '–'}")
            click.echo(f"    all of it: gateway why {letter['id']}")


@drops.command()
@click.argument("drop")
@pass_home
def retry(home: Home, drop: str) -> None:
    """Hand a rejected drop over once more, as it is: after a rule, a limit or an account was changed."""
    for done in home.drops().retry_drop(drop, home.actor):
        click.echo(f"{done} is handed over again.")


@drops.command()
@as_json
@pass_home
def health(home: Home, as_json: bool) -> None:
    """Of each account: its last drop, the share that was rejected in 30 days, and when the next is expected."""
    found = home.drops().drop_health()
    if as_json:
        show_json({"schema": SCHEMA, "accounts": found})
        return
    table([_health(one) for one in found], ["account", "last drop", "drops", "rejected", "expected before", ""])


def _row(drop: dict[str, Any]) -> list[str]:
    letters = sum(len(item["letters"]) for item in drop["items"])
    return [drop["id"], str(drop["received_at"])[:19], drop["account"], drop["state"], str(letters), drop["base"][:40]]


def _show_faults(found: dict[str, Any]) -> None:
    for fault in found["faults"]:
        where = ", ".join(part for part in (fault["fil"], f"linje {fault['linje']}" if fault["linje"] else "", fault["felt"]) if part)
        click.echo(f"  {fault['kode']} {fault['gw']}  {where}: {fault['tekst']} {fault['goer_saadan']}")


def _health(one: dict[str, Any]) -> list[str]:
    state = "share lost" if one["share"] == "lost" else "late" if one["late"] else ""
    return [
        one["account"], str(one["last_drop"] or "never")[:19], str(one["drops"]), f"{one['rejected_share']:.0%}",
        str(one["expected_before"] or "–")[:19], state,
    ]  # fmt: skip
