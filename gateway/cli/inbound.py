"""Post to us: what came, whose it is, and what a person does with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from gateway import log
from gateway.cli.context import Home, as_json, pass_home, show_json, table
from gateway.cli.rules.context import since, since_option
from gateway.errors import FolderNotUsable, NotFound
from gateway.model.inbound import InboundStatus
from gateway.model.rule_version import PastDecision
from gateway.model.submission import Blob
from gateway.rules.engine import RuleSet
from gateway.services.distribute import to_department
from gateway.services.propose import propose
from gateway.services.reload import first_rules
from gateway.wiring.meaning import rule_files, rule_lists

SCHEMA = "gateway.inbound/1"


@click.group()
def inbound() -> None:
    """Post to us: what came, and whose it is."""


@inbound.command("list")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most this many, newest first.")
@click.option("--status", type=click.Choice([s.value for s in InboundStatus]), help="Only in this state; `inbox` is Indbakke.")
@click.option("--department", help="Only what this department has.")
@as_json
@pass_home
def list_(home: Home, limit: int, status: str | None, department: str | None, as_json: bool) -> None:
    """Every message, newest first."""
    state = None if status is None else InboundStatus(status)
    found = home.inbound().list_inbound(limit=limit, status=state, department=department)
    if as_json:
        show_json({"schema": SCHEMA, "messages": found})
        return
    table([_row(message) for message in found], ["id", "received", "status", "department", "from", "title"])


@inbound.command()
@click.argument("item")
@click.option("--save", type=click.Path(file_okay=False, path_type=Path), help="Write message and documents to this new folder.")
@as_json
@pass_home
def show(home: Home, item: str, save: Path | None, as_json: bool) -> None:
    """One message: documents, forwards, history."""
    found = home.inbound().show_inbound(item)
    if save is not None:
        _save(home, item, save)
        home.inbound().inbound_opened(item, actor=home.actor)
    if as_json:
        show_json(found)
        return
    _show(found)


@inbound.command()
@click.argument("item")
@click.argument("department")
@as_json
@pass_home
def assign(home: Home, item: str, department: str, as_json: bool) -> None:
    """Give a message to a department, and mail it there."""
    known = _rules(home).departments
    if department not in known:
        raise NotFound(what="department; `gateway rules show` lists them")
    forwards = to_department(department, known[department], rule=f"Fordelt af {home.actor.removeprefix('cli:')}")
    home.inbound().assign_inbound(item, forwards, department=department, actor=home.actor)
    _tell(home, "assigned", item, as_json=as_json)
    if not as_json:
        click.echo(f"A rule for the next of its kind: gateway inbound suggest {item} {department}")


@inbound.command()
@click.argument("item")
@click.argument("department")
@since_option
@as_json
@pass_home
def suggest(home: Home, item: str, department: str, text: str, as_json: bool) -> None:
    """A rule that would have given the message to the department, and what else it would have taken.

    Nothing is changed: put the rule before your others if it is right, then `gateway rules check`.
    """
    if department not in _rules(home).departments:
        raise NotFound(what="department; `gateway rules show` lists them")
    decisions = home.inbound().inbound_decisions_of(item)
    if not decisions:
        raise NotFound(what="decision about it")
    lists, past = rule_lists(home.settings), _past(home, since(text))
    found = propose(decisions[-1], department, bundle=rule_files(home.settings), lists=lists, past=past)
    if as_json:
        show_json({"schema": "gateway.inbound-suggest/1", **asdict(found)})
        return
    click.echo(found.rule)
    click.echo(f"# Of {found.looked_at} messages it would have taken {len(found.there) + len(found.elsewhere)}; {len(found.there)} of them lie there now.")
    for other, has_it in found.elsewhere:
        click.echo(f"# {other} lies with {has_it or 'nobody (Indbakke)'}.")


def _past(home: Home, from_: datetime) -> Iterator[PastDecision]:
    """The decisions since then, page by page."""
    after = 0
    while page := home.inbound().inbound_decisions_since(from_, after=after):
        yield from page
        after = page[-1].id


@inbound.command("return")
@click.argument("item")
@click.option("--reason", default="", help="Why; kept in the history.")
@as_json
@pass_home
def return_(home: Home, item: str, reason: str, as_json: bool) -> None:
    """Back to Indbakke: the wrong department."""
    _tell(home, "returned", home.inbound().return_inbound(item, actor=home.actor, reason=reason), as_json=as_json)


@inbound.command()
@click.argument("item")
@as_json
@pass_home
def done(home: Home, item: str, as_json: bool) -> None:
    """Somebody has dealt with it (Behandlet)."""
    home.inbound().inbound_done_by(item, actor=home.actor)
    _tell(home, "done", item, as_json=as_json)


@inbound.command()
@click.argument("item")
@click.option("--as", "mode", type=click.Choice(["auto", "vedhaeft", "link", "smime"]), help="How it goes now.")
@as_json
@pass_home
def retry(home: Home, item: str, mode: Any, as_json: bool) -> None:
    """Send again what was held, after its reason was mended."""
    if home.inbound().retry_forwards(item, actor=home.actor, mode=mode) == 0:
        click.echo("Nothing of it is held.", err=True)
    _tell(home, "retry", item, as_json=as_json)


def _rules(home: Home) -> RuleSet:
    """The rules that decide now."""
    lists = rule_lists(home.settings)
    return first_rules(home.ledger(), lambda: rule_files(home.settings), lists, author=home.actor)


def _tell(home: Home, verb: str, item: str, *, as_json: bool) -> None:
    log.operator_acted(verb=f"inbound {verb}", item=item, actor=home.actor)
    if as_json:
        show_json(home.inbound().show_inbound(item))
        return
    click.echo(f"{verb}: {item}")


def _save(home: Home, item: str, folder: Path) -> None:
    from gateway.egress.archive_builtin import distinct

    message = home.inbound().inbound_message(item)
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise FolderNotUsable(what=f"cannot be made ({error.strerror})") from None
    names = distinct(["besked.memo.xml", *(document.name for document in message.post.documents)])
    blobs = [message.raw, *(Blob(one.digest, one.size_bytes) for one in message.post.documents)]
    for name, blob in zip(names, blobs, strict=True):
        (folder / name).write_bytes(home.vault().read(blob))


def _row(message: dict[str, Any]) -> list[str]:
    return [
        message["id"],
        str(message["received_at"])[:19],
        InboundStatus(message["status"]).danish,
        message["department"] or "–",
        (message["sender"]["name"] or "")[:32],
        (message["title"] or "")[:48],
    ]


def _show(found: dict[str, Any]) -> None:
    sender = found["sender"]
    click.echo(f"{found['id']}  {InboundStatus(found['status']).danish}  ({found['status']})")
    click.echo(f"  received  {found['received_at']} in {found['mailbox']}  confirmed {found['confirmed_at'] or '–'}")
    click.echo(f"  from      {sender['name']} ({sender['kind'].upper()} {sender['number']})")
    click.echo(f"  title     {found['title'] or '–'}")
    click.echo(f"  with      {found['department'] or 'nobody: Indbakke'}")
    if found["refusal"]:
        click.echo(f"  {found['refusal']['code']} {found['refusal']['sentence']} {found['refusal']['remedy']}")
    for name, value in found["keys"].items():
        click.echo(f"  {name:9} {value}")
    for document in found["documents"]:
        click.echo(f"  {document['role']:9} {document['name']} ({document['size_bytes']} bytes)")
    for forward in found["forwards"]:
        where = forward["address"] or forward["kind"]
        sent = f" as {forward['sent_as']} {str(forward['sent_at'])[:19]}" if forward["sent_as"] else ""
        click.echo(f"  forward {forward['id']} to {where}: {forward['state']}{sent}")
        if forward["refusal"]:
            click.echo(f"    {forward['refusal']['code']} {forward['refusal']['sentence']} {forward['refusal']['remedy']}")
    for line in found["history"]:
        click.echo(f"  {str(line['at'])[:19]}  {line['verb']} {line['item']} {line['actor']} {line['reason']}".rstrip())
