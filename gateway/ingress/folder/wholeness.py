"""What may be taken from a share: not what file managers leave, not what is still being written."""

from __future__ import annotations

from collections.abc import Callable

from gateway.documents.dropped_names import is_junk, is_temporary
from gateway.documents.sidecar.whole import whole


def passed_over(name: str) -> bool:
    """Whether a file is none of ours, or not yet. It is looked at again when it has another name."""
    return is_junk(name) or is_temporary(name)


def may_be_cut(name: str, content: Callable[[], bytes]) -> bool:
    """Whether a file does not end as its format does: its writer may only be pausing."""
    ending = name.rpartition(".")[2].lower()
    if ending not in ("pdf", "docx", "xlsx", "zip", "png", "jpg", "jpeg", "xml", "json"):
        return False
    found = content()
    if ending == "json":
        return not found.rstrip().endswith((b"}", b"]", b"}\x00", b"]\x00"))
    return whole(name, found) is False
