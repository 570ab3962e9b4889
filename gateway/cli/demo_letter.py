"""One real letter through the running demo: written, mailed, followed until it is archived."""

from __future__ import annotations

import json
import smtplib
import ssl
import time
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import make_msgid
from typing import Any

import click

from gateway.cli.context import Home, pass_home
from gateway.errors import NotAllowedNow
from gateway.model.shipment import Status

RECIPIENT = "0101011234"
"""Made up: the form and the date are those of a CPR number; sample letters in docs use it too."""
PATIENCE_SECONDS = 30


@click.command()
@click.option("--title", default="Indkaldelse til samtale", show_default=True, help="The subject of the mail.")
@pass_home
def letter(home: Home, title: str) -> None:
    """Mail a PDF to 0101011234@dp.example.dk, and watch it arrive."""
    file = home.home / "endpoints.json"
    if not file.exists():
        raise NotAllowedNow(what="The demo is not running in this home; start it with ./dev run.")
    smtp = json.loads(file.read_text(encoding="utf-8"))["smtp"]
    reply = _mail(smtp, title)
    click.echo(f"Mailed: {reply}")
    submission = reply.split()[1]
    _follow(home, submission)


def sample_pdf(text: str) -> bytes:
    """One page that says *text* (ASCII), written by hand: the demo needs no PDF library for it."""
    content = f"BT /F1 14 Tf 72 760 Td ({text}) Tj ET".encode("ascii")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
            b" /Resources << /Font << /F1 5 0 R >> >> >>"
        ),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return out + (
        b"xref\n0 6\n0000000000 65535 f \n%strailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
        % (table, len(out))
    )


def _mail(smtp: dict[str, Any], title: str) -> str:
    mail = EmailMessage(policy=SMTP)
    mail["From"] = f"sekretaer@{smtp['domain'].removeprefix('dp.')}"
    mail["To"] = f"{RECIPIENT}@{smtp['domain']}"
    mail["Subject"] = title
    mail["Message-ID"] = make_msgid(domain=smtp["domain"])
    mail.set_content("Se vedhæftede brev.\n")
    mail.add_attachment(
        sample_pdf("Indkaldelse til samtale den 7. december kl. 9.30"),
        maintype="application",
        subtype="pdf",
        filename="brev.pdf",
    )
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
