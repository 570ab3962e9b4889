"""What all sessions of one server share."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import Any, Protocol, TypeVar

from gateway.config.settings import Flow, Settings
from gateway.ingress.guard import Guard
from gateway.ingress.smtp.budget import Budget
from gateway.ingress.smtp.replies import Reply
from gateway.ingress.smtp.users import Users
from gateway.ports import Intake, Vault

T = TypeVar("T")

# How long an answer about free space is believed; statvfs may be slow on a network share.
ROOM_IS_FRESH_SECONDS = 1.0


class Guest(Protocol):
    """What the server asks of a session when it goes down, or is full."""

    def close_if_idle(self) -> None: ...

    def silent_since(self) -> float | None: ...

    def make_room(self) -> None: ...

    def hang_up(self, last_words: Reply) -> None: ...


@dataclass(kw_only=True)
class Reception:
    """Collaborators and counts; made by the server, used by its sessions, in one event loop."""

    settings: Settings
    flows: Callable[[], Mapping[str, Flow]]
    """Those that exist now."""
    intake: Intake
    vault: Vault
    users: Users
    guard: Guard
    budget: Budget
    loop_id: str
    """Our own X-Loop mark."""
    now: Callable[[], datetime]
    tls: ssl.SSLContext
    disk: ThreadPoolExecutor
    """For blocks on their way into the vault."""
    logins: ThreadPoolExecutor
    """For password hashes: few threads, for each takes 19 MiB."""
    closing: bool = False
    sessions: set[Guest] = field(default_factory=set)
    _empty: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    _room: tuple[float, int] = (float("-inf"), 0)

    def enter(self, session: Guest) -> None:
        """A session has begun."""
        self.sessions.add(session)
        self._empty.clear()

    def leave(self, session: Guest) -> None:
        """It has ended."""
        self.sessions.discard(session)
        if not self.sessions:
            self._empty.set()

    def make_room(self) -> bool:
        """End the session that has been silent longest of those who have proved nothing, if any."""
        silent = [
            (since, session)
            for session in self.sessions
            if (since := session.silent_since()) is not None
        ]
        if silent:
            min(silent, key=itemgetter(0))[1].make_room()
        return bool(silent)

    async def wait_until_empty(self) -> None:
        """Until no session is left."""
        if self.sessions:
            await self._empty.wait()

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run *work* to its end, whatever happens to the session that began it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def finish_tasks(self) -> None:
        """Wait for everything spawned."""
        while self._tasks:
            await asyncio.wait(list(self._tasks))

    async def has_room_for(self, size_bytes: int) -> bool:
        """Whether the vault would keep its spare after *size_bytes* more."""
        loop = asyncio.get_running_loop()
        seen, free = self._room
        if loop.time() - seen > ROOM_IS_FRESH_SECONDS:
            free = await loop.run_in_executor(self.disk, self.vault.free_bytes)
            self._room = (loop.time(), free)
        return free - size_bytes >= self.settings.storage.spare


def fingerprint(certificate: bytes | None) -> str | None:
    """SHA-256 of a certificate (DER) in lower-case hex."""
    return hashlib.sha256(certificate).hexdigest() if certificate else None
