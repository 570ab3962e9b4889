"""The endpoint that Digital Post calls (REST_PUSH): 200 only when a message is written down.

Facts: reference, digital-post.md, section 2.4. What they do with another answer is not known; we take it that they try
again, and so say 503 to whatever may be otherwise next time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from gateway import log
from gateway.errors import GatewayError
from gateway.ingress.push.form import NotAForm, OneFile
from gateway.model.submission import Blob
from gateway.ports import Vault

LARGEST = 150_000_000
"""Bytes of a request; the largest lawful message has 99.5 MB as sent (reference, section 3)."""
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

Take = Callable[[str, Blob], bool]
"""Writes a message down, by the UUID that its file is named by, or else its own; False: it has neither. Raises
GatewayError: it is not written down."""


def push_app(systems: Mapping[str, Take], vault: Vault) -> FastAPI:
    """``POST /NAME/memos`` for each recipient system of *systems*."""
    app = FastAPI(title="Digital Post", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)

    @app.post("/{system}/memos")
    @app.post("/{system}/memos/")
    async def memos(system: str, request: Request) -> Response:
        take = systems.get(system)
        if take is None:
            return _said(404, "no such recipient system")
        try:
            return await _taken(request, take, vault)
        except NotAForm:
            return _refused(system, 400, "expected multipart/form-data with one file")
        except ClientDisconnect:
            return _said(400, "the message was cut")
        except GatewayError as error:
            log.push_refused(system=system, status=503, code=error.code)
            return _said(503, "not written down; try again")
        except Exception as error:  # noqa: BLE001 - a bug; they keep the message
            log.bug(where="push", error=error)
            return _said(503, "not written down; try again")

    return app


async def _taken(request: Request, take: Take, vault: Vault) -> Response:
    writer = vault.writer()
    try:
        form = OneFile(request.headers.get("content-type", ""), writer.write)
        size = 0
        async for block in request.stream():
            size += len(block)
            if size > LARGEST:
                return _refused(request.path_params["system"], 413, "too large")
            await run_in_threadpool(form.take, block)
        form.end()
        raw = await run_in_threadpool(writer.commit)
    finally:
        writer.abort()
    found = _UUID.search(form.name)
    if await run_in_threadpool(take, found[0].lower() if found else "", raw):
        return _said(200, "taken")
    return _refused(request.path_params["system"], 400, "expected a file named by the UUID of its message")


def _refused(system: str, status: int, why: str) -> Response:
    log.push_refused(system=system, status=status, code="")
    return _said(status, why)


def _said(status: int, text: str) -> Response:
    return PlainTextResponse(f"{text}\n", status_code=status)
