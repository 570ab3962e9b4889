"""Which files belong together: the conventions, in every order, whole or waiting or refused."""

import itertools
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.documents.reading import ReadRules
from gateway.documents.sidecar.judge import judge
from gateway.documents.sidecar.look import Look
from gateway.documents.sidecar.pairing import pair
from gateway.documents.sidecar.read import Control, control_of, read_control
from gateway.documents.sidecar.understand import Manner
from gateway.documents.sidecar.whole import whole
from gateway.model.drop import DropManner, DroppedFile
from gateway.model.submission import Blob

T0 = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
PDF = b"%PDF-1.4 brev %%EOF\n"
CUT = b"%PDF-1.4 bre"
TO = {"cpr": "0101701234", "emne": "Afgørelse"}


def digest(content: bytes) -> str:
    import hashlib

    return hashlib.sha256(content).hexdigest()


class Drop:
    """Files being dropped, a second apart."""

    def __init__(self, manner: DropManner | None = None) -> None:
        self.files: list[DroppedFile] = []
        self.looks: dict[int, Look] = {}
        self.manner = manner or DropManner(account="studie", channel="sftp")

    def put(self, name: str, content: bytes | dict = PDF, *, how: str = "close", folder: str = "", form: bool = False) -> None:
        raw = json.dumps(content).encode() if isinstance(content, dict) else content
        number = len(self.files) + 1
        file = DroppedFile(
            id=number, account="studie", channel="sftp", area="ind", folder=folder, name=name,
            blob=Blob(digest(raw), len(raw)), how=how, at=T0 + timedelta(seconds=number),
        )  # fmt: skip
        control = Control("form", name[:-4], "xml") if form else control_of(name)
        asked = read_control(control, raw, name, Manner()) if control else None
        if asked is not None and asked.ours:
            self.looks[number] = Look(control=control, asked=asked)
        else:
            self.looks[number] = Look(whole=whole(name, raw), safe=name, media_type="application/pdf", pages=1)
        self.files.append(file)

    def at(self, seconds: float):
        return pair(self.files, self.looks, self.manner, T0 + timedelta(seconds=len(self.files) + seconds))

    def codes(self, seconds: float) -> list[list[str]]:
        return [[fault.error.code for fault in group.faults] for group in self.at(seconds).groups]


def described(content: bytes, name: str = "brev.pdf") -> dict:
    return {**TO, "dokumenter": [{"fil": name, "bytes": len(content), "sha256": digest(content)}]}


PIECES = [
    ("a.pdf", PDF, "close"), ("a.pdf", CUT, "close"), ("b.pdf", PDF, "rename"), ("A.PDF", PDF, "close"), ("a.meta.json", described(PDF, "a.pdf"), "close"),
    ("a.meta.json", TO, "close"), ("a.json", TO, "close"), ("a.pdf.meta.json", {**TO, "cpr": "1"}, "close"), ("a.meta.json", b'{"cpr"', "close"),
    ("b.meta.json", {**TO, "dokumenter": ["b.pdf", "a.pdf"]}, "rename"), ("x.manifest.csv", b"cpr;emne;fil\n0101701234;A;a.pdf\n0101701234;B;b.pdf\n", "close"),
    ("a.done", b"", "close"), ("_SUCCESS", b"", "close"), ("metadata.json", {"afsender": "Skolen"}, "close"), ("a.pdf.trigger", b"<T/>", "close"),
    ("a.klar_til_processering", b"", "close"), ("a.xml", b"<x/>", "close"), ("a.docx", b"PK", "close"),
]  # fmt: skip
NAMES = ["brev.meta.json", "brev.pdf.meta.json", "brev.json"]


@pytest.mark.parametrize(
    ("sidecar", "document", "base"),
    [("brev.meta.json", "brev.pdf", "brev"), ("brev.pdf.meta.json", "brev.pdf", "brev"), ("brev.v2.meta.json", "brev.v2.pdf", "brev.v2")],
)
def test_answers_are_named_after_the_letter(sidecar, document, base):
    drop = Drop()
    drop.put(document, how="rename")
    drop.put(sidecar, TO)
    assert [group.base for group in drop.at(0).groups] == [base]


@pytest.mark.parametrize("sidecar", NAMES)
@pytest.mark.parametrize("first", ["document", "sidecar"])
def test_document_and_sidecar_pair_in_either_order(sidecar, first):
    drop = Drop()
    steps = [("brev.pdf", PDF), (sidecar, described(PDF))]
    for name, content in steps if first == "document" else reversed(steps):
        drop.put(name, content)
    (group,) = drop.at(0).groups
    assert {file.name for file in group.files} == {"brev.pdf", sidecar}
    assert not group.faults


def test_a_described_file_is_taken_at_once_and_others_when_they_have_been_quiet():
    drop = Drop()
    drop.put("brev.pdf")
    drop.put("brev.meta.json", TO)
    paired = drop.at(0)
    assert not paired.groups
    assert paired.wait_until == T0 + timedelta(seconds=11)
    assert drop.codes(10) == [[]]


@pytest.mark.parametrize("described_as", [TO, described(PDF)])
def test_a_cut_document_is_never_taken_and_refused_in_the_end(described_as):
    drop = Drop()
    drop.put("brev.pdf", CUT)
    drop.put("brev.meta.json", described_as)
    assert not drop.at(300).groups
    assert drop.codes(601) == [["GW-242"]]


def test_a_cut_sidecar_waits_and_is_then_refused():
    drop = Drop()
    drop.put("brev.pdf")
    drop.put("brev.meta.json", b'{"cpr": "0101')
    assert not drop.at(5).groups
    assert drop.codes(11) == [["GW-231"]]


def test_a_renamed_file_is_whole():
    drop = Drop()
    drop.put("brev.pdf", how="rename")
    drop.put("brev.meta.json", TO)
    assert drop.codes(0) == [[]]


@pytest.mark.parametrize("marker", ["brev.done", "brev.klar", "brev.pdf.done", "_SUCCESS"])
def test_a_marker_says_that_all_is_there(marker):
    drop = Drop()
    drop.put("brev.pdf")
    drop.put("brev.meta.json", TO)
    drop.put(marker, b"")
    assert drop.codes(0) == [[]]


def test_two_documents_that_fit_one_sidecar_are_an_error():
    drop = Drop()
    drop.put("brev.pdf")
    drop.put("brev.docx", b"PK")
    drop.put("brev.meta.json", TO)
    assert ["GW-232"] in drop.codes(10)


def test_two_sidecars_for_one_document_are_an_error():
    drop = Drop()
    drop.put("brev.pdf", how="rename")
    drop.put("brev.pdf.meta.json", TO)
    drop.put("brev.meta.json", {**TO, "cpr": "0202701234"})
    assert drop.codes(0) == [["GW-232"]]


def test_names_match_whatever_their_case_and_unicode_form():
    drop = Drop()
    drop.put("Ærø.PDF", how="rename")
    drop.put("brev.meta.json", {**TO, "dokumenter": [{"fil": "a\u030a".replace("a\u030a", "ærø.pdf")}]})
    assert drop.codes(0) == [[]]
    two = Drop()
    two.put("Å.pdf", how="rename")
    two.put("A\u030a.PDF", how="rename")
    two.put("x.meta.json", {**TO, "dokumenter": [{"fil": "å.PDF"}]})
    assert ["GW-232"] in two.codes(0)


def test_a_cut_file_is_told_of_although_one_in_other_letters_has_the_digest():
    drop = Drop()
    drop.put("a.pdf", CUT)
    drop.put("A.PDF", PDF)
    drop.put("a.meta.json", described(PDF, "a.pdf"))
    assert drop.codes(1300)[0] == ["GW-242"]


def test_a_name_used_twice_is_two_drops_each_with_its_own_document():
    drop = Drop()
    other = PDF + b"%%EOF andet"
    for content in (PDF, other):
        drop.put("brev.pdf", content)
        drop.put("brev.meta.json", described(content))
    groups = drop.at(0).groups
    assert [len(group.files) for group in groups] == [2, 2]
    assert [group.items[0].files[0].blob.digest for group in groups] == [digest(PDF), digest(other)]


def test_a_list_takes_its_documents_and_common_attachments():
    drop = Drop()
    for name in ("a.pdf", "b.pdf", "klage.pdf"):
        drop.put(name, how="rename")
    drop.put("x.manifest.csv", b"cpr;emne;fil;bilag\n0101701234;A;a.pdf;klage.pdf\n0202701234;B;b.pdf;klage.pdf\n#ANTAL;2\n")
    (group,) = drop.at(0).groups
    assert [len(item.files) for item in group.items] == [2, 2]
    assert len(group.files) == 4


def test_a_trigger_names_its_file_and_its_size():
    drop = Drop()
    drop.put("brev.pdf")
    drop.put(
        "brev.pdf.trigger",
        f"<T><FileDescriptor><FileName>brev.pdf</FileName><SizeInBytes>{len(PDF)}</SizeInBytes><Recipients>cpr:0101701234</Recipients>"
        "</FileDescriptor><emne>A</emne></T>".encode(),
    )
    assert drop.codes(0) == [[]]


def test_a_form_is_closed_by_its_marker():
    drop = Drop()
    drop.put("abc.xml", b"<skema><cpr>0101701234</cpr><emne>A</emne></skema>", form=True)
    drop.put("abc.pdf")
    drop.put("abc-1.pdf")
    drop.put("abc.klar_til_processering", b"")
    (group,) = drop.at(0).groups
    assert (group.kind, group.faults) == ("form", ())
    assert [file.name for file in group.items[0].files] == ["abc.pdf", "abc-1.pdf"]


def test_what_never_gets_its_other_half_is_refused_with_the_half_named():
    drop = Drop()
    drop.put("brev.pdf")
    assert not drop.at(500).groups
    assert drop.codes(600) == [["GW-233"]]
    alone = Drop()
    alone.put("brev.meta.json", TO)
    assert alone.codes(600) == [["GW-240"]]


def test_defaults_may_not_carry_a_recipient():
    drop = Drop()
    drop.put("metadata.json", {"afsender": {"enhed": "Skolen"}, "cpr": "0101701234"})
    assert drop.codes(0) == [["GW-234"]]


def test_in_a_folder_that_is_one_drop_nothing_is_unnamed():
    drop = Drop(DropManner(account="studie", channel="sftp", by_folder=True))
    for name in ("a.pdf", "ekstra.pdf"):
        drop.put(name, how="rename", folder="sag")
    drop.put("x.meta.json", {**TO, "dokumenter": ["a.pdf"]}, folder="sag")
    assert drop.codes(0) == [["GW-241"]]


def test_every_order_of_a_drop_ends_alike():
    parts = [("brev.pdf", PDF), ("bilag.pdf", PDF), ("brev.meta.json", {**TO, "dokumenter": ["brev.pdf", "bilag.pdf"]}), ("brev.done", b"")]
    for order in itertools.permutations(parts):
        drop = Drop()
        for name, content in order:
            drop.put(name, content)
        groups = drop.at(12).groups
        assert [(group.kind, len(group.files), group.faults) for group in groups] == [("meta", 4, ())]


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(range(len(PIECES))), min_size=1, max_size=9), st.booleans(), st.sampled_from(["sidecar", "marker", "stable"]))
def test_whatever_is_dropped_in_whatever_order_every_file_ends_in_one_judged_drop(picks, optional, readiness):
    drop = Drop(DropManner(account="studie", channel="sftp", readiness=readiness, sidecar="optional" if optional else "required"))
    for pick in picks:
        name, content, how = PIECES[pick]
        drop.put(name, content, how=how)
    ended: list[int] = []
    files, rules = drop.files, ReadRules(domains=("dp.example.dk",), flows={}, allow_test_numbers=True, loop_id="x")
    for seconds in (0, 11, 1300, 2600):
        now = T0 + timedelta(seconds=len(files) + seconds)
        left = [file for file in files if file.id not in ended]
        for group in pair(left, drop.looks, drop.manner, now).groups:
            assert group.files
            ended += [file.id for file in group.files]
            judgement = judge(group, drop.looks, rules, drop.manner, now)
            assert judgement.faults or judgement.packages or group.kind in ("defaults", "marker")
            for item in group.items:
                assert all(file.blob.digest != digest(CUT) for file in item.files) or judgement.faults
    assert sorted(ended) == [file.id for file in files]
