"""Mass containers as the sandbox takes them: stored and answered at once, unpacked message by message afterwards.

    containers/<transmission>/container.tar.lzma   taken (201), not unpacked yet
    containers/<transmission>/done.json            unpacked; the bytes are gone

A kill anywhere in between loses and doubles nothing: what is not marked done is unpacked again, and a message that
this container brought before is left as it is.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from gateway.digital_post.container import read_container
from gateway.errors import MemoUnreadable
from gateway.sandbox.durable import flush_file, flush_folder, write_json

PACKED = "container.tar.lzma"
_BLOCK = 1 << 18


class Room(Protocol):
    """What takes the messages."""

    def new_incoming(self) -> Path: ...

    def discard(self, incoming: Path) -> None: ...

    def offer_packed(self, incoming: Path, *, uuid: str, sha256: str, size_bytes: int, container: str) -> None: ...


class Containers:
    """The containers under *folder*; one thread unpacks, any may store."""

    def __init__(self, folder: Path, room: Room, stamp: Callable[[], str]) -> None:
        self._folder = folder
        self._room = room
        self._stamp = stamp
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def take(self, file: Path) -> dict[str, Any]:
        """Store the container in *file*, durably; its technical receipt.

        Raises:
            MemoUnreadable: it does not even begin as a container.
        """
        with file.open("rb") as packed, closing(read_container(packed)) as messages:
            next(messages, None)
        transmission = str(uuid4())
        place = self._folder / f".{transmission}"
        place.mkdir(mode=0o700)
        flush_file(file)
        file.replace(place / PACKED)
        flush_folder(place)
        place.rename(self._folder / transmission)
        flush_folder(self._folder)
        return {
            "transmissionId": transmission,
            "messageUUID": None,
            "messageId": None,
            "errorCode": None,
            "errorMessage": None,
            "timeStamp": self._stamp(),
            "receiptStatus": "RECEIVED",
        }

    def waiting(self) -> list[Path]:
        """Containers that are not unpacked yet."""
        return sorted(place.parent for place in self._folder.glob(f"[!.]*/{PACKED}"))

    def unpack(self) -> int:
        """Offer every message of every waiting container; how many there were."""
        count = 0
        for place in self.waiting():
            fault = ""
            try:
                with (place / PACKED).open("rb") as packed:
                    for uuid, body in read_container(packed):
                        self._offer(uuid, body, place.name)
                        count += 1
            except MemoUnreadable as error:
                fault = error.text()
            write_json(place / "done.json", {"at": self._stamp(), "messages": count, "fault": fault})
            (place / PACKED).unlink()
        return count

    def _offer(self, uuid: str, body: Any, container: str) -> None:
        incoming = self._room.new_incoming()
        try:
            digest, size = hashlib.sha256(), 0
            with (incoming / "memo.xml").open("wb") as file:
                while block := body.read(_BLOCK):
                    digest.update(block)
                    size += len(block)
                    file.write(block)
            self._room.offer_packed(incoming, uuid=uuid, sha256=digest.hexdigest(), size_bytes=size, container=container)
        finally:
            self._room.discard(incoming)

    def forget_half_stored(self) -> None:
        """What a kill left before the answer: nobody was told that it was taken."""
        for left in self._folder.glob(".*"):
            shutil.rmtree(left)
