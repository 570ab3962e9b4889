"""Headers of our mails that say only what we mean, however hostile the words in them are.

They are written by ``_Exact`` and not by Python's own folding: that reads encoded words inside a value
(CVE-2024-6923 made them new headers before Python 3.11.10), and breaks long Message-IDs (security.md, S7).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.headerregistry import BaseHeader, HeaderRegistry
from email.policy import SMTP, Policy
from typing import Any

from gateway.errors import MailNotSendable
from gateway.model.notice import ADDRESS_FORM

MESSAGE_ID = re.compile(r"[!-;=?A-~]{1,400}@[!-;=?A-~]{1,400}", re.ASCII)
_PLAIN = re.compile(r"[ -~]*", re.ASCII)
# RFC 2047, section 2: a line with an encoded word has at most 76 characters, "Subject: " included.
_WORD_LENGTH = 52


class _Exact(BaseHeader):
    """A header whose value is written as it stands and never read; may stand once."""

    max_count = 1

    @classmethod
    def parse(cls, value: str, kwds: dict[str, Any]) -> None:
        kwds["parse_tree"] = None
        kwds["decoded"] = value

    def written(self) -> str:
        """The value as it goes out."""
        if not _PLAIN.fullmatch(self):
            raise MailNotSendable(reason="a header has a form that is not allowed")
        return str(self)

    def fold(self, *, policy: Policy) -> str:
        return f"{self.name}: {self.written()}{policy.linesep}"


class _Text(_Exact):
    """Words for a person, in encoded words where they need them."""

    def written(self) -> str:
        return _encoded(self)


class _Named(_Exact):
    """``Name <address>``. The name is always encoded: a comma in it would make two addresses."""

    def written(self) -> str:
        name, _, address = self.rpartition(" ")
        return f"{_words(name)}\r\n {address}"


_PLAIN_HEADERS = (
    "to", "date", "message-id", "in-reply-to", "references",
    "auto-submitted", "x-auto-response-suppress", "x-loop", "reply-to", "sensitivity", "list-id",
    "x-digitalpost-message-id", "x-digitalpost-from-cvr", "x-digitalpost-to-cvr", "x-digitalpost-p-number",
)  # fmt: skip


def _registry() -> HeaderRegistry:
    """Ours for all we write; MIME's own headers stay Python's, which reads them back."""
    registry = HeaderRegistry()
    registry.map_to_type("subject", _Text)
    registry.map_to_type("from", _Named)
    for name in _PLAIN_HEADERS:
        registry.map_to_type(name, _Exact)
    return registry


POLICY = SMTP.clone(header_factory=_registry(), cte_type="7bit")
"""7 bit: the relay need not offer 8BITMIME."""


def address(text: str) -> str:
    """*text* if we write to such an address. Raises MailNotSendable."""
    if not ADDRESS_FORM.fullmatch(text):
        raise MailNotSendable(reason="an address has a form that is not allowed")
    return text


def _encoded(text: str) -> str:
    """*text*, as encoded words if it is not plain ASCII or looks like an encoded word already."""
    return text if _PLAIN.fullmatch(text) and "=?" not in text else _words(text)


def _words(text: str) -> str:
    """*text* as encoded words, one a line (RFC 2047)."""
    return "\r\n ".join(f"=?utf-8?q?{piece}?=" for piece in _pieces(text))


def _pieces(text: str) -> Iterator[str]:
    """Quoted-printable in pieces that break no character: each encoded word is read by itself."""
    piece = ""
    for sign in text:
        # Only what may stand in a name as well (section 5, rule 3).
        plain = sign.isascii() and sign.isalnum()
        more = sign if plain else "".join(f"={byte:02X}" for byte in sign.encode())
        if len(piece) + len(more) > _WORD_LENGTH:
            yield piece
            piece = ""
        piece += "_" if sign == " " else more
    yield piece
