"""Who can be reached, asked of Digital Post itself.

A failed look-up is ``unavailable`` and never ``unknown``: letters have been posted on paper for less
(reference, section 2.5).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from gateway.digital_post.client import NgdpClient
from gateway.errors import GatewayError
from gateway.model.decision import Reach
from gateway.model.identity import Recipient

REMEMBERED_FOR = timedelta(minutes=5)
"""Long enough for a batch to one company, short enough for a person who signs up meanwhile."""
REMEMBERED = 10_000

_REACH: dict[object, Reach] = {
    "REGISTERED": "registered",
    "EXEMPT": "exempt",
    "CLOSED": "closed",
    "UNKNOWN": "unknown",
}


class DigitalPostDirectory:
    """Implements ``ports.Directory``. Safe between threads."""

    def __init__(
        self, client: NgdpClient, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """*monotonic*: seconds that never run backwards."""
        self._client, self._monotonic = client, monotonic
        # Numbers are remembered under a secret of this process, so that a memory dump lists none.
        self._secret = secrets.token_bytes(32)
        self._known: OrderedDict[bytes, tuple[float, Reach]] = OrderedDict()
        self._lock = threading.Lock()

    def reach(self, recipient: Recipient) -> Reach:
        name = hmac.digest(
            self._secret, f"{recipient.kind}:{recipient.reveal()}".encode(), hashlib.sha256
        )
        with self._lock:
            until, known = self._known.get(name, (0.0, "unavailable"))
        if self._monotonic() < until:
            return known
        found = self._ask(recipient)
        if found != "unavailable":
            self._remember(name, found)
        return found

    def _ask(self, recipient: Recipient) -> Reach:
        try:
            return reach_in(self._client.contacts(recipient), recipient)
        except GatewayError:
            return "unavailable"

    def _remember(self, name: bytes, found: Reach) -> None:
        with self._lock:
            self._known[name] = (self._monotonic() + REMEMBERED_FOR.total_seconds(), found)
            self._known.move_to_end(name)
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)


def reach_in(contacts: list[Any], recipient: Recipient) -> Reach:
    """What the *contacts* of a look-up say of *recipient*.

    An empty list, or a contact without a mailbox, is ``unknown``. Contacts of somebody else, contacts
    that disagree, or words we do not know are ``unavailable``: then we have not been answered.
    """
    if not contacts:
        return "unknown"
    field = "cprNumber" if recipient.kind == "cpr" else "cvrNumber"
    ours = [
        contact
        for contact in contacts
        if isinstance(contact, dict) and contact.get(field) == recipient.reveal()
    ]
    found = {_reach_of(contact) for contact in ours}
    return found.pop() if len(found) == 1 else "unavailable"


def _reach_of(contact: dict[str, Any]) -> Reach:
    mailbox = contact.get("mailboxSubscription")
    if mailbox is None:
        return "unknown"
    status = mailbox.get("publicRegistrationStatus") if isinstance(mailbox, dict) else None
    return _REACH.get(status, "unavailable") if isinstance(status, str) else "unavailable"
