"""From post to us to the mail a department gets: who wrote, when, for whom, by which rule, and the documents.

Nothing in it can be made by its sender to look like something else: texts are cleaned to one line, names of files
follow the channel's rules, documents are attached and never shown inside the mail (journeys, section 4.3).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import (
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PackageLoader,
    StrictUndefined,
    select_autoescape,
)

from gateway.documents.cpr_text import mask_cpr
from gateway.documents.names import distinct, safe_name
from gateway.documents.reply_text import MARK
from gateway.errors import MailNotEncrypted
from gateway.model.inbound import Forwardable, Post
from gateway.model.letter import Document
from gateway.notices.headers import POLICY, address
from gateway.notices.sealed import sealed
from gateway.notices.written import clean, moment
from gateway.ports import Clock

LONGEST_SUBJECT = 150
"""Characters of the title in a mail's subject; all of it stands in the mail."""
LONGEST_SHOWN = 1000
SUBJECT_TAG = "[Digital Post]"


class ForwardRenderer:
    """Composes the mails to departments; the same forward gives the same Message-ID on every try.

    Args:
        organisation_name: who the mail is from, and to whom the post was, as a person reads it.
        sender: From address.
        domain: right-hand side of our Message-IDs and service addresses.
        loop_id: of this installation, see ``NoticeRenderer``.
        clock: for the Date header.
        hide_subject: asked by department; the title is then only in the mail.
        certificate: asked by department; what its mails are encrypted for (PEM).
        page: the page of a forward's token; None: there are no pages.
        overrides: a folder whose ``forward.txt`` and ``forward.html`` win over ours.
    """

    def __init__(
        self,
        organisation_name: str,
        sender: str,
        domain: str,
        loop_id: str,
        *,
        clock: Clock,
        hide_subject: Callable[[str], bool] = lambda _: False,
        certificate: Callable[[str], str | None] = lambda _: None,
        page: Callable[[str], str] | None = None,
        overrides: Path | None = None,
    ) -> None:
        self._organisation = clean(organisation_name)
        self._sender = address(sender)
        self._domain = domain
        self._loop_id = loop_id
        self._clock = clock
        self._hide_subject = hide_subject
        self._certificate = certificate
        self._page = page
        loaders = [PackageLoader("gateway.notices")]
        self._templates = Environment(
            loader=ChoiceLoader([*([FileSystemLoader(overrides)] if overrides else []), *loaders]),
            undefined=StrictUndefined,
            autoescape=select_autoescape(["html"]),
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )

    @property
    def has_pages(self) -> bool:
        """Whether a link leads anywhere."""
        return self._page is not None

    def return_path(self, item: Forwardable) -> str:
        """Where a bounce of this one mail comes back to (VERP)."""
        return f"retur+{item.forward.token}@{self._domain}"

    def compose(self, item: Forwardable, contents: Callable[[Document], bytes] | None) -> bytes:
        """The mail: CRLF, 7 bit.

        Args:
            contents: the bytes of a document; None: none is attached, the mail says where they are.

        Raises:
            MailNotSendable: its address has a form we do not write to.
            MailNotEncrypted: it should be encrypted for its department, which has no certificate that is valid.
        """
        post = item.message.post
        said = self._said(item, attached=contents is not None)
        mail = self._head(item, self._subject(item, attached=contents is not None))
        mail["Message-ID"] = f"<{self.message_id(item)}>"
        if may_be_answered(item):
            mail["Reply-To"] = f"svar+{item.forward.token}@{self._domain}"
        self._write(mail, "forward", said)
        if contents is not None:
            taken: set[str] = set()
            for document in post.documents:
                main, _, sub = document.media_type.partition("/")
                name = distinct(shown_name(document), taken)
                mail.add_attachment(contents(document), maintype=main, subtype=sub, filename=name, cte="base64")
        if item.forward.mode == "smime" and contents is not None:
            return self._sealed(item, mail.as_bytes())
        return mail.as_bytes()

    def compose_note(self, item: Forwardable) -> bytes:
        """A mail that a rule wants written: that it matched, never the post itself. Raises MailNotSendable."""
        mail = self._head(item, f"{SUBJECT_TAG} {clean(item.forward.rule)}")
        mail["Message-ID"] = f"<{self.message_id(item)}>"
        text = clean(dict(item.forward.settings).get("text", ""))
        self._write(mail, "note", {**self._common(item), "text": text})
        return mail.as_bytes()

    def compose_code(self, item: Forwardable, code: str) -> bytes:
        """The code that opens the page of a forward, to its address. Raises MailNotSendable."""
        mail = self._plain_head(item.forward.address, "Kode til Digital Post")
        mail["Message-ID"] = f"<kode.{secrets.token_hex(12)}@{self._domain}>"
        self._write(mail, "code", {"code": code, "organisation": self._organisation})
        return mail.as_bytes()

    def compose_digest(self, to: str, count: int, oldest: datetime, day: str) -> bytes:
        """How much lies in Indbakke, to one of those who distribute. Raises MailNotSendable."""
        mail = self._plain_head(to, f"{SUBJECT_TAG} {count} {'brev' if count == 1 else 'breve'} mangler fordeling")
        mail["Message-ID"] = f"<indbakke.{day}.{sha256(to.encode()).hexdigest()[:12]}@{self._domain}>"
        self._write(mail, "digest", {"count": count, "oldest": moment(oldest), "organisation": self._organisation})
        return mail.as_bytes()

    def message_id(self, item: Forwardable) -> str:
        """Without brackets; derived, so that a mail sent twice can be seen to be one."""
        number = item.forward.id.rpartition(".")[2]
        return f"{item.message.post.uuid or item.message.id}.{number}@{self._domain}"

    def _sealed(self, item: Forwardable, mail: bytes) -> bytes:
        certificate = self._certificate(item.forward.department)
        if certificate is None:
            raise MailNotEncrypted(reason="afdelingen har intet certifikat")
        return sealed(mail, certificate, self._clock.now())

    # ── parts ───────────────────────────────────────────────────────────────

    def _head(self, item: Forwardable, subject: str) -> EmailMessage:
        post = item.message.post
        mail = self._plain_head(item.forward.address, subject)
        mail["Sensitivity"] = "Company-Confidential"
        mail["X-DigitalPost-Message-Id"] = post.uuid or item.message.id
        if post.sender.kind == "cvr" and post.sender.number.isascii() and post.sender.number.isalnum():
            mail["X-DigitalPost-From-CVR"] = post.sender.number
        return mail

    def _plain_head(self, to: str, subject: str) -> EmailMessage:
        mail = EmailMessage(policy=POLICY)
        mail["From"] = f"Digital Post – {self._organisation} <{self._sender}>"
        mail["To"] = address(to)
        mail["Subject"] = subject
        mail["Date"] = format_datetime(self._clock.now())
        # RFC 3834: so that out-of-office replies and other robots do not answer.
        mail["Auto-Submitted"] = "auto-generated"
        mail["X-Auto-Response-Suppress"] = "All"
        mail["X-Loop"] = self._loop_id
        return mail

    def _subject(self, item: Forwardable, *, attached: bool) -> str:
        post = item.message.post
        if not attached or item.forward.mode == "smime" or self._hide_subject(item.forward.department):
            return f"Ny Digital Post fra {_cut(_who(post))}"
        return f"{SUBJECT_TAG} {_cut(_title(post))}"

    def _common(self, item: Forwardable) -> dict[str, Any]:
        return {
            "organisation": self._organisation,
            "id": item.message.id,
            "rule": clean(item.forward.rule),
            "received": moment(item.message.received_at),
        }

    def _said(self, item: Forwardable, *, attached: bool) -> dict[str, Any]:
        """What the templates may use; see docs/reference/inbound.md."""
        post, token = item.message.post, item.forward.token
        shown = [
            {"name": shown_name(one), "main": one.role == "main", "size": size(one.size_bytes)} for one in post.documents
        ]
        return {
            **self._common(item),
            "attached": attached,
            "title": _title(post) if attached else "",
            "sender": _who(post),
            "sender_cvr": _spaced(post.sender.number) if post.sender.kind == "cvr" else "",
            "to_cvr": _spaced(post.recipient_cvr or ""),
            "attention": clean(post.attention_person or "")[:LONGEST_SHOWN],
            "deadline": moment(post.reply_by) if post.reply_by else "",
            "documents": shown if attached else [],
            "text": clean(post.text or "")[:LONGEST_SHOWN] if attached else "",
            "reply_allowed": post.reply_allowed and post.uuid is not None,
            "reply_here": may_be_answered(item),
            "reply_mark": MARK,
            "page": self._page(token) if self._page is not None else "",
            "wrong": f"forkert+{token}@{self._domain}",
        }

    def _write(self, mail: EmailMessage, template: str, said: dict[str, Any]) -> None:
        mail.set_content(self._templates.get_template(f"{template}.txt").render(said), cte="quoted-printable")
        html = self._templates.get_template(f"{template}.html").render(said)
        mail.add_alternative(html, subtype="html", cte="quoted-printable")


def may_be_answered(item: Forwardable) -> bool:
    """Whether an answer by mail can go back as Digital Post; its deadline is asked when it comes."""
    return item.message.post.reply_allowed and item.message.channel == "digital-post"


def shown_name(document: Document) -> str:
    """A document's name in a mail: safe on every disk, numbers masked."""
    return safe_name(mask_cpr(clean(document.name)))


def size(size_bytes: int) -> str:
    """``42 kB``, ``1,3 MB``."""
    if size_bytes < 1_000_000:
        return f"{max(1, round(size_bytes / 1000))} kB"
    return f"{size_bytes / 1_000_000:.1f} MB".replace(".", ",")


def _title(post: Post) -> str:
    return mask_cpr(clean(post.title))[:LONGEST_SHOWN] or "(uden titel)"


def _who(post: Post) -> str:
    return mask_cpr(clean(post.sender.name))[:LONGEST_SHOWN] or "en afsender uden navn"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_SUBJECT else f"{text[: LONGEST_SUBJECT - 1]}…"


def _spaced(cvr: str) -> str:
    """``12 34 56 74``."""
    plain = clean(cvr)
    return " ".join(plain[at : at + 2] for at in range(0, 8, 2)) if len(plain) == 8 and plain.isdigit() else plain
