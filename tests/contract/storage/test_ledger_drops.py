"""Dropped files and drops: written once, taken once, answered until nothing more happens. On both databases."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from gateway.model.drop import AnswerFile, DropFault, NewFile
from gateway.model.identity import Cpr
from gateway.model.letter import Document, Letter
from gateway.model.submission import Arrival, Blob, Envelope, Submitter
from gateway.ports import NewDrop, ReadEnd
from gateway.services.rhythm import Rhythm
from gateway.storage import tables

NOW = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
CONFLICT = DropFault(kode="KONFLIKT", gw="GW-248", tekst="t", goer_saadan="g")
FAULT = DropFault(kode="FIL_TOM", gw="GW-206", tekst="t", goer_saadan="g")


def new_file(name="brev.pdf", digest="a" * 64, **more) -> NewFile:
    return NewFile(**{"account": "studie", "channel": "sftp", "area": "ind", "name": name, "blob": Blob(digest, 9), "how": "close", "at": NOW, **more})


def arrival(reference="S-1", identity="1" * 64) -> Arrival:
    envelope = Envelope(channel="sftp", submitter=Submitter(kind="account", name="studie"), recipients=(), received_at=datetime.now(UTC))
    return Arrival(envelope=envelope, reference=reference, identity=identity, size_bytes=2, raw=b"{}")


def new_drop(file_ids, *arrivals, base="brev", again=None, **more) -> NewDrop:
    return NewDrop(
        account="studie", channel="sftp", area="ind", base=base, kind="meta", file_ids=file_ids, arrivals=arrivals,
        again=again or [False] * len(arrivals), lines=[None] * len(arrivals), conflict=CONFLICT, **more,
    )  # fmt: skip


def drop(ledger, *arrivals, **more) -> str | None:
    """A file of its own, and the drop it becomes."""
    (kept,) = ledger.keep_files([new_file()])
    return ledger.keep_drops([new_drop([kept.id], *arrivals, **more)])[0]


def outcomes(ledger, drop_id: str) -> list[str]:
    return [item["outcome"] for item in ledger.show_drop(drop_id)["items"]]


def test_a_file_waits_until_it_belongs_to_a_drop(ledger):
    before = ledger.waiting_mark()
    (kept,) = ledger.keep_files([new_file()])
    assert ledger.waiting_mark() != before
    assert [file.id for file in ledger.waiting_files()] == [kept.id]
    assert ledger.waiting_room("studie") == (1, 9)
    assert ledger.keep_drops([new_drop([kept.id], arrival())])[0]
    assert ledger.waiting_files() == []
    assert "a" * 64 in ledger.named_digests()


def test_a_file_belongs_to_one_drop_however_many_nodes_gather(open_again):
    one, other = open_again(), open_again()
    (kept,) = one.keep_files([new_file()])
    results = [node.keep_drops([new_drop([kept.id], arrival())])[0] for node in (one, other)]
    assert [result is None for result in results] == [False, True]
    assert len(one.list_drops()) == 1


def test_the_same_file_of_a_share_seen_again_is_not_written_again(open_again):
    one, other = open_again(), open_again()
    seen = new_file(channel="folder", mark="ind/m1", how="scan")
    (first,) = one.keep_files([seen])
    (again,) = other.keep_files([seen])
    assert (again.id, again.known) == (first.id, True)
    assert [file.id for file in one.lying_files("studie")] == [first.id]
    one.lies_no_more([first.id])
    # Put away, and the same name with the same time dropped once more: that is new.
    (new,) = one.keep_files([seen])
    assert not new.known


def test_a_beginning_that_was_cut_waits_for_nothing_and_makes_way_for_its_name(ledger):
    (cut,) = ledger.keep_files([new_file(how="cut")])
    assert ledger.waiting_files() == []
    assert [file.id for file in ledger.cut_files()] == [cut.id]
    assert ledger.waiting_room("studie") == (1, 9)
    ledger.keep_files([new_file(name="andet.pdf"), new_file(folder="under")])
    assert [file.id for file in ledger.cut_files()] == [cut.id], "another name, or another folder"
    assert not ledger.rename_file("studie", "ind", "", "brev.pdf", "nyt.pdf")
    ledger.keep_files([new_file(digest="b" * 64)])
    assert ledger.cut_files() == []


def test_a_file_that_gets_the_name_of_one_that_was_cut_takes_its_place(ledger):
    ledger.keep_files([new_file(how="cut"), new_file(name="brev.pdf.part")])
    assert ledger.rename_file("studie", "ind", "", "brev.pdf.part", "brev.pdf")
    assert ledger.cut_files() == []
    assert [file.name for file in ledger.waiting_files()] == ["brev.pdf"]


def test_a_beginning_that_was_cut_can_be_taken_back(ledger):
    ledger.keep_files([new_file(how="cut")])
    assert ledger.withdraw_file("studie", "ind", "", "brev.pdf") == "withdrawn"
    assert ledger.cut_files() == []


def test_a_temporary_name_waits_for_the_final_one(ledger):
    ledger.keep_files([new_file("brev.pdf.filepart")])
    assert ledger.waiting_files() == []
    assert ledger.rename_file("studie", "ind", "", "brev.pdf.filepart", "brev.pdf")
    (file,) = ledger.waiting_files()
    assert (file.name, file.how) == ("brev.pdf", "rename")
    assert not ledger.rename_file("studie", "ind", "", "brev.pdf.filepart", "x.pdf")
    assert not ledger.rename_file("another", "ind", "", "brev.pdf", "x.pdf")


def test_what_waits_may_be_taken_back_and_what_is_taken_may_not(ledger):
    ledger.keep_files([new_file()])
    assert ledger.withdraw_file("studie", "ind", "", "brev.pdf") == "withdrawn"
    assert ledger.withdraw_file("studie", "ind", "", "brev.pdf") == "none"
    drop(ledger, arrival())
    assert ledger.withdraw_file("studie", "ind", "", "brev.pdf") == "taken"


def test_handed_over_twice_is_one_submission_and_says_so(ledger):
    first, second = drop(ledger, arrival()), drop(ledger, arrival())
    assert (outcomes(ledger, first), outcomes(ledger, second)) == (["new"], ["duplicate"])
    assert len(ledger.list_submissions()) == 1
    # One base, two drops: their answers have names of their own.
    bases = {one["base"] for one in ledger.list_drops()}
    assert bases == {"brev", f"brev.{second}"}


def test_the_same_number_for_something_else_is_refused_and_changes_nothing(ledger):
    drop(ledger, arrival())
    clash = drop(ledger, arrival(identity="2" * 64), arrival("S-2", "3" * 64))
    found = ledger.show_drop(clash)
    assert found["state"] == "rejected"
    assert [fault["kode"] for fault in found["faults"]] == ["KONFLIKT"]
    assert len(ledger.list_submissions()) == 1


def test_gensend_is_a_new_submission_with_a_line_in_the_history(ledger):
    drop(ledger, arrival())
    again = drop(ledger, arrival(), again=[True])
    assert outcomes(ledger, again) == ["new"]
    assert len(ledger.list_submissions()) == 2
    new = ledger.show_drop(again)["items"][0]["submission"]
    assert "again" in [line["verb"] for line in ledger.show_submission(new)["history"]]


def test_of_a_list_with_faults_nothing_goes_unless_it_says_so(ledger):
    whole = drop(ledger, arrival(), faults=[FAULT])
    assert (ledger.show_drop(whole)["state"], outcomes(ledger, whole)) == ("rejected", [])
    partly = drop(ledger, arrival(), faults=[FAULT], partly=True)
    assert outcomes(ledger, partly) == ["new"]


def test_answers_are_written_once_and_a_drop_is_due_again_when_there_is_news(ledger):
    drop_id = drop(ledger, arrival())
    (claim,) = ledger.claim_drops(10)
    assert [item.outcome for item in claim.item.items] == ["new"]
    answer = AnswerFile(name="brev.1-modtaget.json", content=b"{}")
    assert ledger.drop_answered(claim, state="accepted", answered=["modtaget"], files=[answer])
    assert not ledger.drop_answered(claim, state="accepted", answered=[], files=[])
    assert ledger.claim_drops(10) == []
    assert ledger.answer_file("studie", "brev.1-modtaget.json") == b"{}"
    _read(ledger)
    (again,) = ledger.claim_drops(10)
    assert (again.item.id, again.item.answered) == (drop_id, ("modtaget",))
    assert again.item.items[0].view["status"] == "queued"


def test_news_that_comes_while_an_answer_is_written_is_not_lost(ledger):
    drop(ledger, arrival())
    (claim,) = ledger.claim_drops(10)
    _read(ledger)
    assert ledger.drop_answered(claim, state="accepted", answered=["modtaget"], files=[])
    assert len(ledger.claim_drops(10)) == 1


def test_a_rejected_drop_is_handed_over_again_once_with_what_was_mended(ledger):
    drop_id = drop(ledger, faults=[FAULT])
    assert ledger.mend_file("studie", drop_id, "brev.meta.json", Blob("b" * 64, 4))
    assert not ledger.mend_file("another", drop_id, "x", Blob("b" * 64, 4))
    assert {file.name for file, _ in ledger.rejected_files("studie", NOW - timedelta(days=1))} == {"brev.pdf", "brev.meta.json"}
    assert ledger.again("studie", drop_id)
    assert not ledger.again("studie", drop_id)
    assert sorted((file.name, file.how) for file in ledger.waiting_files()) == [("brev.meta.json", "again"), ("brev.pdf", "again")]


def test_defaults_stay_until_others_take_their_place(ledger):
    for digest in ("c" * 64, "d" * 64):
        (kept,) = ledger.keep_files([new_file("metadata.json", digest)])
        made = NewDrop(account="studie", channel="sftp", area="ind", base="metadata", kind="defaults", file_ids=[kept.id])
        assert ledger.keep_standards([made])[0]
    assert [file.blob.digest for file in ledger.standard_files()] == ["d" * 64]


def test_answers_of_a_share_wait_until_they_are_written_there(ledger):
    (kept,) = ledger.keep_files([new_file(channel="folder", mark="ind/m", how="scan")])
    ledger.keep_drops([NewDrop(account="studie", channel="folder", area="ind", base="brev", kind="meta", file_ids=[kept.id], faults=[FAULT])])
    (claim,) = ledger.claim_drops(1)
    ledger.drop_answered(claim, state="rejected", answered=["modtaget"], files=[AnswerFile(name="n", content=b"x")])
    ((number, _, answer),) = ledger.unwritten_answers("studie", 10)
    assert answer.content == b"x"
    assert ledger.forget_answers(datetime.now(UTC) + timedelta(days=1)) == 0
    ledger.answers_written([number])
    assert ledger.unwritten_answers("studie", 10) == []
    assert ledger.forget_answers(datetime.now(UTC) + timedelta(days=1)) == 1


def test_a_share_is_known_by_what_its_sentinel_said_first(open_again):
    one, other = open_again(), open_again()
    assert one.sentinel("loen") is None
    assert one.keep_sentinel("loen", "t1") == "t1"
    assert other.keep_sentinel("loen", "t2") == "t1"
    assert [one.place_is("loen", "lost"), other.place_is("loen", "lost"), one.place_is("loen", "ok")] == [True, False, True]


def test_an_account_is_late_by_its_own_rhythm(ledger):
    drop(ledger, arrival())
    assert ledger.drop_health()[0]["usual_gap_seconds"] is None
    with ledger._database.write() as tx:
        row = dict(tx.run(select(tables.drops)).mappings().one())
        now = tx.now
        tx.insert(tables.drops, [{**row, "id": f"D-2026-{n}", "base": f"b{n}", "received_at": now - timedelta(days=n)} for n in range(4, 14)])
        tx.run(tables.drops.delete().where(tables.drops.c.base == "x"))
        tx.run(tables.drop_files.update().values(drop_id=None))
        tx.run(tables.drop_items.delete())
        tx.run(tables.drops.delete().where(tables.drops.c.id == row["id"]))
    (health,) = ledger.drop_health()
    assert health["usual_gap_seconds"] == pytest.approx(timedelta(days=1.75).total_seconds())
    assert health["late"]
    rhythm = Rhythm(ledger)
    assert [rhythm.look(), rhythm.look()] == [1, 0]


def _read(ledger) -> None:
    """Its submission is read: one letter, to be routed."""
    (claim,) = ledger.claim_unread(1)
    document = Document(name="brev.pdf", media_type="application/pdf", digest="a" * 64, size_bytes=9, role="main")
    letter = Letter(submission_id=claim.item.id, index=1, recipient=Cpr.parse("0101011234"), title="T", documents=(document,))
    assert json.loads(claim.item.raw or b"") == {}
    assert ledger.reads_ended([(claim, ReadEnd(title="T", letters=[letter]))]) == [True]
