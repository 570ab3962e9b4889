"""A control file (følgefil, liste, marker) by its name and its bytes: what it asks for, and what is wrong with it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Literal

from gateway.documents.sidecar.decoding import text_of, xml_text_of
from gateway.documents.sidecar.dispatch import Dispatch
from gateway.documents.sidecar.fields import field_named
from gateway.documents.sidecar.foreign import from_form, from_trigger
from gateway.documents.sidecar.read_csv import read_csv
from gateway.documents.sidecar.read_json import read_json
from gateway.documents.sidecar.read_xml import NAMESPACE, read_xml
from gateway.documents.sidecar.read_yaml import read_yaml
from gateway.documents.sidecar.tree import (
    LIMITS,
    Faults,
    Node,
    Series,
    Table,
    Text,
    folded,
    unreadable,
)
from gateway.documents.sidecar.understand import Manner, understand
from gateway.errors import BadField, CountDiffers, Fault, SidecarRefused

ControlKind = Literal["manifest", "meta", "plain", "trigger", "form", "defaults", "marker", "form-marker"]

_FORMATS = {"json": "json", "xml": "xml", "yaml": "yaml", "yml": "yaml", "csv": "csv"}
_ROOTS = ("forsendelse", "forsendelser", "m", "metadata", "sidecar", "brev")
_MANIFEST = re.compile(r"(?P<base>.+)\.manifest\.(?P<ext>csv|json|xml|ya?ml)", re.IGNORECASE | re.DOTALL)
_META = re.compile(r"(?P<base>.+)\.meta\.(?P<ext>json|xml|ya?ml)", re.IGNORECASE | re.DOTALL)
_DEFAULTS = re.compile(r"metadata\.(?P<ext>json|xml|ya?ml)", re.IGNORECASE)
_TRIGGER = re.compile(r"(?P<base>.+)\.trigger", re.IGNORECASE | re.DOTALL)
_FORM = re.compile(r"(?P<base>.+)\.klar_til_processering", re.IGNORECASE | re.DOTALL)
_MARKER = re.compile(r"(?P<base>.+)\.(?:done|klar)|_SUCCESS", re.IGNORECASE | re.DOTALL)
_PLAIN = re.compile(r"(?P<base>.+)\.(?P<ext>json|xml|ya?ml)", re.IGNORECASE | re.DOTALL)
_BY_NAME: tuple[tuple[ControlKind, re.Pattern[str]], ...] = (
    ("manifest", _MANIFEST), ("meta", _META), ("defaults", _DEFAULTS), ("trigger", _TRIGGER), ("form-marker", _FORM),
    ("marker", _MARKER), ("plain", _PLAIN),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Control:
    """What a name says: the kind of control file, and whose it is."""

    kind: ControlKind
    base: str = field(repr=False)
    """The name before its control endings; empty for a whole folder."""
    format: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a control file asks for."""

    dispatches: tuple[Dispatch, ...] = ()
    faults: tuple[Fault, ...] = ()
    """Of the file as a whole, or of any of its dispatches."""
    faulty_lines: frozenset[int] = frozenset()
    """Lines of a list whose dispatch has faults; the others may go if ``delvis`` is allowed."""
    readable: bool = True
    """False: the bytes are not what the name says; perhaps only the beginning of the file."""
    ours: bool = True
    """False: well formed, and nothing that we know of: a document like any other."""
    self_ending: bool = True
    """Whether a cut file of this format would have been seen: JSON and XML end, YAML and CSV may not."""
    notes: tuple[str, ...] = ()


def control_of(name: str) -> Control | None:
    """What kind of control file is called *name*; None: it is a document. ``plain`` is only known by its content."""
    # As it was written, composed or not: the answers are named after it.
    for kind, pattern in _BY_NAME:
        found = pattern.fullmatch(name)
        if found:
            parts = found.groupdict()
            return Control(kind, parts.get("base") or "", _FORMATS.get((parts.get("ext") or "").lower(), "xml"))
    return None


def read_control(control: Control, content: bytes, file: str, manner: Manner) -> Asked:
    """What *content* asks for. Never raises for what is in it."""
    if control.kind in ("marker", "form-marker"):
        return Asked()
    faults = Faults(file)
    try:
        return _read(control, content, file, manner, faults)
    except SidecarRefused as refused:
        return Asked(faults=refused.faults, readable=False, self_ending=False)


def _read(control: Control, content: bytes, file: str, manner: Manner, faults: Faults) -> Asked:
    most = LIMITS.manifest_bytes if control.kind == "manifest" else None
    root, count, notes = _tree(control, content, file, manner, most)
    ending = control.format in ("json", "xml") or count is not None
    if control.kind == "plain" and not _is_ours(root):
        return Asked(ours=False)
    if control.kind == "trigger":
        root = from_trigger(root) if isinstance(root, Table) else root
    elif control.kind == "form":
        root = from_form(root) if isinstance(root, Table) else root
    if control.kind == "manifest":
        return _manifest(root, count, file, manner, notes, ending)
    if not isinstance(root, Table):
        faults.add(BadField(field="version", expected="felter med navne, som i skabelon/"), "", root.line)
        return Asked(faults=tuple(faults.found), self_ending=ending)
    dispatch = understand(root, faults, manner, needs=control.kind != "defaults")
    return Asked(dispatches=(dispatch,), faults=tuple(faults.found), self_ending=ending, notes=notes)


def _tree(
    control: Control, content: bytes, file: str, manner: Manner, most: int | None
) -> tuple[Node, int | None, tuple[str, ...]]:
    if not content.strip():
        unreadable(file, control.format.upper(), "filen er tom", mend="Skriv felterne som i skabelon/.")
    if control.format == "xml":
        text = xml_text_of(content, file, charset=manner.charset, most=most)
        namespaces = frozenset({NAMESPACE}) if control.kind in ("meta", "plain", "defaults", "manifest") else frozenset()
        root = read_xml(text, file, namespaces=namespaces)
        if control.kind == "plain" and (root.name.startswith("{}") or folded(root.name) not in _ROOTS):
            return Text("", 1), None, ()
        return root.table, None, ()
    text, notes = text_of(content, file, control.format.upper(), charset=manner.charset, guess=manner.guess or control.format == "csv", most=most)
    if control.format == "json":
        return read_json(text, file), None, notes
    if control.format == "yaml":
        return read_yaml(text, file), None, notes
    series, count = read_csv(text, file)
    return series, count, notes


def _is_ours(root: Node) -> bool:
    """Whether a plain ``brev.xml`` is a sidecar: its root is, or it names a field that no stranger would."""
    if not isinstance(root, Table):
        return False
    known = {field.name for entry in root.entries if (field := field_named(entry.key))}
    return bool(known & {"modtager", "cpr", "cvr", "emne", "forsendelses_id", "dokumenter", "handling", "version"})


def _manifest(
    root: Node, count: int | None, file: str, manner: Manner, notes: tuple[str, ...], ending: bool
) -> Asked:
    tables, told, partly = _lines(root)
    told = count if count is not None else told
    faults = Faults(file)
    dispatches: list[Dispatch] = []
    faulty: set[int] = set()
    for place, table in enumerate(tables[: LIMITS.items], 1):
        own = Faults(file)
        dispatches.append(understand(table, own, manner))
        if own.count:
            faulty.add(place)
            for fault in own.found:
                faults.add(fault.error, fault.field, fault.line)
    if not tables:
        faults.add(BadField(field="forsendelser", expected="mindst én forsendelse"), "", root.line)
    if len(tables) > LIMITS.items:
        faults.add(BadField(field="forsendelser", expected=f"højst {LIMITS.items} forsendelser i én liste"), "", root.line)
    if told is not None and told != len(tables):
        faults.add(CountDiffers(count=len(tables), told=told), "batch.antal", root.line)
        faulty = set(range(1, len(tables) + 1))
    if partly:
        dispatches = [replace(one, partly=True) for one in dispatches]
    return Asked(dispatches=tuple(dispatches), faults=tuple(faults.found), faulty_lines=frozenset(faulty), self_ending=ending, notes=notes)


def _lines(root: Node) -> tuple[list[Table], int | None, bool]:
    """The tables of a list, how many it says there are, and whether its good lines may go without the others.

    CSV is a row of tables; JSON and YAML a row, or ``{batch: …, forsendelser: [...]}``; XML
    ``<forsendelser><forsendelse>…``.
    """
    if isinstance(root, Series):
        return [one for one in root.items if isinstance(one, Table)], None, False
    told: int | None = None
    partly = False
    tables: list[Table] = []
    if isinstance(root, Table):
        for entry in root.entries:
            key = folded(entry.key)
            if key in ("forsendelser", "forsendelse", "items"):
                inner = entry.node
                tables += [one for one in inner.items if isinstance(one, Table)] if isinstance(inner, Series) else (
                    [inner] if isinstance(inner, Table) and (root.repeats or key == "forsendelse") else _lines(inner)[0]
                )
            elif key in ("antal", "batchantal") and isinstance(entry.node, Text) and entry.node.value.strip().isdecimal():
                told = int(entry.node.value)
            elif key in ("politik", "batchpolitik") and isinstance(entry.node, Text):
                partly = entry.node.value.strip() == "delvis"
            elif key == "batch":
                _, told, partly = _lines(entry.node)
    return tables, told, partly
