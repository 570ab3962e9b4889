"""Post to us: mailboxes, who decides, and how it goes on, put together."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.config import Settings
from gateway.config.load import read_secret
from gateway.config.settings import ImapMailbox as ImapSettings
from gateway.config.settings import Mail, RecipientSystem
from gateway.digital_post.memos import NgdpMemos
from gateway.digital_post.reply import read_reply_to
from gateway.digital_post.wire import Wire
from gateway.documents.post_mail import PostMail
from gateway.egress.archive_builtin import case_number
from gateway.egress.mail import SmtpMailOut
from gateway.errors import ConfigError, MailNotEncrypted
from gateway.mailbox.carried import CarriedPost
from gateway.mailbox.digital_post import DigitalPostMailbox
from gateway.mailbox.imap import ImapAccount, ImapMailbox
from gateway.model.danish_time import local
from gateway.model.inbound import Forwardable
from gateway.model.letter import Document
from gateway.model.submission import Blob
from gateway.notices.forwarded import ForwardRenderer
from gateway.ports import Clock, Mailbox, MailOut
from gateway.runner import Timed
from gateway.services.collect import Collect
from gateway.services.digest import Digest
from gateway.services.distribute import Distribute
from gateway.services.forward import ForwardArchive, ForwardMail
from gateway.services.listen import Listen
from gateway.services.reload import CurrentRules
from gateway.services.remind import Remind
from gateway.services.reply import Replies
from gateway.services.work import Verb
from gateway.storage.store import SqlLedger
from gateway.storage.vault import LocalVault
from gateway.wiring.meaning import loop_id
from gateway.wiring.web import link_server, push_server

if TYPE_CHECKING:
    from gateway.https import WebServer

DIGEST_EVERY = REMIND_EVERY = timedelta(minutes=5)
SILENCE_EVERY_LOOK = 10
"""Looks into the mailboxes between two looks for silence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What is there already."""

    settings: Settings
    ledger: SqlLedger
    vault: LocalVault
    clock: Clock
    rules: CurrentRules
    node: str
    mail: MailOut
    """The organisation's own next hop."""
    text: Callable[[Path, str], str | None]
    """The text of a file, by its media type."""
    post_mail: Callable[[Path, Path], PostMail]
    """Takes a mail apart, in a process of its own."""
    closing: list[Callable[[], None]]


class PostToUs:
    """Everything that post to us needs, made once. Raises ConfigError."""

    def __init__(self, around: Around) -> None:
        self._around = around
        self._composer = _composer(around)
        self._outs = _Outs(around)
        settings = around.settings
        made: list[tuple[bool, Mailbox]] = [(one.push, _system(around, one)) for one in settings.inbound.systems]
        self._systems = [system for push, system in made if not push]
        self._pushed = [system for push, system in made if push]
        self._boxes = _imap_mailboxes(around)
        self._collect = Collect(
            around.ledger,
            around.ledger,
            around.vault,
            self._systems,
            around.clock,
            owner=around.node,
            ttl=settings.lease,
            silent_after=settings.inbound.silent,
        )

    def verbs(self) -> list[Verb]:
        """Who listens, distributes and forwards."""
        around, settings, ledger = self._around, self._around.settings, self._around.ledger
        waits = settings.retry.first
        mails = [
            ForwardMail(
                kind,
                ledger,
                ledger,
                around.vault,
                self._composer,
                out=self._outs.of,
                fallback=self._outs.own,
                note_out=around.mail,
                attach_at_most=int(settings.inbound.attach),
                waits=waits,
            )
            for kind in ("mail", "note")
        ]
        distribute = Distribute(
            ledger,
            ledger,
            around.rules,
            default=settings.inbound.default,
            own_domains=settings.inbound.own_domains,
            waits=waits,
            closed_days=settings.rules.closed_days,
            texts=lambda document: around.text(_file(around.vault, document), document.media_type),
        )
        archive = ForwardArchive(ledger, ledger, ledger, around.vault, case_of=_case_of(settings), waits=waits)
        listen = [Listen(self._collect, box, every=settings.inbound.every) for box in self._boxes]
        return [distribute, *mails, archive, *listen]

    def timed(self) -> list[Timed]:
        """Who looks into the mailboxes that say nothing by themselves, for those that are silent altogether, tells
        those who distribute, and reminds departments.
        """
        around, inbound = self._around, self._around.settings.inbound
        digest = Digest(
            around.ledger, around.mail, around.clock, to=inbound.distributors, compose=self._composer.compose_digest
        )
        remind = Remind(
            around.ledger,
            around.rules,
            around.clock,
            remind=inbound.remind,
            escalate=inbound.escalate,
            distributors=inbound.distributors,
            closed_days=around.settings.rules.closed_days,
        )
        names = [mailbox.name for mailbox in (*self._systems, *self._boxes)]
        silence = Timed("silence", inbound.every * SILENCE_EVERY_LOOK, lambda: self._collect.look_for_silence(names))
        return [
            *([Timed("digest", DIGEST_EVERY, digest.look)] if inbound.distributors else []),
            *([Timed("collect", inbound.every, self._collect.work)] if self._systems else []),
            *([silence] if names else []),
            *([Timed("confirm", inbound.every, lambda: self._collect.confirm(self._pushed))] if self._pushed else []),
            *([Timed("remind", REMIND_EVERY, remind.look)] if around.settings.links.enabled else []),
        ]

    def servers(self) -> dict[str, WebServer]:
        """What listens, by name."""
        around = self._around
        takes = {one.name: partial(self._collect.take, one) for one in self._pushed}
        made = {
            "links": link_server(around.settings, around.ledger, around.vault, around.clock, send_code=self._send_code),
            "push": push_server(around.settings, around.vault, takes),
        }
        return {name: server for name, server in made.items() if server is not None}

    def _send_code(self, item: Forwardable, code: str) -> None:
        out = self._outs.own
        if out is None:
            raise MailNotEncrypted(reason='[mail] tls = "none"')
        out.send(self._composer.compose_code(item, code), to=item.forward.address, sender=None)


def replies(settings: Settings, ledger: SqlLedger, vault: LocalVault) -> Replies:
    """Finds what a mail to ``svar+TOKEN@`` answers."""
    read = partial(read_reply_to, allow_test=settings.allow_test_numbers)
    return Replies(ledger, vault, domains=settings.smtp.domains, read=read)


def _imap_mailboxes(around: Around) -> list[ImapMailbox]:
    """Raises ConfigError: a CA that cannot be read."""
    carried = CarriedPost(around.vault, around.vault.scratch, around.post_mail)
    boxes = [ImapMailbox(_account(around.settings, box), carried.understand) for box in around.settings.inbound.imap]
    around.closing.extend(box.close for box in boxes)
    return boxes


def _account(settings: Settings, box: ImapSettings) -> ImapAccount:
    try:
        tls = ssl.create_default_context(cafile=str(settings.path(box.ca)) if box.ca else None)
    except OSError:
        raise ConfigError(problems="[[inbound.imap]] ca: expected a PEM file of certificates, found none that can be read") from None
    # 1.0 and 1.1 are broken and forbidden: RFC 8996.
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    return ImapAccount(
        name=box.name, host=box.host, port=box.port, starttls=box.tls == "starttls", user=box.user,
        secret=lambda: read_secret(settings.path(box.secret_file)), oauth=box.oauth,
        folder=box.folder, done=box.done, failed=box.failed, tls=tls,
    )  # fmt: skip


def _system(around: Around, system: RecipientSystem) -> DigitalPostMailbox:
    settings, ours = around.settings, around.settings.digital_post
    own = {"system_id": system.system_id}
    pair = {} if system.certificate is None else {"certificate": system.certificate, "key": system.key or ours.key}
    as_system = settings.model_copy(update={"digital_post": ours.model_copy(update={**own, **pair})})
    memos = NgdpMemos(Wire(as_system, read_secret(settings.path(system.token_file))), clock=around.clock)
    around.closing.append(memos.close)
    return DigitalPostMailbox(system.name, memos, around.vault)


def _composer(around: Around) -> ForwardRenderer:
    settings = around.settings

    def hide_subject(department: str) -> bool:
        found = around.rules.departments.get(department)
        return found is not None and found.hide_subject

    def certificate(department: str) -> str | None:
        found = around.rules.departments.get(department)
        return None if found is None else found.certificate

    folder = settings.inbound.templates
    return ForwardRenderer(
        settings.organisation.name,
        settings.mail.sender,
        settings.smtp.domains[0],
        loop_id(settings),
        clock=around.clock,
        hide_subject=hide_subject,
        certificate=certificate,
        page=_page_of(settings) if settings.links.enabled else None,
        overrides=None if folder is None else settings.path(folder),
    )


def _page_of(settings: Settings) -> Callable[[str], str]:
    links = settings.links
    base = links.url.rstrip("/") or f"https://{links.host}:{links.port}"
    return lambda token: f"{base}/l/{token}"


class _Outs:
    """The next hop of each department; None: it does not encrypt."""

    def __init__(self, around: Around) -> None:
        self._around = around
        self._made: dict[str, SmtpMailOut] = {}
        self.own = None if around.settings.mail.tls == "none" else around.mail

    def of(self, department: str) -> MailOut | None:
        found = self._around.rules.departments.get(department)
        if found is None or found.server is None:
            return self.own
        if found.server not in self._made:
            self._made[found.server] = self._direct(found.server)
        return self._made[found.server]

    def _direct(self, server: str) -> SmtpMailOut:
        """Straight to a department's own server: always with TLS, never with our relay's login."""
        settings = self._around.settings
        host, _, port = server.rpartition(":")
        mail = Mail(host=host, port=int(port), tls="starttls", ca=settings.mail.ca, sender=settings.mail.sender)
        out = SmtpMailOut(
            mail, ca=settings.path(mail.ca) if mail.ca else None, password=None, helo=settings.smtp.hostname
        )
        self._around.closing.append(out.close)
        return out


def _case_of(settings: Settings) -> Callable[[Forwardable], str]:
    def case_of(item: Forwardable) -> str:
        year = local(item.message.received_at).year
        usual = settings.inbound.case.replace("{year}", str(year))
        return case_number(dict(item.forward.settings).get("case") or usual)

    return case_of


def _file(vault: LocalVault, document: Document) -> Path:
    return vault.path(Blob(document.digest, document.size_bytes))
