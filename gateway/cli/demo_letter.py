"""One real letter through the running demo: written, mailed, followed until it is archived."""

from __future__ import annotations

import json
import secrets
import smtplib
import ssl
import time
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import make_msgid
from typing import Any

import click

from gateway.cli.context import Home, pass_home
from gateway.documents.numbers import cpr_checks
from gateway.errors import NotAllowedNow, NotFound
from gateway.model.shipment import Status
from gateway.sandbox.paper import letter_pdf, written_pdf

RECIPIENT = "0101011234"
"""Made up: the form and the date are those of a CPR number; sample letters in docs use it too."""
PATIENCE_SECONDS = 30


@click.command()
@click.option("--title", default="Indkaldelse til samtale", show_default=True, help="The subject of the mail.")
@pass_home
def letter(home: Home, title: str) -> None:
    """Mail a PDF to 0101011234@dp.example.dk, and watch it arrive."""
    smtp = _endpoints(home)["smtp"]
    document = sample_pdf("Indkaldelse til samtale den 7. december kl. 9.30")
    reply = _mail(smtp, title, to=RECIPIENT, document=document, name="brev.pdf")
    click.echo(f"Mailed: {reply}")
    submission = reply.split()[1]
    _follow(home, submission)


@click.command()
@click.option("--letters", type=click.IntRange(1, 5000), default=20, show_default=True, help="Letters in the file.")
@click.option("--remove-numbers", is_flag=True, help="Take the CPR numbers out of the letters.")
@pass_home
def batch(home: Home, letters: int, remove_numbers: bool) -> None:
    """Mail one merged PDF to send+flet@, and watch its letters go out."""
    smtp = _endpoints(home)["smtp"]
    flow = "flet-uden-cpr" if remove_numbers else "flet"
    merged = merged_pdf([(number, 1 + place % 3) for place, number in enumerate(made_up_numbers(letters))])
    reply = _mail(smtp, f"Attest {secrets.token_hex(2)}", to=f"send+{flow}", document=merged, name="attester.pdf")
    click.echo(f"Mailed: {reply}")
    _follow_batch(home, reply.split()[1])


def _follow_batch(home: Home, submission: str) -> None:
    """Until all its letters have ended, or it waits for a person."""
    shown = ""
    for _ in range(PATIENCE_SECONDS * 10):
        try:
            found = home.ledger().show_batch(submission)
        except NotFound:
            time.sleep(0.1)
            continue
        line = f"  {found['completed']} af {found['letters']} afsluttet"
        if line != shown:
            click.echo(line)
            shown = line
        if found["refusal"]:
            click.echo(f"  {found['refusal']['code']} {found['refusal']['sentence']}")
            click.echo(f"See it: gateway batch show {submission}; let it go: gateway batch approve {submission}")
            return
        if found["completed"] + found["stopped"] >= found["letters"]:
            click.echo(f"See it: gateway batch show --all {submission}")
            return
        time.sleep(0.2)
    click.echo(f"Not there yet; go on with `gateway batch watch {submission}`.")


def _endpoints(home: Home) -> dict[str, Any]:
    """Where the demo listens. Raises NotAllowedNow: it does not run."""
    file = home.home / "endpoints.json"
    if not file.exists():
        raise NotAllowedNow(what="The demo is not running in this home; start it with ./dev run.")
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def sample_pdf(text: str) -> bytes:
    """One page that says *text*."""
    return letter_pdf(text, ())


def merged_pdf(letters: list[tuple[str, int]]) -> bytes:
    """One file of many letters: (number, pages) each. The number stands on the first page of its letter."""
    pages = [
        (f"CPR-nr. {number[:6]}-{number[6:]}" if page == 1 else "", page, count)
        for number, count in letters
        for page in range(1, count + 1)
    ]
    first = 4
    kids = b" ".join(b"%d 0 R" % (first + 2 * place) for place in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, len(pages)),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for place, (number, page, count) in enumerate(pages):
        text = [(360, 770, number), (72, 700, "Din attest ligger her. Gem den."), (470, 40, f"Side {page} af {count}")]
        drawn = "".join(f"BT /F1 11 Tf {x} {y} Td ({words}) Tj ET\n" for x, y, words in text if words).encode("ascii")
        objects += [
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R"
            b" /Resources << /Font << /F1 3 0 R >> >> >>" % (first + 2 * place + 1),
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawn), drawn),
        ]
    return written_pdf(objects)


def made_up_numbers(count: int) -> list[str]:
    """CPR numbers that nobody has: form, date and check digit are right, the day is of the demo's."""
    found: list[str] = []
    for serial in range(10_000):
        for day in range(1, 29):
            number = f"{day:02d}0150{serial:04d}"
            if cpr_checks(number) and number[6] in "0123":
                found.append(number)
                if len(found) == count:
                    return found
    return found


def _mail(smtp: dict[str, Any], title: str, *, to: str, document: bytes, name: str) -> str:
    mail = EmailMessage(policy=SMTP)
    mail["From"] = f"sekretaer@{smtp['domain'].removeprefix('dp.')}"
    mail["To"] = f"{to}@{smtp['domain']}"
    mail["Subject"] = title
    mail["Message-ID"] = make_msgid(domain=smtp["domain"])
    mail.set_content("Se vedhæftede brev.\n")
    mail.add_attachment(document, maintype="application", subtype="pdf", filename=name)
    with smtplib.SMTP(smtp["host"], smtp["port"], timeout=10) as server:
        server.starttls(context=ssl.create_default_context(cafile=smtp["ca"]))
        server.login(smtp["user"], smtp["password"])
        server.mail(mail["From"])
        server.rcpt(mail["To"])
        code, reply = server.data(mail.as_bytes())
    return f"{code} {reply.decode('ascii')}".replace("250 2.0.0 ", "250 ")


def _follow(home: Home, submission: str) -> None:
    shown: tuple[str, str] | None = None
    for _ in range(PATIENCE_SECONDS * 10):
        found = home.ledger().show_submission(submission)
        letters = found["letters"]
        state = (found["status"], letters[0]["archive"] if letters else "none")
        if state != shown:
            send, archive = Status(state[0]), Status(state[1])
            click.echo(f"  {send.danish:<16} arkiv: {archive.danish}")
            shown = state
        if state[0] in ("completed", "failed", "rejected") and state[1] in ("archived", "failed"):
            click.echo(f"See it: gateway log show {submission}")
            return
        time.sleep(0.1)
    click.echo("Not there yet; look again with `gateway log show`.")
