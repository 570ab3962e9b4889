"""Rules as dictionaries, for tests, written as a rules file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date, time


def toml(value: object) -> str:
    """*value* as an inline TOML value."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f'"{key}" = {toml(one)}' for key, one in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[ " + ", ".join(map(toml, value)) + " ]"
    if isinstance(value, str):
        return json.dumps(value).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, date | time) else str(value)


def rules_text(tables: Iterable[Mapping[str, object]]) -> str:
    """A rules file with *tables* as its rules."""
    return "".join(
        "[[rule]]\n" + "".join(f'"{key}" = {toml(one)}\n' for key, one in table.items()) for table in tables
    )
