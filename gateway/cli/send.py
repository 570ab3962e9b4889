"""A letter from the command line: the same road as a mail, from `read` on."""

from __future__ import annotations

import getpass
import mimetypes
import sys
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import make_msgid
from hashlib import sha256
from pathlib import Path

import click

from gateway.cli.context import Home, as_json, pass_home, show_json
from gateway.errors import NotAllowedNow
from gateway.model.submission import Arrival, Envelope, Submitter


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--title", required=True, help="What the recipient sees as the subject.")
@click.option("--to", default="-", help="A CVR number, or - (default): the number is asked for, or read from stdin.")
@click.option("--flow", default="default", help="The flow, as after the + of an address.")
@as_json
@pass_home
def send(
    home: Home, files: tuple[Path, ...], title: str, to: str, flow: str, as_json: bool
) -> None:
    """Send FILES as one letter; the first is the main document.

    A CPR number is never an argument (others could read it in the process list): leave --to out and
    type it, or pipe it in.
    """
    number = _number(to)
    settings = home.settings
    address = f"{number}{'' if flow == 'default' else '+' + flow}@{settings.smtp.domains[0]}"
    mail = _mail(files, title, address, settings.smtp.domains[0])
    arrival = _arrival(mail, address, home, inline_limit=settings.storage.inline_limit)
    accepted = home.ledger().add([arrival])[0]
    if as_json:
        show_json({"id": accepted.submission_id, "outcome": accepted.outcome})
        return
    click.echo(f"{accepted.submission_id} {accepted.outcome}. See: gateway log show {accepted.submission_id}")


def _number(to: str) -> str:
    if to != "-":
        if len(to.replace("-", "")) >= 10 and not to.partition("-p")[2]:
            raise NotAllowedNow(what="A CPR number as an argument can be read by others: leave --to out.")
        return to
    if sys.stdin.isatty():
        return str(click.prompt("CPR or CVR number", hide_input=False)).strip()
    number = sys.stdin.readline().strip()
    if not number:
        raise click.UsageError("Nobody to send it to: no number on stdin.")
    return number


def _mail(files: tuple[Path, ...], title: str, address: str, domain: str) -> EmailMessage:
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = title
    mail["From"] = f"{getpass.getuser()}@{domain}"
    mail["To"] = address
    mail["Message-ID"] = make_msgid(domain=domain)
    mail.set_content("")
    for file in files:
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        main, _, sub = kind.partition("/")
        mail.add_attachment(file.read_bytes(), maintype=main, subtype=sub, filename=file.name)
    return mail


def _arrival(mail: EmailMessage, address: str, home: Home, *, inline_limit: int) -> Arrival:
    raw = mail.as_bytes()
    small = len(raw) <= inline_limit
    return Arrival(
        envelope=Envelope(
            channel="cli",
            submitter=Submitter(kind="cli", name=getpass.getuser()),
            recipients=(address,),
            received_at=datetime.now(UTC),
        ),
        reference=str(mail["Message-ID"]).strip("<>"),
        identity=sha256(raw).hexdigest(),
        size_bytes=len(raw),
        raw=raw if small else None,
        blob=None if small else home.vault().put(raw),
    )
