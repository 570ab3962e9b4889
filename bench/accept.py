"""Accepted mails a second: this gateway beside Postfix and beside what the disk can flush, in one run.

    python -m bench.accept [--repeats 5] [--folder var/bench] [--quick]

Needs Postfix (its ``smtp-source`` is the load), openssl, and root for Postfix's own instance. Both
servers keep what they take: ours in ledger and vault, Postfix in its HOLD queue. Runs are interleaved
and the middle one counts; the ratio is what carries over to another machine, not the numbers. Beside it
stands what a mail costs each server in processor time: on a busy machine that is the steadier one.
"""

import argparse
import contextlib
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

# size of a mail in bytes, sessions, mails, target as a ratio to Postfix
TABLE = [
    (10_000, 1, 400, 1.0),
    (10_000, 10, 2000, 1.5),
    (10_000, 50, 2000, 2.0),
    (1_000_000, 1, 40, 1.5),
    (1_000_000, 10, 100, 1.5),
    (1_000_000, 50, 150, 1.5),
]
MEMORY_TARGET_MB = 64
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path("var/bench"))
    parser.add_argument("--quick", action="store_true", help="a fifth of the mails")
    options = parser.parse_args()
    missing = [name for name in ("smtp-source", "postfix", "openssl") if not shutil.which(name, path=PATH)]
    if missing or os.geteuid() != 0:
        print(f"needs root and {', '.join(missing) or 'Postfix'}", file=sys.stderr)
        return 1
    shutil.rmtree(options.folder, ignore_errors=True)
    options.folder.mkdir(parents=True)
    try:
        _compare(options.folder.absolute(), options.repeats, 5 if options.quick else 1)
        _memory(options.folder.absolute(), 10)
    finally:
        shutil.rmtree(options.folder, ignore_errors=True)
    return 0


def _compare(folder: Path, repeats: int, divisor: int) -> None:
    print("mail      sessions   gateway/s   postfix/s   ratio (target)   disk flushes/s   cpu ms a mail, both")
    with _gateway(folder / "gateway") as gateway, _postfix(folder / "postfix") as postfix:
        for size, sessions, mails, target in TABLE:
            count = max(mails // divisor, sessions)
            ours, theirs, flushes = [], [], []
            our_cpu, their_cpu = [], []
            for turn in range(repeats):
                flushes.append(_flush_rate(folder / "flush"))
                # Whoever goes first has the colder disk: take turns.
                runs = [(ours, our_cpu, *gateway), (theirs, their_cpu, *postfix)]
                for rates, cpu, port, pid in runs if turn % 2 == 0 else reversed(runs):
                    before = _cpu_seconds(pid)
                    rates.append(count / _send(port, size, sessions, count))
                    cpu.append((_cpu_seconds(pid) - before) / count * 1000)
            a, b = statistics.median(ours), statistics.median(theirs)
            ratio = statistics.median(x / y for x, y in zip(ours, theirs, strict=True))
            print(
                f"{size // 1000:>5} kB {sessions:>9} {a:>11.0f} {b:>11.0f} {ratio:>7.2f} ({target:.1f})"
                f"{statistics.median(flushes):>17.0f}"
                f"{statistics.median(our_cpu):>16.2f} {statistics.median(their_cpu):>7.2f}",
                flush=True,
            )


def _memory(folder: Path, mails: int) -> None:
    with _gateway(folder / "memory") as (port, pid):
        _send(port, 10_000, 1, 20)
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak begins anew
        before = _status(pid, "VmRSS")
        seconds = _send(port, 100_000_000, mails, mails)
        grown = (_status(pid, "VmHWM") - before) / 1024
    print(
        f"memory: {mails} x 100 MB at once: {grown:.0f} MB more (target {MEMORY_TARGET_MB}), "
        f"{mails * 100 / seconds:.0f} MB/s"
    )


def _status(pid: int, key: str) -> int:
    """A value of /proc/PID/status in kB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))


def _cpu_seconds(pid: int) -> float:
    """Processor time of a process and of its children, the ended ones included."""
    ticks = 0
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # ended meanwhile
            # From the state on; the name before it may hold anything.
            fields = file.read_text().rpartition(")")[2].split()
            if file.parent.name == str(pid):
                ticks += sum(int(field) for field in fields[11:15])
            elif fields[1] == str(pid):
                ticks += sum(int(field) for field in fields[11:13])
    return ticks / os.sysconf("SC_CLK_TCK")


def _send(port: int, size: int, sessions: int, count: int) -> float:
    """Seconds that smtp-source takes to hand over *count* mails."""
    command = [
        shutil.which("smtp-source", path=PATH), "-s", sessions, "-m", count, "-l", size, "-d",
        "-f", "exchange@skole.example.dk", "-t", "0101011234@dp.example.dk", f"127.0.0.1:{port}",
    ]  # fmt: skip
    began = time.perf_counter()
    subprocess.run([str(word) for word in command], check=True, timeout=600)
    return time.perf_counter() - began


def _flush_rate(file: Path, seconds: float = 0.5) -> float:
    """Appends of 4 kB, each flushed: what a server that flushed each mail alone could reach."""
    handle = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        os.write(handle, b"x" * 4096)
        os.fdatasync(handle)
        count += 1
    os.close(handle)
    file.unlink()
    return count / seconds


@contextlib.contextmanager
def _gateway(folder: Path, server: str = "bench.accept_server") -> Iterator[tuple[int, int]]:
    """Port and process id of a way in; *server* is the module that is run."""
    # A session of its own, as Postfix makes itself one: Linux shares the processor out by session
    # (sched_autogroup), and this server must not have to share with the load and the bench.
    process = subprocess.Popen(
        [sys.executable, "-m", server, str(folder)], start_new_session=True
    )
    try:
        while not (folder / "port").exists():
            if process.poll() is not None:
                raise RuntimeError("the server did not start")
            time.sleep(0.05)
        yield int((folder / "port").read_text()), process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/data
myhostname = localhost.example
mydestination = dp.example.dk
local_recipient_maps =
alias_maps =
inet_interfaces = 127.0.0.1
mynetworks = 127.0.0.0/8
smtpd_client_restrictions = static:HOLD
smtpd_client_connection_count_limit = 0
smtpd_peername_lookup = no
default_process_limit = 100
message_size_limit = 0
mailbox_size_limit = 0
"""
MASTER_CF = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
error unix - - n - - error
local unix - n n - - local
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
"""


def _configure_postfix(folder: Path, port: int) -> None:
    for name in ("etc", "spool", "data"):
        (folder / name).mkdir(parents=True)
    shutil.chown(folder / "data", "postfix")
    for above in [folder, *folder.parents]:
        if not above.stat().st_mode & 0o001:
            raise RuntimeError(f"{above}: Postfix runs as its own user and must be able to go through")
    (folder / "etc" / "main.cf").write_text(MAIN_CF.format(folder=folder))
    (folder / "etc" / "master.cf").write_text(MASTER_CF.format(port=port))


@contextlib.contextmanager
def _postfix(folder: Path) -> Iterator[tuple[int, int]]:
    """A Postfix of its own that keeps every mail in its HOLD queue; its port, and its master's process id."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    _configure_postfix(folder, port)
    postfix = [shutil.which("postfix", path=PATH), "-c", str(folder / "etc")]
    subprocess.run([*postfix, "start"], check=True, capture_output=True)
    try:
        _wait_for(port)
        yield port, int((folder / "spool" / "pid" / "master.pid").read_text())
    finally:
        subprocess.run([*postfix, "stop"], check=False, capture_output=True)


def _wait_for(port: int) -> None:
    for _ in range(100):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as peer:
            if peer.recv(4) == b"220 ":
                return
        time.sleep(0.1)
    raise RuntimeError("Postfix did not answer")


if __name__ == "__main__":
    sys.exit(main())
