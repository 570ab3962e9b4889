"""How a flow may say where letters begin, and what a person may settle afterwards."""

from __future__ import annotations

import pytest
from merged import OWN_CVR, by_reportlab, merged
from reportlab.lib.units import mm
from reportlab.pdfgen import canvas
from tricky import A, B, C, D, E, Sheet, Tricky, X, dashed, letter, text_at, tricky_files, write

from gateway.documents.batch.letters import Draft, read_batch
from gateway.documents.batch.manner import SplitManner
from gateway.documents.batch.split import split_file
from gateway.documents.reading import ReadFlow, ReadRules
from gateway.errors import (
    BadRecipientList,
    BatchAwaitsApproval,
    BatchUncertain,
    NoRecipientList,
    NothingToSplit,
    SignedPdf,
)
from gateway.model.batch import NOTHING_SETTLED, Place, Settled
from gateway.model.identity import Cpr
from gateway.model.letter import Document, Options

GOLDEN = ["a13177129e2a0fe4", "868272bd3fff0c6f"]


def split(tricky, folder, settled=NOTHING_SETTLED, **manner):
    file = folder / "merged.pdf"
    write(tricky, file)
    given = SplitManner(own_numbers=frozenset({OWN_CVR}), **manner)
    batch, _ = split_file(file, given, settled, folder, allow_test=True)
    return batch


def owners(batch):
    return [(one.first, one.pages, one.recipient.reveal() if one.recipient else None) for one in batch.pieces]


def flags(batch):
    return [one.flags for one in batch.pieces]


def test_a_place_that_is_given_is_the_only_one_looked_at(tmp_path):
    two_places = tricky_files()["a child's number at the place of a template"]
    assert all("two-positions" in one for one in flags(split(two_places, tmp_path)))
    given = split(two_places, tmp_path, mode="place", place=Place(135, 15, 50, 15))
    assert owners(given) == [(n, 1, digits) for n, digits in enumerate((A, B, C, D, E))]
    assert flags(given) == [()] * 5


def test_a_person_may_point_at_the_place_once_for_the_whole_batch(tmp_path):
    two_places = tricky_files()["a child's number at the place of a template"]
    settled = split(two_places, tmp_path, Settled(place=Place(135, 15, 50, 15)))
    assert flags(settled) == [()] * 5
    assert [who for _, _, who in owners(settled)] == [A, B, C, D, E]


def test_a_marker_says_who_gets_what_follows(tmp_path):
    sheets = [
        Sheet(draw=text_at(20, 200, f"@@DP:cpr={A};brev=1@@", size=1, white=True)), Sheet(),
        Sheet(draw=text_at(20, 200, f"@@DP:cpr={dashed(B)}@@")),
        Sheet(draw=text_at(20, 200, "@@DP:brev=3@@")),
    ]  # fmt: skip
    found = split(Tricky(sheets, []), tmp_path, mode="marker")
    assert owners(found) == [(0, 2, A), (2, 1, B), (3, 1, None)]
    assert flags(found)[:2] == [(), ()]
    assert "invalid-number" in flags(found)[2]


def test_bookmarks_begin_letters_and_the_place_names_them(tmp_path):
    file = tmp_path / "merged.pdf"
    out = canvas.Canvas(str(file), pagesize=(210 * mm, 297 * mm))
    for digits, first in ((A, True), (A, False), (B, True), (C, True), (C, False)):
        if first:
            out.bookmarkPage(digits)
            out.addOutlineEntry("Brev", digits, level=0)
            out.drawString(140 * mm, 270 * mm, f"CPR-nr. {dashed(digits)}")
        out.drawString(20 * mm, 200 * mm, "tekst")
        out.showPage()
    out.save()
    found, _ = split_file(file, SplitManner(mode="bookmarks"), NOTHING_SETTLED, tmp_path, allow_test=True)
    assert owners(found) == [(0, 2, A), (2, 1, B), (3, 2, C)]
    assert flags(found) == [()] * 3


def test_a_fixed_count_holds_a_letter_that_ends_early_or_has_two_numbers(tmp_path):
    good = Tricky([*letter(A, marks=False), *letter(B, marks=False), *letter(C, marks=False)], [])
    assert owners(split(good, tmp_path, mode="count", pages=2)) == [(0, 2, A), (2, 2, B), (4, 2, C)]
    odd = Tricky([*letter(A, marks=False), Sheet(number=dashed(B)), Sheet(number=dashed(C)), Sheet(number=dashed(D))], [])
    found = split(odd, tmp_path, mode="count", pages=2)
    assert [bool(one) for one in flags(found)] == [False, True, True]
    assert "number-changes-inside" in flags(found)[1]
    assert "page-missing" in flags(found)[2]


def test_where_every_page_has_a_number_one_without_is_held(tmp_path):
    pages = [Sheet(number=dashed(who)) for who in (A, A, B, C, C, D)]
    assert owners(split(Tricky(pages, []), tmp_path, mode="every-page")) == [(0, 2, A), (2, 1, B), (3, 2, C), (5, 1, D)]
    pages[4] = Sheet()
    found = split(Tricky(pages, []), tmp_path, mode="every-page")
    assert [bool(one) for one in flags(found)] == [False, False, True, False]


def test_a_person_may_say_whose_pages_are_or_that_nobody_gets_them(tmp_path):
    lacking = tricky_files()["number in the body only"]
    before = split(lacking, tmp_path)
    assert [one.shown_pages for one in before.uncertain] == ["5-6"]
    settled = split(lacking, tmp_path, Settled(assigned={4: Cpr(E)}))
    assert settled.uncertain == ()
    assert owners(settled)[2] == (4, 2, E)
    nobody = split(lacking, tmp_path, Settled(assigned={4: None}))
    assert nobody.uncertain == ()
    assert nobody.pieces[2].left_out


def test_a_person_may_begin_a_letter_where_none_was_seen(tmp_path):
    pages = Tricky([*letter(A, 1, marks=False), Sheet(), *letter(B, 1, marks=False)], [])
    settled = split(pages, tmp_path, Settled(assigned={1: Cpr(X)}))
    assert owners(settled) == [(0, 1, A), (1, 1, X), (2, 1, B)]


def test_accepting_lets_flagged_letters_go_but_none_without_a_recipient(tmp_path):
    odd = Tricky([*letter(A), *letter(B, 3)[:2], Sheet(mark="Side 1 af 1")], [])
    found = split(odd, tmp_path, Settled(accepted=True))
    assert [piece.certain for piece in found.pieces] == [True, True, False]


# ── what becomes of it ──────────────────────────────────────────────────────


def reading(content, folder, settled=NOTHING_SETTLED, media_type="application/pdf", **manner):
    rules = ReadRules(
        domains=("dp.example.dk",), flows={"flet": ReadFlow(split=SplitManner(own_numbers=frozenset({OWN_CVR}), **manner))},
        allow_test_numbers=True, loop_id="x",
    )  # fmt: skip
    file = folder / "merged.pdf"
    write(content, file)
    document = Document(name="breve.pdf", media_type=media_type, digest="0" * 64, size_bytes=1, role="main")
    beside = Document(name="bilag.pdf", media_type="application/pdf", digest="1" * 64, size_bytes=5, role="attachment")
    draft = Draft(submission_id="F-2026-AAAA-BBBB", title="Brev", documents=(document, beside), options=Options(), flow="flet")
    return read_batch(draft, file, rules, settled, folder)


def good(count=5):
    return Tricky([page for who in (A, B, C, D, E)[:count] for page in letter(who)], [])


def test_each_letter_has_its_own_pages_first_and_what_all_get_beside_them(tmp_path):
    found = reading(good(), tmp_path)
    assert found.hold is None
    assert [one.recipient.reveal() for one in found.letters] == [A, B, C, D, E]
    assert [one.index for one in found.letters] == [1, 3, 5, 7, 9]
    assert {one.main.pages for one in found.letters} == {2}
    assert [one.main.digest for one in found.letters] == [cut.digest for cut in found.batch.cuts]
    assert all(one.attachments[0].name == "bilag.pdf" for one in found.letters)


def test_all_or_nothing_unless_the_flow_says_partly(tmp_path):
    odd = tricky_files()["number in the body only"]
    whole = reading(odd, tmp_path)
    assert isinstance(whole.hold, BatchUncertain)
    assert "side 5-6" in whole.hold.text()
    assert whole.letters == ()
    partly = reading(odd, tmp_path, partly=True)
    assert isinstance(partly.hold, BatchUncertain)
    assert len(partly.letters) == 4


def test_many_letters_wait_for_a_second_person(tmp_path):
    held = reading(good(), tmp_path, approve_over=4)
    assert isinstance(held.hold, BatchAwaitsApproval)
    assert held.letters == ()
    assert len(reading(good(), tmp_path, Settled(approved=True), approve_over=4).letters) == 5
    # Approval is of a number of letters, never of uncertain ones.
    odd = tricky_files()["number in the body only"]
    assert isinstance(reading(odd, tmp_path, Settled(approved=True), approve_over=1).hold, BatchUncertain)


def test_what_is_no_pdf_cannot_be_divided(tmp_path):
    with pytest.raises(NothingToSplit):
        reading(good(), tmp_path, media_type="text/plain")


def test_a_signed_file_is_divided_only_where_the_flow_lets_signatures_go(tmp_path):
    import pikepdf

    def sign(pdf):
        field = pdf.make_indirect(
            pikepdf.Dictionary(
                FT=pikepdf.Name.Sig, T="Underskrift", Type=pikepdf.Name.Annot, Subtype=pikepdf.Name.Widget, Rect=[0, 0, 0, 0],
                V=pdf.make_indirect(pikepdf.Dictionary(Type=pikepdf.Name.Sig, Filter=pikepdf.Name("/Adobe.PPKLite"))),
            )
        )  # fmt: skip
        pdf.Root.AcroForm = pikepdf.Dictionary(Fields=[field], SigFlags=3)
        pdf.pages[0].obj.Annots = pikepdf.Array([field])

    from tricky import changed

    signed = Tricky(good().sheets, [], after=changed(sign))
    with pytest.raises(SignedPdf):
        reading(signed, tmp_path)
    assert len(reading(signed, tmp_path, signed=True).letters) == 5


def test_what_acts_on_its_own_is_gone_from_every_letter(tmp_path):
    import pikepdf
    from tricky import changed

    from gateway.documents.pdf.cut import PlainFile

    words = (b"JavaScript", b"Launch", b"EmbeddedFile", b"OpenAction", b"app.alert", b"hemmelig")

    def arm(pdf):
        script = pikepdf.Dictionary(S=pikepdf.Name.JavaScript, JS="app.alert('hemmelig')")
        pdf.Root.OpenAction = script
        pdf.Root.AA = pikepdf.Dictionary(WC=script)
        pdf.attachments["hemmelig.txt"] = b"hemmelig"
        with pdf.open_metadata() as metadata:
            metadata["dc:title"] = "hemmelig"
        for page in pdf.pages:
            page.obj.AA = pikepdf.Dictionary(O=script)
            launch = pikepdf.Dictionary(S=pikepdf.Name.Launch, F="hemmelig.exe")
            page.obj.Annots = pikepdf.Array([pikepdf.Dictionary(Type=pikepdf.Name.Annot, Subtype=pikepdf.Name.Link, Rect=[0, 0, 9, 9], A=launch)])

    file = tmp_path / "merged.pdf"
    write(Tricky(good().sheets, [], after=changed(arm)), file)
    batch, notes = split_file(file, SplitManner(own_numbers=frozenset({OWN_CVR})), NOTHING_SETTLED, tmp_path, allow_test=True)
    plain = PlainFile(tmp_path / batch.source.digest)
    for piece in batch.pieces:
        content = plain.letter(piece.first, piece.pages)
        assert [word for word in words if word in content] == []
    assert "Programkode og handlinger i samlefilen er fjernet." in notes
    assert any("lå inde i samlefilen" in note for note in notes)


def test_links_to_the_web_stay(tmp_path):
    from gateway.documents.pdf.cut import PlainFile

    file = tmp_path / "merged.pdf"
    out = canvas.Canvas(str(file), pagesize=(210 * mm, 297 * mm))
    for digits in (A, B):
        out.drawString(140 * mm, 270 * mm, f"CPR-nr. {dashed(digits)}")
        out.linkURL(f"https://example.dk/{digits}", (20 * mm, 200 * mm, 60 * mm, 210 * mm))
        out.showPage()
    out.save()
    batch, _ = split_file(file, SplitManner(), NOTHING_SETTLED, tmp_path, allow_test=True)
    plain = PlainFile(tmp_path / batch.source.digest)
    first, second = (plain.letter(piece.first, piece.pages) for piece in batch.pieces)
    assert f"https://example.dk/{A}".encode() in first
    assert f"https://example.dk/{A}".encode() not in second


def test_the_same_letter_is_the_same_bytes_in_another_process(tmp_path):
    import hashlib
    import subprocess
    import sys

    of = merged(6, seed=3)
    file = tmp_path / "merged.pdf"
    by_reportlab(of, file)
    batch, _ = split_file(file, SplitManner(own_numbers=frozenset({OWN_CVR})), NOTHING_SETTLED, tmp_path, allow_test=True)
    code = (
        "import sys; from pathlib import Path; from gateway.documents.pdf.cut import PlainFile\n"
        "f = PlainFile(Path(sys.argv[1])); sys.stdout.buffer.write(f.letter(int(sys.argv[2]), int(sys.argv[3])))"
    )
    for piece, cut in zip(batch.pieces, batch.cuts, strict=True):
        made = subprocess.run(
            [sys.executable, "-c", code, tmp_path / batch.source.digest, str(piece.first), str(piece.pages)],
            check=True, capture_output=True,
        ).stdout  # fmt: skip
        assert hashlib.sha256(made).hexdigest() == cut.digest


def test_a_letter_that_waits_is_still_the_same_bytes_after_an_upgrade(tmp_path):
    """What ``cut`` gives for one file, for ever: the ledger remembers digests, not bytes."""
    import hashlib

    from gateway.cli.demo_letter import made_up_numbers, merged_pdf
    from gateway.documents.pdf.cut import PlainFile

    file = tmp_path / "plain.pdf"
    file.write_bytes(merged_pdf([(number, 2) for number in made_up_numbers(2)]))
    plain = PlainFile(file, pdfa="2B")
    digests = [hashlib.sha256(plain.letter(first, 2)).hexdigest()[:16] for first in (0, 2)]
    assert digests == GOLDEN


# ── a list beside the file ──────────────────────────────────────────────────


def listed(content, folder, text, settled=NOTHING_SETTLED, beside=()):
    rules = ReadRules(
        domains=("dp.example.dk",), flows={"flet": ReadFlow(split=SplitManner(mode="list"))}, allow_test_numbers=True, loop_id="x"
    )
    file = folder / "merged.pdf"
    write(content, file)
    document = Document(name="breve.pdf", media_type="application/pdf", digest="0" * 64, size_bytes=1, role="main")
    others = [Document(name=name, media_type="application/pdf", digest="1" * 64, size_bytes=1, role="attachment") for name in beside]
    draft = Draft(submission_id="F-2026-AAAA-BBBB", title="Brev", documents=(document, *others), options=Options(), flow="flet")
    return read_batch(draft, file, rules, settled, folder, recipients=text)


UNLABELLED = Tricky([Sheet(body=(f"side {number}",)) for number in range(1, 7)], [])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_a_list_says_whose_each_page_is_whatever_stands_on_it(tmp_path, encoding, delimiter):
    rows = [("Side", "CPR", "Navn"), ("4", dashed(B), "Åse"), ("1", A, "Søren"), ("5", C, "Bo"), ("", "", "")]
    text = "\r\n".join(delimiter.join(row) for row in rows).encode(encoding)
    found = listed(UNLABELLED, tmp_path, text)
    assert found.hold is None
    assert [(one.index, one.main.pages, one.recipient.reveal()) for one in found.letters] == [(1, 3, A), (4, 1, B), (5, 2, C)]
    assert {piece.why for piece in found.batch.pieces} == {"list"}


def test_a_list_may_name_production_units_and_lose_a_first_zero(tmp_path):
    young = "0707614285"
    text = f"side;modtager;pnr\n1;29189374;1003256415\n3;{young[1:]};\n".encode()
    found = listed(UNLABELLED, tmp_path, text)
    assert [(one.recipient.reveal(), one.recipient.p_number) for one in found.letters] == [("29189374", "1003256415"), (young, None)]


def test_a_list_names_who_gets_a_copy(tmp_path):
    found = listed(UNLABELLED, tmp_path, f"side;cpr;kopi\n1;{A};{C} 29189374\n3;{B};\n".encode())
    assert [(one.recipient.reveal(), one.copy, one.title, one.index) for one in found.letters] == [
        (A, False, "Brev", 1), (C, True, "Kopi: Brev", 100_001), ("29189374", True, "Kopi: Brev", 200_001), (B, False, "Brev", 3),
    ]  # fmt: skip
    assert [one.main.digest for one in found.letters[:3]] == [found.batch.cuts[0].digest] * 3


def test_a_list_names_attachments_that_only_one_gets_and_all_get_the_others(tmp_path):
    text = f"side;cpr;kopi;bilag\n1;{A};{C};A.pdf | åben.pdf\n3;{B};;\n".encode()
    found = listed(UNLABELLED, tmp_path, text, beside=["a.pdf", "\u0061\u030aben.pdf", "alle.pdf"])
    assert [[one.name for one in letter.attachments] for letter in found.letters] == [
        ["alle.pdf", "a.pdf", "a\u030aben.pdf"], ["alle.pdf", "a.pdf", "a\u030aben.pdf"], ["alle.pdf"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [(f"side;cpr;bilag\n1;{A};andet.pdf\n", "linje 2 nævner et bilag"), (f"side;cpr;bilag\n1;{A};a.pdf\n", "samme navn")],
)
def test_an_attachment_that_did_not_come_or_is_not_told_apart_sends_nothing(tmp_path, text, said):
    with pytest.raises(BadRecipientList, match="GW-253") as told:
        listed(UNLABELLED, tmp_path, text.encode(), beside=["a.pdf", "A.PDF"])
    assert said in told.value.text()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"side;cpr;kopi\n1;{A};{A}\n", "kopimodtager"), (f"side;cpr;kopi\n1;{A};{B} {B}\n", "kopimodtager"),
        (f"side;cpr;kopi\n1;{A};hemmelig\n", "linje 2"),
        ("side;cpr\n", "tom"), ("navn;cpr\nx;y\n", "kolonnerne"), (f"side;cpr\n1;{A}\n2;hemmelig\n", "linje 3"), (f"side;cpr\n2;{A}\n", "side 1"),
        (f"side;cpr\n1;{A}\n1;{B}\n", "samme side"), (f"side;cpr\n1;{A}\n9;{B}\n", "6 sider"), (f"side;sider;cpr\n1;2;{A}\n4;3;{B}\n", "siger 2 sider"),
        (f"side;cpr;cvr\n1;{A};29189374\n", "netop én"), (f"side;cpr\nx;{A}\n", "intet tal"), ('side;cpr\n1;"x\n', "CSV"),
    ],
)  # fmt: skip
def test_a_list_that_does_not_fit_is_told_by_its_line_and_never_quoted(tmp_path, text, said):
    with pytest.raises(BadRecipientList) as told:
        listed(UNLABELLED, tmp_path, text.encode())
    assert said in told.value.text()
    assert "hemmelig" not in str(told.value)
    assert A not in str(told.value)


def test_a_flow_with_lists_refuses_a_file_without_one(tmp_path):
    with pytest.raises(NoRecipientList):
        listed(UNLABELLED, tmp_path, None)
