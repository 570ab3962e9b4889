import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.documents import names
from gateway.documents.cpr_text import holds_cpr, mask_cpr

# Digital Post's list (reference, digital-post.md, section 1.6), and what no file name needs.
REFUSED = set('<>:"/\\|?*\r\n\u00a0\u2028\u205f\u2060\u3000') | {chr(code) for code in range(0x2000, 0x200B)}


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("brev.pdf", "brev.pdf"),
        ("Årsopgørelse æøå.pdf", "Årsopgørelse æøå.pdf"),
        ("A\u030arsopgørelse.pdf", "Årsopgørelse.pdf"),
        ("../../etc/cron.d/x.pdf", "x.pdf"),
        ("..\\..\\x.pdf", "x.pdf"),
        ("C:\\Users\\a\\x.pdf", "x.pdf"),
        ("a\0.exe.pdf", "a.exe.pdf"),
        ("a\r\nBcc: x@y.pdf", "a Bcc_ x@y.pdf"),
        ("a\u202efdp.exe", "afdp.exe"),
        ("a\u200bb.pdf", "ab.pdf"),
        ("a\u00a0\u2003b.pdf", "a b.pdf"),
        ('<a>"b"|c?*.pdf', "_a__b__c__.pdf"),
        (".htaccess", "htaccess"),
        ("...pdf", "pdf"),
        ("", "dokument"),
        ("   ", "dokument"),
        ("///", "dokument"),
        ("a/..", "dokument"),
        ("brev.pdf. . ", "brev.pdf"),
        ("a" * 3000 + ".pdf", "a" * 116 + ".pdf"),
        ("æ" * 200, "æ" * 120),
        ("a\ud800b.pdf", "ab.pdf"),
    ],
)
def test_a_name_is_made_safe(name, safe):
    assert names.safe_name(name) == safe


@given(st.text(max_size=400) | st.text(alphabet='./\\ ab\u202e\u00a0:*\0\r\npdf"', max_size=60))
def test_every_name_becomes_one_the_channel_takes(name):
    safe = names.safe_name(name)
    assert 0 < len(safe) <= names.LONGEST
    assert not set(safe) & REFUSED
    assert not any(unicodedata.category(sign) in ("Cc", "Cf", "Cs") for sign in safe)
    assert not safe.startswith((".", " "))
    assert not safe.endswith((".", " "))
    assert unicodedata.normalize("NFC", safe) == safe
    assert names.safe_name(safe) == safe


@given(st.text(max_size=200), st.sampled_from(["pdf", "docx"]))
def test_a_name_with_an_extension_put_on_is_still_safe(name, wanted):
    named = names.with_extension(names.safe_name(name), wanted)
    assert names.safe_name(named) == named
    assert names.extension(named) == wanted


@given(st.lists(st.sampled_from(["a.pdf", "A.PDF", "a (2).pdf", "b", "x" * 120]), max_size=12))
def test_no_two_files_of_a_letter_have_one_name(several):
    taken = set()
    found = [names.distinct(name, taken) for name in several]
    assert len({name.lower() for name in found}) == len(several)
    assert all(names.safe_name(name) == name for name in found)


@pytest.mark.parametrize(
    ("name", "extension"),
    [
        ("brev.pdf", "pdf"),
        ("brev.PDF", "pdf"),
        ("brev.pdf.exe", "exe"),
        ("musik.mp3", "mp3"),
        ("brev", ""),
        ("brev v.2", ""),
        ("brev vedr. Anders", ""),
        ("brev.", ""),
        ("brev.æøå", ""),
        ("brev.alt for lang", ""),
        ("brev.pdf\n", ""),
    ],
)
def test_an_extension_is_what_programs_take_for_one(name, extension):
    assert names.extension(name) == extension


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("0101011234", True),
        ("010101-1234", True),
        ("010101 1234", True),
        ("010101–1234", True),
        ("010101 - 1234", True),
        ("01.01.01-1234", True),
        ("01 01 01 1234", True),
        ("010101_1234.pdf", True),
        ("CPR0101011234x", True),
        ("01010\u200b11234", True),
        ("０１０１０１１２３４", True),
        ("٠١٠١٠١١٢٣٤", True),
        ("[sag:0101011234]", True),
        ("12345674", False),
        ("2026-0417", False),
        ("010101123", False),
        ("01010112345", False),
        ("Møde 12.11.2026 kl. 14.00", False),
        ("scan 20261125 091122", False),
        ("tlf. 12 34 56 78", False),
    ],
)
def test_a_cpr_number_is_seen_however_it_is_written(text, holds):
    assert holds_cpr(text) is holds
    assert holds_cpr(mask_cpr(text)) is False
    assert (mask_cpr(text) == text) is not holds
