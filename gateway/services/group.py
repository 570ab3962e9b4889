"""Writes of many threads that share a commit: one flush of the disk costs the same for one row as for fifty.

As ``services.accept`` does for arrivals. Whoever comes while a commit is under way waits for it and
goes with the next one; nothing waits on a timer, and nobody is told before the commit.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

A = TypeVar("A")
B = TypeVar("B")


class _Entry(Generic[A, B]):
    """What one thread wants written, and how that ended: one result, or why not."""

    def __init__(self, given: A) -> None:
        self.given = given
        self.results: list[B] = []
        self.error: BaseException | None = None

    @property
    def ended(self) -> bool:
        return bool(self.results) or self.error is not None


class Grouped(Generic[A, B]):
    """Call it as the function for one; it calls *write*, the function for many.

    *write* gives one result each, in order, and writes nothing if it raises. Then each is written
    alone, so that one that cannot be written does not take its neighbours along.
    """

    def __init__(self, write: Callable[[Sequence[A]], Sequence[B]]) -> None:
        self._write = write
        self._waiting: list[_Entry[A, B]] = []
        self._guard = threading.Lock()
        self._turn = threading.Lock()

    def __call__(self, given: A) -> B:
        """The result for *given*, after its commit; raises what *write* raises for it alone."""
        mine: _Entry[A, B] = _Entry(given)
        with self._guard:
            self._waiting.append(mine)
        with self._turn:
            if not mine.ended:
                with self._guard:
                    entries, self._waiting = self._waiting, []
                self._end(entries)
        if mine.error is not None:
            raise mine.error
        return mine.results[0]

    def _end(self, entries: Sequence[_Entry[A, B]]) -> None:
        try:
            results = self._write([entry.given for entry in entries])
        except Exception as error:  # noqa: BLE001 - each caller gets its own, and deals with it
            if len(entries) == 1:
                entries[0].error = error
                return
            for entry in entries:
                self._end([entry])
            return
        except BaseException as error:  # noqa: BLE001 - nobody may wait for an answer that will not come
            for entry in entries:
                entry.error = error
            return
        for entry, result in zip(entries, results, strict=True):
            entry.results = [result]
