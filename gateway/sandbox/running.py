"""The sandbox as a running server: real mTLS, loopback only, in a thread of its own.

``start_in_thread`` is for tests, the demo and ``gateway sandbox serve`` alike.
"""

from __future__ import annotations

import asyncio
import fcntl
import secrets
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import IO, Any, ClassVar

import uvicorn

from gateway.errors import ConfigError
from gateway.sandbox.app import make_app
from gateway.sandbox.authority import Authority
from gateway.sandbox.dials import DELAY, Dials
from gateway.sandbox.durable import write_json
from gateway.sandbox.faults import API, Faults
from gateway.sandbox.inbox import read_inbox
from gateway.sandbox.mailroom import ExtraCheck, Mailroom

SYSTEM = "sandbox-system"
# How long a stopping server waits for requests under way, seconds.
_GRACE_SECONDS = 2
# How long `stop` waits for the server's thread; it is a daemon, and ends with the process at the latest.
_END_SECONDS = 30
# How often due business receipts are made when nobody asks for them, seconds.
_TICK_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningSandbox:
    """A sandbox that answers; :meth:`stop` ends it and keeps its folder.

    ``url`` is ``https://127.0.0.1:PORT``, ``base_url`` the same with ``/apis/v1``.
    """

    folder: Path
    url: str
    token: str = field(repr=False)
    dials: Dials
    authority: Authority
    mailroom: Mailroom = field(repr=False)
    _server: uvicorn.Server = field(repr=False)
    _thread: threading.Thread = field(repr=False)
    _claim: IO[str] = field(repr=False)

    system: ClassVar[str] = SYSTEM

    @property
    def ca(self) -> Path:
        return self.authority.ca.cert

    @property
    def cert(self) -> Path:
        """Of the one client the sandbox knows; ``key`` belongs to it."""
        return self.authority.client.cert

    @property
    def key(self) -> Path:
        return self.authority.client.key

    @property
    def base_url(self) -> str:
        return f"{self.url}{API}"

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def endpoints(self) -> dict[str, str]:
        """What a client needs, as in ``endpoints.json``: url, ca, cert, key, system, token."""
        return {
            "url": self.url,
            "ca": str(self.ca),
            "cert": str(self.cert),
            "key": str(self.key),
            "system": self.system,
            "token": self.token,
        }

    def inbox(self, number: str) -> list[dict[str, Any]]:
        """What the citizen or company got; see :func:`gateway.sandbox.inbox.read_inbox`."""
        self.mailroom.settle_due()
        return read_inbox(self.folder, number)

    def accepted(self) -> list[dict[str, Any]]:
        """Every accepted POST, repeats too, the oldest first."""
        return self.mailroom.accepted()

    def violations(self) -> list[dict[str, Any]]:
        """Every time a UUID came again with other bytes; must stay empty."""
        return self.mailroom.violations()

    def stop(self) -> None:
        """End it; returns when the port is free."""
        self._server.should_exit = True
        self._thread.join(_END_SECONDS)
        self._claim.close()


def start_in_thread(
    folder: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    delay: float | None = None,
    extra_check: ExtraCheck | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> RunningSandbox:
    """Start the sandbox of *folder* (made if missing; a former one goes on) and wait until it answers.

    Args:
        port: 0 lets the system choose.
        delay: turns the dial of that name: seconds to the business receipt; None leaves it (2).
        extra_check: see :func:`gateway.sandbox.official_schema.official_schema`.
        now: the time; a test may stand still.

    Raises:
        ConfigError: *host* is not loopback, the port is taken, or a sandbox runs in *folder* already.
    """
    claim, listener = _claim_and_listen(folder, host, port)
    dials = Dials(folder)
    if delay is not None:
        dials.set(DELAY, f"{delay:g}")
    authority = Authority.open(folder / "ca")
    token = _token(folder / "token")
    mailroom = Mailroom(folder, dials, now=now, extra_check=extra_check)
    app = make_app(mailroom, dials, system=SYSTEM, token=token)
    server = _Server(
        _config(Faults(app, dials, authority.client.fingerprint()), authority), mailroom
    )
    thread = threading.Thread(target=server.run, args=([listener],), name="sandbox", daemon=True)
    thread.start()
    server.answers.wait()
    running = RunningSandbox(
        folder=folder,
        url=_url(listener),
        token=token,
        dials=dials,
        authority=authority,
        mailroom=mailroom,
        _server=server,
        _thread=thread,
        _claim=claim,
    )
    write_json(folder / "endpoints.json", running.endpoints())
    (folder / "endpoints.json").chmod(0o600)
    return running


def listen(host: str, port: int) -> socket.socket:
    """A listening socket on loopback and nowhere else. Raises ConfigError."""
    try:
        loopback = ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if not loopback:
        raise ConfigError(
            problems="the sandbox listens on loopback only (127.0.0.1, ::1 or localhost)."
        )
    # The protocol is named, else asyncio does not recognise TCP and leaves Nagle's delay on (40 ms
    # an answer; asyncio.base_events._set_nodelay).
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(512)
    except OSError:
        listener.close()
        raise ConfigError(problems=f"port {port} is taken; choose another with --port.") from None
    return listener


class _Server(uvicorn.Server):
    """uvicorn, saying when it answers, and making business receipts as they fall due."""

    def __init__(self, config: uvicorn.Config, mailroom: Mailroom) -> None:
        super().__init__(config)
        self.answers = threading.Event()
        self._mailroom = mailroom

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.answers.set()

    async def main_loop(self) -> None:
        settling = asyncio.create_task(self._settle())
        try:
            await super().main_loop()
        finally:
            settling.cancel()
            with suppress(asyncio.CancelledError):
                await settling

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        if self.server_state.tasks:
            await asyncio.wait(set(self.server_state.tasks), timeout=_GRACE_SECONDS)
        # A TLS connection closed politely waits for the client's close; idle clients do not look.
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        for task in list(self.server_state.tasks):
            task.cancel()
        await super().shutdown(sockets)

    async def _settle(self) -> None:
        while True:
            if self._mailroom.containers.waiting():
                await asyncio.to_thread(self._mailroom.containers.unpack)
            wait = self._mailroom.next_due()
            if wait == 0:
                await asyncio.to_thread(self._mailroom.settle_due)
            await asyncio.sleep(_TICK_SECONDS if wait is None else min(wait, _TICK_SECONDS))


def _config(app: Faults, authority: Authority) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        http="h11",
        loop="asyncio",
        lifespan="off",
        ws="none",
        # Request lines hold CPR numbers (GET /contacts/?cprNumber=).
        access_log=False,
        # A connection that was reset inside TLS is never reported lost (asyncio of Python 3.11), and is not waited for.
        timeout_graceful_shutdown=_GRACE_SECONDS,
        log_config=None,
        server_header=False,
        timeout_keep_alive=60,
        ssl_certfile=authority.server.cert,
        ssl_keyfile=authority.server.key,
        ssl_ca_certs=str(authority.ca.cert),
        ssl_cert_reqs=ssl.CERT_REQUIRED,
    )
    try:
        # Here and not in the server's thread, where nobody would hear of it.
        config.load()
    except ssl.SSLError:
        raise ConfigError(
            problems=f"a certificate or key is damaged; remove {authority.folder}."
        ) from None
    return config


def _claim_and_listen(folder: Path, host: str, port: int) -> tuple[IO[str], socket.socket]:
    claim = _claim(folder)
    try:
        return claim, listen(host, port)
    except ConfigError:
        claim.close()
        raise


def _claim(folder: Path) -> IO[str]:
    """Held as long as a sandbox runs in *folder*: two would overwrite each other's evidence."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    claim = (folder / ".running").open("w")
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        claim.close()
        raise ConfigError(problems="a sandbox runs in this home already.") from None
    return claim


def _token(path: Path) -> str:
    """The API token of this sandbox, made on first start (0600)."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(24))
    return path.read_text()


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
