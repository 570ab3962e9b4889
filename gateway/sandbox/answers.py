"""Bodies of the sandbox's answers that are more than a line: errors, contacts, the front page."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from fastapi import HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException


class Refused(HTTPException):
    """Answered as an ErrorMessage; *code* is a dotted lower-case string as the real ones are."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(status, message)
        self.code = code


_CODES = {404: "not.found", 405: "method.not.allowed"}


async def error_message(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StarletteHTTPException)
    code = error.code if isinstance(error, Refused) else _CODES.get(error.status_code, "error")
    return JSONResponse(
        _message(code, str(error.detail)), status_code=error.status_code, headers=error.headers
    )


async def bad_parameter(_request: Request, error: Exception) -> JSONResponse:
    """400 with the fields that are wrong; values are left out: they may be numbers of persons."""
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


# The detailed status that goes with each public one (enums of the OpenAPI).
_DETAILED = {
    "REGISTERED": "AUTOMATIC_REGISTRATION",
    "EXEMPT": "EXEMPT_OTHER_REASON",
    "CLOSED": "UNKNOWN",
    "UNKNOWN": "UNKNOWN",
}
_MADE_UP_TIME = "2023-08-25T00:49:34.437Z"


def contact_of(cpr: str, cvr: str, status: str) -> dict[str, Any]:
    """One Contact as ``GET /contacts/`` gives it, made up but for number and status.

    Args:
        cpr: ten digits; ``""`` for a company.
        cvr: eight digits; ``""`` for a citizen.
        status: its ``publicRegistrationStatus``.
    """
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


def listed_page(found: Sequence[str], page: int, size: int) -> dict[str, Any]:
    """One page of a list of ids, from 0 (OpenAPI 1.68.0)."""
    pages = -(-len(found) // size)
    return {
        "content": list(found[page * size : (page + 1) * size]),
        "number": page,
        "size": size,
        "previous": {"page": page - 1, "size": size} if page else None,
        "next": {"page": page + 1, "size": size} if page + 1 < pages else None,
        "totalElements": len(found),
        "totalPages": pages,
        "sandbox": True,
    }


def front_page(inboxes: list[tuple[str, int]]) -> str:
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
