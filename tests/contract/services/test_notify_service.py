"""Which notices are mailed when several are due; the mails themselves are in tests/unit/notices."""

from __future__ import annotations

import pytest

from gateway.services.notify import Notify
from gateway.wiring.whole import SystemClock


class Outbox:
    """Composes a notice to its kind, and keeps what was sent."""

    def __init__(self):
        self.kinds = []

    def compose(self, notice):
        return notice.kind.encode()

    def send(self, message, *, to, sender):
        self.kinds.append(message.decode())


@pytest.fixture
def outbox():
    return Outbox()


@pytest.fixture
def notify(road, outbox):
    def build(limit=60):
        return Notify(
            road.ledger, outbox, outbox, SystemClock(), per_sender_and_hour=limit,
            sender_address="digitalpost@dp.example.dk", own_domains=("dp.example.dk",),
        )  # fmt: skip

    return build


def test_received_is_not_told_any_more_when_the_letter_has_arrived(road, notify, outbox):
    road.wish = "all"
    submission, key = road.sent()
    road.ledger.add_receipts([road.receipt(key)])
    assert notify().work() == 2
    assert outbox.kinds == ["final"]
    verbs = [line["verb"] for line in road.show(submission)["history"]]
    assert "superseded" in verbs
    assert notify().work() == 0


def test_received_is_told_while_the_letter_is_on_its_way(road, notify, outbox):
    road.wish = "all"
    road.sent()
    notify().work()
    assert outbox.kinds == ["received"]


def test_mails_about_the_start_leave_room_for_those_about_the_end(road, notify, outbox):
    road.wish = "all"
    for _ in range(4):
        road.sent()
    _, key = road.sent()
    notify(limit=4).work()
    assert outbox.kinds == ["received", "received"]
    road.ledger.add_receipts([road.receipt(key)])
    notify(limit=4).work()
    assert outbox.kinds == ["received", "received", "final"]
