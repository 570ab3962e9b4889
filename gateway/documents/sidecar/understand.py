"""From a tree of texts to a Dispatch: every fault of a file is found, none stops the others.

One module, although long: the meaning of every field stands beside the others, as their table does in ``fields``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, time
from typing import Any

from gateway.documents.cpr_text import holds_cpr
from gateway.documents.sidecar.dispatch import Dispatch, Named
from gateway.documents.sidecar.fields import (
    DOCUMENT_PARTS,
    FIELDS,
    PERSON_PARTS,
    ROLES,
    Field,
    field_named,
    nearest,
    part_named,
)
from gateway.documents.sidecar.read_xml import CONTENT
from gateway.documents.sidecar.tree import LIMITS, Entry, Faults, Node, Series, Table, Text, folded
from gateway.errors import (
    BadField,
    CprInTitle,
    CprLostZero,
    FieldMissing,
    FieldTwice,
    GatewayError,
    InvalidCpr,
    ReceiptAddressNotAllowed,
    RecipientUnclear,
    ReplacementCpr,
    UnknownField,
    UnsafePath,
)
from gateway.model.danish_time import DENMARK
from gateway.model.identity import CPR_IN_TEXT, Cpr, Cvr, Recipient

ID_FORM = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
_SHORT = re.compile(r"\s*(cpr|cvr|pnr)\s*:\s*(.*)", re.IGNORECASE | re.DOTALL)
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
_NO_BASE_NAME = re.compile(r"[/\\:\x00-\x1f\x7f]")
_TRUE, _FALSE = frozenset({"ja", "true", "1"}), frozenset({"nej", "false", "0"})
_EXPONENT = re.compile(r"[0-9]+(?:[.,][0-9]+)?[eE]\+?[0-9]+", re.ASCII)
_EXTRA_NAME = re.compile(r"[\w-]{1,64}")
_MAIL = re.compile(r"[^@\s<>,;\"]{1,64}@[A-Za-z0-9.-]{1,255}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How the account wants its sidecars read."""

    allow_test: bool = False
    """Numbers of test systems."""
    lenient: bool = False
    """Fields we do not know are noted, not refused."""
    guess: bool = False
    """Bytes that are not UTF-8 are windows-1252."""
    charset: str | None = None
    receipt_addresses: tuple[str, ...] = ()
    merged: bool = False
    """Its flow divides merged files, so a sidecar need not name a recipient."""


def understand(table: Table, faults: Faults, manner: Manner, *, needs: bool = True) -> Dispatch:
    """The dispatch that *table* describes; what is wrong with it goes to *faults*.

    Args:
        needs: whether the fields without which there is no letter must be there; defaults have none.
    """
    return _Understanding(faults, manner).dispatch(table, needs=needs)


def base_name_fault(name: str) -> bool:
    """Whether *name* is more than the name of a file beside us (sidecar.md, D5 19)."""
    return (
        not name.strip()
        or _NO_BASE_NAME.search(name) is not None
        or name.strip(". ") == ""
        or name[-1] in ". "
        or _DEVICE.fullmatch(name.strip()) is not None
        or len(name.encode("utf-8", "replace")) > 255
    )


class _Understanding:
    """One table being read."""

    def __init__(self, faults: Faults, manner: Manner) -> None:
        self._faults = faults
        self._manner = manner
        self._notes: list[str] = []
        self._found: dict[str, Any] = {}
        self._lines: dict[str, int] = {}
        self._count = 0

    def dispatch(self, table: Table, *, needs: bool) -> Dispatch:
        self._table(table, "")
        found = self._found
        recipient: Recipient | None = None
        if needs:
            recipient = None if self._is_merged() else self._recipient(table.line)
            self._require("emne", table.line)
        else:
            self._refuse_what_is_for_one()
        self._judge_actions()
        values = {ours: found[theirs] for theirs, ours in _PLAIN.items() if theirs in found}
        return Dispatch(
            recipient=recipient,
            recipient_name=found.get("modtager.navn") or found.get("navn"),
            copies=tuple(found.get("kopi", ())),
            documents=tuple(found.get("dokumenter", ())),
            extra=tuple(found.get("ekstra", ())),
            line=table.line,
            notes=tuple(self._notes),
            **values,
        )

    # ── walking ─────────────────────────────────────────────────────────────

    def _table(self, table: Table, under: str) -> None:
        seen: set[str] = set()
        for entry in table.entries:
            self._count += 1
            if self._count > LIMITS.fields:
                if self._count == LIMITS.fields + 1:
                    self._fault(UnknownField(hint=f"Der er over {LIMITS.fields} felter."), "", entry.line)
                return
            field = self._field(entry, under)
            if field is None:
                continue
            many = field.kind in ("people", "documents", "list", "free") and table.repeats
            if field.name in seen and not many:
                self._fault(FieldTwice(field=field.name), field.name, entry.line)
                continue
            seen.add(field.name)
            self._lines.setdefault(field.name, entry.line)
            _READERS[field.kind](self, field, entry.node)

    def _field(self, entry: Entry, under: str) -> Field | None:
        name = f"{under}.{entry.key}" if under else entry.key
        field = field_named(name)
        if field is None or (under and not field.name.startswith(f"{under}.")):
            known = tuple(f.rpartition(".")[2] for f in FIELDS if f.startswith(f"{under}.")) if under else None
            if entry.key == CONTENT and not under:
                hint = "Teksten uden for felterne hører ikke til."
            else:
                hint = nearest(entry.key, known)
            if self._manner.lenient:
                self._notes.append(f"Et ukendt felt på linje {entry.line} er ikke brugt.")
            else:
                self._fault(UnknownField(hint=hint), under, entry.line)
            return None
        return field

    def _fault(self, error: GatewayError, field: str, line: int | None) -> None:
        self._faults.add(error, field, line)

    def _bad(self, field: Field, line: int, name: str | None = None) -> None:
        self._fault(BadField(field=name or field.name, expected=field.expected), name or field.name, line)

    def _value(self, field: Field, node: Node, *, name: str | None = None, numbers: bool = False) -> str | None:
        """The text of *node*, stripped; None, and a fault, if it is none or holds what no text may."""
        if isinstance(node, Table) and node.repeats and len(node.entries) == 1 and node.entries[0].key == CONTENT:
            node = node.entries[0].node
        if not isinstance(node, Text):
            self._bad(field, node.line, name)
            return None
        if node.kind != "text" and not numbers:
            quoted = BadField(field=name or field.name, expected=f"{field.expected}; sæt anførselstegn om værdien")
            lost = _lost_zero(node.value) if name in ("modtager.id", None) and field.name in _NUMBERED else False
            self._fault(CprLostZero() if lost else quoted, name or field.name, node.line)
            return None
        value = unicodedata.normalize("NFC", node.value).strip()
        if len(value) > LIMITS.text or any(_unfit(sign) for sign in value):
            self._bad(field, node.line, name)
            return None
        return value

    # ── kinds of fields ─────────────────────────────────────────────────────

    def text(self, field: Field, node: Node) -> None:
        value = self._value(field, node)
        if not value:
            return
        if field.name == "emne" and holds_cpr(value):
            self._fault(CprInTitle(), field.name, node.line)
        elif (field.name == "sag.nr" and _names_a_person(value)) or (field.name in ("sag.titel", "dokumenttype", "afsender.enhed", "afsender.visning", "sag.kle") and holds_cpr(value)):
            self._bad(field, node.line)
        elif field.name == "kvittering_email":
            self._receipt_address(field, value, node.line)
        else:
            self._found[field.name] = value

    def _receipt_address(self, field: Field, value: str, line: int) -> None:
        if not _MAIL.fullmatch(value):
            self._bad(field, line)
        elif value.casefold() not in (one.casefold() for one in self._manner.receipt_addresses):
            self._fault(ReceiptAddressNotAllowed(), field.name, line)
        else:
            self._found[field.name] = value

    def id(self, field: Field, node: Node) -> None:
        value = self._value(field, node)
        if value is None:
            return
        if not ID_FORM.fullmatch(value) or _names_a_person(value):
            self._bad(field, node.line)
        else:
            self._found[field.name] = value

    def flag(self, field: Field, node: Node) -> None:
        value = self._value(field, node, numbers=True)
        if value is None:
            return
        if value.casefold() in _TRUE | _FALSE:
            self._found[field.name] = value.casefold() in _TRUE
        else:
            self._bad(field, node.line)

    def choice(self, field: Field, node: Node) -> None:
        value = self._value(field, node, numbers=True)
        if value is None:
            return
        if value.casefold() in field.choices:
            self._found[field.name] = value.casefold()
        else:
            self._bad(field, node.line)

    def number(self, field: Field, node: Node) -> None:
        value = self._value(field, node, numbers=True)
        if value is None:
            return
        if re.fullmatch(r"[0-9]{1,9}", value, re.ASCII):
            self._found[field.name] = int(value)
        else:
            self._bad(field, node.line)

    def list(self, field: Field, node: Node) -> None:
        wanted = set(self._found.get(field.name, ()))
        for one in _several(node, field.name):
            value = self._value(field, one)
            for word in re.split(r"[\s,+|]+", value or ""):
                if not word:
                    continue
                if word.casefold() not in field.choices:
                    self._bad(field, one.line)
                    return
                wanted.add(word.casefold())
        self._found[field.name] = wanted

    def time(self, field: Field, node: Node) -> None:
        value = self._value(field, node)
        if value is None:
            return
        try:
            moment = datetime.fromisoformat(value)
            if moment.utcoffset() is None:
                if field.name == "udloeber" and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
                    moment = datetime.combine(moment.date(), time(23, 59, 59))
                moment = moment.replace(tzinfo=DENMARK)
                self._notes.append(f"{field.name} uden tidszone er læst som dansk tid: {moment.isoformat()}.")
            self._found[field.name] = moment
            moment.timestamp()
        except (ValueError, OverflowError, OSError):
            self._found.pop(field.name, None)
            self._bad(field, node.line)

    def table(self, field: Field, node: Node) -> None:
        if isinstance(node, Text) and field.name in ("sag", "afsender"):
            inner = FIELDS["sag.nr" if field.name == "sag" else "afsender.enhed"]
            self.text(inner, node)
        elif isinstance(node, Table):
            self._table(node, field.name)
        else:
            self._bad(field, node.line)

    def free(self, field: Field, node: Node) -> None:
        if not isinstance(node, Table):
            self._bad(field, node.line)
            return
        found = self._found.setdefault(field.name, [])
        names = {name for name, _ in found}
        for entry in node.entries:
            value = self._value(field, entry.node, numbers=True)
            if value is None or not _EXTRA_NAME.fullmatch(entry.key) or holds_cpr(value) or len(found) >= 50:
                if value is not None:
                    self._bad(field, entry.line)
            elif entry.key in names:
                self._fault(FieldTwice(field=field.name), field.name, entry.line)
            else:
                names.add(entry.key)
                found.append((entry.key, value))

    # ── recipients ──────────────────────────────────────────────────────────

    def person(self, field: Field, node: Node) -> None:
        self._found[field.name] = self._person(field, node)

    def people(self, field: Field, node: Node) -> None:
        copies = self._found.setdefault(field.name, [])
        for one in _several(node, field.name):
            parsed = self._person(field, one)
            if parsed is not None:
                copies.append(parsed)

    def _person(self, field: Field, node: Node) -> Recipient | None:
        """``{type, id}``, or ``cpr:NUMBER``; None, and a fault, if it names nobody."""
        if isinstance(node, Text) and not (node.kind == "text" and "," in node.value and field.kind == "people"):
            value = self._value(field, node, name=f"{field.name}.id" if field.kind == "person" else None)
            if value is None:
                return None
            short = _SHORT.fullmatch(value)
            return self._number(short[1].lower() if short else None, short[2] if short else value, None, field, node.line)
        if not isinstance(node, Table):
            self._bad(field, node.line)
            return None
        parts = self._parts(field, node, PERSON_PARTS, content="id")
        if parts is None:
            return None
        if "navn" in parts and field.kind == "person":
            self._found["modtager.navn"] = parts["navn"]
        if "id" not in parts:
            self._fault(RecipientUnclear(expected=field.expected), field.name, node.line)
            return None
        kind = parts.get("type", "").lower() or None
        number = parts["id"]
        short = _SHORT.fullmatch(number)
        if short and kind in (None, short[1].lower()):
            kind, number = short[1].lower(), short[2]
        return self._number(kind, number, parts.get("pnr"), field, node.line)

    def _parts(self, field: Field, node: Table, names: tuple[str, ...], *, content: str) -> dict[str, str] | None:
        """The texts of a small table; None, and faults, if something in it is not for it."""
        parts: dict[str, str] = {}
        good = True
        for entry in node.entries:
            part = content if entry.key == CONTENT else part_named(entry.key, names)
            if part is None:
                self._fault(UnknownField(hint=nearest(entry.key, names)), field.name, entry.line)
                good = good and self._manner.lenient
                continue
            name = f"{field.name}.{part}"
            if part in parts:
                self._fault(FieldTwice(field=name), name, entry.line)
                good = False
                continue
            value = self._value(field, entry.node, name=name, numbers=part == "bytes")
            if value is None:
                good = False
            elif value:
                parts[part] = value
        return parts if good else None

    def _number(self, kind: str | None, number: str, p_number: str | None, field: Field, line: int) -> Recipient | None:
        """The recipient with *number*; *kind* None: as its length says."""
        # As people write it: 010101 1234.
        digits = re.sub(r"^([0-9]{6}) ([0-9]{4})$", r"\1\2", number.strip(), flags=re.ASCII)
        name = f"{field.name}.id" if field.kind == "person" else field.name
        if kind not in (None, "cpr", "cvr", "pnr"):
            self._fault(RecipientUnclear(expected="type som cpr eller cvr"), f"{field.name}.type", line)
            return None
        if kind != "cvr" and _lost_zero(digits):
            self._fault(CprLostZero(), name, line)
            return None
        if kind == "pnr":
            self._fault(RecipientUnclear(expected="virksomhedens CVR-nummer, og P-nummeret i feltet pnr"), name, line)
            return None
        try:
            if kind == "cvr" or (kind is None and len(digits) == 8):
                return Cvr.parse(digits, p_number=p_number, allow_test=self._manner.allow_test)
            return Cpr.parse(digits, allow_test=self._manner.allow_test)
        except GatewayError as error:
            self._fault(error, name, line)
            return None

    def _recipient(self, line: int) -> Recipient | None:
        """The one recipient, from ``modtager`` or its short forms; two that differ are a fault."""
        found: list[tuple[Recipient | None, str]] = []
        if "modtager" in self._lines:
            found.append((self._found.get("modtager"), "modtager"))
        for short in ("cpr", "cvr"):
            if short in self._found:
                p_number = self._found.get("pnr") if short == "cvr" else None
                where = self._lines[short]
                found.append((self._number(short, self._found[short], p_number, FIELDS[short], where), short))
        if not found:
            if not self._named_badly(("modtager", "cpr", "cvr")):
                self._fault(RecipientUnclear(expected=FIELDS["modtager"].expected), "modtager", line)
            return None
        named = {one for one, _ in found if one is not None}
        if len(named) > 1:
            self._fault(RecipientUnclear(expected="modtageren ét sted"), found[-1][1], self._lines[found[-1][1]])
            return None
        return next(iter(named), None)

    def _is_merged(self) -> bool:
        """Whether the numbers in a merged file say who the letters are to; then the sidecar must not."""
        wanted = self._found.get("opdel")
        merged = self._manner.merged if wanted is None else wanted != "ingen"
        named = [name for name in ("modtager", "cpr", "cvr", "kopi") if name in self._lines]
        if merged and wanted is not None and named:
            self._fault(RecipientUnclear(expected="modtagerne i samlefilen alene"), named[0], self._lines[named[0]])
        return merged and not named

    def _refuse_what_is_for_one(self) -> None:
        """Defaults speak for a whole folder; a recipient in them would be everybody's (sidecar.md, D3 7)."""
        for name in ("modtager", "cpr", "cvr", "kopi", "emne", "forsendelses_id", "dokumenter"):
            if name in self._lines:
                hint = "metadata-filen gælder hele mappen og kan kun have fælles felter som afsender, handling og sag."
                self._fault(UnknownField(hint=hint), name, self._lines[name])

    def _named_badly(self, names: tuple[str, ...]) -> bool:
        """Whether one of *names* is there, and has a fault of its own already."""
        return any(name in self._lines for name in names)

    def _require(self, name: str, line: int) -> None:
        if name not in self._found and not any(fault.field == name for fault in self._faults.found):
            self._fault(FieldMissing(field=name), name, self._lines.get(name, line))

    def _judge_actions(self) -> None:
        wanted = self._found.get("handling")
        if wanted is not None:
            names = {"send": "send", "arkiver": "archive"}
            self._found["handling"] = frozenset(names[one] for one in wanted) or None
        if "batch.politik" in self._found:
            self._found["batch.politik"] = self._found["batch.politik"] == "delvis"

    # ── documents ───────────────────────────────────────────────────────────

    def documents(self, field: Field, node: Node) -> None:
        found = self._found.setdefault(field.name, [])
        for one in _several(node, field.name):
            named = self._document(field, one)
            if named is not None:
                found.append(named)
        mains = [one for one in found if one.role == "main"]
        if len(mains) > 1:
            expected = "rolle = hoveddokument ved præcis én fil"
            self._fault(BadField(field=field.name, expected=expected), field.name, mains[-1].line)
        keys = [unicodedata.normalize("NFC", one.file).casefold() for one in found]
        if len(set(keys)) != len(keys):
            self._fault(FieldTwice(field="dokumenter.fil"), "dokumenter.fil", found[-1].line)

    def _document(self, field: Field, node: Node) -> Named | None:
        if isinstance(node, Text):
            name = self._value(field, node)
            parts: dict[str, str] | None = {"fil": name} if name else None
        elif isinstance(node, Table):
            parts = self._parts(field, node, DOCUMENT_PARTS, content="fil")
        else:
            parts = None
            self._bad(field, node.line)
        if parts is None:
            return None
        return self._named(parts, node.line)

    def _named(self, parts: dict[str, str], line: int) -> Named | None:
        def bad(part: str, expected: str) -> None:
            self._fault(BadField(field=f"dokumenter.{part}", expected=expected), f"dokumenter.{part}", line)

        if "fil" not in parts:
            self._fault(FieldMissing(field="dokumenter.fil"), "dokumenter.fil", line)
            return None
        if base_name_fault(parts["fil"]):
            self._fault(UnsafePath(), "dokumenter.fil", line)
            return None
        role = ROLES.get(folded(parts["rolle"])) if "rolle" in parts else None
        if "rolle" in parts and role is None:
            bad("rolle", "hoveddokument eller bilag")
        digest, size = parts.get("sha256"), parts.get("bytes")
        if digest is not None and not _DIGEST.fullmatch(digest):
            bad("sha256", "filens SHA-256 som 64 hexadecimale cifre")
            digest = None
        if size is not None and not re.fullmatch(r"[0-9]{1,12}", size, re.ASCII):
            bad("bytes", "filens størrelse i byte som et helt tal")
            size = None
        return Named(
            file=parts["fil"],
            role="main" if role == "main" else "attachment" if role else None,
            title=parts.get("titel"),
            sha256=digest.lower() if digest else None,
            size_bytes=int(size) if size else None,
            line=line,
        )


def defaulted(dispatch: Dispatch, defaults: Dispatch) -> Dispatch:
    """*dispatch*, with the fields it leaves open as *defaults* say."""
    changes: dict[str, Any] = {}
    for name in ("actions", "case", "case_title", "plan", "document_type", "unit", "sender_label", "reply_allowed", "confidential", "receipt_to"):
        if getattr(dispatch, name) is None and getattr(defaults, name) is not None:
            changes[name] = getattr(defaults, name)
    own = {name for name, _ in dispatch.extra}
    extra = (*dispatch.extra, *((name, value) for name, value in defaults.extra if name not in own))
    return replace(dispatch, extra=extra, **changes)


def _several(node: Node, name: str) -> Iterator[Node]:
    """The items of a list, however the format writes one."""
    if isinstance(node, Series):
        yield from node.items
    elif isinstance(node, Table) and node.repeats and node.entries and all(
        folded(entry.key) in _ITEMS.get(name, ()) for entry in node.entries
    ):
        for entry in node.entries:
            yield entry.node
    elif isinstance(node, Text) and not node.value.strip():
        return
    else:
        yield node


def _lost_zero(text: str) -> bool:
    """Nine digits, or what a spreadsheet makes of ten: a CPR number that somebody took for a number."""
    return re.fullmatch(r"[0-9]{9}", text, re.ASCII) is not None or _EXPONENT.fullmatch(text) is not None


def _names_a_person(number: str) -> bool:
    """Whether a number of the system's own holds a CPR number. ``2026-004711`` has as many digits, and is none."""
    for hit in CPR_IN_TEXT.finditer(number):
        try:
            Cpr.parse(re.sub(r"[^0-9]", "", hit.group()), allow_test=True)
        except ReplacementCpr:
            return True
        except InvalidCpr:
            continue
        return True
    return False


def _unfit(sign: str) -> bool:
    return unicodedata.category(sign) in ("Cc", "Cs") and sign not in "\t\n\r"


_NUMBERED = ("modtager", "cpr", "kopi")
_ITEMS = {
    "dokumenter": ("dokument", "fil", "document", "filedescriptor", "bilag"),
    "kopi": ("modtager", "kopi", "recipient"),
    "handling": ("handling", "action"),
}
_PLAIN = {
    "forsendelses_id": "reference", "emne": "subject", "handling": "actions", "sag.nr": "case", "sag.titel": "case_title",
    "sag.kle": "plan", "dokumenttype": "document_type", "afsender.enhed": "unit", "afsender.visning": "sender_label",
    "tilladsvar": "reply_allowed", "opdel": "split", "fortrolighed": "confidential", "send_tidligst": "deliver_from",
    "udloeber": "expires", "kvittering_email": "receipt_to", "gensend": "again", "proev": "trial", "batch.id": "batch",
    "batch.antal": "batch_count", "batch.politik": "partly",
}  # fmt: skip
_READERS: dict[str, Callable[[_Understanding, Field, Node], None]] = {
    "text": _Understanding.text, "id": _Understanding.id, "flag": _Understanding.flag, "choice": _Understanding.choice,
    "number": _Understanding.number, "list": _Understanding.list, "time": _Understanding.time, "table": _Understanding.table,
    "free": _Understanding.free, "person": _Understanding.person, "people": _Understanding.people,
    "documents": _Understanding.documents,
}  # fmt: skip
