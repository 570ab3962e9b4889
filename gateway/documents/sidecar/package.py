"""A judged package becomes letters: the main one, and one for each who gets a copy."""

from __future__ import annotations

import json
from copy import copy
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.documents.batch.letters import Draft, read_batch
from gateway.documents.reading import Reading, ReadRules
from gateway.errors import OurError, SubmitterError
from gateway.model.batch import Settled
from gateway.model.danish_time import local
from gateway.model.identity import recipient_from
from gateway.model.letter import COPY_PREFIX, Document, Letter, Options
from gateway.model.submission import Blob, Submission


def read_package(raw: bytes, submission: Submission) -> Reading:
    """The letters in *raw*, which ``judge`` made. Raises OurError if it is no package of ours."""
    try:
        body = json.loads(raw)
        options, documents = _options(body, submission), _documents(body)
        people = [(body["recipient"], False), *((one, True) for one in body["copies"])]
        letters = tuple(
            Letter(
                submission_id=submission.id,
                index=place,
                recipient=recipient_from(one["kind"], one["number"], one["p_number"]),
                copy=copy,
                title=f"{COPY_PREFIX}{body['subject']}" if copy else body["subject"],
                documents=documents,
                options=options,
                flow=body["flow"],
            )
            for place, (one, copy) in enumerate(people, 1)
        )
    except (ValueError, KeyError, TypeError) as error:
        raise OurError() from error
    return Reading(title=body["subject"], letters=letters)


def merged_file(raw: bytes, rules: ReadRules) -> Blob | None:
    """The merged file that the package in *raw* is about; None: its documents are one letter's."""
    try:
        body = json.loads(raw)
        flow = rules.flows.get(body["flow"])
        if flow is None or flow.split is None or body["recipient"] is not None:
            return None
        return Blob(body["documents"][0]["digest"], body["documents"][0]["size_bytes"])
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise OurError() from error


def is_merged(raw: bytes) -> bool:
    """Whether the package in *raw*, which ``judge`` made, is about a merged file."""
    return json.loads(raw)["recipient"] is None


def read_merged_package(
    raw: bytes, file: Path, submission: Submission, rules: ReadRules, scratch: Path, settled: Settled
) -> Reading:
    """The letters of the merged file of the package in *raw*, which lies at *file*; with a refusal as ``read_mail``.

    Raises OurError if it is no package of ours.
    """
    try:
        body = json.loads(raw)
        draft = Draft(
            submission_id=submission.id, title=body["subject"], documents=_documents(body),
            options=_options(body, submission), flow=body["flow"],
        )  # fmt: skip
    except (ValueError, KeyError, TypeError) as error:
        raise OurError() from error
    try:
        return read_batch(draft, file, rules, settled, scratch)
    except SubmitterError as refusal:
        return Reading(title=draft.title, refusal=copy(refusal))


def _documents(body: dict[str, Any]) -> tuple[Document, ...]:
    return tuple(Document(**document) for document in body["documents"])


def _options(body: dict[str, object], submission: Submission) -> Options:
    deliver_from, expires = body["deliver_from"], body["expires"]
    actions, extra = body["actions"], body["extra"]
    assert isinstance(extra, list)
    return Options(
        case=_text(body["case"]),
        plan=_text(body["plan"]),
        reply_allowed=body["reply_allowed"] if isinstance(body["reply_allowed"], bool) else None,
        deliver_from=local(datetime.fromisoformat(str(deliver_from))).date() if deliver_from else None,
        expires=datetime.fromisoformat(str(expires)) if expires else None,
        document_type=_text(body["document_type"]),
        sender_label=_text(body["sender_label"]),
        actions=tuple(map(str, actions)) if isinstance(actions, list) else None,
        sidecar=tuple((str(name), str(value)) for name, value in extra),
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)
