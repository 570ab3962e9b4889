"""Messages as authorities write them to companies: tagged, untagged and oddly tagged; all content is made up."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.sandbox.paper import letter_pdf
from gateway.sandbox.posting import Letter, PostedFile

_SKAT = ("19552101", "Skatteforvaltningen")
_ERST = ("10150817", "Erhvervsstyrelsen")
_AES = ("43405810", "ATP Livslang Pension")
_KOMMUNE = ("29189374", "Eksempelby Kommune")
_REGION = ("29190623", "Region Midtjylland")
_DOMSTOL = ("21659509", "Retten i Eksempelby")
_AT = ("21481815", "Arbejdstilsynet")
_STPS = ("37105562", "Styrelsen for Patientsikkerhed")
_POLITI = ("17143611", "Østjyllands Politi")
_SU = ("34042012", "Uddannelses- og Forskningsstyrelsen, SU-styrelsen")
_UDK = ("33236961", "Udbetaling Danmark")
_FST = ("10294819", "Færdselsstyrelsen")
_DST = ("17150413", "Danmarks Statistik")

# (authority, title, what a sender may add). Titles as such mails have them; a third carries no tag at all.
_TABLE: tuple[tuple[tuple[str, str], str, dict[str, Any]], ...] = (
    (_SKAT, "Skattekontoen er opdateret", {}),
    (_SKAT, "Årsopgørelse for selskabet", {"message_code": "AARSOPG"}),
    (_SKAT, "Rykker for manglende momsangivelse", {"reply": True}),
    (_SKAT, "Afgørelse om lønsumsafgift", {"case": "24-0817734", "reply": True, "reply_by": 14, "more": 1}),
    (_SKAT, "Lønindeholdelse for medarbejder", {"attention_person": "Lønkontoret", "form": "44.10.05"}),
    (_SKAT, "Ændring af forskudsregistrering", {"html": True}),
    (_ERST, "Husk at indsende årsrapporten", {"html": True}),
    (_ERST, "Kvittering for ændring af ledelsesmedlemmer", {"more": 2}),
    (_ERST, "Din virksomhed mangler at registrere reelle ejere", {"reply_by": 28}),
    (_ERST, "Varsel om tvangsopløsning", {"attention_person": "Direktionen", "reply": True, "reply_by": 28}),
    (_AES, "Opkrævning af ATP-bidrag", {"p_number": "1003123456"}),
    (_AES, "Samlet betaling, 3. kvartal", {"message_code": "SAMBET"}),
    (_KOMMUNE, "Vedrørende byggetilladelse til Skolevej 1", {"kle": "02.34.02", "case": "2026-1123", "reply": True}),
    (_KOMMUNE, "Afgørelse om dækningsafgift", {"kle": "25.03.10"}),
    (_KOMMUNE, "Indkaldelse til møde om elev", {"kle": "17.02.12", "attention_person": "Studievejledningen", "reply": True}),
    (_KOMMUNE, "Tilsynsrapport for daginstitution", {"p_number": "1003123464", "more": 1}),
    (_KOMMUNE, "Påbud efter miljøbeskyttelsesloven", {"kle": "09.08.26", "reply": True, "reply_by": 21}),
    (_KOMMUNE, "Refusion af sygedagpenge", {"attention_email": "kontor@eksempelby-gym.dk"}),
    (_KOMMUNE, "Svar på ansøgning om fleksjob", {"attention_email": "nogen@ondsindet.example"}),
    (_KOMMUNE, "Faktura for renovation", {"gln": "5798000012345"}),
    (_REGION, "Honorar, oktober", {"html": True}),
    (_REGION, "Ændring i overenskomst om almen praksis", {"more": 1}),
    (_REGION, "Aktindsigt i behandlingssag", {"case": "R-26-5531", "reply": True}),
    (_REGION, "Tilmelding til kursus i infektionshygiejne", {"reply": True}),
    (_DOMSTOL, "Stævning i sag BS-48112/2026", {"case": "BS-48112/2026", "reply": True, "reply_by": 14, "more": 3}),
    (_DOMSTOL, "Indkaldelse til retsmøde", {"case": "BS-48112/2026"}),
    (_DOMSTOL, "Fogedretten: udlæg i fordring", {}),
    (_AT, "Varsel om tilsynsbesøg", {"p_number": "1003123456", "reply": True}),
    (_AT, "Strakspåbud om unges arbejde", {"p_number": "1003123472", "reply_by": 7}),
    (_STPS, "Risikobaseret tilsyn", {"p_number": "1003123464", "reply": True, "reply_by": 14}),
    (_STPS, "Høring i tilsynssag", {"rid": "CVR:12345674-RID:1234567890123"}),
    (_POLITI, "Anmodning om oplysninger", {"attention_person": "Ledelsen", "reply": True}),
    (_POLITI, "Vedrørende anmeldelse af hærværk", {}),
    (_SU, "SU-oplysninger om uddannelsessøgende", {"more": 1}),
    (_SU, "Indberetning af studieaktivitet", {"contact_point": "su", "reply_by": 10}),
    (_UDK, "Boligstøtte: oplysninger om lejemål", {"contact_point": "boligstoette", "reply": True}),
    (_UDK, "Barselsdagpenge: anmodning om refusion", {}),
    (_FST, "Indkaldelse til syn", {}),
    (_DST, "Indberet til beskæftigelsesstatistikken", {"html": True, "reply_by": 30}),
    (("", "Mads Eksempel"), "Spørgsmål om min søn", {"from_cpr": "0101011234", "reply": True}),
)


def realistic_letters(to_cvr: str) -> Iterator[Letter]:
    """All of them, to the company *to_cvr*."""
    for (cvr, name), title, told in _TABLE:
        tags = dict(told)
        main = web_page(name, title) if tags.pop("html", False) else page(name, title)
        more = [replace(page(name, f"Bilag {number}"), name=f"Bilag {number}.pdf") for number in range(1, tags.pop("more", 0) + 1)]
        if "reply_by" in tags:
            tags["reply_by"] = (datetime.now(UTC) + timedelta(days=tags["reply_by"])).replace(microsecond=0)
        yield Letter(to_cvr=to_cvr, from_cvr=cvr, from_name=name, title=title, files=(main, *more), **tags)


def page(sender: str, title: str) -> PostedFile:
    """A letter of one page."""
    lines = ("Til virksomheden", "", "Vi skriver til jer om sagen i overskriften.", "Se bilagene, og svar inden fristen, hvis der er en.", "", sender)
    name = title[:60].replace("/", "-").replace(":", "-")
    return PostedFile(name=f"{name}.pdf", media_type="application/pdf", content=letter_pdf(title, lines))


def web_page(sender: str, title: str) -> PostedFile:
    """A letter as HTML, as some authorities write them."""
    text = f"<html><body><h1>{title}</h1><p>Vi skriver til jer om sagen i overskriften.</p><p>{sender}</p></body></html>"
    return PostedFile(name="brev.html", media_type="text/html", content=text.encode())


def as_files(paths: Sequence[Path]) -> tuple[PostedFile, ...]:
    """Files of the disk; their type by their names."""
    return tuple(
        PostedFile(
            name=path.name,
            media_type=mimetypes.guess_type(path.name)[0] or "application/octet-stream",
            content=path.read_bytes(),
        )
        for path in paths
    )
