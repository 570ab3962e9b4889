"""Our own mailbox at Digital Post, through the recipient system of an organisation (REST pull)."""

from __future__ import annotations

from typing import Literal

from gateway.digital_post.memos import NgdpMemos
from gateway.digital_post.post import read_post
from gateway.errors import MemoUnreadable
from gateway.model.submission import Blob
from gateway.ports import BlobWriter, Unconfirmed, Understood, Vault


class DigitalPostMailbox:
    """See ``ports.Mailbox``; one recipient system."""

    channel: Literal["digital-post", "imap"] = "digital-post"

    def __init__(self, name: str, memos: NgdpMemos, vault: Vault) -> None:
        self.name = name
        self._memos = memos
        self._vault = vault

    def waiting(self, limit: int) -> list[str]:
        """See ``ports.Mailbox``."""
        return self._memos.waiting(limit)

    def fetch(self, source_id: str, into: BlobWriter) -> bool:
        """See ``ports.Mailbox``."""
        return self._memos.fetch(source_id, into.write)

    def identities(self, source_id: str) -> tuple[str, ...] | None:
        """See ``ports.Mailbox``."""
        return (source_id,)

    def understand(self, source_id: str, raw: Blob) -> list[Understood]:
        """See ``ports.Mailbox``."""
        try:
            with self._vault.open(raw) as stream:
                return [Understood(identity=source_id, post=read_post(stream, content_sink=self._vault.writer))]
        except MemoUnreadable as fault:
            return [Understood(identity=source_id, fault=fault.code)]

    def confirm(self, unconfirmed: Unconfirmed) -> None:
        """See ``ports.Mailbox``."""
        status: Literal["COMPLETED", "INVALID"] = "COMPLETED" if unconfirmed.answer == "completed" else "INVALID"
        self._memos.answer(unconfirmed.source_id, status, unconfirmed.code)

    def remove(self, source_id: str) -> None:
        """See ``ports.Mailbox``."""
        self._memos.remove(source_id)
