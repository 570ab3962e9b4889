"""A web app as a server with TLS, in a thread of its own; clients prove who they are where that is asked for."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import ssl
import threading
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from gateway.errors import AddressTaken, ConfigError

_END_SECONDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """Who may connect: whose certificate one of *ca* signed and stands in *fingerprints*."""

    ca: Path
    """PEM file of the authorities."""
    fingerprints: Collection[str]
    """SHA-256 of certificates (DER), 64 lower-case hex digits."""


class WebServer:
    """Starts and stops it.

    Args:
        app: an ASGI app.
        section: of the settings, for what is said about them.
        clients: None: anybody.
    """

    def __init__(
        self, app: Any, *, section: str, host: str, port: int, certificate: Path, key: Path, clients: Clients | None = None
    ) -> None:
        self._app, self._section, self._host, self._port = app, section, host, port
        self._certificate, self._key, self._clients = certificate, key, clients
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self.port = port

    def start(self) -> None:
        """Listen. Raises ConfigError, AddressTaken."""
        listener = self._listen()
        self.port = listener.getsockname()[1]
        clients = self._clients
        config = uvicorn.Config(
            self._app, http="h11" if clients is None else _known_only(clients.fingerprints), loop="asyncio", lifespan="off", ws="none",
            # Tokens stand in its lines.
            access_log=False, log_config=None, server_header=False, timeout_graceful_shutdown=2,
            ssl_certfile=self._certificate, ssl_keyfile=self._key,
            ssl_cert_reqs=ssl.CERT_NONE if clients is None else ssl.CERT_REQUIRED,
            ssl_ca_certs=None if clients is None else str(clients.ca),
        )  # fmt: skip
        try:
            config.load()
        except OSError:
            listener.close()
            raise ConfigError(problems=f"[{self._section}]: expected PEM files of certificates and a key that fit together.") from None
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, args=(listener,), name=self._section, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(_END_SECONDS)
            self._server = self._thread = None

    def _run(self, listener: socket.socket) -> None:
        assert self._server is not None
        asyncio.run(self._server.serve(sockets=[listener]))

    def _listen(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        # The protocol is named, else asyncio leaves Nagle's delay on.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self._host, self._port))
            listener.listen(128)
        except OSError:
            listener.close()
            raise AddressTaken(problems=f"gateway.toml, [{self._section}] host, port: expected an address to listen at.") from None
        return listener


def _known_only(fingerprints: Collection[str]) -> type[H11Protocol]:
    """Uvicorn's protocol, but a client whose certificate is not named is hung up on before a byte of HTTP is read."""

    class KnownOnly(H11Protocol):
        _known = False

        def connection_made(self, transport: Any) -> None:
            tls = transport.get_extra_info("ssl_object")
            shown = tls.getpeercert(binary_form=True) if tls is not None else None
            self._known = shown is not None and hashlib.sha256(shown).hexdigest() in fingerprints
            if self._known:
                super().connection_made(transport)
            else:
                transport.abort()

        def data_received(self, data: bytes) -> None:
            if self._known:
                super().data_received(data)

        def connection_lost(self, exc: Exception | None) -> None:
            if self._known:
                super().connection_lost(exc)

        def eof_received(self) -> None:
            if self._known:
                super().eof_received()

    return KnownOnly
