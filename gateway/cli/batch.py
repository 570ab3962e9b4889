"""Merged files: what was found in them, and what a person decides about it."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import click

from gateway import log
from gateway.cli.context import Home, as_json, pass_home, show_json, table
from gateway.documents.addressing import parse_number
from gateway.errors import BatchTurnedDown, FolderNotUsable
from gateway.model.batch import Place
from gateway.model.identity import Recipient
from gateway.model.submission import Blob
from gateway.notices.written import count
from gateway.services.work import refusal_of

SCHEMA = "gateway.batch/1"
SAMPLE = 5
"""Letters to look at of each sort: by chance, and the riskiest."""
_EVERY = 1.0  # seconds between looks of a progress bar

reason = click.option("--reason", required=True, help="Why; kept in the audit.")


@click.group()
def batch() -> None:
    """Merged files (samlefiler): look at them, settle what is uncertain, let them go."""


@batch.command("list")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most this many, newest first.")
@click.option("--held", is_flag=True, help="Only those that wait for a person.")
@as_json
@pass_home
def list_(home: Home, limit: int, held: bool, as_json: bool) -> None:
    """Every merged file, and how far its letters are."""
    found = home.ledger().list_batches(limit=limit, held=held)
    if as_json:
        show_json({"schema": SCHEMA, "batches": found})
        return
    rows = [
        [one["id"], str(one["received_at"])[:19], one["state"], str(one["pages"]), str(one["uncertain"]), _progress(one)]
        for one in found
    ]
    table(rows, ["id", "received", "state", "pages", "uncertain", "letters"])


@batch.command()
@click.argument("batch_id")
@click.option(
    "--open", "folder", type=click.Path(file_okay=False, path_type=Path),
    help="Write letters to look at into this folder: 5 by chance and the 5 riskiest.",
)  # fmt: skip
@click.option("--all", "everything", is_flag=True, help="Every piece, and not only the uncertain ones.")
@as_json
@pass_home
def show(home: Home, batch_id: str, folder: Path | None, everything: bool, as_json: bool) -> None:
    """What was found: whose the pages are, by which evidence, and what is uncertain."""
    found = home.ledger().show_batch(batch_id)
    written = [] if folder is None else _write_samples(home, found, folder)
    if as_json:
        show_json({"schema": SCHEMA, **found, "written": [str(one) for one in written]})
        return
    click.echo(f"{found['id']}  {found['state']}  {found['pages']} pages, {_progress(found)}")
    if found["place_mm"]:
        x, y, width, height = found["place_mm"]
        click.echo(f"  numbers at {x:.0f} {y:.0f} {width:.0f} {height:.0f} (mm from the top left)")
    if found["refusal"]:
        click.echo(f"  {found['refusal']['code']} {found['refusal']['sentence']}")
    shown = [one for one in found["pieces"] if everything or one["flags"] or one["recipient"] is None]
    table([_row(one) for one in shown], ["page", "pages", "recipient", "why", "uncertain because"])
    for one in written:
        click.echo(f"wrote {one}")


@batch.command()
@click.argument("batch_id")
@pass_home
def watch(home: Home, batch_id: str) -> None:
    """Follow its letters until all of them have ended."""
    found = home.ledger().show_batch(batch_id)
    with click.progressbar(length=found["letters"], label=batch_id) as bar:
        done = 0
        while True:
            ended = found["completed"] + found["stopped"]
            bar.update(ended - done)
            done = ended
            if done >= found["letters"] or found["state"] in ("held", "rejected"):
                break
            time.sleep(_EVERY)
            found = home.ledger().show_batch(batch_id)
    click.echo(f"{found['state']}: {_progress(found)}")


@batch.command()
@click.argument("batch_id")
@as_json
@pass_home
def approve(home: Home, batch_id: str, as_json: bool) -> None:
    """Let a batch go that waits for a second person."""
    home.ledger().settle_batch(batch_id, home.actor, approved=True)
    _tell(home, "approve", [batch_id], as_json=as_json)


@batch.command()
@click.argument("batch_id")
@as_json
@pass_home
def accept(home: Home, batch_id: str, as_json: bool) -> None:
    """Uncertain letters that have a recipient are right as they are. Look at all of them first."""
    home.ledger().settle_batch(batch_id, home.actor, accepted=True)
    _tell(home, "accept", [batch_id], as_json=as_json)


@batch.command()
@click.argument("batch_id")
@reason
@as_json
@pass_home
def reject(home: Home, batch_id: str, reason: str, as_json: bool) -> None:
    """Send nothing of it; its sender is told."""
    home.ledger().turn_down_batch(batch_id, home.actor, reason, refusal_of(BatchTurnedDown()))
    _tell(home, "reject", [batch_id], as_json=as_json)


@batch.command()
@click.argument("batch_id")
@click.argument("left", type=float)
@click.argument("top", type=float)
@click.argument("width", type=float)
@click.argument("height", type=float)
@as_json
@pass_home
def place(home: Home, batch_id: str, left: float, top: float, width: float, height: float, as_json: bool) -> None:
    """Say where the recipients' numbers stand: millimetres from the top left of the page."""
    home.ledger().settle_batch(batch_id, home.actor, place=Place(left, top, width, height))
    _tell(home, "place", [batch_id], as_json=as_json)


@batch.command()
@click.argument("batch_id")
@click.argument("page", type=click.IntRange(min=1))
@click.option("--nobody", is_flag=True, help="These pages are not sent.")
@as_json
@pass_home
def assign(home: Home, batch_id: str, page: int, nobody: bool, as_json: bool) -> None:
    """Say whose the letter is that begins on PAGE. The number is asked for: it belongs in no list of processes."""
    who: Recipient | None = None
    if not nobody:
        number = click.prompt("CPR or CVR number", hide_input=True)
        who = parse_number(number, allow_test=home.settings.allow_test_numbers)
    home.ledger().settle_batch(batch_id, home.actor, assigned={page - 1: who})
    _tell(home, "assign", [batch_id], as_json=as_json)


@batch.command()
@click.argument("batch_id")
@reason
@as_json
@pass_home
def pause(home: Home, batch_id: str, reason: str, as_json: bool) -> None:
    """Stop between two letters; what is not sent yet waits."""
    _tell(home, "pause", home.ledger().hold(batch_id, home.actor, reason), as_json=as_json)


@batch.command()
@click.argument("batch_id")
@as_json
@pass_home
def resume(home: Home, batch_id: str, as_json: bool) -> None:
    """Go on with a batch that was paused."""
    _tell(home, "resume", home.ledger().release(batch_id, home.actor), as_json=as_json)


@batch.command()
@click.argument("batch_id")
@reason
@as_json
@pass_home
def cancel(home: Home, batch_id: str, reason: str, as_json: bool) -> None:
    """Do not send what is not sent yet, ever."""
    _tell(home, "cancel", home.ledger().discard(batch_id, home.actor, reason), as_json=as_json)


def _tell(home: Home, verb: str, changed: list[str], *, as_json: bool) -> None:
    log.operator_acted(verb=f"batch {verb}", item=changed[0].partition(".")[0], actor=home.actor)
    if as_json:
        show_json({"verb": verb, "items": changed})
    else:
        click.echo(f"{verb}: {changed[0] if len(changed) == 1 else f'{len(changed)} items'}")


def _progress(found: dict[str, Any]) -> str:
    """``812 af 3.000 afsluttet``."""
    stopped = f", {count(found['stopped'])} stopped" if found["stopped"] else ""
    return f"{count(found['completed'])} af {count(found['letters'])} afsluttet{stopped}"


def _row(piece: dict[str, Any]) -> list[str]:
    return [str(piece["first_page"]), str(piece["pages"]), piece["recipient"] or "–", piece["why"] or "–", ", ".join(piece["flags"]) or "–"]


def _write_samples(home: Home, found: dict[str, Any], folder: Path) -> list[Path]:
    """Letters to look at, named by their page: no number of a person stands in a file name."""
    pieces = found["pieces"]
    riskiest = sorted(pieces, key=lambda one: (-len(one["flags"]), -one["pages"], one["first_page"]))[:SAMPLE]
    others = [one for one in pieces if one not in riskiest]
    chosen = riskiest + random.sample(others, min(SAMPLE, len(others)))
    vault = home.vault()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        written = []
        for one in sorted(chosen, key=lambda piece: piece["first_page"]):
            file = folder / f"side-{one['first_page']:05d}.pdf"
            file.touch(mode=0o600)
            file.write_bytes(vault.read(Blob(one["digest"], one["size_bytes"])))
            written.append(file)
    except OSError as error:
        raise FolderNotUsable(what=f"{folder} cannot be written ({error.strerror})") from None
    return written
