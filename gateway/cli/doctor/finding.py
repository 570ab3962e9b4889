"""One thing the doctor found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it is, and what to do about it."""

    check: str
    level: Literal["ok", "warn", "fail"]
    says: str
    remedy: str = ""

    def as_dict(self) -> dict[str, str]:
        """For ``--json``."""
        return asdict(self)


def ok(check: str, says: str) -> Finding:
    """All is well."""
    return Finding(check, "ok", says)


def warn(check: str, says: str, remedy: str) -> Finding:
    """It works, but not for long, or not well."""
    return Finding(check, "warn", says, remedy)


def fail(check: str, says: str, remedy: str) -> Finding:
    """Post would not go through."""
    return Finding(check, "fail", says, remedy)
