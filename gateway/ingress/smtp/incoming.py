"""One message on its way in: checked, hashed and kept while it arrives, in bounded memory.

Small ones stay in memory and ride in the ledger's own commit; what grows beyond that goes block by
block into the vault, in worker threads. The first fault decides the answer; the rest of the message
is then read and dropped, so that the session stays in step.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any, TypeVar

from gateway import log
from gateway.errors import DiskFull, GatewayError
from gateway.ingress.smtp import replies
from gateway.ingress.smtp.decoder import Fault, LineWatch
from gateway.ingress.smtp.header import Header, header_end, identity_of, read_header
from gateway.ingress.smtp.reception import Reception
from gateway.ingress.smtp.replies import Reply
from gateway.model.submission import Blob
from gateway.ports import BlobWriter

T = TypeVar("T")

# Memory is counted in slices; every message needs one to begin.
SLICE_BYTES = 64 * 1024
# Bytes that go into the vault at once; a hop to a thread costs about as much as 100 kB of writing.
BLOCK_BYTES = 256 * 1024

_FAULTS: dict[Fault, Reply] = {"bare": replies.BARE_LINE_END, "long": replies.LINE_TOO_LONG}


class Incoming:
    """The bytes of one message, and what they show.

    ``add`` them, ``close`` at the end, ``store``, and in any case ``discard``.
    """

    def __init__(self, reception: Reception) -> None:
        """A slice of the budget must have been taken for it (``begin``)."""
        settings = reception.settings
        self.refusal: Reply | None = None
        self.code = ""
        """GW code of the refusal, if it has one."""
        self.size_bytes = 0
        self.header: Header | None = None
        self._reception = reception
        self._largest = int(settings.smtp.limits.message)
        self._inline = int(settings.storage.inline_limit)
        self._longest_header = int(settings.read.header_bytes)
        self._lines = LineWatch(settings.smtp.limits.line)
        self._top = bytearray()
        self._parts: list[bytes] = []
        self._held = 0
        self._taken = SLICE_BYTES
        self._identity: hashlib._Hash | None = None
        self._unhashed_from = 0
        self._writer: BlobWriter | None = None
        self._at_work: asyncio.Future[Any] | None = None

    @classmethod
    def begin(cls, reception: Reception) -> Incoming | None:
        """A new message; None if too much is in flight already."""
        return cls(reception) if reception.budget.take(SLICE_BYTES) else None

    async def add(self, block: bytes) -> None:
        """The next bytes of content; never raises for what they are, see ``refusal``."""
        if self.refusal is not None or not block:
            return
        self.size_bytes += len(block)
        if self.size_bytes > self._largest:
            self._refuse(replies.TOO_LARGE)
            return
        fault = self._lines.look(block)
        if fault is not None:
            self._refuse(_FAULTS[fault])
            return
        if self.header is None:
            self._look_for_header(block)
        self._parts.append(block)
        self._held += len(block)
        await self._keep_bounded()

    async def close(self) -> None:
        """No more bytes come; afterwards either ``refusal`` or ``header`` is set."""
        fault = self._lines.end()
        if fault is not None:
            self._refuse(_FAULTS[fault])
        if self.refusal is None and self.header is None:
            self._take_header(bytes(self._top), len(self._top))

    async def store(self) -> tuple[bytes | None, Blob | None]:
        """The bytes, in memory or durable in the vault. Raises what the vault raises."""
        if self._writer is None:
            raw = b"".join(self._let_go())
            self._hash(raw)
            return raw, None
        parts = self._let_go()
        writer = self._writer

        def finish() -> Blob:
            self._write(parts)
            return writer.commit()

        blob = await self._in_thread(finish)
        self._writer = None
        return None, blob

    def identity(self) -> str:
        """SHA-256 of what makes it this letter; only after ``store``."""
        assert self._identity is not None
        return self._identity.hexdigest()

    def discard(self) -> None:
        """Give the memory back and forget what is not stored; may be called again and again."""
        self._let_go()
        self._top.clear()
        self._reception.budget.give(self._taken)
        self._taken = 0
        if self._writer is not None or self._at_work is not None:
            self._reception.spawn(self._abort())

    async def _abort(self) -> None:
        work, self._at_work = self._at_work, None
        if work is not None:
            # A cancelled session leaves its thread writing; the file is not ours before it ends.
            await asyncio.wait([work])
            work.exception()
        writer, self._writer = self._writer, None
        if writer is None:
            return
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._reception.disk, writer.abort)
        except Exception as error:  # noqa: BLE001  the sweep removes what stays behind
            log.bug(where="smtp abort", error=error)

    # ── the header ──────────────────────────────────────────────────────────

    def _look_for_header(self, block: bytes) -> None:
        seen = len(self._top)
        self._top += block
        end = header_end(self._top, seen)
        if end is not None:
            self._take_header(bytes(self._top[:end]), end)
        elif len(self._top) > self._longest_header:
            self._refuse(replies.HEADER_TOO_LARGE)

    def _take_header(self, block: bytes, end: int) -> None:
        if end > self._longest_header:
            self._refuse(replies.HEADER_TOO_LARGE)
            return
        self.header = read_header(block)
        self._identity = identity_of(self.header)
        self._unhashed_from = end
        self._top = bytearray()

    # ── the bytes ───────────────────────────────────────────────────────────

    async def _keep_bounded(self) -> None:
        """Spill when the message is not small, or when there is no memory for it to grow."""
        if self.refusal is not None or self.header is None:
            return
        due = self._held > self._inline if self._writer is None else self._held >= BLOCK_BYTES
        if not due and (self._held <= self._taken or self._grow()):
            return
        try:
            await self._spill()
        except DiskFull as error:
            self._refuse(replies.NO_ROOM, error.code)
        except GatewayError as error:
            self._refuse(replies.TRY_LATER, error.code)
        except Exception as error:  # noqa: BLE001  a bug of ours is temporary to the outside
            log.bug(where="smtp spill", error=error)
            self._refuse(replies.TRY_LATER)

    def _grow(self) -> bool:
        wanted = -(-self._held // SLICE_BYTES) * SLICE_BYTES - self._taken
        if not self._reception.budget.take(wanted):
            return False
        self._taken += wanted
        return True

    def _let_go(self) -> list[bytes]:
        parts, self._parts, self._held = self._parts, [], 0
        return parts

    async def _spill(self) -> None:
        """What is held goes into the vault."""
        parts = self._let_go()
        await self._in_thread(lambda: self._write(parts))

    def _write(self, parts: list[bytes]) -> None:
        """In a worker thread."""
        block = b"".join(parts)
        self._hash(block)
        if self._writer is None:
            self._writer = self._reception.vault.writer()
        self._writer.write(block)

    def _hash(self, block: bytes) -> None:
        """Into the identity goes the body; of the header, only its stable fields are in already."""
        assert self._identity is not None
        self._identity.update(memoryview(block)[self._unhashed_from :])
        self._unhashed_from = 0

    async def _in_thread(self, work: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._reception.disk, work)
        self._at_work = future
        # Shielded, for a thread cannot be stopped: the future must tell when it has ended.
        result = await asyncio.shield(future)
        self._at_work = None
        return result

    def _refuse(self, reply: Reply, code: str = "") -> None:
        self.refusal, self.code = reply, code
        self.discard()
