"""Our own mailbox at Digital Post, through the recipient system of an organisation (REST pull)."""

from __future__ import annotations

from typing import Literal

from gateway.digital_post.memos import NgdpMemos
from gateway.ports import BlobWriter, Unconfirmed


class DigitalPostMailbox:
    """See ``ports.Mailbox``; one recipient system."""

    channel: Literal["digital-post", "imap"] = "digital-post"

    def __init__(self, name: str, memos: NgdpMemos) -> None:
        self.name = name
        self._memos = memos

    def waiting(self, limit: int) -> list[str]:
        """See ``ports.Mailbox``."""
        return self._memos.waiting(limit)

    def fetch(self, source_id: str, into: BlobWriter) -> bool:
        """See ``ports.Mailbox``."""
        return self._memos.fetch(source_id, into.write)

    def confirm(self, unconfirmed: Unconfirmed) -> None:
        """See ``ports.Mailbox``."""
        status: Literal["COMPLETED", "INVALID"] = "COMPLETED" if unconfirmed.answer == "completed" else "INVALID"
        self._memos.answer(unconfirmed.source_id, status, unconfirmed.code)

    def remove(self, source_id: str) -> None:
        """See ``ports.Mailbox``."""
        self._memos.remove(source_id)
