"""The real thing: `gateway demo` as a process of its own, in a home of its own."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import smtplib
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from waiting import PATIENCE_SECONDS
from waiting import wait_for as _wait_for

from gateway.cli.context import Home
from gateway.cli.demo_letter import sample_pdf
from gateway.cli.main import cli
from gateway.cli.serve import serve_home
from gateway.ingress.smtp.users import add_user
from gateway.sandbox.mailroom import ExtraCheck
from gateway.sandbox.official_schema import official_schema as schema_in
from gateway.sandbox.running import start_in_thread
from gateway.sandbox.sink import start_sink
from gateway.storage.store import migrate, open_ledger

GATEWAY = Path(sys.executable).with_name("gateway")
CPR = "0101011234"
_ONE_AT_A_TIME = threading.Lock()
"""click's runner takes the process's stdout."""
LARGE = 300_000
"""Bytes of a letter that goes by the vault and not by the ledger's own commit."""


@dataclass
class Demo:
    """A running demo."""

    home: Path
    process: subprocess.Popen[bytes]

    @property
    def endpoints(self) -> dict[str, Any]:
        return json.loads((self.home / "endpoints.json").read_text())

    def gateway(self, *args: str, typed: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [GATEWAY, "--home", str(self.home), *args],
            input=typed, capture_output=True, text=True, timeout=60, check=False,
        )

    def json(self, *args: str) -> Any:
        """What a command says, run in this process: tests ask again and again, and starting Python takes a second."""
        command = cli.get_command(click.Context(cli), args[0])
        assert command is not None
        with _ONE_AT_A_TIME:
            done = CliRunner().invoke(command, [*args[1:], "--json"], obj=Home(self.home), standalone_mode=False)
        if done.exception is not None:
            raise done.exception
        return json.loads(done.stdout)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


def _start_demo(home: Path) -> Demo:
    with (home.parent / f"{home.name}.out").open("ab") as out:
        process = subprocess.Popen(
            [GATEWAY, "--home", str(home), "demo"], stdout=out, stderr=subprocess.STDOUT
        )
    demo = Demo(home, process)
    try:
        _wait_for(
            lambda: (home / "endpoints.json").exists() or process.poll() is not None,
            "the demo to answer",
        )
        assert process.poll() is None, (home.parent / f"{home.name}.out").read_text()
    except BaseException:
        process.kill()
        process.wait()
        raise
    return demo


def _end(demos: list[Demo]) -> None:
    """Stop those that a test left running."""
    for demo in demos:
        if demo.process.poll() is None:
            demo.stop()


@pytest.fixture(scope="session")
def official_schema() -> ExtraCheck | None:
    """Holds a message against the official schema; None where that is not at hand."""
    memo = Path(__file__).resolve().parents[3] / "shared" / "reference" / "memo"
    if not memo.is_dir():
        if os.environ.get("CI"):
            pytest.fail("the official schemas are missing beside the checkout")
        return None
    return schema_in(memo / "xsd-1.1")


@pytest.fixture(scope="module")
def demo(
    tmp_path_factory: pytest.TempPathFactory, official_schema: ExtraCheck | None
) -> Iterator[Demo]:
    """A demo for a whole module; at the end every message it sent is held against the schema."""
    running = _start_demo(tmp_path_factory.mktemp("demo") / "home")
    yield running
    _end([running])
    sent = list((running.home / "sandbox" / "inboxes").rglob("memo.xml"))
    assert sent, "no message reached the sandbox"
    if official_schema is not None:
        assert [official_schema(message, "1.1") for message in sent] == [None] * len(sent)


@pytest.fixture(scope="session")
def wait_for() -> Callable[..., Any]:
    return _wait_for


@pytest.fixture
def start_demo() -> Iterator[Callable[[Path], Demo]]:
    """Starts demos; ends those a test left running."""
    started: list[Demo] = []

    def start(home: Path) -> Demo:
        started.append(_start_demo(home))
        return started[-1]

    yield start
    _end(started)


@pytest.fixture(scope="module")
def start_demo_with(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[Callable[[str], str]], Demo]]:
    """Starts a demo whose gateway.toml was changed by its owner; ended with the module."""
    started: list[Demo] = []

    def start(change: Callable[[str], str]) -> Demo:
        home = tmp_path_factory.mktemp("demo") / "home"
        made = _start_demo(home)
        assert made.stop() == 0
        file = home / "gateway.toml"
        file.write_text(change(file.read_text(encoding="utf-8")), encoding="utf-8")
        (home / "endpoints.json").unlink(missing_ok=True)
        started.append(_start_demo(home))
        return started[-1]

    yield start
    _end(started)


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

    def __init__(
        self, home: Path, database: str, schema: ExtraCheck | None, elsewhere: Path, more: str
    ) -> None:
        self.home, self.database = home, database
        home.mkdir()
        migrate(database)
        self.sandbox = start_in_thread(elsewhere / "sandbox", delay=0.1, extra_check=schema)
        self.sandbox.dials.set("cut_after", "20%")
        self.sink = start_sink(elsewhere / "sink", self.sandbox.authority)
        self.sandbox.authority.server_certificate(home / "tls/smtp.crt", home / "tls/smtp.key")
        add_user(home / "users.toml", "demo", "passw0rd", addresses=("*",))
        config = CONFIG.format(database=database, sandbox=self.sandbox, sink=self.sink)
        (home / "gateway.toml").write_text(config + more)
        self.rehearse = home / "rehearse"
        self.deaths = 0
        self.acknowledged: list[str] = []
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["gateway.cli.serve"])
        self.log_before = len(self.log())
        self.process = context.Process(
            target=serve_home, args=(str(self.home), str(self.rehearse))
        )
        self.process.start()

    def log(self) -> str:
        file = self.home / "gateway.log"
        return file.read_text() if file.exists() else ""

    def port(self, name: str = "smtp") -> int | None:
        """Where the living process listens; None while it does not."""
        for line in self.log()[self.log_before :].splitlines():
            event = json.loads(line)
            if event["event"] == "started":
                return int(event[name])
        return None

    def keep_alive(self) -> None:
        """Start it again if it was killed."""
        if not self.process.is_alive():
            # 255: it is gone, and the fork server's pipe broke before it could say how (multiprocessing's own code).
            assert self.process.exitcode in (-9, 255), self.log()[-2000:]
            self.deaths += 1
            self.process.join()
            self._start()

    def compose(self, title: str, pdf: bytes) -> EmailMessage:
        mail = EmailMessage(policy=SMTP)
        mail["From"], mail["To"] = "sekretaer@example.dk", f"{CPR}@dp.example.dk"
        mail["Subject"] = title
        mail["Message-ID"] = f"<{title.replace(' ', '-')}@example.dk>"
        mail.set_content("Se vedhæftet.\n")
        mail.add_attachment(pdf, maintype="application", subtype="pdf", filename="brev.pdf")
        return mail

    def mail(self, title: str, *, large: bool) -> None:
        """As a mail server does: the same mail again until somebody says 250."""
        filler = (b"%" + b"x" * 70 + b"\n") * (LARGE // 72 if large else 0)
        mail = self.compose(title, sample_pdf(title) + filler).as_bytes()
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            self.keep_alive()
            try:
                self._hand_over(mail)
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
            raise AssertionError(f"not settled: {found}\n{self.log()[-3000:]}")
        finally:
            ledger.close()

    def stop(self) -> None:
        if self.process.is_alive():
            self.process.terminate()
        self.process.join(30)
        self.process.kill()
        self.sandbox.stop()
        self.sink.stop()


@pytest.fixture
def several_databases(database_url, request, tmp_path) -> Callable[[int], list[str]]:
    """As many fresh databases as wanted, of the kind that the test runs on."""

    def make(count: int) -> list[str]:
        if database_url.startswith("sqlite"):
            file = Path(database_url.removeprefix("sqlite:///"))
            return [f"sqlite:///{shutil.copy(file, tmp_path / f'lane{n}.db')}" for n in range(count)]
        return request.getfixturevalue("more_databases")(count)

    return make


@pytest.fixture
def start_lane(official_schema) -> Iterator[Callable[..., Lane]]:
    """Starts lanes; ends them afterwards. Every message is also held against the official schema."""
    started: list[Lane] = []

    def start(
        home: Path, database: str, *, elsewhere: Path | None = None, more: str = ""
    ) -> Lane:
        started.append(Lane(home, database, official_schema, elsewhere or home, more))
        return started[-1]

    yield start
    for lane in started:
        lane.stop()
