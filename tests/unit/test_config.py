"""Settings: the file, the variables above it, and every fault with its place."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.cli.config import every_fault
from gateway.config import load_settings
from gateway.config.describe import describe_settings
from gateway.config.faults import faults_of, found, nearest
from gateway.config.load import read_secret
from gateway.errors import ConfigError, UnsafeSecret

ROOT = Path(__file__).parents[2]
BAD = sorted((ROOT / "tests" / "bad_configs").iterdir())
GOOD = """
[organisation]
name = "Eksempelby Gymnasium"
cvr = "12345674"
[smtp]
domains = ["dp.example.dk"]
[digital_post]
base_url = "https://localhost:8443/apis/v1"
system_id = "sandbox-system"
[mail]
sender = "digitalpost@dp.example.dk"
"""


def home(folder: Path, more: str = "", *, top: str = "") -> Path:
    (folder / "gateway.toml").write_text(top + GOOD + more, encoding="utf-8")
    return folder


def lines(folder: Path, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_settings(folder, environ=environ)
    return [fault.line() for fault in faults_of(caught.value)]


# ── what loads ──────────────────────────────────────────────────────────────


def test_a_short_file_is_enough(tmp_path):
    settings = load_settings(home(tmp_path), environ={})
    assert settings.environment == "demo"
    assert settings.path(settings.storage.vault) == tmp_path / "vault"
    assert settings.smtp.port == 2525


def test_the_home_becomes_absolute(tmp_path, monkeypatch):
    home(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert load_settings(Path(), environ={}).home == tmp_path


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ('"30 s"', 30), ('"30s"', 30), ('"5 min"', 300), ('"2 h"', 7200), ('"1 day"', 86_400),
        ('"2 days"', 172_800), ('"0.5 s"', 0.5), ("90", 90), ("1.5", 1.5), ('"90"', 90),
    ],
)
def test_a_time_is_written_as_people_write_it(tmp_path, written, seconds):
    settings = load_settings(home(tmp_path, top=f"poll = {written}\n"), environ={})
    assert settings.poll == timedelta(seconds=seconds)


@pytest.mark.parametrize("written", ['"-1 s"', "-1", "true", '"1 minute"', '"٣ s"', "1e12", "nan", '""', "2026-12-01"])
def test_what_is_no_time_is_refused(tmp_path, written):
    (line,) = lines(home(tmp_path, top=f"poll = {written}\n"))
    assert line.startswith('gateway.toml, poll: expected a time such as "30 s"')


@pytest.mark.parametrize(("written", "size"), [('"10 MB"', 10_000_000), ('"1 MiB"', 1_048_576), ("5", 5), ('"2kB"', 2000)])
def test_a_size_is_written_with_its_unit(tmp_path, written, size):
    settings = load_settings(home(tmp_path, f"[storage]\nspare = {written}\n"), environ={})
    assert settings.storage.spare == size


# ── variables ───────────────────────────────────────────────────────────────


def test_a_variable_wins_over_the_file_and_leaves_the_rest_of_its_section(tmp_path):
    folder = home(tmp_path, "[smtp.limits]\nrecipients = 7\nlogins = 3\n")
    settings = load_settings(folder, environ={"GATEWAY_SMTP__LIMITS__RECIPIENTS": "9", "gateway_smtp__port": "26"})
    assert (settings.smtp.limits.recipients, settings.smtp.limits.logins, settings.smtp.port) == (9, 3, 26)


def test_lists_and_tables_in_variables_are_json(tmp_path):
    environ = {
        "GATEWAY_SMTP__DOMAINS": '["a.example.dk", "b.example.dk"]',
        "GATEWAY_RETRY__FIRST": '["1 min", 120]',
        "GATEWAY_FLOWS__FRAVAER__CASE": "F-1",
        "GATEWAY_SMTP__RELAYS": '[{"name": "exchange", "networks": ["192.0.2.0/24"], "domains": ["example.dk"]}]',
    }
    settings = load_settings(home(tmp_path), environ=environ)
    assert settings.smtp.domains == ("a.example.dk", "b.example.dk")
    assert settings.retry.first == (timedelta(minutes=1), timedelta(minutes=2))
    assert settings.flows["fravaer"].case == "F-1"
    assert settings.smtp.relays[0].name == "exchange"


def test_the_process_s_own_variables_count_when_none_are_given(tmp_path, monkeypatch):
    monkeypatch.setenv("GATEWAY_SMTP__PORT", "2626")
    assert load_settings(home(tmp_path)).smtp.port == 2626


def test_variables_that_are_not_settings_are_left_alone(tmp_path):
    # GATEWAY_PORT is what Kubernetes sets for a service called gateway.
    environ = {"GATEWAY_HOME": "/elsewhere", "GATEWAY_PORT": "tcp://192.0.2.1:25", "SMTP__PORT": "1"}
    settings = load_settings(home(tmp_path), environ=environ)
    assert (settings.home, settings.smtp.port) == (tmp_path, 2525)


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("GATEWAY_SMTP__PORT", "x", "environment, GATEWAY_SMTP__PORT: expected a number from 0 to 65535, found text."),
        ("GATEWAY_SMTP__PORT", "70000", "environment, GATEWAY_SMTP__PORT: expected a number from 0 to 65535, found the number 70000."),
        ("GATEWAY_SMTP__PROT", "1", 'environment, GATEWAY_SMTP__PROT: no such setting. Did you mean "GATEWAY_SMTP__PORT"?'),
        ("GATEWAY_SMPT__PORT", "1", 'environment, GATEWAY_SMPT__PORT: no such setting. Did you mean "GATEWAY_SMTP__PORT"?'),
        ("GATEWAY_SMTP__DOMAINS", "a.dk", "environment, GATEWAY_SMTP__DOMAINS: expected a list, each item text, found text of 4 characters."),
        ("GATEWAY_RETRY__FIRST", '["x"]', None),
        ("GATEWAY_SMTP", "x", "environment, GATEWAY_SMTP: expected a section, found text of 1 character."),
        ("GATEWAY_DIGITAL_POST__TOKEN", "t0psecret", 'environment, GATEWAY_DIGITAL_POST__TOKEN: no such setting. Did you mean "GATEWAY_DIGITAL_POST__TOKEN_FILE"?'),
    ],
)
def test_a_fault_in_a_variable_names_the_variable(tmp_path, name, value, line):
    (told,) = lines(home(tmp_path), **{name: value})
    assert told == line if line else told.startswith(f"environment, {name}: expected a time")


# ── bad configurations ──────────────────────────────────────────────────────


@pytest.mark.parametrize("folder", BAD, ids=lambda folder: folder.name)
def test_a_broken_configuration_fails_for_exactly_its_reason(folder):
    expected = (folder / "expected-error.txt").read_text(encoding="utf-8").replace("{home}", str(folder))
    assert "".join(f"GW-100: {fault.line()}\n" for fault in every_fault(folder)) == expected


def test_there_are_enough_broken_configurations_and_no_two_fail_alike():
    told = [(folder / "expected-error.txt").read_text(encoding="utf-8") for folder in BAD]
    assert len(set(told)) == len(told) >= 25


@pytest.mark.parametrize("folder", BAD, ids=lambda folder: folder.name)
def test_no_fault_quotes_a_secret_or_a_number(folder):
    told = "".join(fault.line() for fault in every_fault(folder))
    assert not re.search(r"t0psecret|hemmelig|0101011234", told)


def test_every_line_of_the_error_carries_its_code(tmp_path):
    (tmp_path / "gateway.toml").write_text("", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_settings(tmp_path, environ={})
    text = str(caught.value).splitlines()
    assert len(text) == 4
    assert all(line.startswith("GW-100: gateway.toml, [") for line in text)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_file_that_may_not_be_read_says_so(tmp_path):
    folder = home(tmp_path)
    if os.geteuid() == 0:
        (folder / "gateway.toml").unlink()
        (folder / "gateway.toml").mkdir()
        reason = "Is a directory"
    else:
        (folder / "gateway.toml").chmod(0)
        reason = "Permission denied"
    assert lines(folder) == [f"gateway.toml: the file cannot be read ({reason}). Check its owner and mode."]


@pytest.mark.parametrize(
    ("value", "key", "wants", "words"),
    [
        (True, "x", "text", "true"),
        (7, "x", "text", "the number 7"),
        (101011234, "x", "number", "a number"),
        (7, "api_key", "number", "a number"),
        ("prod", "environment", "word", '"prod"'),
        ("prod", "token", "word", "text of 4 characters"),
        ("prod", "db_password", "word", "text of 4 characters"),
        ("010101-1234", "environment", "word", "text of 11 characters"),
        ("x" * 31, "environment", "word", "text of 31 characters"),
        ('a"b', "environment", "word", "text of 3 characters"),
        ("prod", "name", "text", "text of 4 characters"),
        ("", "name", "text", "an empty text"),
        ("12", "port", "number", "the number 12"),
        ("0101011234", "port", "number", "a number"),
        ([], "x", "text", "a list"),
        ({}, "x", "text", "a section"),
        (timedelta(1), "x", "text", "a date or time"),
        (None, "x", "text", "nothing"),
    ],
)
def test_what_was_found_is_quoted_only_where_it_is_surely_no_secret(value, key, wants, words):
    assert found(value, key=key, wants=wants) == words


@pytest.mark.parametrize(
    ("word", "hit"), [("prot", "port"), ("PORT", "port"), ("hots", "host"), ("xyzzy", ""), ("", "")]
)
def test_the_nearest_word_is_near(word, hit):
    assert nearest(word, ["host", "port", "certificate"]) == hit


@pytest.mark.parametrize(
    ("key", "told"), [('"a\\nb"', "a?b"), ('"0101011234"', "010101-xxxx"), ("x" * 50, "x" * 40 + "…")]
)
def test_an_odd_key_is_told_on_one_line_and_without_numbers(tmp_path, key, told):
    assert lines(home(tmp_path, f"[archive]\n{key} = 1\n")) == [f"gateway.toml, [archive] {told}: no such setting."]


@pytest.mark.parametrize("content", ["x = " + "[" * 5000, "x = " + "9" * 5000])
def test_a_file_made_to_break_the_parser_is_a_fault_like_any_other(tmp_path, content):
    (tmp_path / "gateway.toml").write_text(content, encoding="utf-8")
    assert lines(tmp_path) == ["gateway.toml: this is not TOML."]


def test_an_error_made_of_a_text_keeps_its_text():
    (fault,) = faults_of(ConfigError(problems="users.toml: expected TOML."))
    assert fault.line() == "users.toml: expected TOML."


# ── secrets ─────────────────────────────────────────────────────────────────


def secret(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    path = folder / "token"
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("content", [b"t0ken", b"t0ken\n", b"t0ken\r\n"])
def test_a_secret_is_read_without_its_line_end(tmp_path, content):
    assert read_secret(secret(tmp_path, content)) == "t0ken"


def test_spaces_and_a_second_line_end_belong_to_the_secret(tmp_path):
    assert read_secret(secret(tmp_path, b" t0ken \n\n")) == " t0ken \n"


def test_the_group_may_read_a_secret(tmp_path):
    assert read_secret(secret(tmp_path, b"t0ken", 0o640)) == "t0ken"


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o602, 0o777])
def test_a_secret_that_everybody_may_touch_is_refused_with_the_remedy(tmp_path, mode):
    path = secret(tmp_path, b"t0ken", mode)
    with pytest.raises(UnsafeSecret) as caught:
        read_secret(path)
    assert str(caught.value) == f"GW-101: The secret file {path} is open to everybody. chmod 0600 {path}."


@pytest.mark.parametrize(("content", "what"), [(b"", "is empty"), (b"\n", "is empty"), (b"\xff\xfe", "is not text")])
def test_a_file_that_holds_no_secret_is_refused(tmp_path, content, what):
    with pytest.raises(UnsafeSecret, match=what) as caught:
        read_secret(secret(tmp_path, content))
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_missing_secret_and_a_folder_are_told_apart(tmp_path):
    with pytest.raises(UnsafeSecret, match="does not exist"):
        read_secret(tmp_path / "token")
    with pytest.raises(UnsafeSecret, match="cannot be read"):
        read_secret(tmp_path)


# ── the list of settings, and the example ───────────────────────────────────


def test_every_setting_is_described_with_type_and_default():
    described = {setting.name: setting for setting in describe_settings()}
    port = described["smtp.port"]
    assert (port.section, port.variable, port.expects, port.default) == (
        "[smtp]", "GATEWAY_SMTP__PORT", "a number from 0 to 65535", "2525",
    )
    assert port.text == "STARTTLS; 0 lets the system choose."
    assert described["smtp.domains"].default == "required"
    assert described["smtp.limits.message"].default == '"105 MB"'
    assert described["retry.first"].default == '["1 min", "5 min", "15 min", "1 h"]'
    assert described["smtp.relays[].networks"].section == "[[smtp.relays]]"
    assert described["flows.NAME.case"].section == "[flows.NAME]"
    assert "home" not in described
    assert not [setting.name for setting in described.values() if setting.expects in ("a value", "a section")]


def test_every_described_default_is_read_back_as_itself(tmp_path):
    text = GOOD
    loaded = load_settings(home(tmp_path), environ={})
    environ = {
        setting.variable: setting.default.strip('"')
        for setting in describe_settings()
        if setting.variable and setting.default not in ("required", "not set")
    }
    assert len(environ) > 50
    (tmp_path / "gateway.toml").write_text(text, encoding="utf-8")
    assert load_settings(tmp_path, environ=environ) == loaded


def test_the_example_loads_as_it_is_and_with_every_line_uncommented(tmp_path):
    example = (ROOT / "config" / "gateway.toml").read_text(encoding="utf-8")
    (tmp_path / "gateway.toml").write_text(example, encoding="utf-8")
    load_settings(tmp_path, environ={})
    (tmp_path / "gateway.toml").write_text(_uncommented(example), encoding="utf-8")
    load_settings(tmp_path, environ={})


def test_the_example_shows_every_setting_with_its_default():
    text = _uncommented((ROOT / "config" / "gateway.toml").read_text(encoding="utf-8"))
    section, shown = "", {}
    for line in text.splitlines():
        if line.startswith("["):
            section = line.replace("fravaer", "NAME")
        elif match := re.match(r"([a-z_0-9]+) = (.*)", line):
            shown[section, match[1]] = match[2]
    for setting in describe_settings():
        key = re.split(r"[.\]]", setting.name)[-1]
        assert (setting.section, key) in shown, f"config/gateway.toml lacks {setting.name}"
        is_example = setting.default in ("required", "not set") or setting.name in ("environment", "smtp.hostname")
        assert is_example or shown[setting.section, key] == setting.default, setting.name
    assert len(shown) == len(describe_settings())


def _uncommented(text: str) -> str:
    return re.sub(r"(?m)^# (\[|[a-z_0-9]+ = )", r"\1", text)
