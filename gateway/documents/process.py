"""Reading in a process of its own: what hostile bytes break there is not broken here.

The worker has bounds of time and of memory, and may be killed at any moment. Post that breaks it
is refused; a fault of our own code comes out as it is, and is the caller's to treat as a bug.
One module, although long: the pool, and all that runs in its workers.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import resource
import signal
import threading
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, wait
from concurrent.futures.process import BrokenProcessPool
from copy import copy
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from gateway.documents.mail import read_mail
from gateway.documents.post_mail import PostMail, read_post_mail
from gateway.documents.reading import Reading, ReadRules
from gateway.documents.recipients import batch_address
from gateway.documents.sidecar.look import Look, look
from gateway.documents.sidecar.package import merged_file, read_merged_package, read_package
from gateway.documents.sidecar.read import Control
from gateway.documents.sidecar.understand import Manner
from gateway.errors import GatewayError, OurError, PostNotReadable, ReaderLimit, SubmitterError
from gateway.model.batch import NOTHING_SETTLED, Settled
from gateway.model.inbound import ReplyTo
from gateway.model.submission import Blob, Envelope, Submission

T = TypeVar("T")

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
        rules: asked at each mail.
        time: for one mail, from its start in a worker.
        memory: address space of a worker, bytes.
        processes: workers, and so mails read at once; further callers wait.
        batch_time: for one merged file.
        find: the file with these bytes, for what was dropped; None: nothing is.
    """

    def __init__(
        self,
        rules: Callable[[], ReadRules],
        *,
        time: timedelta,
        memory: int,
        processes: int,
        batch_time: timedelta = timedelta(minutes=10),
        find: Callable[[Blob], Path] | None = None,
    ) -> None:
        self._rules = rules
        self._time = time
        self._batch_time = batch_time
        self._find = find
        self._memory = memory
        self._processes = processes
        self._room = threading.Semaphore(processes)
        self._lock = threading.Lock()
        self._closed = False
        self._running: set[ProcessFuture[Any]] = set()
        self._pool = self._new_pool()

    def is_merged(self, submission: Submission) -> bool:
        """Whether it is read as a merged file, by its addresses or its package; False if that cannot be told."""
        rules = self._rules()
        if submission.envelope.channel not in ("sftp", "folder"):
            return _may_be_merged(submission.envelope, rules)
        try:
            return merged_file(self._package(submission), rules) is not None
        except GatewayError:
            return False

    def _package(self, submission: Submission) -> bytes:
        if submission.raw is not None:
            return submission.raw
        if self._find is None or submission.blob is None:
            raise OurError()
        return self._find(submission.blob).read_bytes()

    def read(
        self,
        raw: Path,
        submission: Submission,
        scratch: Path,
        settled: Settled = NOTHING_SETTLED,
        answers: ReplyTo | SubmitterError | None = None,
    ) -> Reading:
        """As ``read_mail``; with the refusal ReaderLimit if time or memory did not suffice.

        Raises:
            OurError: the workers are gone, or ``close`` was called.
            Whatever else ``read_mail`` raises, as it is.
        """
        rules = self._rules()
        if submission.envelope.channel in ("sftp", "folder"):
            # Of our own making: what systems wrote was read when it was gathered.
            package = raw.read_bytes()
            merged = merged_file(package, rules)
            if merged is None:
                return read_package(package, submission)
            if self._find is None:
                raise OurError()
            return self._limited(_read_merged, [package, self._find(merged), submission, rules, scratch, settled], self._batch_time)
        time = self._batch_time if _may_be_merged(submission.envelope, rules) else self._time
        return self._limited(_read, [raw, submission.id, submission.envelope, rules, scratch, settled, answers], time)

    def _limited(self, do: Callable[..., Reading], args: list[Any], time: timedelta) -> Reading:
        try:
            return self._within_limits(do, args, time)
        except ReaderLimit as limit:
            # A copy has no traceback.
            return Reading(title="", refusal=copy(limit))

    def _within_limits(self, do: Callable[..., T], args: list[Any], time: timedelta) -> T:
        """*do* in a worker. Raises ReaderLimit: it took too much, or killed two of them; OurError: as ``read``."""
        died = 0
        # A mail that is scheduled starts at once, so the time it may take is known from here.
        with self._room:
            for _ in range(_TRIES):
                try:
                    return self._once(do, args, time)
                except TimeoutError:
                    raise ReaderLimit() from None
                except ProcessExpired as end:
                    died += 1
                    if died == _LIVES or end.exitcode == _OUT_OF_MEMORY:
                        raise ReaderLimit() from None
                except BrokenProcessPool:
                    continue
        raise OurError()

    def text(self, file: Path, media_type: str) -> str | None:
        """As ``text_of``; None as well if time or memory did not suffice. Raises OurError: as ``read``."""
        with self._room:
            try:
                return self._once(_text, [file, media_type])
            except (TimeoutError, ProcessExpired, BrokenProcessPool):
                return None

    def post_mail(self, raw: Path, scratch: Path) -> PostMail:
        """As ``read_post_mail``; raises PostNotReadable if time or memory did not suffice, OurError as ``read``."""
        try:
            return self._within_limits(_post_mail, [raw, self._rules(), scratch], self._time)
        except ReaderLimit:
            raise PostNotReadable() from None

    def look(self, files: Sequence[tuple[str, Path, Control | None]], manner: Manner) -> list[Look]:
        """As ``look`` for each of *files* (name, place, kind or None), in order.

        One whose look takes too long or too much is a document with the fault ReaderLimit. Raises OurError:
        as ``read``.
        """
        with self._room:
            try:
                return self._once(_look, [list(files), manner, self._rules()])
            except (TimeoutError, ProcessExpired, BrokenProcessPool):
                if len(files) == 1:
                    return [Look(fault=ReaderLimit())]
        # One of them is the reason; it takes no neighbours with it.
        return [found for file in files for found in self.look([file], manner)]

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

    def _once(self, do: Callable[..., T], args: list[Any], time: timedelta | None = None) -> T:
        time = time or self._time
        pool, reading = self._schedule(do, args, time)
        give_up = monotonic() + (time + _GRACE).total_seconds()
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
        self, do: Callable[..., T], args: list[Any], time: timedelta
    ) -> tuple[ProcessPool, ProcessFuture[T]]:
        with self._lock:
            if self._closed:
                raise OurError()
            # A worker that dies while all are idle breaks pebble's pool for good.
            if not self._pool.active:
                _end(self._pool)
                self._pool = self._new_pool()
            reading = self._pool.schedule(do, args=args, timeout=time.total_seconds())
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
    raw: Path,
    submission_id: str,
    envelope: Envelope,
    rules: ReadRules,
    scratch: Path,
    settled: Settled,
    answers: ReplyTo | SubmitterError | None,
) -> Reading:
    """``read_mail`` in a worker. One that ran out of memory is not fit to read the next mail: much
    of the last one is still held, by the error's traceback among others.
    """
    try:
        return read_mail(raw, submission_id, envelope, rules, scratch, settled, answers)
    except MemoryError:
        os._exit(_OUT_OF_MEMORY)


def _read_merged(
    package: bytes, file: Path, submission: Submission, rules: ReadRules, scratch: Path, settled: Settled
) -> Reading:
    """``read_merged_package`` in a worker."""
    try:
        return read_merged_package(package, file, submission, rules, scratch, settled)
    except MemoryError:
        os._exit(_OUT_OF_MEMORY)


def _may_be_merged(envelope: Envelope, rules: ReadRules) -> bool:
    try:
        return batch_address(envelope, rules) is not None
    except SubmitterError:
        return False


def _look(
    files: list[tuple[str, Path, Control | None]], manner: Manner, rules: ReadRules
) -> list[Look]:
    """``look`` in a worker."""
    try:
        return [look(name, path, manner, rules, control=control) for name, path, control in files]
    except MemoryError:
        os._exit(_OUT_OF_MEMORY)


def _post_mail(raw: Path, rules: ReadRules, scratch: Path) -> PostMail:
    """``read_post_mail`` in a worker."""
    try:
        return read_post_mail(raw, rules, scratch)
    except MemoryError:
        os._exit(_OUT_OF_MEMORY)


def _text(file: Path, media_type: str) -> str | None:
    """``text_of`` in a worker, the only place where its library is loaded."""
    from gateway.documents.text import text_of

    try:
        return text_of(file, media_type)
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
