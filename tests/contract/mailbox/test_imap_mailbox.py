"""Post out of a real Dovecot: nothing lost, nothing doubled, whatever happens between fetch and move."""

from __future__ import annotations

import email
import email.policy
import imaplib
import mailbox as mailboxes
import os
import ssl
import time
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from dovecot import PASSWORD, USER, Dovecot

from gateway.documents.process import ReaderProcess
from gateway.documents.reading import ReadRules
from gateway.errors import MailboxUnavailable
from gateway.mailbox.carried import CarriedPost
from gateway.mailbox.imap import ImapAccount, ImapMailbox
from gateway.sandbox.authority import Authority
from gateway.sandbox.posting import Letter, memo_xml
from gateway.sandbox.realistic import page
from gateway.services.collect import Collect
from gateway.services.listen import Listen

CORPUS = Path(__file__).resolve().parents[4] / "shared" / "corpora" / "mail"
RULES = ReadRules(domains=("dp.example.dk",), flows={}, allow_test_numbers=True, loop_id="gw.example", own_addresses=())


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dovecot")
    running = Dovecot(folder, Authority.open(folder / "ca"))
    running.start()
    yield running
    running.remove()


@pytest.fixture(scope="module")
def reader():
    made = ReaderProcess(lambda: RULES, time=timedelta(seconds=30), memory=1536 * 1024**2, processes=1)
    yield made
    made.close()


class Clock:
    def now(self):
        return datetime.now(UTC)


class Post:
    """A mailbox on the server and the gateway's side of it."""

    def __init__(self, server, ledger, vault, reader):
        self.server, self.ledger, self.vault = server, ledger, vault
        carried = CarriedPost(vault, vault.scratch, reader.post_mail)
        self.box = ImapMailbox(self.account(), carried.understand)
        self.collect = Collect(ledger, ledger, vault, [self.box], Clock(), owner="n", ttl=timedelta(seconds=60))
        for folder in ("Behandlet", "Ikke post", "INBOX"):
            self.empty(folder)

    def account(self, **given):
        tls = ssl.create_default_context(cafile=str(self.server.ca))
        told = {
            "name": "virkpost", "host": "localhost", "port": self.server.tls_port, "starttls": False, "user": USER,
            "secret": lambda: PASSWORD, "oauth": False, "folder": "INBOX", "done": "Behandlet", "failed": "Ikke post", "tls": tls,
            "timeout": timedelta(seconds=10),
        }  # fmt: skip
        return ImapAccount(**told | given)

    def client(self):
        made = imaplib.IMAP4_SSL(
            "localhost", self.server.tls_port, ssl_context=ssl.create_default_context(cafile=str(self.server.ca)), timeout=10
        )
        made.login(USER, PASSWORD)
        return made

    def append(self, *mails, folder="INBOX"):
        client = self.client()
        for mail in mails:
            assert client.append(folder, "", None, mail)[0] == "OK"
        client.logout()

    def empty(self, folder):
        client = self.client()
        found = client.select(f'"{folder}"')
        if found[0] == "OK" and int(found[1][0]):
            client.store("1:*", "+FLAGS", r"(\Deleted)")
            client.expunge()
        client.logout()

    def count(self, folder):
        client = self.client()
        found = client.select(f'"{folder}"')
        client.logout()
        return int(found[1][0]) if found[0] == "OK" else 0

    def look(self):
        return self.collect.work()

    def shown(self):
        return self.ledger.list_inbound(limit=10_000)


@pytest.fixture
def post(server, ledger, vault, reader):
    made = Post(server, ledger, vault, reader)
    yield made
    made.box.close()


def memo(title="Skat", number=1):
    uuid = f"00000000-0000-4000-8000-{number:012d}"
    letter = Letter(to_cvr="12345674", from_cvr="19552101", from_name="SKAT", title=title, files=(page("SKAT", title),))
    return memo_xml(letter, uuid, datetime(2026, 11, 27, tzinfo=UTC))


def mail(*files, subject="Digital Post"):
    made = EmailMessage(policy=email.policy.SMTP)
    made["From"], made["To"], made["Subject"] = "virk@example.dk", "virkpost@example.dk", subject
    made.set_content("Se vedhæftet")
    for name, content, kind in files:
        main, _, sub = kind.partition("/")
        made.add_attachment(content, maintype=main, subtype=sub, filename=name)
    return made.as_bytes()


def test_a_memo_a_plain_letter_and_what_is_no_post_each_find_their_folder(post):
    post.append(
        mail(("besked.xml", memo("Moms"), "application/xml")), mail(("brev.pdf", page("x", "y").content, "application/pdf"), subject="Brev"),
        mail(subject="Intet"),
    )  # fmt: skip
    assert post.look() == 3
    assert [(one["title"], one["status"], one["code"]) for one in sorted(post.shown(), key=lambda one: one["title"])] == [
        ("", "invalid", "GW-201"), ("Brev", "new", None), ("Moms", "new", None),
    ]  # fmt: skip
    assert (post.count("INBOX"), post.count("Behandlet"), post.count("Ikke post")) == (0, 2, 1)
    assert all(one["confirmed_at"] for one in post.shown())
    assert post.look() == 0


def test_the_same_mail_in_a_folder_made_anew_is_known_by_its_content(post):
    one = mail(("besked.xml", memo("Moms"), "application/xml"))
    post.append(one)
    assert post.look() == 1
    client = post.client()
    client.create("Ny")
    client.logout()
    post.append(one)
    # UIDVALIDITY of the inbox changes when its index is lost.
    for file in post.server.maildir.glob("dovecot*"):
        file.unlink()
    (post.server.maildir / "dovecot-uidlist").unlink(missing_ok=True)
    post.box.close()
    assert post.look() == 0
    assert (len(post.shown()), post.count("INBOX"), post.count("Behandlet")) == (1, 0, 2)


def test_a_connection_cut_inside_a_fetch_loses_and_doubles_nothing(post):
    post.append(*(mail((f"{number}.xml", memo(f"Brev {number}", number), "application/xml")) for number in range(3)))
    plain, cuts = post.box.fetch, []

    def cut(source_id, into):
        if not cuts:
            cuts.append(source_id)
            post.box._box.client.sock.close()
        return plain(source_id, into)

    post.box.fetch = cut
    came = post.look() + post.look()
    assert came + len(post.shown()) >= 3
    post.look()
    assert Counter(one["title"] for one in post.shown()) == {"Brev 0": 1, "Brev 1": 1, "Brev 2": 1}
    assert (post.count("INBOX"), post.count("Behandlet")) == (0, 3)


def test_what_another_client_takes_away_in_between_is_no_fault(post):
    post.append(mail(("1.xml", memo("A", 1), "application/xml")), mail(("2.xml", memo("B", 2), "application/xml")))
    plain = post.box.waiting

    def then_expunged(limit):
        found = plain(limit)
        if len(found) < 2:
            return found
        client = post.client()
        client.select("INBOX")
        client.store("1", "+FLAGS", r"(\Deleted)")
        client.expunge()
        client.logout()
        return found

    post.box.waiting = then_expunged
    post.collect.look(post.box)
    assert [one["title"] for one in post.shown()] == ["B"]


def test_a_folder_that_is_full_keeps_the_mail_here_and_the_message_once(post):
    server = post.server
    post.box.close()
    server.stop()
    server.start(quota="quota_rule2 = Behandlet:messages=1\n  quota_grace = 0")
    try:
        post.append(*(mail((f"{number}.xml", memo(f"Brev {number}", number), "application/xml")) for number in range(3)))
        for _ in range(3):
            post.look()
        assert Counter(one["title"] for one in post.shown()) == {"Brev 0": 1, "Brev 1": 1, "Brev 2": 1}
        assert post.count("INBOX") + post.count("Behandlet") == 3
    finally:
        post.box.close()
        server.stop()
        server.start()
    post.look()
    assert (post.count("INBOX"), post.count("Behandlet"), len(post.shown())) == (0, 3, 3)
    assert all(one["confirmed_at"] for one in post.shown())


def test_new_mail_is_noticed_at_once(post):
    listen = Listen(post.collect, post.box, every=timedelta(hours=1))
    assert listen.work() == 0
    assert listen.work() == 0
    post.append(mail(("1.xml", memo(), "application/xml")))
    until = time.monotonic() + 60
    while not listen.work():
        assert time.monotonic() < until, "though it is looked into only once an hour"
    assert post.count("Behandlet") == 1


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"tls": ssl.create_default_context()}, "TLS"), ({"secret": lambda: "forkert"}, "serveren sagde nej"),
        ({"port": 1}, "ingen forbindelse"),
    ],
    ids=["another authority", "wrong password", "nobody there"],
)  # fmt: skip
def test_a_server_we_cannot_trust_or_enter_is_looked_into_again_later(post, given, reason):
    box = ImapMailbox(post.account(**given), lambda _: [])
    with pytest.raises(MailboxUnavailable) as told:
        box.waiting(1)
    assert reason in told.value.text()


def test_starttls_works_too(post):
    post.append(mail(("1.xml", memo(), "application/xml")))
    box = ImapMailbox(post.account(starttls=True, port=post.server.port), lambda _: [])
    assert len(box.waiting(5)) == 1
    box.close()


def corpus():
    if not CORPUS.is_dir():
        if os.environ.get("CI"):
            pytest.fail("the corpora are missing beside the checkout")
        return []
    found: list[bytes] = []
    for file in sorted(CORPUS.rglob("*")):
        if not file.is_file() or file.name.upper().startswith(("LICENSE", "README", "MANIFEST")):
            continue
        if "mbox" in file.name or "mbox" in file.parent.name:
            with closing(mailboxes.mbox(str(file), create=False)) as box:
                found += [message.as_bytes() for message in box]
        else:
            found.append(file.read_bytes())
    return [one for one in dict.fromkeys(found) if one.strip() and b"\x00" not in one and len(one) < 5_000_000]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_mail_of_the_corpora_ends_somewhere_and_the_sum_is_exact(post):
    mails = corpus()
    assert len(mails) > 300 or not CORPUS.is_dir()
    post.append(*mails)
    here = post.count("INBOX")
    assert here == len(mails)
    until = time.monotonic() + 600
    while post.count("INBOX") and time.monotonic() < until:
        post.look()
    found = post.shown()
    status = Counter(one["status"] for one in found)
    assert (post.count("INBOX"), post.count("Behandlet") + post.count("Ikke post")) == (0, here)
    # Servers end lines anew, so that two may become one.
    assert here - 20 <= len(found)
    assert set(status) == {"new", "invalid"}
    assert all(one["code"] for one in found if one["status"] == "invalid")
