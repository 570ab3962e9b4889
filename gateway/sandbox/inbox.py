"""What a citizen or company got: ``inboxes/<kind>-<number>/<uuid>/`` in the sandbox's folder.

Each holds ``memo.xml`` (the bytes as they came), ``files/`` (the documents, numbered) and
``message.json``. Reading needs no running sandbox.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from gateway.model.identity import mask_numbers
from gateway.sandbox.durable import read_json

_KINDS = {10: "cpr", 8: "cvr"}
_UNSAFE = re.compile(r"[^\w .()+,=@&-]")


def inbox_folder(folder: Path, kind: str, number: str) -> Path:
    return folder / "inboxes" / f"{kind}-{number}"


def read_inbox(folder: Path, number: str) -> list[dict[str, Any]]:
    """Messages of *number* (CPR or CVR, digits, hyphen allowed), the oldest first.

    Each is ``{uuid, title, sender, files: [{name, size, sha256, path}], received_at}``; *size* in
    bytes, *path* absolute. Empty for a number that is no number.
    """
    digits = number.strip().replace("-", "")
    kind = _KINDS.get(len(digits)) if digits.isascii() and digits.isdigit() else None
    if kind is None:
        return []
    here = inbox_folder(folder, kind, digits)
    messages = [_message(found) for found in here.glob("*/message.json")]
    return sorted(messages, key=lambda message: (message["received_at"], message["uuid"]))


def masked_inboxes(folder: Path) -> list[tuple[str, int]]:
    """Each inbox by its masked name and how many messages it holds."""
    found = sorted((folder / "inboxes").glob("*-*"))
    return [
        (mask_numbers(inbox.name.partition("-")[2]), sum(1 for _ in inbox.glob("*/message.json")))
        for inbox in found
    ]


def stored_name(index: int, name: str) -> str:
    """A file name that is safe on our disk, unique in its message, and still tells what it is."""
    stem, dot, extension = name.rpartition(".")
    safe = _UNSAFE.sub("_", stem if dot else extension)[:80].strip(". ") or "file"
    return (
        f"{index:02d}-{safe}.{_UNSAFE.sub('_', extension)[:10]}" if dot else f"{index:02d}-{safe}"
    )


def _message(path: Path) -> dict[str, Any]:
    record = read_json(path)
    files = [
        {
            "name": file["name"],
            "size": file["size"],
            "sha256": file["sha256"],
            "path": str((path.parent / file["path"]).resolve()),
        }
        for file in record["files"]
    ]
    shown = {name: record[name] for name in ("uuid", "title", "sender", "received_at")}
    return {**shown, "files": files}
