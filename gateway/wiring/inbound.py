"""Post to us: mailboxes, who decides, and how it goes on, put together."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from gateway.config import Settings
from gateway.config.load import read_secret
from gateway.config.settings import ImapMailbox as ImapSettings
from gateway.config.settings import Mail, RecipientSystem
from gateway.digital_post.memos import NgdpMemos
from gateway.digital_post.wire import Wire
from gateway.documents.post_mail import PostMail
from gateway.egress.archive_builtin import case_number
from gateway.egress.mail import SmtpMailOut
from gateway.errors import ConfigError, MailNotEncrypted
from gateway.links.app import LinkPages, link_app
from gateway.links.running import LinkServer
from gateway.mailbox.carried import CarriedPost
from gateway.mailbox.digital_post import DigitalPostMailbox
from gateway.mailbox.imap import ImapAccount, ImapMailbox
from gateway.model.danish_time import local
from gateway.model.inbound import Forwardable
from gateway.model.letter import Document
from gateway.model.submission import Blob
from gateway.notices.forwarded import ForwardRenderer, shown_name
from gateway.ports import Clock, Mailbox, MailOut
from gateway.runner import Timed
from gateway.services.collect import Collect
from gateway.services.digest import Digest
from gateway.services.distribute import Distribute
from gateway.services.forward import ForwardArchive, ForwardMail
from gateway.services.listen import Listen
from gateway.services.reload import CurrentRules
from gateway.services.work import Verb
from gateway.storage.store import SqlLedger
from gateway.storage.vault import LocalVault
from gateway.wiring.meaning import loop_id

DIGEST_EVERY = timedelta(minutes=5)
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


def inbound_verbs(around: Around) -> list[Verb]:
    """Who listens, distributes and forwards."""
    settings, ledger = around.settings, around.ledger
    waits = settings.retry.first
    composer = _composer(around)
    out = _Outs(around)
    mails = [
        ForwardMail(
            kind,
            ledger,
            ledger,
            around.vault,
            composer,
            out=out.of,
            fallback=out.own,
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
    collect = _collect(around, [])
    listen = [Listen(collect, box, every=settings.inbound.every) for box in _imap_mailboxes(around)]
    return [distribute, *mails, archive, *listen]


def inbound_timed(around: Around) -> list[Timed]:
    """Who looks into the mailboxes that say nothing by themselves, and for those that are silent altogether."""
    settings = around.settings
    composer = _composer(around)
    digest = Digest(
        around.ledger, around.mail, around.clock, to=settings.inbound.distributors, compose=composer.compose_digest
    )
    told = [Timed("digest", DIGEST_EVERY, digest.look)] if settings.inbound.distributors else []
    systems: list[Mailbox] = [_system(around, system) for system in settings.inbound.systems]
    if not systems and not settings.inbound.imap:
        return told
    collect = _collect(around, systems)
    every = settings.inbound.every
    names = [*(one.name for one in settings.inbound.systems), *(one.name for one in settings.inbound.imap)]
    return [
        *told,
        *([Timed("collect", every, collect.work)] if systems else []),
        Timed("silence", every * SILENCE_EVERY_LOOK, lambda: collect.look_for_silence(names)),
    ]


def _collect(around: Around, mailboxes: Sequence[Mailbox]) -> Collect:
    settings = around.settings
    return Collect(
        around.ledger,
        around.ledger,
        around.vault,
        mailboxes,
        around.clock,
        owner=around.node,
        ttl=settings.lease,
        silent_after=settings.inbound.silent,
    )


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

    folder = settings.inbound.templates
    return ForwardRenderer(
        settings.organisation.name,
        settings.mail.sender,
        settings.smtp.domains[0],
        loop_id(settings),
        clock=around.clock,
        hide_subject=hide_subject,
        page=_page_of(settings) if settings.links.enabled else None,
        overrides=None if folder is None else settings.path(folder),
    )


def _page_of(settings: Settings) -> Callable[[str], str]:
    links = settings.links
    base = links.url.rstrip("/") or f"https://{links.host}:{links.port}"
    return lambda token: f"{base}/l/{token}"


def inbound_links(around: Around) -> LinkServer | None:
    """The pages of links, if there are any. Raises ConfigError when it starts."""
    settings, links = around.settings, around.settings.links
    if not links.enabled:
        return None
    composer, out = _composer(around), _Outs(around).own

    def send_code(item: Forwardable, code: str) -> None:
        if out is None:
            raise MailNotEncrypted(reason='[mail] tls = "none"')
        out.send(composer.compose_code(item, code), to=item.forward.address, sender=None)

    pages = LinkPages(
        around.ledger,
        around.ledger,
        around.vault,
        around.clock,
        organisation=settings.organisation.name,
        send_code=send_code,
        name_of=shown_name,
        lasts=links.lasts,
    )
    own = links.certificate is not None
    return LinkServer(
        link_app(pages),
        host=links.host,
        port=links.port,
        certificate=settings.path(links.certificate if links.certificate is not None else settings.smtp.certificate),
        key=settings.path((links.key if own else None) or settings.smtp.key),
    )


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
