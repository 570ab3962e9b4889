"""init, check-config and doctor: what an operator meets on the first day, and on the worst."""

from __future__ import annotations

import email.policy
import json
import os
import socket
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli.config import check_config, doctor, init
from gateway.cli.context import Home
from gateway.cli.doctor import certificates, examine, machine
from gateway.cli.doctor.examine import clock, python
from gateway.config import load_settings
from gateway.errors import ConfigError, FolderNotUsable
from gateway.ingress.folder.share import SENTINEL, Share
from gateway.ingress.sftp.accounts import Account, AccountKey, public_key, write_account
from gateway.ingress.sftp.keys import ensure_host_keys, make_client_key
from gateway.ingress.smtp.users import add_user
from gateway.sandbox.authority import Authority
from gateway.sandbox.running import RunningSandbox, start_in_thread
from gateway.sandbox.sink import RunningSink, start_sink
from gateway.wiring.state import migrate_ledger, open_ledger

ANSWERS = ["--organisation", "Eksempelby Gymnasium", "--cvr", "12345674", "--domain", "dp.example.dk"]
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def run(command, folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments), obj=Home(folder))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# ── init ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("environment", ["demo", "test", "production"])
def test_init_writes_a_configuration_that_loads(tmp_path, environment):
    result = run(init, tmp_path / "new", *ANSWERS, "--environment", environment, "--yes")
    assert result.exit_code == 0, result.output
    settings = load_settings(tmp_path / "new", environ={})
    assert settings.environment == environment
    assert settings.organisation.name == "Eksempelby Gymnasium"
    assert settings.smtp.domains == ("dp.example.dk",)
    assert "db migrate" in result.output


def test_init_keeps_files_for_their_owner_whatever_the_umask(tmp_path):
    before = os.umask(0o077)
    try:
        run(init, tmp_path / "new", *ANSWERS, "--yes")
    finally:
        os.umask(before)
    home = tmp_path / "new"
    assert mode(home / "gateway.toml") == 0o640
    assert mode(home / "users.toml") == 0o600
    assert mode(home / "secrets") == 0o700


def test_init_never_writes_over_a_configuration(tmp_path):
    (tmp_path / "gateway.toml").write_text("# mine", encoding="utf-8")
    result = run(init, tmp_path, *ANSWERS, "--yes")
    assert isinstance(result.exception, FolderNotUsable)
    assert (tmp_path / "gateway.toml").read_text(encoding="utf-8") == "# mine"


def test_init_leaves_users_that_are_there(tmp_path):
    (tmp_path / "users.toml").write_text("# mine", encoding="utf-8")
    assert run(init, tmp_path, *ANSWERS, "--yes").exit_code == 0
    assert (tmp_path / "users.toml").read_text(encoding="utf-8") == "# mine"


def test_init_without_a_terminal_says_which_answer_is_missing(tmp_path):
    result = run(init, tmp_path / "new", "--cvr", "12345674", "--domain", "dp.example.dk")
    assert result.exit_code == 2
    assert "--organisation is missing" in result.output
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("flag", "value"),
    [("--cvr", "1234567"), ("--cvr", "0101011234"), ("--domain", "dp"), ("--domain", "dp example.dk"),
     ("--domain", 'dp.example.dk"'), ("--environment", "prod")],
)
def test_init_refuses_an_answer_that_cannot_be(tmp_path, flag, value):
    result = run(init, tmp_path / "new", *ANSWERS, "--yes", flag, value)
    assert result.exit_code == 2
    assert "0101011234" not in result.output
    assert not (tmp_path / "new").exists()


def test_init_in_production_wants_a_cvr_number_with_a_check_digit_that_fits(tmp_path):
    answers = ["--organisation", "x", "--cvr", "12345678", "--domain", "dp.example.dk", "--yes"]
    assert run(init, tmp_path / "a", *answers, "--environment", "production").exit_code == 2
    assert run(init, tmp_path / "b", *answers, "--environment", "test").exit_code == 0


def test_init_writes_nothing_that_would_not_load(tmp_path):
    result = run(init, tmp_path / "new", *ANSWERS, "--yes", "--database", "mysql://db/gateway")
    assert isinstance(result.exception, ConfigError)
    assert not (tmp_path / "new").exists()


def test_a_name_with_quotes_and_danish_letters_survives_the_file(tmp_path):
    name = 'Ærø "Friskole" \\ Nord'
    run(init, tmp_path, "--organisation", name, "--cvr", "12345674", "--domain", "dp.example.dk", "--yes")
    assert load_settings(tmp_path, environ={}).organisation.name == name


def test_at_a_terminal_init_asks_for_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr("gateway.cli.config._at_a_terminal", lambda: True)
    result = CliRunner().invoke(
        init, ["--cvr", "12345674"], obj=Home(tmp_path), input="test\nEksempelby\ndp.example.dk\n\n"
    )
    assert result.exit_code == 0, result.output
    settings = load_settings(tmp_path, environ={})
    assert (settings.environment, settings.storage.database) == ("test", "sqlite:///ledger.db")


# ── check-config ────────────────────────────────────────────────────────────


def test_a_fine_configuration_exits_with_0(tmp_path):
    run(init, tmp_path, *ANSWERS, "--yes")
    result = run(check_config, tmp_path)
    assert (result.exit_code, result.output) == (0, "The configuration is fine.\n")


def test_a_broken_configuration_exits_with_78_and_tells_every_fault(tmp_path):
    (tmp_path / "gateway.toml").write_text("[smtp]\nprot = 1\n", encoding="utf-8")
    result = run(check_config, tmp_path)
    assert result.exit_code == 78
    assert 'GW-100: gateway.toml, [smtp] prot: no such setting. Did you mean "port"?\n' in result.stderr
    assert "GW-100: gateway.toml, [mail]: this section is missing.\n" in result.stderr


def test_faults_as_json_have_file_key_found_expected_and_nearest(tmp_path):
    run(init, tmp_path, *ANSWERS, "--yes")
    text = (tmp_path / "gateway.toml").read_text(encoding="utf-8")
    (tmp_path / "gateway.toml").write_text(text.replace("port = 25", 'port = "x"\nprot = 2'), encoding="utf-8")
    result = run(check_config, tmp_path, "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["schema"], told["ok"]) == (78, "gateway.check-config/1", False)
    port, prot = told["faults"]
    assert port["file"] == "gateway.toml"
    assert (port["section"], port["key"]) == ("[mail]", "port")
    assert (port["expected"], port["found"]) == ("a number from 0 to 65535", "text")
    assert prot["nearest"] == "port"
    assert prot["message"].startswith("gateway.toml, [mail] prot:")


def test_faults_of_rules_and_users_are_told_together(tmp_path):
    run(init, tmp_path, *ANSWERS, "--yes")
    text = (tmp_path / "gateway.toml").read_text(encoding="utf-8")
    (tmp_path / "gateway.toml").write_text(text + '\n[rules]\npath = "rules.toml"\n', encoding="utf-8")
    (tmp_path / "users.toml").write_text("[[[", encoding="utf-8")
    result = run(check_config, tmp_path)
    assert result.exit_code == 78
    assert "rules.toml: there is no such file" in result.stderr
    assert "users.toml" in result.stderr


# ── doctor ──────────────────────────────────────────────────────────────────


@pytest.fixture
def sandbox(tmp_path):
    running = start_in_thread(tmp_path / "sandbox")
    yield running
    running.stop()


@pytest.fixture
def sink(tmp_path, sandbox):
    running = start_sink(tmp_path / "sink", Authority.open(tmp_path / "sandbox" / "ca"))
    yield running
    running.stop()


@pytest.fixture
def home(tmp_path, sandbox: RunningSandbox, sink: RunningSink) -> Path:
    """A demo that is ready to start."""
    assert run(init, tmp_path, *ANSWERS, "--yes").exit_code == 0
    text = (tmp_path / "gateway.toml").read_text(encoding="utf-8")
    text = text.replace("localhost:8443", f"localhost:{sandbox.port}")
    text = text.replace("port = 25\n", f'port = {sink.port}\nca = "sandbox/ca/ca.crt"\n')
    text = text.replace("[smtp]\n", "[smtp]\nport = 0\n").replace("[storage]\n", '[storage]\nspare = "1 MB"\n')
    (tmp_path / "gateway.toml").write_text(text, encoding="utf-8")
    migrate_ledger(load_settings(tmp_path, environ={}))
    add_user(tmp_path / "users.toml", "anna", "hemmelig", addresses=("anna@example.dk",))
    return tmp_path


def findings(folder: Path, check: str) -> list[tuple[str, str]]:
    return [(finding.level, finding.says) for finding in examine(folder) if finding.check == check]


def test_a_healthy_gateway_passes_every_check(home):
    result = run(doctor, home, "--json")
    told = json.loads(result.stdout)
    assert [check for check in told["checks"] if check["level"] == "fail"] == []
    assert (result.exit_code, told["ok"], told["schema"]) == (0, True, "gateway.doctor/1")
    assert {check["check"] for check in told["checks"]} == {
        "python", "clock", "configuration", "environment", "file system", "vault", "space", "secrets",
        "[smtp] certificate", "[digital_post] certificate", "[digital_post] ca", "[mail] ca",
        "submitters", "database", "rules", "digital post", "mail relay",
    }


def test_every_finding_that_is_not_fine_has_a_remedy(tmp_path):
    run(init, tmp_path, *ANSWERS, "--environment", "test", "--yes")
    told = [finding for finding in examine(tmp_path) if finding.level != "ok"]
    assert all(finding.remedy for finding in told)
    assert {finding.check for finding in told if finding.level == "fail"} >= {
        "environment", "secrets", "[smtp] certificate", "[digital_post] certificate", "database", "digital post",
    }


@pytest.fixture
def drops_home(home):
    """With SFTP and a watched folder, both ready."""
    (home / "mappe").mkdir()
    text = (home / "gateway.toml").read_text(encoding="utf-8")
    more = '\n[sftp]\nenabled = true\nport = 0\n\n[[folders]]\nname = "loen"\npath = "mappe"\n'
    (home / "gateway.toml").write_text(text + more, encoding="utf-8")
    return home


def test_doctor_looks_at_accounts_and_their_keys(drops_home):
    assert findings(drops_home, "sftp")[0] == ("warn", "no account may log in yet.")
    key = public_key(make_client_key(drops_home / "studie.key"))
    today = datetime.now(UTC).date()
    for until, said in ((None, []), (today + timedelta(days=9), [("warn", "the last key of studie ends within 30 days.")]),
                        (today - timedelta(days=1), [("warn", "no key of studie counts today; it cannot log in.")])):  # fmt: skip
        write_account(drops_home / "accounts.toml", Account(name="studie", keys=(AccountKey(text=key, until=until),)))
        assert findings(drops_home, "sftp")[:-1] == [("ok", "1 accounts."), *said]
    (drops_home / "accounts.toml").write_text("[studie]\nkeys = 3\n")
    assert findings(drops_home, "sftp")[0][0] == "fail"


def test_doctor_looks_at_host_keys(drops_home):
    ensure_host_keys(drops_home / "ssh")
    assert findings(drops_home, "sftp")[-1] == ("ok", "2 host keys, readable by the gateway only.")
    (drops_home / "ssh" / "ssh_host_rsa_key").chmod(0o644)
    assert findings(drops_home, "sftp")[-1] == ("fail", "ssh_host_rsa_key may be read by others than the gateway.")
    (drops_home / "ssh" / "ssh_host_rsa_key").write_text("x")
    assert findings(drops_home, "sftp")[-1][0] == "fail"


def test_doctor_looks_at_watched_folders(drops_home):
    root = drops_home / "mappe"
    assert findings(drops_home, "folder loen") == [("ok", "answers; its rooms are made at the first start.")]
    token = Share(root).make()
    assert findings(drops_home, "folder loen") == [("ok", "answers.")]
    ledger = open_ledger(load_settings(drops_home, environ={}))
    ledger.keep_sentinel("loen", token)
    ledger.close()
    (root / SENTINEL).write_text("another")
    assert findings(drops_home, "folder loen") == [("fail", "it is another folder than before: nothing is taken from it.")]
    root.rename(drops_home / "away")
    assert findings(drops_home, "folder loen") == [("fail", "the folder does not answer, or is not there.")]


def test_doctor_works_without_a_configuration_and_says_so(tmp_path):
    result = run(doctor, tmp_path)
    assert result.exit_code == 3
    assert "FAIL  configuration: gateway.toml: there is no such file" in result.output
    assert "the rest: was not looked at." in result.output


def test_an_old_python_is_warned_about(monkeypatch):
    class Old:
        pass

    monkeypatch.setattr(email.policy, "default", Old())
    assert python().level == "warn"
    monkeypatch.setattr(Old, "verify_generated_headers", True, raising=False)
    assert python().level == "ok"


@pytest.mark.parametrize(
    ("now", "level"),
    [(NOW, "ok"), (NOW.replace(year=2025), "fail"), (NOW.replace(year=1970), "fail"), (NOW - timedelta(days=3), "fail")],
)
def test_a_clock_in_the_past_fails(tmp_path, now, level):
    file = tmp_path / "gateway.toml"
    file.touch()
    os.utime(file, (NOW.timestamp(), NOW.timestamp()))
    assert clock(tmp_path, now).level == level


@pytest.mark.parametrize(
    ("days", "level"), [(400, "ok"), (61, "ok"), (60, "warn"), (14, "warn"), (8, "warn"), (7, "fail"), (1, "fail"), (0.5, "fail"), (-1, "fail")]
)
def test_a_certificate_is_told_before_it_runs_out(days, level):
    assert certificates.lasts("x", NOW + timedelta(days=days), NOW).level == level


def test_a_certificate_with_another_s_key_fails(home):
    (home / "tls" / "smtp.key").write_bytes((home / "sandbox" / "ca" / "client.key").read_bytes())
    ((level, says),) = findings(home, "[smtp] certificate")
    assert level == "fail"
    assert "does not belong to" in says


def test_a_key_that_everybody_may_read_fails(home):
    (home / "tls" / "smtp.key").chmod(0o644)
    assert findings(home, "[smtp] certificate")[0][0] == "fail"


@pytest.mark.parametrize("content", [b"", b"not PEM", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_certificate_that_is_none_fails(home, content):
    (home / "tls" / "smtp.crt").write_bytes(content)
    (home / "sandbox" / "ca" / "ca.crt").write_bytes(content)
    told = {finding.check: finding for finding in examine(home)}
    assert told["[smtp] certificate"].says.endswith("is not PEM.")
    assert told["[mail] ca"].says.endswith("is not PEM.")
    assert {told["digital post"].level, told["mail relay"].level} == {"fail"}


def test_a_token_that_everybody_may_read_fails(home):
    (home / "sandbox" / "token").chmod(0o644)
    ((level, says),) = findings(home, "secrets")
    assert level == "fail"
    assert "open to everybody" in says


def test_a_wrong_token_fails_as_digital_post_says(home):
    (home / "sandbox" / "token").write_text("wrong", encoding="utf-8")
    ((level, says),) = findings(home, "digital post")
    assert (level, "does not know us (HTTP 401)" in says) == ("fail", True)


def test_a_digital_post_that_is_down_fails(home, sandbox):
    sandbox.stop()
    ((level, says),) = findings(home, "digital post")
    assert (level, "does not answer" in says) == ("fail", True)


def test_a_certificate_of_a_stranger_fails(home):
    Authority.open(home / "elsewhere")
    (home / "sandbox" / "ca" / "ca.crt").write_bytes((home / "elsewhere" / "ca.crt").read_bytes())
    told = {finding.check: finding for finding in examine(home)}
    assert told["digital post"].level == "fail"
    assert told["mail relay"].level == "fail"


def test_a_mail_relay_that_is_down_fails(home, sink):
    with socket.create_server(("127.0.0.1", 0)) as server:
        nobody = server.getsockname()[1]
    text = (home / "gateway.toml").read_text(encoding="utf-8")
    (home / "gateway.toml").write_text(text.replace(f"port = {sink.port}", f"port = {nobody}"), encoding="utf-8")
    assert findings(home, "mail relay")[0][0] == "fail"


def test_a_mail_relay_without_a_login_fails_when_one_is_set(home):
    text = (home / "gateway.toml").read_text(encoding="utf-8")
    text = text.replace("[mail]\n", '[mail]\nuser = "x"\npassword_file = "secrets/mail"\n')
    (home / "gateway.toml").write_text(text, encoding="utf-8")
    assert findings(home, "mail relay") == [("fail", "cannot be asked without its password.")]
    (home / "secrets" / "mail").write_text("x", encoding="utf-8")
    (home / "secrets" / "mail").chmod(0o600)
    ((_, says),) = findings(home, "mail relay")
    assert "refuses our login" in says


def test_a_database_that_was_never_made_fails(home):
    (home / "ledger.db").unlink()
    assert findings(home, "database") == [("fail", "is not made yet.")]


def test_a_database_of_another_version_fails(home):
    (home / "ledger.db").unlink()
    (home / "ledger.db").touch()
    assert findings(home, "database")[0][0] == "fail"


def test_a_full_disk_fails_and_a_filling_one_warns(home):
    text = (home / "gateway.toml").read_text(encoding="utf-8")
    for spare, level in (("1000000 GB", "fail"), ("1 B", "ok")):
        (home / "gateway.toml").write_text(text.replace("1 MB", spare), encoding="utf-8")
        assert findings(home, "space")[0][0] == level


def test_nobody_who_may_send_is_a_warning(home):
    (home / "users.toml").write_text("", encoding="utf-8")
    assert findings(home, "submitters") == [("warn", "nobody may send yet.")]


@pytest.mark.parametrize(
    ("greeting", "level"), [(b"220 localhost ESMTP\r\n", "ok"), (b"220 other ESMTP\r\n", "fail"), (b"", "fail")]
)
def test_a_port_is_free_or_ours_or_somebody_else_s(home, greeting, level):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = (home / "gateway.toml").read_text(encoding="utf-8")
        (home / "gateway.toml").write_text(text.replace("port = 0\n", f"port = {port}\n"), encoding="utf-8")
        settings = load_settings(home, environ={})

        def greet() -> None:
            connection, _ = taken.accept()
            connection.sendall(greeting)
            connection.close()

        thread = threading.Thread(target=greet)
        thread.start()
        (finding,) = machine.ports(settings)
        thread.join()
    assert finding.level == level
    (finding,) = machine.ports(settings)
    assert finding.says == f"[smtp] port {port} on 127.0.0.1 is free."


def with_environment(folder: Path, environment: str, url: str):
    run(init, folder, *ANSWERS, "--yes")
    text = (folder / "gateway.toml").read_text(encoding="utf-8")
    text = text.replace('"demo"', f'"{environment}"').replace("https://localhost:8443/apis/v1", url)
    text = text.replace('hostname = "localhost"', 'hostname = "dp.example.dk"')
    (folder / "gateway.toml").write_text(text, encoding="utf-8")
    (finding,) = machine.environment(load_settings(folder, environ={}))
    return finding.level


@pytest.mark.parametrize(
    ("environment", "url", "level"),
    [
        ("demo", "https://localhost:8443/apis/v1", "ok"),
        ("demo", "https://127.0.0.1:8443/apis/v1", "ok"),
        ("demo", "https://api.test.digitalpost.dk/apis/v1", "fail"),
        ("test", "https://api.test.digitalpost.dk/apis/v1", "ok"),
        ("production", "https://api.digitalpost.dk/apis/v1", "ok"),
        ("production", "https://api.test.digitalpost.dk/apis/v1", "fail"),
        ("production", "https://localhost:8443/apis/v1", "fail"),
        ("production", "https://api.digitalpost.dk.example.dk/apis/v1", "fail"),
    ],
)
def test_the_environment_and_its_digital_post_must_mean_the_same(tmp_path, environment, url, level):
    assert with_environment(tmp_path, environment, url) == level


MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /srv/post rw - nfs4 server:/post rw
31 22 0:41 / /srv/post/local rw - xfs /dev/sdb1 rw
32 22 0:42 / /srv/with\\040space rw - cifs //server/share rw
broken line
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [("/srv/post/home", "nfs4"), ("/srv/post", "nfs4"), ("/srv/post/local/x", "xfs"), ("/srv/poster", "ext4"),
     ("/srv/with space/x", "cifs")],
)
def test_the_kind_of_disk_is_that_of_the_nearest_mount(folder, kind):
    assert machine.mounted_as(Path(folder), MOUNTS) == kind


def test_a_ledger_on_a_network_disk_fails(home, monkeypatch):
    monkeypatch.setattr(machine, "mounts", lambda: "22 1 8:1 / / rw - nfs4 server:/ rw\n")
    assert findings(home, "file system")[0][0] == "fail"
