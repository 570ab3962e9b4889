"""DATA and BDAT: the bytes of a message, and the yes that is said only when they are safe.

The yes comes after the intake has answered; from the last byte on the work goes on even if the
client is gone, so that its next try finds the first one done.
"""

from __future__ import annotations

import asyncio
import re

from gateway import log, rehearsal
from gateway.errors import DiskFull, GatewayError, TooMuchInFlight
from gateway.ingress.smtp import replies
from gateway.ingress.smtp.connection import Closed
from gateway.ingress.smtp.decoder import DataDecoder
from gateway.ingress.smtp.header import from_address, goes_in_a_circle, message_id
from gateway.ingress.smtp.incoming import Incoming
from gateway.ingress.smtp.replies import Reply
from gateway.ingress.smtp.session import Session, Transaction
from gateway.model.submission import Accepted, Arrival, Envelope

READ_BYTES = 256 * 1024
# Nobody is slow in the first seconds (security reference, SMTP-13).
GRACE_SECONDS = 30.0

_CHUNK = re.compile(r"(?P<size>[0-9]{1,12})(?P<last> +LAST)?", re.ASCII | re.IGNORECASE)


class Pace:
    """Whether a client sends fast enough; times in seconds of the loop's clock."""

    __slots__ = ("_bytes", "_slowest", "_started")

    def __init__(self, started: float, slowest: int) -> None:
        self._started = started
        self._slowest = slowest
        self._bytes = 0

    def too_slow(self, size_bytes: int, now: float) -> bool:
        """Count a block that came at *now*."""
        self._bytes += size_bytes
        passed = now - self._started
        return passed > GRACE_SECONDS and self._bytes < self._slowest * passed


class Transfer(Session):
    """A session that may hand messages over: the whole server side of one connection."""

    async def smtp_DATA(self, argument: str) -> None:
        transaction = self.transaction
        if argument:
            await self.refuse(replies.BAD_ARGUMENT)
        elif transaction is None:
            await self.refuse(replies.MAIL_FIRST)
        elif not transaction.recipients:
            await self.refuse(replies.RECIPIENT_FIRST)
        elif transaction.incoming is not None:
            await self.refuse(replies.ALREADY_MAIL)
        elif (incoming := Incoming.begin(self.reception)) is None:
            await self.refuse(replies.NO_ROOM, code=TooMuchInFlight.code)
        else:
            transaction.incoming = incoming
            await self.say(replies.GO_ON)
            await self._read_data(incoming)
            await self._finish(transaction, incoming)

    async def _read_data(self, incoming: Incoming) -> None:
        decoder = DataDecoder()
        pace = self._pace()
        ended = False
        while not ended:
            content, ended, rest = decoder.feed(await self._read_block(READ_BYTES, pace))
            await incoming.add(content)
        if rest:
            # Pipelined commands behind the end; asyncio has no public way to give bytes back.
            self._reader._buffer[:0] = rest  # type: ignore[attr-defined] # noqa: SLF001

    async def smtp_BDAT(self, argument: str) -> None:
        """RFC 3030. The chunk is read in any case: it stands on the wire, wanted or not."""
        chunk = _CHUNK.fullmatch(argument)
        if chunk is None:
            # How much follows is unknown, so nothing that follows can be understood.
            self.hang_up(replies.BAD_ARGUMENT)
            raise Closed
        transaction = self.transaction
        incoming: Incoming | None = None
        busy = False
        if transaction is not None and transaction.recipients:
            if transaction.incoming is None:
                transaction.incoming = Incoming.begin(self.reception)
                busy = transaction.incoming is None
            incoming = transaction.incoming
        await self._read_chunk(int(chunk["size"]), incoming)
        if busy:
            await self._drop(replies.NO_ROOM, TooMuchInFlight.code)
        elif transaction is None:
            await self.refuse(replies.MAIL_FIRST)
        elif incoming is None:
            await self.refuse(replies.RECIPIENT_FIRST)
        elif incoming.refusal is not None:
            await self._drop(incoming.refusal, incoming.code)
        elif chunk["last"]:
            await self._finish(transaction, incoming)
        else:
            await self.say(replies.CHUNK_OK)

    async def _read_chunk(self, size_bytes: int, incoming: Incoming | None) -> None:
        pace = self._pace()
        left = size_bytes
        while left:
            block = await self._read_block(min(left, READ_BYTES), pace)
            left -= len(block)
            if incoming is not None:
                await incoming.add(block)

    def _pace(self) -> Pace:
        return Pace(self.loop.time(), int(self.limits.slowest))

    async def _read_block(self, most: int, pace: Pace) -> bytes:
        """Some bytes; the clock begins anew with each block. Raises Closed."""
        self._reset_timeout(self.limits.data_timeout.total_seconds())
        block = await self._reader.read(most)
        if not block:
            self.forget_message()
            raise Closed
        if pace.too_slow(len(block), self.loop.time()):
            self.hang_up(replies.TOO_SLOW)
            raise Closed
        self.our_turn()
        return block

    # ── the answer ──────────────────────────────────────────────────────────

    async def _finish(self, transaction: Transaction, incoming: Incoming) -> None:
        # From here on the message belongs to the work below, not to the session.
        transaction.incoming = None
        self.forget_message()
        work = self.reception.spawn(self._take(transaction, incoming))
        reply, code = await asyncio.shield(work)
        if reply.code >= 400:
            await self.refuse(reply, code=code)
        else:
            self.forgive()
            await self.say(reply)

    async def _drop(self, reply: Reply, code: str) -> None:
        self.forget_message()
        await self.refuse(reply, code=code)

    async def _take(self, transaction: Transaction, incoming: Incoming) -> tuple[Reply, str]:
        """Judge, store and hand over; never raises. The reply, and its GW code if it has one."""
        try:
            await incoming.close()
            refusal = incoming.refusal or self._refusal_of(transaction, incoming)
            if refusal is not None:
                return refusal, incoming.code
            return _answer(await self._hand_over(transaction, incoming)), ""
        except (DiskFull, TooMuchInFlight) as error:
            return replies.NO_ROOM, error.code
        except GatewayError as error:
            return replies.TRY_LATER, error.code
        except Exception as error:  # noqa: BLE001  a bug of ours is temporary to the outside
            log.bug(where="smtp take", error=error)
            return replies.TRY_LATER, ""
        finally:
            # What is stored stays stored; this gives the memory back.
            incoming.discard()

    def _refusal_of(self, transaction: Transaction, incoming: Incoming) -> Reply | None:
        """What the header says against the message."""
        assert incoming.header is not None
        settings = self.reception.settings
        if goes_in_a_circle(
            incoming.header, hops=settings.read.received, loop_id=self.reception.loop_id
        ):
            return replies.LOOP
        if transaction.admitted.sender:
            author = from_address(incoming.header)
            if author is None or not transaction.admitted.may_speak_for(author):
                return replies.FROM_NOT_ALLOWED.asking(settings.organisation.contact)
        return None

    async def _hand_over(self, transaction: Transaction, incoming: Incoming) -> Accepted:
        raw, blob = await incoming.store()
        rehearsal.at("accept.bytes")
        assert incoming.header is not None
        identity = incoming.identity()
        arrival = Arrival(
            envelope=Envelope(
                channel="smtp",
                submitter=transaction.admitted.submitter,
                recipients=tuple(transaction.recipients),
                remote=self.remote,
                automatic=not transaction.admitted.sender,
                received_at=self.reception.now(),
            ),
            reference=message_id(incoming.header) or f"sha256:{identity}",
            identity=identity,
            size_bytes=incoming.size_bytes,
            raw=raw,
            blob=blob,
        )
        return await self.reception.intake.accept(arrival)


def _answer(accepted: Accepted) -> Reply:
    match accepted.outcome:
        case "new":
            return replies.taken(accepted.submission_id)
        case "duplicate":
            return replies.already_taken(accepted.submission_id)
        case "conflict":
            return replies.conflict(accepted.submission_id)
