"""One merged PDF through the running demo: by mail and by SFTP, approved by a second person, killed on the way.

``MERGED_LETTERS`` sets how many letters the file has, 3,000 are what a school sends at once, and ``MERGED_KILLS`` how
often the process dies on the way.
"""

from __future__ import annotations

import json
import os
import random
import signal
import smtplib
import ssl
import time
from collections import Counter
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import make_msgid

import pytest
from pypdf import PdfReader
from sftp_clients import System

from gateway.cli.demo_letter import made_up_numbers, merged_pdf
from gateway.errors import NotFound

LETTERS = int(os.environ.get("MERGED_LETTERS", "200"))
KILLS = int(os.environ.get("MERGED_KILLS", "4"))
PATIENCE_SECONDS = 600


def test_each_recipient_gets_his_pages_and_nobody_elses(demo):
    letters = [(number, 1 + place % 3) for place, number in enumerate(made_up_numbers(12))]
    submission = mail(demo, merged_pdf(letters), to="send+flet")
    done(demo, submission)
    for number, pages in letters:
        (message,) = demo.json("sandbox", "inbox", number)["messages"]
        (file,) = message["files"]
        pdf = PdfReader(file["path"])
        text = "".join(page.extract_text() for page in pdf.pages)
        assert len(pdf.pages) == pages
        assert f"{number[:6]}-{number[6:]}" in text
        assert not [other for other, _ in letters if other != number and f"{other[:6]}-{other[6:]}" in text]
    shown = demo.json("batch", "show", submission)
    assert shown["completed"] == 12
    # The batch lies on the disk once: no letter is a file of its own.
    kept = {file.name for file in (demo.home / "vault").rglob("*") if len(file.name) == 64}
    assert not kept & {piece["digest"] for piece in shown["pieces"]}
    archived = demo.gateway("archive", "list")
    assert archived.returncode == 0


def test_the_same_file_again_is_not_sent_again_unless_somebody_means_it(demo):
    numbers = made_up_numbers(80)[70:74]
    content = merged_pdf([(number, 1) for number in numbers])
    first = mail(demo, content, to="send+flet")
    done(demo, first)
    second = mail(demo, content, to="send+flet")
    held = until(demo, second, lambda found: found["state"] == "held")
    assert (held["refusal"]["code"], first in held["refusal"]["sentence"]) == ("GW-333", True)
    assert len(demo.json("sandbox", "inbox", numbers[0])["messages"]) == 1
    assert demo.gateway("batch", "approve", second).returncode == 0
    done(demo, second)
    assert len(demo.json("sandbox", "inbox", numbers[0])["messages"]) == 2


def test_the_numbers_are_gone_where_that_is_asked_for(demo):
    numbers = made_up_numbers(40)[30:36]
    submission = mail(demo, merged_pdf([(number, 2) for number in numbers]), to="send+flet-uden-cpr")
    done(demo, submission)
    for number in numbers:
        (message,) = demo.json("sandbox", "inbox", number)["messages"]
        text = "".join(page.extract_text() for page in PdfReader(message["files"][0]["path"]).pages)
        assert number[6:] not in text
        assert "Din attest ligger her. Gem den." in text


def test_an_uncertain_file_waits_until_a_person_has_settled_it(demo):
    numbers = made_up_numbers(60)[50:54]
    content = merged_pdf([(numbers[0], 1), (numbers[1], 1), ("31029912", 1), (numbers[2], 1)])
    submission = mail(demo, content, to="send+flet")
    shown = until(demo, submission, lambda found: found["state"] == "held")
    assert shown["uncertain"] == 1
    assert "side 3" in shown["refusal"]["sentence"]
    assert demo.json("log", "show", submission)["letters"] == []
    typed = demo.gateway("batch", "assign", submission, "3", typed=f"{numbers[3]}\n")
    assert typed.returncode == 0, typed.stderr
    done(demo, submission)
    (message,) = demo.json("sandbox", "inbox", numbers[3])["messages"]
    assert message["title"] == "Attest"


def test_a_file_that_is_turned_down_sends_nothing_and_says_so(demo):
    submission = mail(demo, merged_pdf([(number, 1) for number in made_up_numbers(300)[120:250]]), to="send+flet")
    until(demo, submission, lambda found: found["state"] == "held")
    look = demo.home / "look"
    assert demo.gateway("batch", "show", submission, "--open", str(look)).returncode == 0
    assert len(list(look.glob("side-*.pdf"))) == 10
    assert demo.gateway("batch", "reject", submission, "--reason", "forkert fil").returncode == 0
    assert demo.json("log", "show", submission)["status"] == "rejected"
    again = demo.gateway("batch", "approve", submission)
    assert again.returncode == 5, again.stderr


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("way", ["mail", "sftp"])
def test_a_large_file_goes_exactly_once_through_kills(start_demo, tmp_path, way):
    home = tmp_path / "home"
    demo = start_demo(home)
    numbers = made_up_numbers(LETTERS)
    content = merged_pdf([(number, 1 + place % 3) for place, number in enumerate(numbers)])
    submission = mail(demo, content, to="send+flet") if way == "mail" else drop(demo, tmp_path, content)
    until(demo, submission, lambda found: found["state"] == "held")
    assert demo.gateway("batch", "approve", submission).returncode == 0
    # Three kills while one file is read hold it, and rightly so (GW-504).
    until(demo, submission, lambda found: found["state"] == "read")

    rng = random.Random(way)
    for _ in range(KILLS):
        time.sleep(rng.uniform(0.3, 3.0))
        demo.stop(signal.SIGKILL)
        (home / "endpoints.json").unlink(missing_ok=True)
        demo = start_demo(home)
    shown = done(demo, submission)

    assert (shown["completed"], shown["letters"]) == (LETTERS, LETTERS)
    sandbox = home / "sandbox"
    titles = Counter(json.loads(file.read_text())["number"] for file in (sandbox / "inboxes").rglob("message.json"))
    assert titles == Counter(numbers)
    assert (sandbox / "violations.jsonl").read_text() == ""
    accepted = [json.loads(line) for line in (sandbox / "accepted.jsonl").read_text().splitlines()]
    assert len({line["uuid"] for line in accepted}) == LETTERS
    assert all("container" in line for line in accepted)


def test_a_list_in_the_mail_says_whose_the_pages_are(demo):
    numbers = made_up_numbers(100)[90:93]
    content = merged_pdf([("0101011234", 6)])
    listed = "side;cpr;sider\r\n" + "".join(f"{2 * place + 1};{number};2\r\n" for place, number in enumerate(numbers))
    submission = mail(demo, content, to="send+flet-liste", beside=("liste.csv", listed.encode("cp1252")))
    done(demo, submission)
    for number in numbers:
        (message,) = demo.json("sandbox", "inbox", number)["messages"]
        assert len(PdfReader(message["files"][0]["path"]).pages) == 2
        assert len(message["files"]) == 1


def mail(demo, content, *, to, beside=None):
    smtp = demo.endpoints["smtp"]
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"] = "sekretaer@example.dk", f"{to}@{smtp['domain']}"
    message["Subject"], message["Message-ID"] = "Attest", make_msgid(domain="example.dk")
    message.set_content("Se vedhæftede samlefil.\n")
    message.add_attachment(content, maintype="application", subtype="pdf", filename="attester.pdf")
    if beside is not None:
        message.add_attachment(beside[1], maintype="text", subtype="csv", filename=beside[0])
    with smtplib.SMTP(smtp["host"], smtp["port"], timeout=30) as server:
        server.starttls(context=ssl.create_default_context(cafile=smtp["ca"]))
        server.login(smtp["user"], smtp["password"])
        server.mail(message["From"])
        server.rcpt(message["To"])
        code, reply = server.data(message.as_bytes())
    assert code == 250, reply
    return reply.decode("ascii").split()[1]


def drop(demo, folder, content):
    """By OpenSSH's sftp, with a sidecar that names the flow and no recipient."""
    system = System(demo, folder)
    (system.work / "attester.pdf").write_bytes(content)
    fields = {"version": 1, "forsendelses_id": "FLET-1", "emne": "Attest", "opdel": "flet"}
    (system.work / "attester.meta.json").write_text(json.dumps(fields), encoding="utf-8")
    assert system.sftp("put attester.pdf ind/", "put attester.meta.json ind/").returncode == 0
    until_time = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until_time:
        found = demo.json("batch", "list")["batches"]
        if found:
            return found[0]["id"]
        time.sleep(0.3)
    raise AssertionError(demo.gateway("drops", "list").stdout)


def until(demo, submission, reached):
    until_time = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until_time:
        try:
            shown = demo.json("batch", "show", submission)
        except NotFound:
            shown = None  # not read yet
        if shown is not None and reached(shown):
            return shown
        assert not shown or shown["stopped"] == 0, demo.gateway("log", "show", submission).stdout[-2000:]
        time.sleep(0.3)
    raise AssertionError(demo.gateway("log", "show", submission).stdout[-2000:])


def done(demo, submission):
    return until(demo, submission, lambda found: found["completed"] == found["letters"])
