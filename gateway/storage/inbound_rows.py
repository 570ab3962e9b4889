"""Post to us, to rows and back."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from gateway.model.inbound import Correspondent, Forward, InboundMessage, NewPost, Post
from gateway.model.letter import Document
from gateway.model.submission import Blob
from gateway.storage.values import Row

_AS_COLUMNS = ("uuid", "title", "sender", "documents")
"""Fields of a post that have a column of their own."""


def message_of(row: Row) -> InboundMessage:
    """A row of ``inbound`` that could be understood."""
    kept = row["post"]
    return InboundMessage(
        id=row["id"],
        mailbox=row["mailbox"],
        source_id=row["source_id"],
        channel=row["channel"],
        received_at=row["received_at"],
        raw=Blob(row["digest"], row["size_bytes"]),
        post=Post(
            **{
                **kept,
                "uuid": row["uuid"],
                "title": row["title"],
                "sender": Correspondent(kind=row["sender_kind"], number=row["sender_number"], name=row["sender_name"]),
                "documents": tuple(Document(**document) for document in row["documents"]),
                "answers": tuple(kept.get("answers", ())),
                "sent_at": _time(kept.get("sent_at")),
                "reply_by": _time(kept.get("reply_by")),
            }
        ),
    )


def forward_of(row: Row) -> Forward:
    """A row of ``forwards``; *tries* counts this claim."""
    return Forward(
        id=row["id"],
        kind=row["kind"],
        department=row["department"],
        address=row["address"],
        mode=row["mode"],
        rule=row["rule"],
        settings=tuple((key, value) for key, value in row["settings"]),
        token=row["token"],
        created_at=row["created_at"],
        tries=row["fence"] - row["spent"],
    )


def new_row(new: NewPost) -> dict[str, Any]:
    """All of a new row but its id. What could not be understood goes nowhere, and is shown."""
    post = new.post or Post(title="", sender=Correspondent(kind="cvr", number="", name=""))
    kept = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in asdict(post).items()
        if name not in _AS_COLUMNS and value not in (None, (), False, 0)
    }
    return {
        "state": "invalid" if new.post is None else "new",
        "due_at": None if new.post is None else new.received_at,
        "code": new.fault,
        "mailbox": new.mailbox,
        "source_id": new.source_id,
        "channel": new.channel,
        "received_at": new.received_at,
        "digest": new.raw.digest,
        "size_bytes": new.raw.size_bytes,
        "uuid": post.uuid,
        "title": post.title,
        "sender_kind": post.sender.kind,
        "sender_number": post.sender.number,
        "sender_name": post.sender.name,
        "documents": [asdict(document) for document in post.documents],
        "post": kept,
        "answer": "invalid" if new.post is None else "completed",
        "department": "",
    }


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
