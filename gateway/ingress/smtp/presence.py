"""One client's place at the door: how it comes in and is counted, its time, and how it ends.

aiosmtpd gives the protocol class, its command table and its session values. Its timer is replaced,
for it cuts a slow upload after one timeout; so is its end, for it forgets a client that closes its half
early. When all places are taken, those who have proved nothing make room, the longest silent first.
"""

from __future__ import annotations

import asyncio
from math import inf

from aiosmtpd.smtp import SMTP

from gateway import log
from gateway.ingress.smtp import replies
from gateway.ingress.smtp.gate import is_relay
from gateway.ingress.smtp.reception import Reception
from gateway.ingress.smtp.replies import Reply

# Time for the last words to leave before the connection is cut.
_GOODBYE_SECONDS = 5.0


class Presence(SMTP):
    """A connection, from coming in to being gone."""

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
        self._heard = 0.0
        self._making_room = False
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
        refusal = self._refusal()
        if refusal is not None:
            self._turn_away(transport, refusal)
            return
        self._entered = True
        self._heard = self.loop.time()
        self.reception.guard.enter(self.remote)
        self.reception.enter(self)
        self._session_end = self.loop.time() + self.limits.session.total_seconds()
        super().connection_made(transport)

    def _refusal(self) -> Reply | None:
        """Why nobody from there may come in now; None if they may, others having made room.

        A relay of ours hands over the post of many: neither guesses of a password behind its address
        nor a crowd of strangers shut it out.
        """
        guard = self.reception.guard
        trusted = is_relay(self.remote, self.reception.settings.smtp)
        if guard.banned(self.remote, self.loop.time()) and not trusted:
            return replies.BANNED
        if self.reception.closing or guard.crowded(self.remote):
            return replies.BUSY
        if guard.full() and not self.reception.make_room() and not trusted:
            return replies.BUSY
        return None

    def _turn_away(self, transport: asyncio.BaseTransport, refusal: Reply) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        if not self._implicit_tls:
            transport.write(refusal.line())
        log.refused(channel="smtp", code="", reply=refusal.label(), remote=self.remote)
        transport.close()

    def data_received(self, data: bytes) -> None:
        if not self._entered:
            return
        self._heard = self.loop.time()
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

    def proved(self) -> bool:
        """Whether a submitter is proved on this connection."""
        raise NotImplementedError

    def silent_since(self) -> float | None:
        """Clock of the loop, seconds; None for one that keeps its place: proved, or on its way out."""
        return None if self._making_room or self.proved() else self._heard

    def make_room(self) -> None:
        """End at once, for somebody who waits outside."""
        self._making_room = True
        log.refused(channel="smtp", code="", reply=replies.BUSY.label(), remote=self.remote)
        self.hang_up(replies.BUSY)
        # What fits into the socket has left; a place that is needed does not wait for goodbyes.
        self._abort()

    def forget_message(self) -> None:
        """Drop the message under way, if there is one."""
        raise NotImplementedError

    def _set_rset_state(self) -> None:
        """Called by aiosmtpd when a connection begins."""
        self.forget_message()

    def forgive(self) -> None:
        """Counts begin anew: at first, and when a message was taken, for then the client means well."""
        self._commands = self._errors = 0

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
