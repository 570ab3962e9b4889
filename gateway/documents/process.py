"""Reading in a process of its own: what hostile bytes break there is not broken here.

The worker has bounds of time and of memory, and may be killed at any moment. Post that breaks it
is refused; a fault of our own code comes out as it is, and is the caller's to treat as a bug.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import resource
import signal
import threading
import warnings
from concurrent.futures import CancelledError, wait
from concurrent.futures.process import BrokenProcessPool
from datetime import timedelta
from pathlib import Path
from time import monotonic

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from gateway.documents.mail import read_mail
from gateway.documents.reading import Reading, ReadRules
from gateway.errors import OurError, ReaderLimit
from gateway.model.submission import Envelope, Submission

# A worker is replaced after so many mails: what a parser leaks, leaks no further.
_MAILS_PER_WORKER = 200
# A worker can die without the mail's fault: the system's service manager ends all our processes at
# once, or the kernel needs memory. A mail that kills two is the reason itself.
_LIVES = 2
# With pools that broke for other reasons in between.
_TRIES = 4
_LOOK_EVERY = 0.5  # seconds
_OUT_OF_MEMORY = 77  # exit code of a worker; no other of ours ends so
# For starting a worker, and for pebble to notice that one died with the pool's lock (60 s).
_GRACE = timedelta(seconds=90)


class ReaderProcess:
    """Reads mails in worker processes. May be shared by threads.

    Args:
        time: for one mail, from its start in a worker.
        memory: address space of a worker, bytes.
        processes: workers, and so mails read at once; further callers wait.
    """

    def __init__(self, rules: ReadRules, *, time: timedelta, memory: int, processes: int) -> None:
        self._rules = rules
        self._time = time
        self._memory = memory
        self._processes = processes
        self._room = threading.Semaphore(processes)
        self._lock = threading.Lock()
        self._closed = False
        self._running: set[ProcessFuture[Reading]] = set()
        self._pool = self._new_pool()

    def read(self, raw: Path, submission: Submission, scratch: Path) -> Reading:
        """As ``read_mail``; with the refusal ReaderLimit if time or memory did not suffice.

        Raises:
            OurError: the workers are gone, or ``close`` was called.
            Whatever else ``read_mail`` raises, as it is.
        """
        died = 0
        # A mail that is scheduled starts at once, so the time it may take is known from here.
        with self._room:
            for _ in range(_TRIES):
                try:
                    return self._read_once(raw, submission, scratch)
                except TimeoutError:
                    return Reading(title="", refusal=ReaderLimit())
                except ProcessExpired as end:
                    died += 1
                    if died == _LIVES or end.exitcode == _OUT_OF_MEMORY:
                        return Reading(title="", refusal=ReaderLimit())
                except BrokenProcessPool:
                    continue
        raise OurError()

    def warm(self) -> None:
        """Start a worker now, so that the first mail does not wait for a Python to start."""
        with self._lock:
            if not self._closed and self._pool.active:
                self._pool.schedule(_ready)

    def close(self) -> None:
        """End the workers, whatever they are doing; whoever waits for one gets OurError."""
        with self._lock:
            self._closed = True
            for reading in self._running:
                reading.cancel()  # type: ignore[no-untyped-call]  # pebble annotates only some
            _end(self._pool)

    def _read_once(self, raw: Path, submission: Submission, scratch: Path) -> Reading:
        pool, reading = self._schedule(raw, submission, scratch)
        give_up = monotonic() + (self._time + _GRACE).total_seconds()
        try:
            # Pebble forgets mails that were on their way when the pool broke, so it is asked.
            while not wait([reading], timeout=_LOOK_EVERY).done:
                if not pool.active or monotonic() > give_up:
                    raise BrokenProcessPool()
            return reading.result()
        except CancelledError:
            raise OurError() from None
        finally:
            with self._lock:
                self._running.discard(reading)

    def _schedule(
        self, raw: Path, submission: Submission, scratch: Path
    ) -> tuple[ProcessPool, ProcessFuture[Reading]]:
        with self._lock:
            if self._closed:
                raise OurError()
            # A worker that dies while all are idle breaks pebble's pool for good.
            if not self._pool.active:
                _end(self._pool)
                self._pool = self._new_pool()
            reading = self._pool.schedule(
                _read,
                args=[raw, submission.id, submission.envelope, self._rules, scratch],
                timeout=self._time.total_seconds(),
            )
            self._running.add(reading)
            return self._pool, reading

    def _new_pool(self) -> ProcessPool:
        # Spawned and not forked: a fork of a process with threads inherits their locks.
        return ProcessPool(
            max_workers=self._processes,
            max_tasks=_MAILS_PER_WORKER,
            initializer=_enter,
            initargs=(self._memory,),
            context=multiprocessing.get_context("spawn"),
        )


def _end(pool: ProcessPool) -> None:
    pool.stop()  # type: ignore[no-untyped-call]
    pool.join()


def _ready() -> None:
    """What a worker does that is only to be there."""


def _read(
    raw: Path, submission_id: str, envelope: Envelope, rules: ReadRules, scratch: Path
) -> Reading:
    """``read_mail`` in a worker. One that ran out of memory is not fit to read the next mail: much
    of the last one is still held, by the error's traceback among others.
    """
    try:
        return read_mail(raw, submission_id, envelope, rules, scratch)
    except MemoryError:
        os._exit(_OUT_OF_MEMORY)


def _enter(memory: int) -> None:
    """First words of a worker: bounds, no core dumps (they hold letters), and nothing on stderr."""
    # Pebble ends a worker that is out of time with SIGTERM; a handler would wait for the parser.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Parsers quote what they parse.
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
