"""Lines of a TOML file: where each table and each of its keys stands. Only for telling; tomllib reads."""

from __future__ import annotations

import re

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]#]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"\s*([\w-]+|\"[^\"]*\")\s*(?:\.[^=]*)?=")
_FENCE = re.compile(r'"""|' + "'''")


class Rows:
    """Rows (from 1) of the headers of *text* and of the keys under them.

    Where the text does not look as expected, rows are None: no row is better than a wrong one.
    """

    def __init__(self, text: str) -> None:
        self._tables: dict[str, list[int]] = {}
        self._keys: dict[int, dict[str, int]] = {}
        header, fenced = 0, False
        self._keys[0] = {}
        for row, line in enumerate(text.splitlines(), 1):
            if not fenced and (found := _HEADER.match(line)):
                header = row
                self._tables.setdefault(_name(found[2]), []).append(row)
                self._keys[row] = {}
            elif not fenced and (key := _KEY.match(line)):
                self._keys[header].setdefault(key[1].strip('"'), row)
            # An odd number of fences opens or closes a text of several lines.
            fenced ^= len(_FENCE.findall(line)) % 2 == 1

    def table(self, name: str, number: int = 0, *, of: int | None = None) -> int | None:
        """Row of the header of table *name*, the one with *number* (from 0).

        Args:
            of: how many there are in truth; if the text seems to have another number, the row is None.
        """
        rows = self._tables.get(name, [])
        return rows[number] if number < len(rows) and of in (None, len(rows)) else None

    def key(self, header: int | None, key: str) -> int | None:
        """Row of *key* under the header at row *header*; the header's own if it is not found there."""
        return header if header is None else self._keys.get(header, {}).get(key, header)

    def top(self, key: str) -> int | None:
        """Row of a key above every header."""
        return self._keys[0].get(key)


def _name(header: str) -> str:
    return ".".join(part.strip().strip('"') for part in header.split("."))
