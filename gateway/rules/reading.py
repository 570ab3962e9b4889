"""What every part of reading a rules file shares: the place it is at, and the faults found so far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.config.faults import Fault, found, nearest, shown
from gateway.rules.lists import Lists
from gateway.rules.places import Rows
from gateway.rules.rule import Place


class Reader:
    """One file being read. Every fault is kept, so that all are told at once."""

    def __init__(self, file: str, rows: Rows, lists: Lists) -> None:
        self.faults: list[Fault] = []
        self.lists = lists
        self.file = file
        self.rows = rows
        self.examples = 0
        """Examples seen so far: their headers stand in the file one after the other."""
        self._section = ""
        self._header: int | None = None

    def at(self, section: str, header: int | None) -> None:
        """What follows is under *section*, whose header stands in row *header*."""
        self._section, self._header = section, header

    def place(self, key: str = "") -> Place:
        """Where the section stands, or *key* in it."""
        return Place(file=self.file, row=self.rows.key(self._header, key))

    def text(self, table: Mapping[str, Any], key: str, place: str = "") -> str:
        """The text at *key*, or a fault and the empty text."""
        value = table.get(key)
        if isinstance(value, str) and value.strip():
            return value
        where = f"{place}.{key}" if place else key
        if key not in table:
            self.fault(where, says="is missing; expected text.")
        else:
            self.fault(where, expected="text", found=found(value, key=key))
        return ""

    def choice(self, table: Mapping[str, Any], key: str, choices: tuple[str, ...], default: str) -> str:
        """One of *choices* at *key*; *default* if it is not there."""
        value = table.get(key, default)
        if value in choices:
            return str(value)
        words = ", ".join(f'"{choice}"' for choice in choices)
        near = nearest(value, choices) if isinstance(value, str) else ""
        self.fault(key, expected=f"one of {words}", found=found(value, key=key, wants="word"), nearest=near)
        return default

    def known(self, table: Mapping[str, Any], known: tuple[str, ...], place: str = "") -> None:
        """A fault for every key of *table* that is not among *known*."""
        for key in table:
            if key not in known:
                where = f"{place}.{shown(key)}" if place else shown(key)
                self.fault(where, says="there is no such key here.", nearest=nearest(key, known), row_of=key,
                           remedy="Take it away.")

    def fault(
        self, key: str, *, says: str = "", expected: str = "", found: str = "", nearest: str = "", remedy: str = "",
        row_of: str = "",
    ) -> None:
        """One more fault at *key* of the section.

        Args:
            row_of: the key whose row is told, if not the first word of *key*.
        """
        words = key.replace(".", " ").split()
        row = self.rows.key(self._header, row_of or (words[0] if words else ""))
        self.faults.append(
            Fault(
                file=self.file, section=self._section, key=key, says=says,
                expected=expected, found=found, nearest=nearest, row=row, remedy=remedy,
            )
        )  # fmt: skip


def table_of(value: object) -> str:
    """*value*, found where a table or a list of them was expected."""
    return "an empty one" if value in ([], {}) else found(value, key="")
