import base64

import pytest

from gateway.documents.mime import NAMELESS_PICTURE_NOTE, PICTURE_NOTE

HEAD = b"From: a@b.dk\r\nSubject: Brev\r\n"


def part(headers, body=b"x"):
    return headers + b"\r\n\r\n" + body + b"\r\n"


def nested(depth):
    """*depth* multiparts inside each other, properly closed."""
    inner = b"Content-Type: text/plain\r\n\r\nx\r\n"
    for level in range(depth):
        mark = b"n%d" % level
        inner = (
            b"Content-Type: multipart/mixed; boundary=" + mark + b"\r\n\r\n--" + mark + b"\r\n"
            + inner + b"--" + mark + b"--\r\n"
        )
    return HEAD + inner


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        (b"Content-Type: message/rfc822", "GW-211"),
        (b"Content-Type: message/global", "GW-211"),
        (b"Content-Type: message/x-whatever", "GW-211"),
        (b"Content-Type: application/octet-stream; name=Brev.EML", "GW-211"),
        (b"Content-Type: application/vnd.ms-outlook", "GW-211"),
        (b"Content-Type: application/octet-stream; name=Brev.msg", "GW-211"),
        (b"Content-Type: text/calendar; method=REQUEST", "GW-210"),
        (b"Content-Type: application/octet-stream; name=invite.ics", "GW-210"),
        (b"Content-Type: application/ms-tnef", "GW-208"),
        (b"Content-Type: application/octet-stream; name=WINMAIL.DAT", "GW-208"),
        (b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data", "GW-209"),
        (b"Content-Type: application/x-pkcs7-mime; smime-type=signed-data", "GW-218"),
        (b"Content-Type: application/pkcs7-mime; SMIME-Type=Signed-Data; name=smime.p7m", "GW-218"),
        (b"Content-Type: application/pkcs7-mime; name=smime.p7m", "GW-209"),
        (b"Content-Type: application/octet-stream; name=smime.p7m", "GW-209"),
        (b"Content-Type: application/pgp-encrypted", "GW-209"),
        (b"Content-Type: message/partial; id=a; number=1", "GW-215"),
        (b"Content-Type: message/external-body; access-type=URL", "GW-215"),
        (b"Content-Type: message/delivery-status", "GW-216"),
        (b"Content-Type: message/disposition-notification", "GW-216"),
    ],
)
def test_parts_that_are_no_part_of_a_letter_are_refused_by_name(code_of, mail, file_part, pdf, headers, code):
    assert code_of(mail(file_part(pdf()), part(headers))) == code


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nQUJD@@==",
        b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nQUJDR",
        b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nQQ==QUJD",
        b"Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=ZZ",
        b"Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nx =4",
        b"Content-Type: text/plain\r\nContent-Transfer-Encoding: x-foo\r\n\r\nx",
        b"Content-Type: text/plain\r\nContent-Transfer-Encoding: uuencode\r\n\r\nx",
        b"Content-Type: text/plain; charset=x-nope\r\n\r\nx",
        b"Content-Type: text/plain\r\nContent-Type: text/plain\r\n\r\nx",
        (b"Content-Type: text/plain\r\nContent-Transfer-Encoding: 7bit\r\n"
        b"content-transfer-encoding: base64\r\n\r\nx"),
        b"Content-Type: multipart/mixed\r\n\r\nx",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\nx",
        b"Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nx",
        (b"Content-Type: multipart/mixed; boundary=c\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        b"--c\r\n\r\nx\r\n--c--"),
    ],
)
def test_what_python_would_repair_in_silence_is_refused(code_of, mail, file_part, pdf, headers):
    assert code_of(mail(file_part(pdf()), headers + b"\r\n")) == "GW-212"


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nSGVq\r\n",
        b"Content-Type: text/plain\r\nContent-Transfer-Encoding: BASE64\r\n\r\n  SGV \r\n\tq  ",
        b"Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na=3d=\r\nb = \r\nc=",
        b"Content-Type: text/plain; charset=iso-8859-8-i\r\n\r\nx",
        b"Content-Type: text/plain\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xe6\xc3\xa6",
        b"Content-Type: text/plain\r\nContent-Transfer-Encoding:\r\n\r\nx",
        b"Content-Type: nonsens\r\n\r\nx",
        b"\r\nuden hoveder",
    ],
)
def test_what_is_merely_unusual_is_read(code_of, mail, file_part, pdf, headers):
    assert code_of(mail(file_part(pdf()), headers + b"\r\n")) == "letters"


@pytest.mark.parametrize(("depth", "code"), [(50, "GW-201"), (51, "GW-213"), (200, "GW-213"), (2000, "GW-213")])
def test_parts_may_lie_fifty_deep(code_of, depth, code):
    assert code_of(nested(depth)) == code


def test_a_mail_has_at_most_a_thousand_parts(code_of, mail):
    assert code_of(mail(*[part(b"Content-Type: text/plain")] * 998)) == "GW-201"
    assert code_of(mail(*[part(b"Content-Type: text/plain")] * 999)) == "GW-213"


def test_the_headers_of_a_part_are_bounded_too(code_of, mail):
    long = b"Content-Type: text/plain; x=" + b";" * 17_000
    assert code_of(mail(part(long))) == "GW-213"
    assert code_of(mail(part(b"\r\n".join([b"X: y"] * 1001)))) == "GW-213"


def picture(headers=b""):
    png = base64.b64encode(b"\x89PNG\r\n\x1a\n")
    return b"Content-Type: image/png; name=logo.png\r\nContent-Transfer-Encoding: base64\r\n" + headers + b"\r\n" + png + b"\r\n"


HTML = b'Content-Type: text/html; charset=utf-8\r\n\r\n<img src="cid:logo%40x"><img src=cid:zwei>\r\n'


@pytest.mark.parametrize(
    ("headers", "sent"),
    [
        (b"Content-ID: <logo@x>\r\n", False),
        (b"Content-ID: <zwei>\r\n", False),
        (b"Content-ID: <logo@x>\r\nContent-Disposition: attachment; filename=logo.png\r\n", False),
        (b"Content-ID: <logo@x>\r\nContent-Disposition: inline; filename=logo.png\r\n", False),
        (b"Content-Disposition: inline; filename=logo.png\r\n", True),
        (b"Content-ID: <other@x>\r\nContent-Disposition: inline; filename=logo.png\r\n", True),
        (b"Content-Disposition: attachment; filename=logo.png\r\n", True),
        (b"Content-ID: <other@x>\r\n", True),
        (b"", True),
    ],
)
def test_pictures_of_the_text_are_left_out_and_said_so(read, mail, file_part, pdf, headers, sent):
    reading = read(mail(HTML, file_part(pdf()), picture(headers)))
    names = [document.name for document in reading.letters[0].documents]
    assert ("logo.png" in names) is sent
    assert len(reading.notes) == (0 if sent else 1)


NAMELESS = b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n"
PNG = b"\r\n" + base64.b64encode(b"\x89PNG\r\n\x1a\n") + b"\r\n"


@pytest.mark.parametrize("kind", ["image/jpeg", "image/pjpeg"])
def test_a_photo_among_plain_text_is_sent_although_it_is_inline(read, mail, file_part, pdf, kind):
    """Apple Mail on a telephone calls every attachment inline."""
    brev = file_part(pdf(), "filename=brev.pdf", disposition="inline")
    photo = file_part(b"\xff\xd8\xff\xe0photo", "filename=IMG_0001.jpeg", kind=kind, disposition="inline")
    reading = read(mail(brev, photo))
    assert [document.name for document in reading.letters[0].documents] == ["brev.pdf", "IMG_0001.jpeg"]
    assert reading.notes == ()


def test_a_photo_of_a_type_nobody_takes_is_refused_although_it_is_inline(code_of, mail, file_part, pdf):
    photo = file_part(b"ftypheic", "filename=IMG_0002.HEIC", kind="image/heic", disposition="inline")
    assert code_of(mail(file_part(pdf()), photo)) == "GW-203"


def test_an_inline_picture_without_a_name_is_left_out_and_the_note_does_not_call_it_a_logo(
    read, mail, file_part, pdf
):
    reading = read(mail(file_part(pdf()), NAMELESS + b"Content-Disposition: inline\r\n" + PNG))
    assert len(reading.letters[0].documents) == 1
    assert reading.notes == (NAMELESS_PICTURE_NOTE,)


@pytest.mark.parametrize(
    ("container", "headers", "sent", "notes"),
    [
        (b"related", b"Content-ID: <other@x>\r\n", 1, (PICTURE_NOTE,)),
        (b"related", b"Content-ID: <other@x>\r\nContent-Disposition: inline\r\n", 1, (PICTURE_NOTE,)),
        (b"related", b"Content-ID: <other@x>\r\nContent-Disposition: inline; filename=foto.png\r\n", 2, ()),
        (b"mixed", b"Content-ID: <other@x>\r\nContent-Disposition: inline; filename=foto.png\r\n", 2, ()),
    ],
)
def test_a_picture_that_belongs_to_the_text_has_an_id_and_no_name(
    read, mail, file_part, pdf, container, headers, sent, notes
):
    inside = (
        b"Content-Type: multipart/" + container + b"; boundary=r\r\n\r\n--r\r\n" + HTML
        + b"--r\r\n" + NAMELESS + headers + PNG + b"--r--\r\n"
    )
    reading = read(mail(inside, file_part(pdf())))
    assert len(reading.letters[0].documents) == sent
    assert [note for note in reading.notes if "billede" in note] == list(notes)


@pytest.mark.parametrize(
    "shown",
    [b'<p style="background: url(&quot;cid:logo@x&quot;)">', b"<img src='CID:logo&#64;x'>", b"<img src=cid:logo%40x>"],
)
def test_the_text_may_show_a_picture_in_any_spelling(read, mail, file_part, pdf, shown):
    html = b"Content-Type: text/html; charset=utf-8\r\n\r\n" + shown + b"\r\n"
    logo = picture(b"Content-ID: <logo@x>\r\nContent-Disposition: inline; filename=logo.png\r\n")
    reading = read(mail(html, file_part(pdf()), logo))
    assert len(reading.letters[0].documents) == 1
    assert reading.notes == (PICTURE_NOTE,)


def test_a_signature_is_left_out_and_said_so(read, mail, file_part, pdf):
    signature = file_part(b"0", "filename=smime.p7s", kind="application/pkcs7-signature")
    reading = read(mail(file_part(pdf()), signature, kind=b"multipart/signed"))
    assert len(reading.letters[0].documents) == 1
    assert len(reading.notes) == 1


@pytest.mark.parametrize(
    ("headers", "body", "text"),
    [
        (b"", b"Hej\r\n", "Hej"),
        (b"; charset=iso-8859-1", b"S\xf8ren", "Søren"),
        (b"; charset=utf-8\r\nContent-Transfer-Encoding: base64", b"U8O4cmVu", "Søren"),
        (b"; format=flowed", b"a \r\nb\r\n\r\n> c \r\n-- \r\nHilsen", "a b\n\n> c\n-- \nHilsen"),
        (b"; format=flowed", b" From x\r\n", "From x"),
        (b"; format=fixed", b"a \r\nb", "a \nb"),
    ],
)
def test_the_text_of_a_mail_can_be_the_letter(read, tmp_path, headers, body, text):
    raw = HEAD + b"Content-Type: text/plain" + headers + b"\r\n\r\n" + body
    (letter,) = read(raw, "0101011234+tekst@dp.example").letters
    assert (letter.main.name, letter.main.media_type) == ("brev.txt", "text/plain")
    assert (tmp_path / letter.main.digest).read_text("utf-8") == text


def test_text_between_pictures_is_kept_whole(read, tmp_path, mail):
    raw = mail(picture(b"Content-Disposition: inline\r\n"), part(b"Content-Type: text/plain", b"Farvel"))
    (letter,) = read(raw, "0101011234+tekst@dp.example").letters
    assert (tmp_path / letter.main.digest).read_text("utf-8") == "Hej\nFarvel"


@pytest.mark.parametrize("body", [b"", b" \r\n \r\n"])
def test_an_empty_mail_is_no_letter(code_of, body):
    assert code_of(HEAD + b"\r\n" + body, "0101011234+tekst@dp.example") == "GW-201"


def test_a_binary_text_is_no_letter(code_of):
    assert code_of(HEAD + b"\r\nabc\0def", "0101011234+tekst@dp.example") == "GW-207"
