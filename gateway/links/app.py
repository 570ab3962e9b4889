"""The pages of one forward, named by its token.

Nothing happens on a GET, so that a mail scanner which follows links sees a button and no more. What a person does is
a POST with a cookie that other sites cannot send (SameSite=Strict). A page that is not there, one that has expired and
one of another state look the same.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse

from gateway import log
from gateway.errors import GatewayError, NotAllowedNow
from gateway.model.danish_time import local
from gateway.model.inbound import Forwardable
from gateway.model.submission import Blob
from gateway.ports import Clock, Inbound, Links, Vault

CODE_LASTS = timedelta(minutes=10)
VISIT_LASTS = timedelta(minutes=30)
_COOKIE = "visit"
_LONGEST_FORM = 1000
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}


class LinkPages:
    """What the routes do.

    Args:
        send_code: mails a code to the address of a forward. Raises GatewayError: nothing was sent.
        name_of: the name of a document as it may be shown and saved.
        lasts: how long a link leads anywhere.
    """

    def __init__(
        self,
        inbound: Inbound,
        links: Links,
        vault: Vault,
        clock: Clock,
        *,
        organisation: str,
        send_code: Callable[[Forwardable, str], None],
        name_of: Callable[[Any], str],
        lasts: timedelta,
    ) -> None:
        self._inbound = inbound
        self._links = links
        self._vault = vault
        self._clock = clock
        self._organisation = organisation
        self._send_code = send_code
        self._name_of = name_of
        self._lasts = lasts
        self._templates = Environment(
            loader=PackageLoader("gateway.links"), undefined=StrictUndefined, autoescape=select_autoescape(["html"])
        )

    def front(self, token: str) -> Response:
        item = self._item(token)
        return self._gone() if item is None else self._page("front", 200, address=masked(item.forward.address), token=token)

    def code(self, token: str) -> Response:
        """Mail a code, and ask for it. Asked too often, it says the same and mails nothing."""
        item = self._item(token)
        if item is None:
            return self._gone()
        code = f"{secrets.randbelow(10**6):06d}"
        if self._links.link_code_made(item.forward.id, digest(code), CODE_LASTS):
            try:
                self._send_code(item, code)
            except GatewayError as error:
                log.poll_failed(source="links", code=error.code)
                return self._page("trouble", 503, token=token)
        return self._page("code", 200, address=masked(item.forward.address), token=token, wrong=False)

    def open(self, token: str, code: str) -> Response:
        """A visit for the code that was mailed last; a code opens once."""
        item = self._item(token)
        if item is None:
            return self._gone()
        visit = secrets.token_urlsafe(24)
        if not self._links.link_opened(item.forward.id, digest(code.strip()), digest(visit), VISIT_LASTS):
            return self._page("code", 403, address=masked(item.forward.address), token=token, wrong=True)
        self._inbound.inbound_opened(item.message.id, actor=f"link:{item.forward.department}")
        answer = RedirectResponse(f"/l/{token}/post", status_code=303, headers=_HEADERS)
        answer.set_cookie(
            _COOKIE, visit, max_age=int(VISIT_LASTS.total_seconds()), path=f"/l/{token}", secure=True, httponly=True, samesite="strict"
        )
        return answer

    def post(self, token: str, visit: str) -> Response:
        item = self._visited(token, visit)
        if item is None:
            return RedirectResponse(f"/l/{token}", status_code=303, headers=_HEADERS)
        post = item.message.post
        return self._page(
            "post", 200, token=token, title=post.title, sender=post.sender.name, id=item.message.id, text=post.text or "",
            received=f"{local(item.message.received_at):%d.%m.%Y kl. %H.%M}",
            documents=[(number, self._name_of(one)) for number, one in enumerate(post.documents)],
        )  # fmt: skip

    def file(self, token: str, visit: str, number: int) -> Response:
        """A document, always to be saved and never shown by the browser."""
        item = self._visited(token, visit)
        if item is None or not 0 <= number < len(item.message.post.documents):
            return self._gone()
        document = item.message.post.documents[number]
        path: Path = self._vault.path(Blob(document.digest, document.size_bytes))
        log.link_downloaded(message=item.message.id, forward=item.forward.id)
        name = quote(self._name_of(document))
        told = {**_HEADERS, "Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
        return FileResponse(path, media_type="application/octet-stream", headers=told)

    def done(self, token: str, visit: str) -> Response:
        return self._act(token, visit, "behandlet", lambda item, actor: self._inbound.inbound_done_by(item, actor=actor))

    def wrong(self, token: str, visit: str) -> Response:
        return self._act(
            token, visit, "forkert",
            lambda item, actor: self._inbound.return_inbound(item, actor=actor, reason="Forkert afdeling"),
        )  # fmt: skip

    def _act(self, token: str, visit: str, what: str, do: Callable[[str, str], object]) -> Response:
        item = self._visited(token, visit)
        if item is None:
            return self._gone()
        with suppress(NotAllowedNow):  # somebody did so already
            do(item.message.id, f"link:{item.forward.department}")
        return self._page("thanks", 200, what=what)

    def _item(self, token: str) -> Forwardable | None:
        item = self._inbound.forward_by_token(token) if len(token) == 32 and token.isalnum() else None
        if item is None or item.forward.kind != "mail" or self._clock.now() - item.forward.created_at > self._lasts:
            return None
        return item

    def _visited(self, token: str, visit: str) -> Forwardable | None:
        item = self._item(token)
        return item if item is not None and visit and self._links.link_visited(item.forward.id, digest(visit)) else None

    def _gone(self) -> Response:
        return self._page("gone", 404)

    def _page(self, name: str, status: int, **said: Any) -> Response:
        text = self._templates.get_template(f"{name}.html").render(organisation=self._organisation, **said)
        return HTMLResponse(text, status_code=status, headers=_HEADERS)


def link_app(pages: LinkPages) -> FastAPI:
    """The routes over *pages*."""
    app = FastAPI(title="Digital Post", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)

    def visit_of(request: Request) -> str:
        return request.cookies.get(_COOKIE, "")

    @app.get("/l/{token}")
    def front(token: str) -> Response:
        return pages.front(token)

    @app.post("/l/{token}/kode")
    def code(token: str) -> Response:
        return pages.code(token)

    @app.post("/l/{token}/aabn")
    async def open_(token: str, request: Request) -> Response:
        return await run_in_threadpool(pages.open, token, await _code_of(request))

    @app.get("/l/{token}/post")
    def post(token: str, request: Request) -> Response:
        return pages.post(token, visit_of(request))

    @app.get("/l/{token}/fil/{number}")
    async def file(token: str, number: int, request: Request) -> Response:
        return await run_in_threadpool(pages.file, token, visit_of(request), number)

    @app.post("/l/{token}/behandlet")
    def done(token: str, request: Request) -> Response:
        return pages.done(token, visit_of(request))

    @app.post("/l/{token}/forkert")
    def wrong(token: str, request: Request) -> Response:
        return pages.wrong(token, visit_of(request))

    return app


async def _code_of(request: Request) -> str:
    """The one field of the one form; of a longer body nothing is read on."""
    body = b""
    async for block in request.stream():
        body += block
        if len(body) > _LONGEST_FORM:
            return ""
    return parse_qs(body.decode("ascii", "replace")).get("code", [""])[0]


def digest(secret: str) -> str:
    """What is kept of a code or a visit."""
    return hashlib.sha256(secret.encode()).hexdigest()


def masked(address: str) -> str:
    """``o…@eksempelby.dk``: enough for whoever knows it."""
    name, _, domain = address.rpartition("@")
    return f"{name[:1]}…@{domain}"
