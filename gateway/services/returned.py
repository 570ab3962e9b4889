"""Returned: mails to our own service addresses, which each name one forward by its token.

``retur+TOKEN@`` is the return path of a mail to a department: a report that it failed reopens its message.
``forkert+TOKEN@`` is written to by the department: the message goes back to Indbakke.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from gateway import log
from gateway.documents.addressing import service_of
from gateway.errors import NotAllowedNow, NotFound
from gateway.model.submission import Submission
from gateway.ports import Inbound, NewForward

_LOOKED_AT = 512 * 1024
"""Bytes of a report; what it returns of our mail comes after what it says of it."""
_FAILED = re.compile(rb"^action:[ \t]*failed\b", re.IGNORECASE | re.MULTILINE)
_STATUS = re.compile(rb"^status:[ \t]*([245]\.[0-9]{1,3}\.[0-9]{1,3})", re.IGNORECASE | re.MULTILINE)


class Returned:
    """Acts on them.

    Args:
        distributors: mail addresses of those who are told when a mail comes back.
    """

    def __init__(self, inbound: Inbound, *, domains: Collection[str], distributors: Sequence[str]) -> None:
        self._inbound = inbound
        self._domains = domains
        self._distributors = distributors

    def act(self, submission: Submission, raw: Path) -> str | None:
        """What the mail was, in Danish, for the log; None: it is to an address that means a letter, and is read as one."""
        found = [service_of(address, self._domains) for address in submission.envelope.recipients]
        services = [one for one in found if one is not None and one[0] != "svar"]
        if not services or len(services) < len(found):
            return None
        said = [
            self._bounced(token, raw) if name == "retur" else self._wrong(token, submission) for name, token in services
        ]
        return said[0]

    def _bounced(self, token: str, raw: Path) -> str:
        """RFC 3464: only *failed* means that nobody will get it; a delay, or an out-of-office note, does not."""
        with raw.open("rb") as file:
            report = file.read(_LOOKED_AT)
        if _FAILED.search(report) is None:
            return "svar på en videresendt mail"
        found = _STATUS.search(report)
        status = found[1].decode() if found else "5.0.0"
        text = f"En mail til en afdeling kom retur ({status}). Posten ligger i Indbakke og skal fordeles igen."
        told = [
            NewForward(kind="note", address=address, rule="Mail kom retur", settings=(("text", text),))
            for address in self._distributors
        ]
        message = self._inbound.forward_bounced(token, reason=status, told=told)
        if message is not None:
            log.bounced(message=message, code=status)
        return "retur af en videresendt mail"

    def _wrong(self, token: str, submission: Submission) -> str:
        item = self._inbound.forward_by_token(token)
        if item is not None:
            try:
                actor = f"mail:{submission.envelope.submitter.name}"
                self._inbound.return_inbound(item.message.id, actor=actor, reason="Forkert afdeling")
            except (NotAllowedNow, NotFound):
                pass  # it is there already
        return "post sendt tilbage til fordeling"
