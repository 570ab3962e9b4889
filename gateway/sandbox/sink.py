"""The demo's mail sink: an SMTP server with STARTTLS on loopback that keeps every mail in a Maildir.

Nothing is sent on. Each mail gets ``Return-Path``, one ``Delivered-To`` per receiver and
``X-Sandbox`` before its own first line, as a delivering server writes them.
"""

from __future__ import annotations

import asyncio
import mailbox
import ssl
import threading
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as policy
from pathlib import Path
from weakref import WeakSet

from aiosmtpd.smtp import SMTP, Envelope, Session

from gateway.sandbox.authority import Authority
from gateway.sandbox.running import listen

# As much as the gateway itself takes; a forwarded letter with its files must fit.
# How long a stopping sink waits for its sessions, and `stop` for the thread, seconds.
_GRACE_SECONDS, _END_SECONDS = 5, 30
_LARGEST_BYTES = 150_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningSink:
    """A mail sink that answers; :meth:`stop` ends it and keeps its Maildir."""

    host: str
    port: int
    maildir: Path
    ca: Path
    _loop: asyncio.AbstractEventLoop = field(repr=False)
    _thread: threading.Thread = field(repr=False)

    def mails(self) -> list[EmailMessage]:
        """Every mail so far, the oldest first."""
        files = [*(self.maildir / "new").iterdir(), *(self.maildir / "cur").iterdir()]
        files.sort(key=lambda file: file.stat().st_mtime_ns)
        return [message_from_bytes(file.read_bytes(), policy=policy) for file in files]

    def stop(self) -> None:
        """End it; returns when the port is free."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_END_SECONDS)


def start_sink(
    folder: Path, authority: Authority, *, host: str = "127.0.0.1", port: int = 0
) -> RunningSink:
    """Start the sink of *folder* (made if missing) and wait until it answers.

    Args:
        authority: signs the sink's certificate.
        port: 0 lets the system choose.

    Raises:
        ConfigError: *host* is not loopback, or the port is taken.
    """
    listener = listen(host, port)
    port = listener.getsockname()[1]
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    pair = authority.server_certificate(folder / "sink.crt", folder / "sink.key")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.cert, pair.key)
    maildir = folder / "Maildir"
    keeper = _Keeper(maildir)
    loop = asyncio.new_event_loop()
    sessions: WeakSet[SMTP] = WeakSet()

    def session() -> SMTP:
        made = _protocol(keeper, context, loop)
        sessions.add(made)
        return made

    server = loop.run_until_complete(loop.create_server(session, sock=listener))
    thread = threading.Thread(
        target=_run, args=(loop, server, sessions), name="mail-sink", daemon=True
    )
    thread.start()
    return RunningSink(
        host=host, port=port, maildir=maildir, ca=authority.ca.cert, _loop=loop, _thread=thread
    )


class _Keeper:
    """aiosmtpd's handler."""

    def __init__(self, folder: Path) -> None:
        self._maildir = mailbox.Maildir(folder, create=True)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.original_content
        assert content is not None
        # Maildir.add flushes the file before it is renamed into new/.
        await asyncio.to_thread(
            self._maildir.add, _trace(envelope) + content.replace(b"\r\n", b"\n")
        )
        return "250 2.0.0 SANDBOX: kept, and sent to nobody"


def _trace(envelope: Envelope) -> bytes:
    # aiosmtpd gives the null path as "<>", and any other without its brackets.
    lines = [f"Return-Path: <{(envelope.mail_from or '').strip('<>')}>"]
    lines += [f"Delivered-To: {address}" for address in envelope.rcpt_tos]
    lines += ["X-Sandbox: true"]
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")


def _protocol(keeper: _Keeper, context: ssl.SSLContext, loop: asyncio.AbstractEventLoop) -> SMTP:
    return SMTP(
        keeper,
        hostname="localhost",
        ident="SANDBOX mail sink",
        tls_context=context,
        require_starttls=True,
        enable_SMTPUTF8=True,
        data_size_limit=_LARGEST_BYTES,
        loop=loop,
    )


def _run(loop: asyncio.AbstractEventLoop, server: asyncio.Server, sessions: WeakSet[SMTP]) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        server.close()
        loop.run_until_complete(_end(sessions))
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()


async def _end(sessions: WeakSet[SMTP]) -> None:
    """Cut what is open; a mail without our 250 is still its sender's."""
    for session in list(sessions):
        if isinstance(session.transport, asyncio.Transport):
            session.transport.abort()
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=_GRACE_SECONDS)
    # The loop's next two turns tell the protocols and close the sockets.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
