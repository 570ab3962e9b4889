"""Uploads of all connections: those under way, and beginnings that a client may go on with for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.ports import BlobUpload

Key = tuple[str, str, str, str]
"""Account, room, folder, name."""


@dataclass(slots=True)
class Upload:
    """One file being written."""

    key: Key
    bytes: BlobUpload
    append: bool
    began: datetime
    guessed: bool = False
    continues: int | None = None
    """The file in the ledger that it goes on from."""
    failed: str = ""
    """Why a write failed; then nothing of it is taken."""


@dataclass(slots=True)
class Shelf:
    """What is being written, and what was cut."""

    resume: timedelta
    now: Callable[[], datetime]
    under_way: dict[int, Upload] = field(default_factory=dict)
    cut: dict[Key, tuple[Upload, datetime]] = field(default_factory=dict)

    def begin(self, upload: Upload) -> Upload:
        self.under_way[id(upload)] = upload
        return upload

    def end(self, upload: Upload) -> None:
        self.under_way.pop(id(upload), None)

    def keep(self, upload: Upload) -> None:
        """It was cut: its bytes wait a while under its name."""
        self.end(upload)
        old = self.cut.pop(upload.key, None)
        if old is not None:
            old[0].bytes.abort()
        self.cut[upload.key] = (upload, self.now() + self.resume)

    def go_on(self, key: Key) -> Upload | None:
        """The beginning that was cut, if it is still there; it is under way again."""
        self.sweep()
        found = self.cut.pop(key, None)
        return self.begin(found[0]) if found is not None else None

    def forget(self, key: Key) -> bool:
        found = self.cut.pop(key, None)
        if found is not None:
            found[0].bytes.abort()
        return found is not None

    def sweep(self) -> None:
        """Forget beginnings nobody went on with."""
        now = self.now()
        for key in [key for key, (_, until) in self.cut.items() if until <= now]:
            self.forget(key)

    def seen(self, account: str, room: str) -> Iterator[Upload]:
        """What the account sees of unfinished files in a room."""
        self.sweep()
        for upload in (*self.under_way.values(), *(one for one, _ in self.cut.values())):
            if upload.key[:2] == (account, room):
                yield upload

    def abort_all(self) -> None:
        for upload in (*self.under_way.values(), *(one for one, _ in self.cut.values())):
            upload.bytes.abort()
        self.under_way.clear()
        self.cut.clear()
