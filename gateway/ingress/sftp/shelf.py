"""Uploads of all connections, while they are under way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

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
    written: bool = False
    """Whether the client wrote anything yet."""
    failed: str = ""
    """Why a write failed; then nothing of it is taken."""


@dataclass(slots=True)
class Shelf:
    """What is being written, and what was cut a moment ago and is being written down."""

    under_way: dict[int, Upload] = field(default_factory=dict)
    _cut: dict[int, tuple[Upload, asyncio.Event]] = field(default_factory=dict)

    def begin(self, upload: Upload) -> Upload:
        self.under_way[id(upload)] = upload
        return upload

    def cut(self, upload: Upload) -> None:
        """Its connection is lost; whoever asks for its name waits until ``end``."""
        self._cut[id(upload)] = upload, asyncio.Event()

    def end(self, upload: Upload) -> None:
        self.under_way.pop(id(upload), None)
        _, written = self._cut.pop(id(upload), (upload, None))
        if written is not None:
            written.set()

    async def settled(self, key: Key) -> None:
        """Return when no upload of that name that was cut is still being written down."""
        for upload, written in list(self._cut.values()):
            if upload.key == key:
                await written.wait()

    def seen(self, account: str, room: str) -> Iterator[Upload]:
        """What the account sees of unfinished files in a room."""
        for upload in list(self.under_way.values()):
            if upload.key[:2] == (account, room):
                yield upload

    def abort_all(self) -> None:
        for upload in self.under_way.values():
            upload.bytes.abort()
        self.under_way.clear()
