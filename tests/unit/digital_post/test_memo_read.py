"""What reaches us is read: every official sample, generously; nothing hostile gets further than its first byte."""

import contextlib
import io
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from gateway.digital_post.read import MemoLimits, read_memo
from gateway.digital_post.write import write_memo
from gateway.errors import MemoUnreadable

SAMPLES = [
    ("1.1", "MeMo_Full_Example.xml"),
    ("1.1", "MeMo_Minimum_Example.xml"),
    ("1.1", "MeMo_NemSMS.xml"),
    ("1.1", "MeMo_with_attachment.xml"),
    ("1.2", "MeMo_Full_Example.xml"),
    ("1.2", "MeMo_Minimum_Example.xml"),
    ("1.2", "MeMo_NemSMS.xml"),
    ("1.2", "MeMo_with_attachment.xml"),
]
SPACES = (
    'xmlns:memo="https://DigitalPost.dk/MeMo-1" xmlns:grd="https://data.gov.dk/model/core/"'
)
HEADER = """<memo:messageType>DIGITALPOST</memo:messageType>
<memo:messageUUID>8c2ea15d-61fb-4ba9-9366-42f8b194c365</memo:messageUUID>
<memo:label>Brev</memo:label>{more}
<memo:mandatory>false</memo:mandatory><memo:legalNotification>false</memo:legalNotification>
<memo:Sender><memo:senderID>12345674</memo:senderID><memo:idType>CVR</memo:idType><memo:label>Skolen</memo:label></memo:Sender>
<memo:Recipient><memo:recipientID>0101011234</memo:recipientID><memo:idType>CPR</memo:idType></memo:Recipient>"""
BODY = """<memo:MessageBody><memo:createdDateTime>2026-01-01T00:00:00Z</memo:createdDateTime><memo:MainDocument>
<memo:File><memo:encodingFormat>text/plain</memo:encodingFormat><memo:filename>a.txt</memo:filename>
<memo:language>da</memo:language><memo:content>{content}</memo:content></memo:File></memo:MainDocument></memo:MessageBody>"""


def memo(*, more="", content="QUJD", before="", attributes='memoVersion="1.2"', after="") -> bytes:
    return (
        f"{before}<memo:Message {SPACES} {attributes}><memo:MessageHeader>{HEADER.format(more=more)}"
        f"</memo:MessageHeader>{BODY.format(content=content)}{after}</memo:Message>"
    ).encode()


def reading(octets: bytes, contents, **limits):
    return read_memo(
        io.BytesIO(octets), content_sink=contents.sink, limits=MemoLimits(**limits)
    )


def meaning(element) -> tuple:
    """An element without prefixes, comments, and the whitespace between elements; base64 without its own."""
    text = element.text or ""
    inner = [meaning(each) for each in element if isinstance(each.tag, str)]
    if element.tag.endswith("}content"):
        text = re.sub(r"\s", "", text)
    return element.tag, sorted(element.attrib.items()), "" if inner else text, inner


@pytest.mark.parametrize(("version", "name"), SAMPLES)
def test_every_sample_is_read_and_written_back_with_the_same_meaning(
    memo_material: Path, schemas, contents, version, name
):
    sample = (memo_material / f"samples-{version}" / name).read_bytes()
    found = reading(sample, contents)
    assert (found.version, found.strays) == (version, ())
    out = io.BytesIO()
    # Samples of 1.1 are older than the rule that links begin with https.
    write_memo(
        found.message, out, version=found.version, open_content=contents.open, rules="schema"
    )
    again = etree.fromstring(out.getvalue())
    schemas[version].assertValid(again)
    assert meaning(again) == meaning(etree.fromstring(sample))


def test_the_sample_of_1_0_is_read_with_its_old_name_of_a_document(memo_material: Path, contents):
    sample = (memo_material / "samples-1.0" / "Scenarie1_CVR_ProductionUnit.xml").read_bytes()
    found = reading(sample, contents)
    assert (found.version, found.strays) == ("1.0", ())
    assert found.message.messageBody.mainDocument.mainDocumentID == "456"
    unit = found.message.messageHeader.recipient.attentionData.productionUnit
    assert unit.productionUnitNumber == 1234567890


def test_the_bytes_of_a_file_reach_the_sink(contents):
    found = reading(memo(content=" QUJD\n REVG "), contents)
    (file,) = found.message.messageBody.mainDocument.file
    assert contents.kept[file.content.digest] == b"ABCDEF"


def test_a_utf_8_mark_and_a_declaration_are_fine(contents):
    octets = b"\xef\xbb\xbf" + memo(before='<?xml version="1.0" encoding="UTF-8"?>')
    assert reading(octets, contents).message.messageHeader.label == "Brev"


@pytest.mark.parametrize(
    ("more", "stray"),
    [
        ("<memo:fremtid>x</memo:fremtid>", "Message/MessageHeader: et ukendt element"),
        ("<memo:fremtid><memo:a><memo:b/></memo:a></memo:fremtid>", "Message/MessageHeader: et ukendt element"),
        ("<memo:messageID>m</memo:messageID>", "Message/MessageHeader/messageID: forkert rækkefølge"),
        ("<memo:label>to</memo:label>", "Message/MessageHeader/label: mere end 1 gange"),
        ("løs tekst", "Message/MessageHeader: tekst mellem elementer"),
        ("<memo:messageCode>a<memo:b/></memo:messageCode>",
         "Message/MessageHeader: et element, hvor der skal stå tekst"),
    ],
)  # fmt: skip
def test_what_is_strange_but_clear_is_forgiven_and_told(contents, more, stray):
    found = reading(memo(more=more), contents)
    assert found.message.messageHeader.label == "Brev"
    assert stray in found.strays


@pytest.mark.parametrize("attributes", ['memoVersion="1.1"', 'memoVersion="1.2" memoSchVersion="1.1.0"'])
def test_a_schema_version_that_is_missing_or_too_much_is_forgiven(contents, attributes):
    found = reading(memo(attributes=attributes), contents)
    assert found.strays == ("Message: memoSchVersion passer ikke til versionen",)


def test_a_type_label_in_1_2_is_forgiven_and_kept(contents):
    octets = memo().replace(
        b"<memo:idType>CPR</memo:idType>",
        b"<memo:idType>CPR</memo:idType><memo:idTypeLabel>eID</memo:idTypeLabel>",
    )
    found = reading(octets, contents)
    assert found.message.messageHeader.recipient.idTypeLabel == "eID"
    assert found.strays == ("Message/MessageHeader/Recipient/idTypeLabel: findes ikke i versionen",)


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2026-01-01T12:00:00Z", "2026-01-01T12:00:00+00:00"),
        ("2026-01-01T12:00:00.1234567Z", "2026-01-01T12:00:00.123456+00:00"),
        ("2026-01-01T12:00:00+02:00", "2026-01-01T10:00:00+00:00"),
        ("2026-01-01T24:00:00Z", "2026-01-02T00:00:00+00:00"),
        ("2026-01-01T12:00:00", "2026-01-01T12:00:00+00:00"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00"),
    ],
)
def test_times_are_read_as_utc(contents, text, iso):
    found = reading(memo(more=f"<memo:replyByDateTime>{text}</memo:replyByDateTime>"), contents)
    assert found.message.messageHeader.replyByDateTime.isoformat() == iso


@pytest.mark.parametrize(
    ("octets", "what"),
    [
        (b"", "XML"),
        (b"not xml", "XML"),
        (memo()[:-20], "XML"),
        (memo(before="<!DOCTYPE x>"), "DTD"),
        (memo(before='<!DOCTYPE x [<!ENTITY a "b">]>', more="&a;"), "DTD"),
        (memo(before='<!DOCTYPE x SYSTEM "file:///etc/passwd">'), "DTD"),
        (memo(before='<!DOCTYPE x [<!ENTITY % a SYSTEM "http://127.0.0.1/x">%a;]>'), "DTD"),
        (memo(more="&undefined;"), "XML"),
        (memo(before='<?xml version="1.0" encoding="rot13"?>'), "tegnsæt"),
        (b"<Message/>", "ikke MeMo"),
        (memo(attributes='memoVersion="2.0"'), "ukendt version"),
        (memo(attributes=""), "ukendt version"),
        (memo(more="<memo:replyByDateTime>i morgen</memo:replyByDateTime>"),
         "Message/MessageHeader/replyByDateTime: ikke memoDateTimeType"),
        (memo(more="<memo:replyByDateTime>0001-01-01T00:00:00+05:00</memo:replyByDateTime>"),
         "Message/MessageHeader/replyByDateTime: ikke memoDateTimeType"),
        (memo(more="<memo:doNotDeliverUntilDate>2026-02-30</memo:doNotDeliverUntilDate>"),
         "Message/MessageHeader/doNotDeliverUntilDate: ikke xs:date"),
        (memo(content="QUJ"), "content: afbrudt base64"),
        (memo(content="Q*JD"), "content: ikke base64"),
        (memo(content="QQ==QUJD"), "content: ikke base64"),
        (memo(content="QUJDæøå="), "content: ikke base64"),
        (memo().replace(b"<memo:label>Brev</memo:label>", b""), "Message/MessageHeader/label: mangler"),
        (memo(more="x" * 70_000), "en tekst over 65536 tegn"),
    ],
)  # fmt: skip
def test_what_is_no_memo_is_refused_without_quoting_it(contents, octets, what):
    if what.startswith("en tekst"):
        octets = memo(more=f"<memo:messageCode>{'x' * 70_000}</memo:messageCode>")
    with pytest.raises(MemoUnreadable) as caught:
        reading(octets, contents)
    assert caught.value.facts["what"] == what
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("octets", "limits", "what"),
    [
        (memo(content="QUJD" * 1000), {"total_bytes": 1000}, "over 1000 byte"),
        (memo(), {"elements": 10}, "over 10 elementer"),
        (memo(more="<memo:x>" * 50 + "</memo:x>" * 50), {}, "over 32 lag"),
        (memo(more=f"<!--{'x' * 400_000}-->"), {"token_bytes": 100_000}, "et led over 100000 byte"),
        (memo(attributes=f'memoVersion="1.2" x="{"x" * 400_000}"'), {"token_bytes": 100_000},
         "et led over 100000 byte"),
    ],
)  # fmt: skip
def test_a_message_beyond_a_limit_is_refused(contents, octets, limits, what):
    with pytest.raises(MemoUnreadable) as caught:
        reading(octets, contents, **limits)
    assert caught.value.facts["what"] == what


def test_the_file_that_was_being_read_is_given_up_when_the_message_breaks_off(contents):
    before = contents.aborted
    octets = memo(content="QUJD" * 1000)
    with pytest.raises(MemoUnreadable):
        reading(octets[: octets.index(b"QUJD") + 2000], contents)
    assert contents.aborted == before + 1


def test_no_word_shows_its_values(every_word, contents):
    message = reading(memo(), contents).message
    assert len(every_word) > 40
    assert repr(message) == "Message(…)"
    assert repr(message.messageHeader.recipient) == "Recipient(…)"


@settings(max_examples=300, deadline=None, derandomize=True, database=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(
    place=st.integers(0, 2000),
    cut=st.integers(0, 60),
    put=st.binary(max_size=20)
    | st.sampled_from(
        [b"<", b"&", b"]]>", b"<!--", b"<![CDATA[", b"<?a?>", b"<memo:File>", b"</memo:Sender>", b"\x00", b"\xff"]
    ),
)
def test_damaged_bytes_are_read_or_refused_and_nothing_else(contents, place, cut, put):
    octets = memo(more="<memo:replyByDateTime>2026-01-01T00:00:00Z</memo:replyByDateTime>")
    place %= len(octets)
    with contextlib.suppress(MemoUnreadable):
        reading(octets[:place] + put + octets[place + cut :], contents)
