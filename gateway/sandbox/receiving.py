"""The routes of a recipient system: messages listed, fetched, answered, removed (reference, digital-post.md, 2.4)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse, Response
from pydantic import BaseModel, Field

from gateway.sandbox.answers import Refused, listed_page
from gateway.sandbox.dials import STAYS_LISTED, Dials
from gateway.sandbox.posting import Posted

_STATUSES = ("COMPLETED", "INVALID")


class BusinessReceipt(BaseModel):
    """What a recipient system says of a message."""

    transmission_id: str = Field(alias="transmissionId")
    message_uuid: str = Field(alias="messageUUID")
    receipt_status: str = Field(alias="receiptStatus")
    time_stamp: str = Field(alias="timeStamp")
    error_code: str | None = Field(default=None, alias="errorCode")
    error_message: str | None = Field(default=None, alias="errorMessage")


def received_memos(posted: Posted, dials: Dials) -> APIRouter:
    """The routes over *posted*."""
    router = APIRouter()

    @router.get("/memos/")
    def list_memos(
        page: Annotated[int, Query(ge=0)] = 0, size: Annotated[int, Query(ge=1, le=1000)] = 100
    ) -> dict[str, Any]:
        return listed_page(posted.waiting(), page, size)

    @router.get("/memos/{uuid}")
    def fetch(uuid: str) -> FileResponse:
        file = posted.memo(uuid)
        if file is None:
            raise Refused(404, "memo.not.found", "there is no message of that id")
        return FileResponse(file, media_type="application/xml")

    @router.post("/memos/{uuid}/receipt")
    def answer(uuid: str, receipt: BusinessReceipt) -> dict[str, Any]:
        if receipt.receipt_status not in _STATUSES:
            raise Refused(400, "receipt.status.invalid", "receiptStatus is COMPLETED or INVALID")
        if receipt.message_uuid.lower() != uuid.lower():
            raise Refused(400, "receipt.message.uuid.mismatch", "messageUUID is not the one in the path")
        # Whether a receipt takes the message off the list is not known, so a dial turns it.
        stays = dials.values().get(STAYS_LISTED) == "yes"
        if not posted.answer(uuid, receipt.model_dump(by_alias=True, exclude_none=True), removes=not stays):
            raise Refused(404, "memo.not.found", "there is no message of that id")
        return {"sandbox": True}

    @router.delete("/memos/{uuid}")
    def remove(uuid: str) -> Response:
        if not posted.remove(uuid):
            raise Refused(404, "memo.not.found", "there is no message of that id")
        return Response(status_code=204)

    return router
