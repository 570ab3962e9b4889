"""Memory and disk: bounded, and given back."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.storage.vault import LocalVault

HEAD = b"From: sekretaer@skole.example.dk\r\n\r\n"
LINE = b"x" * 78 + b"\r\n"


def status(pid, key):
    """A value of /proc/PID/status in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:")) / 1024


def test_ten_large_mails_at_once_take_little_memory(tmp_path):
    source = shutil.which("smtp-source") or shutil.which("smtp-source", path="/usr/sbin")
    if source is None:
        assert not os.environ.get("CI"), "smtp-source is missing"
        pytest.skip("smtp-source is not installed")
    repository = Path(__file__).parents[2]
    server = subprocess.Popen(
        [sys.executable, "-m", "bench.accept_server", str(tmp_path)], cwd=repository
    )
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "port").exists():
            assert server.poll() is None, "the server did not start"
            assert time.monotonic() < deadline
            time.sleep(0.05)
        to = f"127.0.0.1:{(tmp_path / 'port').read_text()}"
        command = [source, "-d", "-f", "x@skole.example.dk", "-t", "0101011234@dp.example.dk"]
        subprocess.run([*command, "-l", "10000", "-m", "5", to], check=True, timeout=60)
        before = status(server.pid, "VmRSS")
        large = ["-s", "10", "-m", "10", "-l", "20000000"]
        subprocess.run([*command, *large, to], check=True, timeout=200)
        # 200 MB went through; what is kept is on the disk.
        assert status(server.pid, "VmHWM") - before < 64
        kept = [file for file in (tmp_path / "vault").rglob("*") if file.is_file()]
        assert len(kept) == 10
        assert all(file.stat().st_size > 20_000_000 for file in kept)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MB."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("needs root to mount a small disk")
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", place], check=False)
    if mounted.returncode != 0:
        pytest.skip("mounting is not allowed here")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def test_a_disk_that_fills_while_a_mail_arrives_is_said_at_its_end_and_survived(open_door, small_disk):
    vault = LocalVault(small_disk / "vault")

    async def story():
        async with open_door(vault=vault) as door:
            client = await door.knock_as_user()
            await client.announce()
            reply = await client.data(HEAD + LINE * 40_000 + b".\r\n")
            assert reply == "452 4.3.1 No room at the moment. Please try again later"
            assert door.intake.taken == []
            assert list(vault.digests()) == []
            await client.announce()
            assert (await client.data(HEAD + LINE * 10_000 + b".\r\n")).startswith("250 ")
            assert door.content() == HEAD + LINE * 10_000

    asyncio.run(story())
