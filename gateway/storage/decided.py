"""Decisions and the facts they were made of, to JSON and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from datetime import datetime
from typing import Any

from gateway.model.decision import Action, Decision, Facts, Shadow, Trail
from gateway.storage.values import Row, plain


def facts_row(facts: Facts) -> dict[str, Any]:
    """Facts without the text, and without what is as usual."""
    row: dict[str, Any] = {}
    for one, usual in _USUAL:
        value = getattr(facts, one)
        if value != usual:
            row[one] = value.isoformat() if isinstance(value, datetime) else value
    return row


def facts(stored: Mapping[str, Any]) -> Facts:
    """Facts as they were kept. What a later program knows besides is as usual; what it knows no more is
    left out.
    """
    known = {one: stored[one] for one, _ in _USUAL if one in stored}
    for one in ("file_names", "refused_by", "refused_code"):
        if one in known:
            known[one] = tuple(known[one])
    known["received_at"] = datetime.fromisoformat(known["received_at"])
    return Facts(**{"pages": None, "case": None, **known})


_NO_VALUE = object()
_USUAL = [
    (one.name, one.default if one.default is not MISSING else {} if one.name == "sidecar" else
     None if one.name in ("pages", "case") else _NO_VALUE)
    for one in fields(Facts) if one.name != "text"
]  # fmt: skip


def trail_row(trail: Trail) -> dict[str, str]:
    """Bits as hexadecimal digits."""
    return {name: format(getattr(trail, name), "x") for name in trail.__slots__}


def decision_row(made: Decision, seen: Facts, at: datetime) -> dict[str, Any]:
    """A decision as it is kept, but for what it is about."""
    return {
        "at": at,
        "version": made.version,
        "rule": made.rule,
        "actions": plain(made.actions),
        "trail": trail_row(made.trail),
        "facts": facts_row(seen),
        "shadow": None if made.shadow is None else plain(made.shadow),
    }


def decision(row: Row) -> Decision:
    """A decision as it was kept."""
    shadow = row["shadow"]
    return Decision(
        rule=row["rule"],
        actions=_actions(row["actions"]),
        version=row["version"],
        trail=Trail(**{name: int(bits, 16) for name, bits in row["trail"].items()}),
        shadow=None if shadow is None else Shadow(rule=shadow["rule"], actions=_actions(shadow["actions"])),
    )


def _actions(stored: Sequence[Mapping[str, Any]]) -> tuple[Action, ...]:
    return tuple(
        Action(**{**one, "settings": tuple((name, value) for name, value in one["settings"])}) for one in stored
    )
