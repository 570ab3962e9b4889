"""From a message to us to what an answer to it must name: whom it goes to, and the correspondence so far.

Reference, digital-post.md, section 1.4 (ReplyData): the first entry is the message it began with, each later one names
the answer that it is about.
"""

from __future__ import annotations

from typing import BinaryIO

from gateway.digital_post import words
from gateway.digital_post.read import read_memo
from gateway.model.identity import Cpr, Cvr, Recipient
from gateway.model.inbound import Forwardable, ReplyTo
from gateway.model.letter import Earlier
from gateway.model.submission import Blob


def read_reply_to(stream: BinaryIO, item: Forwardable, *, allow_test: bool) -> ReplyTo:
    """What an answer to the message in *stream* names.

    Args:
        item: the mail that the message was forwarded by.
        allow_test: take the made-up numbers of test systems.

    Raises:
        MemoUnreadable: it is no MeMo, and so nothing that Digital Post could carry an answer to.
        InvalidCpr, ReplacementCpr, InvalidCvr: its sender has no number to write to.
    """
    header = read_memo(stream, content_sink=_Nowhere).message.messageHeader
    point = header.sender.contactPoint
    to: Recipient = (
        Cpr.parse(header.sender.senderID, allow_test=allow_test)
        if header.sender.idType == "CPR"
        else Cvr.parse(header.sender.senderID, allow_test=allow_test)
    )
    return ReplyTo(
        inbound_id=item.message.id,
        token=item.forward.token,
        recipient=to,
        title=header.label,
        thread=_thread(header),
        contact_point=point.contactPointID if point else None,
    )


def _thread(header: words.MessageHeader) -> tuple[Earlier, ...]:
    before = tuple(_earlier(one) for one in header.replyData)
    content = header.contentData
    answered = Earlier(
        message_uuid=before[0].message_uuid if before else header.messageUUID.lower(),
        reply_uuid=header.messageUUID.lower() if before else None,
        message_id=header.messageID,
        case=content.caseID.caseID if content and content.caseID else None,
        contact_point=header.sender.contactPoint.contactPointID if header.sender.contactPoint else None,
        system=content.caseID.caseSystem if content and content.caseID else None,
    )
    return (*before, answered)


def _earlier(one: words.ReplyData) -> Earlier:
    return Earlier(
        message_uuid=one.messageUUID.lower(),
        reply_uuid=one.replyUUID.lower() if one.replyUUID else None,
        message_id=one.messageID,
        case=one.caseID,
        contact_point=one.contactPointID,
        system=one.generatingSystemID,
    )


class _Nowhere:
    """A sink that keeps nothing: only the header is wanted."""

    def write(self, block: bytes) -> None: ...

    def commit(self) -> Blob:
        return Blob("0" * 64, 0)

    def abort(self) -> None: ...
