"""One letter in every form reads alike; what the templates show is what the reader takes."""

import json

import jsonschema
import pytest
from lxml import etree

from gateway.documents.sidecar import templates
from gateway.documents.sidecar.read import control_of, read_control
from gateway.documents.sidecar.tree import said
from gateway.documents.sidecar.understand import Manner
from gateway.model.identity import Cpr

FILES = templates.templates()
SIDECARS = [name for name in FILES if ".meta." in name or name.endswith((".csv", ".trigger"))]


def read(name: str, content: bytes, manner: Manner | None = None):
    control = control_of(name)
    assert control is not None
    return read_control(control, content, name, manner or Manner())


def meta(text: str, manner: Manner | None = None):
    return read("brev.meta.json", text.encode(), manner)


def codes(found) -> list[str]:
    return [fault.error.code for fault in found.faults]


@pytest.mark.parametrize("name", SIDECARS)
def test_every_template_reads_without_a_fault(name):
    found = read(name, FILES[name])
    assert [said(fault) for fault in found.faults] == []
    first = found.dispatches[0]
    assert first.recipient == Cpr("0101701234")
    assert first.subject.startswith("Afgørelse")
    assert first.documents[0].file.startswith("brev-")


def test_the_four_forms_of_one_letter_mean_the_same():
    said_by = [read(f"brev-4711.meta.{form}", FILES[f"brev-4711.meta.{form}"]).dispatches[0] for form in ("json", "xml")]
    first, second = said_by
    assert (first.reference, first.case, first.actions, first.reply_allowed) == (second.reference, second.case, second.actions, second.reply_allowed)
    assert [(d.file, d.role, d.title) for d in first.documents] == [(d.file, d.role, d.title) for d in second.documents]


def test_schema_and_xsd_accept_the_templates_and_refuse_a_misspelt_field():
    schema = json.loads(FILES["forsendelse.schema.json"])
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(templates.EXAMPLE, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**templates.EXAMPLE, "modtagr": "x"}, schema)
    xsd = etree.XMLSchema(etree.fromstring(FILES["forsendelse.xsd"]))
    xsd.assertValid(etree.fromstring(FILES["brev-4711.meta.xml"]))
    assert not xsd.validate(etree.fromstring(FILES["brev-4711.meta.xml"].replace(b"tilladsvar", b"tiladsvar")))


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ('"cpr": "0101701234", "emne": "A", "emne": "B"', "GW-236"),
        ('"cpr": 101701234, "emne": "A"', "GW-238"),
        ('"cpr": "1,01E+09", "emne": "A"', "GW-238"),
        ('"cpr": "3102701234", "emne": "A"', "GW-303"),
        ('"cpr": "6101701234", "emne": "A"', "GW-304"),
        ('"cvr": "12345678", "emne": "A"', "GW-305"),
        ('"cpr": "0101701234", "cvr": "12345674", "emne": "A"', "GW-239"),
        ('"emne": "A"', "GW-239"),
        ('"cpr": "0101701234"', "GW-235"),
        ('"cpr": "0101701234", "emne": "Om 010170-1234"', "GW-222"),
        ('"cpr": "0101701234", "emne": "A", "dokumenter": ["../../x.pdf"]', "GW-243"),
        ('"cpr": "0101701234", "emne": "A", "dokumenter": ["C:\\\\x.pdf"]', "GW-243"),
        ('"cpr": "0101701234", "emne": "A", "dokumenter": ["aux.pdf"]', "GW-243"),
        ('"cpr": "0101701234", "emne": "A", "tilladsvar": "måske"', "GW-237"),
        ('"cpr": "0101701234", "emne": "A", "send_tidligst": "i morgen"', "GW-237"),
        ('"cpr": "0101701234", "emne": "A", "arkiver_naar": "foer"', "GW-237"),
        ('"cpr": "0101701234", "emne": "A", "forsendelses_id": "010170-1234"', "GW-237"),
        ('"cpr": "0101701234", "emne": "A", "kvittering_email": "a@example.dk"', "GW-246"),
    ],
)  # fmt: skip
def test_every_fault_has_its_code_and_its_line(fields, code):
    found = meta(f"{{\n{fields}}}")
    assert code in codes(found)
    assert all(fault.line for fault in found.faults)


def test_all_faults_of_a_file_are_told_at_once():
    found = meta('{"cpr": 101701234, "foo": 1, "tilladsvar": "måske"}')
    assert sorted(codes(found)) == ["GW-234", "GW-235", "GW-237", "GW-238"]


def test_yaml_is_text_and_only_text():
    found = read("b.meta.yaml", b"cpr: 0101701234\nemne: 12:30\ntilladsvar: ja\n")
    assert codes(found) == []
    assert (found.dispatches[0].recipient, found.dispatches[0].subject) == (Cpr("0101701234"), "12:30")


def test_an_allowed_receipt_address_is_taken():
    found = meta('{"cpr": "0101701234", "emne": "A", "kvittering_email": "A@example.dk"}', Manner(receipt_addresses=("a@example.dk",)))
    assert found.dispatches[0].receipt_to == "A@example.dk"


def test_the_count_in_the_last_line_of_a_list_is_checked():
    lines = b"cpr;emne;fil\n0101701234;A;a.pdf\n#ANTAL;2\n"
    assert codes(read("x.manifest.csv", lines)) == ["GW-244"]


def test_a_number_of_the_systems_own_is_no_cpr_number():
    assert codes(meta('{"cpr": "0101701234", "emne": "A", "forsendelses_id": "STUDIE-2026-004711"}')) == []
