"""What an answer of Digital Post means for a letter: one table for answers, one for silence.

``taken``      they have it; wait for the business receipt
``retry``      nobody knows, or they said later: the same UUID and the same bytes again
``permanent``  they said no to this letter
``stop``       they would say no to every letter: pause and alarm

Facts: reference, digital-post.md, sections 2.2 and 2.7. What an answer to a repeated UUID looks like is
not documented; ``ALREADY_CODES`` holds the forms we count as such.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

import httpx2

from gateway.errors import DigitalPostAccessDenied, DigitalPostUnavailable, RemoteError
from gateway.model.identity import CPR_IN_TEXT

Then = Literal["taken", "retry", "permanent", "stop"]
Says = Literal["anything", "another message", "already there", "an error code", "received", "refused"]

# At most an hour, whatever they ask for (security.md, API-01).
LONGEST_RETRY_AFTER = 3600.0
_SAFE_CODE = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,99}", re.ASCII)

# A message must be what is there already: "recipient.not.exists" or "duplicate.filename" is a refusal.
ALREADY_CODES = re.compile(
    r"(memo|message)[a-z.]*(already|duplicate|exists)|(already|duplicate)[a-z.]*(memo|message)",
    re.IGNORECASE,
)
"""Error codes that mean "we have this message" (form not documented; reference, section 2.2)."""

REMOTE_CODES: dict[str, Then] = {
    "memo.invalid": "permanent",
    "contact.point.id.format.not.allowed": "permanent",
    "do.not.deliver.until.date.too.early": "permanent",
    "do.not.deliver.until.date.too.late": "permanent",
    "empty.notification.not.allowed": "permanent",
    "file.empty.not.allowed": "permanent",
    "file.extension.not.allowed": "permanent",
}
"""Codes seen so far (reference, section 2.7). A code not listed is permanent too: a person looks at it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row: the first that fits an answer decides."""

    first: int
    last: int
    """Statuses from *first* to *last*."""
    says: Says = "anything"
    then: Then
    why: str


OFFERING: tuple[Row, ...] = (
    Row(first=200, last=499, says="another message", then="retry",
        why="the answer names another UUID than ours; whatever it says, it does not say it of our letter"),
    Row(first=409, last=409, then="taken", why="conflict: they have our UUID from an earlier try"),
    Row(first=400, last=499, says="already there", then="taken", why="the same, said with a code"),
    Row(first=401, last=401, then="stop", why="token or certificate: every letter fails alike"),
    Row(first=403, last=403, then="stop", why="address range or rights: every letter fails alike"),
    Row(first=400, last=400, then="permanent", why="the message is wrong"),
    Row(first=404, last=404, says="an error code", then="permanent", why="what the message names does not exist"),
    Row(first=404, last=404, then="retry", why="a page of somebody in between, or a wrong base_url"),
    Row(first=413, last=413, then="permanent", why="too large"),
    Row(first=422, last=422, then="permanent", why="the message breaks a rule"),
    Row(first=400, last=499, then="retry", why="408, 425, 429: later; the rest is not known to be about the letter"),
    Row(first=500, last=599, then="retry", why="they are ill"),
    Row(first=200, last=201, says="received", then="taken", why="technical receipt"),
    Row(first=200, last=201, says="refused", then="permanent", why="receipt INVALID or NOT_ALLOWED"),
    Row(first=200, last=299, then="retry", why="HTML, cut or unknown JSON: they may have it, ask again"),
    Row(first=300, last=399, then="retry", why="redirects are never followed: a letter goes where it is meant to"),
    Row(first=0, last=999, then="retry", why="unknown is temporary"),
)  # fmt: skip
"""Answers to a letter offered."""

ASKING: tuple[Row, ...] = (
    Row(first=200, last=200, then="taken", why="an answer; whether it can be read is seen later"),
    Row(first=401, last=401, then="stop", why="token or certificate"),
    Row(first=403, last=403, then="stop", why="address range or rights"),
    Row(first=0, last=999, then="retry", why="a failed question says nothing about what was asked"),
)
"""Answers to a question: receipts waiting, contacts."""

CONFIRMING: tuple[Row, ...] = (
    Row(first=200, last=299, then="taken", why="gone now"),
    Row(first=404, last=404, then="taken", why="gone already: an earlier answer was lost"),
    Row(first=410, last=410, then="taken", why="gone already"),
    *ASKING[1:],
)
"""Answers to the removal of a receipt we have stored."""

SILENCE: tuple[tuple[type[Exception], str], ...] = (
    (httpx2.ConnectTimeout, "forbindelsen tog for lang tid"),
    (httpx2.ConnectError, "ingen forbindelse"),
    (httpx2.PoolTimeout, "for mange samtidige kald"),
    (httpx2.TimeoutException, "intet svar i tide"),
    (httpx2.RemoteProtocolError, "svaret blev afbrudt"),
    (httpx2.NetworkError, "forbindelsen blev afbrudt"),
    (httpx2.TransportError, "fejl på forbindelsen"),
)
"""No answer: always ``retry``, but for the two faults of certificates in ``silence``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, as far as the tables ask."""

    status: int
    says: frozenset[Says] = frozenset()
    remote_code: str | None = None
    """Safe to show; see ``safe_code``."""
    retry_after: str | None = None
    """The header as it came."""


def verdict(answer: Answer, table: tuple[Row, ...] = OFFERING) -> Row:
    """The row of *table* that decides about *answer*."""
    return next(
        row
        for row in table
        if row.first <= answer.status <= row.last and (row.says == "anything" or row.says in answer.says)
    )


def safe_code(code: object) -> str | None:
    """*code* if it looks like one of theirs, else None: a code is shown, so it may not carry a number."""
    if isinstance(code, str) and _SAFE_CODE.fullmatch(code) and not CPR_IN_TEXT.search(code):
        return code
    return None


def retry_after_seconds(header: str | None, now: datetime) -> float | None:
    """Seconds to wait by a ``Retry-After`` header (RFC 9110, 10.2.3): a number or a date.

    Returns:
        From 0 to 3600; None if the header is missing, unreadable, negative or in the past.
    """
    if header is None:
        return None
    text = header.strip()
    if re.fullmatch(r"[0-9]{1,20}", text, re.ASCII):
        return min(float(text), LONGEST_RETRY_AFTER)
    try:
        until = parsedate_to_datetime(text)
        wait = (until.replace(tzinfo=until.tzinfo or UTC) - now).total_seconds()
    except (ValueError, OverflowError):
        return None
    return min(wait, LONGEST_RETRY_AFTER) if wait > 0 else None


def unavailable(answer: Answer, now: datetime) -> DigitalPostUnavailable:
    """The error of a ``retry`` row."""
    readable = answer.status >= 300 or answer.status < 200
    return DigitalPostUnavailable(
        reason=f"HTTP {answer.status}" if readable else "svaret kan ikke læses",
        retry_after_seconds=retry_after_seconds(answer.retry_after, now),
    )


def silence(error: Exception) -> RemoteError:
    """The error of a call that ended without an answer; its text is never quoted, it may hold the URL."""
    tls = _tls_fault(error)
    if isinstance(tls, ssl.SSLCertVerificationError):
        return DigitalPostUnavailable(reason="serverens certifikat er ikke betroet")
    if tls is not None and re.search("ALERT.*(CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED)", tls.reason or ""):
        return DigitalPostAccessDenied(status="none: TLS alert")
    reason = next((words for kind, words in SILENCE if isinstance(error, kind)), "ukendt fejl")
    return DigitalPostUnavailable(reason=reason)


def _tls_fault(error: BaseException | None) -> ssl.SSLError | None:
    """The TLS library's own error behind *error*, if there is one."""
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error
