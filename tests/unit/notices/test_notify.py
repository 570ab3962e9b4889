"""Each submitter is told once, in time, and nobody is told in circles."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from typing import Any

import pytest
from sqlalchemy import update

from gateway.errors import GatewayError, MailRelayRefused, MailRelayUnavailable, NoDocument
from gateway.model.submission import Arrival, Envelope, Submitter
from gateway.services.notify import Notify
from gateway.services.work import refusal_of
from gateway.storage import tables
from gateway.storage.store import SqlLedger


class Now:
    def now(self) -> datetime:
        return datetime.now(UTC)


class Outbox:
    """A relay in memory: takes mails, or raises what it was told to."""

    def __init__(self, *errors: GatewayError | None) -> None:
        self.errors = list(errors)
        self.mails: list[tuple[str, str | None, bytes]] = []

    def send(self, message: bytes, *, to: str, sender: str | None) -> None:
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        self.mails.append((to, sender, message))


def rejected(ledger: SqlLedger, number: int = 1, *, to: str = "sek@eksempelby-gym.dk") -> str:
    """A mail without a document, read and refused: its notice is due."""
    arrival = Arrival(
        envelope=Envelope(
            channel="smtp",
            submitter=Submitter(kind="user", name="sek", reply_to=to),
            recipients=("0101011234@dp.eksempelby-gym.dk",),
            received_at=datetime(2026, 11, 23, 8, 0, tzinfo=UTC),
        ),
        reference=f"mail-{number}@outlook.example.com",
        identity=f"{number:064x}",
        size_bytes=3,
        raw=b"raw",
    )
    accepted = ledger.add([arrival])[0]
    (claim,) = ledger.claim_unread(1)
    assert ledger.read_refused(claim, refusal_of(NoDocument()), title="Samtale", silent=False)
    return accepted.submission_id


@pytest.fixture
def notify(ledger, renderer) -> Callable[..., Notify]:
    def build(outbox: Outbox, *, on: Any = None, limit: int = 60) -> Notify:
        return Notify(
            on or ledger,
            outbox,
            renderer,
            Now(),
            per_sender_and_hour=limit,
            sender_address="digitalpost@dp.eksempelby-gym.dk",
            own_domains=("dp.eksempelby-gym.dk",),
        )

    return build


def test_a_due_notice_is_mailed_once_with_a_null_return_path(ledger, notify):
    submission = rejected(ledger)
    outbox = Outbox()
    assert notify(outbox).work() == 1
    assert notify(outbox).work() == 0
    ((to, sender, mail),) = outbox.mails
    assert (to, sender) == ("sek@eksempelby-gym.dk", None)
    parsed = message_from_bytes(mail)
    assert parsed["Subject"] == "Ikke sendt: Samtale"
    assert parsed["In-Reply-To"] == "<mail-1@outlook.example.com>"
    assert submission in parsed["Message-ID"]


@pytest.mark.parametrize("minutes", [(1, 5, 15, 60, 60, 60)])
def test_a_relay_that_does_not_answer_is_tried_after_1_5_15_60_minutes_then_hourly(
    ledger, notify, time_passes, minutes
):
    rejected(ledger)
    outbox = Outbox(*[MailRelayUnavailable(reason="no connection")] * len(minutes))
    assert notify(outbox).work() == 1
    for wait in minutes:
        time_passes(timedelta(minutes=wait) - timedelta(seconds=20))
        assert notify(outbox).work() == 0, f"tried again before {wait} minutes"
        time_passes(timedelta(minutes=wait) / 4 + timedelta(seconds=20))
        assert notify(outbox).work() == 1, f"not tried again after {wait} minutes"
    assert len(outbox.mails) == 1


def test_after_five_days_of_trying_a_person_is_asked(ledger, notify, time_passes):
    rejected(ledger)
    hourly_for_five_days = 4 + 5 * 24
    with ledger._database.write() as tx:
        tx.run(update(tables.notices).values(fence=hourly_for_five_days - 1))
    outbox = Outbox(*[MailRelayUnavailable(reason="no connection")] * 3)
    for due in (1, 1, 0):
        assert notify(outbox).work() == due
        time_passes(timedelta(hours=2))
    assert outbox.mails == []


def test_a_refused_mail_waits_for_a_person_and_starts_no_new_notice(ledger, notify, time_passes):
    rejected(ledger)
    outbox = Outbox(MailRelayRefused(status=550))
    assert notify(outbox).work() == 1
    time_passes(timedelta(days=2))
    assert notify(outbox).work() == 0
    assert outbox.mails == []


def test_one_notice_that_fails_does_not_stop_the_others(ledger, notify):
    for number in (1, 2, 3):
        rejected(ledger, number)
    outbox = Outbox(None, MailRelayRefused(status=550), None)
    assert notify(outbox).work() == 3
    assert len(outbox.mails) == 2


@pytest.mark.parametrize(
    "to",
    [
        "0101011234@dp.eksempelby-gym.dk",
        "send@DP.Eksempelby-Gym.DK",
        "send@dp.eksempelby-gym.dk.",
        "digitalpost@dp.eksempelby-gym.dk",
        "sek@example.dk\r\nRCPT TO:<x@example.dk>",
        "ikke en adresse",
    ],
)
def test_a_notice_never_goes_to_an_address_of_ours_or_one_with_two_meanings(
    ledger, notify, time_passes, to
):
    rejected(ledger, to=to)
    outbox = Outbox()
    assert notify(outbox).work() == 1
    time_passes(timedelta(days=1))
    assert notify(outbox).work() == 0
    assert outbox.mails == []


def test_beyond_the_limit_of_an_hour_notices_wait_until_there_is_room(ledger, notify, time_passes):
    for number in range(5):
        rejected(ledger, number)
    rejected(ledger, 9, to="anden@eksempelby-gym.dk")
    outbox = Outbox()
    assert notify(outbox, limit=2).work() == 6
    assert [to for to, _, _ in outbox.mails].count("sek@eksempelby-gym.dk") == 2
    assert [to for to, _, _ in outbox.mails].count("anden@eksempelby-gym.dk") == 1
    time_passes(timedelta(minutes=54))
    assert notify(outbox, limit=2).work() == 0
    time_passes(timedelta(minutes=11))
    assert notify(outbox, limit=2).work() == 3
    assert len(outbox.mails) == 5


def test_the_same_notice_after_a_crash_has_the_same_message_id(ledger, notify, time_passes, open_again):
    """Between the relay's 250 and the ledger's write: one mail may come twice, and be seen as one."""
    rejected(ledger)
    outbox = Outbox()

    class Crash(Exception):
        pass

    class Dying:
        def __getattr__(self, name: str) -> Any:
            if name == "notice_sent":
                raise Crash
            return getattr(ledger, name)

    notify(outbox, on=Dying()).work()
    time_passes(timedelta(minutes=2))
    notify(outbox, on=open_again()).work()
    assert len(outbox.mails) == 2
    assert len({message_from_bytes(mail)["Message-ID"] for _, _, mail in outbox.mails}) == 1


def test_the_log_names_neither_address_nor_title(ledger, notify, logged):
    rejected(ledger)
    rejected(ledger, 2)
    notify(Outbox(None, MailRelayRefused(status=550))).work()
    told = logged()
    assert '"event": "notified"' in told
    assert '"event": "held"' in told
    for secret in ("sek@", "Samtale", "outlook"):
        assert secret not in told
