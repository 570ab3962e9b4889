"""The documented routes (reference, digital-post.md, sections 2.2 to 2.5; OpenAPI 1.68.0).

Only the technical shapes live here; what happens to a message is the mailroom's.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from asyncio import to_thread
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import ClientDisconnect

from gateway.errors import ConfigError, MemoUnreadable
from gateway.sandbox.answers import (
    Refused,
    bad_parameter,
    contact_of,
    error_message,
    front_page,
    listed_page,
)
from gateway.sandbox.dials import Dials, every_dial
from gateway.sandbox.faults import API
from gateway.sandbox.inbox import masked_inboxes
from gateway.sandbox.mailroom import LARGEST_BYTES, Mailroom, Malformed, Outcome
from gateway.sandbox.memo_types import is_uuid4
from gateway.sandbox.posting import Posted
from gateway.sandbox.receiving import received_memos

_CONTAINER_TYPE = "application/x-lzma"
_MEMO_TYPES = ("application/xml", "text/xml")
Page = Annotated[int, Query(ge=0)]
Size = Annotated[int, Query(ge=1, le=1000)]


def make_app(mailroom: Mailroom, dials: Dials, *, system: str, token: str) -> FastAPI:
    """The sandbox as an ASGI application; :class:`~gateway.sandbox.faults.Faults` goes around it.

    Args:
        system: id of the one sender system.
        token: its API token; Basic ``system:token``.
    """
    # No redirects and no generated pages: what is not documented is 404, as at the real place.
    app = FastAPI(
        title="SANDBOX", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False
    )
    known = Depends(_knows(system, token))
    app.include_router(_memos(mailroom), prefix=API, dependencies=[known])
    app.include_router(_receipts(mailroom), prefix=API, dependencies=[known])
    app.include_router(received_memos(Posted(mailroom.folder), dials), prefix=API, dependencies=[known])
    app.include_router(_contacts(dials), prefix=API, dependencies=[known])
    app.include_router(_own_pages(mailroom, dials))
    app.add_exception_handler(StarletteHTTPException, error_message)
    app.add_exception_handler(RequestValidationError, bad_parameter)
    return app


def _knows(system: str, token: str) -> Callable[..., None]:
    expected = b"Basic " + base64.b64encode(f"{system}:{token}".encode())

    def check(authorization: Annotated[str, Header()] = "") -> None:
        if not hmac.compare_digest(authorization.encode(), expected):
            raise Refused(401, "unauthorized", "Basic system:token is missing or wrong")

    return check


# ── sending ─────────────────────────────────────────────────────────────────


def _memos(mailroom: Mailroom) -> APIRouter:
    router = APIRouter()

    @router.post("/memos/")
    async def send_memo(request: Request) -> JSONResponse:
        if _media_type(request) == _CONTAINER_TYPE:
            return await _send_container(request, mailroom)
        uuid = _uuid_of(request)
        _check_body_headers(request)
        incoming = mailroom.new_incoming()
        try:
            sha256, size_bytes = await _store(request, incoming / "memo.xml")
            outcome = await to_thread(
                mailroom.offer, incoming, uuid=uuid, sha256=sha256, size_bytes=size_bytes
            )
        except Malformed as error:
            raise Refused(400, error.code, error.message) from None
        except ClientDisconnect:
            raise Refused(
                400, "memo.malformed", "the connection ended inside the message"
            ) from None
        finally:
            # Nothing is left there when it was taken.
            mailroom.discard(incoming)
        return _send_answer(outcome)

    return router


def _uuid_of(request: Request) -> str:
    uuid = request.query_params.get("memo-message-uuid", "")
    if not is_uuid4(uuid):
        raise Refused(
            400, "memo.message.uuid.invalid", "memo-message-uuid is missing or no UUID version 4"
        )
    return uuid.lower()


def _check_body_headers(request: Request) -> None:
    length = request.headers.get("content-length", "")
    if not (length.isascii() and length.isdigit()):
        raise Refused(400, "content.length.required", "Content-Length is a required header")
    if int(length) > LARGEST_BYTES:
        raise Refused(400, "memo.size.not.allowed", f"a message may fill {LARGEST_BYTES} bytes")
    if _media_type(request) not in (*_MEMO_TYPES, _CONTAINER_TYPE):
        raise Refused(
            400, "content.type.not.allowed", "the sandbox takes application/xml, text/xml or application/x-lzma"
        )


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _send_container(request: Request, mailroom: Mailroom) -> JSONResponse:
    """The mass interface: one technical receipt now, a business receipt for each message later."""
    _check_body_headers(request)
    incoming = mailroom.new_incoming()
    try:
        await _store(request, incoming / "container")
        receipt = await to_thread(mailroom.containers.take, incoming / "container")
    except MemoUnreadable:
        raise Refused(400, "memo.container.malformed", "the container cannot be unpacked") from None
    except ClientDisconnect:
        raise Refused(400, "memo.malformed", "the connection ended inside the container") from None
    finally:
        mailroom.discard(incoming)
    return JSONResponse({**receipt, "sandbox": True}, status_code=201)


async def _store(request: Request, path: Path) -> tuple[str, int]:
    """The body on the disk, not flushed yet; its SHA-256 (hex) and size in bytes."""
    digest, size_bytes = hashlib.sha256(), 0
    with path.open("wb") as file:
        async for block in request.stream():
            digest.update(block)
            size_bytes += len(block)
            file.write(block)
    return digest.hexdigest(), size_bytes


def _send_answer(outcome: Outcome) -> JSONResponse:
    if outcome.kind == "taken":
        return JSONResponse({**outcome.receipt, "sandbox": True}, status_code=201)
    # What the real system says to a duplicate is not known (reference, section 2.2).
    raise Refused(409, "message.already.exists", "a message of this UUID was taken before")


# ── receipts ────────────────────────────────────────────────────────────────


def _receipts(mailroom: Mailroom) -> APIRouter:
    router = APIRouter()

    @router.get("/receipts/")
    def list_receipts(page: Page = 0, size: Size = 100) -> dict[str, Any]:
        return listed_page([receipt["id"] for receipt in mailroom.receipts()], page, size)

    @router.get("/receipts-bulk/")
    def bulk(page: Page = 0, size: Size = 100) -> dict[str, Any]:
        found = mailroom.receipts()
        here = found[page * size : (page + 1) * size]
        return {
            "currentPage": page,
            "totalPages": _pages(len(found), size),
            "elementsOnPage": len(here),
            "totalElements": len(found),
            "receipts": here,
            "sandbox": True,
        }

    # »Returns a single Receipt and deletes it afterwards« unless delete=false (section 2.3).
    @router.get("/receipts/{receipt_id}")
    def fetch(receipt_id: str, *, delete: bool = True) -> dict[str, Any]:
        receipt = mailroom.receipt(receipt_id, delete=delete)
        if receipt is None:
            raise Refused(404, "receipt.not.found", "there is no receipt of that id")
        return {name: value for name, value in receipt.items() if name != "id"} | {"sandbox": True}

    @router.delete("/receipts/{receipt_id}")
    def delete(receipt_id: str) -> Response:
        if not mailroom.delete_receipt(receipt_id):
            raise Refused(404, "receipt.not.found", "there is no receipt of that id")
        return Response(status_code=204)

    return router


def _pages(elements: int, size: int) -> int:
    return -(-elements // size)


# ── contacts ────────────────────────────────────────────────────────────────


def _contacts(dials: Dials) -> APIRouter:
    router = APIRouter()

    @router.get("/contacts/")
    def find(
        cpr: Annotated[str, Query(alias="cprNumber", pattern="^([0-9]{10})?$")] = "",
        cvr: Annotated[str, Query(alias="cvrNumber", pattern="^([0-9]{8})?$")] = "",
    ) -> dict[str, Any]:
        if bool(cpr) == bool(cvr):
            raise Refused(400, "contact.query.invalid", "ask for one cprNumber or one cvrNumber")
        status = dials.status_of(cpr or cvr)
        contacts = [contact_of(cpr, cvr, status)] if status else []
        return {
            "contacts": contacts,
            "currentPage": 0,
            "totalPages": len(contacts),
            "elementsOnPage": len(contacts),
            "totalElements": len(contacts),
            "next": None,
            "sandbox": True,
        }

    return router


# ── the sandbox's own pages ─────────────────────────────────────────────────


def _own_pages(mailroom: Mailroom, dials: Dials) -> APIRouter:
    router = APIRouter()

    @router.get("/")
    def front() -> HTMLResponse:
        mailroom.settle_due()
        return HTMLResponse(front_page(masked_inboxes(mailroom.folder)))

    @router.get("/sandbox/dials")
    def show() -> dict[str, Any]:
        return {"sandbox": True, "dials": dials.values(), "known": every_dial()}

    @router.put("/sandbox/dials")
    def turn(changes: dict[str, str | int | float]) -> dict[str, Any]:
        try:
            dials.update({name: str(value) for name, value in changes.items()})
        except ConfigError as error:
            raise Refused(400, "dial.invalid", error.text()) from None
        return show()

    return router
