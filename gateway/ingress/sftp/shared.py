"""What the sessions of one server share."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from gateway.config.settings import DropSettings
from gateway.ingress.sftp.shelf import Shelf
from gateway.ports import DropIntake, Drops, Vault


class Overview(Protocol):
    """Files made when they are read: the account's overview, and the answers of a day."""

    def files(self, account: str) -> dict[str, bytes]:
        """All of them."""
        ...

    def content(self, account: str, name: str) -> bytes | None: ...


@dataclass(slots=True)
class Space:
    """What waits of an account and what is free on the disk, counted a moment ago, with what came since."""

    files: int
    size_bytes: int
    free_bytes: int
    counted_at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What the sessions of one server share."""

    drops: Drops
    intake: DropIntake
    vault: Vault
    shelf: Shelf
    settings: DropSettings
    spare: int
    handles: int
    overview: Overview
    templates: dict[str, bytes]
    disk: ThreadPoolExecutor
    now: Callable[[], datetime]
    space: dict[str, Space] = field(default_factory=dict)
    """By account."""
    seen_folders: dict[tuple[str, str], tuple[float, frozenset[str]]] = field(default_factory=dict)
    """Folders with files in them by account and room, and when we looked."""
    folders: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    """Empty folders that clients made, by account and room; they are gone when we stop."""
