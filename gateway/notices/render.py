"""From a notice to the bytes of a mail: headers that say only what we mean, text and HTML.

The headers that hold something from outside are written by ``_Exact`` and not by Python's own
folding: that reads encoded words inside a value (CVE-2024-6923 made them new headers before
Python 3.11.10), and breaks long Message-IDs (security.md, S7).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.headerregistry import BaseHeader, HeaderRegistry
from email.message import EmailMessage
from email.policy import SMTP, Policy
from email.utils import format_datetime
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from gateway.errors import MailNotSendable
from gateway.model.notice import ADDRESS_FORM, Notice
from gateway.notices.rule_words import rule_page
from gateway.notices.words import Page, page
from gateway.notices.written import clean
from gateway.ports import Clock

_MESSAGE_ID = re.compile(r"[!-;=?A-~]{1,400}@[!-;=?A-~]{1,400}", re.ASCII)
_PLAIN = re.compile(r"[ -~]*", re.ASCII)
# RFC 2047, section 2: a line with an encoded word has at most 76 characters, "Subject: " included.
_WORD_LENGTH = 52


class NoticeRenderer:
    """Composes notices; the same notice gives the same Message-ID on every try.

    Args:
        organisation_name: who the mail is from, as a person reads it.
        sender: From address; a mailbox that nothing is taken in from.
        domain: right-hand side of our Message-IDs.
        loop_id: of this installation; mail that carries it in X-Loop came from us (F35).
        clock: for the Date header.
    """

    def __init__(
        self, organisation_name: str, sender: str, domain: str, loop_id: str, *, clock: Clock
    ) -> None:
        self._organisation = clean(organisation_name)
        self._sender = _address(sender)
        self._domain = domain
        self._loop_id = loop_id
        self._clock = clock
        self._templates = Environment(
            loader=PackageLoader("gateway.notices"),
            undefined=StrictUndefined,
            autoescape=select_autoescape(["html"]),
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )

    def compose(self, notice: Notice) -> bytes:
        """The mail for *notice*: CRLF, 7 bit, no attachments.

        Raises:
            MailNotSendable: if its address has a form we do not write to.
        """
        says = page(notice) if notice.rule is None else rule_page(notice, notice.rule)
        mail = EmailMessage(policy=_POLICY)
        mail["From"] = f"{self._organisation} – Digital Post <{self._sender}>"
        mail["To"] = _address(notice.to)
        mail["Subject"] = says.subject
        mail["Date"] = format_datetime(self._clock.now())
        mail["Message-ID"] = f"<{self.message_id(notice)}>"
        if _MESSAGE_ID.fullmatch(notice.in_reply_to):
            mail["In-Reply-To"] = f"<{notice.in_reply_to}>"
            mail["References"] = f"<{notice.in_reply_to}>"
        # RFC 3834: so that out-of-office replies and other robots do not answer.
        mail["Auto-Submitted"] = "auto-replied" if notice.rule is None else "auto-generated"
        mail["X-Auto-Response-Suppress"] = "All"
        mail["X-Loop"] = self._loop_id
        mail.set_content(self._text("notice.txt", says), cte="quoted-printable")
        mail.add_alternative(
            self._text("notice.html", says), subtype="html", cte="quoted-printable"
        )
        return mail.as_bytes()

    def message_id(self, notice: Notice) -> str:
        """Without brackets; derived, so that a notice sent twice can be seen to be one.

        What it says is part of it: a notice about the same submission after a new try is news, and
        a mail server that drops what it knows by its Message-ID must not drop that.
        """
        said = repr(notice.rule or (notice.kind, notice.letters, notice.refusal)).encode()
        return f"{quote(notice.id, safe='')}.{sha256(said).hexdigest()[:12]}@{self._domain}"

    def _text(self, template: str, says: Page) -> str:
        text = self._templates.get_template(template)
        return text.render(page=says, organisation=self._organisation)


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
    "auto-submitted", "x-auto-response-suppress", "x-loop",
)  # fmt: skip


def _registry() -> HeaderRegistry:
    """Ours for all we write; MIME's own headers stay Python's, which reads them back."""
    registry = HeaderRegistry()
    registry.map_to_type("subject", _Text)
    registry.map_to_type("from", _Named)
    for name in _PLAIN_HEADERS:
        registry.map_to_type(name, _Exact)
    return registry


# 7 bit: the relay need not offer 8BITMIME.
_POLICY = SMTP.clone(header_factory=_registry(), cte_type="7bit")


def _address(text: str) -> str:
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
