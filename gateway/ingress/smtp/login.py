"""AUTH PLAIN and LOGIN (RFC 4954, 4616), only under TLS.

A wrong password and an unknown name look the same, in words and in time. Each failure waits longer;
after some of them the address is shut out for a while (a relay's only from logging in). Accounts are
never locked: that would let a stranger lock everybody out.
"""

from __future__ import annotations

import asyncio
import base64
import binascii

from gateway import log
from gateway.ingress.smtp import replies
from gateway.ingress.smtp.connection import LONGER_COMMANDS, Closed, Connection
from gateway.ingress.smtp.reception import Reception
from gateway.ingress.smtp.replies import Reply
from gateway.ingress.smtp.users import User

_ASK_NAME = "VXNlcm5hbWU6"  # "Username:"
_ASK_PASSWORD = "UGFzc3dvcmQ6"  # noqa: S105  "Password:", the question


class _Refused(Exception):
    """The exchange ended early with this reply."""

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self.reply = reply


class Login(Connection):
    """A connection that may prove who it is."""

    def __init__(self, reception: Reception, *, implicit_tls: bool) -> None:
        self.user: User | None = None
        super().__init__(reception, implicit_tls=implicit_tls)

    def _message_under_way(self) -> bool:
        raise NotImplementedError

    async def smtp_AUTH(self, argument: str) -> None:
        words = argument.split()
        mechanism = words[0].upper() if words else ""
        if not self.tls_on:
            await self.refuse(replies.LOGIN_NEEDS_TLS)
        elif self.session is None or not self.session.extended_smtp:
            await self.refuse(replies.HELLO_FIRST)
        elif self.user is not None:
            await self.refuse(replies.ALREADY_LOGGED_IN)
        elif self._message_under_way():
            await self.refuse(replies.ALREADY_MAIL)
        elif not 1 <= len(words) <= 2:
            await self.refuse(replies.BAD_ARGUMENT)
        elif mechanism not in ("PLAIN", "LOGIN"):
            await self.refuse(replies.UNKNOWN_MECHANISM)
        else:
            await self._log_in(mechanism, words[1] if len(words) == 2 else None)

    async def _log_in(self, mechanism: str, initial: str | None) -> None:
        self._stop_if_banned()
        try:
            ask = self._plain if mechanism == "PLAIN" else self._login
            name, password = await ask(initial)
        except _Refused as early:
            await self.refuse(early.reply)
            return
        guard = self.reception.guard
        async with guard.turn(self.remote):
            self._stop_if_banned()
            waits = guard.login_tried(self.remote, self.loop.time())
            user = await self.loop.run_in_executor(
                self.reception.logins, self.reception.users.verify, name, password
            )
            if user is not None:
                guard.login_worked(self.remote)
        if user is None:
            await self._wrong(waits)
            return
        self.user = user
        await self.say(replies.LOGGED_IN)

    def _stop_if_banned(self) -> None:
        """Raises Closed."""
        if self.reception.guard.banned(self.remote, self.loop.time()):
            log.refused(channel="smtp", code="", reply=replies.BANNED.label(), remote=self.remote)
            self.hang_up(replies.BANNED)
            raise Closed

    async def _wrong(self, waits: int) -> None:
        log.login_failed(channel="smtp", remote=self.remote)
        await asyncio.sleep(self.limits.login_delay.total_seconds() * waits)
        await self.refuse(replies.WRONG_LOGIN)

    async def _plain(self, initial: str | None) -> tuple[str, str]:
        """``authzid NUL name NUL password``; who one acts for is not looked at."""
        text = _text(initial) if initial is not None else await self._ask("")
        parts = text.split("\0")
        if len(parts) != 3:
            raise _Refused(replies.BAD_BASE64)
        return parts[1], parts[2]

    async def _login(self, initial: str | None) -> tuple[str, str]:
        name = _text(initial) if initial is not None else await self._ask(_ASK_NAME)
        return name, await self._ask(_ASK_PASSWORD)

    async def _ask(self, question: str) -> str:
        await self.say(replies.challenge(question))
        line = await self.read_line()
        if len(line) > LONGER_COMMANDS[b"AUTH"]:
            raise _Refused(replies.LINE_TOO_LONG)
        answer = line.strip(b"\r\n")
        if answer == b"*":
            raise _Refused(replies.LOGIN_CANCELLED)
        return _text(answer.decode("latin-1"))


def _text(encoded: str) -> str:
    """What *encoded* (base64; ``=`` alone is the empty text) says. Raises _Refused."""
    try:
        return base64.b64decode("" if encoded == "=" else encoded, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise _Refused(replies.BAD_BASE64) from None
