"""Messages a second fetched, distributed, forwarded and archived, beside a loop that only moves the bytes.

    python -m bench.inbound [--rounds 3] [--messages 200] [--folder var/bench-inbound]

Both ask a real Dovecot over TLS and hand their mails to the same sink over STARTTLS. Ours is the whole road: fetch,
parse in a worker process, commit, move, decide, mail, archive, all of it durable (SQLite, synchronous=FULL). The peer
is imap-tools and smtplib in one loop: fetch, pick the attachment, send, move; it remembers nothing. Runs are
interleaved, the middle one counts.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import smtplib
import ssl
import statistics
import sys
import time
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import structlog
from imap_tools import MailBox

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

from dovecot import PASSWORD, USER, Dovecot

from gateway.config.settings import Mail
from gateway.documents.process import ReaderProcess
from gateway.documents.reading import ReadRules
from gateway.egress.mail import SmtpMailOut
from gateway.mailbox.carried import CarriedPost
from gateway.mailbox.imap import ImapAccount, ImapMailbox
from gateway.notices.forwarded import ForwardRenderer
from gateway.rules.bundle import Bundle
from gateway.sandbox.authority import Authority
from gateway.sandbox.posting import Letter, memo_xml
from gateway.sandbox.realistic import page
from gateway.sandbox.sink import start_sink
from gateway.services.collect import Collect
from gateway.services.distribute import Distribute
from gateway.services.forward import ForwardArchive, ForwardMail
from gateway.storage.store import migrate, open_ledger
from gateway.storage.vault import LocalVault

RULES = """
[departments.oekonomi]
name = "Økonomi"
addresses = ["oekonomi@eksempelby.dk"]

[[rule]]
id = "all"
name = "Alt"
direction = "inbound"
then = [ { forward = "oekonomi" } ]
"""
WAITS = (timedelta(minutes=1),)


class Clock:
    def now(self) -> datetime:
        return datetime.now(UTC)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=200)
    parser.add_argument("--folder", type=Path, default=Path("var/bench-inbound"))
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    shutil.rmtree(options.folder, ignore_errors=True)
    options.folder.mkdir(parents=True)
    folder = options.folder.resolve()
    authority = Authority.open(folder / "ca")
    server = Dovecot(folder, authority)
    server.start()
    sink = start_sink(folder / "sink", authority)
    try:
        ours, peers = [], []
        for turn in range(options.rounds):
            fill(server, options.messages, turn)
            ours.append(options.messages / gateway(folder / f"turn{turn}", server, sink.port, authority, options.messages))
            fill(server, options.messages, turn + 100)
            peers.append(options.messages / loop(server, sink.port, authority))
            print(f"round {turn + 1}: gateway {ours[-1]:.0f}/s, loop {peers[-1]:.0f}/s", flush=True)
        mine, theirs = statistics.median(ours), statistics.median(peers)
        print(f"gateway {mine:.0f} messages/s, bare loop {theirs:.0f}/s, ratio {mine / theirs:.2f}")
    finally:
        sink.stop()
        server.remove()
    return 0


def tls(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority.ca.cert))


def fill(server: Dovecot, messages: int, turn: int) -> None:
    """That many mails with a MeMo each."""
    with MailBox("localhost", server.tls_port, ssl_context=ssl.create_default_context(cafile=str(server.ca))).login(USER, PASSWORD) as box:
        for number in range(messages):
            uuid = f"{turn:08d}-0000-4000-8000-{number:012d}"
            letter = Letter(to_cvr="12345674", from_cvr="19552101", from_name="SKAT", title=f"Brev {number}", files=(page("SKAT", "Brev"),))
            mail = EmailMessage(policy=SMTP)
            mail["From"], mail["To"], mail["Subject"] = "virk@example.dk", "post@example.dk", "Digital Post"
            mail.set_content("Se vedhæftet")
            mail.add_attachment(memo_xml(letter, uuid, datetime.now(UTC)), maintype="application", subtype="xml", filename="memo.xml")
            box.append(mail.as_bytes(), "INBOX")


def gateway(folder: Path, server: Dovecot, sink: int, authority: Authority, messages: int) -> float:
    """Seconds for all of them, from the first look to the last mail and the archive."""
    folder.mkdir()
    url = f"sqlite:///{folder / 'ledger.db'}"
    migrate(url)
    ledger = open_ledger(url, lease=timedelta(minutes=5), retry_give_up=timedelta(days=1))
    vault = LocalVault(folder / "vault")
    rules = ReadRules(domains=("dp.example.dk",), flows={}, allow_test_numbers=True, loop_id="gw", own_addresses=())
    reader = ReaderProcess(lambda: rules, time=timedelta(seconds=30), memory=1536 * 1024**2, processes=1)
    account = ImapAccount(
        name="post", host="localhost", port=server.tls_port, starttls=False, user=USER, secret=lambda: PASSWORD, oauth=False,
        folder="INBOX", done="Behandlet", failed="Ikke post", tls=tls(authority),
    )  # fmt: skip
    box = ImapMailbox(account, CarriedPost(vault, vault.scratch, reader.post_mail).understand)
    collect = Collect(ledger, ledger, vault, [box], Clock(), owner="bench", ttl=timedelta(minutes=5))
    chain = Bundle(files={"rules.toml": RULES}).rule_set({})
    distribute = Distribute(ledger, ledger, chain, default=None, own_domains=(), waits=WAITS)
    mail = Mail(host="localhost", port=sink, sender="dp@example.dk")
    out = SmtpMailOut(mail, ca=authority.ca.cert, password=None, helo="localhost")
    composer = ForwardRenderer("Eksempelby", "dp@example.dk", "dp.example.dk", "gw", clock=Clock())
    forward = ForwardMail(
        "mail", ledger, ledger, vault, composer, out=lambda _: out, fallback=out, note_out=out, attach_at_most=20_000_000, waits=WAITS
    )
    archive = ForwardArchive(ledger, ledger, ledger, vault, case_of=lambda _: "POST-2026", waits=WAITS)
    reader.warm()
    began = time.perf_counter()
    came = collect.work()
    while distribute.work():
        pass
    while forward.work():
        pass
    while archive.work():
        pass
    took = time.perf_counter() - began
    assert came == messages, f"{came} of {messages} came"
    for close in (box.close, out.close, reader.close, ledger.close):
        close()
    return took


def loop(server: Dovecot, sink: int, authority: Authority) -> float:
    """The same transfers without a memory."""
    began = time.perf_counter()
    with (
        MailBox("localhost", server.tls_port, ssl_context=tls(authority)).login(USER, PASSWORD) as box,
        smtplib.SMTP("localhost", sink) as out,
    ):
        out.starttls(context=tls(authority))
        for found in list(box.fetch(mark_seen=False, bulk=False)):
            mail = EmailMessage(policy=SMTP)
            mail["From"], mail["To"], mail["Subject"] = "dp@example.dk", "oekonomi@eksempelby.dk", found.subject
            mail.set_content(found.text)
            for one in found.attachments:
                main, _, sub = one.content_type.partition("/")
                mail.add_attachment(one.payload, maintype=main, subtype=sub, filename=one.filename)
            out.send_message(mail)
            box.move([found.uid], "Behandlet")
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
