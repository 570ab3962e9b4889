"""The body of DATA, from wire to content: pure, block by block, in constant memory.

Only CR LF . CR LF ends a message. A bare CR or LF never does, and is a fault of its own: two
servers that disagree on it can be made to see two messages where we saw one (SMTP smuggling).
"""

from __future__ import annotations

import io
from typing import Literal, NamedTuple

END = b"\r\n.\r\n"

Fault = Literal["bare", "long"]


class Fed(NamedTuple):
    """What one block gave."""

    content: bytes
    ended: bool
    rest: bytes
    """Bytes after the end: the client's next commands."""


class DataDecoder:
    """Takes the leading dots away and finds the end (RFC 5321, section 4.5.2)."""

    __slots__ = ("_carry", "_opening")

    def __init__(self) -> None:
        # The message begins at the start of a line, as if a CR LF stood before it.
        self._carry = b"\r\n"
        self._opening = True

    def feed(self, block: bytes) -> Fed:
        """The content in *block*; at most four undecided bytes wait for the next one."""
        window = self._carry + block
        # Without a dot at the start of a line there is neither end nor stuffing; and a search for one
        # byte, which base64 never holds, is thirty times as quick as one for three.
        dot = window.find(b"\r\n.") if b"." in window else -1
        end = window.find(END, dot) if dot >= 0 else -1
        if end >= 0:
            content, rest = window[: end + 2], window[end + len(END) :]
        else:
            cut = len(window) - _undecided(window)
            content, rest = window[:cut], b""
            self._carry = window[cut:]
        if dot >= 0:
            content = content.replace(b"\r\n.", b"\r\n")
        if self._opening and content:
            content, self._opening = content[2:], False
        return Fed(content, end >= 0, rest)


def _undecided(window: bytes) -> int:
    """Length of the longest tail that could still become the end of the message."""
    return next((size for size in (4, 3, 2, 1) if window.endswith(END[:size])), 0)


class LineWatch:
    """Looks for bare CR, bare LF and lines longer than *longest* bytes (CR LF not counted)."""

    __slots__ = ("_line", "_longest", "_newlines")

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._line = 0
        # Python's own count of which line ends a stream has, three times as quick as counting CR, LF
        # and CR LF; it keeps a CR at the end of a block until the next one comes.
        self._newlines = io.IncrementalNewlineDecoder(None, translate=False)

    def look(self, block: bytes) -> Fault | None:
        """The first kind of fault that *block* shows, together with what came before."""
        if not block:
            return None
        self._newlines.decode(block.decode("latin-1"))
        if self._newlines.newlines not in (None, "\r\n"):
            return "bare"
        return "long" if self._has_long(block) else None

    def end(self) -> Fault | None:
        """The fault that shows only when nothing more comes."""
        self._newlines.decode("", final=True)
        return None if self._newlines.newlines in (None, "\r\n") else "bare"

    def _has_long(self, block: bytes) -> bool:
        """Jumps from line end to line end, as far apart as the limit lets them be."""
        start = -self._line
        size, longest, last_newline = len(block), self._longest, block.rfind
        while size - start > longest:
            end = last_newline(b"\n", max(0, start), start + longest + 2)
            if end < 0:
                # A CR that waits for its LF does not count.
                return size - start - block.endswith(b"\r") > longest
            start = end + 1
        last = block.rfind(b"\n")
        self._line = len(block) - last - 1 if last >= 0 else self._line + len(block)
        return False
