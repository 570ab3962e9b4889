"""The first whole road, as its users walk it: swaks, the command line, the sink's mailbox."""

from __future__ import annotations

import hashlib
import json
import subprocess
from email import message_from_bytes, policy
from pathlib import Path

import pytest

CPR = "0101011234"


@pytest.fixture(scope="module")
def letter(tmp_path_factory, demo):
    """A PDF nobody has seen before."""
    file = tmp_path_factory.mktemp("letter") / "brev.pdf"
    from gateway.cli.demo_letter import sample_pdf

    file.write_bytes(sample_pdf("Et helt almindeligt brev"))
    return file


def swaks(demo, letter: Path, to: str, subject: str, *more: str) -> subprocess.CompletedProcess[str]:
    smtp = demo.endpoints["smtp"]
    return subprocess.run(
        [
            "swaks", "--server", f"{smtp['host']}:{smtp['port']}", "--tls",
            "--tls-verify", "--tls-ca-path", smtp["ca"], "--tls-sni", "localhost",
            "--auth", "PLAIN", "--auth-user", smtp["user"], "--auth-password", smtp["password"],
            "--from", "sekretaer@example.dk", "--to", to,
            "--header", f"Subject: {subject}", "--body", "Se vedhæftet.",
            "--attach-type", "application/pdf", "--attach-name", "brev.pdf", "--attach", f"@{letter}",
            *more,
        ],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def submission_in(transcript: str) -> str:
    line = next(line for line in transcript.splitlines() if "F-20" in line)
    return next(word for word in line.split() if word.startswith("F-20"))


def test_a_mailed_pdf_lies_in_the_citizens_digital_post(demo, letter, wait_for, tmp_path):
    domain = demo.endpoints["smtp"]["domain"]
    sent = swaks(demo, letter, f"{CPR}@{domain}", "Indkaldelse til samtale [sag:2026-0417]")
    assert sent.returncode == 0, sent.stdout + sent.stderr
    submission = submission_in(sent.stdout)

    seen: list[str] = []

    def finished():
        found = demo.json("log", "show", submission)
        if not seen or seen[-1] != found["status"]:
            seen.append(found["status"])
        done = found["status"] == "completed" and found["letters"][0]["archive"] == "archived"
        return found if done and len(found["letters"][0]["receipts"]) == 2 else None

    found = wait_for(finished, "the letter to be completed", 12)
    order = ["received", "queued", "sent", "completed"]
    assert seen == [status for status in order if status in seen]
    only = found["letters"][0]
    assert only["recipient"] == "010101-xxxx"
    assert [attempt["outcome"] for attempt in only["attempts"]] == ["taken"]
    assert [(r["kind"], r["verdict"]) for r in only["receipts"]] == [
        ("technical", "received"), ("business", "completed"),
    ]  # fmt: skip

    inbox = demo.json("sandbox", "inbox", CPR)["messages"]
    mine = next(message for message in inbox if message["uuid"] == only["uuid"])
    assert mine["title"] == "Indkaldelse til samtale"
    assert [file["name"] for file in mine["files"]] == ["brev.pdf"]
    assert Path(mine["files"][0]["path"]).read_bytes() == letter.read_bytes()
    assert mine["files"][0]["sha256"] == hashlib.sha256(letter.read_bytes()).hexdigest()

    def exported():
        folder = tmp_path / "sag"
        done = demo.gateway("archive", "export", "2026-0417", str(folder))
        assert done.returncode == 0, done.stderr
        files = sorted(file.name for file in folder.rglob("*") if file.is_file())
        if any(name.startswith("kvittering-2") for name in files):
            return folder, files
        for file in sorted(folder.rglob("*"), reverse=True):
            file.unlink() if file.is_file() else file.rmdir()
        folder.rmdir()
        return None

    folder, files = wait_for(exported, "the receipt to be archived", 10)
    assert "brev.pdf" in files
    assert "SHA256SUMS" in files
    checked = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=folder, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stdout
    receipts = [json.loads(file.read_bytes()) for file in sorted(folder.rglob("kvittering-*.json"))]
    assert receipts[-1]["receiptStatus"] == "COMPLETED"
    assert receipts[-1]["messageUUID"] == only["uuid"]

    def told():
        mails = [
            message_from_bytes(file.read_bytes(), policy=policy.default)
            for file in Path(demo.endpoints["sink"]["maildir"]).joinpath("new").iterdir()
        ]
        return next((m for m in mails if str(m["Subject"]).startswith("Leveret: Indkaldelse")), None)

    mail = wait_for(told, "the sender to be told", 10)
    assert mail["To"] == "sekretaer@example.dk"
    assert mail["Auto-Submitted"] == "auto-replied"
    text = mail.get_body(("plain",)).get_content()
    assert "✓✓" in text
    assert submission in text
    assert "010101-xxxx" in text
    assert CPR not in mail.as_string()
    why = demo.json("why", submission)
    assert why["letters"][0]["decisions"][0]["trail"]


def test_a_cpr_number_in_the_subject_is_never_sent(demo, letter, wait_for):
    domain = demo.endpoints["smtp"]["domain"]
    sent = swaks(demo, letter, f"0202021234@{domain}", "Om 020202-1234")
    submission = submission_in(sent.stdout)
    found = wait_for(
        lambda: (found := demo.json("log", "show", submission))["status"] == "rejected" and found,
        "the mail to be rejected",
    )
    assert found["letters"] == []
    assert demo.json("sandbox", "inbox", "0202021234")["messages"] == []
    assert "020202-1234" not in json.dumps(found)


def test_an_exempt_recipient_waits_for_a_person(demo, letter, wait_for):
    domain = demo.endpoints["smtp"]["domain"]
    assert demo.gateway("sandbox", "dial", "exempt=0303031234").returncode == 0
    sent = swaks(demo, letter, f"0303031234@{domain}", "Til en fritaget")
    submission = submission_in(sent.stdout)
    found = wait_for(
        lambda: (found := demo.json("log", "show", submission))["status"] == "held" and found,
        "the letter to be held",
    )
    assert found["letters"][0]["send"] == "held"
    unhandled = demo.json("log", "list", "--unhandled")["submissions"]
    assert submission in [item["id"] for item in unhandled]
    refused = demo.gateway("discard", submission)
    assert refused.returncode == 2
    assert demo.gateway("handled", submission, "--reason", "sendt på papir").returncode == 0
    assert demo.json("log", "show", submission)["status"] == "handled"


def test_several_recipients_and_a_copy_each_get_their_own_letter(demo, letter, wait_for):
    domain = demo.endpoints["smtp"]["domain"]
    to = f"0404041234@{domain},0505051234@{domain},12345674@{domain}"
    sent = swaks(
        demo, letter, to, "Til flere",
        "--header", f"To: 0404041234@{domain}, 0505051234@{domain}",
        "--header", f"Cc: 12345674@{domain}",
    )  # fmt: skip
    submission = submission_in(sent.stdout)
    found = wait_for(
        lambda: (found := demo.json("log", "show", submission))["status"] == "completed" and found,
        "three letters to be completed",
    )
    assert [letter["recipient"] for letter in found["letters"]] == ["040404-xxxx", "050505-xxxx", "12345674"]
    copies = demo.json("sandbox", "inbox", "12345674")["messages"]
    assert [message["title"] for message in copies] == ["Kopi: Til flere"]


def test_the_same_mail_handed_over_twice_is_one_letter(demo, letter, wait_for):
    domain = demo.endpoints["smtp"]["domain"]
    same = ("--header", "Message-ID: <en-og-samme@example.dk>", "--header", "Date: Wed, 25 Nov 2026 10:00:00 +0100")
    file = letter.with_name("mail.eml")
    first = swaks(demo, letter, f"0606061234@{domain}", "Én gang", *same, "--dump-mail")
    file.write_text(first.stdout)
    sent = swaks(demo, letter, f"0606061234@{domain}", "ignored", "--data", f"@{file}")
    again = swaks(demo, letter, f"0606061234@{domain}", "ignored", "--data", f"@{file}")
    assert submission_in(sent.stdout) == submission_in(again.stdout)
    wait_for(
        lambda: demo.json("log", "show", submission_in(sent.stdout))["status"] == "completed",
        "the letter to be completed",
    )
    assert len(demo.json("sandbox", "inbox", "0606061234")["messages"]) == 1


def test_a_letter_from_the_command_line_takes_its_number_from_stdin(demo, letter, wait_for):
    done = demo.gateway("send", str(letter), "--title", "Fra terminalen", typed="0707071234\n")
    assert done.returncode == 0, done.stderr
    wait_for(
        lambda: demo.json("sandbox", "inbox", "0707071234")["messages"],
        "the letter to arrive",
    )
    refused = demo.gateway("send", str(letter), "--title", "x", "--to", "0707071234")
    assert refused.returncode == 5


def test_the_demo_ends_cleanly_and_goes_on_where_it_was(tmp_path, start_demo):
    demo = start_demo(tmp_path / "home")
    done = demo.gateway("demo", "letter")
    assert "Afsluttet ✓✓" in done.stdout, done.stdout + done.stderr
    assert demo.stop() == 0
    assert not (demo.home / "endpoints.json").exists()
    again = start_demo(tmp_path / "home")
    assert len(again.json("log", "list")["submissions"]) == 1
    assert again.stop() == 0
