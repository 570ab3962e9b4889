"""Post to us: mailboxes, who decides, and how it goes on, put together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.config import Settings
from gateway.config.load import read_secret
from gateway.config.settings import Mail, RecipientSystem
from gateway.digital_post.memos import NgdpMemos
from gateway.digital_post.post import read_post
from gateway.digital_post.wire import Wire
from gateway.egress.mail import SmtpMailOut
from gateway.mailbox.digital_post import DigitalPostMailbox
from gateway.model.danish_time import local
from gateway.model.inbound import Forwardable
from gateway.model.letter import Document
from gateway.model.submission import Blob
from gateway.notices.forwarded import ForwardRenderer
from gateway.ports import Clock, Mailbox, MailOut, Vault
from gateway.runner import Timed
from gateway.services.collect import Collect
from gateway.services.distribute import Distribute
from gateway.services.forward import ForwardArchive, ForwardMail
from gateway.services.reload import CurrentRules
from gateway.services.work import Verb
from gateway.storage.store import SqlLedger
from gateway.wiring.meaning import loop_id

SILENCE_EVERY_LOOK = 10
"""Looks into the mailboxes between two looks for silence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What is there already."""

    settings: Settings
    ledger: SqlLedger
    vault: Vault
    clock: Clock
    rules: CurrentRules
    node: str
    mail: MailOut
    """The organisation's own next hop."""
    text: Callable[[Path, str], str | None]
    """The text of a file, by its media type."""
    closing: list[Callable[[], None]]


def inbound_verbs(around: Around) -> list[Verb]:
    """Who distributes and forwards."""
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
    return [distribute, *mails, archive]


def inbound_timed(around: Around) -> list[Timed]:
    """Who looks into the mailboxes."""
    settings = around.settings
    mailboxes = inbound_mailboxes(around)
    if not mailboxes:
        return []
    collect = Collect(
        around.ledger,
        around.ledger,
        around.vault,
        mailboxes,
        read_post,
        around.clock,
        owner=around.node,
        ttl=settings.lease,
        silent_after=settings.inbound.silent,
    )
    every = settings.inbound.every
    return [
        Timed("collect", every, collect.work),
        Timed("silence", every * SILENCE_EVERY_LOOK, collect.look_for_silence),
    ]


def inbound_mailboxes(around: Around) -> list[Mailbox]:
    """Every mailbox that is set up. Raises ConfigError."""
    return [_system(around, system) for system in around.settings.inbound.systems]


def _system(around: Around, system: RecipientSystem) -> DigitalPostMailbox:
    settings, ours = around.settings, around.settings.digital_post
    own = {"system_id": system.system_id}
    pair = {} if system.certificate is None else {"certificate": system.certificate, "key": system.key or ours.key}
    as_system = settings.model_copy(update={"digital_post": ours.model_copy(update={**own, **pair})})
    memos = NgdpMemos(Wire(as_system, read_secret(settings.path(system.token_file))), clock=around.clock)
    around.closing.append(memos.close)
    return DigitalPostMailbox(system.name, memos)


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
        overrides=None if folder is None else settings.path(folder),
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
        return settings.inbound.case.replace("{year}", str(year)).replace("{department}", item.forward.department or "indbakke")

    return case_of


def _file(vault: Vault, document: Document) -> Path:
    return vault.path(Blob(document.digest, document.size_bytes))
