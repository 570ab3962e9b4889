"""The words of one session: lines in, replies out, TLS, and a fault of ours that stays inside.

aiosmtpd's loop over commands is replaced: it answers a fault of ours with 500 and the exception's
text, quotes commands and never limits errors.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from contextlib import suppress

from gateway import log
from gateway.ingress.smtp import replies
from gateway.ingress.smtp.presence import Presence
from gateway.ingress.smtp.reception import fingerprint
from gateway.ingress.smtp.replies import Reply

# Commands end in CR LF; the longest ones by name (RFC 5321, section 4.5.3.1.4; SIZE and BODY add
# to MAIL by RFC 1870 and 6152; RFC 4954 lets AUTH be long).
COMMAND_BYTES = 512
LONGER_COMMANDS = {b"MAIL": 576, b"AUTH": 4096}
# Not mail at all: closed without a word, so that nobody learns what to say next.
_OTHER_PROTOCOL = re.compile(
    rb"(?:GET|POST|HEAD|PUT|DELETE|OPTIONS|CONNECT|TRACE|PATCH|PRI) |SSH-|PROXY ", re.IGNORECASE
)
_HANDSHAKE_SECONDS = 15.0
# A peer that is gone, or whose TLS is none: the ordinary end of a session.
_PEER_ENDED = (ConnectionError, ssl.SSLError)


class Closed(Exception):
    """The session is over; nothing more to say."""


class Connection(Presence):
    """One client, from greeting to goodbye."""

    # ── words ───────────────────────────────────────────────────────────────

    async def say(self, reply: Reply) -> None:
        """Send one reply; the client has its time to take it."""
        self._writer.write(reply.line())
        self._reset_timeout()
        await self._writer.drain()

    async def refuse(self, reply: Reply, *, code: str = "") -> None:
        """Send a refusal, log its digits and count it.

        Args:
            code: GW code, if the refusal has one.
        """
        log.refused(channel="smtp", code=code, reply=reply.label(), remote=self.remote)
        await self.say(reply)
        if reply.code >= 500:
            self._errors += 1
            if self._errors >= self.limits.errors:
                self.hang_up(replies.TOO_MANY_ERRORS)
                raise Closed

    async def read_line(self) -> bytes:
        """The next line without its CR LF.

        Raises:
            Closed: the client is gone, or the line does not end within the buffer.
        """
        self._idle = b"\n" not in self._reader._buffer  # type: ignore[attr-defined] # noqa: SLF001
        self._reset_timeout()
        try:
            line = await self._reader.readuntil(b"\n")
        except asyncio.IncompleteReadError:
            raise Closed from None
        except asyncio.LimitOverrunError:
            self.hang_up(replies.LINE_TOO_LONG)
            raise Closed from None
        finally:
            self._idle = False
        self.our_turn()
        return line

    async def _handle_client(self) -> None:
        """From greeting to goodbye; the outermost line of this way in."""
        try:
            if self._implicit_tls:
                await self.start_tls()
            await self.say(Reply(220, "", f"{self.hostname} ESMTP"))
            while True:
                await self._one_command()
        except (Closed, *_PEER_ENDED, TimeoutError):
            pass
        except Exception as error:  # noqa: BLE001  outermost line of an ingress (STYLE.md, section 6)
            log.bug(where="smtp session", error=error)
            self.hang_up(Reply(421, "4.3.0", replies.TRY_LATER.text))
        finally:
            self.forget_message()
            self._writer.close()

    async def _one_command(self) -> None:
        line = await self.read_line()
        if self.reception.closing:
            self.hang_up(replies.CLOSING)
            raise Closed
        name, _, argument = line[:-2].partition(b" ")
        name = name.upper()
        if _OTHER_PROTOCOL.match(line):
            raise Closed
        if len(line) > LONGER_COMMANDS.get(name, COMMAND_BYTES):
            await self.refuse(replies.LINE_TOO_LONG)
            return
        if not line.endswith(b"\r\n") or b"\r" in line[:-2]:
            await self.refuse(replies.BAD_LINE)
            return
        # RCPT has a limit of its own, and a mailing may try many.
        self._commands += name != b"RCPT"
        if self._commands > self.limits.commands:
            self.hang_up(replies.TOO_MANY_COMMANDS)
            raise Closed
        await self._obey(name, argument)

    async def _obey(self, name: bytes, argument: bytes) -> None:
        method = self._smtp_methods.get(name.decode("latin-1"))
        if method is None:
            await self.refuse(replies.UNKNOWN_COMMAND)
            return
        try:
            await method(argument.strip(b" ").decode("latin-1"))
        except (Closed, *_PEER_ENDED):
            raise
        except Exception as error:  # noqa: BLE001  a bug of ours is temporary to the outside
            log.bug(where="smtp command", error=error)
            self.forget_message()
            await self.say(replies.TRY_LATER)

    # ── TLS ─────────────────────────────────────────────────────────────────

    async def start_tls(self) -> None:
        """Go on under TLS (RFC 3207): what was said before counts for nothing after."""
        # Commands that came in the clear behind STARTTLS are thrown away, not run under TLS
        # (CVE-2011-0411 and its descendants). Nothing is awaited between here and the switch.
        buffer: bytearray = self._reader._buffer  # type: ignore[attr-defined] # noqa: SLF001
        buffer.clear()
        self._in_handshake = True
        assert isinstance(self.transport, asyncio.Transport)
        self._reset_timeout(_HANDSHAKE_SECONDS)
        encrypted = await self._shake_hands(self.transport)
        # asyncio has no public way to put a stream on another transport in Python 3.11.
        self.transport = encrypted
        self._reader._transport = encrypted  # type: ignore[attr-defined] # noqa: SLF001
        self._writer._transport = encrypted  # type: ignore[attr-defined] # noqa: SLF001
        self.tls_on, self._in_handshake = True, False
        tls: ssl.SSLObject = encrypted.get_extra_info("ssl_object")
        self.fingerprint = fingerprint(tls.getpeercert(binary_form=True))
        self.session = self._create_session()
        self.forget_message()

    async def _shake_hands(self, plain: asyncio.Transport) -> asyncio.Transport:
        """The transport under TLS. Raises Closed: there will be none, which is the peer's affair."""
        encrypted: asyncio.Transport | None = None
        with suppress(OSError):
            encrypted = await self.loop.start_tls(
                plain,
                self,
                self.reception.tls,
                server_side=True,
                ssl_handshake_timeout=_HANDSHAKE_SECONDS,
            )
        if encrypted is None or plain.is_closing():
            plain.abort()
            # Python 3.11 does not tell a protocol that its connection was lost inside the handshake:
            # its place would stay taken for ever. Telling it twice does no harm.
            self.loop.call_soon(self.connection_lost, None)
            raise Closed
        return encrypted
