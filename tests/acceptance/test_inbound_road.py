"""Post to us in the running demo: from an authority to the department's mailbox, and through kills on the way."""

from __future__ import annotations

import email
import email.policy
import random
import signal
import smtplib
import ssl
import time
from collections import Counter
from pathlib import Path

import httpx2
import pytest

from gateway.cli.demo import CVR

from .conftest import _end, _start_demo

PATIENCE_SECONDS = 300
ROUNDS = 2
"""Of the realistic messages, each ended by a kill."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory, official_schema):
    """A demo for this module; at the end what its authorities wrote is held against the schema."""
    running = _start_demo(tmp_path_factory.mktemp("demo") / "home")
    yield running
    _end([running])
    posted = list((running.home / "sandbox" / "posted").glob("*/memo.xml"))
    assert posted
    if official_schema is not None:
        answers = list((running.home / "sandbox" / "inboxes").rglob("memo.xml"))
        assert [official_schema(memo, "1.1") for memo in (*posted, *answers)] == [None] * len(posted + answers)


def test_post_about_tax_is_mailed_to_the_department_archived_and_confirmed(demo):
    uuid = demo.gateway("sandbox", "post", "--to-cvr", CVR, "--title", "Skattekontoen er opdateret", "--reply").stdout.strip()
    mail = wait_for(lambda: mails(demo.home).get(uuid))
    assert (mail["To"], mail["Subject"]) == (demo.endpoints["inbound"]["departments"]["oekonomi"], "[Digital Post] Skattekontoen er opdateret")
    assert [part.get_filename() for part in mail.iter_attachments()] == ["Skattekontoen er opdateret.pdf"]
    message = wait_for(lambda: shown(demo, uuid) if shown(demo, uuid)["forwards"][1]["state"] == "done" else None)
    assert (message["status"], message["department"]) == ("distributed", "oekonomi")
    (posted,) = [one for one in demo.json("sandbox", "posted")["messages"] if one["uuid"] == uuid]
    assert (posted["state"], posted["listed"], len(posted["receipts"])) == ("COMPLETED", False, 1)
    why = demo.gateway("why", message["id"]).stdout
    assert "decided by tax-or-production-unit" in why
    assert "subject contains skat: yes" in why
    case = next(one["number"] for one in demo.json("archive", "list")["cases"] if one["number"].startswith("POST-"))
    items = demo.json("archive", "show", case)["items"]
    files = next(item for item in items if item["letter_id"] == message["id"])["files"]
    assert [file["role"] for file in files] == ["message", "main"]


def test_post_nobody_decides_about_waits_in_indbakke_until_a_person_assigns_it(demo):
    uuid = demo.gateway("sandbox", "post", "--to-cvr", CVR, "--title", "Indkaldelse til syn").stdout.strip()
    message = wait_for(lambda: shown(demo, uuid))
    message = wait_for(lambda: found if (found := shown(demo, uuid))["status"] == "inbox" else None)
    assert uuid not in mails(demo.home)
    assert demo.gateway("inbound", "assign", message["id"], "ingen").returncode == 4
    assert demo.gateway("inbound", "assign", message["id"], "kontor").returncode == 0
    suggested = demo.gateway("inbound", "suggest", message["id"], "kontor")
    assert suggested.returncode == 0, suggested.stderr
    assert 'then = [ { forward = "kontor" } ]' in suggested.stdout
    assert "lie there now." in suggested.stdout
    mail = wait_for(lambda: mails(demo.home).get(uuid))
    assert mail["To"] == "kontor@eksempelby-gym.dk"
    assert demo.gateway("inbound", "show", message["id"], "--save", str(demo.home / "gemt")).returncode == 0
    assert {file.name for file in (demo.home / "gemt").iterdir()} == {"besked.memo.xml", "Indkaldelse til syn.pdf"}
    assert shown(demo, uuid)["status"] == "opened"
    assert demo.gateway("inbound", "done", message["id"]).returncode == 0
    assert demo.gateway("inbound", "return", message["id"], "--reason", "alligevel ikke").returncode == 0
    assert shown(demo, uuid)["status"] == "inbox"
    listed = demo.gateway("inbound", "list", "--status", "inbox").stdout
    assert message["id"] in listed


def test_a_department_that_gets_links_opens_its_post_with_a_code(demo):
    uuid = demo.gateway("sandbox", "post", "--to-cvr", CVR, "--title", "Fortroligt om ledelsen").stdout.strip()
    message = wait_for(lambda: shown(demo, uuid))
    assert demo.gateway("inbound", "assign", message["id"], "ledelse").returncode == 0
    mail = wait_for(lambda: mails(demo.home).get(uuid))
    assert "Fortroligt" not in mail.as_string()
    (link,) = {word for word in mail.get_body(("plain",)).get_content().split() if word.startswith("https://")}
    link = link.replace("127.0.0.1", "localhost")
    with httpx2.Client(verify=ssl.create_default_context(cafile=demo.endpoints["smtp"]["ca"]), timeout=20) as browser:
        assert "r…@eksempelby-gym.dk" in browser.get(link).text
        browser.post(f"{link}/kode")
        code = wait_for(lambda: code_in(demo.home))
        assert browser.post(f"{link}/aabn", data={"code": code}).status_code == 303
        assert "Fortroligt om ledelsen" in browser.get(f"{link}/post").text
        assert browser.get(f"{link}/fil/0").content.startswith(b"%PDF-")
        assert browser.post(f"{link}/behandlet").status_code == 200
    assert shown(demo, uuid)["status"] == "done"


def code_in(home: Path):
    """The code of the latest mail that holds one."""
    found = [email.message_from_bytes(file.read_bytes(), policy=email.policy.default) for file in (home / "sink").rglob("new/*")]
    codes = [mail.get_body(("plain",)).get_content().split()[2] for mail in found if mail["Subject"] == "Kode til Digital Post"]
    return codes[-1] if codes else None


def test_a_mail_that_comes_back_reopens_it_and_the_distributors_hear_of_it(demo):
    uuid = demo.gateway("sandbox", "post", "--to-cvr", CVR, "--title", "Skat, der kommer retur").stdout.strip()
    mail = wait_for(lambda: mails(demo.home).get(uuid))
    (file,) = [one for one in (demo.home / "sink").rglob("new/*") if uuid.encode() in one.read_bytes()]
    returned = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)["Return-Path"].strip("<>")
    for action, status in (("delayed", "distributed"), ("failed", "inbox")):
        report = (
            f"From: MAILER-DAEMON@example.dk\r\nTo: {returned}\r\nSubject: Undelivered\r\nMessage-ID: <{action}@example.dk>\r\n"
            "MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n"
            "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.dk\r\n\r\n"
            f"Final-Recipient: rfc822; oekonomi@eksempelby-gym.dk\r\nAction: {action}\r\nStatus: 5.1.1\r\n\r\n--b--\r\n"
        )
        hand_over(demo, report.encode(), sender="", to=returned)
        wait_for(lambda: any(f'"{word}"' in (demo.home / "gateway.log").read_text() for word in ("ignored",)))
        wait_for(lambda status=status: shown(demo, uuid)["status"] == status)
    told = wait_for(lambda: [one for one in all_mails(demo.home).get(uuid, []) if one["To"] == "postfordeling@eksempelby-gym.dk"])
    assert "kom retur (5.1.1)" in told[0].get_body(("plain",)).get_content()
    assert mail["Subject"].startswith("[Digital Post]")


def test_writing_back_that_it_is_the_wrong_department_returns_it(demo):
    uuid = demo.gateway("sandbox", "post", "--to-cvr", CVR, "--title", "Skat til en anden").stdout.strip()
    mail = wait_for(lambda: mails(demo.home).get(uuid))
    (address,) = {word.strip(",.") for word in mail.get_body(("plain",)).get_content().split() if word.startswith("forkert+")}
    hand_over(demo, f"From: oekonomi@eksempelby-gym.dk\r\nTo: {address}\r\nSubject: Forkert\r\n\r\nIkke os\r\n".encode(), to=address)
    wait_for(lambda: shown(demo, uuid)["status"] == "inbox")
    assert [line["verb"] for line in shown(demo, uuid)["history"]][-1] == "returned"


def test_post_that_is_pushed_to_us_goes_the_same_way(demo):
    url = demo.endpoints["push"]["url"]
    done = demo.gateway("sandbox", "post", "--to-cvr", CVR, "--title", "Skat ved døren", "--push", url)
    assert done.returncode == 0, done.stderr
    uuid = done.stdout.strip()
    mail = wait_for(lambda: mails(demo.home).get(uuid))
    assert mail["Subject"] == "[Digital Post] Skat ved døren"
    (posted,) = wait_for(lambda: [one for one in demo.json("sandbox", "posted")["messages"] if one["uuid"] == uuid and one["state"] == "COMPLETED"])
    assert (len(posted["receipts"]), shown(demo, uuid)["mailbox"]) == (1, "virk-push")
    assert demo.gateway("sandbox", "post", "--to-cvr", CVR, "--push", url.replace("virk-push", "ingen")).returncode == 1


def test_an_answer_by_mail_goes_back_as_digital_post_and_quotes_nothing_internal(demo):
    uuid = demo.gateway("sandbox", "post", "--to-cvr", CVR, "--from", "19552101", "--title", "Skat spørger", "--reply").stdout.strip()
    mail = wait_for(lambda: mails(demo.home).get(uuid))
    assert mail["Reply-To"].startswith("svar+")
    quoted = mail.get_body(("plain",)).get_content().replace("\n", "\r\n")
    answer = (
        f"From: oekonomi@eksempelby-gym.dk\r\nTo: {mail['Reply-To']}\r\nSubject: SV: {mail['Subject']}\r\n"
        "Message-ID: <svar@example.dk>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 8bit\r\n\r\nVi har indberettet i går.\r\n\r\nMvh. Økonomi\r\n\r\n"
        "________________________________\r\nFra: Digital Post\r\nSendt: 28. november 2026 10:12\r\nTil: Økonomi\r\n"
        f"Emne: {mail['Subject']}\r\n\r\n{quoted}"
    )
    hand_over(demo, answer.encode(), to=mail["Reply-To"])
    (message,) = wait_for(lambda: [one for one in demo.json("sandbox", "inbox", "19552101")["messages"] if one["title"] == "SV: Skat spørger"])
    (file,) = message["files"]
    assert Path(file["path"]).read_text(encoding="utf-8") == "Vi har indberettet i går.\n\nMvh. Økonomi"
    memo = next(one for one in (demo.home / "sandbox" / "inboxes").rglob("memo.xml") if b"SV: Skat sp" in one.read_bytes()).read_text()
    assert f"<memo:ReplyData><memo:messageUUID>{uuid}</memo:messageUUID></memo:ReplyData>" in memo
    history = shown(demo, uuid)["history"]
    assert [line["verb"] for line in history][-1] == "answered"
    assert demo.json("log", "show", history[-1]["reason"])["status"] in ("sent", "completed", "queued")


def test_an_answer_nobody_takes_is_refused_and_its_writer_hears_why(demo):
    uuid = demo.gateway("sandbox", "post", "--to-cvr", CVR, "--title", "Skat vil intet høre").stdout.strip()
    mail = wait_for(lambda: mails(demo.home).get(uuid))
    assert mail["Reply-To"] is None
    (address,) = {word.strip(",.") for word in mail.get_body(("plain",)).get_content().split() if word.startswith("forkert+")}
    address = address.replace("forkert+", "svar+")
    answer = f"From: oekonomi@eksempelby-gym.dk\r\nTo: {address}\r\nSubject: SV\r\nMessage-ID: <svar2@example.dk>\r\n\r\nHej\r\n"
    hand_over(demo, answer.encode(), to=address)
    refused = wait_for(lambda: [one for one in demo.json("log", "list", "--status", "rejected")["submissions"] if one["refusal"]["code"] == "GW-257"])
    assert "tager ikke imod svar" in refused[0]["refusal"]["sentence"]


def test_post_of_authorities_goes_exactly_once_through_kills(start_demo, tmp_path):
    home = tmp_path / "home"
    demo = start_demo(home)
    uuids: list[str] = []
    rng = random.Random("inbound")
    for _ in range(ROUNDS):
        uuids += demo.gateway("sandbox", "post", "--to-cvr", CVR, "--realistic").stdout.split()
        time.sleep(rng.uniform(0.2, 2.0))
        demo.stop(signal.SIGKILL)
        (home / "endpoints.json").unlink(missing_ok=True)
        demo = start_demo(home)
    assert len(set(uuids)) == ROUNDS * 40
    wait_for(lambda: all(one["state"] == "COMPLETED" for one in demo.json("sandbox", "posted")["messages"]))
    wait_for(lambda: all(done(message) for message in everything(demo)))
    found = everything(demo)
    assert Counter(message["uuid"] for message in found) == Counter(uuids)
    assert {message["status"] for message in found} == {"distributed", "inbox"}
    forwarded = {message["uuid"] for message in found if message["status"] == "distributed"}
    arrived = Counter(
        uuid
        for uuid, copies in all_mails(home).items()
        for _ in {mail["Message-ID"] for mail in copies}
    )
    assert arrived == Counter(forwarded)


def hand_over(demo, mail, *, to, sender="oekonomi@eksempelby-gym.dk"):
    smtp = demo.endpoints["smtp"]
    with smtplib.SMTP(smtp["host"], smtp["port"], timeout=20) as server:
        server.starttls(context=ssl.create_default_context(cafile=smtp["ca"]))
        server.login(smtp["user"], smtp["password"])
        server.sendmail(sender, [to], mail)


def done(message):
    return message["status"] != "new" and message["confirmed_at"] is not None


def everything(demo):
    return demo.json("inbound", "list", "--limit", "1000")["messages"]


def shown(demo, uuid):
    found = [one for one in demo.json("inbound", "list", "--limit", "1000")["messages"] if one["uuid"] == uuid]
    return demo.json("inbound", "show", found[0]["id"]) if found else None


def mails(home: Path):
    return {uuid: copies[-1] for uuid, copies in all_mails(home).items()}


def all_mails(home: Path):
    """What departments got, by the UUID of the message."""
    found: dict[str, list[email.message.EmailMessage]] = {}
    for file in sorted((home / "sink").rglob("new/*")):
        mail = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
        if mail["X-DigitalPost-Message-Id"]:
            found.setdefault(mail["X-DigitalPost-Message-Id"], []).append(mail)
    return found


def wait_for(look):
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        found = look()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError("it did not happen in time")
