"""From a notice to the bytes of a mail: text and HTML."""

from __future__ import annotations

from email.message import EmailMessage
from email.utils import format_datetime
from hashlib import sha256
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from gateway.model.notice import Notice
from gateway.notices.headers import MESSAGE_ID, POLICY, address
from gateway.notices.rule_words import rule_page
from gateway.notices.words import Page, page
from gateway.notices.written import clean
from gateway.ports import Clock


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
        self._sender = address(sender)
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
        mail = EmailMessage(policy=POLICY)
        mail["From"] = f"{self._organisation} – Digital Post <{self._sender}>"
        mail["To"] = address(notice.to)
        mail["Subject"] = says.subject
        mail["Date"] = format_datetime(self._clock.now())
        mail["Message-ID"] = f"<{self.message_id(notice)}>"
        if MESSAGE_ID.fullmatch(notice.in_reply_to):
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
