"""Regular expressions: linear on whatever text comes, and refused when they would be slow all the same."""

from __future__ import annotations

import random
import time
from dataclasses import replace

import pytest
from rules_text import rules_text

from gateway.rules.bundle import Bundle
from gateway.rules.examples import usual_facts
from gateway.rules.patterns import BadPattern, Pattern

# From the lists of patterns that stop backtracking engines (OWASP, CVE reports, Cox 2007).
EVIL = [
    r"(a+)+$", r"([a-zA-Z]+)*$", r"(a|aa)+$", r"(a|a?)+$", r"(.*a){20}$", r"^(([a-z])+.)+[A-Z]([a-z])+$",
    r"(?:a?){50}a{50}", r"(x+x+)+y", r"^(.*?,){11}P", r".*.*.*.*=.*", r"(\w+\s?)*$", r"[\w.-]+@[\w.-]+\.\w+$",
    r"^([a-zA-Z0-9])(([\-.]|[_]+)?([a-zA-Z0-9]+))*(@){1}[a-z0-9]+[.]{1}(([a-z]{2,3})|([a-z]{2,3}[.]{1}[a-z]{2,3}))$",
    r"^(([^<>()[\]\\.,;:\s@\"]+(\.[^<>()[\]\\.,;:\s@\"]+)*)|(\".+\"))@x$", r"(?i)^(?:[a-z0-9]+[._-]?)*x$",
]  # fmt: skip
SLOW = [r"(a|b)*a(a|b){200}c", r"([ab]*a[ab]{60})+c", r"(?s)^.*a.{100}$", r"a.{200}b"]


@pytest.mark.parametrize("pattern", EVIL)
def test_no_evil_pattern_is_slow_on_a_megabyte(pattern):
    chance = random.Random(1)
    rules = Bundle(
        files={"a.toml": rules_text([{"id": "a", "name": "A", "when": {"field": "text", "matches": pattern}, "then": [{"hold": "x"}]}])}
    ).rule_set({})
    for text in ("a" * 10**6, "".join(chance.choices("ab", k=10**6)), "x" * 10**6 + "!", "a," * 500_000, "a@" * 500_000):
        began = time.thread_time()
        rules.decide(replace(usual_facts("outbound"), text=text))
        # bench/rules.py measures 10 ms; this only tells linear from not.
        assert time.thread_time() - began < 2


@pytest.mark.parametrize("pattern", SLOW)
def test_a_pattern_that_would_be_slow_is_refused(pattern):
    with pytest.raises(BadPattern, match="slow on a long text") as refused:
        Pattern(pattern)
    assert refused.value.remedy == "Count less, or make what it counts more exact."


@pytest.mark.parametrize(
    "pattern",
    [r"(?i)\bfaktura\b", r"(?P<sagsnr>\d{4}-\d{1,6})", r"(?i)klage.{0,50}frist", r"^\w{1,50}\d{8}$", r"(?i)(ophævelse|opsigelse|udsættelse)"],
)
def test_what_operators_write_is_not_refused(pattern):
    Pattern(pattern)


def test_named_parts_are_what_was_found():
    pattern = Pattern(r"J\.nr\. (?P<sag>\d+)(?:/(?P<del>\d+))?")
    assert pattern.names == ("sag", "del")
    assert pattern.find("Æ om J.nr. 20417 og mere") == {"sag": "20417"}
    assert pattern.find("J.nr. 7/2") == {"sag": "7", "del": "2"}
    assert pattern.find("intet") == {}


def test_half_a_character_is_no_reason_to_stop():
    assert not Pattern("x").is_in("\ud83d")
