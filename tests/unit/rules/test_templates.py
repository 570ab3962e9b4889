"""Texts that are filled in: values, if and a few filters; nothing that takes time or memory."""

from __future__ import annotations

import pytest

from gateway.rules.templates import LONGEST_FILLED, BadTemplate, Template, Unfilled, is_template


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("S-{{ year }}-{{ nr }}", "S-2026-7"),
        ("{{ name | upper }}", "ÆBLE"),
        ("{{ case | default('INGEN') }}", "INGEN"),
        ("{% if copy %}Kopi{% else %}Brev{% endif %}", "Brev"),
        ("{{ codes | first }}", "GW-402"),
    ],
)
def test_a_text_is_filled_in(text, filled):
    values = {"year": 2026, "nr": "7", "name": "æble", "copy": False, "codes": ("GW-402", "x")}
    assert Template(text).fill(values) == filled


def test_what_is_missing_is_named_and_its_text_is_not_shown():
    with pytest.raises(Unfilled) as missing:
        Template("{{ year }} {{ case }}").fill({"year": 2026})
    assert missing.value.name == "case"


@pytest.mark.parametrize(
    "text",
    [
        "{% for x in case %}{% endfor %}", "{{ 'a' * 1000000000 }}", "{{ 2 ** 99999 }}", "{{ range(9) }}", "{{ case.upper() }}",
        "{% include 'x' %}", "{% set x = 1 %}", "{{ case | center(1000000000) }}", "{{ case", "{{ ''.__class__.__mro__[1] }}",
        "{% macro m() %}{% endmacro %}", "{{ case | attr('x') }}",
    ],
)  # fmt: skip
def test_what_does_more_than_fill_in_is_refused(text):
    with pytest.raises(BadTemplate):
        Template(text)


def test_a_filled_text_is_never_long():
    assert len(Template("{{ a }}{{ a }}").fill({"a": "x" * 5000})) == LONGEST_FILLED


def test_private_parts_of_a_value_are_not_reached():
    with pytest.raises((Unfilled, BadTemplate)):
        Template("{{ case.__class__ }}").fill({"case": "x"})


def test_plain_text_is_no_template():
    assert not is_template("50 % { af } #1")
