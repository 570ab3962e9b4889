"""What is told, to whom, and how often."""

from datetime import UTC, datetime, timedelta

import pytest


def told(ledger) -> list[str]:
    """Kinds of the notices due now; they are sent by this."""
    claims = ledger.claim_notices(50)
    assert all(ledger.notice_sent(claim) for claim in claims)
    return [claim.item.kind for claim in claims]


def complete(ledger, post, sendables):
    ledger.add_receipts([post.receipt(one.shipment.key) for one in sendables])


@pytest.mark.parametrize(
    ("wish", "kinds"), [("all", ["received", "final"]), ("summary", ["final"]), ("errors", [])]
)
def test_a_delivered_letter_is_told_as_wished(ledger, post, wish, kinds):
    _, sendables = post.sent(wish=wish)
    complete(ledger, post, sendables)
    assert told(ledger) == kinds


@pytest.mark.parametrize(
    ("wish", "kinds"), [("all", ["received", "final"]), ("summary", ["final"]), ("errors", ["final"])]
)
def test_a_failed_letter_is_told_to_all(ledger, post, wish, kinds):
    post.ready(wish=wish)
    post.end(post.claim(), "permanent", refusal=post.refusal("GW-402"))
    assert told(ledger) == kinds


@pytest.mark.parametrize("wish", ["all", "summary", "errors"])
def test_a_refused_submission_is_told_to_all(ledger, post, wish):
    claim = post.unread(wish=wish)
    ledger.read_refused(claim, post.refusal("GW-201", private="brev.pdf"), title="T", silent=False)
    (notice,) = ledger.claim_notices(5)
    assert (notice.item.kind, notice.item.letters) == ("final", ())
    assert notice.item.refusal == post.refusal("GW-201", private="brev.pdf")


@pytest.mark.parametrize(
    "details",
    [{"reply_to": None}, {"automatic": True}],
    ids=["nobody to tell", "automatic post"],
)
def test_nobody_is_told_where_nobody_asked(ledger, post, details):
    _, sendables = post.sent(wish="all", **details)
    complete(ledger, post, sendables)
    refused = post.unread(**details)
    ledger.read_refused(refused, post.refusal(), title="", silent=False)
    assert told(ledger) == []


def test_what_is_refused_silently_is_not_told(ledger, post):
    claim = post.unread()
    ledger.read_refused(claim, post.refusal("GW-216"), title="", silent=True)
    assert told(ledger) == []
    assert post.status(claim.item.id) == "rejected"


def test_the_last_letter_makes_the_final_notice_due_once(ledger, post):
    _, (first, second) = post.sent(letters=2)
    complete(ledger, post, [first])
    assert told(ledger) == []
    complete(ledger, post, [second])
    assert told(ledger) == ["final"]
    complete(ledger, post, [first, second])
    assert told(ledger) == []


def test_a_held_letter_is_news_and_its_end_again(ledger, post):
    submission_id = post.read()
    post.route(hold=post.refusal("GW-312"))
    (notice,) = ledger.claim_notices(5)
    (line,) = notice.item.letters
    assert (notice.item.kind, line.status, line.refusal.code) == ("held", "held", "GW-312")
    ledger.notice_sent(notice)
    ledger.handled(submission_id, "ole", "sent on paper")
    assert told(ledger) == ["final"]


def test_a_letter_held_beside_one_on_its_way_is_told_when_both_stand_still(ledger, post):
    post.read(letters=2)
    held, sent = ledger.claim_unrouted(2)
    post.routed(held, reach="exempt", hold=post.refusal())
    post.routed(sent, [post.sending()])
    assert told(ledger) == []
    claim = post.claim()
    post.end(claim)
    complete(ledger, post, [claim.item])
    assert told(ledger) == ["held"]


def test_poison_is_told_as_held(ledger, post):
    claim = post.unread()
    ledger.give_up(claim, post.refusal("GW-504"))
    (notice,) = ledger.claim_notices(5)
    assert (notice.item.kind, notice.item.refusal.code) == ("held", "GW-504")


def test_who_was_told_failed_is_told_when_a_retry_delivers(ledger, post):
    submission_id = post.ready()
    claim = post.claim()
    post.end(claim, "permanent", refusal=post.refusal("GW-405"))
    assert told(ledger) == ["final"]
    ledger.retry(submission_id, "ole")
    assert told(ledger) == []
    post.end(post.claim())
    complete(ledger, post, [claim.item])
    (notice,) = ledger.claim_notices(5)
    assert (notice.item.kind, notice.item.letters[0].status) == ("final", "completed")


def test_who_was_told_failed_is_told_when_a_late_receipt_says_delivered(ledger, post):
    post.ready()
    claim = post.claim()
    post.end(claim, "unknown", refusal=post.refusal("GW-405"))
    assert told(ledger) == ["final"]
    complete(ledger, post, [claim.item])
    assert told(ledger) == ["final"]


def test_a_letter_that_is_only_archived_is_told_when_it_lies_there(ledger, post):
    post.read()
    post.route(post.archiving())
    assert told(ledger) == []
    post.end(post.claim("archive"))
    (notice,) = ledger.claim_notices(5)
    (line,) = notice.item.letters
    # Not "completed": to a person that word means delivered.
    assert (line.status, line.archive, line.case) == ("archived", "archived", "2026-17")


def test_a_notice_says_what_the_ledger_knows(ledger, post):
    claim = post.unread("one@x")
    documents = (post.document(), post.document("bilag.pdf", role="attachment"))
    letter = post.letter(claim.item.id, documents=documents, copy=True)
    ledger.read_done(claim, title="Om 010101-1234", letters=[letter], notes=["Et billede er udeladt."])
    post.route(post.sending(), post.archiving(settings=(("case", "2026-99"),)))
    sending = post.claim()
    post.end(sending)
    complete(ledger, post, [sending.item])
    (notice,) = (claim.item for claim in ledger.claim_notices(5))
    assert (notice.to, notice.in_reply_to) == ("anna@example.dk", "one@x")
    assert notice.title == "Om 010101-xxxx"
    assert notice.notes == ("Et billede er udeladt.",)
    (line,) = notice.letters
    assert (line.recipient, line.copy, line.attachments) == ("010101-xxxx", True, 1)
    assert (line.status, line.archive, line.case) == ("completed", "queued", "2026-99")
    assert line.settled_at is not None


def test_a_notice_answers_no_message_id_where_there_was_none(ledger, post):
    claim = post.unread("sha256:abc")
    ledger.read_refused(claim, post.refusal(), title="", silent=False)
    (notice,) = ledger.claim_notices(5)
    assert notice.item.in_reply_to == ""


def test_notices_to_an_address_are_counted_for_the_rate_limit(ledger, post, time_passes):
    for _ in range(3):
        ledger.read_refused(post.unread(), post.refusal(), title="", silent=False)
    ledger.read_refused(post.unread(reply_to="bo@example.dk"), post.refusal(), title="", silent=False)
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    assert ledger.notices_sent_since("anna@example.dk", hour_ago) == 0
    assert len(told(ledger)) == 4
    assert ledger.notices_sent_since("anna@example.dk", hour_ago) == 3
    time_passes(timedelta(hours=2))
    assert ledger.notices_sent_since("anna@example.dk", hour_ago) == 0


def test_a_letter_line_tells_each_letter_s_own_reason(ledger, post):
    post.read(letters=2)
    first, second = ledger.claim_unrouted(2)
    post.routed(first, reach="unknown", reject=post.refusal("GW-320"))
    post.routed(second, [post.sending()])
    post.end(post.claim(), "permanent", refusal=post.refusal("GW-402"))
    (notice,) = ledger.claim_notices(5)
    assert [(line.status, line.refusal.code) for line in notice.item.letters] == [
        ("rejected", "GW-320"),
        ("failed", "GW-402"),
    ]


def test_one_poller_at_a_time_holds_a_source(ledger, time_passes):
    minute = timedelta(minutes=1)
    assert ledger.lease_source("imap", "node-1", minute)
    assert not ledger.lease_source("imap", "node-2", minute)
    assert ledger.lease_source("imap", "node-1", minute)
    assert ledger.lease_source("digital-post", "node-2", minute)
    time_passes(minute)
    assert ledger.lease_source("imap", "node-2", minute)
    assert not ledger.lease_source("imap", "node-1", minute)


def test_letters_that_end_at_the_same_time_on_two_nodes_are_told_together(open_again, post):
    """Without a lock on the submission each node would take the other's letter for still on its way."""
    import threading

    nodes = [open_again(), open_again()]
    for _ in range(10):
        _, sendables = post.sent(letters=2)
        start = threading.Barrier(2)

        def settle(node, sendable, start=start):
            start.wait()
            node.add_receipts([post.receipt(sendable.shipment.key)])

        threads = [
            threading.Thread(target=settle, args=pair) for pair in zip(nodes, sendables, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert told(post.ledger) == ["final"]
