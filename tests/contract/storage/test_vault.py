"""Bytes that were named are there after a power cut; bytes that were not are nobody's."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.errors import DiskFull, OurError, VaultDamaged
from gateway.model.submission import Blob
from gateway.storage.vault import LocalVault

CONTENT = b"et brev" * 1000
BLOB = Blob(hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))


def left(vault: LocalVault) -> list[Path]:
    """What lies about: temporary files and scratch folders."""
    return [*(vault.root / "tmp").iterdir(), *(vault.root / "scratch").iterdir()]


def test_what_is_put_can_be_read(vault):
    assert vault.put(CONTENT) == BLOB
    assert vault.read(BLOB) == CONTENT
    with vault.open(BLOB) as stream:
        assert stream.read() == CONTENT
    assert vault.path(BLOB).read_bytes() == CONTENT
    assert left(vault) == []


def test_nothing_is_bytes_too(vault):
    blob = vault.put(b"")
    assert (blob.size_bytes, vault.read(blob)) == (0, b"")


def test_the_same_bytes_are_kept_once(vault):
    assert vault.put(CONTENT) == vault.put(CONTENT) == BLOB
    assert [digest for digest, _ in vault.digests()] == [BLOB.digest]


def test_bytes_are_written_block_by_block_and_invisible_until_committed(vault):
    writer = vault.writer()
    for start in range(0, len(CONTENT), 1000):
        writer.write(CONTENT[start : start + 1000])
    assert writer.size_bytes == len(CONTENT)
    assert list(vault.digests()) == []
    assert writer.commit() == BLOB
    assert vault.read(BLOB) == CONTENT
    writer.abort()
    assert vault.read(BLOB) == CONTENT


def test_what_is_aborted_leaves_nothing(vault):
    writer = vault.writer()
    writer.write(CONTENT)
    writer.abort()
    writer.abort()
    assert (list(vault.digests()), left(vault)) == ([], [])


def test_a_file_is_taken_from_scratch_without_a_copy(vault):
    with vault.scratch() as folder:
        file = folder / "part"
        file.write_bytes(CONTENT)
        inode = file.stat().st_ino
        assert vault.take(file) == BLOB
        assert not file.exists()
    assert vault.path(BLOB).stat().st_ino == inode
    assert left(vault) == []


def test_a_link_is_not_taken(vault, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    with vault.scratch() as folder:
        (folder / "part").symlink_to(secret)
        with pytest.raises(OurError):
            vault.take(folder / "part")
    assert list(vault.digests()) == []


def test_a_file_on_another_file_system_is_copied(vault):
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == vault.root.stat().st_dev:
        pytest.skip("there is no second file system here")
    file = other / f"gateway-test-{os.getpid()}"
    file.write_bytes(CONTENT)
    assert vault.take(file) == BLOB
    assert not file.exists()
    assert vault.read(BLOB) == CONTENT


@pytest.mark.parametrize("read", ["read", "open", "path"])
def test_bytes_that_are_gone_are_said_to_be(vault, read):
    with pytest.raises(VaultDamaged):
        getattr(vault, read)(BLOB)


@pytest.mark.parametrize("read", ["read", "open", "path"])
def test_bytes_of_another_size_are_not_handed_out(vault, read):
    vault.put(CONTENT)
    vault.path(BLOB).write_bytes(CONTENT[:-1])
    with pytest.raises(VaultDamaged):
        getattr(vault, read)(BLOB)


def test_bytes_that_changed_are_not_read_and_healed_by_putting_them_again(vault):
    vault.put(CONTENT)
    vault.path(BLOB).write_bytes(b"x" * len(CONTENT))
    with pytest.raises(VaultDamaged):
        vault.read(BLOB)
    vault.put(CONTENT)
    assert vault.read(BLOB) == CONTENT


def test_forgotten_bytes_are_gone_and_forgetting_again_is_no_fault(vault):
    vault.put(CONTENT)
    vault.forget(BLOB.digest)
    vault.forget(BLOB.digest)
    assert list(vault.digests()) == []


def test_putting_bytes_again_starts_their_age_anew(vault):
    vault.put(CONTENT)
    os.utime(vault.path(BLOB), (0, 0))
    vault.put(CONTENT)
    ((_, written),) = vault.digests()
    assert written > datetime.now(UTC) - timedelta(minutes=1)


def test_files_and_folders_are_for_their_owner_only(vault):
    vault.put(CONTENT)
    with vault.scratch() as folder:
        (folder / "part").write_bytes(b"other")
        (folder / "part").chmod(0o644)
        vault.take(folder / "part")
    modes = {oct(one.stat().st_mode & 0o777) for one in vault.root.rglob("*")}
    assert modes == {"0o700", "0o600"}


def test_scratch_is_gone_afterwards_whatever_happened_in_it(vault):
    folders = []

    def fail_inside():
        with vault.scratch() as folder:
            folders.append(folder)
            (folder / "deep").mkdir()
            (folder / "deep" / "part").write_bytes(b"x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_inside()
    assert [folder.exists() for folder in folders] == [False]


def test_what_the_dead_left_is_swept_and_what_the_living_write_is_not(vault):
    dead = vault.writer()
    dead.write(b"x")
    os.utime(next((vault.root / "tmp").iterdir()), (0, 0))
    (vault.root / "scratch" / "dead").mkdir()
    (vault.root / "scratch" / "dead" / "part").write_bytes(b"x")
    os.utime(vault.root / "scratch" / "dead", (0, 0))
    living = vault.writer()
    living.write(CONTENT)
    assert vault.sweep_temporary(datetime.now(UTC) - timedelta(days=1)) == 2
    dead.abort()
    assert living.commit() == BLOB


def test_there_is_room(vault):
    assert vault.free_bytes() > 0


def test_threads_that_put_the_same_bytes_at_once_all_get_them(vault):
    contents = [bytes([number]) * 10_000 for number in range(20)]
    blobs: list[list[Blob]] = []

    def put():
        blobs.append([vault.put(content) for content in contents])

    threads = [threading.Thread(target=put) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert blobs == [[Blob(hashlib.sha256(c).hexdigest(), len(c)) for c in contents]] * 4
    assert len(list(vault.digests())) == len(contents)


CHILD = """
import sys
from pathlib import Path
from gateway.storage.vault import LocalVault

vault = LocalVault(Path(sys.argv[1]))
number = 0
while True:
    print(vault.put(b"%d" % number * 5000).digest, flush=True)
    number += 1
"""


def test_after_kill_9_every_blob_that_was_named_is_whole(vault):
    """SIGKILL shows the order of the steps; that each is flushed is shown by the next test."""
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", CHILD, str(vault.root)], stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            named = [child.stdout.readline().strip() for _ in range(20)]
            os.kill(child.pid, signal.SIGKILL)
            named += [line.strip() for line in child.stdout if len(line) == 65]
        for digest in named:
            file = vault.root / digest[:2] / digest
            assert hashlib.sha256(file.read_bytes()).hexdigest() == digest
    for digest, _ in vault.digests():
        file = vault.root / digest[:2] / digest
        assert hashlib.sha256(file.read_bytes()).hexdigest() == digest
    vault.sweep_temporary(datetime.now(UTC) + timedelta(days=1))
    assert left(vault) == []


def test_bytes_are_flushed_before_their_name_and_the_name_before_the_answer(vault, monkeypatch):
    """What a power cut may take is what was not flushed, in this order (security.md, S4)."""
    steps = []
    fsync, rename = os.fsync, Path.rename

    def watched_fsync(handle):
        steps.append(Path(f"/proc/self/fd/{handle}").readlink())
        fsync(handle)

    def watched_rename(file, place):
        steps.append((file, place))
        return rename(file, place)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(Path, "rename", watched_rename)
    vault.put(CONTENT)
    shelf = vault.root / BLOB.digest[:2]
    written, (source, place), named = steps
    assert (written, place, named) == (source, shelf / BLOB.digest, shelf)


def test_folders_are_made_and_flushed_when_the_vault_is_opened(tmp_path, monkeypatch):
    """So that no blob waits for a folder, and none lies in a folder that a power cut may take."""
    flushed = []
    fsync = os.fsync

    def watched_fsync(handle):
        folder = Path(f"/proc/self/fd/{handle}").readlink()
        flushed.append((folder, sorted(entry.name for entry in folder.iterdir())))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    vault = LocalVault(tmp_path / "vault")
    folders = sorted(["scratch", "tmp", *(f"{number:02x}" for number in range(256))])
    assert flushed == [(tmp_path, ["vault"]), (vault.root, folders)]


@pytest.fixture
def small_vault(tmp_path):
    """A vault on a disk of 1 MB."""
    if os.geteuid() != 0 and not os.environ.get("CI"):
        pytest.skip("only root may mount a small disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=True)
    yield LocalVault(folder / "vault")
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_said_and_leaves_nothing_half_written(small_vault):
    with pytest.raises(DiskFull):
        small_vault.put(os.urandom(2_000_000))
    assert (left(small_vault), list(small_vault.digests())) == ([], [])
    writer = small_vault.writer()
    writer.write(os.urandom(100_000))
    with pytest.raises(DiskFull):
        writer.write(os.urandom(2_000_000))
    assert left(small_vault) == []
    writer.abort()
    assert small_vault.read(small_vault.put(CONTENT)) == CONTENT


def test_taking_a_file_onto_a_full_disk_leaves_the_file(small_vault, tmp_path):
    file = tmp_path / "part"
    file.write_bytes(os.urandom(2_000_000))
    with pytest.raises(DiskFull):
        small_vault.take(file)
    assert file.stat().st_size == 2_000_000
    assert left(small_vault) == []
