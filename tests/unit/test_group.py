"""Writes that share a commit: each caller gets its own answer, whatever happens to its neighbours."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.errors import LedgerUnavailable
from gateway.services.group import Grouped


class SlowWrite:
    """Doubles numbers; its first call lasts until ``go``. Refuses a batch with 13 in it."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.batches: list[list[int]] = []
        self.begun, self.go = threading.Event(), threading.Event()
        self._error = error

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.batches.append(list(numbers))
        if len(self.batches) == 1:
            self.begun.set()
            assert self.go.wait(10)
        if 13 in numbers and self._error is not None:
            raise self._error
        return [number * 2 for number in numbers]


def all_of(write: SlowWrite, numbers: Sequence[int]) -> list[int | BaseException]:
    """What each caller got; the first of *numbers* is being written while the others come."""
    grouped = Grouped(write)

    def call(number: int) -> int | BaseException:
        try:
            return grouped(number)
        except BaseException as error:  # noqa: BLE001 - the answer is what the test is about
            return error

    with ThreadPoolExecutor(len(numbers)) as threads:
        answers = [threads.submit(call, numbers[0])]
        assert write.begun.wait(10)
        answers += [threads.submit(call, number) for number in numbers[1:]]
        while len(grouped._waiting) < len(numbers) - 1:
            threading.Event().wait(0.001)
        write.go.set()
        return [answer.result(10) for answer in answers]


def test_what_comes_while_one_is_written_goes_together_with_the_next():
    write = SlowWrite()
    assert all_of(write, [1, 2, 3, 4]) == [2, 4, 6, 8]
    assert [sorted(batch) for batch in write.batches] == [[1], [2, 3, 4]]


def test_one_that_cannot_be_written_does_not_take_its_neighbours_along():
    error = LedgerUnavailable(reason="x")
    write = SlowWrite(error)
    assert all_of(write, [1, 2, 13, 4]) == [2, 4, error, 8]


def test_nobody_waits_for_an_answer_that_will_not_come():
    class Killed(BaseException):
        pass

    answers = all_of(SlowWrite(Killed()), [1, 13, 2])
    assert answers[0] == 2
    assert [type(answer) for answer in answers[1:]] == [Killed, Killed]


def test_alone_it_is_written_at_once():
    write = SlowWrite()
    write.go.set()
    assert Grouped(write)(5) == 10


def test_a_lone_failure_reaches_its_caller():
    write = SlowWrite(LedgerUnavailable(reason="x"))
    write.go.set()
    with pytest.raises(LedgerUnavailable):
        Grouped(write)(13)
    assert write.batches == [[13]]
