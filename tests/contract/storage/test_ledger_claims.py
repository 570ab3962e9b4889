"""A claim is a lease with a fence: one owner at a time, and a late one changes nothing."""

import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from gateway.ports import AttemptEnd, Claim


def test_what_is_claimed_is_not_handed_out_again(ledger, post):
    post.received()
    assert len(ledger.claim_unread(5)) == 1
    assert ledger.claim_unread(5) == []


def test_the_oldest_come_first_and_no_more_than_asked_for(ledger, post):
    first, second, _ = (post.received() for _ in range(3))
    assert [claim.item.id for claim in ledger.claim_unread(2)] == [first, second]


def test_a_lease_that_ran_out_is_taken_over_with_a_new_fence(ledger, post, time_passes):
    post.received()
    (lost,) = ledger.claim_unread(1)
    time_passes(timedelta(seconds=61))
    (taken,) = ledger.claim_unread(1)
    assert (taken.item, taken.fence) == (lost.item, lost.fence + 1)


def test_who_lost_the_lease_changes_nothing(ledger, post, time_passes):
    submission_id = post.received()
    (lost,) = ledger.claim_unread(1)
    time_passes(timedelta(seconds=61))
    ledger.claim_unread(1)
    assert not ledger.read_done(lost, title="", letters=[post.letter(submission_id)])
    assert not ledger.read_refused(lost, post.refusal(), title="", silent=False)
    assert not ledger.postpone(lost, wait=timedelta(hours=1), code="GW-500")
    assert not ledger.give_up(lost, post.refusal())
    assert ledger.show_submission(submission_id)["letters"] == []
    assert post.status(submission_id) == "received"


def test_a_sender_who_lost_the_lease_must_not_call(ledger, post, time_passes):
    post.ready()
    lost = post.claim()
    attempt = ledger.attempt_begun(lost, datetime.now(UTC))
    time_passes(timedelta(seconds=61))
    post.claim()
    assert ledger.attempt_begun(lost, datetime.now(UTC)) is None
    assert not ledger.attempt_ended(lost, attempt, AttemptEnd(outcome="taken"))


def test_a_claim_ends_with_its_first_write(ledger, post):
    claim = post.unread()
    assert ledger.read_done(claim, title="", letters=[post.letter(claim.item.id)])
    assert not ledger.read_done(claim, title="", letters=[post.letter(claim.item.id)])
    assert not ledger.postpone(claim, wait=timedelta(0), code="GW-500")


def test_a_late_owner_may_still_write_while_nobody_took_over(ledger, post, time_passes):
    claim = post.unread()
    time_passes(timedelta(seconds=61))
    assert ledger.read_done(claim, title="", letters=[post.letter(claim.item.id)])


def test_postponed_work_comes_back_after_its_wait(ledger, post, time_passes):
    claim = post.unread()
    assert ledger.postpone(claim, wait=timedelta(minutes=5), code="GW-406")
    assert ledger.claim_unread(1) == []
    time_passes(timedelta(minutes=5, seconds=1))
    assert [again.item.id for again in ledger.claim_unread(1)] == [claim.item.id]


def test_claims_that_end_nowhere_are_counted_and_still_handed_out(ledger, post, time_passes):
    post.received()
    seen = []
    for _ in range(5):
        (claim,) = ledger.claim_unread(1)
        seen.append(claim.crashes)
        time_passes(timedelta(seconds=61))
    assert seen == [0, 1, 2, 3, 4]


def test_an_end_forgets_the_crashes(ledger, post, time_passes):
    post.received()
    ledger.claim_unread(1)
    time_passes(timedelta(seconds=61))
    (claim,) = ledger.claim_unread(1)
    ledger.postpone(claim, wait=timedelta(0), code="GW-500")
    (again,) = ledger.claim_unread(1)
    assert (claim.crashes, again.crashes) == (1, 0)


def test_poison_is_held_for_a_person_with_its_trace_and_all_else_goes_on(ledger, post):
    poisoned = post.unread()
    other = post.received()
    assert ledger.give_up(poisoned, post.refusal("GW-504"), trace="ValueError at read.py:7 read")
    assert [claim.item.id for claim in ledger.claim_unread(5)] == [other]
    shown = ledger.show_submission(poisoned.item.id)
    assert (shown["status"], shown["refusal"]["code"]) == ("held", "GW-504")
    assert shown["trace"] == "ValueError at read.py:7 read"


def test_every_kind_of_claim_can_be_postponed_and_given_up(ledger, post):
    def claim_all() -> list[Claim]:
        return [
            *ledger.claim_unread(1),
            *ledger.claim_unrouted(1),
            *ledger.claim_shipments("send", 1),
            *ledger.claim_notices(1),
        ]

    post.ready(wish="all")
    post.read()
    post.received()
    claims = claim_all()
    assert all(ledger.postpone(claim, wait=timedelta(0), code="GW-500") for claim in claims)
    again = claim_all()
    assert [claim.item.id for claim in again] == [claim.item.id for claim in claims]
    assert len(again) == 4
    assert all(ledger.give_up(claim, post.refusal("GW-504")) for claim in again)
    counts = ledger.counts()
    for queue in ("submissions", "letters", "shipments"):
        assert counts[f"{queue}.held"] == 1


def test_racing_nodes_never_claim_the_same_row(open_again, post):
    post.ledger.add([post.arrival() for _ in range(200)])
    nodes = [open_again() for _ in range(4)]
    start = threading.Barrier(len(nodes))
    claimed: list[str] = []

    def drain(node):
        start.wait()
        while claims := node.claim_unread(7):
            claimed.extend(claim.item.id for claim in claims)

    threads = [threading.Thread(target=drain, args=[node]) for node in nodes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # A row another node has locked at this moment is skipped; what remains is claimed now.
    claimed.extend(claim.item.id for claim in post.ledger.claim_unread(200))
    assert len(claimed) == 200
    assert len(set(claimed)) == 200


def test_what_is_written_together_is_there_together_or_not_at_all(ledger, post, open_again):
    other = open_again()
    claims = [post.unread() for _ in range(3)]

    def read_all():
        for claim in claims:
            assert ledger.read_done(claim, title="", letters=[post.letter(claim.item.id)])

    def fail_after_all():
        with ledger.together():
            read_all()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_after_all()
    assert other.counts().get("letters.unrouted") is None
    with ledger.together():
        read_all()
        assert ledger.counts()["letters.unrouted"] == 3
        assert other.counts().get("letters.unrouted") is None
    assert other.counts()["letters.unrouted"] == 3


@pytest.mark.parametrize("queue", ["submissions", "letters", "shipments", "notices"])
def test_a_claim_looks_only_at_rows_that_are_due(ledger, queue):
    kind = "kind = 'send' AND " if queue == "shipments" else ""
    query = f"SELECT id FROM {queue} WHERE {kind}due_at <= :now ORDER BY due_at LIMIT 10"
    with ledger._database.write() as tx:
        if tx.postgres:
            tx.connection.execute(text("SET LOCAL enable_seqscan = off"))
        explain = "EXPLAIN " if tx.postgres else "EXPLAIN QUERY PLAN "
        now = tx.now if tx.postgres else tx.now.isoformat(" ")
        plan = str(tx.connection.execute(text(explain + query), {"now": now}).all())
    assert f"ix_{queue}_due" in plan


@pytest.mark.parametrize("queue", ["submissions", "letters", "shipments", "notices"])
def test_the_index_of_a_queue_holds_only_rows_that_are_due(ledger, queue):
    catalogue = (
        "SELECT indexdef FROM pg_indexes WHERE indexname = :name"
        if ledger._database.postgres
        else "SELECT sql FROM sqlite_master WHERE name = :name"
    )
    with ledger._database.read() as connection:
        made = connection.execute(text(catalogue), {"name": f"ix_{queue}_due"}).scalar_one()
    assert "due_at IS NOT NULL" in made


CHILD = """
import sys, time
from datetime import UTC, datetime, timedelta
from gateway.storage.store import open_ledger

ledger = open_ledger(sys.argv[1], lease=timedelta(seconds=60), retry_give_up=timedelta(hours=24))
(claim,) = ledger.claim_shipments("send", 1)
ledger.attempt_begun(claim, datetime.now(UTC))
print(claim.fence, flush=True)
time.sleep(600)
"""


def test_a_node_killed_between_claim_and_answer_leaves_its_intent_and_loses_its_lease(
    ledger, post, database_url, time_passes
):
    submission_id = post.ready()
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, database_url], stdout=subprocess.PIPE, text=True
    ) as node:
        assert node.stdout is not None
        assert node.stdout.readline() == "1\n"
        os.kill(node.pid, signal.SIGKILL)
    assert ledger.claim_shipments("send", 1) == []
    time_passes(timedelta(seconds=61))
    again = post.claim()
    assert (again.fence, again.crashes) == (2, 1)
    assert [one["outcome"] for one in post.first_letter(submission_id)["attempts"]] == ["offered"]
    assert post.end(again)
    letter = post.first_letter(submission_id)
    assert [one["outcome"] for one in letter["attempts"]] == ["offered", "taken"]
    assert letter["uuid"] == again.item.shipment.key
