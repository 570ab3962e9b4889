"""The words of a web page: what a reader sees, a line for each block."""

from __future__ import annotations

import pytest

from gateway.documents.html_text import decoded, html_text
from gateway.documents.text import text_of


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("<p>Afgørelse</p><p>Betal <b>500</b>&nbsp;kr.</p>", "Afgørelse\n\nBetal 500 kr."),
        ("<title>x</title><script>alert('skat')</script>Hej<!-- skat --><style>skat {}</style>", "Hej"),
        ("<table><tr><td>Sag</td><td>12</td></tr></table>", "Sag\n\n12"),
        ("Linje\n  et<br/>linje to", "Linje et\nlinje to"),
        ("<p>Uafsluttet <b>tekst", "Uafsluttet tekst"), ("", ""), ("a < b & c", "a < b & c"), ("<" * 5000, "<" * 5000),
    ],
)  # fmt: skip
def test_words(page, words):
    assert html_text(page) == words


@pytest.mark.parametrize(
    "content",
    ["<p>Ærø</p>".encode(), "<p>Ærø</p>".encode("cp1252"), "<meta charset=iso-8859-1><p>Ærø</p>".encode("latin-1"), "<meta charset=ukendt><p>Ærø</p>".encode()],
)
def test_its_charset(content):
    assert html_text(decoded(content)) == "Ærø"


def test_a_rule_may_ask_about_it(tmp_path):
    (tmp_path / "a").write_bytes(b"<p>Din skat</p>")
    assert text_of(tmp_path / "a", "text/html") == "Din skat"
