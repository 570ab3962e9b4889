"""The receiving half of the REST interface (NgDP): messages waiting, fetched, answered, removed.

Facts: reference, digital-post.md, section 2.4. Which of answer and removal takes a message off the list is not
known, so we answer first, and remove what is listed all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal
from uuid import uuid4

from gateway.digital_post.errors import ASKING, CONFIRMING, Answer, Row, unavailable, verdict
from gateway.digital_post.receipts import ReceiptUnreadable, parse_json, uuid_text
from gateway.digital_post.wire import SMALL_ANSWER, Heard, Wire
from gateway.errors import DigitalPostAccessDenied, DigitalPostUnavailable
from gateway.ports import Clock

LARGEST_MEMO = 150_000_000
"""Bytes; the largest lawful message has 99.5 MB as sent (reference, section 3)."""
_ANSWERING: tuple[Row, ...] = (
    Row(first=409, last=409, then="taken", why="conflict: they have our receipt from an earlier try"),
    Row(first=422, last=422, then="taken", why="it is not for a receipt any more; if it is still listed, it is removed"),
    *CONFIRMING,
)
"""Answers to our receipt."""


class NgdpMemos:
    """Messages to one recipient system. Used from one thread at a time."""

    def __init__(self, wire: Wire, *, clock: Clock) -> None:
        self._wire = wire
        self._clock = clock

    def close(self) -> None:
        self._wire.close()

    def waiting(self, limit: int) -> list[str]:
        """Ids of the first page, at most *limit*. Always the first: while messages leave it, pages shift.

        Raises DigitalPostUnavailable, DigitalPostAccessDenied.
        """
        heard = self._wire.ask("GET", "/memos/", {"page": "0", "size": str(limit)}, largest=SMALL_ANSWER)
        self._judge(heard, ASKING)
        try:
            found: Any = parse_json(heard.body)
        except ReceiptUnreadable:
            found = None
        listed = found.get("content") if isinstance(found, dict) else None
        if not isinstance(listed, list):
            raise DigitalPostUnavailable(reason="svaret kan ikke læses")
        return list(dict.fromkeys(filter(None, map(uuid_text, listed))))[:limit]

    def fetch(self, source_id: str, into: Callable[[bytes], object]) -> bool:
        """The message, as it is, into *into*; False: it is gone.

        Raises DigitalPostUnavailable (some of it may be in *into*), DigitalPostAccessDenied.
        """
        heard = self._wire.fetch(f"/memos/{source_id}", into, largest=LARGEST_MEMO)
        if heard.status in (404, 410):
            return False
        self._judge(heard, ASKING)
        return True

    def answer(self, source_id: str, status: Literal["COMPLETED", "INVALID"], code: str | None) -> None:
        """Our business receipt. No error if they have it, or if the message is gone.

        Raises DigitalPostUnavailable, DigitalPostAccessDenied.
        """
        receipt: dict[str, str] = {
            "transmissionId": str(uuid4()),
            "messageUUID": source_id,
            "receiptStatus": status,
            "timeStamp": self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        if code is not None:
            receipt |= {"errorCode": code, "errorMessage": "The message cannot be read."}
        self._judge(self._wire.post_json(f"/memos/{source_id}/receipt", receipt), _ANSWERING)

    def remove(self, source_id: str) -> None:
        """Take it off the list. No error if it is gone. Raises DigitalPostUnavailable, DigitalPostAccessDenied."""
        self._judge(self._wire.ask("DELETE", f"/memos/{source_id}", {}), _ANSWERING)

    def _judge(self, heard: Heard, table: tuple[Row, ...]) -> None:
        answer = Answer(status=heard.status, retry_after=heard.retry_after)
        row = verdict(answer, table)
        if row.then == "stop":
            raise DigitalPostAccessDenied(status=answer.status)
        if row.then == "retry":
            raise unavailable(answer, self._clock.now())
