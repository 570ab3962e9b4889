"""accept: write arrivals and dropped files down, many in one commit, before anybody is told yes.

One flush of the disk costs the same for one row as for fifty, so arrivals that come while a commit
is under way wait for each other and share the next one. Nothing waits on a timer.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from gateway import log, rehearsal
from gateway.errors import GatewayError, LedgerUnavailable, TooMuchInFlight
from gateway.model.drop import KeptFile, NewFile
from gateway.model.submission import Accepted, Arrival
from gateway.ports import Drops, Ledger

# Arrivals in one commit: at the largest inline arrival (256 kB) one transaction stays under 32 MB.
MOST_IN_ONE_COMMIT = 128

Given = TypeVar("Given")
Got = TypeVar("Got")


class Many(Generic[Given, Got]):
    """A bounded queue and one thread that commits: ``ports.Intake`` and ``ports.DropIntake``.

    The thread takes from the queue and answers into the event loop itself: one hop for a whole batch,
    where an executor and a task between them took three turns of the loop.

    A caller that is cancelled loses nothing: what it handed over is committed all the same, and a
    repeat of it is a duplicate.
    """

    def __init__(
        self,
        add: Callable[[Sequence[Given]], Sequence[Got]],
        *,
        say: Callable[[Given, Got], None],
        new: Callable[[Got], bool],
        wake: Callable[[], None] = lambda: None,
        waiting: int = 1000,
    ) -> None:
        """
        Args:
            add: writes all it is given in one commit, one answer each.
            say: tells the log.
            new: whether an answer says that something new was written.
            wake: called in the event loop after each commit that wrote something new.
            waiting: most arrivals in the queue; one more is refused as too much.
        """
        self._add = add
        self._say = say
        self._new = new
        self._wake = wake
        self._queue: SimpleQueue[tuple[Given, asyncio.Future[Got]] | None] = SimpleQueue()
        self._most_waiting = waiting
        self._ended: asyncio.Future[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def start(self) -> None:
        """Begin to commit, and to answer in the running event loop."""
        self._loop = loop = asyncio.get_running_loop()
        self._ended = loop.create_future()
        threading.Thread(
            target=self._commit_until_stopped, args=(loop, self._ended), name="accept", daemon=True
        ).start()

    async def stop(self) -> None:
        """Commit what was taken, then refuse what comes after."""
        ended, self._ended = self._ended, None
        if ended is not None:
            self._queue.put(None)
            # Whoever stops waiting does not stop the thread.
            await asyncio.shield(ended)

    async def accept(self, arrival: Given) -> Got:
        """See ``ports.Intake``."""
        if self._loop is None or self._ended is None or self._queue.qsize() >= self._most_waiting:
            raise TooMuchInFlight()
        answer: asyncio.Future[Got] = self._loop.create_future()
        self._queue.put((arrival, answer))
        return await answer

    def _commit_until_stopped(
        self, loop: asyncio.AbstractEventLoop, ended: asyncio.Future[None]
    ) -> None:
        """The thread."""
        running = True
        while running:
            batch = [self._queue.get()]
            with suppress(Empty):
                while len(batch) < MOST_IN_ONE_COMMIT:
                    batch.append(self._queue.get_nowait())
            # Nothing is put behind the end.
            running = batch[-1] is not None
            waiters = [waiter for waiter in batch if waiter is not None]
            if waiters:
                results = self._write([arrival for arrival, _ in waiters])
                loop.call_soon_threadsafe(self._answer, waiters, results)
        loop.call_soon_threadsafe(ended.set_result, None)

    def _answer(self, waiters: Sequence[tuple[Given, asyncio.Future[Got]]], results: Sequence[Got | GatewayError]) -> None:
        """In the event loop."""
        for (_, answer), result in zip(waiters, results, strict=True):
            if answer.cancelled():
                continue
            if isinstance(result, GatewayError):
                answer.set_exception(result)
            else:
                answer.set_result(result)
        if any(not isinstance(result, GatewayError) and self._new(result) for result in results):
            self._wake()

    def _write(self, arrivals: Sequence[Given]) -> Sequence[Got | GatewayError]:
        """In the thread: one result for each arrival, in order; never raises."""
        try:
            results = self._add(arrivals)
        except GatewayError as error:
            return [error] * len(arrivals)
        except Exception as error:  # noqa: BLE001  a bug; all callers wait for an answer
            log.bug(where="accept", error=error)
            if len(arrivals) == 1:
                return [LedgerUnavailable(reason="bug")]
            # One arrival that cannot be written must not take its neighbours with it.
            return [self._write([arrival])[0] for arrival in arrivals]
        rehearsal.at("accept.row")
        for arrival, accepted in zip(arrivals, results, strict=True):
            self._say(arrival, accepted)
        return results


class GroupCommit(Many[Arrival, Accepted]):
    """``ports.Intake`` on a ledger."""

    def __init__(self, ledger: Ledger, *, wake: Callable[[], None] = lambda: None, waiting: int = 1000) -> None:
        super().__init__(ledger.add, say=_say, new=lambda one: one.outcome == "new", wake=wake, waiting=waiting)


class FileCommit(Many[NewFile, KeptFile]):
    """``ports.DropIntake`` on a ledger."""

    def __init__(self, drops: Drops, *, wake: Callable[[], None] = lambda: None, waiting: int = 1000) -> None:
        super().__init__(drops.keep_files, say=_say_dropped, new=lambda one: not one.known, wake=wake, waiting=waiting)


def _say_dropped(file: NewFile, kept: KeptFile) -> None:
    if not kept.known and file.how != "cut":
        log.dropped(file=kept.id, account=file.account, channel=file.channel, size_bytes=file.blob.size_bytes)


def _say(arrival: Arrival, accepted: Accepted) -> None:
    if accepted.outcome == "new":
        log.accepted(
            submission=accepted.submission_id,
            channel=arrival.envelope.channel,
            submitter=f"{arrival.envelope.submitter.kind}:{arrival.envelope.submitter.name}",
            size_bytes=arrival.size_bytes,
        )
    else:
        log.repeated(submission=accepted.submission_id, outcome=accepted.outcome)
