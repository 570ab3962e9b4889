"""The files of a rule set: read from a folder, named by their content, made into a set."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from pathlib import Path

from gateway.config.faults import Fault, config_error
from gateway.config.load import parse_toml, read_text
from gateway.rules.engine import RuleSet
from gateway.rules.lists import Lists, read_lists
from gateway.rules.load import load_rules, version_of

MOST_FILES = 200
LARGEST = 4 * 1024 * 1024
"""Characters of a set's files together."""


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """The files of one rule set, lists not included."""

    files: Mapping[str, str] = field(repr=False)
    """Text by file name, in the order in which they are read."""

    @cached_property
    def version(self) -> str:
        """A name for exactly this content: 12 hexadecimal digits. Raises ConfigError: a file is no TOML."""
        return version_of({name: parse_toml(text, name) for name, text in self.files.items()})

    def rule_set(
        self, lists: Lists, *, destinations: Collection[str] | None = None, archives: Collection[str] | None = None
    ) -> RuleSet:
        """The set; see ``load_rules``. Raises ConfigError."""
        return load_rules(self.files, lists, destinations=destinations, archives=archives)


def read_bundle(path: Path) -> Bundle:
    """The rule set at *path*: a file, or a folder whose ``*.toml`` are read in the order of their names.

    Raises:
        ConfigError: it is not there, cannot be read, is no rule set, or too large.
    """
    files = sorted(path.glob("*.toml")) if path.is_dir() else [path]
    if not files:
        raise config_error([Fault(file=path.name, says="there is no .toml file in this folder.")])
    if len(files) > MOST_FILES:
        raise config_error([Fault(file=path.name, says=f"there are more than {MOST_FILES} files in this folder.")])
    remedy = "Write it, or remove `path` from [rules] in gateway.toml to use the built-in rules."
    texts = {file.name: read_text(file, remedy=remedy) for file in files}
    if sum(map(len, texts.values())) > LARGEST:
        raise config_error([Fault(file=path.name, says=f"the rules are longer than {LARGEST} characters.")])
    return Bundle(files=texts)


def lists_folder(path: Path) -> Path:
    """The folder that holds ``lists/`` for the rule set at *path*."""
    return path if path.is_dir() else path.parent


def read_rules(
    path: Path, *, destinations: Collection[str] | None = None, archives: Collection[str] | None = None
) -> RuleSet:
    """The rule set at *path*, with its lists. Raises ConfigError with every fault."""
    lists = read_lists(lists_folder(path))
    return read_bundle(path).rule_set(lists, destinations=destinations, archives=archives)


def builtin() -> Bundle:
    """The rules used when gateway.toml names none: send and archive what Digital Post reaches, hold the rest.

    The reasons ``exempt``, ``closed`` and ``unknown`` are words of the service that routes: it tells the
    submitter GW-311, GW-313 and GW-312 for them. ``unavailable`` (the look-up failed) is decided before
    the rules are asked: wait, or send.
    """
    text = resources.files("gateway.rules").joinpath("builtin.toml").read_text(encoding="utf-8")
    return Bundle(files={"rules.toml": text})
