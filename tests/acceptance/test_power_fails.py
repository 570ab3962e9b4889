"""Power fails at every row of the table in docs/flow.md: the real process is killed (SIGKILL) at
named points, twenty times each, on both databases, while the sandbox also loses answers after it
took a letter. Nothing may be lost, nothing doubled.

Four gateways die side by side in each test, five times each: most of the time is waiting for leases.
"""

from __future__ import annotations

import json
import multiprocessing
import shutil
import smtplib
import ssl
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import pytest

from gateway.cli.demo_letter import sample_pdf
from gateway.cli.serve import serve_home
from gateway.ingress.smtp.users import add_user
from gateway.rehearsal import POINTS
from gateway.sandbox.running import start_in_thread
from gateway.sandbox.sink import start_sink
from gateway.storage.store import open_ledger

LANES, KILLS = 4, 5
CPR = "0101011234"
PATIENCE_SECONDS = 60
LARGE = 300_000
"""Bytes of a letter that goes by the vault and not by the ledger's own commit."""

CONFIG = """
environment = "test"
lease = "1.5 s"
poll = "0.2 s"

[organisation]
name = "Eksempelby Gymnasium"
cvr = "12345674"

[storage]
database = "{database}"
spare = "1 MB"

[smtp]
port = 0
domains = ["dp.example.dk"]

[digital_post]
base_url = "{sandbox.base_url}"
system_id = "{sandbox.system}"
token_file = "{sandbox.folder}/token"
certificate = "{sandbox.cert}"
key = "{sandbox.key}"
ca = "{sandbox.ca}"
connect_timeout = "0.5 s"
timeout = "0.5 s"
receipts_every = "0.3 s"

[mail]
port = {sink.port}
ca = "{sandbox.ca}"
sender = "digitalpost@dp.example.dk"

[retry]
first = ["0.2 s", "0.2 s", "0.2 s", "0.2 s", "0.2 s", "0.2 s", "0.2 s", "0.2 s", "0.2 s"]
"""


class Lane:
    """One gateway with its own home, database, sandbox and sink, and the person who mails to it."""

    def __init__(self, home: Path, database: str) -> None:
        self.home, self.database = home, database
        home.mkdir()
        self.sandbox = start_in_thread(home / "sandbox", delay=0.1)
        self.sandbox.dials.set("cut_after", "20%")
        self.sink = start_sink(home / "sink", self.sandbox.authority)
        self.sandbox.authority.server_certificate(home / "tls/smtp.crt", home / "tls/smtp.key")
        add_user(home / "users.toml", "demo", "passw0rd", addresses=("*",))
        config = CONFIG.format(database=database, sandbox=self.sandbox, sink=self.sink)
        (home / "gateway.toml").write_text(config)
        self.rehearse = home / "rehearse"
        self.deaths = 0
        self.acknowledged: list[str] = []
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["gateway.cli.serve"])
        self.log_before = len(self._log())
        self.process = context.Process(
            target=serve_home, args=(str(self.home), str(self.rehearse))
        )
        self.process.start()

    def _log(self) -> str:
        file = self.home / "gateway.log"
        return file.read_text() if file.exists() else ""

    def port(self) -> int | None:
        """Where the living process listens; None while it does not."""
        for line in self._log()[self.log_before :].splitlines():
            event = json.loads(line)
            if event["event"] == "started":
                return int(event["smtp"])
        return None

    def keep_alive(self) -> None:
        """Start it again if it was killed."""
        if not self.process.is_alive():
            assert self.process.exitcode == -9, self._log()[-2000:]
            self.deaths += 1
            self.process.join()
            self._start()

    def mail(self, title: str, *, large: bool) -> None:
        """As a mail server does: the same mail again until somebody says 250."""
        mail = EmailMessage(policy=SMTP)
        mail["From"], mail["To"] = "sekretaer@example.dk", f"{CPR}@dp.example.dk"
        mail["Subject"] = title
        mail["Message-ID"] = f"<{title.replace(' ', '-')}@example.dk>"
        mail.set_content("Se vedhæftet.\n")
        pdf = sample_pdf(title) + (b"%" + b"x" * 70 + b"\n") * (LARGE // 72 if large else 0)
        mail.add_attachment(pdf, maintype="application", subtype="pdf", filename="brev.pdf")
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            self.keep_alive()
            try:
                self._hand_over(mail.as_bytes())
            except (OSError, smtplib.SMTPException):
                time.sleep(0.05)
                continue
            self.acknowledged.append(title)
            return
        raise AssertionError(f"{title} was never taken")

    def _hand_over(self, mail: bytes) -> None:
        port = self.port()
        if port is None:
            raise OSError("does not listen yet")
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as server:
            server.starttls(context=ssl.create_default_context(cafile=self.sandbox.ca))
            server.login("demo", "passw0rd")
            server.sendmail("sekretaer@example.dk", [f"{CPR}@dp.example.dk"], mail)

    def until_settled(self) -> None:
        """Keep it alive until every acknowledged letter is completed and archived."""
        ledger = open_ledger(
            self.database, lease=timedelta(seconds=1.5), retry_give_up=timedelta(hours=24)
        )
        until = time.monotonic() + PATIENCE_SECONDS
        try:
            while time.monotonic() < until:
                self.keep_alive()
                found = ledger.list_submissions(limit=100)
                letters = [letter for one in found for letter in one["letters"]]
                if (
                    len(found) >= len(self.acknowledged)
                    and all(one["status"] == "completed" for one in found)
                    and all(len(letter["shipments"]) == 3 for letter in letters)
                    and all(s["state"] == "done" for one in letters for s in one["shipments"])
                ):
                    return
                time.sleep(0.1)
            raise AssertionError(f"not settled: {found}\n{self._log()[-3000:]}")
        finally:
            ledger.close()

    def die_at(self, point: str) -> None:
        for number in range(KILLS):
            before = self.deaths
            self.rehearse.write_text(point)
            self.mail(f"Brev {number} ved {point}", large=number % 2 == 0 or point == "accept.bytes")
            until = time.monotonic() + PATIENCE_SECONDS
            while self.deaths == before and time.monotonic() < until:
                self.keep_alive()
                time.sleep(0.02)
            assert self.deaths == before + 1, f"did not die at {point}\n{self._log()[-2000:]}"
            self.until_settled()

    def stop(self) -> None:
        if self.process.is_alive():
            self.process.terminate()
        self.process.join(30)
        self.process.kill()
        self.sandbox.stop()
        self.sink.stop()


@pytest.fixture
def databases(database_url, request, tmp_path):
    """One database for each lane, of the kind that the test runs on."""
    if database_url.startswith("sqlite"):
        file = Path(database_url.removeprefix("sqlite:///"))
        return [f"sqlite:///{shutil.copy(file, tmp_path / f'lane{n}.db')}" for n in range(LANES)]
    return request.getfixturevalue("more_databases")(LANES)


@pytest.fixture
def lanes(databases, tmp_path):
    running: list[Lane] = []
    try:
        running += [Lane(tmp_path / f"lane{n}", url) for n, url in enumerate(databases)]
        yield running
    finally:
        for lane in running:
            lane.stop()


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_nothing_is_lost_and_nothing_doubled(point, lanes):
    with ThreadPoolExecutor(LANES) as at_once:
        list(at_once.map(lambda lane: lane.die_at(point), lanes))
    assert sum(lane.deaths for lane in lanes) == LANES * KILLS
    for lane in lanes:
        titles = Counter(message["title"] for message in lane.sandbox.inbox(CPR))
        assert titles == Counter(lane.acknowledged)
        assert set(titles.values()) == {1}
        assert lane.sandbox.violations() == []
