"""The outermost layer: every answer says it is a sandbox, and the dials do their damage here.

Plain ASGI, outside of everything else, because cutting a connection needs the transport. With
uvicorn's h11 protocol the original ``send`` is a bound method of the request cycle, which knows it
(``uvicorn.protocols.http.h11_impl.RequestResponseCycle``, uvicorn 0.54).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from gateway.sandbox.dials import AREAS, Dials

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

API = "/apis/v1"
_OTHER_ROUTES = {"receipts": "receipts", "receipts-bulk": "receipts", "contacts": "contacts"}
"""First part of a path and the area whose dials apply."""
SANDBOX_HEADER = (b"x-sandbox", b"true")
_HALF_A_STATUS_LINE = b"HTTP/1.1 20"
_HTML = b"<!doctype html><title>SANDBOX</title><p>SANDBOX: a proxy's page instead of an answer."


class Faults:
    """Wraps *app*.

    Args:
        client_sha256: fingerprint of the certificate that the sandbox's one system is registered
            with; another certificate of the same CA is refused with 403 on the API.
    """

    def __init__(self, app: App, dials: Dials, client_sha256: bytes) -> None:
        self._app = app
        self._dials = dials
        self._client_sha256 = client_sha256

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        scope = _prefixed(scope)
        transport = _transport(send)
        saying = _says_sandbox(send)
        area = _area(scope)
        if area is None:
            return await self._app(scope, receive, saying)
        if await self._refused_first(area, scope, receive, saying, transport):
            return None
        if _peer_sha256(transport) != self._client_sha256:
            return await _answer(
                saying, 403, _error("forbidden", "the certificate belongs to another system")
            )
        return await self._do_it(area, scope, receive, saying, transport)

    def _take(self, area: str, fault: str) -> str | None:
        return self._dials.take(fault if area == AREAS[0] else f"{area}.{fault}")

    async def _refused_first(
        self,
        area: str,
        scope: MutableMapping[str, Any],
        receive: Receive,
        send: Send,
        transport: asyncio.Transport,
    ) -> bool:
        """The faults that keep the request from being done at all; True: one was shown."""
        if (seconds := self._take(area, "slow")) is not None:
            await asyncio.sleep(float(seconds))
        if self._take(area, "cut_before") is not None:
            await _cut(transport, receive)
        elif (status := self._take(area, "unavailable")) is not None:
            await _answer(send, int(status), _unavailable(area, scope))
        elif (retry_after := self._take(area, "throttled")) is not None:
            header = (b"retry-after", retry_after.encode("ascii"))
            await _answer(send, 429, _error("too.many.requests", "slow down"), header)
        elif self._take(area, "unauthorized") is not None:
            await _answer(send, 401, _error("unauthorized", "refused because the dial says so"))
        elif self._take(area, "forbidden") is not None:
            await _answer(send, 403, _error("forbidden", "refused because the dial says so"))
        else:
            return False
        return True

    async def _do_it(
        self,
        area: str,
        scope: MutableMapping[str, Any],
        receive: Receive,
        send: Send,
        transport: asyncio.Transport,
    ) -> None:
        """Let the request be done; its answer may be lost on the way."""
        if self._take(area, "cut_after") is not None:
            await self._app(scope, receive, _nowhere)
            await _cut(transport, receive)
        elif self._take(area, "half_status") is not None:
            await self._app(scope, receive, _nowhere)
            transport.write(_HALF_A_STATUS_LINE)
            transport.close()
            await _until_gone(receive)
        elif self._take(area, "html") is not None:
            await self._app(scope, receive, _nowhere)
            await _answer_bytes(send, 200, _HTML, b"text/html; charset=utf-8")
        else:
            await self._app(scope, receive, send)


def _prefixed(scope: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """*scope*, with the API's prefix if only that is missing: ``/memos/`` is taken for the API's."""
    path: str = scope["path"]
    if path.split("/")[1] not in ("memos", *_OTHER_ROUTES):
        return scope
    return {**scope, "path": f"{API}{path}", "raw_path": f"{API}{path}".encode()}


def _area(scope: MutableMapping[str, Any]) -> str | None:
    """``memos``, ``receipts`` or ``contacts``; None for the sandbox's own pages."""
    path: str = scope["path"]
    if not path.startswith(f"{API}/"):
        return None
    first, _, rest = path.removeprefix(f"{API}/").partition("/")
    if first == "memos" and (rest or scope["method"] == "GET"):
        return "inbound"
    return "memos" if first == "memos" else _OTHER_ROUTES.get(first, "contacts")


def _transport(send: Send) -> asyncio.Transport:
    transport: asyncio.Transport = send.__self__.transport  # type: ignore[attr-defined]
    return transport


def _peer_sha256(transport: asyncio.Transport) -> bytes:
    certificate = transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return hashlib.sha256(certificate).digest()


def _says_sandbox(send: Send) -> Send:
    async def saying(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), SANDBOX_HEADER]
        await send(message)

    return saying


async def _nowhere(_message: Message) -> None:
    """An answer nobody gets."""


async def _cut(transport: asyncio.Transport, receive: Receive) -> None:
    transport.abort()
    await _until_gone(receive)


async def _until_gone(receive: Receive) -> None:
    """Until uvicorn knows that the client is gone; else it would answer 500 for us."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _answer(
    send: Send, status: int, value: dict[str, Any], *headers: tuple[bytes, bytes]
) -> None:
    await _answer_bytes(send, status, json.dumps(value).encode(), b"application/json", *headers)


async def _answer_bytes(
    send: Send, status: int, body: bytes, media_type: bytes, *headers: tuple[bytes, bytes]
) -> None:
    fixed = [(b"content-type", media_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*fixed, *headers]})
    await send({"type": "http.response.body", "body": body})


def _error(code: str, message: str) -> dict[str, Any]:
    return {"code": code, "message": f"SANDBOX: {message}", "fieldErrors": [], "sandbox": True}


def _unavailable(area: str, scope: MutableMapping[str, Any]) -> dict[str, Any]:
    """503 carries a Receipt where sending is concerned (OpenAPI 1.68.0, POST /memos/), else an error."""
    if area != "memos":
        return _error("service.unavailable", "not available because the dial says so")
    query: bytes = scope["query_string"]
    return {
        "transmissionId": str(uuid4()),
        "messageUUID": query.decode("ascii", "replace").rpartition("memo-message-uuid=")[2][:36],
        "messageId": None,
        "errorCode": "service.unavailable",
        "errorMessage": "SANDBOX: not available because the dial says so",
        "timeStamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "receiptStatus": "INVALID",
        "sandbox": True,
    }
