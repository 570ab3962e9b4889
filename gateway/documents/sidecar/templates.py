"""What lies in ``skabelon/``: an example in every form, JSON Schema, XSD and a page to read; all from the catalogue."""

from __future__ import annotations

import json
from typing import Any
from xml.sax.saxutils import quoteattr

from gateway.documents.sidecar.fields import DOCUMENT_PARTS, FIELDS, PERSON_PARTS, ROLES, Field
from gateway.documents.sidecar.read_xml import NAMESPACE

_EXAMPLE_CPR = "0101701234"
"""Made up; sample files use it everywhere."""


def templates() -> dict[str, bytes]:
    """The files of ``skabelon/`` by name."""
    return {
        "LAES-MIG.txt": _windows(_READ_ME + _field_list()),
        "brev-4711.meta.json": _text(json.dumps(EXAMPLE, ensure_ascii=False, indent=2) + "\n"),
        "brev-4711.meta.xml": _text(EXAMPLE_XML),
        "brev-4711.meta.yaml": _text(EXAMPLE_YAML),
        "batch-2026-11.manifest.csv": EXAMPLE_CSV.replace("\n", "\r\n").encode("utf-8-sig"),
        "brev-4711.pdf.trigger": _text(EXAMPLE_TRIGGER),
        "forsendelse.schema.json": _text(json.dumps(json_schema(), ensure_ascii=False, indent=2) + "\n"),
        "forsendelse.xsd": _text(xsd()),
    }


EXAMPLE: dict[str, Any] = {
    "version": "1",
    "forsendelses_id": "STUDIE-2026-004711",
    "modtager": {"type": "cpr", "id": _EXAMPLE_CPR, "navn": "Åse Ærø"},
    "emne": "Afgørelse om SU",
    "dokumenter": [
        {"fil": "brev-4711.pdf", "rolle": "hoveddokument"},
        {"fil": "klagevejledning.pdf", "rolle": "bilag", "titel": "Klagevejledning"},
    ],
    "handling": ["send", "arkiver"],
    "sag": {"nr": "2026-1234"},
    "tilladsvar": "ja",
}
EXAMPLE_XML = f"""\
<?xml version="1.0" encoding="UTF-8"?>
<forsendelse xmlns="{NAMESPACE}" id="STUDIE-2026-004711">
  <modtager type="cpr">{_EXAMPLE_CPR}</modtager>
  <emne>Afgørelse om SU</emne>
  <dokumenter>
    <dokument rolle="hoveddokument" fil="brev-4711.pdf"/>
    <dokument rolle="bilag" fil="klagevejledning.pdf" titel="Klagevejledning"/>
  </dokumenter>
  <handling>send arkiver</handling>
  <sag nr="2026-1234"/>
  <tilladsvar>ja</tilladsvar>
</forsendelse>
"""
EXAMPLE_YAML = f"""\
version: 1
forsendelses_id: STUDIE-2026-004711
modtager: {{type: cpr, id: "{_EXAMPLE_CPR}"}}
emne: "Afgørelse: om SU"
dokumenter:
  - {{fil: brev-4711.pdf, rolle: hoveddokument}}
  - {{fil: klagevejledning.pdf, rolle: bilag, titel: Klagevejledning}}
handling: [send, arkiver]
"""
EXAMPLE_CSV = f"""\
forsendelses_id;cpr;cvr;emne;fil;bilag;sagsnr;handling;sha256
S-1;{_EXAMPLE_CPR};;Afgørelse om SU;brev-1.pdf;klage.pdf|kort.pdf;2026-1;send+arkiver;
S-2;;12345674;Afgørelse;brev-2.pdf;;2026-2;send;
#ANTAL;2
"""
EXAMPLE_TRIGGER = f"""\
<?xml version="1.0" encoding="UTF-8"?>
<Trigger>
  <FileDescriptor>
    <FileName>brev-4711.pdf</FileName>
    <SizeInBytes>48211</SizeInBytes>
    <SendersFileId>STUDIE-2026-004711</SendersFileId>
    <Recipients>cpr:{_EXAMPLE_CPR}</Recipients>
  </FileDescriptor>
  <FileContentDescriptor>
    <emne>Afgørelse om SU</emne>
  </FileContentDescriptor>
</Trigger>
"""
_READ_ME = """\
Sådan afleverer I post
======================

1. Læg dokumenterne i ind/ først, og følgefilen til sidst.
2. Følgefilen hedder som brevet: brev-4711.pdf og brev-4711.meta.json (eller .xml, .yaml).
   Mange breve på én gang: en liste, batch-2026-11.manifest.csv.
3. Svaret ligger i kvittering/: brev-4711.1-modtaget.json, .2-godkendt.json eller .2-afvist.json, .3-slut.json.
   De samme svar ligger som XML. kvittering/OVERBLIK.html viser de seneste 30 dage.
4. Blev noget afvist, ligger filerne i fejl/ med LAES-MIG.txt, som siger, hvad der skal rettes.
5. Prøv først i proeve/: alt undersøges, intet sendes.

Skriv filernes størrelse (bytes) eller SHA-256 i følgefilen, så tages de med det samme. Ellers venter vi, til
filerne har ligget stille lidt. En fil, der får sit endelige navn til sidst (.part -> .pdf), tages også med det samme.

CPR-numre skrives med alle 10 cifre, og som tekst. Et CPR-nummer må aldrig stå i emnet eller i et filnavn.

Felterne
--------
"""


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a sidecar, for editors and for tests of the systems that write them."""
    person = {
        "anyOf": [
            {"type": "string", "pattern": "^(cpr|cvr):.+$"},
            {"type": "object", "properties": {name: {"type": "string"} for name in PERSON_PARTS}, "required": ["id"], "additionalProperties": False},
        ]
    }
    roles = sorted({name for name in ROLES if name in ("hoveddokument", "bilag")})
    document = {
        "anyOf": [
            {"type": "string"},
            {
                "type": "object",
                "properties": {
                    **{name: {"type": "string"} for name in DOCUMENT_PARTS},
                    "rolle": {"enum": roles},
                    "sha256": {"type": "string", "pattern": "^[0-9a-fA-F]{64}$"},
                    "bytes": {"type": ["integer", "string"]},
                },
                "required": ["fil"],
                "additionalProperties": False,
            },
        ]
    }
    properties: dict[str, Any] = {}
    for field in FIELDS.values():
        table, _, part = field.name.rpartition(".")
        shape = {**_shape(field, person, document), "description": field.means}
        if table:
            properties[table].setdefault("properties", {})[part] = shape
        else:
            properties[field.name] = shape
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Forsendelse",
        "type": "object",
        "properties": properties,
        "required": ["emne"],
        "anyOf": [{"required": ["modtager"]}, {"required": ["cpr"]}, {"required": ["cvr"]}],
        "additionalProperties": False,
    }


def _shape(field: Field, person: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    match field.kind:
        case "person":
            return person
        case "people":
            return {"type": "array", "items": person}
        case "documents":
            return {"type": "array", "items": document}
        case "flag":
            return {"enum": ["ja", "nej", True, False]}
        case "choice":
            return {"enum": [*field.choices, *([1] if field.name == "version" else []), *([False] if field.name == "underskrift" else [])]}
        case "list":
            return {"type": "array", "items": {"enum": list(field.choices)}}
        case "table":
            return {"type": "object", "additionalProperties": False}
        case "number":
            return {"type": ["integer", "string"]}
        case "free":
            return {"type": "object", "additionalProperties": {"type": "string"}}
        case "id":
            return {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"}
        case _:
            return {"type": "string"}


def xsd() -> str:
    """XML Schema 1.0 of the XML form: every field as an element, in any order."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="{NAMESPACE}" targetNamespace="{NAMESPACE}" elementFormDefault="qualified">',
        "  <xs:complexType name=\"Modtager\" mixed=\"true\">",
        *(f'    <xs:attribute name="{name}" type="xs:string"/>' for name in PERSON_PARTS),
        "  </xs:complexType>",
        '  <xs:complexType name="Dokument" mixed="true">',
        *(f'    <xs:attribute name="{name}" type="xs:string"/>' for name in DOCUMENT_PARTS),
        "  </xs:complexType>",
        '  <xs:element name="forsendelse">',
        "    <xs:complexType>",
        '      <xs:choice minOccurs="0" maxOccurs="unbounded">',
    ]
    for field in FIELDS.values():
        if "." not in field.name:
            lines += _element(field)
    lines += [
        "      </xs:choice>",
        '      <xs:attribute name="id" type="xs:string"/>',
        '      <xs:attribute name="version" type="xs:string"/>',
        "    </xs:complexType>",
        "  </xs:element>",
        "</xs:schema>",
    ]
    return "\n".join(lines) + "\n"


def _element(field: Field) -> list[str]:
    note = f"          <xs:annotation><xs:documentation>{field.means.replace('<', '&lt;')}</xs:documentation></xs:annotation>"
    name = quoteattr(field.name)
    if field.kind in ("person", "people"):
        return [f'        <xs:element name={name} type="Modtager"/>']
    if field.kind == "documents":
        return [
            f"        <xs:element name={name}>", note,
            '          <xs:complexType><xs:sequence><xs:element name="dokument" type="Dokument" maxOccurs="unbounded"/></xs:sequence></xs:complexType>',
            "        </xs:element>",
        ]  # fmt: skip
    if field.kind == "table":
        parts = [f.name.partition(".")[2] for f in FIELDS.values() if f.name.startswith(f"{field.name}.")]
        attributes = "".join(f"<xs:attribute name={quoteattr(part)} type=\"xs:string\"/>" for part in parts)
        return [f"        <xs:element name={name}>", note, f'          <xs:complexType mixed="true">{attributes}</xs:complexType>', "        </xs:element>"]
    if field.kind == "free":
        return [
            f"        <xs:element name={name}>", note,
            '          <xs:complexType><xs:sequence><xs:any minOccurs="0" maxOccurs="unbounded" processContents="skip"/></xs:sequence></xs:complexType>',
            "        </xs:element>",
        ]  # fmt: skip
    if field.kind == "choice":
        values = "".join(f"<xs:enumeration value={quoteattr(value)}/>" for value in field.choices)
        kind = f'<xs:simpleType><xs:restriction base="xs:string">{values}</xs:restriction></xs:simpleType>'
        return [f"        <xs:element name={name}>", note, f"          {kind}", "        </xs:element>"]
    return [f'        <xs:element name={name} type="xs:string">', note, "        </xs:element>"]


def _field_list() -> str:
    lines = []
    for field in FIELDS.values():
        names = f" (også: {', '.join(field.aliases)})" if field.aliases else ""
        lines.append(f"{field.name}{' [skal stå der]' if field.required else ''}: {field.means}{names}")
    return "\n".join(lines) + "\n"


def _text(text: str) -> bytes:
    return text.encode("utf-8")


def _windows(text: str) -> bytes:
    """For Notepad: a byte order mark and CRLF."""
    return text.replace("\n", "\r\n").encode("utf-8-sig")
