"""The last row of the table in docs/flow.md, a stop in the middle of work, and two gateways in one home."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.cli.demo_letter import sample_pdf
from gateway.model.submission import Arrival, Envelope, Submitter
from gateway.storage.store import migrate, open_ledger

GATEWAY = Path(sys.executable).with_name("gateway")
CPR = "0101011234"
POISON = "Gift"


@contextmanager
def ledger_of(lane):
    """As a command opens it, beside the running process."""
    ledger = open_ledger(lane.database, lease=timedelta(seconds=1.5), retry_give_up=timedelta(hours=24))
    yield ledger
    ledger.close()


def hand_in(lane, titles: list[str]) -> dict[str, str]:
    """Letters in the ledger, whether the gateway lives or not, as `gateway send` does; ids by title."""
    arrivals = []
    for title in titles:
        raw = lane.compose(title, sample_pdf(title)).as_bytes()
        arrivals.append(
            Arrival(
                envelope=Envelope(
                    channel="cli",
                    submitter=Submitter(kind="cli", name="demo"),
                    recipients=(f"{CPR}@dp.example.dk",),
                    received_at=datetime.now(UTC),
                ),
                reference=f"{title}@example.dk",
                identity=hashlib.sha256(raw).hexdigest(),
                size_bytes=len(raw),
                raw=raw,
            )
        )
    with ledger_of(lane) as ledger:
        accepted = ledger.add(arrivals)
    lane.acknowledged += titles
    return {title: one.submission_id for title, one in zip(titles, accepted, strict=True)}


def gateway(home: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [GATEWAY, "--home", str(home), *args], capture_output=True, text=True, timeout=60, check=False
    )


def logged(lane, event: str) -> int:
    return sum(json.loads(line)["event"] == event for line in lane.log().splitlines())


def assert_each_arrived_once(lane) -> None:
    titles = Counter(message["title"] for message in lane.sandbox.inbox(CPR))
    assert titles == Counter(lane.acknowledged)
    assert set(titles.values()) == {1}
    assert lane.sandbox.violations() == []


def test_a_mail_that_kills_the_process_three_times_is_held_and_everything_else_goes_on(
    database_url, tmp_path, start_lane, wait_for
):
    lane = start_lane(tmp_path / "home", database_url)
    wait_for(lane.port, "the gateway to listen")
    lane.process.terminate()
    lane.process.join(30)
    # It is first in line, so its neighbours are claimed beside it each time.
    submission = hand_in(lane, [POISON])[POISON]
    others = hand_in(lane, [f"Brev {number}" for number in range(10)])
    deadly = f"read.parsed {submission}"
    lane.rehearse.write_text(deadly)
    lane._start()

    def died_three_times() -> bool:
        before = lane.deaths
        if not lane.process.is_alive() and lane.deaths < 2:
            lane.rehearse.write_text(deadly)
        lane.keep_alive()
        assert lane.deaths <= 3
        return lane.deaths == 3 and lane.deaths == before

    wait_for(died_three_times, "three deaths")
    with ledger_of(lane) as ledger:

        def done() -> bool:
            statuses = {one["id"]: one["status"] for one in ledger.list_submissions(limit=100)}
            return statuses.pop(submission) == "held" and set(statuses.values()) == {"completed"}

        wait_for(done, "the mail to be held and the others completed")
        found = ledger.show_submission(submission)
        assert (found["refusal"]["code"], found["letters"]) == ("GW-504", [])
        assert [one["id"] for one in ledger.list_submissions(unhandled=True)] == [submission]
    assert {message["title"] for message in lane.sandbox.inbox(CPR)} == set(others)
    # The cause is gone, as after an upgrade.
    assert gateway(lane.home, "retry", submission).returncode == 0
    lane.until_settled()
    assert lane.deaths == 3
    assert_each_arrived_once(lane)


def test_a_stop_in_the_middle_of_work_loses_and_doubles_nothing(
    database_url, tmp_path, start_lane, wait_for
):
    lane = start_lane(tmp_path / "home", database_url)
    wait_for(lane.port, "the gateway to listen")
    lane.sandbox.dials.update({"slow": "always,0.2", "delay": "2"})
    hand_in(lane, [f"Brev {number}" for number in range(20)])
    wait_for(lambda: logged(lane, "read"), "the first letter to be read")
    lane.process.terminate()
    lane.process.join(30)
    assert lane.process.exitcode == 0, lane.log()[-2000:]
    assert logged(lane, "stopped") == 1
    with ledger_of(lane) as ledger:
        found = ledger.list_submissions(limit=100)
    assert "completed" not in {one["status"] for one in found}, "there was nothing left to stop"
    attempts = [one for some in found for letter in some["letters"] for one in letter["attempts"]]
    assert "offered" not in {one["outcome"] for one in attempts}, "what was under way was finished"
    lane.sandbox.dials.update({"slow": "off", "delay": "0.1"})
    lane._start()
    lane.until_settled()
    assert_each_arrived_once(lane)


def test_a_second_gateway_in_the_same_home_is_refused_and_the_first_goes_on(
    tmp_path, start_lane, wait_for
):
    lane = start_lane(tmp_path / "home", fresh_database(tmp_path))
    wait_for(lane.port, "the gateway to listen")
    second = gateway(lane.home, "serve")
    assert second.returncode == 5
    assert second.stderr == (
        "GW-704: Another gateway runs in this home already. "
        "Stop it first, or give this one a home of its own with --home.\n"
    )
    assert "Traceback" not in second.stderr + second.stdout
    lane.mail("Brev", large=False)
    lane.until_settled()


def test_a_gateway_that_cannot_listen_says_so_and_ends(tmp_path, start_lane, wait_for):
    lane = start_lane(tmp_path / "home", fresh_database(tmp_path))
    port = wait_for(lane.port, "the gateway to listen")
    other = tmp_path / "other"
    shutil.copytree(lane.home, other)
    config = (other / "gateway.toml").read_text().replace(lane.database, fresh_database(other))
    config = config.replace("[smtp]\nport = 0", f"[smtp]\nport = {port}")
    (other / "gateway.toml").write_text(config)
    ended = gateway(other, "serve")
    assert ended.returncode == 78
    assert ended.stderr.startswith("GW-102: gateway.toml, [smtp] host, port, tls_port:")
    assert os.strerror(errno.EADDRINUSE) in ended.stderr


def fresh_database(folder: Path) -> str:
    url = f"sqlite:///{folder / 'fresh.db'}"
    migrate(url)
    return url
