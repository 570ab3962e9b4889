"""The wire of one session: lines in, replies out, time, TLS, and the end of it.

aiosmtpd gives the protocol class, its command table and its session values. Its loop over commands
is replaced: it answers a fault of ours with 500 and the exception's text, quotes commands, never
limits errors, cuts a slow upload after one timeout and forgets a client that closes its half early.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from math import inf

from aiosmtpd.smtp import SMTP

from gateway import log
from gateway.ingress.smtp import replies
from gateway.ingress.smtp.reception import Reception, fingerprint
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
# Time for the last words to leave before the connection is cut.
_GOODBYE_SECONDS = 5.0


class Closed(Exception):
    """The session is over; nothing more to say."""


class Connection(SMTP):
    """One client, from greeting to goodbye."""

    # Limit of the reader's buffer; a longer command is cut off without waiting for its end.
    line_length_limit = 64 * 1024

    def __init__(self, reception: Reception, *, implicit_tls: bool) -> None:
        smtp = reception.settings.smtp
        self.reception = reception
        self.limits = smtp.limits
        self.remote = ""
        self.fingerprint: str | None = None
        self.tls_on = False
        self._implicit_tls = implicit_tls
        self._entered = False
        self._first_bytes = True
        self._idle = False
        self._in_handshake = implicit_tls
        self._deadline = inf
        self._session_end = inf
        self.forgive()
        super().__init__(
            None,
            hostname=smtp.hostname,
            timeout=self.limits.command_timeout.total_seconds(),
            tls_context=reception.tls,
            loop=asyncio.get_running_loop(),
        )

    # ── beginning and end ───────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")
        self.remote = str(peer[0]) if peer else ""
        guard = self.reception.guard
        if guard.banned(self.remote, self.loop.time()):
            self._turn_away(transport, replies.BANNED)
            return
        if self.reception.closing or not guard.enter(self.remote):
            self._turn_away(transport, replies.BUSY)
            return
        self._entered = True
        self.reception.enter(self)
        self._session_end = self.loop.time() + self.limits.session.total_seconds()
        super().connection_made(transport)

    def _turn_away(self, transport: asyncio.BaseTransport, refusal: Reply) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        if not self._implicit_tls:
            transport.write(refusal.line())
        log.refused(channel="smtp", code="", reply=refusal.label(), remote=self.remote)
        transport.close()

    def data_received(self, data: bytes) -> None:
        if not self._entered:
            return
        if self._first_bytes and not self._implicit_tls and not data[:1].isalpha():
            # A TLS ClientHello on the plain port, or noise: no line end may ever come.
            self._abort()
            return
        self._first_bytes = False
        super().data_received(data)

    def eof_received(self) -> bool:
        """A client may close its half after the last dot and still read our answer (RFC 9293)."""
        if self._entered:
            self._reader.feed_eof()
        return self._entered and not self.tls_on

    def connection_lost(self, error: Exception | None) -> None:
        if not self._entered:
            return
        self._entered = False
        self.reception.guard.leave(self.remote)
        self.reception.leave(self)
        super().connection_lost(error)

    def _abort(self) -> None:
        if self.transport is not None:
            assert isinstance(self.transport, asyncio.WriteTransport)
            self.transport.abort()

    def hang_up(self, last_words: Reply) -> None:
        """Say *last_words* and close; cut if they do not leave in time."""
        if self._in_handshake:
            self._abort()
        if self.transport is None or self._in_handshake:
            return
        self._writer.write(last_words.line())
        self._writer.close()
        self.loop.call_later(_GOODBYE_SECONDS, self._abort)

    def close_if_idle(self) -> None:
        """When the server goes down: goodbye to whoever has nothing under way."""
        if self._idle:
            self.hang_up(replies.CLOSING)

    # ── time ────────────────────────────────────────────────────────────────

    def _reset_timeout(self, duration: float | None = None) -> None:
        """Give the client *duration* seconds from now; one timer, moved only when it must ring earlier."""
        self._deadline = self.loop.time() + (duration or self._timeout_duration)
        rings = min(self._deadline, self._session_end)
        if self._timeout_handle is None or rings < self._timeout_handle.when():
            self._ring_at(rings)

    def _ring_at(self, when: float) -> None:
        if self._timeout_handle is not None:
            self._timeout_handle.cancel()
        self._timeout_handle = self.loop.call_at(when, self._timeout_cb)

    def our_turn(self) -> None:
        """We are at work; the client owes us nothing meanwhile."""
        self._deadline = inf

    def _timeout_cb(self) -> None:
        rings = min(self._deadline, self._session_end)
        if self._deadline == inf:
            # We are at work: look again later, and never cut a client that waits for our answer.
            self._ring_at(self.loop.time() + self._timeout_duration)
        elif self.loop.time() < rings:
            self._ring_at(rings)
        else:
            self.hang_up(replies.TOO_SLOW)

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

    def forget_message(self) -> None:
        """Drop the message under way, if there is one."""
        raise NotImplementedError

    def _set_rset_state(self) -> None:
        """Called by aiosmtpd when a connection begins."""
        self.forget_message()

    def forgive(self) -> None:
        """Counts begin anew: at first, and when a message was taken, for then the client means well."""
        self._commands = self._errors = 0

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
        except (Closed, ConnectionError, ssl.SSLError, TimeoutError):
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
        except (Closed, ConnectionError):
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
        encrypted = await self.loop.start_tls(
            self.transport,
            self,
            self.reception.tls,
            server_side=True,
            ssl_handshake_timeout=_HANDSHAKE_SECONDS,
        )
        assert encrypted is not None
        # asyncio has no public way to put a stream on another transport in Python 3.11.
        self.transport = encrypted
        self._reader._transport = encrypted  # type: ignore[attr-defined] # noqa: SLF001
        self._writer._transport = encrypted  # type: ignore[attr-defined] # noqa: SLF001
        self.tls_on, self._in_handshake = True, False
        tls: ssl.SSLObject = encrypted.get_extra_info("ssl_object")
        self.fingerprint = fingerprint(tls.getpeercert(binary_form=True))
        self.session = self._create_session()
        self.forget_message()
