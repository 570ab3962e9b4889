import contextlib
import os
import signal
import threading
import time
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from gateway.documents.process import ReaderProcess
from gateway.errors import OurError, ReaderLimit
from gateway.model.submission import Submission

GIGABYTE = 1024**3


@pytest.fixture
def submission(envelope):
    return Submission(id="F-2026-TEST-0001", envelope=envelope(), reference="x", size_bytes=1, raw=b"")


@pytest.fixture
def raw(tmp_path, mail, file_part, pdf):
    file = tmp_path / "raw"
    file.write_bytes(mail(file_part(pdf())))
    return file


@pytest.fixture
def reader(rules):
    """Readers that are closed after the test, however it ends."""
    made = []

    def make(*, seconds=30.0, memory=GIGABYTE, processes=1, **changed):
        made.append(
            ReaderProcess(lambda: rules(**changed), time=timedelta(seconds=seconds), memory=memory, processes=processes)
        )
        return made[-1]

    yield make
    for each in made:
        each.close()


def workers():
    """Our reading processes; not multiprocessing's own tracker of semaphores."""
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if "multiprocessing-fork" in " ".join(child.cmdline())
    ]


def hostile(file, megabytes):
    """A mail whose own text takes the parser long, and much memory."""
    file.write_bytes(b"From: a@b.dk\r\nSubject: x\r\n\r\n" + b"a\r\n" * (megabytes * 350_000))
    return file


def test_a_mail_is_read_in_another_process(reader, raw, submission, tmp_path):
    reading = reader().read(raw, submission, tmp_path)
    (letter,) = reading.letters
    assert (tmp_path / letter.main.digest).stat().st_size == letter.main.size_bytes
    assert len(workers()) == 1


def test_a_refusal_comes_back_whole(reader, tmp_path, submission, mail, file_part):
    (tmp_path / "raw").write_bytes(mail(file_part(b"MZ", "filename=x.exe")))
    refusal = reader().read(tmp_path / "raw", submission, tmp_path).refusal
    assert (refusal.code, refusal.private) == ("GW-203", "x.exe")
    assert "pdf" in refusal.action()


def test_a_mail_that_takes_too_long_is_refused_and_the_next_one_is_read(reader, raw, submission, tmp_path):
    short = reader(seconds=0.5)
    reading = short.read(hostile(tmp_path / "long", 12), submission, tmp_path)
    assert isinstance(reading.refusal, ReaderLimit)
    assert not reading.silent
    assert short.read(raw, submission, tmp_path).letters


def test_a_mail_that_takes_too_much_memory_is_refused(reader, raw, submission, tmp_path):
    small = reader(memory=176 * 1024**2)
    reading = small.read(hostile(tmp_path / "large", 12), submission, tmp_path)
    assert isinstance(reading.refusal, ReaderLimit)
    assert small.read(raw, submission, tmp_path).letters


def test_a_worker_killed_while_idle_is_replaced(reader, raw, submission, tmp_path):
    lasting = reader()
    lasting.read(raw, submission, tmp_path)
    for worker in workers():
        os.kill(worker.pid, signal.SIGKILL)
    assert lasting.read(raw, submission, tmp_path).letters


@pytest.mark.parametrize("way", ["letter", "post to us"])
def test_a_mail_whose_worker_is_killed_once_is_read_by_the_next(reader, submission, tmp_path, mail, file_part, pdf, way):
    lasting = reader()
    slow = tmp_path / "slow"
    slow.write_bytes(mail(file_part(pdf()), b"Content-Type: text/plain\r\n\r\n" + b"a\r\n" * 1_500_000))
    found = []

    def read():
        found.append(lasting.read(slow, submission, tmp_path).letters if way == "letter" else lasting.post_mail(slow, tmp_path).files)

    for _ in range(20):  # until it is caught at work
        reading = threading.Thread(target=read)
        reading.start()
        if (caught := busy_worker(slow, reading)) is not None:
            os.kill(caught, signal.SIGKILL)
        reading.join(60)
        assert found.pop()
        if caught is not None:
            return
    raise AssertionError("it was never caught at work")


def test_closing_ends_every_process_also_a_busy_one(reader, submission, tmp_path):
    closing = reader()
    slow = hostile(tmp_path / "slow", 60)
    errors = []

    def read():
        try:
            closing.read(slow, submission, tmp_path)
        except OurError as error:
            errors.append(error)

    waiting = threading.Thread(target=read)
    waiting.start()
    assert busy_worker(slow, waiting) is not None
    closing.close()
    waiting.join(60)
    assert len(errors) == 1
    assert workers() == []


def test_a_closed_reader_reads_no_more(reader, raw, submission, tmp_path):
    closed = reader()
    closed.close()
    closed.close()
    with pytest.raises(OurError):
        closed.read(raw, submission, tmp_path)


def test_a_fault_of_ours_comes_out_as_it_is(reader, submission, tmp_path):
    with pytest.raises(FileNotFoundError):
        reader().read(tmp_path / "gone", submission, tmp_path)


def test_many_threads_may_share_a_reader(reader, raw, submission, tmp_path):
    shared = reader(processes=2)
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(shared.read(raw, submission, tmp_path))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [len(reading.letters) for reading in found] == [1] * 8
    assert len(workers()) <= 2


def busy_worker(file, reading):
    """The pid of the worker that has *file* open; None if *reading* ended before it was seen."""
    looked, pids = 0.0, []
    while reading.is_alive():
        if time.monotonic() - looked > 0.05:
            with contextlib.suppress(psutil.Error):
                pids = [worker.pid for worker in workers()]
            looked = time.monotonic()
        for pid in pids:
            if str(file) in open_files(pid):
                return pid
        time.sleep(0.001)
    return None


def open_files(pid):
    """Paths that a process has open; empty if it is gone."""
    found = set()
    with contextlib.suppress(OSError):
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found.add(os.readlink(handle))  # noqa: PTH115 - as text, whatever it is
    return found
