"""What the name of a dropped file says before anybody looks inside (F58; sidecar.md, D5 5)."""

from __future__ import annotations

import re

_JUNK = re.compile(r"(\._.*|\.ds_store|~\$.*|\.~lock.*|thumbs\.db|desktop\.ini|__macosx|@eadir)", re.IGNORECASE | re.DOTALL)
_TEMPORARY = (".part", ".filepart", ".partial", ".tmp", ".writing", ".crdownload", "~")


def is_junk(name: str) -> bool:
    """What file managers and office programs leave behind: never a letter."""
    return _JUNK.fullmatch(name) is not None


def is_temporary(name: str) -> bool:
    """Whether a client calls a file so only until it is complete."""
    return name.startswith(".") or name.casefold().endswith(_TEMPORARY)
