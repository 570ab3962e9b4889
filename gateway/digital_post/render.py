"""A letter as a MeMo message: which of our words becomes which of theirs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime

from gateway.config.settings import Flow, Organisation
from gateway.digital_post import words
from gateway.model.identity import Recipient
from gateway.model.letter import COPY_PREFIX, Document, Earlier, Letter
from gateway.model.submission import Blob

# Who keeps the case; a reader of the message sees it beside the case number.
CASE_SYSTEM = "digitalpost-gateway"
_LANGUAGE = "da"
LONGEST_TITLE = 256
"""Characters of a label (MeMo schema)."""


def message_of(
    letter: Letter,
    *,
    key: str,
    created_at: datetime,
    organisation: Organisation,
    flow: Flow,
    changes: Mapping[str, str] | None = None,
) -> words.Message:
    """*letter* as the state wants it.

    Args:
        key: UUID version 4 of the message; the shipment's.
        created_at: the shipment's time and not the clock's, so that rendering again gives the same bytes.
        flow: says whether the recipient may answer, and as whom we write, unless the letter does.
        changes: what a rule set, above letter and flow (``gateway.rules.acts.SET_KEYS``).

    ``mandatory`` (post to the exempt) and ``legalNotification`` are never set: both take a right of
    the organisation that this gateway does not ask for (reference, section 1.5).
    """
    return words.Message(
        messageHeader=_header(letter, key, organisation, flow, changes or {}),
        messageBody=words.MessageBody(
            createdDateTime=created_at.astimezone(UTC),
            mainDocument=words.MainDocument(file=(_file(letter.main),)),
            additionalDocument=tuple(
                words.AdditionalDocument(file=(_file(document),)) for document in letter.attachments
            ),
        ),
    )


def _header(
    letter: Letter, key: str, organisation: Organisation, flow: Flow, changes: Mapping[str, str]
) -> words.MessageHeader:
    options = letter.options
    reply = flow.reply_allowed if options.reply_allowed is None else options.reply_allowed
    if "reply_allowed" in changes:
        reply = changes["reply_allowed"] == "true"
    day = date.fromisoformat(changes["send_date"]) if "send_date" in changes else options.deliver_from
    case = options.case
    return words.MessageHeader(
        messageType="DIGITALPOST",
        messageUUID=key,
        messageID=letter.id,
        label=_title(letter, changes),
        reply=True if reply else None,
        replyByDateTime=options.reply_by.astimezone(UTC) if reply and options.reply_by else None,
        doNotDeliverUntilDate=day,
        mandatory=False,
        legalNotification=False,
        sender=words.Sender(
            senderID=organisation.cvr,
            idType="CVR",
            label=changes.get("sender_label") or options.sender_label or flow.sender_label or organisation.name,
        ),
        recipient=_recipient(letter.recipient, options.contact_point),
        contentData=words.ContentData(caseID=words.CaseID(caseID=case, caseSystem=CASE_SYSTEM))
        if case
        else None,
        replyData=tuple(_reply_data(one) for one in options.thread),
    )


def _reply_data(earlier: Earlier) -> words.ReplyData:
    return words.ReplyData(
        messageID=earlier.message_id,
        messageUUID=earlier.message_uuid,
        replyUUID=earlier.reply_uuid,
        caseID=earlier.case,
        contactPointID=earlier.contact_point,
        generatingSystemID=earlier.system,
    )


def _title(letter: Letter, changes: Mapping[str, str]) -> str:
    """With or without what marks a copy, as a rule says, if one does."""
    bare = letter.title.removeprefix(COPY_PREFIX) if "copy" in changes else letter.title
    return f"{COPY_PREFIX}{bare}"[:LONGEST_TITLE] if changes.get("copy") == "true" else bare


def _recipient(recipient: Recipient, contact_point: str | None) -> words.Recipient:
    unit = recipient.p_number
    return words.Recipient(
        recipientID=recipient.reveal(),
        idType=recipient.kind.upper(),
        attentionData=words.AttentionData(
            productionUnit=words.ProductionUnit(productionUnitNumber=int(unit))
        )
        if unit
        else None,
        contactPoint=words.ContactPoint(contactPointID=contact_point) if contact_point else None,
    )


def _file(document: Document) -> words.File:
    return words.File(
        encodingFormat=document.media_type,
        filename=document.name,
        language=_LANGUAGE,
        content=Blob(document.digest, document.size_bytes),
    )
