"""Who can be reached, by a file: one number a line, after it perhaps ``fritaget`` or ``lukket``.

    0101011234
    0202021234;fritaget
    12345674;lukket      # a company

Comma, semicolon and TAB divide; ``#`` begins a comment; a first line without digits is a heading.
The file is read again when it changes; put a new one in place by renaming it. A line that cannot be
understood makes the whole file unusable: guessing who was meant is how letters go astray.
"""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path

from gateway import log
from gateway.model.decision import Reach
from gateway.model.identity import Recipient

_LARGEST = 20_000_000
"""Bytes; 1.5 million numbers."""
_LINE = re.compile(r"([0-9]{6}-?[0-9]{4}|[0-9]{8})(?:\s*[,;\t]\s*(.*))?", re.ASCII)
_REACH: dict[str, Reach] = {"": "registered", "fritaget": "exempt", "lukket": "closed"}


class ListedDirectory:
    """Implements ``ports.Directory``. Safe between threads."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._numbers: dict[str, Reach] | None = None

    def reach(self, recipient: Recipient) -> Reach:
        with self._lock:
            numbers = self._current()
        if numbers is None:
            return "unavailable"
        return numbers.get(recipient.reveal(), "unknown")

    def _current(self) -> dict[str, Reach] | None:
        """The numbers as the file stands now; None if it cannot be used."""
        try:
            stat = self._file.stat()
            now = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if now != self._seen:
                self._numbers = self._load(stat)
                self._seen = now
        except (OSError, ValueError):
            if self._seen is not None or self._numbers is not None:
                log.list_unreadable(line=None)
            self._seen, self._numbers = None, None
        return self._numbers

    def _load(self, stat: os.stat_result) -> dict[str, Reach] | None:
        if stat.st_size > _LARGEST:
            log.list_unreadable(line=None)
            return None
        numbers: dict[str, Reach] = {}
        lines = self._file.read_text(encoding="utf-8-sig").splitlines()
        for place, line in enumerate(lines, 1):
            words = line.partition("#")[0].strip()
            if not words or (place == 1 and not re.search(r"\d", words)):
                continue
            hit = _LINE.fullmatch(words)
            reach = _REACH.get((hit.group(2) or "").strip().lower()) if hit else None
            if hit is None or reach is None:
                log.list_unreadable(line=place)
                return None
            numbers[hit.group(1).replace("-", "")] = reach
        return numbers
