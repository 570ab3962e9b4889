# ruff: noqa: N815 - these are MeMo's own names
"""The whole of MeMo as frozen values, with MeMo's own names, in MeMo's own order.

One module, although longer than most: it *is* the schema. Writer, reader and checker have no list
of elements of their own; they walk these classes (see ``shape``). A class is an element; its fields
stand in the order in which they must be written. A field whose type is a class is an element named
as that class; any other field is an element named as the field. Source: MeMo_core.xsd 1.1 and the
samples of 1.2 (reference, section 1.4).

Nothing here shows its values in ``repr``: they are somebody's letter.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Annotated, ClassVar, Literal, TypeVar, dataclass_transform

from gateway.digital_post import simple
from gateway.model.submission import Blob

MemoVersion = Literal["1.0", "1.1", "1.2"]

MEMO = "https://DigitalPost.dk/MeMo-1"
GRD = "https://data.gov.dk/model/core/"
GLN = "https://www.gs1.dk/gs1-standarder/identifikation/gln-global-location-number/"
UDD = (
    "https://www.dst.dk/da/TilSalg/Forskningsservice/Dokumentation/"
    "hoejkvalitetsvariable/elevregister-2/udd#"
)
FORM = "http://www.form-online.dk/"
KLE = "http://kle-online.dk/"
DMV = "https://motorregister.skat.dk/"
SOR = "https://services.nsi.dk/en/Services/SOR"
PREFIXES = {
    MEMO: "memo", GRD: "grd", GLN: "gln", UDD: "udd", FORM: "form", KLE: "kle", DMV: "dmv", SOR: "sor",
}  # fmt: skip

Text = Annotated[str, simple.TEXT]
Name = Annotated[str, simple.NAME]
Comment = Annotated[str, simple.COMMENT]
Notification = Annotated[str, simple.NOTIFICATION]
LicenseNumber = Annotated[str, simple.LICENSE_NUMBER]
Uri = Annotated[str, simple.URI]
Language = Annotated[str, simple.LANGUAGE]
Uuid = Annotated[str, simple.UUID]
MessageType = Annotated[str, simple.MESSAGE_TYPE]
IdType = Annotated[str, simple.ID_TYPE]
ActionCode = Annotated[str, simple.ACTION_CODE]
Gln = Annotated[int, simple.GLN]
PNumber = Annotated[int, simple.P_NUMBER]
Flag = Annotated[bool, simple.FLAG]
Moment = Annotated[datetime, simple.MOMENT]
Day = Annotated[date, simple.DAY]
Content = Annotated[Blob, simple.CONTENT]


class Word:
    """An element with children."""

    __slots__ = ()
    NAMESPACE: ClassVar[str] = MEMO

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


W = TypeVar("W", bound=type[Word])


_UNTIL_1_1 = {"versions": ("1.0", "1.1")}
_FROM_1_2 = {"versions": ("1.2",)}
_REQUIRED_UNTIL_1_1 = {"required_in": ("1.0", "1.1")}
_AT_LEAST_ONE = {"least": 1}


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def _word(cls: W) -> W:
    return dataclass(frozen=True, slots=True, kw_only=True, repr=False)(cls)  # type: ignore[return-value]


# ── who ─────────────────────────────────────────────────────────────────────


@_word
class AttentionPerson(Word):
    personID: Text | None = None
    label: Text | None = None


@_word
class ProductionUnit(Word):
    """The P-number: a place of work of a company; never a recipient of its own."""

    NAMESPACE = GRD
    productionUnitNumber: PNumber
    productionUnitName: Text | None = None


@_word
class GlobalLocationNumber(Word):
    NAMESPACE = GLN
    globalLocationNumber: Gln
    location: Text | None = None


@_word
class EMail(Word):
    emailAddress: Text
    relatedAgent: Text | None = None


@_word
class SEnumber(Word):
    NAMESPACE = GRD
    seNumber: Text
    companyName: Text | None = None


@_word
class Telephone(Word):
    telephoneNumber: Text
    relatedAgent: Text | None = None


@_word
class EID(Word):
    NAMESPACE = GRD
    eID: Text
    label: Text | None = None


@_word
class ContentResponsible(Word):
    contentResponsibleID: Text | None = None
    label: Text | None = None


@_word
class GeneratingSystem(Word):
    generatingSystemID: Text
    label: Text | None = None


@_word
class SORdata(Word):
    NAMESPACE = SOR
    sorIdentifier: Text
    entryName: Text | None = None


@_word
class AddressPoint(Word):
    NAMESPACE = GRD
    geographicEastingMeasure: Text | None = None
    geographicNorthingMeasure: Text | None = None
    geographicHeightMeasure: Text | None = None


@_word
class Address(Word):
    NAMESPACE = GRD
    id: Text | None = None
    addressLabel: Text | None = None
    houseNumber: Text | None = None
    door: Text | None = None
    floor: Text | None = None
    co: Text | None = None
    zipCode: Text | None = None
    city: Text | None = None
    country: Text | None = None
    addressPoint: AddressPoint | None = None


@_word
class UnstructuredAddress(Word):
    NAMESPACE = GRD
    unstructured: Text


@_word
class AttentionData(Word):
    attentionPerson: AttentionPerson | None = None
    productionUnit: ProductionUnit | None = None
    globalLocationNumber: GlobalLocationNumber | None = None
    email: EMail | None = None
    seNumber: SEnumber | None = None
    telephone: Telephone | None = None
    eid: EID | None = None
    contentResponsible: ContentResponsible | None = None
    generatingSystem: GeneratingSystem | None = None
    sorData: SORdata | None = None
    address: Address | None = None
    unstructuredAddress: UnstructuredAddress | None = None


@_word
class ContactInfo(Word):
    label: Text
    value: Text


@_word
class ContactPoint(Word):
    contactGroup: Text | None = None
    contactPointID: Text
    label: Text | None = None
    contactInfo: tuple[ContactInfo, ...] = field(default=(), metadata={"most": 2})


@_word
class Representative(Word):
    """New in 1.2: on whose behalf the sender writes."""

    representativeID: Text
    idType: IdType
    label: Text


@_word
class Sender(Word):
    senderID: Name
    idType: IdType
    idTypeLabel: Text | None = field(default=None, metadata=_UNTIL_1_1)
    label: Text
    attentionData: AttentionData | None = None
    contactPoint: ContactPoint | None = None
    representative: Representative | None = field(default=None, metadata=_FROM_1_2)


@_word
class Recipient(Word):
    """Exactly one in a message: MeMo has no copies."""

    recipientID: Name
    idType: IdType
    idTypeLabel: Text | None = field(default=None, metadata=_UNTIL_1_1)
    label: Text | None = None
    attentionData: AttentionData | None = None
    contactPoint: ContactPoint | None = None


# ── about what ──────────────────────────────────────────────────────────────


@_word
class CPRdata(Word):
    NAMESPACE = GRD
    cprNumber: Text
    name: Text | None = None


@_word
class CVRdata(Word):
    NAMESPACE = GRD
    cvrNumber: Text
    companyName: Text | None = None


@_word
class MotorVehicle(Word):
    NAMESPACE = DMV
    licenseNumber: LicenseNumber
    chassisNumber: Text | None = None


@_word
class PropertyNumber(Word):
    NAMESPACE = GRD
    propertyNumber: Text


@_word
class CaseID(Word):
    caseID: Text
    caseSystem: Text


@_word
class KLEdata(Word):
    NAMESPACE = KLE
    subjectKey: Text
    version: Text
    activityFacet: Text | None = None
    label: Text


@_word
class FORMdata(Word):
    NAMESPACE = FORM
    taskKey: Text
    version: Text
    activityFacet: Text | None = None
    label: Text


@_word
class Education(Word):
    NAMESPACE = UDD
    educationCode: Text
    educationName: Text | None = None


@_word
class AdditionalContentData(Word):
    contentDataType: Text | None = None
    contentDataName: Text
    contentDataValue: Text


@_word
class ContentData(Word):
    cprData: CPRdata | None = None
    cvrData: CVRdata | None = None
    motorVehicle: MotorVehicle | None = None
    propertyNumber: PropertyNumber | None = None
    caseID: CaseID | None = None
    kleData: KLEdata | None = None
    formData: FORMdata | None = None
    productionUnit: ProductionUnit | None = None
    education: Education | None = None
    address: Address | None = None
    unstructuredAddress: UnstructuredAddress | None = None
    additionalContentData: tuple[AdditionalContentData, ...] = field(default=(), metadata={"most": 10})


@_word
class ForwardData(Word):
    messageUUID: Uuid
    originalMessageDateTime: Moment
    originalSender: Text
    originalContentResponsible: Text | None = None
    originalRepresentative: Text | None = field(default=None, metadata=_FROM_1_2)
    contactPointID: Text | None = None
    comment: Comment | None = None


@_word
class AdditionalReplyData(Word):
    label: Text
    value: Text


@_word
class ReplyData(Word):
    """One earlier message of the thread."""

    messageID: Text | None = None
    messageUUID: Uuid
    replyUUID: Uuid | None = None
    senderID: Text | None = None
    recipientID: Text | None = None
    caseID: Text | None = None
    contactPointID: Text | None = None
    generatingSystemID: Text | None = None
    comment: Comment | None = None
    additionalReplyData: tuple[AdditionalReplyData, ...] = field(default=(), metadata={"most": 4})


@_word
class MessageHeader(Word):
    messageType: MessageType
    messageUUID: Uuid
    messageID: Text | None = None
    messageCode: Text | None = None
    label: Name
    notification: Notification | None = None
    additionalNotification: Text | None = None
    reply: Flag | None = None
    replyByDateTime: Moment | None = None
    doNotDeliverUntilDate: Day | None = None
    mandatory: Flag | None = field(default=None, metadata=_REQUIRED_UNTIL_1_1)
    legalNotification: Flag | None = field(default=None, metadata=_REQUIRED_UNTIL_1_1)
    postType: Text | None = None
    sender: Sender
    recipient: Recipient
    contentData: ContentData | None = None
    forwardData: ForwardData | None = None
    replyData: tuple[ReplyData, ...] = ()


# ── the letter itself ───────────────────────────────────────────────────────


@_word
class File(Word):
    """One rendition of a document. *content* names its bytes; they are streamed, never held."""

    encodingFormat: Name
    filename: Name
    language: Language
    content: Content


@_word
class Reservation(Word):
    description: Text
    reservationUUID: Uuid
    abstract: Text
    location: Text
    startDateTime: Moment
    endDateTime: Moment
    organizerMail: Text | None = None
    organizerName: Text | None = None


@_word
class EntryPoint(Word):
    url: Uri


@_word
class Action(Word):
    label: Text
    actionCode: ActionCode
    startDateTime: Moment | None = None
    endDateTime: Moment | None = None
    reservation: Reservation | None = None
    entryPoint: EntryPoint | None = None


@_word
class MainDocument(Word):
    mainDocumentID: Text | None = None
    label: Text | None = None
    file: tuple[File, ...] = field(metadata=_AT_LEAST_ONE)
    action: tuple[Action, ...] = ()


@_word
class AdditionalDocument(Word):
    additionalDocumentID: Text | None = None
    label: Text | None = None
    file: tuple[File, ...] = field(metadata=_AT_LEAST_ONE)
    action: tuple[Action, ...] = ()


@_word
class TechnicalDocument(Word):
    """For machines; carries no actions."""

    technicalDocumentID: Text | None = None
    label: Text | None = None
    file: tuple[File, ...] = field(metadata=_AT_LEAST_ONE)


@_word
class MessageBody(Word):
    createdDateTime: Moment
    mainDocument: MainDocument
    additionalDocument: tuple[AdditionalDocument, ...] = ()
    technicalDocument: tuple[TechnicalDocument, ...] = ()


@_word
class Message(Word):
    messageHeader: MessageHeader
    messageBody: MessageBody | None = None
