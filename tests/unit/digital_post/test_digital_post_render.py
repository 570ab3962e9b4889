"""A letter as the state wants it."""

import io
from datetime import date, datetime, timedelta, timezone

import pytest
from lxml import etree

from gateway.config.settings import Flow, Organisation
from gateway.digital_post.render import message_of
from gateway.digital_post.write import write_memo
from gateway.model.identity import Cpr, Cvr
from gateway.model.letter import Document, Earlier, Letter, Options

KEY = "8c2ea15d-61fb-4ba9-9366-42f8b194c365"
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=1)))
SCHOOL = Organisation(name="Skolen", cvr="12345674")


@pytest.fixture
def document(contents):
    def make(name="brev.pdf", media_type="application/pdf", role="main", content=b"%PDF-1.7"):
        blob = contents.put(content)
        return Document(
            name=name, media_type=media_type, digest=blob.digest, size_bytes=blob.size_bytes, role=role
        )

    return make


@pytest.fixture
def header_of(document):
    def make(*, flow=None, **letter):
        given = {"recipient": Cpr("0101011234"), "title": "Indkaldelse", "documents": (document(),)} | letter
        return message_of(
            Letter(submission_id="F-2026-7K3Q-M2XD", index=1, **given),
            key=KEY, created_at=AT, organisation=SCHOOL, flow=flow or Flow(),
        ).messageHeader  # fmt: skip

    return make


def test_a_letter_has_its_title_sender_recipient_and_our_id(header_of):
    header = header_of()
    assert (header.messageType, header.label, header.messageUUID) == ("DIGITALPOST", "Indkaldelse", KEY)
    assert header.messageID == "F-2026-7K3Q-M2XD.1"
    sender, recipient = header.sender, header.recipient
    assert (sender.senderID, sender.idType, sender.label) == ("12345674", "CVR", "Skolen")
    assert (recipient.recipientID, recipient.idType) == ("0101011234", "CPR")


def test_an_answer_names_the_correspondence_and_goes_to_the_contact_point_that_wrote(header_of):
    first, other = "8c2ea15d-61fb-4ba9-9366-42f8b194c114", "8c2ea15d-61fb-4ba9-9366-42f8b194c115"
    thread = (Earlier(message_uuid=first, case="S-1", system="ESDH"), Earlier(message_uuid=first, reply_uuid=other, contact_point="cp-7"))
    header = header_of(recipient=Cvr("19552101"), options=Options(thread=thread, contact_point="cp-7"))
    assert header.recipient.contactPoint.contactPointID == "cp-7"
    seen = [(one.messageUUID, one.replyUUID, one.caseID, one.generatingSystemID, one.contactPointID) for one in header.replyData]
    assert seen == [(first, None, "S-1", "ESDH", None), (first, other, None, None, "cp-7")]
    assert header_of().replyData == ()


def test_nothing_is_ever_mandatory_or_a_legal_notification(header_of):
    assert (header_of().mandatory, header_of().legalNotification) == (False, False)


def test_a_production_unit_stands_beside_the_company_and_never_instead_of_it(header_of):
    recipient = header_of(recipient=Cvr("12345674", "1029829825")).recipient
    assert (recipient.recipientID, recipient.idType) == ("12345674", "CVR")
    assert recipient.attentionData.productionUnit.productionUnitNumber == 1029829825
    assert header_of(recipient=Cvr("12345674")).recipient.attentionData is None


@pytest.mark.parametrize(
    ("flow", "asked", "reply"),
    [(False, None, None), (True, None, True), (True, False, None), (False, True, True)],
)
def test_the_recipient_may_answer_if_the_letter_or_else_the_flow_says_so(header_of, flow, asked, reply):
    header = header_of(flow=Flow(reply_allowed=flow), options=Options(reply_allowed=asked, reply_by=AT))
    assert header.reply is reply
    assert header.replyByDateTime == (AT if reply else None)


def test_a_letter_may_wait_for_its_day_and_name_its_case(header_of):
    header = header_of(options=Options(deliver_from=date(2026, 12, 1), case="2026-17"))
    assert header.doNotDeliverUntilDate == date(2026, 12, 1)
    case = header.contentData.caseID
    assert (case.caseID, case.caseSystem) == ("2026-17", "digitalpost-gateway")
    assert header_of().contentData is None


def test_a_flow_may_write_as_somebody_of_the_organisation(header_of):
    assert header_of(flow=Flow(sender_label="Skolens kontor")).sender.label == "Skolens kontor"


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_documents_keep_their_order_and_the_whole_is_valid(document, contents, schemas, version):
    letter = Letter(
        submission_id="F-2026-7K3Q-M2XD", index=2, recipient=Cvr("12345674", "1029829825"),
        title="Æblegrød & <fløde>",
        documents=(
            document("b.pdf", role="attachment"), document(),
            document("a.txt", "text/plain", "attachment", b"hej"),
        ),
        options=Options(case="2026-17", deliver_from=date(2026, 12, 1), reply_allowed=True, reply_by=AT),
    )  # fmt: skip
    out = io.BytesIO()
    write_memo(
        message_of(letter, key=KEY, created_at=AT, organisation=SCHOOL, flow=Flow()),
        out, version=version, open_content=contents.open,
    )  # fmt: skip
    tree = etree.fromstring(out.getvalue())
    schemas[version].assertValid(tree)
    names = [found.text for found in tree.iter("{*}filename")]
    assert names == ["brev.pdf", "b.pdf", "a.txt"]
    assert tree.findtext(".//{*}createdDateTime") == "2026-01-02T02:04:05Z"
    assert {found.text for found in tree.iter("{*}language")} == {"da"}
