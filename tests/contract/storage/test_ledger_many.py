"""Many in one transaction: one answer each, and what was lost takes nothing along."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Select, event

from gateway.model.identity import Cpr
from gateway.model.submission import Blob
from gateway.ports import Answer, AttemptEnd, Offer, ReadEnd, RouteEnd
from gateway.storage import news, tables
from gateway.storage.ledger import accept, base, route, settle, ship


def test_a_lost_claim_among_many_is_said_and_the_others_are_read(ledger, post):
    lost, *kept = [post.unread() for _ in range(3)]
    ledger.hold(lost.item.id, "ole", "wait")
    ends = [
        (claim, ReadEnd(title="Et brev", letters=[post.letter(claim.item.id)])) for claim in (lost, *kept)
    ]
    assert ledger.reads_ended(ends) == [False, True, True]
    assert ledger.counts()["letters.unrouted"] == 2
    assert post.history(kept[0].item.id) == ["received", "read"]


def test_letters_and_refusals_are_written_side_by_side(ledger, post):
    good, bad = post.unread(), post.unread()
    ends = [
        (good, ReadEnd(title="Godt", letters=[post.letter(good.item.id)], raw=Blob("e" * 64, 6))),
        (bad, ReadEnd(title="Skidt", refusal=post.refusal("GW-201"))),
    ]
    assert ledger.reads_ended(ends) == [True, True]
    assert (post.status(good.item.id), post.status(bad.item.id)) == ("queued", "rejected")
    assert "e" * 64 in ledger.named_digests()
    assert [claim.item.kind for claim in ledger.claim_notices(5)] == ["final"]


def test_a_twin_in_one_batch_is_one_letter(ledger, post):
    first = post.unread("a@example.dk", recipients=["0101011234@dp.example.dk"])
    second = post.unread("a@example.dk", recipients=["0101011234@dp.example.dk", "0202021234@dp.example.dk"])
    ends = [
        (first, ReadEnd(title="", letters=[post.letter(first.item.id)])),
        (
            second,
            ReadEnd(
                title="",
                letters=[
                    post.letter(second.item.id),
                    post.letter(second.item.id, 2, to=Cpr("0202021234")),
                ],
            ),
        ),
    ]
    assert ledger.reads_ended(ends) == [True, True]
    assert ledger.counts()["letters.unrouted"] == 2
    assert "twin" in post.history(second.item.id)


def test_what_the_rules_may_know_of_many_letters_comes_at_once(ledger, post):
    held = post.read()
    refusal = post.refusal("GW-321")
    (claim,) = ledger.claim_unrouted(1)
    post.routed(claim, rule="a-rule", hold=refusal)
    ledger.release(held, "ole")
    other = post.read()
    pasts = ledger.pasts([f"{held}.1", f"{other}.1", "F-2026-0000-0000.1"])
    assert {letter: past.submission.id for letter, past in pasts.items()} == {
        f"{held}.1": held,
        f"{other}.1": other,
    }
    assert pasts[f"{held}.1"].released_from == {"a-rule"}
    assert pasts[f"{other}.1"].released_from == frozenset()
    assert pasts[f"{held}.1"].submission.raw is None


def test_many_letters_are_routed_at_once_and_a_lost_one_is_left(ledger, post):
    submissions = [post.read() for _ in range(3)]
    claims = ledger.claim_unrouted(3)
    ledger.hold(submissions[1], "ole", "wait")
    shipment = [post.sending() for _ in claims]
    ends = [
        (claim, RouteEnd(decision=post.decision(), facts=post.facts(), reach="registered", shipments=[new]))
        for claim, new in zip(claims, shipment, strict=True)
    ]
    assert ledger.routings_ended(ends) == [True, False, True]
    assert ledger.counts()["shipments.open"] == 2


def test_many_attempts_share_a_commit_and_each_has_its_own_number_and_bytes(ledger, post, time_passes):
    post.ready()
    post.end(post.claim(), "temporary", retry_in=timedelta(0))
    post.ready()
    claims = ledger.claim_shipments("send", 2)
    now = datetime.now(UTC)
    offers = [
        Offer(claim=claim, at=now, rendered=Blob(str(place) * 64, 9)) for place, claim in enumerate(claims)
    ]
    attempts = ledger.attempts_begun(offers)
    assert [attempt.number for attempt in attempts] == [claim.item.shipment.tries + 1 for claim in claims]
    assert {"0" * 64, "1" * 64} <= ledger.named_digests()
    again = ledger.attempts_begun([Offer(claim=claims[0], at=now, rendered=Blob("9" * 64, 9))])
    assert again[0] is not None
    assert "9" * 64 not in ledger.named_digests(), "the bytes of the first try stay"


def test_many_answers_end_each_in_its_own_way(ledger, post):
    submissions = [post.ready() for _ in range(4)]
    claims = ledger.claim_shipments("send", 4)
    attempts = ledger.attempts_begun([Offer(claim=claim, at=datetime.now(UTC)) for claim in claims])
    keys = [claim.item.shipment.key for claim in claims]
    ends = [
        AttemptEnd(outcome="taken", receipts=(post.receipt(keys[0], "received"),)),
        AttemptEnd(outcome="temporary", code="GW-401", retry_in=timedelta(minutes=1)),
        AttemptEnd(outcome="permanent", code="GW-402", refusal=post.refusal("GW-402")),
        AttemptEnd(outcome="taken", receipts=(post.receipt(keys[3], "completed"),)),
    ]
    answers = [
        Answer(claim=claim, attempt=attempt, end=end)
        for claim, attempt, end in zip(claims, attempts, ends, strict=True)
    ]
    assert ledger.attempts_ended(answers) == [True] * 4
    assert ledger.attempts_ended(answers) == [False] * 4
    order = [claim.item.letter.submission_id for claim in claims]
    assert [post.status(one) for one in order] == ["sent", "queued", "failed", "completed"]
    assert set(order) == set(submissions)
    told = {claim.item.submission_id for claim in ledger.claim_notices(9)}
    assert told == {order[2], order[3]}


def test_an_archiving_is_no_news_of_a_letter_that_is_also_sent(ledger, post):
    submission_id, (sendable,) = post.sent(archive=True)
    ledger.add_receipts([post.receipt(sendable.shipment.key)])
    (notice,) = ledger.claim_notices(5)
    ledger.notice_sent(notice)
    post.end(post.claim("archive"))
    assert ledger.claim_notices(5) == []
    assert post.first_letter(submission_id)["archive"] == "archived"


def test_a_letter_that_is_only_archived_is_news_when_that_is_done(ledger, post):
    post.read()
    post.route(post.archiving())
    post.end(post.claim("archive"))
    assert [claim.item.kind for claim in ledger.claim_notices(5)] == ["final"]


def test_the_same_receipt_twice_in_one_page_is_news_once(ledger, post):
    _, (sendable,) = post.sent()
    receipt = post.receipt(sendable.shipment.key)
    stranger = post.receipt(str(uuid.uuid4()))
    outcomes = ledger.add_receipts([receipt, stranger, receipt])
    assert [(one.known, one.news) for one in outcomes] == [(True, True), (False, True), (True, False)]


def test_what_is_put_back_is_due_at_once_and_nothing_is_counted(ledger, post):
    post.received()
    post.received()
    claims = ledger.claim_unread(2)
    ledger.put_back(claims)
    again = ledger.claim_unread(2)
    assert [(one.item, one.crashes, one.tries) for one in again] == [(one.item, 0, 1) for one in claims]
    assert ledger.reads_ended([(claims[0], ReadEnd(title="", letters=[]))]) == [False]


def test_of_nothing_nothing_is_written(ledger):
    assert ledger.reads_ended([]) == []
    assert ledger.routings_ended([]) == []
    assert ledger.attempts_begun([]) == []
    assert ledger.attempts_ended([]) == []
    assert ledger.add_receipts([]) == []
    assert ledger.pasts([]) == {}
    ledger.put_back([])


def look_ups() -> Iterator[tuple[str, Select]]:
    """The statements that find many rows by their ids."""
    for module in (news, accept, base, route, settle, ship):
        for name, value in vars(module).items():
            if isinstance(value, Select):
                yield f"{module.__name__.rpartition('.')[2]}.{name}", value
    yield "base.in_hand", base._in_hand(tables.shipments, (), also_ended=False)


@pytest.mark.parametrize(("name", "statement"), list(look_ups()))
def test_a_look_up_of_many_goes_by_an_index(ledger, name, statement):
    ran = []
    with ledger._database.write() as tx:
        if tx.postgres:
            tx.connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        event.listen(tx.connection, "before_cursor_execute", lambda *call: ran.append(call[2:4]))
        tx.run(statement, {"ids": ["a", "b"]}).all()
        sql, values = ran[0]
        explain = "EXPLAIN" if tx.postgres else "EXPLAIN QUERY PLAN"
        plan = [str(row) for row in tx.connection.exec_driver_sql(f"{explain} {sql}", values).all()]
    scans = [line for line in plan if "Seq Scan" in line or ("SCAN " in line and "json_each" not in line)]
    assert scans == [], name
