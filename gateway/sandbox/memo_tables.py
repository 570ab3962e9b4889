"""MeMo 1.1 and 1.2 as tables: which element may hold which, how often, in which order, of which type.

Written from the published schema (MeMo_core 1.1 and its imports) and, for 1.2, from the published
list of differences and the samples; reference, digital-post.md, sections 1.1 to 1.4. Deliberately
not shared with the gateway's own writer: a sandbox that reads with the writer's eyes sees nothing.

In the contents ``?`` is 0..1, ``*`` 0..n, ``+`` 1..n and ``{n}`` 0..n; a plain name is exactly one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

NAMESPACES: Mapping[str, str] = {
    "memo": "https://DigitalPost.dk/MeMo-1",
    "grd": "https://data.gov.dk/model/core/",
    "gln": "https://www.gs1.dk/gs1-standarder/identifikation/gln-global-location-number/",
    "udd": "https://www.dst.dk/da/TilSalg/Forskningsservice/Dokumentation/hoejkvalitetsvariable/elevregister-2/udd#",
    "form": "http://www.form-online.dk/",
    "kle": "http://kle-online.dk/",
    "dmv": "https://motorregister.skat.dk/",
    "sor": "https://services.nsi.dk/en/Services/SOR",
}

_CONTENTS = """
Message             MessageHeader MessageBody?
MessageHeader       messageType messageUUID messageID? messageCode? label notification? \
                    additionalNotification? reply? replyByDateTime? doNotDeliverUntilDate? mandatory \
                    legalNotification postType? Sender Recipient ContentData? ForwardData? ReplyData*
Sender              senderID idType idTypeLabel? label AttentionData? ContactPoint?
Recipient           recipientID idType idTypeLabel? label? AttentionData? ContactPoint?
AttentionData       AttentionPerson? grd:ProductionUnit? gln:GlobalLocationNumber? EMail? grd:SEnumber? \
                    Telephone? grd:EID? ContentResponsible? GeneratingSystem? sor:SORdata? grd:Address? \
                    grd:UnstructuredAddress?
AttentionPerson     personID? label?
EMail               emailAddress relatedAgent?
Telephone           telephoneNumber relatedAgent?
ContentResponsible  contentResponsibleID? label?
GeneratingSystem    generatingSystemID label?
ContactPoint        contactGroup? contactPointID label? ContactInfo{2}
ContactInfo         label value
ContentData         grd:CPRdata? grd:CVRdata? dmv:MotorVehicle? grd:PropertyNumber? CaseID? kle:KLEdata? \
                    form:FORMdata? grd:ProductionUnit? udd:Education? grd:Address? \
                    grd:UnstructuredAddress? AdditionalContentData{10}
CaseID              caseID caseSystem
AdditionalContentData contentDataType? contentDataName contentDataValue
ForwardData         messageUUID originalMessageDateTime originalSender originalContentResponsible? \
                    contactPointID? comment?
ReplyData           messageID? messageUUID replyUUID? senderID? recipientID? caseID? contactPointID? \
                    generatingSystemID? comment? AdditionalReplyData{4}
AdditionalReplyData label value
MessageBody         createdDateTime MainDocument AdditionalDocument* TechnicalDocument*
MainDocument        mainDocumentID? label? File+ Action*
AdditionalDocument  additionalDocumentID? label? File+ Action*
TechnicalDocument   technicalDocumentID? label? File+
File                encodingFormat filename language content
Action              label actionCode startDateTime? endDateTime? Reservation? EntryPoint?
Reservation         description reservationUUID abstract location startDateTime endDateTime \
                    organizerMail? organizerName?
EntryPoint          url
grd:ProductionUnit  grd:productionUnitNumber grd:productionUnitName?
grd:SEnumber        grd:seNumber grd:companyName?
grd:EID             grd:eID grd:label?
grd:CPRdata         grd:cprNumber grd:name?
grd:CVRdata         grd:cvrNumber grd:companyName?
grd:PropertyNumber  grd:propertyNumber
grd:Address         grd:id? grd:addressLabel? grd:houseNumber? grd:door? grd:floor? grd:co? grd:zipCode? \
                    grd:city? grd:country? grd:AddressPoint?
grd:AddressPoint    grd:geographicEastingMeasure? grd:geographicNorthingMeasure? grd:geographicHeightMeasure?
grd:UnstructuredAddress grd:unstructured
gln:GlobalLocationNumber gln:globalLocationNumber gln:location?
sor:SORdata         sor:sorIdentifier sor:entryName?
dmv:MotorVehicle    dmv:licenseNumber dmv:chassisNumber?
kle:KLEdata         kle:subjectKey kle:version kle:activityFacet? kle:label
form:FORMdata       form:taskKey form:version form:activityFacet? form:label
udd:Education       udd:educationCode udd:educationName?
"""

# 1.2 against 1.1 (reference, section 1.1): what a line becomes.
_CHANGES_1_2 = """
MessageHeader       messageType messageUUID messageID? messageCode? label notification? \
                    additionalNotification? reply? replyByDateTime? doNotDeliverUntilDate? mandatory? \
                    legalNotification? postType? Sender Recipient ContentData? ForwardData? ReplyData*
Sender              senderID idType label AttentionData? ContactPoint? Representative?
Recipient           recipientID idType label? AttentionData? ContactPoint?
Representative      representativeID idType label
ForwardData         messageUUID originalMessageDateTime originalSender originalContentResponsible? \
                    originalRepresentative? contactPointID? comment?
"""

# Leaves that are not plain text of at most 256 characters (memoTextType).
TYPES: Mapping[str, str] = {
    "memo:messageType": "message type",
    "memo:messageUUID": "uuid",
    "memo:replyUUID": "uuid",
    "memo:reservationUUID": "uuid",
    "memo:notification": "text 150",
    "memo:comment": "text 512",
    "memo:reply": "boolean",
    "memo:mandatory": "boolean",
    "memo:legalNotification": "boolean",
    "memo:replyByDateTime": "date and time",
    "memo:originalMessageDateTime": "date and time",
    "memo:createdDateTime": "date and time",
    "memo:startDateTime": "date and time",
    "memo:endDateTime": "date and time",
    "memo:doNotDeliverUntilDate": "date",
    "memo:language": "language",
    "memo:url": "uri",
    "memo:content": "base64",
    "grd:productionUnitNumber": "number 9999999999",
    "gln:globalLocationNumber": "number 9999999999999",
    "dmv:licenseNumber": "text 7",
}
TEXT = "text 256"

# Attributes of Message: name to whether it must stand there.
ATTRIBUTES: Mapping[str, Mapping[str, bool]] = {
    "1.1": {"memoVersion": True, "memoSchVersion": True},
    "1.2": {"memoVersion": True},
}

# actionCode to the element it needs (reference, section 1.4).
ACTIONS: Mapping[str, str] = {
    "AFTALE": "memo:Reservation",
    "BETALING": "memo:EntryPoint",
    "SELVBETJENING": "memo:EntryPoint",
    "INFORMATION": "memo:EntryPoint",
    "UNDERSKRIV": "memo:EntryPoint",
    "BEKRAEFT": "memo:EntryPoint",
    "FORBEREDELSE": "memo:EntryPoint",
    "TILMELDING": "memo:EntryPoint",
}

# The official list has not been seen; this is the reference's (section 3), archives left out.
_EXTENSIONS = """
    pdf txt html htm rtf doc docx xls xlsx ppt pptx odt ods odp jpg jpeg png gif tif tiff bmp xml csv
    ics mp3 mp4 avi mpg wav
"""
EXTENSIONS = frozenset(_EXTENSIONS.split())

# Characters no file name may hold, in production since 10 September 2025 (reference, section 1.6).
FORBIDDEN_IN_NAMES = frozenset('<>:"/\\|?*\r\n\u00a0\u2028\u205f\u2060\u3000') | frozenset(
    map(chr, range(0x2000, 0x200B))
)


class Particle(NamedTuple):
    """An element in a sequence, and how often it stands there; *most* None: any number."""

    name: str
    least: int
    most: int | None


Contents = Mapping[str, tuple[Particle, ...]]

_PARTICLE = re.compile(r"(?P<name>[\w:]+)(?P<often>[?*+]|\{(?P<most>\d+)\})?")


def _particle(text: str) -> Particle:
    match = _PARTICLE.fullmatch(text)
    assert match, text
    often = match["often"] or ""
    least = 1 if often in ("", "+") else 0
    most = int(match["most"]) if match["most"] else None if often in ("*", "+") else 1
    return Particle(_prefixed(match["name"]), least, most)


def _prefixed(name: str) -> str:
    return name if ":" in name else f"memo:{name}"


def _contents(table: str) -> dict[str, tuple[Particle, ...]]:
    lines = (line.split() for line in table.strip().splitlines())
    return {_prefixed(name): tuple(map(_particle, children)) for name, *children in lines}


CONTENTS: Mapping[str, Contents] = {
    "1.1": _contents(_CONTENTS),
    "1.2": {**_contents(_CONTENTS), **_contents(_CHANGES_1_2)},
}
