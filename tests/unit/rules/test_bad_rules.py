"""Thirty broken rule sets, one fault each: every message says file, line, what is wrong and what to do."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from gateway.rules.bundle import Bundle, lists_folder, read_bundle
from gateway.rules.check import Checked, check
from gateway.rules.lists import read_lists

BAD = sorted((Path(__file__).parents[2] / "bad_rules").iterdir())


def checked(folder: Path) -> Checked:
    return check(
        read_bundle(folder), read_lists(lists_folder(folder)), destinations=["digital-post"], archives=["archive"],
        flows=[], today=date(2026, 11, 25),
    )  # fmt: skip


@pytest.mark.parametrize("folder", BAD, ids=lambda folder: folder.name)
def test_a_broken_rule_set_fails_for_exactly_its_reason(folder):
    expected = (folder / "expected.txt").read_text(encoding="utf-8")
    assert "".join(f"{finding.line()}\n" for finding in checked(folder).errors) == expected


@pytest.mark.parametrize("folder", BAD, ids=lambda folder: folder.name)
def test_the_one_fault_says_its_file_its_line_and_what_to_do(folder):
    [finding] = checked(folder).errors
    assert finding.place.row is not None
    assert finding.line().startswith(f"rules.toml:{finding.place.row}, ")
    assert finding.remedy.endswith((".", "?"))
    assert finding.remedy not in finding.says


def test_a_flow_in_both_places_is_told():
    text = '[[rule]]\nid = "a"\nname = "A"\nthen = [ { send = "digital-post" } ]\n[flows.loen]\ncase = "A"\n'
    found = check(Bundle(files={"rules.toml": text}), {}, destinations=["digital-post"], archives=[], flows=["loen", "default"], today=date(2026, 11, 25))
    assert [finding.line() for finding in found.errors] == [
        "rules.toml:5, error: [flows.loen] stands in gateway.toml too. Keep it in one of the two."
    ]


def test_there_are_enough_broken_rule_sets_and_no_two_fail_alike():
    told = [(folder / "expected.txt").read_text(encoding="utf-8") for folder in BAD]
    assert len(set(told)) == len(told) >= 25
    assert len({line.partition(", ")[2] for line in told}) == len(told), "not only at another line"
