"""Files by SFTP: this gateway beside OpenSSH's sshd, the same client against both, in one run.

    python -m bench.sftp [--repeats 5] [--folder var/bench] [--quick]

Needs OpenSSH's client and server, and root for a server of its own on loopback. The client is OpenSSH's sftp
with AES-GCM; each run is one batch of ``put`` per client. Ours answers CLOSE when the file is flushed to the
disk and its row is committed; sshd when the bytes are in the page cache. Runs are interleaved, the middle
ratio counts. Beside it stands what a file costs each server in processor time, and what a bare loop that
writes and flushes the same files reaches on this disk: the floor for whoever promises that nothing is lost.
"""

import argparse
import contextlib
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bench.accept import PATH, _cpu_seconds, _gateway
from bench.sftp_server import ACCOUNT

# size of a file in bytes, clients, files of each, target as a ratio to sshd (protocols.md)
TABLE = [
    (10_000_000, 1, 20, 1.2),
    (10_000_000, 10, 3, 1.2),
    (10_000, 1, 400, 0.5),
    (10_000, 10, 100, 0.7),
]
CIPHER = "aes128-gcm@openssh.com"


@dataclass(frozen=True)
class Peer:
    """A server to hand files over to."""

    port: int
    pid: int
    user: str
    key: Path
    folder: str


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path("var/bench"))
    parser.add_argument("--quick", action="store_true", help="a fifth of the files")
    options = parser.parse_args()
    missing = [name for name in ("sftp", "sshd", "ssh-keygen") if not shutil.which(name, path=PATH)]
    if missing or os.geteuid() != 0:
        print(f"needs root and {', '.join(missing) or 'sshd'}", file=sys.stderr)
        return 1
    shutil.rmtree(options.folder, ignore_errors=True)
    options.folder.mkdir(parents=True)
    try:
        _compare(options.folder.absolute(), options.repeats, 5 if options.quick else 1)
    finally:
        shutil.rmtree(options.folder, ignore_errors=True)
    return 0


def _compare(folder: Path, repeats: int, divisor: int) -> None:
    print("file       clients     gateway        sshd   ratio (target)   flushed by a bare loop   cpu ms a file, both")
    with _our_server(folder / "gateway") as gateway, _sshd(folder / "sshd") as sshd:
        for size, clients, files, target in TABLE:
            count = max(files // divisor, 2)
            source = folder / "source"
            source.mkdir()
            for number in range(count):
                (source / f"{number}.pdf").write_bytes(os.urandom(size))
            rates: dict[int, list[float]] = {gateway.port: [], sshd.port: []}
            costs: dict[int, list[float]] = {gateway.port: [], sshd.port: []}
            floor = []
            for turn in range(repeats):
                floor.append(clients * count / _bare(folder / "bare", size, clients * count))
                for peer in (gateway, sshd) if turn % 2 == 0 else (sshd, gateway):
                    before = _cpu_seconds(peer.pid)
                    rates[peer.port].append(clients * count / _send(peer, source, clients, turn))
                    costs[peer.port].append((_cpu_seconds(peer.pid) - before) / (clients * count) * 1000)
            ratio = statistics.median(x / y for x, y in zip(rates[gateway.port], rates[sshd.port], strict=True))
            ours, theirs, bare = (_shown(size, statistics.median(one)) for one in (rates[gateway.port], rates[sshd.port], floor))
            cpu = [statistics.median(costs[peer.port]) for peer in (gateway, sshd)]
            print(f"{size // 1000:>6} kB {clients:>8} {ours:>13} {theirs:>11} {ratio:>7.2f} ({target:.1f}) {bare:>23} {cpu[0]:>12.2f} {cpu[1]:>7.2f}", flush=True)
            shutil.rmtree(source)


def _shown(size: int, files_a_second: float) -> str:
    return f"{files_a_second * size / 1e6:.0f} MB/s" if size >= 1_000_000 else f"{files_a_second:.0f} files/s"


def _send(peer: Peer, source: Path, clients: int, turn: int) -> float:
    """Seconds that *clients* at once take to put all of *source*, each under names of its own."""

    def one(client: int) -> None:
        puts = "".join(f"put {file} {peer.folder}/{turn}-{client}-{file.name}\n" for file in sorted(source.iterdir()))
        command = ["sftp", "-q", "-P", peer.port, "-c", CIPHER, "-i", peer.key, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                   "-o", "LogLevel=ERROR", "-b", "-", f"{peer.user}@127.0.0.1"]  # fmt: skip
        subprocess.run([str(word) for word in command], input=puts, text=True, check=True, capture_output=True, timeout=600)

    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as at_once:
        list(at_once.map(one, range(clients)))
    return time.perf_counter() - began


def _bare(folder: Path, size: int, count: int) -> float:
    """Seconds to write and flush as many files of that size, one after the other."""
    folder.mkdir()
    content = os.urandom(size)
    began = time.perf_counter()
    for number in range(count):
        handle = os.open(folder / str(number), os.O_CREAT | os.O_WRONLY)
        os.write(handle, content)
        os.fsync(handle)
        os.close(handle)
    seconds = time.perf_counter() - began
    shutil.rmtree(folder)
    return seconds


@contextlib.contextmanager
def _our_server(folder: Path) -> Iterator[Peer]:
    with _gateway(folder, "bench.sftp_server") as (port, pid):
        yield Peer(port, pid, ACCOUNT, folder / "key", "ind")


SSHD_CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/key.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
MaxStartups 100
PrintMotd no
Subsystem sftp internal-sftp
"""


@contextlib.contextmanager
def _sshd(folder: Path) -> Iterator[Peer]:
    """A server of OpenSSH's own, for root with one key."""
    (folder / "files").mkdir(parents=True)
    Path("/run/sshd").mkdir(exist_ok=True)
    for name in ("host", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    (folder / "config").write_text(SSHD_CONFIG.format(port=port, folder=folder))
    process = subprocess.Popen([shutil.which("sshd", path=PATH), "-D", "-f", str(folder / "config")], start_new_session=True)
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        yield Peer(port, process.pid, "root", folder / "key", str(folder / "files"))
    finally:
        process.terminate()
        process.wait(60)


if __name__ == "__main__":
    sys.exit(main())
