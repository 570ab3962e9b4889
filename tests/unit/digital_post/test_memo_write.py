"""What we write is MeMo: by the schema, by the rules the schema lacks, and in little memory."""

import io
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from gateway.digital_post import words
from gateway.digital_post.read import read_memo
from gateway.digital_post.write import write_memo
from gateway.errors import MemoRulesBroken, VaultDamaged
from gateway.model.submission import Blob


def written(message, contents, *, version="1.1", rules="today") -> bytes:
    out = io.BytesIO()
    write_memo(message, out, version=version, open_content=contents.open, rules=rules)
    return out.getvalue()


def refusal(message, contents, *, version="1.1") -> tuple[str, str]:
    with pytest.raises(MemoRulesBroken) as caught:
        written(message, contents, version=version)
    return caught.value.facts["element"].removeprefix("Message/"), caught.value.facts["rule"]


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_the_smallest_letter_is_valid(make_message, contents, schemas, version):
    tree = etree.fromstring(written(make_message(), contents, version=version))
    schemas[version].assertValid(tree)


@pytest.mark.parametrize("version", ["1.1", "1.2"])
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow,
                           HealthCheck.data_too_large, HealthCheck.large_base_example],
)  # fmt: skip
@given(data=st.data())
def test_any_message_within_the_rules_is_valid_and_reads_back_equal(
    data, version, random_messages, contents, schemas
):
    message = data.draw(random_messages[version])
    octets = written(message, contents, version=version)
    schemas[version].assertValid(etree.fromstring(octets, etree.XMLParser(huge_tree=True)))
    found = read_memo(io.BytesIO(octets), content_sink=contents.sink)
    assert found.message == message
    assert (found.version, found.strays) == (version, ())


def test_the_same_message_gives_the_same_bytes(make_message, contents):
    assert written(make_message(), contents) == written(make_message(), contents)


@pytest.mark.parametrize(
    ("header", "element", "rule"),
    [
        ({"label": "x" * 257}, "MessageHeader/label", "længere end 256 tegn"),
        ({"label": " "}, "MessageHeader/label", "tom"),
        ({"label": "a\x00b"}, "MessageHeader/label", "et tegn, der ikke kan stå i XML"),
        ({"label": "a\ud800b"}, "MessageHeader/label", "et tegn, der ikke kan stå i XML"),
        ({"label": "a\uffffb"}, "MessageHeader/label", "et tegn, der ikke kan stå i XML"),
        ({"notification": "x" * 151}, "MessageHeader/notification", "længere end 150 tegn"),
        ({"messageUUID": "8c2ea15d-61fb-1ba9-9366-42f8b194c365"}, "MessageHeader/messageUUID",
         "ikke en UUID version 4"),
        ({"messageType": "BREV"}, "MessageHeader/messageType",
         "ikke en af koderne DIGITALPOST, NEMSMS"),
        ({"mandatory": None}, "MessageHeader/mandatory", "mangler"),
        ({"reply": "ja"}, "MessageHeader/reply", "hverken sand eller falsk"),
        ({"replyByDateTime": datetime(2026, 1, 1)}, "MessageHeader/replyByDateTime",  # noqa: DTZ001
         "ikke et tidspunkt i UTC"),
        ({"replyByDateTime": datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1)))},
         "MessageHeader/replyByDateTime", "ikke et tidspunkt i UTC"),
        ({"doNotDeliverUntilDate": datetime(2026, 1, 1, tzinfo=UTC)},
         "MessageHeader/doNotDeliverUntilDate", "ikke en dato"),
        ({"recipient": words.Recipient(recipientID="0101011234", idType="EMAIL")},
         "MessageHeader/Recipient/idType", "ikke en af koderne CPR, CVR"),
        ({"sender": words.Sender(
            senderID="12345674", idType="CVR", label="x",
            representative=words.Representative(representativeID="1", idType="CVR", label="x"))},
         "MessageHeader/Sender/Representative", "findes ikke i MeMo 1.1"),
        ({"contentData": words.ContentData(additionalContentData=tuple(
            words.AdditionalContentData(contentDataName="a", contentDataValue="b") for _ in range(11)))},
         "MessageHeader/ContentData/AdditionalContentData", "mere end 10 gange"),
        ({"contentData": words.ContentData(
            productionUnit=words.ProductionUnit(productionUnitNumber=10_000_000_000))},
         "MessageHeader/ContentData/ProductionUnit/productionUnitNumber",
         "ikke et tal fra 0 til 9999999999"),
        ({"contentData": words.ContentData(motorVehicle=words.MotorVehicle(licenseNumber="AB123456"))},
         "MessageHeader/ContentData/MotorVehicle/licenseNumber", "længere end 7 tegn"),
    ],
)  # fmt: skip
def test_a_header_outside_the_rules_is_not_written(make_message, contents, header, element, rule):
    assert refusal(make_message(**header), contents) == (element, rule)


def test_a_type_label_is_not_written_in_1_2(make_message, contents):
    recipient = words.Recipient(recipientID="0101011234", idType="CPR", idTypeLabel="eID")
    found = refusal(make_message(recipient=recipient), contents, version="1.2")
    assert found == ("MessageHeader/Recipient/idTypeLabel", "findes ikke i MeMo 1.2")


def test_mandatory_may_be_left_out_in_1_2(make_message, contents, schemas):
    octets = written(make_message(mandatory=None, legalNotification=None), contents, version="1.2")
    assert b"mandatory" not in octets
    schemas["1.2"].assertValid(etree.fromstring(octets))


def test_memo_1_0_is_never_written(make_message, contents):
    with pytest.raises(ValueError, match="read, never written"):
        written(make_message(), contents, version="1.0")


def test_a_letter_has_a_body(make_message, contents):
    assert refusal(make_message(body={}), contents) == ("MessageBody", "mangler")


def test_a_text_message_has_a_notification_and_no_body(make_message, contents, schemas):
    bare = make_message(messageType="NEMSMS", body={})
    assert refusal(bare, contents) == ("MessageHeader/notification", "mangler i en NemSMS")
    good = make_message(messageType="NEMSMS", notification="Husk tiden", body={})
    schemas["1.1"].assertValid(etree.fromstring(written(good, contents)))
    both = make_message(messageType="NEMSMS", notification="Husk tiden")
    assert refusal(both, contents) == ("MessageBody", "findes ikke i en NemSMS")


@pytest.mark.parametrize(
    "sign", list('<>:"/\\|?*\r\n\u00a0\u2000\u2005\u200a\u2028\u205f\u2060\u3000')
)
def test_a_file_name_with_a_forbidden_character_is_not_written(make_message, contents, sign):
    main = with_file(make_message(), filename=f"brev{sign}.pdf")
    element, rule = refusal(main, contents)
    assert element == "MessageBody/MainDocument/File[1]/filename"
    assert rule == "et tegn, som Digital Post ikke tillader i filnavne"


def test_an_empty_file_is_not_written(make_message, contents):
    message = with_file(make_message(), content=contents.put(b""))
    assert refusal(message, contents) == ("MessageBody/MainDocument/File[1]/content", "tom fil")


def test_a_document_has_at_least_one_file(make_message, contents):
    message = make_message(body={"mainDocument": words.MainDocument(file=())})
    assert refusal(message, contents) == ("MessageBody/MainDocument/File", "mangler")


_RESERVATION = words.Reservation(
    description="a", reservationUUID="8c2ea15d-61fb-4ba9-9366-42f8b194c365", abstract="b", location="c",
    startDateTime=datetime(2026, 1, 1, tzinfo=UTC), endDateTime=datetime(2026, 1, 2, tzinfo=UTC),
)  # fmt: skip


@pytest.mark.parametrize(
    ("action", "element", "rule"),
    [
        ({"actionCode": "AFTALE"}, "Reservation", "mangler"),
        ({"actionCode": "BETALING"}, "EntryPoint", "mangler"),
        ({"actionCode": "FEST"}, "actionCode", "ikke en kendt kode"),
        ({"actionCode": "BETALING", "entryPoint": words.EntryPoint(url="http://example.dk/")},
         "EntryPoint/url", "ikke en https-adresse"),
        ({"actionCode": "BETALING", "entryPoint": words.EntryPoint(url="/betal")},
         "EntryPoint/url", "ikke en fuldstændig webadresse på højst 256 tegn"),
        ({"actionCode": "BETALING", "entryPoint": words.EntryPoint(url="https://example.dk/" + "x" * 240)},
         "EntryPoint/url", "ikke en fuldstændig webadresse på højst 256 tegn"),
        ({"actionCode": "AFTALE", "reservation": _RESERVATION,
          "entryPoint": words.EntryPoint(url="https://example.dk/")},
         "", "både Reservation og EntryPoint"),
    ],
)  # fmt: skip
def test_an_action_outside_the_rules_is_not_written(make_message, contents, action, element, rule):
    plain = make_message().messageBody.mainDocument
    main = replace(plain, action=(words.Action(label="Gør det", **action),))
    where = f"MessageBody/MainDocument/Action[1]/{element}".rstrip("/")
    assert refusal(make_message(body={"mainDocument": main}), contents) == (where, rule)


def test_a_refusal_never_quotes_the_letter(make_message, contents):
    with pytest.raises(MemoRulesBroken) as caught:
        written(make_message(label="0101011234" * 30), contents)
    assert "0101" not in str(caught.value) + repr(caught.value)


def test_bytes_that_are_not_the_ones_named_are_never_sent(make_message, contents):
    for wrong in (Blob("0" * 64, 4), Blob(contents.put(b"abcd").digest, 5)):
        message = with_file(make_message(), content=wrong)
        with pytest.raises(VaultDamaged):
            write_memo(message, io.BytesIO(), version="1.1", open_content=lambda _file: io.BytesIO(b"abcd"))


class Trickle(io.RawIOBase):
    """A stream that gives one byte at a time, as a slow disk or a pipe may."""

    def __init__(self, content: bytes) -> None:
        self._inner = io.BytesIO(content)

    def read(self, _size: int = -1) -> bytes:
        return self._inner.read(1)


def test_a_stream_that_gives_little_at_a_time_is_written_whole(make_message, contents):
    message = with_file(make_message(), content=contents.put(bytes(range(256))))
    out = io.BytesIO()
    write_memo(message, out, version="1.1", open_content=lambda file: Trickle(contents.kept[file.content.digest]))
    assert out.getvalue() == written(message, contents)


_MEMORY = r"""
import hashlib, re, sys, tempfile
from datetime import UTC, datetime
from gateway.digital_post import words
from gateway.digital_post.read import read_memo
from gateway.digital_post.write import write_memo
from gateway.model.submission import Blob

def peak():
    # Not ru_maxrss: that one remembers the parent over exec.
    return int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1])

class Hash:
    def __init__(self): self.sha, self.size = hashlib.sha256(), 0
    def write(self, block): self.sha.update(block); self.size += len(block)
    def commit(self): return Blob(self.sha.hexdigest(), self.size)
    def abort(self): pass

megabytes = int(sys.argv[1])
sink = Hash()
with tempfile.TemporaryFile() as content, tempfile.TemporaryFile() as out:
    for place in range(megabytes):
        block = bytes([place % 251]) * 1_000_000
        content.write(block); sink.write(block)
    content.seek(0)
    file = words.File(encodingFormat="application/pdf", filename="stor.pdf", language="da", content=sink.commit())
    message = words.Message(
        messageHeader=words.MessageHeader(
            messageType="DIGITALPOST", messageUUID="8c2ea15d-61fb-4ba9-9366-42f8b194c365", label="Stor",
            mandatory=False, legalNotification=False,
            sender=words.Sender(senderID="12345674", idType="CVR", label="Skolen"),
            recipient=words.Recipient(recipientID="0101011234", idType="CPR")),
        messageBody=words.MessageBody(
            createdDateTime=datetime(2026, 1, 1, tzinfo=UTC), mainDocument=words.MainDocument(file=(file,))))
    before = peak()
    write_memo(message, out, version="1.1", open_content=lambda _file: content)
    out.seek(0)
    assert read_memo(out, content_sink=Hash).message == message
    streamed = peak() - before
    out.seek(0)
    held = out.read()
    print(streamed, peak() - before)
"""


def test_a_file_of_70_mb_is_written_and_read_in_less_than_10_mb_of_memory():
    run = subprocess.run(
        [sys.executable, "-c", _MEMORY, "70"],
        capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": os.getcwd()},  # noqa: PTH109
    )  # fmt: skip
    streamed, held = map(int, run.stdout.split())
    assert streamed < 10 * 1024, f"{streamed} KB more than before"
    assert held > 70 * 1024, "the measure does not see memory"


def with_file(message, **changed):
    body = message.messageBody
    (file,) = body.mainDocument.file
    return replace(
        message,
        messageBody=replace(body, mainDocument=replace(body.mainDocument, file=(replace(file, **changed),))),
    )
