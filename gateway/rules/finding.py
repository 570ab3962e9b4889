"""One thing that the examination of a rule set finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gateway.rules.rule import Place

Level = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing to mend, or to think about."""

    code: str
    """Stable, such as ``unreachable``."""
    level: Level
    place: Place
    rule: str | None = None
    says: str
    remedy: str

    def line(self) -> str:
        """``rules.toml:12, rule loen: error: it never acts, … . Move it above …``"""
        about = "" if self.rule is None else f" rule {self.rule}:"
        return f"{self.place},{about} {self.level}: {self.says} {self.remedy}"

    def as_dict(self) -> dict[str, str | int | None]:
        """For ``--json``."""
        return {
            "code": self.code, "level": self.level, "file": self.place.file, "row": self.place.row,
            "rule": self.rule, "says": self.says, "remedy": self.remedy, "message": self.line(),
        }  # fmt: skip
