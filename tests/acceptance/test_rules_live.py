"""Rules in a running gateway: activated, replayed, explained by their own version, switched under load."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.demo_letter import sample_pdf
from gateway.model.rule_version import PastDecision
from gateway.model.submission import Arrival, Envelope, Submitter
from gateway.rules.bundle import Bundle
from gateway.storage.store import SqlLedger, open_ledger

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
NUMBERS = itertools.count(1)

RULES = """
[[rule]]
id = "wages"
name = "Lønsedler på personalesagen"
when = { field = "subject", starts = "Lønseddel" }
then = [ { send = "digital-post" }, { archive = "archive", case = "%s" } ]

[[rule.example]]
name = "En lønseddel"
facts = { subject = "Lønseddel november" }

[[rule]]
id = "rest"
name = "Resten"
then = [ { send = "digital-post" }, { archive = "archive" } ]

[[rule.example]]
name = "Et brev"
facts = { subject = "Brev" }
"""


@pytest.fixture(scope="module")
def ledger(demo: Any) -> Iterator[SqlLedger]:
    url = f"sqlite:///{demo.home / 'ledger.db'}"
    opened = open_ledger(url, lease=timedelta(minutes=1), retry_give_up=timedelta(hours=24))
    yield opened
    opened.close()


def hand_in(ledger: SqlLedger, title: str) -> str:
    """A letter, as `gateway send` hands it in; the submission's id."""
    number = next(NUMBERS)
    mail = EmailMessage(policy=SMTP)
    mail["Subject"], mail["From"], mail["To"] = title, "a@dp.example.dk", "0101011234@dp.example.dk"
    mail.set_content("")
    mail.add_attachment(sample_pdf(f"Letter {number}"), maintype="application", subtype="pdf", filename="brev.pdf")
    raw = mail.as_bytes()
    envelope = Envelope(
        channel="cli", submitter=Submitter(kind="cli", name="test"), recipients=("0101011234@dp.example.dk",),
        received_at=datetime.now(UTC),
    )  # fmt: skip
    arrival = Arrival(
        envelope=envelope, reference=f"{number}@example.dk", identity=hashlib.sha256(raw).hexdigest(),
        size_bytes=len(raw), raw=raw,
    )  # fmt: skip
    return ledger.add([arrival])[0].submission_id


def decided(ledger: SqlLedger, submission: str, wait_for: Any) -> PastDecision:
    (past,) = wait_for(lambda: ledger.decisions_of(submission), "the letter to be decided")
    return past


def written(home: Path, case: str) -> Path:
    """A rules folder beside the home."""
    folder = home / "rules"
    folder.mkdir(exist_ok=True)
    (folder / "rules.toml").write_text(RULES % case, encoding="utf-8")
    return folder


def test_the_whole_life_of_a_rule_set(demo, ledger, wait_for):
    folder = written(demo.home, "PERSONALE-A")
    assert demo.gateway("rules", "check", str(folder)).returncode == 0
    assert "2 examples, 0 failed." in demo.gateway("rules", "test", str(folder)).stdout
    made = demo.json("rules", "activate", str(folder), "--note", "Lønsedler for sig")
    assert (made["number"], made["state"], made["kind"]) == (2, "active", "activate")
    assert any(line.startswith("added    rule wages") for line in made["changes"])
    time.sleep(2)
    first = hand_in(ledger, "Lønseddel november")
    past = decided(ledger, first, wait_for)
    assert (past.decision.version, past.decision.rule) == (made["version"], "wages")

    written(demo.home, "PERSONALE-B")
    replayed = demo.json("rules", "replay", "--since", "1h", "--rules", str(folder))
    assert (replayed["same"], replayed["different"], replayed["unmatched"]) == (0, 1, 0)
    (group,) = replayed["groups"]
    assert (group["before"], group["after"]) == ("wages", "wages")
    assert group["samples"][0]["now"] == ["send digital-post", "archive archive case=PERSONALE-B"]
    told = demo.gateway("rules", "replay", "--rules", str(folder)).stdout
    assert "1 items: 0 same, 1 different, 0 newly unmatched." in told
    assert "subject starts lønseddel: yes, it was Lønseddel november" in told

    third = demo.json("rules", "activate", str(folder))
    then = "send digital-post, archive archive case=PERSONALE"
    assert third["changes"] == [f"changed  rule wages: then: {then}-A → {then}-B"]
    # As if a week had passed: what decides today is another version.
    why = demo.gateway("why", first).stdout
    assert f"decided by wages, rule set 2 ({made['version']})" in why
    assert "case=PERSONALE-A" in why
    assert "PERSONALE-B" not in why
    assert "✓ Lønsedler på personalesagen (wages)" in why
    as_json = demo.json("why", first)["letters"][0]["decisions"][0]
    assert (as_json["number"], as_json["trail"][0]["state"], as_json["trail"][0]["when"]["answer"]) == (2, "matched", True)

    assert demo.json("rules", "rollback")["number"] == 2
    listed = demo.json("rules", "versions")["activations"]
    assert [(one["number"], one["state"], one["kind"]) for one in listed] == [
        (2, "active", "rollback"), (3, "past", "activate"), (2, "past", "activate"), (1, "past", "first"),
    ]  # fmt: skip
    assert "PERSONALE-A" in demo.gateway("rules", "show", "2", "--file", "rules.toml").stdout
    assert "case=PERSONALE-B" in demo.gateway("rules", "diff", "2", "3").stdout


def test_rules_with_an_error_are_not_activated_and_say_where(demo, ledger):
    before = ledger.active_rules()
    folder = demo.home.parent / "broken"
    folder.mkdir()
    (folder / "rules.toml").write_text((RULES % "X").replace('"Lønseddel november"', '"Rykker"'), encoding="utf-8")
    done = demo.gateway("rules", "activate", str(folder))
    assert done.returncode == 3
    assert "rules.toml:8, rule wages: error: its example »En lønseddel« does not come out" in done.stderr
    assert ledger.active_rules() == before
    assert demo.gateway("rules", "test", str(folder)).returncode == 3


def test_a_mail_is_tried_without_anything_being_done(demo, ledger, tmp_path):
    mail = EmailMessage(policy=SMTP)
    mail["Subject"], mail["From"], mail["To"] = "Lønseddel maj", "a@dp.example.dk", "0101011234@dp.example.dk"
    mail.set_content("")
    mail.add_attachment(sample_pdf("x"), maintype="application", subtype="pdf", filename="brev.pdf")
    (tmp_path / "a.eml").write_bytes(mail.as_bytes())
    (tmp_path / "b.eml").write_bytes(mail.as_bytes().replace(b"0101011234", b"nobody"))
    count = len(ledger.list_submissions(limit=1000))
    tried = demo.json("rules", "try", str(tmp_path), "--rules", str(written(demo.home, "C")))
    first, second = tried["mails"]
    (letter,) = first["letters"]
    assert (letter["rule"], letter["recipient"]) == ("wages", "010101-xxxx")
    assert letter["actions"][1]["settings"] == [["case", "C"]]
    assert second["refusal"]["code"].startswith("GW-")
    shown = demo.gateway("rules", "try", str(tmp_path / "a.eml"), "--reach", "exempt").stdout
    assert "letter to 010101-xxxx: decided by hold-exempt" in shown, "gateway.toml names no rules: the built-in ones"
    assert len(ledger.list_submissions(limit=1000)) == count


def test_letters_are_decided_by_whole_sets_however_often_they_change(demo, ledger, wait_for):
    """Each set archives in a case of its own: half of one set and half of another would show."""
    sets = {}
    for number in range(5):
        bundle = Bundle(files={"a.toml": RULES % f"SET-{number}", "b.toml": f"[flows.flow{number}]\n"})
        ledger.keep_rules(bundle.files, version=bundle.version, author="test")
        sets[bundle.version] = number
    ledger.activate_rules(next(iter(sets)), author="test", kind="activate")
    wait_for(  # the set from before this test may decide until the gateway has seen the new one
        lambda: decided(ledger, hand_in(ledger, "Lønseddel"), wait_for).decision.version in sets, "the first set"
    )
    chance = random.Random(1)
    submissions = []
    until = time.monotonic() + 12
    while time.monotonic() < until:
        version = chance.choice([one for one in sets if one != ledger.active_rules()])
        ledger.activate_rules(version, author="test", kind="activate")
        submissions += [hand_in(ledger, "Lønseddel") for _ in range(chance.randrange(1, 4))]
        time.sleep(chance.random() / 2)
    used = set()
    for submission in submissions:
        past = decided(ledger, submission, wait_for)
        case = past.decision.actions[1].setting("case")
        assert past.decision.version in sets, "one that never decided here"
        assert case == f"SET-{sets[past.decision.version]}"
        used.add(past.decision.version)
    assert len(used) > 2, "the test never switched while letters came"


def test_a_set_that_cannot_be_read_never_takes_the_place_of_one_that_works(demo, ledger, wait_for):
    before = Bundle(files={"rules.toml": RULES % "VIRKER"})
    ledger.keep_rules(before.files, version=before.version, author="test")
    ledger.activate_rules(before.version, author="test", kind="activate")
    time.sleep(2)
    broken = {"rules.toml": "[[rule]]\nid = 1\n"}
    ledger.keep_rules(broken, version="b" * 12, author="test")
    ledger.activate_rules("b" * 12, author="test", kind="activate")
    log = demo.home / "gateway.log"
    kept = wait_for(lambda: [line for line in log.read_text().splitlines() if "rules_kept" in line], "the log to say so")
    event = json.loads(kept[-1])
    assert (event["version"], event["instead"], event["code"]) == ("b" * 12, before.version, "GW-100")
    assert decided(ledger, hand_in(ledger, "Lønseddel"), wait_for).decision.version == before.version
    ledger.activate_rules(before.version, author="test", kind="rollback")


def test_two_persons_where_two_must_agree(demo, ledger):
    config = demo.home / "gateway.toml"
    config.write_text(config.read_text().replace("[rules]\n", "[rules]\nsecond_approver = true\n"))
    folder = written(demo.home, "TO-NØGLER")
    before = ledger.active_rules()
    waiting = demo.json("rules", "activate", str(folder))
    assert waiting["state"] == "pending"
    assert ledger.active_rules() == before
    refused = demo.gateway("rules", "approve", waiting["version"])
    assert refused.returncode == 5
    assert "Somebody else" in refused.stderr
    told = {one["says"] for one in demo.json("doctor")["checks"] if one["check"] == "rules"}
    assert any("waits for a second person" in says for says in told)
    assert any("the files that gateway.toml names say something else" in says for says in told)
    assert ledger.approve_rules(waiting["version"], approver="cli:another").state == "active"


def test_a_paused_rule_is_shown_and_resumed_from_the_command_line(demo, ledger):
    ledger.pause_rule("wages", seen=900, usual=12)
    assert [one["rule"] for one in demo.json("rules", "pauses")["pauses"]] == ["wages"]
    assert "wages is paused: 900 matches in a day, usually 12." in demo.gateway("doctor").stdout
    assert "wages goes on" in demo.gateway("rules", "resume", "wages").stdout
    assert demo.gateway("rules", "pauses").stdout == "No rule is paused.\n"
    assert demo.gateway("rules", "resume", "wages").returncode == 4
