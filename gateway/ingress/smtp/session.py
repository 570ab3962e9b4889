"""Who sends to whom: EHLO, STARTTLS, MAIL, RCPT, RSET, and the small commands."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field

from gateway.ingress.smtp import replies
from gateway.ingress.smtp.connection import Closed
from gateway.ingress.smtp.gate import (
    Admitted,
    Peer,
    admit,
    has_proved,
    plain_address,
    recipient_refused,
)
from gateway.ingress.smtp.incoming import Incoming
from gateway.ingress.smtp.login import Login
from gateway.ingress.smtp.reception import Reception
from gateway.ingress.smtp.replies import Reply

_PATH = re.compile(r"(?P<word>FROM|TO): ?<(?P<address>[^<>]*)>(?: +(?P<parameters>.*))?", re.IGNORECASE)
_SIZE = re.compile(r"[0-9]{1,20}", re.ASCII)


@dataclass(slots=True)
class Transaction:
    """One message being announced."""

    admitted: Admitted
    size_bytes: int | None
    """As declared; None if it was not."""
    recipients: list[str] = field(default_factory=list)
    incoming: Incoming | None = None
    """Under way by BDAT."""


class Session(Login):
    """A connection that may announce messages."""

    def __init__(self, reception: Reception, *, implicit_tls: bool) -> None:
        self.transaction: Transaction | None = None
        super().__init__(reception, implicit_tls=implicit_tls)

    def forget_message(self) -> None:
        transaction, self.transaction = self.transaction, None
        if transaction is not None and transaction.incoming is not None:
            transaction.incoming.discard()

    def _message_under_way(self) -> bool:
        return self.transaction is not None

    def _peer(self) -> Peer:
        return Peer(
            address=self.remote, tls=self.tls_on, fingerprint=self.fingerprint, user=self.user
        )

    def proved(self) -> bool:
        return has_proved(self._peer(), self.reception.settings.smtp)

    async def _greet(self, name: str, *, extended: bool) -> bool:
        if not name:
            await self.refuse(replies.BAD_ARGUMENT)
            return False
        assert self.session is not None
        self.forget_message()
        self.session.host_name = name
        self.session.extended_smtp = extended
        return True

    async def smtp_HELO(self, name: str) -> None:
        if await self._greet(name, extended=False):
            await self.say(Reply(250, "", self.hostname))

    async def smtp_EHLO(self, name: str) -> None:
        if not await self._greet(name, extended=True):
            return
        words = [
            self.hostname,
            "PIPELINING",
            f"SIZE {int(self.limits.message)}",
            "8BITMIME",
            "CHUNKING",
            *(["AUTH PLAIN LOGIN"] if self.tls_on else ["STARTTLS"]),
            "ENHANCEDSTATUSCODES",
        ]
        # One write: scanners and odd clients take the first packet for the whole answer.
        lines = [f"250-{word}\r\n" for word in words[:-1]] + [f"250 {words[-1]}\r\n"]
        self._writer.write("".join(lines).encode("ascii"))
        await self._writer.drain()

    async def smtp_STARTTLS(self, argument: str) -> None:
        if self.tls_on:
            await self.refuse(replies.ALREADY_TLS)
        elif argument:
            await self.refuse(replies.BAD_ARGUMENT)
        else:
            await self.say(replies.READY_FOR_TLS)
            await self.start_tls()

    async def smtp_RSET(self, argument: str) -> None:
        if argument:
            await self.refuse(replies.BAD_ARGUMENT)
            return
        self.forget_message()
        await self.say(replies.OK)

    async def smtp_MAIL(self, argument: str | None) -> None:
        path = _PATH.fullmatch(argument or "")
        assert self.session is not None
        if not self.session.host_name:
            await self.refuse(replies.HELLO_FIRST)
        elif self.transaction is not None:
            await self.refuse(replies.ALREADY_MAIL)
        elif path is None or path["word"].upper() != "FROM":
            await self.refuse(replies.BAD_SENDER if _has_controls(argument) else replies.BAD_ARGUMENT)
        elif (fault := _sender_fault(path["address"])) is not None:
            await self.refuse(fault)
        else:
            await self._announce(path["address"], path["parameters"] or "")

    async def _announce(self, sender: str, parameters: str) -> None:
        size, fault = _mail_parameters(parameters, int(self.limits.message))
        if fault is not None:
            await self.refuse(fault)
            return
        admitted = admit(self._peer(), sender, self.reception.settings.smtp)
        if isinstance(admitted, Reply):
            await self.refuse(admitted.asking(self.reception.settings.organisation.contact))
            return
        if not await self.reception.has_room_for(size or 0):
            await self.refuse(replies.NO_ROOM, code="GW-501")
            return
        self.transaction = Transaction(admitted, size)
        await self.say(replies.SENDER_OK)

    async def smtp_RCPT(self, argument: str | None) -> None:
        path = _PATH.fullmatch(argument or "")
        if self.transaction is None:
            await self.refuse(replies.MAIL_FIRST)
        elif path is None or path["word"].upper() != "TO":
            await self.refuse(replies.BAD_ARGUMENT)
        elif path["parameters"]:
            await self.refuse(replies.UNKNOWN_PARAMETER)
        elif (fault := _recipient_fault(path["address"])) is not None:
            await self.refuse(fault)
        else:
            await self._add_recipient(self.transaction, path["address"])

    async def _add_recipient(self, transaction: Transaction, address: str) -> None:
        if len(transaction.recipients) >= self.limits.recipients:
            # Neither counted nor logged one by one: a client may go on for thousands.
            await self.say(replies.TOO_MANY_RECIPIENTS)
            return
        settings = self.reception.settings
        refused = recipient_refused(address, transaction.admitted, settings, self.reception.flows())
        if refused is not None:
            reply = refused.reply.asking(settings.organisation.contact)
            await self.refuse(reply, code=refused.code)
            return
        transaction.recipients.append(address)
        await self.say(replies.RECIPIENT_OK)

    async def smtp_NOOP(self, argument: str) -> None:
        await self.say(replies.OK)

    async def smtp_HELP(self, argument: str) -> None:
        await self.say(replies.HELP)

    async def smtp_EXPN(self, argument: str) -> None:
        await self.refuse(replies.NO_EXPN)

    async def smtp_VRFY(self, argument: str) -> None:
        await self.say(replies.CANNOT_VERIFY)

    async def smtp_QUIT(self, argument: str) -> None:
        if argument:
            await self.refuse(replies.BAD_ARGUMENT)
            return
        with suppress(ConnectionError):
            await self.say(replies.BYE)
        raise Closed


def _has_controls(text: str | None) -> bool:
    return any(sign < " " or sign == "\x7f" for sign in text or "")


def _sender_fault(address: str) -> Reply | None:
    if not address.isascii():
        return replies.NOT_ASCII
    if address and plain_address(address) is None:
        return replies.BAD_SENDER
    return None


def _recipient_fault(address: str) -> Reply | None:
    """What is wrong with the form; what it means is for the gate."""
    if not address.isascii():
        return replies.NOT_ASCII
    if address.startswith(("@", '"')):
        return replies.ROUTED_ADDRESS
    if not address or "@" not in address or _has_controls(address):
        return replies.BAD_RECIPIENT
    return None


def _mail_parameters(text: str, largest: int) -> tuple[int | None, Reply | None]:
    """The declared size, or what is wrong with the parameters of MAIL."""
    size: int | None = None
    for parameter in text.upper().split():
        name, _, value = parameter.partition("=")
        if name == "SIZE":
            if not _SIZE.fullmatch(value):
                return None, replies.BAD_ARGUMENT
            size = int(value)
        elif name == "BODY":
            if value not in ("7BIT", "8BITMIME"):
                return None, replies.BAD_ARGUMENT
        elif name == "SMTPUTF8":
            return None, replies.NOT_ASCII
        # RFC 4954, section 5: whoever offers AUTH must take AUTH= on MAIL; it proves nothing here.
        elif name != "AUTH":
            return None, replies.UNKNOWN_PARAMETER
    if size is not None and size > largest:
        return None, replies.TOO_LARGE
    return size, None
