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


@pytest.fixture(scope="module")
def delivered(demo, letter, wait_for):
    """One letter from mail to receipt: the view of its submission, and the statuses seen on the way."""
    domain = demo.endpoints["smtp"]["domain"]
    sent = swaks(demo, letter, f"{CPR}@{domain}", "Indkaldelse til samtale [sag:2026-0417]")
    assert sent.returncode == 0, sent.stdout + sent.stderr
    submission = submission_in(sent.stdout)
    seen: list[str] = []

    def finished():
        found = demo.json("log", "show", submission)
        if not seen or seen[-1] != found["status"]:
            seen.append(found["status"])
        states = [shipment["state"] for one in found["letters"] for shipment in one["shipments"]]
        return found if states == ["done"] * 3 else None

    return wait_for(finished, "the letter to be completed and archived"), seen


def test_a_mailed_pdf_goes_from_received_to_completed(delivered):
    found, seen = delivered
    order = ["received", "queued", "sent", "completed"]
    assert seen == [status for status in order if status in seen]
    assert found["status"] == "completed"
    (only,) = found["letters"]
    assert (only["recipient"], only["send"], only["archive"]) == ("010101-xxxx", "completed", "archived")
    assert [attempt["outcome"] for attempt in only["attempts"]] == ["taken"]
    assert [(receipt["kind"], receipt["verdict"]) for receipt in only["receipts"]] == [
        ("technical", "received"),
        ("business", "completed"),
    ]


def test_the_citizen_has_the_pdf_byte_for_byte(demo, letter, delivered):
    uuid = delivered[0]["letters"][0]["uuid"]
    inbox = demo.json("sandbox", "inbox", CPR)["messages"]
    mine = next(message for message in inbox if message["uuid"] == uuid)
    assert mine["title"] == "Indkaldelse til samtale"
    assert [file["name"] for file in mine["files"]] == ["brev.pdf"]
    assert Path(mine["files"][0]["path"]).read_bytes() == letter.read_bytes()
    assert mine["files"][0]["sha256"] == hashlib.sha256(letter.read_bytes()).hexdigest()


def test_the_case_exports_with_document_and_raw_receipt(demo, delivered, tmp_path):
    folder = tmp_path / "sag"
    done = demo.gateway("archive", "export", "2026-0417", str(folder))
    assert done.returncode == 0, done.stderr
    assert {file.name for file in folder.rglob("*.pdf")} == {"brev.pdf"}
    checked = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=folder, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stdout
    receipts = [json.loads(file.read_bytes()) for file in sorted(folder.rglob("kvittering-*.json"))]
    assert [receipt["receiptStatus"] for receipt in receipts] == ["RECEIVED", "COMPLETED"]
    assert {receipt["messageUUID"] for receipt in receipts} == {delivered[0]["letters"][0]["uuid"]}


def test_the_sender_is_told_in_danish(demo, delivered, wait_for):
    def told():
        mails = [
            message_from_bytes(file.read_bytes(), policy=policy.default)
            for file in Path(demo.endpoints["sink"]["maildir"]).joinpath("new").iterdir()
        ]
        return next((m for m in mails if str(m["Subject"]).startswith("Leveret: Indkaldelse")), None)

    mail = wait_for(told, "the sender to be told")
    assert mail["To"] == "sekretaer@example.dk"
    assert mail["Auto-Submitted"] == "auto-replied"
    text = mail.get_body(("plain",)).get_content()
    assert "✓✓ Brevet er leveret i modtagerens Digital Post" in text
    assert delivered[0]["id"] in text
    assert "010101-xxxx" in text
    assert CPR not in mail.as_string()


def test_why_names_the_rule_and_what_it_saw(demo, delivered):
    why = demo.json("why", delivered[0]["id"])
    (decision,) = why["letters"][0]["decisions"]
    assert decision["rule"] == "send-and-archive"
    assert decision["trail"][0]["when"]["seen"] == "registered"
    told = demo.gateway("why", delivered[0]["id"])
    assert "→ send digital-post" in told.stdout


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
