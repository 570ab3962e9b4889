"""A MeMo message to us in our own words: what the rules may ask about, and its documents.

Where each routing key stands: reference, digital-post.md, section 5.4. Read leniently: a sender's slip must not
keep a letter from its department; only what is no MeMo at all, or has no document, is answered INVALID.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, BinaryIO

from gateway.digital_post import words
from gateway.digital_post.content import ContentSink
from gateway.digital_post.read import MemoRead, read_memo
from gateway.errors import MemoUnreadable
from gateway.model.inbound import Correspondent, Post
from gateway.model.letter import Document

_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,100}/[A-Za-z0-9!#$&^_.+-]{1,100}", re.ASCII)
# F2 was sent the first day of our era; a date before MeMo itself is none.
_FIRST_YEAR = 2000


def read_post(stream: BinaryIO, *, content_sink: Callable[[], ContentSink]) -> Post:
    """The message in *stream*, its files stored through *content_sink*.

    Raises:
        MemoUnreadable: it is no MeMo that anybody could read.
    """
    return post_of(read_memo(stream, content_sink=content_sink))


def post_of(memo: MemoRead) -> Post:
    """*memo* as the rest of the gateway knows it. Raises MemoUnreadable: a message without any content."""
    header, body = memo.message.messageHeader, memo.message.messageBody
    documents = tuple(_documents(body)) if body else ()
    text = header.notification if not documents else None
    if not documents and not text:
        raise MemoUnreadable(what="intet dokument")
    attention = header.recipient.attentionData or words.AttentionData()
    content = header.contentData or words.ContentData()
    unit = attention.productionUnit or content.productionUnit
    point = header.recipient.contactPoint
    person = attention.attentionPerson
    return Post(
        uuid=header.messageUUID.lower(),
        title=header.label,
        sender=_correspondent(header.sender),
        recipient_cvr=header.recipient.recipientID if header.recipient.idType == "CVR" else None,
        sent_at=_sensible(body.createdDateTime) if body else None,
        documents=documents,
        text=text,
        case=content.caseID.caseID if content.caseID else None,
        p_number=_number(unit.productionUnitNumber, 10) if unit else None,
        contact_point=(point.contactPointID or point.label) if point else None,
        attention_person=(person.label or person.personID) if person else None,
        attention_email=attention.email.emailAddress.strip() if attention.email else None,
        gln=_number(attention.globalLocationNumber.globalLocationNumber, 13) if attention.globalLocationNumber else None,
        rid=attention.eid.eID if attention.eid else None,
        kle=content.kleData.subjectKey if content.kleData else None,
        form=content.formData.taskKey if content.formData else None,
        message_code=header.messageCode,
        reply_allowed=bool(header.reply),
        reply_by=_sensible(header.replyByDateTime) if header.replyByDateTime else None,
        answers=tuple(_answers(header.replyData)),
        forwarded=header.forwardData is not None,
        strays=len(memo.strays),
    )


def _correspondent(sender: words.Sender) -> Correspondent:
    if sender.idType == "CPR":
        digits = sender.senderID.replace("-", "")
        return Correspondent(kind="cpr", number=f"{digits[:6]}-xxxx", name=sender.label)
    return Correspondent(kind="cvr", number=sender.senderID[:16], name=sender.label)


def _documents(body: words.MessageBody) -> Iterator[Document]:
    """The first rendition of the main document is the main one; other renditions and documents go beside it.
    Technical documents are for machines, and stay in the message.
    """
    main, *renditions = body.mainDocument.file
    yield _document(main, "main")
    others = [file for document in body.additionalDocument for file in document.file]
    for file in (*renditions, *others):
        yield _document(file, "attachment")


def _document(file: words.File, role: Any) -> Document:
    kind = file.encodingFormat.strip().lower()
    return Document(
        name=file.filename,
        media_type=kind if _MEDIA_TYPE.fullmatch(kind) else "application/octet-stream",
        digest=file.content.digest,
        size_bytes=file.content.size_bytes,
        role=role,
    )


def _answers(thread: tuple[words.ReplyData, ...]) -> Iterator[str]:
    """Everything the thread names: the message it began with, and what each entry answers."""
    for entry in thread:
        yield entry.messageUUID
        if entry.replyUUID is not None:
            yield entry.replyUUID


def _number(value: object, digits: int) -> str:
    return str(value).strip().rjust(digits, "0")[:32]


def _sensible(when: datetime) -> datetime | None:
    return when if when.year >= _FIRST_YEAR else None
