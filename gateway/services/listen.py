"""Listen: a mailbox that says when something came is looked into at once, and now and then all the same."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from gateway import log
from gateway.errors import RemoteError
from gateway.ports import Mailbox
from gateway.services.collect import Collect

PATIENCE = 1.0
"""Seconds of listening at once: how long a stop may take."""
AFTER_TROUBLE = timedelta(seconds=30)


class SpeakingMailbox(Mailbox, Protocol):
    """A mailbox that says when something came."""

    def news(self, seconds: float) -> bool:
        """Whether something came within that time. Raises RemoteError."""


class Listen:
    """One mailbox, in a thread of its own.

    Args:
        every: how often it is looked into though it said nothing: words get lost.
    """

    def __init__(
        self,
        collect: Collect,
        mailbox: SpeakingMailbox,
        *,
        every: timedelta,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = f"listen-{mailbox.name}"
        self._collect = collect
        self._mailbox = mailbox
        self._every = every.total_seconds()
        self._monotonic = monotonic
        self._look_at = 0.0

    def work(self) -> int:
        """Listen for a moment, look if there is reason to; how many messages came."""
        if self._monotonic() < self._look_at:
            try:
                if not self._mailbox.news(PATIENCE):
                    return 0
            except RemoteError as error:
                log.poll_failed(source=self._mailbox.name, code=error.code)
                self._look_at = max(self._look_at, self._monotonic() + min(self._every, AFTER_TROUBLE.total_seconds()))
                time.sleep(PATIENCE)
                return 0
        self._look_at = self._monotonic() + self._every
        return self._collect.look(self._mailbox)
