"""Receipts of Digital Post: their JSON to our ``Receipt``. Read liberally, never guessed.

``RECEIVED`` is technical: they took the file. ``COMPLETED``, ``INVALID`` and ``NOT_ALLOWED`` are the
business receipt: it lies in the mailbox, or it never will (reference, section 2.2).
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

from gateway.digital_post import simple
from gateway.digital_post.errors import safe_code
from gateway.model.shipment import Receipt, ReceiptKind, Verdict

SOURCE = "digital-post"

# The order of the enum in their OpenAPI document; their own sample code logs it as a number.
_BY_NUMBER = ("NOT_ALLOWED", "INVALID", "RECEIVED", "COMPLETED")
_MEANING: dict[str, tuple[ReceiptKind, Verdict]] = {
    "RECEIVED": ("technical", "received"),
    "COMPLETED": ("business", "completed"),
    "INVALID": ("business", "refused"),
    "NOT_ALLOWED": ("business", "refused"),
}
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


class ReceiptUnreadable(ValueError):
    """Not a receipt; says what is missing, never what stood there."""


def parse_json(octets: bytes) -> Any:
    """The JSON in *octets*.

    Raises:
        ReceiptUnreadable: no JSON, cut JSON, or JSON nested beyond all reason.
    """
    try:
        return json.loads(octets)
    except (ValueError, RecursionError):
        raise ReceiptUnreadable("not JSON") from None


def receipt_from(found: Any, raw: bytes, *, source_id: str, now: datetime) -> Receipt:
    """The receipt in the JSON object *found*.

    Args:
        raw: its bytes, kept as evidence.
        source_id: the id under which it waits for us.
        now: taken for the time of a receipt that tells none.

    Raises:
        ReceiptUnreadable: no object, no usable UUID, or an unknown status.
    """
    if not isinstance(found, dict):
        raise ReceiptUnreadable("not an object")
    key = uuid_text(found.get("messageUUID"))
    if key is None:
        raise ReceiptUnreadable("messageUUID")
    status = status_of(found)
    if status is None:
        raise ReceiptUnreadable("receiptStatus")
    kind, verdict = _MEANING[status]
    return Receipt(
        source=SOURCE,
        source_id=source_id,
        key=key,
        kind=kind,
        verdict=verdict,
        at=_time(found.get("timeStamp")) or now,
        remote_code=(safe_code(found.get("errorCode")) or status) if verdict == "refused" else None,
        raw=raw,
    )


def answer_id(found: dict[str, Any], key: str) -> str:
    """An id for a receipt that came with an answer and waits in no queue.

    Marked as such: were a queue ever to use transmission ids, the business receipt would otherwise
    pass for one we have.
    """
    return f"answer:{uuid_text(found.get('transmissionId')) or key}"


def status_of(found: dict[str, Any]) -> str | None:
    """``receiptStatus``, which may be a word or a number; None if it is neither of the four."""
    status = found.get("receiptStatus")
    if isinstance(status, str) and status.strip().isascii() and status.strip().isdigit():
        status = int(status.strip()[:9])
    if isinstance(status, int) and not isinstance(status, bool):
        return _BY_NUMBER[status] if 0 <= status < len(_BY_NUMBER) else None
    word = status.strip().upper() if isinstance(status, str) else None
    return word if word in _MEANING else None


def uuid_text(value: object) -> str | None:
    """*value* as a UUID in small letters, or None."""
    text = value.strip().lower() if isinstance(value, str) else ""
    return text if _UUID.fullmatch(text) else None


def _time(value: object) -> datetime | None:
    """An ISO time; a number of seconds or milliseconds since 1970, as some JSON libraries write it."""
    try:
        if isinstance(value, str):
            found: datetime = simple.MOMENT.read(value)
            return found
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000 if value > 1e11 else value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None
