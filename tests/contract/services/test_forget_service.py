"""forget: what nobody names goes after a day; what somebody names, or may be about to name, never."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

from gateway.services.forget import Forget


class Ahead:
    def __init__(self, by: timedelta) -> None:
        self.by = by

    def now(self) -> datetime:
        return datetime.now(UTC) + self.by


TOMORROW = Ahead(timedelta(hours=25))


def test_unnamed_bytes_go_after_a_day_and_not_before(road, events):
    blob = road.vault.put(b"nobody named me")
    assert Forget(road.ledger, road.vault, Ahead(timedelta(hours=23))).sweep() == 0
    assert Forget(road.ledger, road.vault, TOMORROW).sweep() == 1
    assert blob.digest not in dict(road.vault.digests())
    assert [(event["event"], event["blobs"]) for event in events] == [("swept", 1)]


def test_everything_a_letter_needs_stays(road):
    submission, _ = road.sent()
    road.ship("archive")
    kept = dict(road.vault.digests())
    assert len(kept) >= 3, "mail, document, what was offered"
    assert Forget(road.ledger, road.vault, TOMORROW).sweep() == 0
    assert dict(road.vault.digests()).keys() == kept.keys()
    assert road.status(submission) == "sent"


def test_old_bytes_that_come_again_while_the_sweep_looks_stay(road):
    """The sender tries again at this moment: the bytes are put anew, the row is not there yet."""
    blob = road.vault.put(b"left by a crash")
    old = datetime.now(UTC) - timedelta(hours=25)

    class Sender:
        def named_digests(self) -> set[str]:
            named = road.ledger.named_digests()
            assert road.vault.put(b"left by a crash") == blob
            return named

    os.utime(road.vault.path(blob), (old.timestamp(), old.timestamp()))
    assert Forget(Sender(), road.vault, Ahead(timedelta())).sweep() == 0
    assert road.vault.read(blob) == b"left by a crash"


def test_half_written_files_of_the_dead_go_too(road):
    writer = road.vault.writer()
    writer.write(b"half")
    assert Forget(road.ledger, road.vault, TOMORROW).sweep() == 1
    writer.abort()
