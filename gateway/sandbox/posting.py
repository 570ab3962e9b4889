"""Post from authorities to a company: ``posted/<uuid>/`` in the sandbox's folder, and its way to a recipient system.

Each message holds ``memo.xml`` and ``state.json``: ``{uuid, to, from, title, posted_at, state, receipts}``; *state* is
``waiting``, then what the recipient system answered (``COMPLETED``, ``INVALID``), with ``listed`` until it is removed.
Written beside and renamed, so that posting needs no running sandbox, and a kill leaves a whole message or none.
Its MeMo is written here and not by the gateway's own writer, so that the two check each other.
"""

from __future__ import annotations

import base64
import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4
from xml.sax.saxutils import escape

from gateway.sandbox.durable import flush_file, flush_folder, read_json, write_json
from gateway.sandbox.memo_types import is_uuid4

_SPACES = {
    "memo": "https://DigitalPost.dk/MeMo-1",
    "grd": "https://data.gov.dk/model/core/",
    "gln": "https://www.gs1.dk/gs1-standarder/identifikation/gln-global-location-number/",
    "kle": "http://kle-online.dk/",
    "form": "http://www.form-online.dk/",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PostedFile:
    """A document of a message."""

    name: str
    media_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What an authority writes. The first file is the main document; tags are what a sender may add."""

    to_cvr: str
    from_cvr: str
    from_name: str
    title: str
    files: Sequence[PostedFile]
    from_cpr: str | None = None
    """A citizen's number, instead of *from_cvr*."""
    p_number: str | None = None
    attention_person: str | None = None
    attention_email: str | None = None
    gln: str | None = None
    rid: str | None = None
    contact_point: str | None = None
    kle: str | None = None
    form: str | None = None
    case: str | None = None
    message_code: str | None = None
    reply: bool = False
    reply_by: datetime | None = None
    answers: str | None = None
    """UUID of the message it answers."""


def post(folder: Path, letter: Letter, *, uuid: str | None = None, now: datetime | None = None, listed: bool = True) -> str:
    """Lay *letter* out for the recipient system; durable when this returns. Its UUID. *listed*: for who asks."""
    uuid, now = uuid or str(uuid4()), now or datetime.now(UTC)
    return post_bytes(
        folder, memo_xml(letter, uuid, now), uuid=uuid,
        told={"to": letter.to_cvr, "from": letter.from_name, "title": letter.title}, now=now, listed=listed,
    )  # fmt: skip


def post_bytes(
    folder: Path, content: bytes, *, uuid: str | None = None, told: Mapping[str, str] | None = None,
    now: datetime | None = None, listed: bool = True,
) -> str:  # fmt: skip
    """As ``post``, of any bytes: also of such as are no MeMo."""
    uuid = uuid or str(uuid4())
    beside = folder / "posted" / f".new-{secrets.token_hex(8)}"
    beside.mkdir(parents=True, mode=0o700)
    (beside / "memo.xml").write_bytes(content)
    flush_file(beside / "memo.xml")
    posted_at = (now or datetime.now(UTC)).isoformat()
    state = {"uuid": uuid, "posted_at": posted_at, "state": "waiting", "listed": listed, "receipts": [], **(told or {})}
    write_json(beside / "state.json", state)
    beside.rename(folder / "posted" / uuid)
    flush_folder(folder / "posted")
    return uuid


def memo_file(folder: Path, uuid: str) -> Path:
    """Where the message lies."""
    return folder / "posted" / uuid / "memo.xml"


def read_posted(folder: Path) -> list[dict[str, Any]]:
    """The state of every message, the oldest first."""
    found = [read_json(file) for file in (folder / "posted").glob("*/state.json") if not file.parent.name.startswith(".")]
    return sorted(found, key=lambda one: (one["posted_at"], one["uuid"]))


class Posted:
    """What the recipient system may do with it. Every method may be called from any thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def waiting(self) -> list[str]:
        """UUIDs of what is listed, the oldest first."""
        return [one["uuid"] for one in read_posted(self._folder) if one["listed"]]

    def memo(self, uuid: str) -> Path | None:
        """Its bytes, while it is listed."""
        file = self._folder / "posted" / uuid / "memo.xml"
        state = self._state(uuid)
        return file if state is not None and state["listed"] else None

    def answer(self, uuid: str, receipt: Mapping[str, Any], *, removes: bool) -> bool:
        """A business receipt; False: there is no such message. *removes*: and it is listed no more."""
        with self._lock:
            state = self._state(uuid)
            if state is None:
                return False
            state["receipts"] = [*state["receipts"], dict(receipt)]
            state["state"] = str(receipt["receiptStatus"])
            state["listed"] = state["listed"] and not removes
            self._write(state)
            return True

    def remove(self, uuid: str) -> bool:
        """Off the list; False: it was not on it."""
        with self._lock:
            state = self._state(uuid)
            if state is None or not state["listed"]:
                return False
            self._write({**state, "listed": False})
            return True

    def _state(self, uuid: str) -> dict[str, Any] | None:
        file = self._folder / "posted" / uuid.lower() / "state.json"
        return read_json(file) if is_uuid4(uuid) and file.exists() else None

    def _write(self, state: Mapping[str, Any]) -> None:
        folder = self._folder / "posted" / str(state["uuid"])
        write_json(folder / "state.json", state)
        flush_folder(folder)


# ── MeMo 1.1 ────────────────────────────────────────────────────────────────


def memo_xml(letter: Letter, uuid: str, now: datetime) -> bytes:
    """*letter* as MeMo 1.1."""
    spaces = " ".join(f'xmlns:{prefix}="{name}"' for prefix, name in _SPACES.items())
    main, *others = letter.files
    body = [
        _tag("memo:createdDateTime", _stamp(now)),
        _nest("memo:MainDocument", _file(main)),
        *(_nest("memo:AdditionalDocument", _file(one)) for one in others),
    ]
    inside = _nest("memo:MessageHeader", *_header(letter, uuid)) + _nest("memo:MessageBody", *body)
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return f'{head}<memo:Message {spaces} memoVersion="1.1" memoSchVersion="1.1.0">{inside}</memo:Message>'.encode()


def _header(letter: Letter, uuid: str) -> list[str]:
    number, kind = (letter.from_cpr, "CPR") if letter.from_cpr else (letter.from_cvr, "CVR")
    return [
        _tag("memo:messageType", "DIGITALPOST"),
        _tag("memo:messageUUID", uuid),
        _tag("memo:messageCode", letter.message_code),
        _tag("memo:label", letter.title),
        _tag("memo:reply", "true" if letter.reply else None),
        _tag("memo:replyByDateTime", _stamp(letter.reply_by) if letter.reply_by else None),
        _tag("memo:mandatory", "false"),
        _tag("memo:legalNotification", "false"),
        _nest(
            "memo:Sender", _tag("memo:senderID", number), _tag("memo:idType", kind), _tag("memo:label", letter.from_name)
        ),
        _nest("memo:Recipient", _tag("memo:recipientID", letter.to_cvr), _tag("memo:idType", "CVR"), *_attention(letter)),
        _nest("memo:ContentData", *_content(letter)),
        _nest("memo:ReplyData", _tag("memo:messageUUID", letter.answers)),
    ]


def _attention(letter: Letter) -> list[str]:
    return [
        _nest(
            "memo:AttentionData",
            _nest("memo:AttentionPerson", _tag("memo:label", letter.attention_person)),
            _nest("grd:ProductionUnit", _tag("grd:productionUnitNumber", letter.p_number)),
            _nest("gln:GlobalLocationNumber", _tag("gln:globalLocationNumber", letter.gln)),
            _nest("memo:EMail", _tag("memo:emailAddress", letter.attention_email)),
            _nest("grd:EID", _tag("grd:eID", letter.rid)),
        ),
        _nest("memo:ContactPoint", _tag("memo:contactPointID", letter.contact_point)),
    ]


def _content(letter: Letter) -> list[str]:
    case = [_tag("memo:caseID", letter.case), _tag("memo:caseSystem", "SAGSYSTEM")] if letter.case else []
    kle = [_tag("kle:subjectKey", letter.kle), _tag("kle:version", "1.0"), _tag("kle:label", "Emne")] if letter.kle else []
    form = [_tag("form:taskKey", letter.form), _tag("form:version", "1.0"), _tag("form:label", "Opgave")] if letter.form else []
    return [_nest("memo:CaseID", *case), _nest("kle:KLEdata", *kle), _nest("form:FORMdata", *form)]


def _file(file: PostedFile) -> str:
    return _nest(
        "memo:File",
        _tag("memo:encodingFormat", file.media_type),
        _tag("memo:filename", file.name),
        _tag("memo:language", "da"),
        _tag("memo:content", base64.b64encode(file.content).decode()),
    )


def _tag(name: str, text: str | None) -> str:
    """An element with *text*; nothing for None."""
    return "" if text is None else f"<{name}>{escape(text)}</{name}>"


def _nest(name: str, *parts: str) -> str:
    """An element around *parts*; nothing around nothing."""
    inside = "".join(parts)
    return f"<{name}>{inside}</{name}>" if inside else ""


def _stamp(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
