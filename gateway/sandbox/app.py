"""The documented routes (reference, digital-post.md, sections 2.2 to 2.5; OpenAPI 1.68.0).

Only the technical shapes live here; what happens to a message is the mailroom's.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
from asyncio import to_thread
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any
from uuid import NAMESPACE_OID, uuid5

from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import ClientDisconnect

from gateway.errors import ConfigError
from gateway.sandbox.dials import Dials, every_dial
from gateway.sandbox.faults import API
from gateway.sandbox.inbox import masked_inboxes
from gateway.sandbox.mailroom import LARGEST_BYTES, Mailroom, Malformed, Outcome
from gateway.sandbox.memo_types import is_uuid4

_MEMO_TYPES = ("application/xml", "text/xml")
Page = Annotated[int, Query(ge=0)]
Size = Annotated[int, Query(ge=1, le=1000)]


class _Refused(HTTPException):
    """Answered as an ErrorMessage; *code* is a dotted lower-case string as the real ones are."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(status, message)
        self.code = code


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
    app.include_router(_contacts(dials), prefix=API, dependencies=[known])
    app.include_router(_own_pages(mailroom, dials))
    app.add_exception_handler(StarletteHTTPException, _error_message)
    app.add_exception_handler(RequestValidationError, _bad_parameter)
    return app


def _knows(system: str, token: str) -> Callable[..., None]:
    expected = b"Basic " + base64.b64encode(f"{system}:{token}".encode())

    def check(authorization: Annotated[str, Header()] = "") -> None:
        if not hmac.compare_digest(authorization.encode(), expected):
            raise _Refused(401, "unauthorized", "Basic system:token is missing or wrong")

    return check


# ── sending ─────────────────────────────────────────────────────────────────


def _memos(mailroom: Mailroom) -> APIRouter:
    router = APIRouter()

    @router.post("/memos/")
    async def send_memo(request: Request) -> JSONResponse:
        uuid = _uuid_of(request)
        _check_body_headers(request)
        incoming = mailroom.new_incoming()
        try:
            sha256, size_bytes = await _store(request, incoming / "memo.xml")
            outcome = await to_thread(
                mailroom.offer, incoming, uuid=uuid, sha256=sha256, size_bytes=size_bytes
            )
        except Malformed as error:
            raise _Refused(400, error.code, error.message) from None
        except ClientDisconnect:
            raise _Refused(
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
        raise _Refused(
            400, "memo.message.uuid.invalid", "memo-message-uuid is missing or no UUID version 4"
        )
    return uuid.lower()


def _check_body_headers(request: Request) -> None:
    length = request.headers.get("content-length", "")
    if not (length.isascii() and length.isdigit()):
        raise _Refused(400, "content.length.required", "Content-Length is a required header")
    if int(length) > LARGEST_BYTES:
        raise _Refused(400, "memo.size.not.allowed", f"a message may fill {LARGEST_BYTES} bytes")
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _MEMO_TYPES:
        raise _Refused(
            400, "content.type.not.allowed", "the sandbox takes application/xml or text/xml"
        )


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
    raise _Refused(409, "message.already.exists", "a message of this UUID was taken before")


# ── receipts ────────────────────────────────────────────────────────────────


def _receipts(mailroom: Mailroom) -> APIRouter:
    router = APIRouter()

    @router.get("/receipts/")
    def list_receipts(page: Page = 0, size: Size = 100) -> dict[str, Any]:
        found = [receipt["id"] for receipt in mailroom.receipts()]
        pages = _pages(len(found), size)
        return {
            "content": found[page * size : (page + 1) * size],
            "number": page,
            "size": size,
            "previous": {"page": page - 1, "size": size} if page else None,
            "next": {"page": page + 1, "size": size} if page + 1 < pages else None,
            "totalElements": len(found),
            "totalPages": pages,
            "sandbox": True,
        }

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
            raise _Refused(404, "receipt.not.found", "there is no receipt of that id")
        return {name: value for name, value in receipt.items() if name != "id"} | {"sandbox": True}

    @router.delete("/receipts/{receipt_id}")
    def delete(receipt_id: str) -> Response:
        if not mailroom.delete_receipt(receipt_id):
            raise _Refused(404, "receipt.not.found", "there is no receipt of that id")
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
            raise _Refused(400, "contact.query.invalid", "ask for one cprNumber or one cvrNumber")
        status = dials.status_of(cpr or cvr)
        contacts = [_contact(cpr, cvr, status)] if status else []
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


# The detailed status that goes with each public one (enums of the OpenAPI).
_DETAILED = {
    "REGISTERED": "AUTOMATIC_REGISTRATION",
    "EXEMPT": "EXEMPT_OTHER_REASON",
    "CLOSED": "UNKNOWN",
    "UNKNOWN": "UNKNOWN",
}
_MADE_UP_TIME = "2023-08-25T00:49:34.437Z"


def _contact(cpr: str, cvr: str, status: str) -> dict[str, Any]:
    subscription = {
        "id": str(uuid5(NAMESPACE_OID, f"subscription {cpr or cvr}")),
        "version": 1,
        "registrationStatus": _DETAILED[status],
        "publicRegistrationStatus": status,
        "startTime": _MADE_UP_TIME,
    }
    number = {"cprNumber": cpr} if cpr else {"cvrNumber": cvr}
    return {
        "id": str(uuid5(NAMESPACE_OID, f"contact {cpr or cvr}")),
        "version": 1,
        "type": "CITIZEN" if cpr else "COMPANY",
        "transactionId": "SANDBOX",
        **number,
        "mailboxSubscription": subscription,
        "lastUpdated": _MADE_UP_TIME,
        "createdDate": _MADE_UP_TIME,
        "eligibleForVoluntaryRegistration": False,
    }


# ── the sandbox's own pages ─────────────────────────────────────────────────


def _own_pages(mailroom: Mailroom, dials: Dials) -> APIRouter:
    router = APIRouter()

    @router.get("/")
    def front() -> HTMLResponse:
        mailroom.settle_due()
        return HTMLResponse(_front_page(masked_inboxes(mailroom.folder)))

    @router.get("/sandbox/dials")
    def show() -> dict[str, Any]:
        return {"sandbox": True, "dials": dials.values(), "known": every_dial()}

    @router.put("/sandbox/dials")
    def turn(changes: dict[str, str | int | float]) -> dict[str, Any]:
        try:
            dials.update({name: str(value) for name, value in changes.items()})
        except ConfigError as error:
            raise _Refused(400, "dial.invalid", error.text()) from None
        return show()

    return router


def _front_page(inboxes: list[tuple[str, int]]) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(number)}</td><td>{count}</td></tr>" for number, count in inboxes
    )
    table = (
        f"<table><thead><tr><th>Modtager</th><th>Breve</th></tr></thead><tbody>{rows}</tbody></table>"
        if rows
        else "<p>Der er ingen breve endnu.</p>"
    )
    return f"""<!doctype html>
<html lang="da"><head><meta charset="utf-8"><title>SANDKASSE – ikke Digital Post</title></head>
<body><h1>SANDKASSE – ikke Digital Post</h1>
<p>Dette er en sandkasse til afprøvning. Intet herfra når en borger eller en virksomhed.</p>
<h2>Postkasser</h2>{table}
<p>Se et brev med <code>gateway sandbox inbox NUMMER</code>.</p></body></html>"""


# ── errors ──────────────────────────────────────────────────────────────────

_CODES = {404: "not.found", 405: "method.not.allowed"}


async def _error_message(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StarletteHTTPException)
    code = error.code if isinstance(error, _Refused) else _CODES.get(error.status_code, "error")
    return JSONResponse(
        _message(code, str(error.detail)), status_code=error.status_code, headers=error.headers
    )


async def _bad_parameter(_request: Request, error: Exception) -> JSONResponse:
    # The values are left out: they may be numbers of persons.
    assert isinstance(error, RequestValidationError)
    fields = [
        {
            "resource": None,
            "field": str(fault["loc"][-1]),
            "code": "invalid",
            "message": "SANDBOX: not a value for this field",
            "rejectedValue": None,
        }
        for fault in error.errors()
    ]
    return JSONResponse(
        _message("request.invalid", "a parameter is wrong", fields), status_code=400
    )


def _message(code: str, message: str, fields: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {
        "code": code,
        "message": f"SANDBOX: {message}",
        "fieldErrors": fields or [],
        "sandbox": True,
    }
