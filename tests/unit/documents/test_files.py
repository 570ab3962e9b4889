import pytest

from gateway.documents.files import size_as_sent

TXT = {"kind": "text/plain"}


def names_of(reading):
    return [document.name for document in reading.letters[0].documents]


@pytest.mark.parametrize(
    ("names", "order", "notes"),
    [
        (["referat.pdf"], ["referat.pdf"], 0),
        (["referat.pdf", "kvittering.pdf"], ["referat.pdf", "kvittering.pdf"], 1),
        (["bilag.pdf", "Brev til Anna.pdf"], ["Brev til Anna.pdf", "bilag.pdf"], 0),
        (["bilag.pdf", "HOVEDDOKUMENT.PDF", "brev.pdf"], ["HOVEDDOKUMENT.PDF", "bilag.pdf", "brev.pdf"], 0),
        (["c.pdf", "b.pdf", "a.pdf", "brev.pdf"], ["brev.pdf", "c.pdf", "b.pdf", "a.pdf"], 0),
        (["a.pdf", "a.pdf", "A.pdf"], ["a.pdf", "a (2).pdf", "A (3).pdf"], 1),
    ],
)
def test_the_main_document_comes_first_and_the_order_is_kept(read, mail, file_part, pdf, names, order, notes):
    reading = read(mail(*(file_part(pdf(), f'filename="{name}"') for name in names)))
    assert names_of(reading) == order
    assert [document.role for document in reading.letters[0].documents] == ["main"] + ["attachment"] * (len(order) - 1)
    assert len(reading.notes) == notes


def test_a_text_file_named_brev_is_no_main_document(read, mail, file_part, pdf):
    raw = mail(file_part(b"Hej", "filename=brev.txt", **TXT), file_part(pdf(), "filename=a.pdf"))
    assert names_of(read(raw)) == ["a.pdf", "brev.txt"]


@pytest.mark.parametrize(
    ("name", "stored", "notes"),
    [
        ("filename=brev", "brev.pdf", 1),
        ('filename=""', "dokument.pdf", 1),
        ('filename="brev vedr. Anders"', "brev vedr. Anders.pdf", 1),
        ("filename*=utf-8''a%E2%80%AEfdp.exe", "afdp_exe.pdf", 1),
        ("filename*=utf-8''a%00.exe.pdf", "a.exe.pdf", 0),
        (b'filename="S\xf8ren.pdf"', "Søren.pdf", 0),
        ('filename="../../x.pdf"', "x.pdf", 0),
    ],
)
def test_content_decides_where_a_name_says_nothing(read, mail, file_part, pdf, name, stored, notes):
    reading = read(mail(file_part(pdf(), name)))
    assert names_of(reading) == [stored]
    assert len(reading.notes) == notes


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("filename=brev.pdf.exe", b"%PDF-1.7", "GW-203"),
        ("filename=side.html", b"<p>", "GW-203"),
        ("filename=noter.pages", b"PK", "GW-203"),
        ("filename=data.json", b"{}", "GW-203"),
        ("filename=uden", b"tekst", "GW-203"),
        ("filename=brev.pdf", b"MZ", "GW-207"),
        ("filename=foto.png", b"GIF89a", "GW-207"),
        ("filename=brev.docx", b"\xd0\xcf\x11\xe0", "GW-207"),
        ("filename=brev.txt", b"a\0b", "GW-207"),
        ("filename=tom.txt", b"", "GW-206"),
        ("filename=tom.pdf", b"", "GW-206"),
        ("filename=010101-1234.txt", b"x", "GW-225"),
        ("filename=\"Brev 01 01 01 1234.txt\"", b"x", "GW-225"),
        ("filename*=utf-8''010101%E2%80%931234.txt", b"x", "GW-225"),
        ("filename=x.pdf", b"%PDF-1.7 x", "GW-214"),
    ],
)
def test_a_file_that_cannot_be_sent_is_refused_without_its_name(read, mail, file_part, pdf, name, content, code):
    refusal = read(mail(file_part(pdf()), file_part(content, name))).refusal
    assert refusal.code == code
    assert refusal.private
    assert refusal.private not in str(refusal)
    assert "1234" not in refusal.private


def test_a_locked_pdf_is_refused(code_of, mail, file_part, pdf):
    assert code_of(mail(file_part(pdf(user="hemmelig")))) == "GW-202"


def test_a_letter_has_ten_files_at_most(code_of, mail, file_part, pdf):
    files = [file_part(pdf(), "filename=brev.pdf"), *[file_part(b"x", "filename=x.txt", **TXT)] * 9]
    assert code_of(mail(*files)) == "letters"
    assert code_of(mail(*files, file_part(b"x", "filename=x.txt", **TXT))) == "GW-204"


def test_the_mails_own_text_counts_as_a_file(code_of, mail, file_part):
    files = [file_part(b"x", "filename=x.txt", **TXT)] * 10
    assert code_of(mail(*files), "0101011234+tekst@dp.example") == "GW-204"
    assert code_of(mail(*files[1:]), "0101011234+tekst@dp.example") == "letters"


def test_a_pdf_beside_the_text_is_the_letter(read, mail, file_part, pdf):
    assert names_of(read(mail(file_part(pdf())), "0101011234+tekst@dp.example")) == ["brev.pdf"]


def test_the_size_as_sent_counts_base64(read, mail, file_part, pdf):
    raw = mail(file_part(pdf()), file_part(b"x" * 300_000, "filename=x.txt", **TXT))
    assert read(raw, total=420_000).letters
    refusal = read(raw, total=400_000).refusal
    assert refusal.code == "GW-205"
    assert refusal.facts == {"size_mb": "0,5", "limit_mb": "0,4"}


@pytest.mark.parametrize(("sizes", "size"), [((), 16_384), ((0,), 17_408), ((1,), 17_412), ((3, 4), 18_444)])
def test_files_grow_by_a_third_on_their_way(sizes, size):
    assert size_as_sent(sizes) == size


def test_no_file_is_no_letter(code_of, mail, file_part):
    assert code_of(mail()) == "GW-201"
    assert code_of(mail(file_part(b"x", "filename=x.txt", **TXT))) == "GW-201"


def test_what_may_be_a_main_document_may_still_be_no_attachment(code_of, mail, file_part, pdf):
    two = mail(file_part(pdf()), file_part(pdf(), "filename=b.pdf"))
    assert code_of(two, attachment_types=("txt",)) == "GW-203"
