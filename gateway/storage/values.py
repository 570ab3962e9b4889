"""Rows to values and back; the only place that knows both shapes."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from types import NoneType
from typing import Any

from gateway.errors import GatewayError
from gateway.model.identity import Recipient, mask_numbers, recipient_from
from gateway.model.letter import Document, Earlier, Letter, Options
from gateway.model.notice import Refusal
from gateway.model.shipment import Attempt, Receipt, Shipment
from gateway.model.submission import Arrival, Blob, Envelope, Submission, Submitter

Row = Mapping[Any, Any]
"""A row by column name: ``result.mappings()``."""


def digest_of(*texts: str) -> str:
    """SHA-256 over *texts*, none of which can run into the next."""
    joined = b"".join(
        len(part).to_bytes(8, "big") + part
        for part in (text.encode("utf-8", "surrogatepass") for text in texts)
    )
    return hashlib.sha256(joined).hexdigest()


def reference_key(arrival: Arrival) -> str:
    return digest_of(arrival.envelope.submitter.key(), arrival.reference)


def recipients_digest(arrival: Arrival) -> str:
    """Over the set of recipients: their order is the mail server's business."""
    return digest_of(*sorted(set(arrival.envelope.recipients)))


def twin_key(reference: str, recipient: Recipient) -> str:
    return digest_of(reference, recipient.kind, recipient.reveal(), recipient.p_number or "")


def submission_row(arrival: Arrival) -> dict[str, Any]:
    """All of a new row but its id."""
    envelope = arrival.envelope
    return {
        "state": "received",
        "due_at": envelope.received_at,
        "received_at": envelope.received_at,
        "channel": envelope.channel,
        "submitter_kind": envelope.submitter.kind,
        "submitter_name": envelope.submitter.name,
        "reply_to": envelope.submitter.reply_to,
        "wish": envelope.submitter.wish,
        "system": envelope.submitter.system,
        "recipients": list(envelope.recipients),
        "remote": envelope.remote,
        "automatic": envelope.automatic,
        "reference": arrival.reference,
        "reference_key": reference_key(arrival),
        "recipients_digest": recipients_digest(arrival),
        "identity": arrival.identity,
        "size_bytes": arrival.size_bytes,
        "raw": arrival.raw,
        "digest": arrival.blob.digest if arrival.blob else None,
        "blob_size": arrival.blob.size_bytes if arrival.blob else None,
    }


def submission(row: Row) -> Submission:
    """Without raw bytes where the query left them out."""
    return Submission(
        id=row["id"],
        envelope=Envelope(
            channel=row["channel"],
            submitter=Submitter(
                kind=row["submitter_kind"],
                name=row["submitter_name"],
                reply_to=row["reply_to"],
                wish=row["wish"],
                system=row["system"],
            ),
            recipients=tuple(row["recipients"]),
            remote=row["remote"],
            automatic=row["automatic"],
            received_at=row["received_at"],
        ),
        reference=row["reference"],
        size_bytes=row["size_bytes"],
        raw=row.get("raw"),
        blob=blob(row["digest"], row["blob_size"]),
    )


def blob(digest: str | None, size_bytes: int | None) -> Blob | None:
    return None if digest is None else Blob(digest, size_bytes or 0)


def letter_row(letter: Letter) -> dict[str, Any]:
    """All of a new row but its queue and its twin columns."""
    options = letter.options
    return {
        "id": letter.id,
        "submission_id": letter.submission_id,
        "number": letter.index,
        "recipient_kind": letter.recipient.kind,
        "recipient_number": letter.recipient.reveal(),
        "p_number": letter.recipient.p_number,
        "copy": letter.copy,
        "title": letter.title,
        "documents": [plain(document) for document in letter.documents],
        "options": {
            "case": options.case,
            "plan": options.plan,
            "reply_allowed": options.reply_allowed,
            "deliver_from": _iso(options.deliver_from),
            "reply_by": _iso(options.reply_by),
            **_of_sidecar(options),
            **_of_answer(options),
        },
        "flow": letter.flow,
        "address": letter.address,
    }


def letter(row: Row) -> Letter:
    """With the recipient's digits, which are needed to send."""
    options = row["options"]
    deliver_from, reply_by = options["deliver_from"], options["reply_by"]
    return Letter(
        submission_id=row["submission_id"],
        index=row["number"],
        recipient=recipient(row),
        copy=row["copy"],
        title=row["title"],
        documents=tuple(Document(**document) for document in row["documents"]),
        options=Options(
            case=options["case"],
            plan=options["plan"],
            reply_allowed=options["reply_allowed"],
            deliver_from=date.fromisoformat(deliver_from) if deliver_from else None,
            reply_by=datetime.fromisoformat(reply_by) if reply_by else None,
            **_from_sidecar(options),
            thread=tuple(Earlier(**one) for one in options.get("thread", ())),
            contact_point=options.get("contact_point"),
        ),
        flow=row["flow"],
        address=row["address"],
    )


def _of_sidecar(options: Options) -> dict[str, Any]:
    """What only a sidecar says; left out where it says nothing, as in rows from before there were any."""
    said = {
        "expires": _iso(options.expires),
        "document_type": options.document_type,
        "sender_label": options.sender_label,
        "actions": options.actions,
        "sidecar": options.sidecar or None,
    }
    return {name: value for name, value in said.items() if value is not None}


def _of_answer(options: Options) -> dict[str, Any]:
    """What only an answer to post to us says."""
    if not options.thread:
        return {}
    return {"thread": [plain(one) for one in options.thread], "contact_point": options.contact_point}


def _from_sidecar(options: Mapping[str, Any]) -> dict[str, Any]:
    expires, actions = options.get("expires"), options.get("actions")
    return {
        "expires": datetime.fromisoformat(expires) if expires else None,
        "document_type": options.get("document_type"),
        "sender_label": options.get("sender_label"),
        "actions": tuple(actions) if actions is not None else None,
        "sidecar": tuple((name, value) for name, value in options.get("sidecar", ())),
    }


def recipient(row: Row) -> Recipient:
    return recipient_from(row["recipient_kind"], row["recipient_number"], row["p_number"])


def shipment(row: Row) -> Shipment:
    return Shipment(
        id=row["id"],
        letter_id=row["letter_id"],
        kind=row["kind"],
        part=row["part"],
        destination=row["destination"],
        key=row["key"],
        rendered=blob(row["rendered"], row["rendered_size"]),
        settings=tuple((name, value) for name, value in row["settings"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        tries=row["tries"],
    )


def attempt(row: Row) -> Attempt:
    return Attempt(number=row["number"], at=row["at"], outcome=row["outcome"], code=row["code"])


def receipt(row: Row) -> Receipt:
    """Without raw bytes where the query left them out."""
    return Receipt(
        source=row["source"],
        source_id=row["source_id"],
        key=row["key"],
        kind=row["kind"],
        verdict=row["verdict"],
        at=row["at"],
        remote_code=row["remote_code"],
        raw=row.get("raw", b""),
    )


def refusal_row(refusal: Refusal | None) -> dict[str, str] | None:
    return None if refusal is None else plain(refusal)


def refusal(stored: Mapping[str, str] | None) -> Refusal | None:
    return None if stored is None else Refusal(**stored)


def refusal_of(error: GatewayError) -> Refusal:
    return Refusal(
        code=error.code,
        title=error.title,
        sentence=error.text(),
        remedy=error.action(),
        private=error.private,
    )


def masked_address(address: str) -> str:
    """*address* for a view: numbers in its local part masked, whatever stands around them."""
    local, at, domain = address.rpartition("@")
    return mask_numbers(local) + at + domain if at else mask_numbers(address)


def masked_refusal(stored: Mapping[str, str] | None) -> dict[str, str] | None:
    """A refusal for a view: without what only the submitter may see."""
    if stored is None:
        return None
    return {name: mask_numbers(stored[name]) for name in ("code", "title", "sentence", "remedy")}


def case_of(letter: Row, shipments: Sequence[Row]) -> str | None:
    """The case it is archived in: the archive shipment's, else the one the submitter named."""
    for shipment in shipments:
        for name, value in shipment["settings"]:
            if shipment["kind"] == "archive" and name == "case":
                return str(value)
    named: str | None = letter["options"]["case"]
    return named


def plain(value: Any) -> Any:
    """*value* and the (slotted) dataclasses in it as dictionaries and lists, for a column of ``Json``. As
    ``dataclasses.asdict``, which copies what need not be copied and takes six times as long.
    """
    if isinstance(value, (str, int, NoneType)):
        return value
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    return {name: plain(getattr(value, name)) for name in value.__slots__}


def by(rows: Iterable[Row], name: str) -> defaultdict[Any, list[Row]]:
    """*rows* by their column *name*; what is not there is an empty list."""
    groups: defaultdict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row[name]].append(row)
    return groups


def ids(rows: Iterable[Row]) -> list[str]:
    return [row["id"] for row in rows]


def _iso(when: date | None) -> str | None:
    return None if when is None else when.isoformat()
