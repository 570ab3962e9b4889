"""One fault of a file an operator wrote: which file, section and key, what was expected and found.

All faults of a file are told at once, each as one line, so that nobody mends one to meet the next.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from difflib import get_close_matches
from typing import Literal

from gateway.errors import ConfigError
from gateway.model.identity import mask_numbers

SETTINGS_FILE = "gateway.toml"
ENVIRONMENT = "environment"

_SECRET = re.compile(r"token|password|secret|key", re.IGNORECASE)
_QUOTABLE = re.compile(r"[A-Za-z0-9æøåÆØÅ][A-Za-z0-9æøåÆØÅ .,_/-]{0,29}")
# As many digits may be a CPR or a case number; see STYLE.md, section 6.
_LONG_NUMBER = re.compile(r"\d{6}")
_WHOLE = re.compile(r"-?\d+", re.ASCII)

Wants = Literal["text", "number", "word"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Where a fault is and how to mend it.

    Either *expected* and *found* are set, or *says* is: a whole sentence.
    """

    file: str
    """Name of the file, or ``environment``; empty where *says* names it."""
    section: str = ""
    """As written: ``[smtp]``, ``[[smtp.relays]] no. 2``."""
    key: str = ""
    says: str = ""
    expected: str = ""
    found: str = ""
    nearest: str = ""
    """The known word nearest to an unknown one."""
    row: int | None = None
    """Line of the file, from 1; None where it is not known."""
    remedy: str = ""
    """What to do, where neither *expected* nor *nearest* says it."""

    def line(self) -> str:
        """One sentence: ``gateway.toml, [smtp] port: expected a number from 0 to 65535, found text.``
        With a row: ``rules.toml:12, …``, as editors and compilers write it.
        """
        file = self.file if self.row is None else f"{self.file}:{self.row}"
        place = " ".join(part for part in (self.section, self.key) if part)
        where = ", ".join(part for part in (file, place) if part)
        says = self.says or f"expected {self.expected}, found {self.found}."
        hint = f' Did you mean "{self.nearest}"?' if self.nearest else f" {self.remedy}".rstrip()
        return f"{where}: {says}{hint}" if where else f"{says}{hint}"

    def as_dict(self) -> dict[str, str | int | None]:
        """For ``--json``."""
        return {**asdict(self), "message": self.line()}


def config_error(faults: Sequence[Fault]) -> ConfigError:
    """One error that tells all *faults*, a line each, every line with its code."""
    lines = f"\n{ConfigError.code}: ".join(fault.line() for fault in faults)
    return ConfigError(problems=lines, faults=tuple(faults))


def faults_of(error: ConfigError) -> tuple[Fault, ...]:
    """The faults *error* was made of; one without file and key if it was made of a text."""
    faults = error.facts.get("faults")
    if isinstance(faults, tuple):
        return tuple(fault for fault in faults if isinstance(fault, Fault))
    return (Fault(file="", says=error.text()),)


def nearest(word: str, known: Iterable[str]) -> str:
    """The word of *known* nearest to *word*; empty if none is near."""
    # A transposed pair in a four-letter key (prot for port) scores 0.75; 0.6 still takes one more slip.
    by_folded = {name.casefold(): name for name in known}
    hits = get_close_matches(word.casefold(), list(by_folded), n=1, cutoff=0.6)
    return by_folded[hits[0]] if hits else ""


def shown(word: str) -> str:
    """An unknown *word* of the operator's as it may stand in a fault: short, on one line, numbers masked."""
    printable = "".join(letter if letter.isprintable() else "?" for letter in mask_numbers(word))
    return printable if len(printable) <= 40 else f"{printable[:40]}…"


def found(value: object, *, key: str, wants: Wants = "text") -> str:
    """*value* in words that may stand in a log: its type, or itself where that is surely no secret.

    Args:
        key: the setting it was given for; values of tokens, passwords, secrets and keys are not quoted.
        wants: what the setting takes. ``word`` is one of a short list, a size or a time: there a short
            text is a typing error and not somebody's data, so it is quoted.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _found_number(str(value), key)
    if isinstance(value, str):
        return _found_text(value, key, wants)
    return _found_other(value)


def _found_number(text: str, key: str) -> str:
    return "a number" if len(text) > 5 or _SECRET.search(key) else f"the number {text}"


def _found_text(value: str, key: str, wants: Wants) -> str:
    if not value:
        return "an empty text"
    if wants == "number":  # a variable holds its number as text
        return _found_number(value, key) if _WHOLE.fullmatch(value) else "text"
    safe = _QUOTABLE.fullmatch(value) and not _LONG_NUMBER.search(value) and not _SECRET.search(key)
    if wants == "word" and safe:
        return f'"{value}"'
    return "text of 1 character" if len(value) == 1 else f"text of {len(value)} characters"


def _found_other(value: object) -> str:
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, dict):
        return "a section"
    if isinstance(value, datetime | date | time | timedelta):
        return "a date or time"
    return "nothing"
