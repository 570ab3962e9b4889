"""What tests of drops share: looking in this process, and names for the files of the corpora."""

from __future__ import annotations

from pathlib import Path

from gateway.documents.reading import ReadRules
from gateway.documents.sidecar.look import look


class LooksHere:
    """``gather``'s looker, in this process and without bounds."""

    def __init__(self, rules: ReadRules) -> None:
        self._rules = rules

    def look(self, files, manner):
        return [look(name, path, manner, self._rules, control=control) for name, path, control in files]


def sidecar_name(file: Path) -> str:
    """A name under which *file* is read as a sidecar of its own format, else as YAML."""
    ending = file.suffix[1:].lower()
    return {"csv": f"{file.stem}.manifest.csv"}.get(ending, f"{file.stem}.meta.{ending if ending in ('xml', 'json', 'yaml') else 'yaml'}")
