"""Lists that rules ask about: ``lists/NAME.txt`` beside the rules, one value a line.

Lines are compared as texts are everywhere in rules; empty lines and those that begin with # are left
out. A list may change without a new version of the rules: it is read again when its file has changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gateway.config.faults import Fault, config_error
from gateway.rules.language import folded

FOLDER = "lists"
LARGEST = 16 * 1024 * 1024
"""Bytes of one list."""

Lists = Mapping[str, frozenset[str]]
"""Entries, folded, by the list's name."""


class Unread(dict[str, frozenset[str]]):
    """Every list there may be, and nothing in any: to read a set only for what it says."""

    def __missing__(self, name: str) -> frozenset[str]:
        return frozenset()

    def __contains__(self, name: object) -> bool:
        return True


def read_lists(folder: Path) -> Lists:
    """Every list beside the rules in *folder*; empty if there are none.

    Raises:
        ConfigError: with every list that cannot be read, is too large or is not UTF-8.
    """
    faults: list[Fault] = []
    lists: dict[str, frozenset[str]] = {}
    for file in sorted((folder / FOLDER).glob("*.txt")):
        try:
            if file.stat().st_size > LARGEST:
                faults.append(_fault(file, f"the list is larger than {LARGEST // 1024**2} MiB."))
                continue
            lists[file.stem] = _entries(file.read_bytes().decode("utf-8-sig"))
        except UnicodeDecodeError:
            faults.append(_fault(file, "the list is not UTF-8. Save it as UTF-8."))
        except OSError as error:
            faults.append(_fault(file, f"the list cannot be read ({error.strerror}). Check its owner and mode."))
    if faults:
        raise config_error(faults)
    return lists


def marks(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """What changes when a list does: name, size in bytes and time of change (ns) of each file."""
    found = []
    for file in sorted((folder / FOLDER).glob("*.txt")):
        try:
            state = file.stat()
        except OSError:
            continue
        found.append((file.name, state.st_size, state.st_mtime_ns))
    return tuple(found)


def _entries(text: str) -> frozenset[str]:
    lines = (line.strip() for line in text.splitlines())
    return frozenset(folded(line) for line in lines if line and not line.startswith("#"))


def _fault(file: Path, says: str) -> Fault:
    return Fault(file=f"{FOLDER}/{file.name}", says=says)
