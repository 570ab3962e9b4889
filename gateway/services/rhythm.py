"""Rhythm: accounts that drop regularly and have been quiet for nearly longer than they ever are (F74)."""

from __future__ import annotations

from gateway import log
from gateway.ports import Drops


class Rhythm:
    """Looks now and then; each silence is told once."""

    def __init__(self, drops: Drops) -> None:
        self._drops = drops
        self._told: set[tuple[str, str]] = set()

    def look(self) -> int:
        """Warn of accounts whose next drop is nearly late; how many."""
        found = [one for one in self._drops.drop_health() if one["nearly_late"]]
        fresh = [one for one in found if (one["account"], one["last_drop"]) not in self._told]
        for one in fresh:
            log.arrivals_late(account=one["account"], last=one["last_drop"])
        self._told = {(one["account"], one["last_drop"]) for one in found}
        return len(fresh)
