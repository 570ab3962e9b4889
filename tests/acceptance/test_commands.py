"""Commands as scripts and people use them, over one running demo: exit codes, JSON, acting on post."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import smtplib
import sqlite3
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.demo_letter import sample_pdf
from gateway.model.submission import Arrival, Envelope, Submitter
from gateway.sandbox.dials import Dials
from gateway.storage.store import SqlLedger, open_ledger

GATEWAY = Path(sys.executable).with_name("gateway")
NOBODY = "F-2026-0000-0000"


@pytest.fixture(scope="module")
def ledger(demo) -> Iterator[SqlLedger]:
    """The demo's, opened beside it as every command does."""
    url = f"sqlite:///{demo.home / 'ledger.db'}"
    opened = open_ledger(url, lease=timedelta(seconds=60), retry_give_up=timedelta(hours=24))
    yield opened
    opened.close()


@pytest.fixture
def dials(demo) -> Iterator[Dials]:
    """Of the sandbox; all off afterwards, and receipts at once."""
    turned = Dials(demo.home / "sandbox")
    turned.update({"delay": "0"})
    yield turned
    turned.reset()


class Letters:
    """Hands letters in, and looks where they are."""

    def __init__(self, ledger: SqlLedger, wait_for: Any) -> None:
        self._ledger, self._wait_for = ledger, wait_for

    def new(self, number: str, title: str = "Et brev") -> str:
        """A letter to *number*, as `gateway send` hands it in; the submission's id."""
        mail = EmailMessage(policy=SMTP)
        mail["Subject"], mail["From"], mail["To"] = title, "a@dp.example.dk", f"{number}@dp.example.dk"
        mail.set_content("")
        mail.add_attachment(sample_pdf(title), maintype="application", subtype="pdf", filename="brev.pdf")
        raw = mail.as_bytes()
        arrival = Arrival(
            envelope=Envelope(
                channel="cli",
                submitter=Submitter(kind="cli", name="test"),
                recipients=(f"{number}@dp.example.dk",),
                received_at=datetime.now(UTC),
            ),
            reference=f"{number}.{title}@example.dk",
            identity=hashlib.sha256(raw).hexdigest(),
            size_bytes=len(raw),
            raw=raw,
        )
        return self._ledger.add([arrival])[0].submission_id

    def show(self, submission: str) -> dict[str, Any]:
        return self._ledger.show_submission(submission)

    def until(self, submission: str, status: str) -> dict[str, Any]:
        return self._wait_for(
            lambda: (found := self.show(submission))["status"] == status and found, f"status {status}"
        )

    def until_tried(self, submission: str, tries: int) -> None:
        self._wait_for(
            lambda: (letters := self.show(submission)["letters"])
            and len([one for one in letters[0]["attempts"] if one["outcome"] != "offered"]) == tries,
            f"attempt {tries}",
        )  # fmt: skip


@pytest.fixture
def letters(ledger, wait_for) -> Letters:
    return Letters(ledger, wait_for)


@pytest.fixture(scope="module")
def completed(demo, ledger, wait_for) -> str:
    """A letter that went its whole way."""
    Dials(demo.home / "sandbox").set("delay", "0")
    own = Letters(ledger, wait_for)
    submission = own.new("0101011234", "Et brev der er fremme")
    wait_for(lambda: own.show(submission)["status"] == "completed", "the letter to be completed")
    wait_for(lambda: own.show(submission)["letters"][0]["archive"] == "archived", "the archive")
    return submission


def run(*args: str, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command with nothing but what is said here."""
    environment = {**os.environ, **({"GATEWAY_HOME": str(home)} if home else {})}
    return subprocess.run(
        [GATEWAY, *args], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


# ── exit codes ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("discard", NOBODY), 2, "--reason"),
        (("log", "show", NOBODY), 4, "GW-701"),
        (("user", "remove", "nobody"), 4, "GW-701"),
        (("send", "/dev/null", "--title", "x"), 2, "Nobody to send it to"),
    ],
)
def test_the_exit_code_says_what_kind_of_end_it_was(demo, args, code, says):
    done = demo.gateway(*args, typed="")
    assert (done.returncode, says in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr


def test_what_the_state_does_not_allow_is_refused_with_a_sentence(demo, completed):
    done = demo.gateway("retry", completed)
    assert done.returncode == 5
    assert done.stderr.startswith("GW-702: ")


def test_a_database_that_is_gone_is_temporary_and_a_configuration_that_is_wrong_is_not(demo, tmp_path):
    config = (demo.home / "gateway.toml").read_text()
    for part in ("secrets", "tls"):
        shutil.copytree(demo.home / part, tmp_path / part)
    gone = f'[storage]\ndatabase = "sqlite:///{tmp_path}/gone/ledger.db"\n'
    (tmp_path / "gateway.toml").write_text(config.replace("[storage]\n", gone))
    done = run("--home", str(tmp_path), "log", "list")
    assert (done.returncode, done.stderr[:7]) == (75, "GW-502:"), done.stderr
    (tmp_path / "gateway.toml").write_text(config.replace("[storage]\n", "[storage]\ndatabas = 1\n"))
    done = run("--home", str(tmp_path), "log", "list")
    assert (done.returncode, done.stderr[:7]) == (78, "GW-100:")
    assert "database" in done.stderr, "the nearest key"


def test_the_home_may_stand_before_or_after_the_command_or_in_the_environment(demo, completed):
    home = str(demo.home)
    ways = [
        run("--home", home, "log", "list", "--limit", "1", "--json"),
        run("log", "list", "--home", home, "--limit", "1", "--json"),
        run("log", "list", "--limit", "1", "--json", home=demo.home),
    ]
    assert {done.returncode for done in ways} == {0}
    assert len({done.stdout for done in ways}) == 1
    assert json.loads(ways[0].stdout)["submissions"]


# ── JSON ────────────────────────────────────────────────────────────────────


def test_log_and_why_have_the_documented_shapes(demo, completed):
    listed = demo.json("log", "list")
    assert listed["schema"] == "gateway.log/1"
    row = next(one for one in listed["submissions"] if one["id"] == completed)
    base = {"id", "received_at", "channel", "submitter", "subject", "status", "refusal", "same_as", "letters"}
    assert set(row) == base
    found = demo.json("log", "show", completed)
    details = {"size_bytes", "submitter_kind", "reply_to", "remote", "automatic", "recipients", "notes",
               "trace", "history"}  # fmt: skip
    assert set(found) == base | details
    (letter,) = found["letters"]
    assert set(letter) == {
        "id", "recipient", "copy", "batch_pages", "batch_why", "uuid", "send", "archive", "unhandled", "rule", "reach", "case", "flow",
        "refusal", "code", "next_attempt", "attempts", "receipts", "shipments",
    }  # fmt: skip
    assert (letter["recipient"], letter["send"], letter["archive"]) == ("010101-xxxx", "completed", "archived")
    assert set(letter["attempts"][0]) == {"number", "at", "outcome", "code", "ended_at"}
    assert set(letter["receipts"][0]) == {"source", "source_id", "kind", "verdict", "at", "code"}
    why = demo.json("why", completed)
    assert set(why) == {"submission", "letters"}
    (decision,) = why["letters"][0]["decisions"]
    assert set(decision) == {"at", "rule", "version", "number", "author", "reach", "actions", "trail", "shadow"}
    assert "0101011234" not in json.dumps([found, why])


def test_sending_from_the_terminal_answers_in_json_and_the_letter_arrives(demo, dials, letters, tmp_path):
    file = tmp_path / "brev.pdf"
    file.write_bytes(sample_pdf("Fra en maskine"))
    done = demo.gateway("send", str(file), "--title", "Fra en maskine", "--json", typed="0202021234\n")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert set(answer) == {"id", "outcome"}
    assert answer["outcome"] == "new"
    letters.until(answer["id"], "completed")


# ── acting on post ──────────────────────────────────────────────────────────


def test_a_letter_on_hold_stays_until_it_is_released_and_then_arrives(demo, dials, letters, wait_for):
    dials.set("contacts.unavailable", "always")
    submission = letters.new("0303031234")
    wait_for(lambda: letters.show(submission)["letters"], "the letter to be read")
    held = demo.json("hold", submission, "--reason", "rektor vil se det")
    assert held == {"verb": "hold", "items": [f"{submission}.1"]}
    dials.set("contacts.unavailable", "off")
    assert letters.show(submission)["status"] == "held"
    assert demo.json("release", submission) == {"verb": "release", "items": [f"{submission}.1"]}
    found = letters.until(submission, "completed")
    acts = [(line["verb"], line["actor"], line["reason"]) for line in found["history"]]
    assert any(verb == "hold" and actor.startswith("cli:") and "rektor" in why for verb, actor, why in acts)


def test_a_letter_that_is_discarded_is_never_sent(demo, dials, letters, wait_for):
    dials.set("contacts.unavailable", "always")
    submission = letters.new("0404041234")
    wait_for(lambda: letters.show(submission)["letters"], "the letter to be read")
    assert demo.json("discard", submission, "--reason", "en fejl")["verb"] == "discard"
    assert letters.show(submission)["status"] == "cancelled"
    dials.set("contacts.unavailable", "off")
    last = letters.new("0404041235")
    letters.until(last, "completed")
    assert demo.json("sandbox", "inbox", "0404041234")["messages"] == []


def test_what_they_refused_is_never_offered_again_under_its_uuid(demo, dials, letters):
    dials.set("invalid", "1")
    submission = letters.new("0505051234")
    found = letters.until(submission, "failed")
    assert found["letters"][0]["receipts"][-1]["code"] == "memo.invalid"
    done = demo.gateway("retry", submission)
    assert done.returncode == 5
    assert "refused for good; hand it in as a new letter." in done.stderr
    assert len(letters.show(submission)["letters"][0]["attempts"]) == 1


def test_what_was_given_up_goes_on_under_the_same_uuid_when_a_person_says_so(demo, dials, letters):
    dials.set("unavailable", "always")
    submission = letters.new("0606061234")
    letters.until_tried(submission, 1)
    _its_time_is_up(demo, submission)
    found = letters.until(submission, "failed")
    letter = found["letters"][0]
    (shipment,) = [one for one in letter["shipments"] if one["kind"] == "send"]
    assert shipment["refusal"]["code"] == "GW-405"
    dials.set("unavailable", "off")
    assert demo.json("retry", submission) == {"verb": "retry", "items": [shipment["id"]]}
    found = letters.until(submission, "completed")
    assert found["letters"][0]["uuid"] == letter["uuid"]
    outcomes = [attempt["outcome"] for attempt in found["letters"][0]["attempts"]]
    assert outcomes == ["temporary", "permanent", "taken"]


def _its_time_is_up(demo, submission: str) -> None:
    """As if its day had passed."""
    with closing(sqlite3.connect(demo.home / "ledger.db", timeout=30)) as database, database:
        database.execute(
            "UPDATE shipments SET expires_at = created_at, due_at = created_at"
            " WHERE submission_id = ? AND kind = 'send'",
            (submission,),
        )


# ── users ───────────────────────────────────────────────────────────────────


def login(demo, name: str, password: str) -> int:
    """The reply's code."""
    smtp = demo.endpoints["smtp"]
    with smtplib.SMTP(smtp["host"], smtp["port"], timeout=30) as server:
        server.starttls(context=ssl.create_default_context(cafile=smtp["ca"]))
        try:
            return server.login(name, password)[0]
        except smtplib.SMTPAuthenticationError as error:
            return error.smtp_code


def test_a_new_user_may_log_in_at_once_and_a_removed_one_no_more(demo):
    password = "korrekt hest batteri"
    added = demo.gateway("user", "add", "ny", "--address", "ny@example.dk", typed=f"{password}\n")
    assert (added.returncode, added.stdout) == (0, "ny may send.\n")
    assert login(demo, "ny", password) == 235
    users = demo.json("user", "list")["users"]
    assert [set(user) for user in users] == [{"name", "addresses", "notices", "system"}] * len(users)
    assert [user["addresses"] for user in users if user["name"] == "ny"] == [["ny@example.dk"]]
    assert demo.gateway("user", "remove", "ny").returncode == 0
    assert login(demo, "ny", password) == 535
