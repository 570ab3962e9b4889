"""Answers to systems as files: JSON and XML of one content, KOMBIT's .sftpreceipt, and what a person reads.

Shapes: docs/reference/drops.md. Times are Danish, with their zone. Recipients are masked; names of files are
the system's own, and stay in its own folder.
"""

from __future__ import annotations

import html
import json
import re
from datetime import datetime
from typing import Any
from xml.sax.saxutils import escape

from gateway.documents.sidecar.codes import word_of
from gateway.model.danish_time import local
from gateway.model.drop import AnswerFile, Drop, DropItem
from gateway.model.shipment import Status
from gateway.notices.overview import html_page, moment
from gateway.ports import Clock

SCHEMA = "gateway.kvittering/1"
STAGES = {
    "modtaget": "Modtaget", "godkendt": "Godkendt", "afvist": "Afvist", "dublet": "Dublet", "afventer": "Afventer",
    "slut": "Slut", "proeve": "Prøve",
}  # fmt: skip
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class DropAnswers:
    """``ports.AnswerWriter``."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def files(self, drop: Drop, *, number: int, stage: str) -> list[AnswerFile]:
        """See ``ports.AnswerWriter``."""
        content = answer(drop, stage, self._clock.now())
        name = f"{drop.base}.{number}-{stage}"
        made = [
            AnswerFile(name=f"{name}.json", content=_json(content)),
            AnswerFile(name=f"{name}.xml", content=_xml(content)),
        ]
        if drop.kind == "trigger" and stage in ("godkendt", "afvist", "dublet"):
            made.append(AnswerFile(name=f"{drop.base}.sftpreceipt", content=_sftpreceipt(drop, stage)))
        if stage == "proeve":
            made.append(AnswerFile(name=f"{name}.html", content=_trial_page(drop, content)))
        if stage == "afvist":
            made.insert(0, AnswerFile(name=f"fejl/{rejected_folder(drop.id, drop.received_at)}/LAES-MIG.txt", content=_read_me(drop, content)))
        return made


def rejected_folder(drop_id: str, received_at: datetime) -> str:
    """Where the originals of a rejected drop lie within ``fejl/``."""
    return f"{local(received_at).date().isoformat()}/{drop_id}"


def answer(drop: Drop, stage: str, now: datetime) -> dict[str, Any]:
    """The content of an answer (sidecar.md, D4)."""
    repeats = [item for item in drop.items if item.outcome == "duplicate"]
    return {
        "schema": SCHEMA,
        "ledger_id": drop.id,
        "trin": stage,
        "status": _status(drop, stage),
        "status_tekst": STAGES[stage],
        "forsendelses_id": _reference(drop.items[0]) if len(drop.items) == 1 else None,
        "original_filnavn": drop.documents[0][0] if drop.documents else drop.base,
        "modtaget": moment(drop.received_at),
        "tid": moment(now),
        "fejl": [
            {"kode": f.kode, "nummer": f.gw, "fil": f.fil, "felt": f.felt, "linje": f.linje, "tekst": f.tekst,
             "goer_saadan": f.goer_saadan, "proeves_igen": f.proeves_igen}
            for f in drop.faults
        ],
        "bemaerkninger": list(drop.notes),
        "dublet_af": [
            {"id": item.submission_id, "tid": moment(datetime.fromisoformat(item.view["received_at"])), "status": item.view["status"]}
            for item in repeats
        ],
        "dokumenter": [{"fil": name, "sha256": digest, "bytes": size, "sider": pages} for name, digest, size, pages in drop.documents],
        "forsendelser": [_item(item) for item in drop.items],
        **({"proeve": drop.tried} if stage == "proeve" else {}),
    }  # fmt: skip


def _status(drop: Drop, stage: str) -> str:
    """One of the design's status codes, over all letters."""
    if stage == "afvist" or (stage == "proeve" and drop.faults):
        return "rejected"
    if stage == "modtaget" or not drop.items:
        return "received"
    order = [Status.HELD, Status.FAILED, Status.REJECTED, Status.RECEIVED, Status.QUEUED, Status.SENT, Status.COMPLETED,
             Status.ARCHIVED, Status.HANDLED, Status.CANCELLED, Status.NONE]  # fmt: skip
    return str(min((Status(item.view["status"]) for item in drop.items), key=order.index).value)


def _item(item: DropItem) -> dict[str, Any]:
    return {
        "nummer": item.number,
        "linje": item.line,
        "id": item.submission_id,
        "forsendelses_id": _reference(item),
        "dublet": item.outcome == "duplicate",
        "status": item.view["status"],
        "breve": [_letter(letter) for letter in item.view["letters"]],
    }


def _letter(letter: dict[str, Any]) -> dict[str, Any]:
    refusals = [letter["refusal"], *(shipment["refusal"] for shipment in letter["shipments"])]
    return {
        "id": letter["id"],
        "modtager_maskeret": letter["recipient"],
        "kopi": letter["copy"],
        "sider": letter["batch_pages"],
        "hvorfor": letter["batch_why"],
        "status": letter["send"],
        "status_tekst": Status(letter["send"]).danish,
        "arkiv": letter["archive"],
        "sag": letter["case"],
        "arkiv_id": letter["id"] if letter["archive"] == "archived" else None,
        "digital_post_id": letter["uuid"],
        "kvitteringer": [{"art": one["kind"], "svar": one["verdict"], "tid": one["at"], "kode": one["code"]} for one in letter["receipts"]],
        "regel": letter["rule"],
        "naeste_forsoeg": letter["next_attempt"] or next((s["next_attempt"] for s in letter["shipments"] if s["code"] and s["next_attempt"]), None),
        "fejl": [
            {"kode": word_of(one["code"]), "nummer": one["code"], "tekst": one["sentence"], "goer_saadan": one["remedy"], "proeves_igen": False}
            for one in refusals if one
        ],
    }  # fmt: skip


def _reference(item: DropItem) -> str | None:
    reference = item.reference.partition("#")[0]
    return None if reference.startswith("sha256:") else reference


# ── forms ───────────────────────────────────────────────────────────────────


def _json(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode("utf-8", "replace")


def _xml(content: dict[str, Any]) -> bytes:
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f'<kvittering xmlns="urn:{SCHEMA.replace("/", ":").replace("gateway.", "gateway:")}">']
    for name, value in content.items():
        if name != "schema":
            lines += _element(name, value, 1)
    lines.append("</kvittering>")
    return ("\n".join(lines) + "\n").encode("utf-8", "replace")


_SINGULAR = {"fejl": "fejl", "dokumenter": "dokument", "forsendelser": "forsendelse", "breve": "brev", "kvitteringer": "kvittering",
             "bemaerkninger": "bemaerkning", "dublet_af": "original", "letters": "letter", "actions": "action", "trail": "step"}  # fmt: skip


def _element(name: str, value: Any, depth: int) -> list[str]:
    pad = "  " * depth
    tag = name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", name) else "felt"
    if value is None or value == [] or value == {}:
        return [f"{pad}<{tag}/>"]
    if isinstance(value, dict):
        inner = [line for key, one in value.items() for line in _element(key, one, depth + 1)]
        return [f"{pad}<{tag}>", *inner, f"{pad}</{tag}>"]
    if isinstance(value, list | tuple):
        inner = [line for one in value for line in _element(_SINGULAR.get(name, "post"), one, depth + 1)]
        return [f"{pad}<{tag}>", *inner, f"{pad}</{tag}>"]
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return [f"{pad}<{tag}>{escape(_UNFIT.sub('�', text))}</{tag}>"]


def _sftpreceipt(drop: Drop, stage: str) -> bytes:
    """As Serviceplatformen answers a ``.trigger`` (sidecar.md, D7)."""
    reference = next((found for item in drop.items if (found := _reference(item))), "")
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<TechnicalReceipt>", f"  <FileTransferUUID>{drop.id}</FileTransferUUID>",
             f"  <SendersFileId>{escape(reference)}</SendersFileId>"]  # fmt: skip
    if stage == "afvist":
        for fault in drop.faults:
            lines += [
                "  <ErrorMessage>", f"    <ErrorCode>{escape(fault.gw)}</ErrorCode>",
                f"    <ErrorCodeDescription>{escape(fault.kode)}</ErrorCodeDescription>",
                f"    <ErrorDescription>{escape(_UNFIT.sub('�', f'{fault.tekst} {fault.goer_saadan}'))}</ErrorDescription>", "  </ErrorMessage>",
            ]  # fmt: skip
    else:
        lines += ["  <Receipt>", "    <Message>SUCCESS</Message>", "  </Receipt>"]
    lines.append("</TechnicalReceipt>")
    return ("\n".join(lines) + "\n").encode("utf-8", "replace")


def _read_me(drop: Drop, content: dict[str, Any]) -> bytes:
    lines = [
        f"Aflevering {drop.id} blev afvist {local(drop.received_at):%d.%m.%Y kl. %H.%M}. Intet er sendt.", "",
        "Det er galt:",
    ]  # fmt: skip
    for number, fault in enumerate(content["fejl"], 1):
        where = ", ".join(part for part in (fault["fil"], f"linje {fault['linje']}" if fault["linje"] else "", f"felt {fault['felt']}" if fault["felt"] else "") if part)
        lines += [f"{number}. {where + ': ' if where else ''}{fault['tekst']} ({fault['kode']}, {fault['nummer']})", f"   {fault['goer_saadan']}"]
    lines += [
        "", "Sådan kommer I videre:",
        "- Ret filerne, og læg dem i ind/ igen; eller",
        "- ret følgefilen her i mappen, og omdøb den, så navnet slutter på .ret: så afleveres de samme filer igen.",
        "", "Filerne her i mappen slettes efter 30 dage.",
    ]  # fmt: skip
    return ("\r\n".join(lines) + "\r\n").encode("utf-8-sig", "replace")


def _trial_page(drop: Drop, content: dict[str, Any]) -> bytes:
    """What would happen and what the recipient would see, for a person."""
    parts = [f"<h1>Prøve {html.escape(drop.id)}</h1>", "<p><strong>Intet er sendt.</strong></p>"]
    if content["fejl"]:
        parts += ["<h2>Fejl</h2>", "<ol>"]
        parts += [f"<li>{html.escape(_where(f))}{html.escape(f['tekst'])} <em>{html.escape(f['goer_saadan'])}</em></li>" for f in content["fejl"]]
        parts.append("</ol>")
    for one in (drop.tried or {}).get("letters", []):
        for letter in one["letters"]:
            parts += _trial_letter(letter)
    return html_page(f"Prøve {drop.id}", parts)


def _where(fault: dict[str, Any]) -> str:
    where = [fault["fil"], f"linje {fault['linje']}" if fault["linje"] else "", fault["felt"]]
    return ", ".join(part for part in where if part) + ": " if any(where) else ""


_REACH = {"registered": "kan få Digital Post", "exempt": "er fritaget", "closed": "er lukket", "unknown": "er ikke tilmeldt",
          "unavailable": "opslaget svarede ikke"}  # fmt: skip


def _trial_letter(letter: dict[str, Any]) -> list[str]:
    sees = letter["sees"]
    documents = "".join(f"<li>{html.escape(d['navn'])} ({d['rolle']}{', ' + str(d['sider']) + ' sider' if d['sider'] else ''})</li>" for d in sees["dokumenter"])
    actions = ", ".join(f"{a['kind']} {a['target'] or ''}".strip() for a in letter["actions"]) or "ingenting"
    return [
        f"<h2>Brev til {html.escape(letter['recipient'])}{' (kopi)' if letter['copy'] else ''}</h2>",
        f"<p>Modtageren {_REACH[letter['reach']]}. Reglen <strong>{html.escape(letter['rule'])}</strong> bestemmer: {html.escape(actions)}.</p>",
        "<h3>Det ser modtageren</h3><dl>",
        f"<dt>Fra</dt><dd>{html.escape(sees['afsender'])}</dd><dt>Emne</dt><dd>{html.escape(sees['emne'])}</dd>",
        f"<dt>Dato</dt><dd>{sees['dato']}</dd><dt>Må svare</dt><dd>{'ja' if sees['maa_svare'] else 'nej'}</dd></dl><ul>{documents}</ul>",
        "<h3>Reglernes svar</h3><ul>",
        *(f"<li>{html.escape(str(step['name']))}: {html.escape(str(step['state']))}</li>" for step in letter["trail"]),
        "</ul>",
    ]
