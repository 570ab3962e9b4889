"""``gateway sandbox`` as a person and a script use it; what serves, as a real process."""

from __future__ import annotations

import json
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from gateway.cli.sandbox import sandbox
from gateway.errors import ConfigError
from gateway.sandbox.authority import Authority
from gateway.sandbox.dials import Dials
from gateway.sandbox.running import start_in_thread

from .conftest import CPR, CVR, Client


def command(home, *words):
    return [sys.executable, "-m", "gateway", "--home", str(home), "sandbox", *words]


def run(home, *words, typed=""):
    """The group alone, in this process: most of a command's time is the start of Python."""
    return CliRunner().invoke(sandbox, words, obj=SimpleNamespace(home=home), input=typed)


@pytest.fixture
def serve(tmp_path):
    """Start a serving command; it is ended with SIGTERM."""
    started = []

    def start(*words, ready):
        process = subprocess.Popen(
            command(tmp_path, *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        said = []
        for line in process.stdout:
            said.append(line)
            if ready in line:
                break
        return process, "".join(said)

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def delivered(tmp_path):
    """A home whose sandbox has delivered one letter, and runs no more."""
    running = start_in_thread(tmp_path / "sandbox", delay=0)
    client = Client(running)
    client.send(content=b"%PDF-1.7 brev")
    client.close()
    running.stop()
    return tmp_path


def test_serve_says_it_is_a_sandbox_and_how_to_reach_it_and_ends_in_order(tmp_path, serve):
    process, said = serve("serve", "--port", "0", "--delay", "0", ready="endpoints.json")
    assert "SANDBOX - not Digital Post" in said
    endpoints = json.loads((tmp_path / "sandbox" / "endpoints.json").read_text())
    assert endpoints.keys() == {"url", "ca", "cert", "key", "system", "token"}
    assert endpoints["token"] not in said
    port = int(endpoints["url"].rpartition(":")[2])
    client = Client(SimpleNamespace(**{**endpoints, "port": port}))
    assert client.send().status == 201
    assert client.get(f"/contacts/?cprNumber={CPR}").status == 200
    client.close()
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert [json.loads(line)["event"] for line in err.splitlines()] == ["started", "stopped"]
    assert CPR not in out + err
    assert len(json.loads(run(tmp_path, "inbox", CPR, "--json").stdout)["messages"]) == 1


def test_a_sandbox_killed_at_once_has_what_it_said_yes_to(tmp_path, serve):
    process, _ = serve("serve", "--port", "0", "--delay", "0", ready="endpoints.json")
    endpoints = json.loads((tmp_path / "sandbox" / "endpoints.json").read_text())
    port = int(endpoints["url"].rpartition(":")[2])
    client = Client(SimpleNamespace(**{**endpoints, "port": port}))
    assert [client.send().status for _ in range(5)] == [201] * 5
    process.kill()
    process.communicate()
    client.close()
    after = start_in_thread(tmp_path / "sandbox")
    assert len(after.accepted()) == len(after.inbox(CPR)) == 5
    after.stop()


def test_a_port_that_is_taken_is_told_in_one_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refused = subprocess.run(
            command(tmp_path, "serve", "--port", str(port)),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert refused.returncode == 78
    assert "is taken; choose another with --port" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(("words", "typed"), [((CPR,), ""), (("-",), f"{CPR}\n"), ((), f"{CPR}\n")])
def test_an_inbox_is_shown_by_a_number_given_piped_or_typed(delivered, words, typed):
    shown = run(delivered, "inbox", *words, "--json", typed=typed)
    assert shown.exit_code == 0
    # A prompt, if there was one, stands before the JSON.
    [message] = json.loads(shown.stdout[shown.stdout.index("{") :])["messages"]
    assert message.keys() == {"uuid", "title", "sender", "files", "received_at"}
    [file] = message["files"]
    assert file.keys() == {"name", "size", "sha256", "path"}
    assert Path(file["path"]).read_bytes() == b"%PDF-1.7 brev"


def test_an_inbox_is_shown_to_a_person(delivered):
    shown = run(delivered, "inbox", CPR).stdout
    assert shown.startswith("SANDBOX - not Digital Post.")
    assert "Indkaldelse til møde" in shown
    assert "brev.pdf (13 bytes)" in shown
    assert CPR not in shown.replace(f"cpr-{CPR}", "")


@pytest.mark.parametrize("number", [CVR, "0202021234", "x", "../../etc"])
def test_an_inbox_nobody_wrote_to_is_empty(delivered, number):
    shown = run(delivered, "inbox", number, "--json")
    assert json.loads(shown.stdout) == {"messages": []}
    assert shown.exit_code == 0


def test_dials_are_turned_and_shown(tmp_path):
    turned = run(tmp_path, "dial", "unavailable=3,502", "delay=0.5", "--json")
    assert json.loads(turned.stdout)["dials"] == {
        "delay": "0.5",
        "duplicate": "conflict",
        "unavailable": "3,502",
    }
    assert "3,502" in run(tmp_path, "dial").stdout
    assert run(tmp_path, "dial", "--reset").exit_code == 0
    assert Dials(tmp_path / "sandbox").values()["delay"] == "2"


def test_a_list_of_numbers_is_read_from_stdin_and_shown_masked(tmp_path):
    shown = run(tmp_path, "dial", "exempt=-", typed=f"{CPR},*9999\n")
    assert Dials(tmp_path / "sandbox").status_of(CPR) == "EXEMPT"
    assert "010101-xxxx" in shown.stdout
    assert CPR not in shown.output


@pytest.mark.parametrize("setting", ["nonsense=1", "slow=x"])
def test_a_wrong_dial_is_refused(tmp_path, setting):
    assert isinstance(run(tmp_path, "dial", setting).exception, ConfigError)


def test_a_dial_without_a_value_is_wrong_usage_and_not_quoted(tmp_path):
    refused = run(tmp_path, "dial", CPR)
    assert refused.exit_code == 2
    assert CPR not in refused.output


def test_the_mail_sink_keeps_mails_until_it_is_ended(tmp_path, serve):
    process, said = serve("sink", "--port", "0", ready="maildir")
    port = int(said.partition("127.0.0.1:")[2].split()[0])
    context = ssl.create_default_context(cafile=Authority.open(tmp_path / "sandbox" / "ca").ca.cert)
    with smtplib.SMTP("localhost", port, timeout=20) as client:
        client.starttls(context=context)
        client.sendmail("", ["lis@example.dk"], b"Subject: x\r\n\r\ny\r\n")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert len(list((tmp_path / "sink" / "Maildir" / "new").iterdir())) == 1
    assert "lis@" not in err
