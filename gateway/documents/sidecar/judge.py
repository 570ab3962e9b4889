"""A complete drop against the limits of the channel: packages ready to become submissions, or every fault at once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from gateway.documents import names
from gateway.documents.files import size_as_sent
from gateway.documents.reading import ReadRules
from gateway.documents.sidecar.dispatch import Dispatch, Named
from gateway.documents.sidecar.look import Look
from gateway.documents.sidecar.pairing import Group, Item
from gateway.documents.sidecar.understand import defaulted
from gateway.errors import (
    BadField,
    Expired,
    Fault,
    FileTypeNotAllowed,
    GatewayError,
    NoDocument,
    NoTitle,
    SidecarMissing,
    TitleTooLong,
    TooLarge,
    TooManyFiles,
)
from gateway.model.drop import DropManner, DroppedFile
from gateway.model.letter import COPY_PREFIX, Document

SCHEMA = "gateway.drop/1"
_MB = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One dispatch that may be accepted, as bytes of our own making that ``package`` reads again."""

    reference: str = field(repr=False)
    """The system's own id, else ``sha256:<identity>``."""
    identity: str
    """SHA-256 over everything that makes it this letter."""
    raw: bytes = field(repr=False)
    subject: str = field(repr=False)
    again: bool = False
    receipt_to: str | None = field(default=None, repr=False)
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What became of a drop."""

    packages: tuple[Package, ...] = ()
    faults: tuple[Fault, ...] = ()
    """With packages: those lines of a list that do not go (delvis)."""
    notes: tuple[str, ...] = ()
    trial: bool = False
    documents: tuple[tuple[str, str, int, int | None], ...] = field(default=(), repr=False)
    """Name, digest, bytes and pages of each document, for the receipt."""


def judge(
    group: Group,
    looks: Mapping[int, Look],
    rules: ReadRules,
    manner: DropManner,
    now: datetime,
    *,
    defaults: Dispatch | None = None,
) -> Judgement:
    """Everything that is wrong with *group*, or what it asks for.

    Args:
        defaults: of the folder's metadata file.
    """
    faults = list(group.faults)
    packages: list[Package] = []
    partly = any(item.dispatch.partly for item in group.items)
    documents: dict[int, DroppedFile] = {}
    trial = False
    for item in group.items:
        documents |= {file.id: file for file in item.files}
        dispatch = defaulted(item.dispatch, defaults) if defaults is not None else item.dispatch
        trial = trial or dispatch.trial
        found = _Judging(group, looks, rules, manner, now).item(replace(item, dispatch=dispatch))
        if isinstance(found, Package):
            packages.append(found)
        else:
            faults += found
    if faults and not (partly and packages):
        packages = []
    notes = (*group.notes, *(note for item in group.items for note in item.dispatch.notes))
    listed = tuple((f.name, f.blob.digest, f.blob.size_bytes, looks[f.id].pages) for f in documents.values())
    return Judgement(packages=tuple(packages), faults=tuple(faults), notes=tuple(dict.fromkeys(notes)), trial=trial, documents=listed)


class _Judging:
    """One item of a group."""

    def __init__(self, group: Group, looks: Mapping[int, Look], rules: ReadRules, manner: DropManner, now: datetime) -> None:
        self._group, self._looks, self._rules, self._manner, self._now = group, looks, rules, manner, now
        self._faults: list[Fault] = []

    def item(self, item: Item) -> Package | list[Fault]:
        """The package, or what is wrong beside the faults the group has already."""
        dispatch = item.dispatch
        documents = self._documents(item)
        self._judge_subject(dispatch)
        if dispatch.expires is not None and dispatch.expires <= self._now:
            self._fault(Expired(), "udloeber", dispatch.line)
        merged = self._merged_flow(dispatch)
        if dispatch.recipient is None and item.good and self._group.control is None:
            self._fault(SidecarMissing(), "", None)
        if self._faults or not item.good or (dispatch.recipient is None and merged is None):
            return self._faults
        return _package(dispatch, documents, self._manner, merged)

    def _merged_flow(self, dispatch: Dispatch) -> str | None:
        """The flow that divides the dispatch's merged file; None: it has a recipient of its own."""
        if dispatch.recipient is not None or self._group.control is None:
            return None
        wanted = dispatch.split or self._manner.flow
        flow = self._rules.flows.get(wanted)
        if flow is not None and flow.split is not None:
            return wanted
        if dispatch.split not in (None, "ingen"):
            known = ", ".join(name for name, one in self._rules.flows.items() if one.split is not None) or "ingen"
            self._fault(BadField(field="opdel", expected=f"et af forløbene {known}"), "opdel", dispatch.line)
        return None

    def _fault(self, error: GatewayError, field: str, line: int | None, file: str = "") -> None:
        control = self._group.control.name if self._group.control else ""
        self._faults.append(Fault(error=error, file=file or control, field=field, line=line))

    def _judge_subject(self, dispatch: Dispatch) -> None:
        longest = self._rules.title - (len(COPY_PREFIX) if dispatch.copies else 0)
        if len(dispatch.subject) > longest:
            error = TitleTooLong(count=len(dispatch.subject), limit=longest)
            self._fault(error, "emne", dispatch.line)
        elif not dispatch.subject and self._group.control is None:
            self._fault(NoTitle(), "emne", dispatch.line)

    def _documents(self, item: Item) -> tuple[Document, ...]:
        """Main one first; their faults are noted."""
        found: list[tuple[Document, Named | None]] = []
        taken: set[str] = set()
        for file, named in zip(item.files, item.named, strict=True):
            look = self._looks[file.id]
            if look.fault is not None:
                self._fault(look.fault, "", None, file.name)
                continue
            found.append((self._document(file, named, look, taken), named))
        if not item.files:
            if item.good:
                self._fault(NoDocument(), "dokumenter", item.dispatch.line)
            return ()
        main = self._main(found, item)
        rest = [document for document, _ in found if document is not main]
        for document in rest:
            if names.extension(document.name) not in self._rules.attachment_types:
                allowed = ", ".join(self._rules.attachment_types)
                self._fault(FileTypeNotAllowed(private=document.name, allowed=allowed), "", None, document.name)
        self._judge_sizes([document for document, _ in found], item)
        return () if main is None else (replace(main, role="main"), *rest)

    def _document(self, file: DroppedFile, named: Named | None, look: Look, taken: set[str]) -> Document:
        name = look.safe
        if named is not None and named.title:
            name = names.with_extension(names.safe_name(named.title), names.extension(name))
        return Document(
            name=names.distinct(name, taken), media_type=look.media_type, digest=file.blob.digest,
            size_bytes=file.blob.size_bytes, role="attachment", pages=look.pages,
        )  # fmt: skip

    def _main(self, found: Sequence[tuple[Document, Named | None]], item: Item) -> Document | None:
        """As the sidecar says; else the first of a type that can be it."""
        said = next((document for document, named in found if named is not None and named.role == "main"), None)
        able = [document for document, _ in found if names.extension(document.name) in self._rules.main_types]
        if said is not None and said not in able:
            allowed = ", ".join(self._rules.main_types)
            self._fault(FileTypeNotAllowed(private=said.name, allowed=allowed), "dokumenter.rolle", None, said.name)
            return None
        main = said or (able[0] if able else None)
        if main is None and len(found) == len(item.files):
            self._fault(NoDocument(), "dokumenter", item.dispatch.line)
        return main

    def _judge_sizes(self, documents: Sequence[Document], item: Item) -> None:
        if len(item.files) > self._rules.files:
            self._fault(TooManyFiles(count=len(item.files), limit=self._rules.files), "dokumenter", item.dispatch.line)
        sent = size_as_sent([document.size_bytes for document in documents])
        if sent > self._rules.total:
            error = TooLarge(size_mb=round(sent / _MB), limit_mb=round(self._rules.total / _MB))
            self._fault(error, "dokumenter", item.dispatch.line)


def _package(
    dispatch: Dispatch, documents: tuple[Document, ...], manner: DropManner, merged: str | None
) -> Package:
    body: dict[str, Any] = {
        "schema": SCHEMA,
        "account": manner.account,
        "flow": merged or manner.flow,
        "recipient": None if merged else _recipient(dispatch.recipient),
        "copies": [_recipient(one) for one in dispatch.copies],
        "subject": dispatch.subject,
        "documents": [
            {"name": d.name, "media_type": d.media_type, "digest": d.digest, "size_bytes": d.size_bytes, "role": d.role, "pages": d.pages}
            for d in documents
        ],
        "actions": sorted(dispatch.actions) if dispatch.actions else None,
        "case": dispatch.case,
        "plan": dispatch.plan,
        "document_type": dispatch.document_type,
        "sender_label": dispatch.sender_label,
        "reply_allowed": dispatch.reply_allowed,
        "deliver_from": dispatch.deliver_from.isoformat() if dispatch.deliver_from else None,
        "expires": dispatch.expires.isoformat() if dispatch.expires else None,
        "extra": sorted(_extra(dispatch)),
    }  # fmt: skip
    raw = json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode("utf-8")
    identity = hashlib.sha256(raw).hexdigest()
    return Package(
        reference=dispatch.reference or f"sha256:{identity}",
        identity=identity,
        raw=raw,
        subject=dispatch.subject,
        again=dispatch.again,
        receipt_to=dispatch.receipt_to,
        line=dispatch.line,
    )


def _recipient(recipient: Any) -> dict[str, str | None]:
    return {"kind": recipient.kind, "number": recipient.reveal(), "p_number": recipient.p_number}


def _extra(dispatch: Dispatch) -> list[tuple[str, str]]:
    """What rules may ask about as ``sidecar.NAME``: the free fields, and known ones without a field of their own."""
    known = (
        ("sag_titel", dispatch.case_title), ("afsender_enhed", dispatch.unit), ("fortrolighed", dispatch.confidential),
        ("batch_id", dispatch.batch),
    )  # fmt: skip
    return [*dispatch.extra, *((name, value) for name, value in known if value)]
