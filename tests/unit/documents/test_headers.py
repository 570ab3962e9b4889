import base64
import random
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.documents import headers

NAME = "Årsopgørelse æøå.pdf"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"Brev", "Brev"),
        (b"", ""),
        (b"=?utf-8?B?QnLDuGQ=?=", "Brød"),
        (b"=?UTF-8?q?Br=C3=B8d_og_sm=C3=B8r?=", "Brød og smør"),
        (b"=?iso-8859-1?Q?Br=F8d?=", "Brød"),
        (b"=?iso-8859-1?Q?=96_Br=F8d?=", "– Brød"),
        (b"=?windows-1252?Q?=84Br=F8d=93?=", "„Brød“"),
        (b"=?utf-8*da?Q?Br=C3=B8d?=", "Brød"),
        (b"=?utf-8?Q?Br=C3?= =?utf-8?Q?=B8d?=", "Brød"),
        (b"=?utf-8?Q?Br?=\r\n =?iso-8859-1?Q?=F8d?=", "Brød"),
        (b"Re: =?utf-8?Q?Br=C3=B8d?= og mere", "Re: Brød og mere"),
        (b"fri=?utf-8?Q?Br=C3=B8d?=tekst", "friBrødtekst"),
        (b"Br\xf8d", "Brød"),
        (b"Br\xc3\xb8d", "Brød"),
        (b"=?x-unknown?Q?Br=C3=B8d?=", "Brød"),
        (b"=?utf-8?B?QnLDuGQ?=", "Brød"),
        (b"=?utf-8?B?A?=", "=?utf-8?B?A?="),
        (b"=?utf-8?Q?=3D=3Futf-8=3FQ=3Fx=3F=3D?=", "=?utf-8?Q?x?="),
        (b"=?utf-8?X?abc?=", "=?utf-8?X?abc?="),
        (b"foldet\r\n emne", "foldet emne"),
    ],
)
def test_a_subject_is_decoded_once_whatever_wrote_it(value, text):
    assert headers.text(value) == text


@pytest.mark.parametrize(
    ("value", "kind", "found"),
    [
        (b"", "", {}),
        (b"TEXT/Plain", "text/plain", {}),
        (b"text/plain; charset=UTF-8; format=flowed", "text/plain", {"charset": "UTF-8", "format": "flowed"}),
        (b'a/b; name="x;y.pdf"; z=1', "a/b", {"name": "x;y.pdf", "z": "1"}),
        (b'a/b; name="C:\\\\temp\\\\x.pdf"', "a/b", {"name": "C:\\temp\\x.pdf"}),
        (b'a/b; name="C:\\temp\\x.pdf"', "a/b", {"name": "C:\\temp\\x.pdf"}),
        (b'a/b; name="a\\"b.pdf"', "a/b", {"name": 'a"b.pdf'}),
        (b'a/b; name="uden slut.pdf', "a/b", {"name": "uden slut.pdf"}),
        (b"a/b; name=uden anf\xf8rsel.pdf", "a/b", {"name": "uden anførsel.pdf"}),
        (b"a/b; name=a.pdf; name=b.exe", "a/b", {"name": "a.pdf"}),
        (b"a/b; NAME=a; name*=utf-8''b", "a/b", {"name": "b"}),
        (b"a/b; name*1=def; name*0=abc", "a/b", {"name": "abcdef"}),
        (b'a/b; name*0="=?utf-8?Q?Br=C3=B8"; name*1="d?="', "a/b", {"name": "Brød"}),
        (b"a/b; name*=Br%C3%B8d", "a/b", {"name": "Brød"}),
        (b"a/b; name*=x-foo''Br%C3%B8d", "a/b", {"name": "Brød"}),
        (b"a/b; name*0*=utf-8''Br%C3; name*1*=%B8d", "a/b", {"name": "Brød"}),
        (b"a/b; ; =x; y", "a/b", {}),
        (b"a/b;\r\n name=x", "a/b", {"name": "x"}),
    ],
)
def test_parameters_are_read_as_clients_write_them(value, kind, found):
    assert headers.parameters(value) == (kind, found)


def star(charset, name):
    return f"attachment; filename*={charset}''{quote(name, encoding=charset)}".encode()


def pieces(charset, name):
    coded = quote(name, encoding=charset)
    cut = [coded[at : at + 7] for at in range(0, len(coded), 7)]
    told = [f" filename*{number}*={piece}" for number, piece in enumerate(cut)]
    told[0] = f" filename*0*={charset}''{cut[0]}"
    # A percent sign must not be cut from its digits.
    return None if any("%" in piece[-2:] for piece in cut) else ("attachment;" + ";".join(told)).encode()


def word(letter, charset, name):
    raw = name.encode(charset)
    if letter == "B":
        return f'attachment; filename="=?{charset}?B?{base64.b64encode(raw).decode()}?="'.encode()
    coded = "".join(f"={byte:02X}" if byte > 126 or byte in b"=?_ \"\\" else chr(byte) for byte in raw)
    return f'attachment; filename="=?{charset}?Q?{coded}?="'.encode()


WRITERS = {
    "RFC 2231, UTF-8": lambda name: star("utf-8", name),
    "RFC 2231, Latin-1": lambda name: star("iso-8859-1", name),
    "RFC 2231, windows-1252": lambda name: star("windows-1252", name),
    "RFC 2231 in pieces": lambda name: pieces("utf-8", name) or star("utf-8", name),
    "word, UTF-8, B": lambda name: word("B", "utf-8", name),
    "word, Latin-1, Q": lambda name: word("Q", "iso-8859-1", name),
    "word, windows-1252, Q": lambda name: word("Q", "windows-1252", name),
    "raw UTF-8": lambda name: b'attachment; filename="' + name.encode() + b'"',
    "raw Latin-1": lambda name: b'attachment; filename="' + name.encode("latin-1") + b'"',
}


@pytest.mark.parametrize("writer", WRITERS)
def test_two_hundred_danish_names_come_through_every_way_of_writing_them(writer):
    made = random.Random(2026)
    letters = "abcdefghijklmnoprstuvyæøåÆØÅéüö 0123456789-_()&,'"
    for _ in range(200):
        name = "".join(made.choice(letters) for _ in range(made.randint(3, 60))).strip() + "ø.pdf"
        _, found = headers.parameters(WRITERS[writer](name))
        assert found["filename"] == name


@pytest.mark.parametrize(
    ("charset", "known"),
    [
        ("UTF-8", True),
        ("iso-8859-1", True),
        ("iso-8859-8-i", True),
        ("windows-1252", True),
        ('"us-ascii"', True),
        ("x-nope", False),
        ("base64", False),
        ("zip", False),
        ("rot13", False),
        ("idna", False),
        ("unicode_escape", False),
        ("a\0b", False),
        ("", False),
    ],
)
def test_only_charsets_of_mail_are_charsets(charset, known):
    assert (headers.codec(charset) is not None) is known


@given(st.binary(max_size=300))
def test_no_bytes_make_decoding_fail(value):
    headers.text(value)
    headers.parameters(value)
    headers.decode(value, "utf-16")


@pytest.mark.parametrize("label", ["\ud800utf-8", "utf-8\0", "æ", "", "base64", "x-nope"])
def test_a_charset_nobody_knows_is_none_and_no_crash(label):
    assert headers.codec(label) is None
