"""accept: write arrivals down, many in one commit, before anybody is told yes.

One flush of the disk costs the same for one row as for fifty, so arrivals that come while a commit
is under way wait for each other and share the next one. Nothing waits on a timer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from gateway import log, rehearsal
from gateway.errors import GatewayError, LedgerUnavailable, TooMuchInFlight
from gateway.model.submission import Accepted, Arrival
from gateway.ports import Ledger

# Arrivals in one commit: at the largest inline arrival (256 kB) one transaction stays under 32 MB.
MOST_IN_ONE_COMMIT = 128

_Waiter = tuple[Arrival, "asyncio.Future[Accepted]"]
_Result = Accepted | GatewayError


class GroupCommit:
    """``ports.Intake``: a bounded queue and one committer.

    A caller that is cancelled loses nothing: what it handed over is committed all the same, and a
    repeat of it is a duplicate.
    """

    def __init__(
        self, ledger: Ledger, *, wake: Callable[[], None] = lambda: None, waiting: int = 1000
    ) -> None:
        """
        Args:
            wake: called in the event loop after each commit that wrote something new.
            waiting: most arrivals in the queue; one more is refused as too much.
        """
        self._ledger = ledger
        self._wake = wake
        self._queue: asyncio.Queue[_Waiter | None] = asyncio.Queue()
        self._most_waiting = waiting
        self._committer: asyncio.Task[None] | None = None
        self._thread: ThreadPoolExecutor | None = None

    async def start(self) -> None:
        """Begin to commit, in the running event loop."""
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="accept")
        self._committer = asyncio.get_running_loop().create_task(self._commit_until_stopped())

    async def stop(self) -> None:
        """Commit what was taken, then refuse what comes after."""
        committer, self._committer = self._committer, None
        if committer is None or self._thread is None:
            return
        self._queue.put_nowait(None)
        await committer
        self._thread.shutdown()

    async def accept(self, arrival: Arrival) -> Accepted:
        """See ``ports.Intake``."""
        if self._committer is None or self._queue.qsize() >= self._most_waiting:
            raise TooMuchInFlight()
        answer: asyncio.Future[Accepted] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((arrival, answer))
        return await answer

    async def _commit_until_stopped(self) -> None:
        running = True
        while running:
            batch = [await self._queue.get()]
            while len(batch) < MOST_IN_ONE_COMMIT and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            running = batch[-1] is not None
            waiters = [waiter for waiter in batch if waiter is not None]
            if waiters:
                await self._commit(waiters)

    async def _commit(self, waiters: list[_Waiter]) -> None:
        loop = asyncio.get_running_loop()
        arrivals = [arrival for arrival, _ in waiters]
        results = await loop.run_in_executor(self._thread, self._write, arrivals)
        for (_, answer), result in zip(waiters, results, strict=True):
            if answer.cancelled():
                continue
            if isinstance(result, GatewayError):
                answer.set_exception(result)
            else:
                answer.set_result(result)
        if any(isinstance(result, Accepted) and result.outcome == "new" for result in results):
            self._wake()

    def _write(self, arrivals: Sequence[Arrival]) -> Sequence[_Result]:
        """In the worker thread: one result for each arrival, in order; never raises."""
        try:
            results = self._ledger.add(arrivals)
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
            _say(arrival, accepted)
        return results


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
