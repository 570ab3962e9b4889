"""The REST interface of Digital Post (NgDP): messages out, receipts and contacts in.

Personal numbers stand in the query of ``/contacts/``: that is the interface. Nothing here keeps one.
Facts: reference, digital-post.md, sections 2.1 to 2.5; what answers mean: ``errors``.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, BinaryIO

from gateway.config.settings import Settings
from gateway.digital_post.errors import (
    ALREADY_CODES,
    ASKING,
    CONFIRMING,
    Answer,
    Row,
    Says,
    safe_code,
    unavailable,
    verdict,
)
from gateway.digital_post.receipts import (
    ReceiptUnreadable,
    answer_id,
    parse_json,
    receipt_from,
    status_of,
    uuid_text,
)
from gateway.digital_post.wire import LARGE_ANSWER, SMALL_ANSWER, Heard, Wire
from gateway.errors import DigitalPostAccessDenied, DigitalPostRefused, DigitalPostUnavailable
from gateway.model.identity import Recipient
from gateway.model.shipment import Receipt
from gateway.ports import Clock

_PAGE_SIZE, _PAGES = 500, 20
_LEFT_FOR = timedelta(minutes=1)
"""Receipts listed at once, and pages of them looked through; more wait for the next look."""
_UUIDS = re.compile(rb"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptsWaiting:
    """What lay in the queue of receipts."""

    receipts: tuple[Receipt, ...]
    unreadable: tuple[tuple[str, str], ...] = ()
    """Id and fault of each that could not be read, told once; they stay in the queue, and nothing waits
    for them."""


class NgdpClient:
    """One Digital Post; used from many threads at once."""

    def __init__(self, settings: Settings, token: str, *, clock: Clock) -> None:
        """*token*: the API token of ``settings.digital_post.system_id``.

        Raises:
            ConfigError: certificate, key or CA file is missing or does not fit.
        """
        self._wire = Wire(settings, token)
        self._clock = clock
        self._left_lying: dict[str, datetime] = {}

    def close(self) -> None:
        self._wire.close()

    def send_memo(self, key: str, body: BinaryIO, size_bytes: int) -> Receipt | None:
        """Offer one message.

        Args:
            key: its UUID; the same on every try.
            body: the MeMo, from its beginning; exactly *size_bytes* long.

        Returns:
            The technical receipt; None if they say they have it already from an earlier try.

        Raises:
            DigitalPostUnavailable: no answer, or none that can be understood: they may have it.
            DigitalPostRefused: they said no to this message.
            DigitalPostAccessDenied: they would say no to any message.
            VaultDamaged: *body* is shorter or longer than said.
        """
        heard = self._wire.send("/memos/", {"memo-message-uuid": key}, body, size_bytes)
        answer, found = _understood(heard, key)
        row = verdict(answer)
        if row.then == "permanent":
            raise DigitalPostRefused(remote_code=answer.remote_code or f"HTTP {heard.status}")
        self._stop_or_retry(row, answer)
        if "received" not in answer.says:
            return None
        return receipt_from(
            found, heard.body, source_id=answer_id(found, key), now=self._clock.now()
        )

    def send_container(self, keys: Collection[str], body: BinaryIO, size_bytes: int) -> tuple[Receipt, ...]:
        """Offer a mass container with the messages *keys*.

        Returns:
            The container's one technical receipt, for each message.

        Raises:
            DigitalPostUnavailable: no answer, or none that can be understood: they may have it.
            DigitalPostRefused: they did not take the container; nothing is said about any one message.
            DigitalPostAccessDenied, VaultDamaged: as ``send_memo``.
        """
        heard = self._wire.send("/memos/", {}, body, size_bytes, media_type="application/x-lzma")
        answer, found = _understood(heard, "")
        row = verdict(answer)
        if row.then == "permanent":
            raise DigitalPostRefused(remote_code=answer.remote_code or f"HTTP {heard.status}")
        self._stop_or_retry(row, answer)
        transmission = uuid_text(found.get("transmissionId")) if isinstance(found, dict) else None
        if transmission is None:
            raise _unreadable()
        try:
            return tuple(
                receipt_from(
                    {**found, "messageUUID": key}, heard.body, source_id=f"{transmission}/{key}", now=self._clock.now()
                )
                for key in keys
            )
        except ReceiptUnreadable:
            raise _unreadable() from None

    def receipts(self, limit: int) -> ReceiptsWaiting:
        """Receipts waiting, at most *limit*, without removing them.

        Asked for one by one and not through ``/receipts-bulk/``: only there is it documented that
        asking does not delete (``delete=false``); and so the exact bytes are kept as evidence.
        Breaks off early, with what was got, when a later call fails. One that cannot be read is left
        for a minute: it may be the answer that was garbled and not the receipt, and it must not keep
        the others waiting.

        Raises DigitalPostUnavailable, DigitalPostAccessDenied if nothing was got.
        """
        found: list[Receipt] = []
        unreadable: list[tuple[str, str]] = []
        for source_id in self._receipt_ids(limit):
            try:
                receipt = self._receipt(source_id)
            except ReceiptUnreadable as fault:
                unreadable.append((source_id, str(fault)))
                self._left_lying[source_id] = self._clock.now() + _LEFT_FOR
            except (DigitalPostUnavailable, DigitalPostAccessDenied):
                if not (found or unreadable):
                    raise
                break
            else:
                found += [receipt] if receipt else []
        return ReceiptsWaiting(receipts=tuple(found), unreadable=tuple(unreadable))

    def confirm_receipt(self, source_id: str) -> None:
        """Remove a receipt we have stored. No error if it is gone already.

        Raises DigitalPostUnavailable, DigitalPostAccessDenied.
        """
        if uuid_text(source_id) is None:
            return  # came with an answer, waits in no queue
        heard = self._wire.ask("DELETE", f"/receipts/{source_id}", {})
        answer = Answer(status=heard.status, retry_after=heard.retry_after)
        self._stop_or_retry(verdict(answer, CONFIRMING), answer)

    def contacts(self, recipient: Recipient) -> list[Any]:
        """The contacts of a number, as they came; empty if they know none.

        Raises DigitalPostUnavailable, DigitalPostAccessDenied.
        """
        name = "cprNumber" if recipient.kind == "cpr" else "cvrNumber"
        found = self._ask("/contacts/", {name: recipient.reveal()}, SMALL_ANSWER)
        contacts = found.get("contacts")
        if not isinstance(contacts, list):
            raise _unreadable()
        return contacts

    # ── receipts, one by one ────────────────────────────────────────────────

    def _receipt_ids(self, limit: int) -> list[str]:
        """Ids of receipts waiting, without those that could not be read a moment ago."""
        ids: list[str] = []
        now = self._clock.now()
        self._left_lying = {each: until for each, until in self._left_lying.items() if until > now}
        for page in range(_PAGES):
            query = {"page": str(page), "size": str(min(limit, _PAGE_SIZE))}
            found = self._ask("/receipts/", query, LARGE_ANSWER)
            listed, pages = found.get("content"), found.get("totalPages")
            if not isinstance(listed, list):
                raise _unreadable()
            waiting = filter(None, map(uuid_text, listed))
            ids += [each for each in waiting if each not in self._left_lying]
            if len(ids) >= limit or not isinstance(pages, int) or page + 1 >= pages:
                break
        return ids[:limit]

    def _receipt(self, source_id: str) -> Receipt | None:
        """One receipt; None if it is gone. Raises ReceiptUnreadable."""
        heard = self._wire.ask("GET", f"/receipts/{source_id}", {"delete": "false"})
        if heard.status in (404, 410):
            return None
        answer = Answer(status=heard.status, retry_after=heard.retry_after)
        self._stop_or_retry(verdict(answer, ASKING), answer)
        return receipt_from(
            parse_json(heard.body), heard.body, source_id=source_id, now=self._clock.now()
        )

    # ── calls ───────────────────────────────────────────────────────────────

    def _ask(self, path: str, query: dict[str, str], largest: int) -> dict[str, Any]:
        heard = self._wire.ask("GET", path, query, largest=largest)
        answer = Answer(status=heard.status, retry_after=heard.retry_after)
        self._stop_or_retry(verdict(answer, ASKING), answer)
        try:
            found = parse_json(heard.body)
        except ReceiptUnreadable:
            raise _unreadable() from None
        if not isinstance(found, dict):
            raise _unreadable()
        return found

    def _stop_or_retry(self, row: Row, answer: Answer) -> None:
        if row.then == "stop":
            raise DigitalPostAccessDenied(status=answer.status)
        if row.then == "retry":
            raise unavailable(answer, self._clock.now())


def _understood(heard: Heard, key: str) -> tuple[Answer, Any]:
    """The answer to an offered message, in the words of the table, and its JSON if it has one.

    Args:
        key: its UUID; empty: a container was offered, and the answer is about its transmission.
    """
    try:
        found = parse_json(heard.body)
    except ReceiptUnreadable:
        found = None
    fields = found if isinstance(found, dict) else {}
    code = fields.get("errorCode") or fields.get("code")
    says: set[Says] = set()
    if isinstance(code, str) and code:
        says.add("already there" if ALREADY_CODES.search(code) else "an error code")
    if not _about(heard, fields, key, already="already there" in says):
        says.add("another message")
    status = status_of(fields)
    if status in ("RECEIVED", "COMPLETED") and uuid_text(fields.get("messageUUID" if key else "transmissionId")):
        says.add("received")
    if status in ("INVALID", "NOT_ALLOWED"):
        says.add("refused")
    answer = Answer(
        status=heard.status,
        says=frozenset(says),
        remote_code=safe_code(code) or (status if "refused" in says else None),
        retry_after=heard.retry_after,
    )
    return answer, found


def _about(heard: Heard, fields: dict[str, Any], key: str, *, already: bool) -> bool:
    """Whether an answer speaks of our message: it names our UUID, or none.

    A receipt names its message in one field. An "already there" may name it anywhere; other errors
    may quote the UUID of something else, such as a contact point.
    """
    if not key:
        return True
    named = uuid_text(fields.get("messageUUID"))
    if named is not None:
        return named == key.lower()
    if not already and heard.status != 409:
        return True
    quoted = {found.decode().lower() for found in _UUIDS.findall(heard.body[:65536])}
    return not quoted or key.lower() in quoted


def _unreadable() -> DigitalPostUnavailable:
    return DigitalPostUnavailable(reason="svaret kan ikke læses")
