"""HTTP over mutual TLS, where every call ends in time and every answer has a largest size.

Each wait on the socket is cut to what is left of the whole call, so an answer of one byte a second
ends too. No redirects, no proxies, no addresses in logs or errors: they may hold personal numbers.
"""

from __future__ import annotations

import base64
import json
import logging
import ssl
import time
import zlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import BinaryIO, NamedTuple

import httpx2

from gateway import __version__
from gateway.config.settings import Settings
from gateway.digital_post.content import read_block
from gateway.digital_post.errors import silence
from gateway.errors import ConfigError, DigitalPostUnavailable, VaultDamaged

_BLOCK = 64 * 1024
SMALL_ANSWER = 1_000_000
LARGE_ANSWER = 50_000_000
"""Bytes of one answer after inflating (security.md, API-03)."""

_ends_at: ContextVar[float | None] = ContextVar("ends_at", default=None)


class _CallSocket(ssl.SSLSocket):
    """A TLS socket whose waits end with the call. The client sets a timeout before every wait."""

    def settimeout(self, value: float | None) -> None:
        ends_at = _ends_at.get()
        if ends_at is not None:
            left = ends_at - time.monotonic()
            if left <= 0:
                raise TimeoutError("the call is over")
            value = left if value is None else min(value, left)
        super().settimeout(value)


class Heard(NamedTuple):
    """A whole answer."""

    status: int
    body: bytes
    retry_after: str | None


class Wire:
    """A pool of connections to one Digital Post; used from many threads at once."""

    def __init__(self, settings: Settings, token: str) -> None:
        """*token* goes into the Authorization header and nowhere else.

        Raises:
            ConfigError: certificate, key or CA file is missing or does not fit; no usable address.
        """
        ours = settings.digital_post
        self._timeout = ours.timeout
        self._base = ours.base_url.rstrip("/")
        try:
            httpx2.URL(self._base)
        except httpx2.InvalidURL:
            raise ConfigError(problems="[digital_post] base_url is no address") from None
        # Both name whole addresses in their logs, down to the query.
        for library in ("httpx2", "httpcore2"):
            logging.getLogger(library).setLevel(logging.WARNING)
        login = base64.b64encode(f"{ours.system_id}:{token}".encode()).decode()
        connections = ours.in_flight + 2  # letters, and beside them receipts and look-ups
        self._http = httpx2.Client(
            verify=_tls(settings),
            # No proxy, no .netrc from the environment: letters go where the file says.
            trust_env=False,
            follow_redirects=False,
            timeout=httpx2.Timeout(
                ours.timeout.total_seconds(), connect=ours.connect_timeout.total_seconds()
            ),
            limits=httpx2.Limits(
                max_connections=connections,
                max_keepalive_connections=connections,
                keepalive_expiry=15,
            ),
            headers={
                "Authorization": f"Basic {login}",
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
                "User-Agent": f"digitalpost-gateway/{__version__}",
            },
        )

    def close(self) -> None:
        self._http.close()

    def ask(
        self, method: str, path: str, query: dict[str, str], *, largest: int = SMALL_ANSWER
    ) -> Heard:
        """One request without a body. Raises DigitalPostUnavailable, DigitalPostAccessDenied."""
        return self._call(method, path, query, content=None, headers={}, largest=largest)

    def send(
        self, path: str, query: dict[str, str], body: BinaryIO, size_bytes: int, *, media_type: str = "application/xml"
    ) -> Heard:
        """POST the *size_bytes* of *body* block by block, never chunked.

        Raises DigitalPostUnavailable, DigitalPostAccessDenied; VaultDamaged if *body* is shorter or
        longer than said.
        """
        headers = {"Content-Type": media_type, "Content-Length": str(size_bytes)}
        content = _exactly(body, size_bytes)
        return self._call(
            "POST", path, query, content=content, headers=headers, largest=SMALL_ANSWER
        )

    def fetch(self, path: str, into: Callable[[bytes], object], *, largest: int) -> Heard:
        """GET the body of *path* block by block into *into*, if they give it (200); else as ``ask``, and nothing
        of it goes there. Raises DigitalPostUnavailable, DigitalPostAccessDenied.
        """
        headers = {"Accept": "application/xml"}
        return self._call("GET", path, {}, content=None, headers=headers, largest=largest, into=into)

    def post_json(self, path: str, value: object) -> Heard:
        """POST *value* as JSON. Raises DigitalPostUnavailable, DigitalPostAccessDenied."""
        body = json.dumps(value).encode()
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        return self._call("POST", path, {}, content=iter([body]), headers=headers, largest=SMALL_ANSWER)

    def _call(
        self, method: str, path: str, query: dict[str, str], *,
        content: Iterator[bytes] | None, headers: dict[str, str], largest: int,
        into: Callable[[bytes], object] | None = None,
    ) -> Heard:  # fmt: skip
        over = _ends_at.set(time.monotonic() + self._timeout.total_seconds())
        try:
            with self._http.stream(
                method, f"{self._base}{path}", params=query, content=content, headers=headers
            ) as response:
                if into is not None and response.status_code == 200:
                    for block in _blocks(response, largest):
                        into(block)
                    return Heard(response.status_code, b"", None)
                body = b"".join(_blocks(response, largest))
                return Heard(response.status_code, body, response.headers.get("Retry-After"))
        except (httpx2.HTTPError, zlib.error) as error:
            raise silence(error) from None
        finally:
            _ends_at.reset(over)


def _tls(settings: Settings) -> ssl.SSLContext:
    """Our certificate, and the authorities we believe."""
    ours = settings.digital_post
    for file in (ours.certificate, ours.key, *([ours.ca] if ours.ca else [])):
        if not settings.path(file).is_file():
            raise ConfigError(problems=f"[digital_post] names a file that is not there: {file}")
    try:
        context = ssl.create_default_context(cafile=settings.path(ours.ca) if ours.ca else None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.sslsocket_class = _CallSocket
        # A locked key would ask at the terminal; an empty password makes it a fault instead.
        context.load_cert_chain(
            settings.path(ours.certificate), settings.path(ours.key), password=""
        )
    except (ssl.SSLError, OSError, ValueError):
        raise ConfigError(
            problems="[digital_post] certificate, key or ca cannot be used: no PEM, locked, or key and "
            "certificate do not fit each other"
        ) from None
    return context


def _exactly(body: BinaryIO, size_bytes: int) -> Iterator[bytes]:
    """The blocks of *body*; the announced length is a promise to the other side."""
    left = size_bytes
    while block := read_block(body, _BLOCK):
        left -= len(block)
        if left < 0:
            raise VaultDamaged()
        yield block
    if left:
        raise VaultDamaged()


def _blocks(response: httpx2.Response, largest: int) -> Iterator[bytes]:
    """The body, inflated if need be; never more than *largest* bytes of it."""
    coding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in ("identity", "gzip", ""):
        raise DigitalPostUnavailable(reason="svaret kan ikke læses")
    inflater = zlib.decompressobj(wbits=31) if coding == "gzip" else None
    room = largest
    for raw in response.iter_raw():
        block = inflater.decompress(raw, room + 1) if inflater else raw
        room -= len(block)
        if room < 0:
            raise DigitalPostUnavailable(reason="svaret er for stort")
        yield block
    if inflater and not inflater.eof:
        raise DigitalPostUnavailable(reason="svaret kan ikke læses")
