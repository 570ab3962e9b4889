"""The pages as a server with TLS, in a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from gateway.errors import AddressTaken, ConfigError

_END_SECONDS = 10


class LinkServer:
    """Starts and stops it."""

    def __init__(self, app: FastAPI, *, host: str, port: int, certificate: Path, key: Path) -> None:
        self._app, self._host, self._port = app, host, port
        self._certificate, self._key = certificate, key
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self.port = port

    def start(self) -> None:
        """Listen. Raises ConfigError, AddressTaken."""
        listener = self._listen()
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(
            self._app, http="h11", loop="asyncio", lifespan="off", ws="none",
            # Tokens stand in its lines.
            access_log=False, log_config=None, server_header=False, timeout_graceful_shutdown=2,
            ssl_certfile=self._certificate, ssl_keyfile=self._key,
        )  # fmt: skip
        try:
            config.load()
        except OSError:
            listener.close()
            raise ConfigError(problems="[links] certificate, key: expected PEM files that fit together.") from None
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, args=(listener,), name="links", daemon=True)
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
            raise AddressTaken(problems="gateway.toml, [links] host, port: expected an address to listen at.") from None
        return listener
