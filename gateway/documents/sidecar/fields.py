"""The fields of a sidecar (følgefil): names, other names they go by, and what they mean.

Everything that knows the fields by name reads this table: the reader, JSON Schema, XSD, the examples in
``skabelon/`` and the reference page. Conventions: sidecar.md, D2.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gateway.documents.sidecar.tree import folded

Kind = Literal["text", "id", "flag", "choice", "list", "person", "people", "documents", "table", "time", "number", "free"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field, or one part of a table (``sag.nr``)."""

    name: str
    """Dotted, Danish, lower-case ASCII."""
    kind: Kind
    means: str
    """One Danish sentence for the templates."""
    aliases: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    expected: str
    """Ends »Skriv …« when the value cannot be used."""
    required: bool = False


_YES_NO = "ja eller nej"

FIELDS: Mapping[str, Field] = {
    field.name: field
    for field in (
        Field(name="version", kind="choice", choices=("1",), expected="1", means="Formens version: 1."),
        Field(
            name="forsendelses_id", kind="id", expected="1 til 64 tegn af A-Z, a-z, 0-9, punktum, _ og -",
            means="Jeres eget nummer for forsendelsen. Samme nummer igen bliver ikke sendt to gange.",
            aliases=("sendersfileid", "transaktionsid", "transactionid", "afsender_ref", "id", "message_id"),
        ),
        Field(
            name="modtager", kind="person", expected='type (cpr eller cvr) og id, fx "cpr:" fulgt af nummeret',
            means="Hvem brevet er til: type (cpr, cvr eller pnr) og id, eller kort: cpr:NUMMER.",
            aliases=("recipient", "recipients", "modtagerid", "finalrecipient"),
        ),
        Field(name="cpr", kind="text", expected="CPR-nummeret med 10 cifre, som tekst", means="Kort form af modtager: et CPR-nummer.", aliases=("cprnr", "cprnummer")),
        Field(name="cvr", kind="text", expected="CVR-nummeret med 8 cifre", means="Kort form af modtager: et CVR-nummer.", aliases=("cvrnr", "cvrnummer")),
        Field(name="pnr", kind="text", expected="P-nummeret med 10 cifre, sammen med cvr", means="P-nummer under modtagerens CVR-nummer.", aliases=("p_nummer", "pnummer")),
        Field(name="navn", kind="text", expected="modtagerens navn", means="Modtagerens navn; bruges kun til kontrol.", aliases=("name", "modtagernavn")),
        Field(
            name="kopi", kind="people", expected="modtagere på samme form som modtager",
            means="Kopimodtagere, på samme form som modtager.", aliases=("cc", "kopimodtager", "vaerge"),
        ),
        Field(
            name="emne", kind="text", required=True, expected="brevets emne uden CPR-nummer",
            means="Brevets emne, som modtageren ser det. Aldrig et CPR-nummer.",
            aliases=("subject", "titel", "title", "label", "header_label"),
        ),
        Field(
            name="dokumenter", kind="documents", expected="en liste af filer med fil og rolle",
            means="Brevets filer. Uden denne liste er det den fil, som følgefilen er opkaldt efter.",
            aliases=("files", "dokument", "bilag", "document", "documents"),
        ),
        Field(
            name="handling", kind="list", choices=("send", "arkiver"), expected="send, arkiver eller begge",
            means="Hvad der skal ske: send, arkiver eller begge. Uden feltet bestemmer reglerne.", aliases=("action", "actions"),
        ),
        Field(
            name="arkiver_naar", kind="choice", choices=("uafhaengig",), expected="uafhaengig (før og efter afsendelse kan endnu ikke vælges)",
            means="Hvornår der arkiveres: uafhaengig af afsendelsen.",
        ),
        Field(name="sag", kind="table", expected="nr, titel og kle", means="Sagen, brevet arkiveres på: nr, titel og kle.", aliases=("case",)),
        Field(name="sag.nr", kind="text", expected="sagens nummer uden CPR-nummer", means="Sagens nummer.", aliases=("sagsnr", "case_id", "journalnr", "sagsnummer")),
        Field(name="sag.titel", kind="text", expected="sagens titel", means="Sagens titel."),
        Field(name="sag.kle", kind="text", expected="et KLE-nummer", means="Sagens emne efter KLE.", aliases=("klassifikation", "kle")),
        Field(name="dokumenttype", kind="text", expected="dokumentets type", means="Dokumentets type, fx afgørelse; reglerne kan spørge om den.", aliases=("type", "infref", "document_type")),
        Field(name="afsender", kind="table", expected="enhed og visning", means="Afsenderen: enhed (til svar) og visning (det navn, modtageren ser).", aliases=("sender", "originalsender", "afdeling")),
        Field(name="afsender.enhed", kind="text", expected="afsenderens enhed", means="Den enhed, som svar hører til."),
        Field(name="afsender.visning", kind="text", expected="det navn, modtageren ser", means="Afsenderens navn, som modtageren ser det."),
        Field(name="tilladsvar", kind="flag", expected=_YES_NO, means="Om modtageren må svare: ja eller nej.", aliases=("allow_reply", "svar", "tillad_svar")),
        Field(name="opdel", kind="text", expected="ingen eller navnet på et forløb, der deler samlefiler", means="Om filen er en samlefil: ingen, eller navnet på det forløb, der deler den i breve. Så er der ingen modtager i følgefilen.", aliases=("split",)),
        Field(name="fortrolighed", kind="choice", choices=("normal", "foelsom"), expected="normal eller foelsom", means="Hvor fortroligt brevet er: normal eller foelsom.", aliases=("confidentiality",)),
        Field(name="send_tidligst", kind="time", expected="en dag eller et tidspunkt, fx 2026-12-01 eller 2026-12-01T08:00+01:00", means="Ikke leveret før denne dag.", aliases=("valid_from",)),
        Field(name="udloeber", kind="time", expected="en dag eller et tidspunkt, fx 2026-12-24 eller 2026-12-24T12:00+01:00", means="Ikke sendt efter dette tidspunkt.", aliases=("expires",)),
        Field(name="kvittering_email", kind="text", expected="en mailadresse, som kontoen har lov til", means="Mailadresse, der også får besked. Den skal stå på kontoens liste.", aliases=("contact_email",)),
        Field(name="gensend", kind="flag", expected=_YES_NO, means="Send igen, selv om forsendelses_id er brugt før: ja eller nej.", aliases=("force",)),
        Field(name="proev", kind="flag", expected=_YES_NO, means="Prøv kun: alt undersøges, intet sendes. ja eller nej.", aliases=("test",)),
        Field(name="batch", kind="table", expected="id, antal og politik", means="Den samling, forsendelsen hører til."),
        Field(name="batch.id", kind="id", expected="1 til 64 tegn af A-Z, a-z, 0-9, punktum, _ og -", means="Samlingens nummer."),
        Field(name="batch.antal", kind="number", expected="et helt tal", means="Hvor mange forsendelser der er i alt."),
        Field(name="batch.politik", kind="choice", choices=("alt_eller_intet", "delvis"), expected="alt_eller_intet eller delvis", means="Om hele samlingen stoppes af én fejl."),
        Field(name="underskrift", kind="choice", choices=("nej", "false", "0"), expected="nej (digital underskrift kan endnu ikke vælges)", means="Digital underskrift: nej.", aliases=("sign",)),
        Field(name="ekstra", kind="free", expected="navne med værdier", means="Frie felter til reglerne; de sendes aldrig videre.", aliases=("routeparameterlist", "extra")),
    )
}
"""Every field by its name."""

PERSON_PARTS = ("type", "id", "navn", "pnr")
DOCUMENT_PARTS = ("fil", "rolle", "titel", "sha256", "bytes")
ROLES = {"hoveddokument": "main", "hoved": "main", "main": "main", "bilag": "attachment", "attachment": "attachment"}

_PART_ALIASES = {
    "name": "navn", "nr": "id", "nummer": "id", "number": "id", "kind": "type", "pnummer": "pnr",
    "filename": "fil", "file": "fil", "filnavn": "fil", "role": "rolle", "title": "titel", "size": "bytes",
    "sizeinbytes": "bytes", "stoerrelse": "bytes", "partinfo": "rolle", "sha": "sha256",
}  # fmt: skip
_TOP: Mapping[str, str] = {
    folded(name): field.name
    for field in FIELDS.values()
    for name in (field.name, field.name.replace(".", "_"), *field.aliases)
}
LISTED = {"fil": "dokumenter", "filnavn": "dokumenter"}
"""Columns of a list that are no fields of a sidecar."""


def field_named(name: str) -> Field | None:
    """The field that is called *name*, whatever its case, spaces and aliases; None: there is none."""
    found = _TOP.get(folded(name))
    return FIELDS[found] if found else None


def part_named(name: str, parts: tuple[str, ...]) -> str | None:
    """The part of a person or a document that is called *name*."""
    plain = folded(name)
    found = _PART_ALIASES.get(plain, plain)
    return found if found in parts else None


def nearest(name: str, known: tuple[str, ...] | None = None) -> str:
    """A Danish sentence with the field that *name* is most like; it never quotes *name* itself."""
    names = known or tuple(FIELDS)
    close = difflib.get_close_matches(folded(name), names, n=1, cutoff=0.6)
    if close:
        return f"Mente I »{close[0]}«?"
    return "Felterne står i skabelon/." if known is None else f"Her kan stå: {', '.join(names)}."
