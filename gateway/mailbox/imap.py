"""A mailbox that carries post to us, over IMAP with TLS: fetched raw, moved only after it was committed.

imap-tools for connection, folders, IDLE and moves; bytes by ``UID FETCH BODY.PEEK[]``, which marks nothing as read.
A mail's place is ``UIDVALIDITY.UID`` and may change; what it is, is its content (reference, protocols.md, section 4).
"""

from __future__ import annotations

import imaplib
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from imap_tools import MailBox, MailBoxStartTls
from imap_tools.errors import ImapToolsError

from gateway.errors import MailboxUnavailable
from gateway.model.submission import Blob
from gateway.ports import BlobWriter, Unconfirmed, Understood

LARGEST_MAIL = 150_000_000
"""Bytes; a server that announces more is not read on."""
_BLOCK = 1024 * 1024
_SIZE = re.compile(rb"RFC822\.SIZE (\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImapAccount:
    """Where it is, and who we are there."""

    name: str
    host: str
    port: int
    starttls: bool
    user: str
    secret: Callable[[], str] = field(repr=False)
    """Password or token, asked for at each login."""
    oauth: bool
    folder: str
    done: str
    failed: str
    tls: ssl.SSLContext = field(repr=False)
    timeout: timedelta = timedelta(seconds=30)


class ImapMailbox:
    """See ``ports.Mailbox``. One connection, used by one thread at a time; a new one after any trouble."""

    channel: Literal["digital-post", "imap"] = "imap"

    def __init__(self, account: ImapAccount, understand: Callable[[Blob], list[Understood]]) -> None:
        self.name = account.name
        self._account = account
        self._understand = understand
        self._lock = threading.RLock()
        self._box: MailBox | MailBoxStartTls | None = None
        self._validity = ""
        self._idling = False
        self._found: dict[str, list[Understood]] = {}
        """What lies at a place, of this UIDVALIDITY."""

    # ── ports.Mailbox ───────────────────────────────────────────────────────

    def waiting(self, limit: int) -> list[str]:
        """See ``ports.Mailbox``; places in the folder, the lowest UID first."""
        with self._connected() as box:
            self._select(box)
            uids = sorted(map(int, box.uids("UNDELETED")))
            here = [f"{self._validity}.{uid}" for uid in uids]
            self._found = {place: known for place, known in self._found.items() if place in set(here)}
            return here[:limit]

    def identities(self, source_id: str) -> tuple[str, ...] | None:
        """See ``ports.Mailbox``."""
        known = self._found.get(source_id)
        return None if known is None else tuple(one.identity for one in known)

    def fetch(self, source_id: str, into: BlobWriter) -> bool:
        """See ``ports.Mailbox``."""
        with self._connected() as box:
            uid = self._uid(source_id)
            if uid is None:
                return False
            told = self._answer(box.client.uid("FETCH", uid, "(UID RFC822.SIZE)"))
            size = next((int(found[1]) for line in told if isinstance(line, bytes) and (found := _SIZE.search(line))), None)
            if size is None:
                return False
            if size > LARGEST_MAIL:
                raise MailboxUnavailable(reason="en mail er for stor")
            got = self._answer(box.client.uid("FETCH", uid, "(UID BODY.PEEK[])"))
            content = next((part[1] for part in got if isinstance(part, tuple)), None)
            if content is None:
                return False  # another client took it away
            for at in range(0, len(content), _BLOCK):
                into.write(content[at : at + _BLOCK])
            return True

    def understand(self, source_id: str, raw: Blob) -> list[Understood]:
        """See ``ports.Mailbox``."""
        found = self._understand(raw)
        self._found[source_id] = found
        return found

    def confirm(self, unconfirmed: Unconfirmed) -> None:
        """Move the mail to its folder, if it is still here."""
        place = next(
            (place for place, known in self._found.items() if unconfirmed.source_id in {one.identity for one in known}), None
        )
        if place is not None:
            self.remove(place)

    def remove(self, source_id: str) -> None:
        """See ``ports.Mailbox``: to the folder for what is done, or for what was no post."""
        known = self._found.get(source_id, [])
        ours = all(one.fault is None for one in known)
        with self._connected() as box:
            uid = self._uid(source_id)
            if uid is not None:
                box.move([uid], self._account.done if ours else self._account.failed)
            self._found.pop(source_id, None)

    # ── waiting for news ────────────────────────────────────────────────────

    def news(self, seconds: float) -> bool:
        """Whether something came within that time (RFC 2177, IDLE). Raises MailboxUnavailable."""
        with self._connected(idle=True) as box:
            if not self._idling:
                self._select(box)
                box.idle.start()  # type: ignore[no-untyped-call]
                self._idling = True
            return any(b"EXISTS" in line for line in box.idle.poll(timeout=seconds))

    def close(self) -> None:
        """Hang up."""
        with self._lock:
            self._drop()

    # ── connection ──────────────────────────────────────────────────────────

    @contextmanager
    def _connected(self, *, idle: bool = False) -> Iterator[MailBox | MailBoxStartTls]:
        """The connection, made if there is none; dropped when anything goes wrong on it."""
        with self._lock:
            try:
                box = self._box or self._connect()
                if self._idling and not idle:
                    self._idling = False
                    box.idle.stop()  # type: ignore[no-untyped-call]
                yield box
            except (imaplib.IMAP4.error, ImapToolsError, OSError, ValueError) as error:
                self._drop()
                raise MailboxUnavailable(reason=_reason(error)) from None

    def _connect(self) -> MailBox | MailBoxStartTls:
        account = self._account
        kind: Any = MailBoxStartTls if account.starttls else MailBox
        box: MailBox | MailBoxStartTls = kind(account.host, account.port, timeout=account.timeout.total_seconds(), ssl_context=account.tls)
        # From here on whatever goes wrong hangs up.
        self._box = box
        if account.starttls and not isinstance(box.client.sock, ssl.SSLSocket):
            raise OSError("no TLS")
        _cap(box.client)
        if account.oauth:
            box.xoauth2(account.user, account.secret(), initial_folder=None)
        else:
            box.login(account.user, account.secret(), initial_folder=None)
        # imaplib keeps what was offered before the login; without this a move is a copy and a deletion.
        told: Any = box.client.capability()[1][0]
        box.client.capabilities = tuple(told.decode("ascii", "replace").upper().split())
        for folder in (account.done, account.failed):
            if not box.folder.exists(folder):
                box.folder.create(folder)
        return box

    def _select(self, box: MailBox | MailBoxStartTls) -> None:
        box.folder.set(self._account.folder)
        told: Any = box.client.untagged_responses.get("UIDVALIDITY", [b"0"])[0]
        validity = told.decode("ascii", "replace")
        if validity != self._validity:
            self._found.clear()
            self._validity = validity

    def _uid(self, source_id: str) -> str | None:
        """The UID at a place of this UIDVALIDITY; None for one of another."""
        validity, _, uid = source_id.rpartition(".")
        return uid if validity == self._validity else None

    def _answer(self, answer: tuple[str, list[Any]]) -> list[Any]:
        status, data = answer
        if status != "OK":
            raise imaplib.IMAP4.error("not OK")
        return data

    def _drop(self) -> None:
        box, self._box, self._idling = self._box, None, False
        if box is not None:
            with suppress(Exception):
                box.client.shutdown()


def _cap(client: Any) -> None:
    """Read no literal beyond the largest mail, whatever the server announces (security.md, IMAP-02)."""
    read = client.read

    def capped(size: int) -> bytes:
        if size > LARGEST_MAIL:
            raise imaplib.IMAP4.abort("literal too large")
        found: bytes = read(size)
        return found

    client.read = capped


def _reason(error: Exception) -> str:
    """What to call *error*, without its text: that quotes what the server said."""
    if isinstance(error, ssl.SSLError):
        return "TLS"
    if isinstance(error, imaplib.IMAP4.abort):
        return "forbindelsen blev afbrudt"
    if isinstance(error, TimeoutError):
        return "intet svar i tide"
    if isinstance(error, OSError):
        return "ingen forbindelse"
    return "serveren sagde nej"
