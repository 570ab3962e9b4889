"""Loops and schedule: keeps the verbs at work, and stops them cleanly.

Each verb has a thread that works until nothing is due, then waits for a wake-up. APScheduler only
ticks: it holds no state, every timed job is "look for due work" (design, section 2).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from apscheduler.schedulers.background import BackgroundScheduler

from gateway import log
from gateway.errors import GatewayError
from gateway.services.work import Verb

AFTER_TROUBLE = timedelta(seconds=5)
"""Rest of a verb whose ledger did not answer, so that an outage does not spin."""


@dataclass(frozen=True, slots=True)
class Timed:
    """Something looked for now and then."""

    name: str
    every: timedelta
    look: Callable[[], object]


class Runner:
    """Starts and stops the threads of the verbs and the ticking of the timed looks."""

    def __init__(
        self, verbs: Sequence[Verb], timed: Sequence[Timed], *, poll: timedelta
    ) -> None:
        self._stopping = threading.Event()
        self._loops = [_Loop(verb, self._stopping, self.wake) for verb in verbs]
        self._scheduler = BackgroundScheduler(timezone="UTC")
        # It warns of every tick that finds the former look still at work, which is how we want it.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        self._add("wake", poll, self.wake)
        for job in timed:
            self._add(job.name, job.every, partial(self._look, job))

    def start(self) -> None:
        """Start everything; what was due before we started is found at once."""
        for loop in self._loops:
            loop.start()
        self._scheduler.start()

    def wake(self) -> None:
        """There may be work: nobody waits for the next tick."""
        for loop in self._loops:
            loop.wake()

    def stop(self) -> None:
        """Finish what is under way, begin nothing new; returns when all threads have ended."""
        self._stopping.set()
        self.wake()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)
        for loop in self._loops:
            loop.join()

    def _add(self, name: str, every: timedelta, look: Callable[[], object]) -> None:
        self._scheduler.add_job(
            look,
            "interval",
            seconds=every.total_seconds(),
            id=name,
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
        )

    def _look(self, job: Timed) -> None:
        if not self._stopping.is_set() and _guarded(job.name, job.look):
            self.wake()


class _Loop(threading.Thread):
    """One verb at work."""

    def __init__(
        self, verb: Verb, stopping: threading.Event, wake_all: Callable[[], None]
    ) -> None:
        super().__init__(name=verb.name)
        self._verb = verb
        self._stopping = stopping
        self._wake_all = wake_all
        self._woken = threading.Event()

    def wake(self) -> None:
        self._woken.set()

    def run(self) -> None:
        while True:
            # Cleared before looking, for work and for the end: what comes while we look is not missed.
            self._woken.clear()
            if self._stopping.is_set():
                return
            done = _guarded(self._verb.name, self._verb.work)
            if done is None:
                self._stopping.wait(AFTER_TROUBLE.total_seconds())
            elif done:
                self._wake_all()
            else:
                self._woken.wait()


def _guarded(name: str, look: Callable[[], object]) -> object:
    """What *look* found; None if it failed. The runner goes on, whatever happened."""
    try:
        return look()
    except GatewayError as error:
        log.poll_failed(source=name, code=error.code)
    except Exception as error:  # noqa: BLE001 - the one place that keeps the process alive
        log.bug(where=name, error=error)
    return None
