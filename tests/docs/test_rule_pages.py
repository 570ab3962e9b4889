"""Every rule in the documentation and among the examples is one that loads, makes sense, and does what it says."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from pathlib import Path

import jsonschema
import pytest

from gateway.rules.acts import ACTIONS
from gateway.rules.bundle import Bundle, read_bundle
from gateway.rules.catalogue import FIELDS
from gateway.rules.check import Checked, check
from gateway.rules.lists import Lists, read_lists
from gateway.rules.schema import schema

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)
SETS = ["school", "municipality", "law-firm", "clinic", "housing"]
PAGES = [*sorted((ROOT / "docs" / "reference" / "rules").rglob("*.md")), ROOT / "docs" / "howto" / "first-rule.md"]


def checked(bundle: Bundle, lists: Lists) -> Checked:
    return check(
        bundle, lists, destinations=["digital-post"], archives=["archive"], flows=["fravaer"], today=date(2026, 11, 26)
    )


def ids(page: Path) -> str:
    return str(page.relative_to(ROOT / "docs"))


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_the_rules_on_a_page_work(page):
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    for block in blocks:
        found = checked(Bundle(files={"rules.toml": block}), {"betroede": frozenset({"anna"})})
        assert [finding.line() for finding in found.findings] == []
        assert found.examples
        assert all(result.passed for result in found.examples)


def test_every_field_and_every_action_has_a_page_with_a_rule():
    folder = ROOT / "docs" / "reference" / "rules"
    pages = {path.relative_to(folder).as_posix() for path in folder.rglob("*.md")}
    wanted = {*(f"fields/{name}.md" for name in FIELDS), *(f"actions/{name}.md" for name in ACTIONS)}
    assert wanted <= pages
    assert all(BLOCK.search((folder / name).read_text(encoding="utf-8")) for name in wanted)


@pytest.mark.parametrize("name", SETS)
def test_an_example_set_passes_check_and_test(name):
    folder = ROOT / "config" / name
    found = check(
        read_bundle(folder), read_lists(folder), destinations=["digital-post"], archives=["archive"], flows=[],
        today=date(2026, 11, 26),
    )  # fmt: skip
    assert [finding.line() for finding in found.findings] == []
    rules = found.rule_set.rules
    assert len(rules) >= 8
    assert {rule.direction for rule in rules} == {"outbound", "inbound"}
    assert all(rule.examples for rule in rules), "every rule has its example"
    assert found.rule_set.departments
    assert found.rule_set.flows


@pytest.mark.parametrize("file", sorted((ROOT / "config").rglob("*.toml")), ids=lambda path: path.parent.name + "-" + path.name)
def test_the_schema_for_editors_accepts_what_the_gateway_accepts(file):
    if file.name != "gateway.toml":
        content = tomllib.loads(file.read_text(encoding="utf-8"))
        jsonschema.Draft202012Validator(schema()).validate(content)
