"""What a citizen or company got: ``inboxes/<inbox>/<uuid>/`` in the sandbox's folder.

A company's inbox is named by its number, a person's by the masked number and a digest under a key of
this sandbox: numbers of persons stand in no file name, not even made-up ones. Each message holds ``memo.xml`` (the bytes as they came), ``files/`` (the documents, numbered) and
``message.json``. Reading needs no running sandbox.
"""

from __future__ import annotations

import hmac
import re
import secrets
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from gateway.sandbox.durable import read_json

_KINDS = {10: "cpr", 8: "cvr"}
_UNSAFE = re.compile(r"[^\w .()+,=@&-]")


def inbox_folder(folder: Path, kind: str, number: str) -> Path:
    """Where the messages to *number* lie."""
    inboxes = folder / "inboxes"
    if kind != "cpr":
        return inboxes / f"{kind}-{number}"
    digest = hmac.new(_key(inboxes), number.encode(), sha256).hexdigest()[:16]
    return inboxes / f"{kind}-{number[:6]}-xxxx-{digest}"


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
    found = sorted((folder / "inboxes").glob("c*-*"))
    return [
        ("-".join(inbox.name.split("-")[1:3]), sum(1 for _ in inbox.glob("*/message.json")))
        for inbox in found
    ]


def stored_name(index: int, name: str) -> str:
    """A file name that is safe on our disk, unique in its message, and still tells what it is."""
    stem, dot, extension = name.rpartition(".")
    safe = _UNSAFE.sub("_", stem if dot else extension)[:80].strip(". ") or "file"
    return (
        f"{index:02d}-{safe}.{_UNSAFE.sub('_', extension)[:10]}" if dot else f"{index:02d}-{safe}"
    )


def _key(inboxes: Path) -> bytes:
    """The key of this sandbox's inbox names, made when first needed (0600)."""
    file = inboxes / ".key"
    if file.exists():
        return file.read_bytes()
    with suppress(FileExistsError):
        inboxes.mkdir(parents=True, exist_ok=True)
        beside = inboxes / f".key-{secrets.token_hex(8)}"
        beside.touch(mode=0o600)
        beside.write_bytes(secrets.token_bytes(32))
        try:
            # Linked and not renamed: of two that make a key at the same moment, one wins for both.
            file.hardlink_to(beside)
        finally:
            beside.unlink()
    return file.read_bytes()


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
