"""Power fails while systems drop files: the real process is killed (SIGKILL) at the points that only files
pass, over SFTP and in a watched folder, on both databases, while the sandbox loses answers as well.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.cli.demo_letter import sample_pdf
from gateway.ingress.sftp.accounts import Account, AccountKey, public_key, write_account
from gateway.ingress.sftp.keys import make_client_key
from gateway.rehearsal import POINTS

LANES, KILLS = 2, 2
CPR = "0101011234"
PATIENCE_SECONDS = 180
MORE = """
[sftp]
enabled = true
port = 0

[[folders]]
name = "mappe"
path = "mappe"
every = "0.3 s"
age = "0.3 s"

[drops]
quiet = "0.5 s"
pair_timeout = "2 min"
"""
OF_FILES = [point for point in POINTS if point.partition(".")[0] in ("drop", "gather", "folder")]


class Dropping:
    """A system that hands its letters over by SFTP or in a folder, until somebody says yes."""

    def __init__(self, lane) -> None:
        self.lane = lane
        self.key = lane.home / "studie.key"
        text = public_key(make_client_key(self.key))
        (lane.home / "mappe").mkdir()
        write_account(lane.home / "accounts.toml", Account(name="studie", keys=(AccountKey(text=text),)))
        self._until(lambda: lane.port("sftp"))

    def letter(self, title: str) -> dict[str, bytes]:
        """The files of one letter, in the order in which they are handed over."""
        pdf = sample_pdf(title)
        named = {"fil": f"{title}.pdf", "sha256": hashlib.sha256(pdf).hexdigest(), "bytes": len(pdf)}
        sidecar = {"cpr": CPR, "emne": title, "forsendelses_id": title, "dokumenter": [named]}
        return {f"{title}.pdf": pdf, f"{title}.meta.json": json.dumps(sidecar).encode()}

    def by_sftp(self, title: str) -> None:
        left = list(self.letter(title).items())
        until = time.monotonic() + PATIENCE_SECONDS
        while left and time.monotonic() < until:
            self.lane.keep_alive()
            if not self._upload(*left[0]):
                time.sleep(0.05)
                continue
            left.pop(0)
        assert not left, f"{title} was never taken"
        self.lane.acknowledged.append(title)

    def _upload(self, name: str, content: bytes) -> bool:
        """As OpenSSH does it; whether it was told that the file is taken."""
        port = self.lane.port("sftp")
        if port is None:
            return False
        file = self.lane.home / "ud" / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
        options = ["-i", str(self.key), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=10"]
        command = ["sftp", "-q", "-P", str(port), *options, "-b", "-", "studie@127.0.0.1"]
        done = subprocess.run(command, input=f"put {file} ind/{name}\n", capture_output=True, text=True, timeout=60, check=False)
        return done.returncode == 0

    def by_folder(self, title: str) -> None:
        place = self.lane.home / "mappe" / "ind"
        self._until(place.exists)
        for name, content in self.letter(title).items():
            (place / f".{name}").write_bytes(content)
            (place / f".{name}").rename(place / name)
        self.lane.acknowledged.append(title)

    def die_at(self, point: str) -> None:
        lane = self.lane
        for number in range(KILLS):
            before = lane.deaths
            lane.rehearse.write_text(point)
            by_folder = point.startswith("folder.") or (number % 2 and point != "drop.row")
            (self.by_folder if by_folder else self.by_sftp)(f"{point}-{number}")
            self._until(lambda died=before + 1: lane.deaths == died)
            lane.until_settled()

    def _until(self, look) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            self.lane.keep_alive()
            if look():
                return
            time.sleep(0.02)
        raise AssertionError(f"waited {PATIENCE_SECONDS} s\n{self.lane.log()[-2000:]}")


@pytest.fixture
def systems(several_databases, tmp_path, start_lane):
    return [Dropping(start_lane(tmp_path / f"lane{n}", url, more=MORE)) for n, url in enumerate(several_databases(LANES))]


@pytest.mark.slow
@pytest.mark.parametrize("point", OF_FILES)
def test_no_dropped_letter_is_lost_and_none_doubled(point, systems):
    with ThreadPoolExecutor(LANES) as at_once:
        list(at_once.map(lambda system: system.die_at(point), systems))
    lanes = [system.lane for system in systems]
    assert sum(lane.deaths for lane in lanes) == LANES * KILLS
    for lane in lanes:
        titles = Counter(message["title"] for message in lane.sandbox.inbox(CPR))
        assert titles == Counter(lane.acknowledged)
        assert set(titles.values()) == {1}
        assert lane.sandbox.violations() == []
        answered = {drop["base"] for drop in _drops(lane)}
        assert set(lane.acknowledged) <= answered


def _drops(lane):
    from datetime import timedelta

    from gateway.storage.store import open_ledger

    ledger = open_ledger(lane.database, lease=timedelta(seconds=1.5), retry_give_up=timedelta(hours=1))
    try:
        return ledger.list_drops(limit=1000)
    finally:
        ledger.close()
