"""Memory held for mail on its way in, counted over all sessions."""

from __future__ import annotations


class Budget:
    """A counted amount of bytes; what does not fit is refused, never waited for."""

    __slots__ = ("_limit", "held")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.held = 0

    def take(self, size_bytes: int) -> bool:
        """Count *size_bytes* as held; False, and nothing counted, if that would be too much."""
        if self.held + size_bytes > self._limit:
            return False
        self.held += size_bytes
        return True

    def give(self, size_bytes: int) -> None:
        """They are free again."""
        self.held -= size_bytes
