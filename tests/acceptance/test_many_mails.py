"""Postfix's own load generator against the real gateway and its real ledger."""

from __future__ import annotations

import shutil
import subprocess
from datetime import timedelta

import pytest

from gateway.storage.store import open_ledger

MAILS, SESSIONS = 1000, 10
RELAY = """
[[smtp.relays]]
name = "postfix"
networks = ["127.0.0.0/8"]
domains = ["example.dk"]
plaintext = true
"""


def test_a_thousand_mails_over_ten_sessions_are_a_thousand_submissions(
    database_url, tmp_path, start_lane, wait_for
):
    source = shutil.which("smtp-source", path="/usr/sbin:/usr/bin")
    if source is None:
        pytest.fail("smtp-source is missing; it comes with Debian's package postfix")
    lane = start_lane(tmp_path / "home", database_url, more=RELAY)
    port = wait_for(lane.port, "the gateway to listen")
    done = subprocess.run(
        [
            source, "-s", str(SESSIONS), "-m", str(MAILS), "-l", "10000",
            "-f", "fag@example.dk", "-t", "0101011234@dp.example.dk", f"inet:127.0.0.1:{port}",
        ],
        capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ledger = open_ledger(database_url, lease=timedelta(seconds=60), retry_give_up=timedelta(hours=1))
    try:
        found = ledger.list_submissions(limit=MAILS + 1)
    finally:
        ledger.close()
    assert len(found) == MAILS
    assert len({submission["id"] for submission in found}) == MAILS
