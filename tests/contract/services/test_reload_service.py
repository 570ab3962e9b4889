"""reload: what was activated decides, lists are read again, and nothing broken takes over."""

from __future__ import annotations

import pytest
from rules_text import rules_text

from gateway.errors import ConfigError
from gateway.rules.bundle import Bundle, builtin
from gateway.rules.examples import usual_facts
from gateway.rules.lists import marks, read_lists
from gateway.services.reload import CurrentRules, Reload, first_rules


def bundle(reason: str, **more) -> Bundle:
    rule = {"id": "a", "name": "A", "then": [{"hold": reason}], **more}
    return Bundle(files={"rules.toml": rules_text([rule])})


def activated(ledger, made: Bundle) -> str:
    ledger.keep_rules(made.files, version=made.version, author="anna")
    ledger.activate_rules(made.version, author="anna", kind="activate")
    return made.version


@pytest.fixture
def current(ledger) -> CurrentRules:
    return CurrentRules(first_rules(ledger, builtin, {}, author="gateway"))


def new_reload(ledger, current, folder) -> Reload:
    return Reload(ledger, current, lists=lambda: read_lists(folder), marks=lambda: marks(folder))


def test_the_first_start_keeps_and_activates_what_the_files_say(ledger, current):
    assert ledger.active_rules() == current.version == builtin().version
    assert ledger.rule_version("1").author == "gateway"
    other = first_rules(ledger, lambda: bundle("x"), {}, author="gateway")
    assert other.version == builtin().version, "files that were edited decide nothing by themselves"


def test_what_is_activated_decides_at_the_next_look(ledger, current, tmp_path, events):
    reload = new_reload(ledger, current, tmp_path)
    assert reload.look() == 0
    version = activated(ledger, bundle("x"))
    assert reload.look() == 1
    assert (current.version, current.decide(usual_facts("outbound")).rule) == (version, "a")
    assert reload.look() == 0
    assert [event["version"] for event in events if event["event"] == "rules_loaded"] == [version]


def test_a_broken_set_is_told_once_and_the_working_one_goes_on(ledger, current, tmp_path, events):
    reload = new_reload(ledger, current, tmp_path)
    before = current.version
    ledger.keep_rules({"rules.toml": "[[["}, version="b" * 12, author="anna")
    ledger.activate_rules("b" * 12, author="anna", kind="activate")
    assert [reload.look() for _ in range(3)] == [0, 0, 0]
    assert current.version == before
    assert [event["version"] for event in events if event["event"] == "rules_kept"] == ["b" * 12]
    version = activated(ledger, bundle("x"))
    assert reload.look() == 1
    assert current.version == version


def test_a_list_that_changes_is_read_again_and_a_broken_one_is_not(ledger, current, tmp_path):
    (tmp_path / "lists").mkdir()
    names = tmp_path / "lists" / "betroede.txt"
    names.write_text("bo\n", encoding="utf-8")
    reload = new_reload(ledger, current, tmp_path)
    activated(ledger, bundle("x", when={"field": "submitter", "in_list": "betroede"}))
    assert reload.look() == 1
    anna = usual_facts("outbound")
    assert current.decide(anna).rule == "ubehandlet"
    names.write_text("bo\nanna\n", encoding="utf-8")
    assert reload.look() == 1
    assert current.decide(anna).rule == "a"
    names.write_bytes(b"\xff\xfe\n")
    assert reload.look() == 0
    assert current.decide(anna).rule == "a"


def test_a_start_with_an_active_set_that_cannot_be_read_says_how_to_go_back(ledger, current):
    ledger.keep_rules({"rules.toml": "[[["}, version="b" * 12, author="anna")
    ledger.activate_rules("b" * 12, author="anna", kind="activate")
    with pytest.raises(ConfigError, match="gateway rules rollback"):
        first_rules(ledger, builtin, {}, author="gateway")
