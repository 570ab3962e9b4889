"""Files dropped by real clients and in a real folder, from the upload to the last receipt."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
from io import BytesIO
from pathlib import Path

import asyncssh
import pytest
from pypdf import PdfWriter
from sftp_clients import System
from waiting import wait_for

from gateway.cli.demo_letter import sample_pdf


@pytest.fixture
def system(demo, tmp_path):
    return System(demo, tmp_path)


def test_the_same_drop_again_is_a_dublet_and_another_with_its_number_a_konflikt(system):
    for file in system.pair("dub", reference="DUB-1"):
        assert system.sftp(f"put {file.name} ind/").returncode == 0
    first = system.wait_for("dub", "slut")
    system.pair("dub2", reference="DUB-1", content=sample_pdf("dub"), emne="Brev dub")
    # The same content under another file name is the same letter only if its document is called the same.
    (system.work / "dub2.pdf").write_bytes((system.work / "dub.pdf").read_bytes())
    fields = json.loads((system.work / "dub.meta.json").read_text())
    system.sftp("put dub.pdf ind/", "put dub.meta.json ind/")
    repeat = _wait(lambda: [drop for drop in system.demo.json("drops", "list")["drops"] if drop["base"].startswith("dub.D-")])[0]
    assert [item["outcome"] for item in repeat["items"]] == ["duplicate"]
    told = system.wait_for(repeat["base"], "dublet")
    assert told["dublet_af"][0]["id"] == first["forsendelser"][0]["id"]
    (system.work / "dub.meta.json").write_text(json.dumps({**fields, "emne": "Noget andet"}), encoding="utf-8")
    (system.work / "konflikt.pdf").write_bytes((system.work / "dub.pdf").read_bytes())
    fields["dokumenter"][0]["fil"] = "konflikt.pdf"
    (system.work / "konflikt.meta.json").write_text(json.dumps(fields), encoding="utf-8")
    system.sftp("put konflikt.pdf ind/", "put konflikt.meta.json ind/")
    refused = system.wait_for("konflikt", "afvist")
    assert [fault["kode"] for fault in refused["fejl"]] == ["KONFLIKT"]


def test_a_rejected_drop_is_mended_in_fejl_and_handed_over_again(system):
    document, sidecar = system.pair("ret", tilladsvar="måske")
    system.sftp(f"put {document.name} ind/", f"put {sidecar.name} ind/")
    refused = system.wait_for("ret", "afvist")
    (fault,) = refused["fejl"]
    assert (fault["kode"], fault["felt"], fault["linje"]) == ("FELT_UKENDT", "tilladsvar", 1)
    day = refused["modtaget"][:10]
    place = f"fejl/{day}/{refused['ledger_id']}"
    listed = system.sftp(f"ls -1 {place}").stdout
    assert {"LAES-MIG.txt", document.name, sidecar.name} <= {line.rpartition("/")[2].strip() for line in listed.splitlines()}
    fields = json.loads(sidecar.read_text(encoding="utf-8"))
    sidecar.write_text(json.dumps({**fields, "tilladsvar": "nej"}), encoding="utf-8")
    assert system.sftp(f"put {sidecar.name} {place}/", f"rename {place}/{sidecar.name} {place}/{sidecar.name}.ret").returncode == 0
    again = _wait(lambda: [drop for drop in system.demo.json("drops", "list")["drops"] if drop["base"].startswith("ret.D-")])[0]
    assert system.wait_for(again["base"], "slut")["status"] == "completed"


def test_a_killed_upload_is_never_taken_and_may_be_gone_on_with(system):
    document, sidecar = system.pair("afbrudt")
    large = PdfWriter()
    large.add_blank_page(595, 842)
    large.add_metadata({"/Fyld": "fyld" * 500_000})
    with BytesIO() as made:
        large.write(made)
        whole = made.getvalue()
    document.write_bytes(whole)
    fields = json.loads(sidecar.read_text(encoding="utf-8"))
    fields["dokumenter"][0] |= {"bytes": len(whole), "sha256": hashlib.sha256(whole).hexdigest()}
    sidecar.write_text(json.dumps(fields), encoding="utf-8")
    command = ["sftp", "-q", "-l", "4000", "-P", system.port, *system.options, "-b", "-", f"{system.at['user']}@127.0.0.1"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=system.work, start_new_session=True) as client:
        assert client.stdin is not None
        client.stdin.write(f"put {document.name} ind/\n".encode())
        client.stdin.flush()
        _wait(lambda: document.name in system.waiting())
        time.sleep(0.7)
        os.killpg(client.pid, signal.SIGKILL)
    assert system.sftp(f"put {sidecar.name} ind/").returncode == 0
    time.sleep(3)
    assert not system.answers("afbrudt")
    assert system.sftp(f"reput {document.name} ind/{document.name}").returncode == 0
    end = system.wait_for("afbrudt", "slut")
    assert end["dokumenter"][0]["sha256"] == hashlib.sha256(whole).hexdigest()


def test_ctrl_c_in_the_client_closes_a_cut_file_which_is_not_taken(system):
    document, sidecar = system.pair("ctrlc", content=sample_pdf("x"))
    fields = json.loads(sidecar.read_text(encoding="utf-8"))
    del fields["dokumenter"]
    sidecar.write_text(json.dumps(fields), encoding="utf-8")
    content = document.read_bytes()
    cut = content[: len(content) // 2]

    async def interrupted() -> None:
        """What OpenSSH's sftp sends when it is interrupted: the file half written, and a CLOSE like any other."""
        login = {"username": system.at["user"], "client_keys": [system.at["key"]], "known_hosts": system.at["known_hosts"]}
        async with (
            asyncssh.connect("127.0.0.1", int(system.port), **login) as connection,
            connection.start_sftp_client() as client,
            client.open("ind/ctrlc.pdf", "wb") as file,
        ):
            await file.write(cut)

    asyncio.run(interrupted())
    system.sftp(f"put {sidecar.name} ind/")
    time.sleep(4)
    assert not system.answers("ctrlc")
    assert system.sftp("reput ctrlc.pdf ind/ctrlc.pdf").returncode == 0
    end = system.wait_for("ctrlc", "slut")
    assert end["dokumenter"][0]["sha256"] == hashlib.sha256(content).hexdigest()


def test_a_temporary_name_counts_when_it_becomes_the_final_one(system):
    document, sidecar = system.pair("omdoebt")
    fields = json.loads(sidecar.read_text(encoding="utf-8"))
    del fields["dokumenter"]
    sidecar.write_text(json.dumps(fields), encoding="utf-8")
    system.sftp(f"put {sidecar.name} ind/", f"put {document.name} ind/{document.name}.filepart")
    assert not system.answers("omdoebt")
    done = system.sftp(f"rename ind/{document.name}.filepart ind/{document.name}", f"chmod 644 ind/{document.name}")
    assert done.returncode == 0, done.stderr
    assert system.wait_for("omdoebt", "slut")["status"] == "completed"
    assert system.sftp(f"rm ind/{document.name}").returncode != 0


@pytest.mark.parametrize(
    "request_",
    ["symlink /etc/passwd ind/x", "ln ind/a ind/b", "get ../../../etc/passwd", "get /etc/hostname", "mkdir kvittering/x", "put x.txt kvittering/",
     "put x.txt skabelon/", "put x.txt ../x", "rename ind/a kvittering/a", "mkdir ind/a/b/c", "get ind/..", "rm kvittering/OVERBLIK.csv"],
)  # fmt: skip
def test_nothing_outside_the_tree_exists_and_its_rooms_keep_their_rights(system, request_):
    (system.work / "x.txt").write_text("x")
    assert system.sftp(request_).returncode != 0


def test_a_trial_sends_nothing_and_shows_what_would_be(system):
    before = system.demo.json("log", "list")["submissions"]
    for file in system.pair("proev"):
        system.sftp(f"put {file.name} proeve/")
    told = system.wait_for("proev", "proeve")
    (letter,) = told["proeve"]["letters"][0]["letters"]
    assert (letter["recipient"], letter["reach"], letter["sees"]["emne"]) == ("010101-xxxx", "registered", "Brev proev")
    assert [action["kind"] for action in letter["actions"]] == ["send", "archive"]
    assert {one["id"] for one in system.demo.json("log", "list")["submissions"]} == {one["id"] for one in before}


def test_ssh_audit_fails_nothing(system):
    done = subprocess.run(["ssh-audit", "-n", "-p", system.port, "127.0.0.1"], capture_output=True, text=True, timeout=60, check=False)
    assert "[fail]" not in done.stdout
    assert "aes256-gcm" in done.stdout


def test_three_hundred_silent_connections_and_a_guesser_keep_nobody_out(system):
    assert system.demo.gateway("account", "add", "kode", "--password", typed="Ret-hemmelig-1\n").returncode == 0
    silent = [socket.create_connection(("127.0.0.1", int(system.port)), 10) for _ in range(300)]
    url = f"sftp://127.0.0.1:{system.port}/ind/"
    guesses: list[int] = []
    over = threading.Event()

    def guess() -> None:
        """As fast as the server lets him, from the address that the others come from."""
        while not over.is_set():
            password = f"forkert-{len(guesses)}"
            guesses.append(subprocess.run(["curl", "-sk", "-u", f"kode:{password}", "--max-time", "20", url], capture_output=True, timeout=30, check=False).returncode)

    guesser = threading.Thread(target=guess)
    guesser.start()
    try:
        for file in system.pair("trods-stoej"):
            assert system.sftp(f"put {file.name} ind/").returncode == 0
        assert system.wait_for("trods-stoej", "slut")["status"] == "completed"
    finally:
        over.set()
        for one in silent:
            one.close()
        guesser.join(40)
    assert guesses
    assert 0 not in guesses


def test_an_account_with_a_password_may_drop_with_it(system):
    assert system.demo.gateway("account", "add", "adgang", "--password", typed="Ret-hemmelig-2\n").returncode == 0
    files = system.pair("med-kode")

    def put(password: str, file: Path) -> int:
        """Not from the guesser's address (the test before): from there only keys are let in for a while."""
        url = f"sftp://127.0.0.1:{system.port}/ind/{file.name}"
        command = ["curl", "-sk", "--interface", "127.0.0.2", "-u", f"adgang:{password}", "-T", file.name, url]
        return subprocess.run(command, capture_output=True, timeout=60, cwd=system.work, check=False).returncode

    assert put("forkert", files[0]) == 67
    assert [put("Ret-hemmelig-2", file) for file in files] == [0, 0]
    (drop,) = _wait(lambda: system.demo.json("drops", "list", "--account", "adgang")["drops"])
    assert (drop["base"], [item["outcome"] for item in drop["items"]]) == ("med-kode", ["new"])


# ── the watched folder ──────────────────────────────────────────────────────


def test_a_folder_takes_a_pair_answers_it_and_leaves_the_originals_in_arkiv(system):
    root = Path(system.demo.endpoints["folder"]["path"])
    for file in system.pair("mappe"):
        (root / "ind" / file.name).write_bytes(file.read_bytes())
    answer = root / "kvittering" / "mappe.3-slut.json"
    _wait(answer.exists)
    assert json.loads(answer.read_text(encoding="utf-8"))["status"] == "completed"
    assert not any(file.name.startswith("mappe") for file in (root / "ind").iterdir())
    assert len(list((root / "arkiv").rglob("mappe.*"))) == 2


def test_a_link_in_the_folder_is_not_followed_and_a_pipe_not_opened(system):
    root = Path(system.demo.endpoints["folder"]["path"])
    (root / "ind" / "link.pdf").symlink_to("/etc/hostname")
    os.mkfifo(root / "ind" / "pibe.pdf")
    for file in system.pair("efter-link"):
        (root / "ind" / file.name).write_bytes(file.read_bytes())
    _wait((root / "kvittering" / "efter-link.3-slut.json").exists)
    assert (root / "ind" / "link.pdf").is_symlink()


def test_a_share_that_goes_away_and_comes_back_is_not_all_new(system):
    root = Path(system.demo.endpoints["folder"]["path"])
    away = root.with_name("mappe-vaek")
    _wait((root / ".digitalpost-gateway").exists)
    root.rename(away)
    root.mkdir()  # an empty place, as an unmounted share leaves it
    _wait(lambda: any(one["share"] == "lost" for one in system.demo.json("drops", "health")["accounts"]))
    assert list(root.iterdir()) == []
    before = len(system.demo.json("drops", "list", "--account", "demo-mappe")["drops"])
    root.rmdir()
    away.rename(root)
    _wait(lambda: all(one["share"] != "lost" for one in system.demo.json("drops", "health")["accounts"]))
    time.sleep(2)
    assert len(system.demo.json("drops", "list", "--account", "demo-mappe")["drops"]) == before


def test_a_rejected_drop_of_the_folder_is_mended_there(system):
    root = Path(system.demo.endpoints["folder"]["path"])
    document, sidecar = system.pair("skaev", tilladsvar="måske")
    for file in (document, sidecar):
        (root / "ind" / file.name).write_bytes(file.read_bytes())
    (place,) = _wait(lambda: [folder for folder in (root / "fejl").glob("*/D-*") if (folder / sidecar.name).exists() and (folder / "LAES-MIG.txt").exists()])
    _wait((root / "kvittering" / "skaev.2-afvist.json").exists)
    mended = place / f"{sidecar.name}.ret"
    fields = json.loads(sidecar.read_text(encoding="utf-8"))
    (place / sidecar.name).write_text(json.dumps({**fields, "tilladsvar": "ja"}), encoding="utf-8")
    (place / sidecar.name).rename(mended)
    _wait(lambda: list((root / "kvittering").glob("skaev.D-*.3-slut.json")))
    assert not place.exists()


def _wait(look):
    return wait_for(look, "the drop")
