"""Looking: what came, where it is, and why."""

from __future__ import annotations

from typing import Any

import click

from gateway.cli.context import Home, as_json, pass_home, show_json, table
from gateway.model.shipment import Status
from gateway.notices.written import count

SCHEMA = "gateway.log/1"
MANY = 20
"""Letters of a submission from which its progress is told in words."""


@click.group()
def log() -> None:
    """What came, and where it is."""


@log.command("list")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most this many, newest first.")
@click.option("--status", type=click.Choice([s.value for s in Status]), help="Only in this state.")
@click.option("--unhandled", is_flag=True, help="Only what needs a person (Ubehandlet).")
@as_json
@pass_home
def list_(home: Home, limit: int, status: str | None, unhandled: bool, as_json: bool) -> None:
    """Every submission, newest first."""
    found = home.ledger().list_submissions(limit=limit, status=status, unhandled=unhandled)
    if as_json:
        show_json({"schema": SCHEMA, "submissions": found})
        return
    table([_row(submission) for submission in found], ["id", "received", "status", "letters", "subject"])


@log.command()
@click.argument("item")
@as_json
@pass_home
def show(home: Home, item: str, as_json: bool) -> None:
    """One submission: its letters, attempts, receipts and history."""
    found = home.ledger().show_submission(item)
    if as_json:
        show_json(found)
        return
    _show(found)


def _row(submission: dict[str, Any]) -> list[str]:
    letters = submission["letters"]
    done = sum(letter["send"] in ("completed", "failed") for letter in letters)
    return [
        submission["id"],
        str(submission["received_at"])[:19],
        submission["status"],
        _progress(done, len(letters)),
        (submission["subject"] or "")[:48],
    ]


def _progress(done: int, letters: int) -> str:
    """``1/1``; of many letters ``812 af 3.000``."""
    if letters < MANY:
        return f"{done}/{letters}"
    return f"{count(done)} af {count(letters)}"


def _show(found: dict[str, Any]) -> None:
    click.echo(f"{found['id']}  {Status(found['status']).danish}  ({found['status']})")
    click.echo(f"  received  {found['received_at']} by {found['channel']} from {found['submitter']}")
    click.echo(f"  subject   {found['subject'] or '–'}")
    _show_refusal(found, "  ")
    for letter in found["letters"]:
        copy = " (copy)" if letter["copy"] else ""
        click.echo(f"  letter {letter['id']}{copy} to {letter['recipient']}  rule {letter['rule'] or '–'}")
        click.echo(f"    send {letter['send']}  archive {letter['archive']}  uuid {letter['uuid'] or '–'}")
        _show_refusal(letter, "    ")
        _show_wait(letter, "its look-up")
        for attempt in letter["attempts"]:
            code = f" {attempt['code']}" if attempt["code"] else ""
            click.echo(f"    attempt {attempt['number']} {str(attempt['at'])[:19]} {attempt['outcome']}{code}")
        for shipment in letter["shipments"]:
            _show_wait(shipment, f"{shipment['kind']} to {shipment['destination']}")
        for receipt in letter["receipts"]:
            code = f" {receipt['code']}" if receipt["code"] else ""
            click.echo(f"    receipt {str(receipt['at'])[:19]} {receipt['kind']} {receipt['verdict']}{code}")
    for line in found["history"]:
        click.echo(f"  {str(line['at'])[:19]}  {line['verb']} {line['item']} {line['actor']} {line['reason']}".rstrip())


def _show_wait(row: dict[str, Any], what: str) -> None:
    """A step that failed for now, and when it is tried again."""
    if row["code"] and row["next_attempt"]:
        click.echo(f"    {what} failed with {row['code']}, tried again {str(row['next_attempt'])[:19]}")


def _show_refusal(of: dict[str, Any], indent: str) -> None:
    if refusal := of["refusal"]:
        click.echo(f"{indent}{refusal['code']} {refusal['sentence']} {refusal['remedy']}")
