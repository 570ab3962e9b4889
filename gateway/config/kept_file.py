"""Small files of ours that hold secrets or rights: read whole, written whole, for their owner's eyes only."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway.errors import ConfigError


def stamp(path: Path) -> tuple[int, int, int] | None:
    """What changes when the file does; None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def read_tables(path: Path, kind: str) -> dict[str, Any]:
    """The tables ``[kind.NAME]`` of a TOML file by name; no file is none.

    Raises:
        ConfigError: it cannot be read, or has other tables; the text is not quoted.
    """
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        problem = f"{path.name}: expected TOML that can be read, found a {type(error).__name__}."
        raise ConfigError(problems=problem) from None
    rows = table.get(kind, {})
    if set(table) - {kind} or not isinstance(rows, dict):
        raise ConfigError(problems=f"{path.name}: expected tables [{kind}.NAME] only, found others.")
    return rows


def write_whole(path: Path, text: str) -> None:
    """Beside, flushed, renamed; mode 0600."""
    # mkstemp gives 0600 from the start.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    beside = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """One writer at a time, by a lock on the folder (the file itself is replaced)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
