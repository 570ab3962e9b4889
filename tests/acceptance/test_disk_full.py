"""A full disk while mail arrives: 452, nothing half-written, and service goes on when there is room."""

from __future__ import annotations

import contextlib
import os
import shutil
import smtplib
import ssl
import subprocess
from pathlib import Path

import pytest

from gateway.cli.demo_letter import sample_pdf

MEGABYTES = 96


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own with little room; mounting one takes root."""
    if os.geteuid() != 0:
        reason = "mounting a small tmpfs takes root"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def hand_over(lane, mail: bytes, *, declare: bool) -> tuple[int, bytes]:
    """The reply to one mail: to MAIL if that is refused, else to the end of the data."""
    with smtplib.SMTP("127.0.0.1", lane.port(), timeout=20) as server:
        server.starttls(context=ssl.create_default_context(cafile=lane.sandbox.ca))
        server.login("demo", "passw0rd")
        reply = server.mail("sekretaer@example.dk", [f"SIZE={len(mail)}"] if declare else [])
        if reply[0] != 250:
            return reply
        server.rcpt("0101011234@dp.example.dk")
        return server.data(mail)


def mail_of(lane, name: str, size_bytes: int) -> bytes:
    return lane.compose(name, sample_pdf(name) + b"%" + b"x" * size_bytes + b"\n").as_bytes()


def files_in(folder: Path) -> set[Path]:
    return {file for file in (folder / "vault").rglob("*") if file.is_file()}


def fill_up(file: Path) -> None:
    """Write until there is not a block left."""
    with file.open("wb", buffering=0) as out, contextlib.suppress(OSError):
        while True:
            out.write(b"x" * 4096)
    assert shutil.disk_usage(file.parent).free < 4096


def test_mail_is_refused_for_now_and_taken_when_there_is_room(
    small_disk, tmp_path, start_lane, wait_for
):
    lane = start_lane(small_disk / "home", f"sqlite:///{tmp_path / 'ledger.db'}", elsewhere=tmp_path)
    wait_for(lane.port, "the gateway to listen")
    home = small_disk / "home"
    before = files_in(home)
    large = mail_of(lane, "stort", 8_000_000)

    room = shutil.disk_usage(small_disk).free
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * (room - 5_000_000))
    assert hand_over(lane, large, declare=True)[0] == 452
    assert hand_over(lane, large, declare=False)[0] == 452
    assert files_in(home) == before

    filler.unlink()
    assert hand_over(lane, large, declare=False)[0] == 250
    lane.acknowledged.append("stort")
    lane.until_settled()
    assert [message["title"] for message in lane.sandbox.inbox("0101011234")] == ["stort"]


def test_a_full_disk_under_the_ledger_is_temporary_too(small_disk, tmp_path, start_lane, wait_for):
    lane = start_lane(tmp_path / "home", f"sqlite:///{small_disk / 'ledger.db'}")
    wait_for(lane.port, "the gateway to listen")
    filler = small_disk / "filler"
    fill_up(filler)
    small = mail_of(lane, "lille", 100_000)
    replies = {hand_over(lane, small, declare=False)[0] for _ in range(3)}
    assert replies <= {451, 452}
    filler.unlink()
    assert hand_over(lane, small, declare=False)[0] == 250
    lane.acknowledged.append("lille")
    lane.until_settled()
    assert len(lane.sandbox.inbox("0101011234")) == 1
