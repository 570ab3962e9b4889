"""Regular expressions that run in linear time (RE2), and are refused when a long text would make them slow."""

from __future__ import annotations

import random
import re
import string
import time
from functools import lru_cache
from itertools import combinations

import re2

LONGEST_PATTERN = 1000
"""Characters of a regular expression; RE2 compiles in time and memory that grow with it."""
LONGEST_FOUND = 4096
"""Bytes of what was found in which named parts are looked for."""

# RE2 never backtracks, but a pattern that counts after a choice, such as (a|b)*a(a|b){200}c, has more
# states than it can keep, and then costs its length at every letter: a second for a megabyte.
_PROBE = 16 * 1024  # letters
_SLOWEST_PROBE = 0.05 * _PROBE / 1_000_000  # seconds: 50 ms for a megabyte
_SHORT_PROGRAM = 16  # instructions; shorter ones are fast whatever they meet
_LETTERS = frozenset(string.ascii_letters + string.digits + "æøåÆØÅ -.,")
_NOT_LETTERS = re.compile(r"\{[\d,]+\}|\\.|\(\?[^:)]*[:)>]")  # counts, escapes, flags and names
_MOST_LETTERS = 6
_TRIES = 4


class BadPattern(Exception):
    """What is wrong with a pattern, as a sentence about it; only between here and gateway.rules.questions."""

    def __init__(self, says: str, remedy: str) -> None:
        self.remedy = remedy
        super().__init__(says)


class Pattern:
    """One regular expression. Immutable, for use in threads.

    Raises:
        BadPattern: it is none, too long, or would be slow on a long text.
    """

    def __init__(self, text: str) -> None:
        if len(text) > LONGEST_PATTERN:
            raise BadPattern(f"it is longer than {LONGEST_PATTERN} characters.", "Ask with several tests, or with a list.")
        # Without the parts, RE2 only asks whether it is there, which is many times faster.
        self._test = _compiled(text, capture=False)
        self._parts = _compiled(text, capture=True)
        self.names: tuple[str, ...] = tuple(sorted(self._parts.groupindex, key=self._parts.groupindex.get))
        """Of its named parts, in order."""
        if _is_slow(text):
            raise BadPattern("it would be slow on a long text.", "Count less, or make what it counts more exact.")

    def is_in(self, text: str) -> bool:
        """Whether it is found in *text*."""
        return self._test.search(_bytes(text)) is not None

    def find(self, text: str) -> dict[str, str]:
        """What its named parts found, those that found anything."""
        encoded = _bytes(text)
        place = self._test.search(encoded)
        if place is None or not self.names:
            return {}
        end = min(place.end(), place.start() + LONGEST_FOUND)
        parts = self._parts.search(encoded, place.start(), end)
        found = {} if parts is None else parts.groupdict()
        return {name: value.decode("utf-8", "replace") for name, value in found.items() if value is not None}


def _bytes(text: str) -> bytes:
    """*text* for RE2; half characters (lone surrogates) become question marks."""
    return text.encode("utf-8", "replace")


@lru_cache(maxsize=4096)
def _compiled(text: str, *, capture: bool) -> re2._Regexp:
    options = re2.Options()
    options.log_errors = False
    options.never_capture = not capture
    try:
        return re2.compile(text, options)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        reason = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        remedy = "A sign that means itself stands behind a backslash, such as \\( and \\."
        raise BadPattern(f"this is no regular expression ({reason}).", remedy) from None


@lru_cache(maxsize=4096)
def _is_slow(text: str) -> bool:
    """Whether it takes more than 50 ms for a megabyte of text made to be hard for it."""
    compiled = _compiled(text, capture=False)
    return compiled.programsize > _SHORT_PROGRAM and any(_takes_long(compiled, hard) for hard in _hard_texts(text))


def _hard_texts(pattern: str) -> list[bytes]:
    """The pattern's own letters in random order, always the same: all of them, and each pair alone, since
    a letter that completes the pattern, or breaks it off, ends the work early.
    """
    letters = sorted(set(_NOT_LETTERS.sub("", pattern)) & _LETTERS)[:_MOST_LETTERS]
    alphabets = [letters or ["a"], *combinations(letters, 2)]
    chance = random.Random(1)  # noqa: S311 - the same for everybody
    return [_bytes("".join(chance.choices(alphabet, k=_PROBE))) for alphabet in alphabets]


def _takes_long(compiled: re2._Regexp, text: bytes) -> bool:
    """The best of several tries counts, so that a busy machine changes nothing."""
    return all(_seconds(compiled, text) > _SLOWEST_PROBE for _ in range(_TRIES))


def _seconds(compiled: re2._Regexp, text: bytes) -> float:
    began = time.thread_time()
    compiled.search(text)
    return time.thread_time() - began
