"""The rules used when gateway.toml names no file: send and archive what Digital Post reaches, hold the rest.

The reasons ``exempt``, ``closed`` and ``unknown`` are words of the service that routes: it tells the
submitter GW-311, GW-313 and GW-312 for them. Any other reason is told as it stands (GW-321).
``unavailable`` (the look-up failed) is decided before the rules are asked: wait, or send.
``config/rules.toml`` is the same chain as a file to begin from; a test keeps them the same.
"""

from __future__ import annotations

from typing import Any

from gateway.rules.engine import RuleSet
from gateway.rules.load import rules_from


def _hold(reach: str, name: str) -> dict[str, Any]:
    return {
        "id": f"hold-{reach}",
        "name": name,
        "when": {"field": "reach", "equals": reach},
        "then": [{"hold": reach}],
    }


BUILTIN: dict[str, Any] = {
    "rule": [
        _hold("exempt", "Fritagne modtagere afventer"),
        _hold("closed", "Lukkede postkasser afventer"),
        _hold("unknown", "Ukendte modtagere afventer"),
        {
            "id": "send-and-archive",
            "name": "Alt andet sendes og arkiveres",
            "then": [{"send": "digital-post"}, {"archive": "archive"}],
        },
    ]
}


def builtin_rules() -> RuleSet:
    """The built-in chain; read by the same reader as a file."""
    return rules_from(BUILTIN, file="built-in rules")
