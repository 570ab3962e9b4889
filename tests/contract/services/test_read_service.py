"""read: every way it may end; nothing is dropped in silence, and nothing waits for a neighbour."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import timedelta

import pytest

from gateway.documents.reading import Reading
from gateway.errors import DiskFull, NoDocument, NotALetter, ReaderLimit
from gateway.services.read import Read

from .conftest import WAITS

A_LEASE = 61  # seconds


def test_a_mail_becomes_letters_and_its_bytes_move_from_the_ledger_into_the_vault(road):
    submission = road.accept("0101011234@dp.example.dk", "0202021234@dp.example.dk", raw=b"hej")
    assert road.read() == 1
    assert road.read() == 0
    found = road.show(submission)
    assert [letter["recipient"] for letter in found["letters"]] == ["010101-xxxx", "020202-xxxx"]
    stored = road.ledger.pasts([f"{submission}.1"])[f"{submission}.1"].submission.blob
    assert road.vault.read(stored) == b"hej"
    (document,) = next(claim.item.documents for claim in road.ledger.claim_unrouted(1))
    assert road.vault.path(type(stored)(document.digest, document.size_bytes)).read_bytes() == b"%PDF-1.4 hej"


def test_a_mail_that_lies_in_the_vault_is_read_from_there(road):
    blob = road.vault.put(b"large")
    submission = road.accept(blob=blob)
    assert road.read() == 1
    assert road.reader.read_bytes == [b"large"]
    assert road.ledger.pasts([f"{submission}.1"])[f"{submission}.1"].submission.blob == blob


@pytest.mark.parametrize("refusal", [NoDocument(), ReaderLimit()])
def test_a_mail_that_cannot_be_sent_is_rejected_kept_and_told(road, events, refusal):
    road.reader.reading = Reading(title="Et brev", refusal=refusal)
    submission = road.accept(raw=b"hej")
    assert road.read() == 1
    found = road.show(submission)
    assert (found["status"], found["refusal"]["code"]) == ("rejected", refusal.code)
    assert road.vault.put(b"hej").digest in road.ledger.named_digests()
    assert road.notices() == ["final"]
    assert {"event": "rejected", "submission": submission, "code": refusal.code, "log_level": "info"} in events


def test_automatic_post_is_kept_and_never_answered(road, events):
    road.reader.reading = Reading(title="Ude af kontoret", refusal=NotALetter(what="svar"), silent=True)
    submission = road.accept()
    assert road.read() == 1
    assert (road.status(submission), road.notices()) == ("rejected", [])
    assert [event["event"] for event in events] == ["ignored"]


def test_reading_that_lasts_longer_than_a_lease_keeps_its_claim(road):
    def slowly():
        road.lease_runs_out()
        time.sleep(0.5)
        assert road.ledger.claim_unread(1) == []

    road.reader.meanwhile = slowly
    submission = road.accept()
    read = Read(
        road.ledger, road.vault, road.reader, road.vault.scratch, waits=WAITS, renew_every=timedelta(seconds=0.05)
    )
    assert read.work() == 1
    assert len(road.show(submission)["letters"]) == 1


def test_a_merged_file_is_set_apart_uncounted_for_the_lane_that_takes_nothing_else(road):
    merged, single = road.accept(), road.accept()
    road.reader.merged.add(merged)
    assert road.read() == 2
    assert [len(road.show(one)["letters"]) for one in (merged, single)] == [0, 1]
    assert road.ledger.claim_unread(5) == []
    (claim,) = road.ledger.claim_unread(5, merged=True)
    assert (claim.item.id, claim.crashes, claim.tries) == (merged, 0, 1)
    road.ledger.put_back([claim])
    lane = Read(road.ledger, road.vault, road.reader, road.vault.scratch, waits=WAITS, merged=True)
    assert (lane.work(), lane.work()) == (1, 0)
    assert len(road.show(merged)["letters"]) == 1


def test_a_full_disk_is_waited_for_with_growing_waits(road):
    road.reader.errors = [DiskFull(), DiskFull()]
    submission = road.accept()
    assert road.read() == 1
    road.waits_about(road.read, minutes=1)
    road.waits_about(road.read, minutes=5)
    assert len(road.show(submission)["letters"]) == 1


def test_a_disk_that_fills_up_under_the_reader_is_a_full_disk_and_no_bug(road, events):
    road.reader.errors = [OSError(28, "No space left on device")]
    submission = road.accept()
    assert road.read() == 1
    assert [(event["event"], event["code"]) for event in events] == [("postponed", DiskFull.code)]
    road.waits_about(road.read, minutes=1)
    assert len(road.show(submission)["letters"]) == 1


def test_after_a_day_of_a_full_disk_a_person_is_asked_and_may_try_again(road):
    road.reader.errors = [DiskFull()] * 29
    submission = road.accept()
    for _ in range(29):
        assert road.read() == 1
        road.passes(minutes=80)
    assert road.read() == 0
    assert (road.status(submission), road.show(submission)["refusal"]["code"]) == ("held", DiskFull.code)
    road.ledger.retry(submission, "ole")
    road.reader.errors = [DiskFull()]
    assert road.read() == 1
    assert road.status(submission) == "received"
    road.waits_about(road.read, minutes=1)
    assert len(road.show(submission)["letters"]) == 1


def test_a_bug_is_tried_again_after_the_lease_and_held_at_the_third_time_without_values(road):
    road.reader.errors = [ValueError("0101011234 was here")] * 3
    submission = road.accept()
    for tried in (1, 2, 3):
        assert road.read() == 1
        assert road.read() == 0, "tried again before its lease ran out"
        assert (road.status(submission) == "held") == (tried == 3)
        road.passes(seconds=A_LEASE)
    found = road.show(submission)
    assert found["refusal"]["code"] == "GW-504"
    assert "ValueError at conftest.py:" in found["trace"]
    assert "010101" not in found["trace"]
    assert road.notices() == ["held"]
    road.ledger.retry(submission, "ole")
    assert road.read() == 1
    assert road.show(submission)["trace"] is None
    assert len(road.show(submission)["letters"]) == 1


def test_a_bug_in_one_mail_lets_the_others_go_on(road):
    road.reader.errors = [ValueError(), None]
    first, second = road.accept(), road.accept()
    assert road.read() == 2
    assert (road.status(first), road.status(second)) == ("received", "queued")


def test_neighbours_of_a_mail_that_kills_the_process_are_never_held_for_it(road):
    """The process dies in the first mail of a batch; all of the batch had been claimed."""
    killer, *others = [road.accept() for _ in range(5)]

    class Killed(BaseException):
        pass

    def dies_in_the_first() -> None:
        if road.reader.read_bytes[-1] == b"mail 1":
            raise Killed

    road.reader.meanwhile = dies_in_the_first
    for _ in range(10):
        with suppress(Killed):
            road.read()
        road.passes(seconds=A_LEASE)
    assert (road.status(killer), road.show(killer)["refusal"]["code"]) == ("held", "GW-504")
    assert [road.status(other) for other in others] == ["queued"] * 4
    assert road.reader.read_bytes.count(b"mail 1") == 3


def test_whoever_lost_the_claim_writes_nothing(road):
    submission = road.accept()

    def another_node_is_quicker() -> None:
        road.reader.meanwhile = lambda: None
        road.passes(seconds=A_LEASE)
        (claim,) = road.ledger.claim_unread(1)
        assert road.ledger.read_done(claim, title="Den anden", letters=[])

    road.reader.meanwhile = another_node_is_quicker
    assert road.read() == 1
    found = road.show(submission)
    assert (found["subject"], found["letters"]) == ("Den anden", [])


def test_reading_twice_makes_no_twins(road):
    submission = road.accept()
    (claim,) = road.ledger.claim_unread(1)
    road.passes(seconds=A_LEASE)
    assert road.read() == 1
    assert len(road.show(submission)["letters"]) == 1
    assert road.ledger.postpone(claim, wait=timedelta(), code="GW-500") is False
