"""Bytes on the local disk, by their SHA-256, such that a named blob survives a power cut.

Written beside (``tmp/``, same file system), flushed, renamed, then the folder is flushed: without the
last step a rename was lost in 5 of 40 power cuts (reference, security.md, S4). The folders are all made,
and flushed into their parent, when the vault is opened: no blob waits for a folder.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from gateway import rehearsal
from gateway.errors import DiskFull, OurError, VaultDamaged
from gateway.model.submission import Blob
from gateway.storage.disk import BLOCK, NO_ROOM, answering, flush_folder
from gateway.storage.upload import LocalUpload


class LocalVault:
    """A vault under the folder *root*, which is made if missing. Safe to share between threads.

    Content lies at ``ab/abcd…``; ``tmp/`` holds what is being written, ``scratch/`` what is being
    read. All must be one local file system.
    """

    def __init__(self, root: Path, *, make: Callable[[Blob], bytes | None] = lambda _: None) -> None:
        """
        Args:
            make: gives bytes that are not kept but can be made again (letters of a batch); None: it cannot.
        """
        self.root = root.absolute()
        self._make = make
        self._tmp = self.root / "tmp"
        self._scratch = self.root / "scratch"
        shelves = [self.root / f"{number:02x}" for number in range(256)]
        with answering():
            for folder in (self.root, self._tmp, self._scratch, *shelves):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            flush_folder(self.root.parent)
            flush_folder(self.root)

    def writer(self) -> LocalWriter:
        """Bytes to come, hashed while they are written. Raises DiskFull."""
        return LocalWriter(self)

    def upload(self, beginning: Blob | None = None) -> LocalUpload:
        return LocalUpload(self._tmp, self._name, None if beginning is None else self.path(beginning))

    def put(self, content: bytes) -> Blob:
        blob = Blob(hashlib.sha256(content).hexdigest(), len(content))
        if self._kept_again(blob):
            return blob
        writer = self.writer()
        try:
            writer.write(content)
            return writer.commit()
        finally:
            writer.abort()

    def take(self, file: Path) -> Blob:
        with answering():
            try:
                return self._take(file)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
            return self._copy(file)

    def open(self, blob: Blob) -> BinaryIO:
        try:
            stream = self._place(blob.digest).open("rb")
        except FileNotFoundError as error:
            made = self._make(blob)
            if made is None or len(made) != blob.size_bytes:
                raise VaultDamaged() from error
            return BytesIO(made)
        except OSError as error:
            raise VaultDamaged() from error
        if os.fstat(stream.fileno()).st_size != blob.size_bytes:
            stream.close()
            raise VaultDamaged()
        return stream

    def read(self, blob: Blob) -> bytes:
        try:
            with self.open(blob) as stream:
                content = stream.read()
        except OSError as error:
            raise VaultDamaged() from error
        if hashlib.sha256(content).hexdigest() != blob.digest:
            raise VaultDamaged()
        return content

    def path(self, blob: Blob) -> Path:
        with self.open(blob) as stream:
            if isinstance(stream, BytesIO):
                # A parser wants a file; unnamed bytes are swept after a while.
                self.put(stream.read())
        return self._place(blob.digest)

    def free_bytes(self) -> int:
        """Room for an unprivileged process, in bytes."""
        room = os.statvfs(self.root)
        return room.f_bavail * room.f_frsize

    def forget(self, digest: str, *, unless_since: datetime | None = None) -> bool:
        place = self._place(digest)
        aside = self._tmp / secrets.token_hex(16)
        # Looked at only when nobody can find it any more: whoever puts the same bytes at this moment
        # either made them young before, or does not find them and writes them anew.
        with answering(), suppress(FileNotFoundError):
            place.rename(aside)
            if unless_since is not None and aside.stat().st_mtime >= unless_since.timestamp():
                aside.rename(place)
                flush_folder(place.parent)
                return False
            aside.unlink()
            return True
        return False

    def digests(self) -> Iterator[tuple[str, datetime]]:
        for file in self.root.glob("[0-9a-f][0-9a-f]/*"):
            with suppress(FileNotFoundError):  # forgotten meanwhile
                yield file.name, datetime.fromtimestamp(file.stat().st_mtime, UTC)

    def sweep_temporary(self, older_than: datetime) -> int:
        """Remove what writers and readers that died before *older_than* left; how many there were."""
        swept = 0
        for left in (*self._tmp.iterdir(), *self._scratch.iterdir()):
            with suppress(FileNotFoundError):
                if left.lstat().st_mtime >= older_than.timestamp():
                    continue
                if left.is_dir() and not left.is_symlink():
                    shutil.rmtree(left)
                else:
                    left.unlink()
                swept += 1
        return swept

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder of its own on the vault's file system, gone afterwards; see ``ports.Scratch``."""
        folder = self._scratch / secrets.token_hex(16)
        with answering():
            folder.mkdir(mode=0o700)
        try:
            yield folder
        except OSError as error:
            # Of the reader, who knows no errors of ours.
            if error.errno in NO_ROOM:
                raise DiskFull() from None
            raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _place(self, digest: str) -> Path:
        return self.root / digest[:2] / digest

    def _kept_again(self, blob: Blob) -> bool:
        """Whether *blob* is here, whole; then its age starts anew, so that no sweep takes it."""
        place = self._place(blob.digest)
        with answering():
            try:
                with place.open("rb") as stream:
                    if hashlib.file_digest(stream, "sha256").hexdigest() != blob.digest:
                        return False
                os.utime(place)
            except FileNotFoundError:
                return False
            # Another thread may have renamed it just now, and not flushed the folder yet.
            flush_folder(place.parent)
        return True

    def _take(self, file: Path) -> Blob:
        # No link is followed: what is taken is what the reader wrote.
        handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(handle, "rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            size_bytes = os.fstat(handle).st_size
            os.fchmod(handle, 0o600)
            os.fsync(handle)
        self._name(file, digest)
        return Blob(digest, size_bytes)

    def _copy(self, file: Path) -> Blob:
        """From another file system: copied, flushed, and only then removed there."""
        writer = self.writer()
        try:
            with file.open("rb") as stream:
                while block := stream.read(BLOCK):
                    writer.write(block)
            blob = writer.commit()
        finally:
            writer.abort()
        file.unlink()
        return blob

    def _name(self, file: Path, digest: str) -> None:
        """Give the flushed *file* its name, and make that name survive a power cut."""
        place = self._place(digest)
        rehearsal.at("vault.written")
        file.rename(place)
        # The age of a blob counts from here, also for bytes that were known but unnamed for long.
        os.utime(place)
        flush_folder(place.parent)


class LocalWriter:
    """Bytes on their way in; see ``ports.BlobWriter``."""

    def __init__(self, vault: LocalVault) -> None:
        self.size_bytes = 0
        self._vault = vault
        self._hash = hashlib.sha256()
        self._file = vault._tmp / secrets.token_hex(16)  # noqa: SLF001  (its other half)
        with answering():
            self._handle: int | None = os.open(self._file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)

    def write(self, block: bytes) -> None:
        assert self._handle is not None, "written after commit or abort"
        rest = memoryview(block)
        try:
            with answering():
                while rest:
                    rest = rest[os.write(self._handle, rest) :]
        except OurError:
            self.abort()
            raise
        self._hash.update(block)
        self.size_bytes += len(block)

    def commit(self) -> Blob:
        assert self._handle is not None, "committed after commit or abort"
        digest = self._hash.hexdigest()
        try:
            with answering():
                os.fsync(self._handle)
                self._vault._name(self._file, digest)  # noqa: SLF001  (its other half)
        finally:
            self.abort()
        return Blob(digest, self.size_bytes)

    def abort(self) -> None:
        if self._handle is None:
            return
        os.close(self._handle)
        self._handle = None
        self._file.unlink(missing_ok=True)
