"""runner: verbs work whatever happens to others, no wake-up is missed, stopping finishes what is under way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from gateway import runner as runner_module
from gateway.errors import LedgerUnavailable
from gateway.runner import Runner, Timed

NEVER = timedelta(days=1)
LIMIT = 20  # seconds; a bound on a hang, not a guess at a speed


class Work:
    """A verb whose pile is due work; *before* may get in the way of each look."""

    def __init__(self, name: str = "work", pile: int = 0) -> None:
        self.name = name
        self.pile = pile
        self.done = 0
        self.looks = 0
        self.before: Callable[[], object] = lambda: None
        self._changed = threading.Condition()

    def add(self) -> None:
        with self._changed:
            self.pile += 1

    def work(self) -> int:
        with self._changed:
            self.looks += 1
            self._changed.notify_all()
        self.before()
        with self._changed:
            did = min(self.pile, 1)
            self.pile -= did
            self.done += did
            self._changed.notify_all()
            return did

    def until(self, true: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(true, LIMIT), f"{self.name}: {self.done} done, {self.looks} looks"


@pytest.fixture
def run() -> Iterator[Callable[..., Runner]]:
    started: list[Runner] = []

    def start(*verbs: Work, timed: tuple[Timed, ...] = (), poll: timedelta = NEVER) -> Runner:
        started.append(Runner(verbs, timed, poll=poll))
        started[-1].start()
        return started[-1]

    yield start
    for one in started:
        one.stop()


def test_work_that_was_due_before_the_start_is_found_at_once(run):
    work = Work(pile=3)
    run(work)
    work.until(lambda: work.done == 3)


def test_work_that_comes_while_a_verb_looks_is_not_missed(run):
    work, looking, go_on = Work(), threading.Event(), threading.Event()

    def once() -> None:
        work.before = lambda: None
        looking.set()
        assert go_on.wait(LIMIT)

    work.before = once
    runner = run(work)
    assert looking.wait(LIMIT)
    # This look has begun: what it does not see, the wake-up must bring.
    work.before = lambda: None
    runner.wake()
    go_on.set()
    work.until(lambda: work.looks >= 2)


def test_what_one_verb_did_wakes_the_next(run):
    second = Work("second")
    first = Work("first", pile=1)
    first.before = lambda: second.add() if first.pile else None
    run(first, second)
    second.until(lambda: second.done == 1)


def test_without_a_wake_up_the_tick_finds_the_work(run):
    work = Work()
    run(work, poll=timedelta(milliseconds=50))
    work.until(lambda: work.looks >= 1)
    work.add()
    work.until(lambda: work.done == 1)


@pytest.mark.parametrize("error", [ValueError("0101011234"), LedgerUnavailable(reason="gone")])
def test_a_verb_that_explodes_goes_on_after_a_rest_and_stops_nobody_else(run, events, monkeypatch, error):
    monkeypatch.setattr(runner_module, "AFTER_TROUBLE", timedelta(milliseconds=10))
    broken, healthy = Work("broken", pile=1), Work("healthy", pile=2)

    def explode() -> None:
        if broken.looks < 3:
            raise error

    broken.before = explode
    run(broken, healthy)
    healthy.until(lambda: healthy.done == 2)
    broken.until(lambda: broken.done == 1)
    assert {event["event"] for event in events} <= {"bug", "poll_failed"}
    assert "0101011234" not in str(events)


def test_a_timed_look_that_explodes_is_looked_at_again(run, events):
    work = Work("settle")

    def explode() -> None:
        if work.looks == 1:
            raise ValueError()

    work.before = explode
    run(timed=(Timed("settle", timedelta(milliseconds=20), work.work),))
    work.until(lambda: work.looks >= 3)
    assert [event["where"] for event in events] == ["settle"]


def test_stopping_finishes_what_is_under_way_and_begins_nothing_new(run):
    work, under_way, go_on = Work(pile=2), threading.Event(), threading.Event()

    def slow() -> None:
        under_way.set()
        assert go_on.wait(LIMIT)

    work.before = slow
    runner = run(work)
    assert under_way.wait(LIMIT)
    stopping = threading.Thread(target=runner.stop)
    stopping.start()
    while not runner._stopping.is_set():
        pass
    assert stopping.is_alive(), "it waits for what is under way"
    go_on.set()
    stopping.join(LIMIT)
    assert not stopping.is_alive()
    assert (work.done, work.pile) == (1, 1)


def test_a_stop_between_two_looks_is_not_missed():
    """The moment between "shall I stop?" and "I have not been woken"."""
    work = Work()
    runner = Runner([work], [], poll=NEVER)
    (loop,) = runner._loops
    clear = loop._woken.clear

    def stop_comes_first() -> None:
        loop._woken.clear = clear
        runner._stopping.set()
        runner.wake()
        clear()

    loop._woken.clear = stop_comes_first
    loop.start()
    loop.join(LIMIT)
    stuck = loop.is_alive()
    runner.wake()
    loop.join(LIMIT)
    assert not stuck


def test_a_rest_after_trouble_does_not_delay_the_stop(run):
    work = Work()
    work.before = lambda: 1 / 0
    runner = run(work)
    work.until(lambda: work.looks >= 1)
    stopping = threading.Thread(target=runner.stop)
    stopping.start()
    stopping.join(runner_module.AFTER_TROUBLE.total_seconds() - 1)
    assert not stopping.is_alive()
