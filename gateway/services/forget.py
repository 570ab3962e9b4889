"""Forget: bytes that no row names are leftovers of a crash, and go after a day."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from gateway import log
from gateway.ports import Clock, Ledger, Vault

UNNAMED_FOR = timedelta(days=1)
"""Far longer than any arrival is on its way from the vault to its row."""


class Sweepable(Vault, Protocol):
    """A vault that may hold half-written files."""

    def sweep_temporary(self, older_than: datetime) -> int:
        """Remove files of writers and scratch folders that died; how many."""


class Forget:
    """Looks for unnamed bytes, now and then."""

    def __init__(self, ledger: Ledger, vault: Sweepable, clock: Clock) -> None:
        self._ledger = ledger
        self._vault = vault
        self._clock = clock

    def sweep(self) -> int:
        """Remove what nobody names; how many things went.

        The ledger is asked after the vault: bytes named in between are seen as named. Bytes that came
        again in between, and are not named yet, are young by then, and the vault keeps them.
        """
        before = self._clock.now() - UNNAMED_FOR
        old = [digest for digest, written in self._vault.digests() if written < before]
        named = self._ledger.named_digests() if old else set()
        unnamed = [digest for digest in old if digest not in named]
        blobs = sum(self._vault.forget(digest, unless_since=before) for digest in unnamed)
        files = self._vault.sweep_temporary(before)
        if blobs or files:
            log.swept(blobs=blobs, files=files)
        return blobs + files
