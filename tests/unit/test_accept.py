"""Group commit: many arrivals in one flush, every caller answered, nobody lost."""

import asyncio
import threading
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.errors import DiskFull, LedgerUnavailable, TooMuchInFlight
from gateway.model.submission import Accepted, Arrival, Envelope, Submitter
from gateway.services.accept import MOST_IN_ONE_COMMIT, GroupCommit

ARRIVAL = Arrival(
    envelope=Envelope(
        channel="smtp",
        submitter=Submitter(kind="user", name="anna"),
        recipients=("0101011234@dp.example.dk",),
        received_at=datetime(2026, 11, 25, tzinfo=UTC),
    ),
    reference="1@skole.dk",
    identity="1" * 64,
    size_bytes=4,
    raw=b"Hej\n",
)


class SlowLedger:
    """The ``add`` of a ledger whose first commit lasts until it is let go."""

    def __init__(self, error=None, bad="", first_waits=True):
        self.batches = []
        self.error, self.bad = error, bad
        self.begun, self.go = threading.Event(), threading.Event()
        if not first_waits:
            self.go.set()

    def add(self, arrivals):
        self.batches.append([arrival.reference for arrival in arrivals])
        self.begun.set()
        self.go.wait(10)
        if self.error:
            raise self.error
        if self.bad in self.batches[-1]:
            raise ValueError("0101011234")
        return [Accepted(f"F-{arrival.reference}", "new") for arrival in arrivals]


def arrival(number):
    return replace(ARRIVAL, reference=str(number))


def accepting(ledger, story, **options):
    """Run *story* with a started service."""

    async def play():
        service = GroupCommit(ledger, **options)
        await service.start()
        try:
            return await asyncio.wait_for(story(service), 20)
        finally:
            ledger.go.set()
            await service.stop()

    return asyncio.run(play())


async def begin(service, ledger, numbers):
    """Hand over *numbers*; the first alone, the others while its commit is under way."""
    tasks = [asyncio.create_task(service.accept(arrival(numbers[0])))]
    await asyncio.to_thread(ledger.begun.wait, 10)
    tasks += [asyncio.create_task(service.accept(arrival(number))) for number in numbers[1:]]
    await asyncio.sleep(0)
    return tasks


def test_what_comes_during_a_commit_shares_the_next_one():
    ledger = SlowLedger()

    async def story(service):
        tasks = await begin(service, ledger, range(20))
        ledger.go.set()
        return await asyncio.gather(*tasks)

    answers = accepting(ledger, story)
    assert [len(batch) for batch in ledger.batches] == [1, 19]
    assert [answer.submission_id for answer in answers] == [f"F-{number}" for number in range(20)]


def test_a_lone_arrival_waits_for_nobody():
    ledger = SlowLedger(first_waits=False)
    assert accepting(ledger, lambda service: service.accept(ARRIVAL)).outcome == "new"
    assert ledger.batches == [["1@skole.dk"]]


def test_one_commit_is_never_too_large():
    ledger = SlowLedger()

    async def story(service):
        tasks = await begin(service, ledger, range(MOST_IN_ONE_COMMIT * 2))
        ledger.go.set()
        await asyncio.gather(*tasks)

    accepting(ledger, story)
    assert max(len(batch) for batch in ledger.batches) == MOST_IN_ONE_COMMIT


def test_a_cancelled_caller_loses_nothing_and_stops_nobody():
    ledger = SlowLedger()

    async def story(service):
        tasks = await begin(service, ledger, range(4))
        tasks[0].cancel()
        tasks[2].cancel()
        ledger.go.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    answers = accepting(ledger, story)
    assert [type(answer).__name__ for answer in answers] == [
        "CancelledError", "Accepted", "CancelledError", "Accepted",
    ]  # fmt: skip
    assert ledger.batches == [["0"], ["1", "2", "3"]]


@pytest.mark.parametrize("error", [DiskFull(), LedgerUnavailable(reason="down")])
def test_every_caller_hears_why_nothing_was_taken(error):
    ledger = SlowLedger(error)

    async def story(service):
        tasks = await begin(service, ledger, range(4))
        ledger.go.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    assert accepting(ledger, story) == [error] * 4


def test_one_arrival_that_cannot_be_written_does_not_take_its_neighbours_along():
    ledger = SlowLedger(bad="2")

    async def story(service):
        tasks = await begin(service, ledger, range(4))
        ledger.go.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    answers = accepting(ledger, story)
    assert [isinstance(answer, Accepted) for answer in answers] == [True, True, False, True]
    assert isinstance(answers[2], LedgerUnavailable)
    assert "0101011234" not in str(answers[2])


def test_beyond_the_bound_an_arrival_is_refused_and_not_kept():
    ledger = SlowLedger()

    async def story(service):
        tasks = await begin(service, ledger, range(4))
        with pytest.raises(TooMuchInFlight):
            await service.accept(arrival(99))
        ledger.go.set()
        return await asyncio.gather(*tasks)

    assert len(accepting(ledger, story, waiting=3)) == 4
    assert ["99"] not in ledger.batches


def test_stopping_finishes_what_was_taken_and_refuses_the_rest():
    ledger = SlowLedger()

    async def story(service):
        tasks = await begin(service, ledger, range(5))
        stopping = asyncio.create_task(service.stop())
        await asyncio.sleep(0)
        with pytest.raises(TooMuchInFlight):
            await service.accept(arrival(99))
        ledger.go.set()
        await stopping
        return await asyncio.gather(*tasks)

    assert len(accepting(ledger, story)) == 5


def test_workers_are_woken_after_each_commit_that_wrote_something():
    ledger, woken = SlowLedger(), []

    async def story(service):
        tasks = await begin(service, ledger, range(3))
        ledger.go.set()
        await asyncio.gather(*tasks)

    accepting(ledger, story, wake=lambda: woken.append(True))
    assert len(woken) == 2
