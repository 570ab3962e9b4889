"""gather: what was dropped becomes submissions, whatever stood in the way for a moment. On both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from drop_inputs import LooksHere

from gateway.documents.reading import ReadRules
from gateway.errors import LedgerUnavailable
from gateway.model.drop import DropManner, NewFile
from gateway.services.gather import RECHECK, STALE_AFTER, Gather

RULES = ReadRules(domains=("dp.example.dk",), flows={}, allow_test_numbers=True, loop_id="x")


class Hours:
    def __init__(self) -> None:
        self.at = datetime.now(UTC)

    def now(self) -> datetime:
        return self.at


class Flaky:
    """The ledger, which fails once when drops are written."""

    def __init__(self, ledger) -> None:
        self._ledger = ledger
        self.fails = 0

    def __getattr__(self, name):
        return getattr(self._ledger, name)

    def keep_drops(self, drops):
        if self.fails:
            self.fails -= 1
            raise LedgerUnavailable(reason="away")
        return self._ledger.keep_drops(drops)


@pytest.fixture
def hours():
    return Hours()


@pytest.fixture
def gather(ledger, vault, hours):
    drops = Flaky(ledger)
    manner = DropManner(account="studie", channel="sftp", resume=timedelta(minutes=5))
    return Gather(drops, vault, LooksHere(RULES), hours, manners=lambda: {"studie": manner}, rules=lambda: RULES, trier=None)


@pytest.fixture
def drop(ledger, vault, hours):
    from gateway.cli.demo_letter import sample_pdf

    def put(name, content=None, how="rename"):
        blob = vault.put(sample_pdf("brev") if content is None else content)
        ledger.keep_files([NewFile(account="studie", channel="sftp", area="ind", name=name, blob=blob, how=how, at=hours.at)])

    return put


SIDECAR = b'{"cpr": "0101011234", "emne": "A"}'


def test_a_pair_becomes_one_submission(gather, drop, ledger):
    drop("brev.pdf")
    drop("brev.meta.json", SIDECAR)
    assert [gather.work(), gather.work()] == [1, 0]
    assert len(ledger.list_submissions()) == 1


def test_what_the_ledger_did_not_take_is_gathered_at_the_next_call(gather, drop, ledger):
    drop("brev.pdf")
    drop("brev.meta.json", SIDECAR)
    gather._drops.fails = 1
    with pytest.raises(LedgerUnavailable):
        gather.work()
    assert gather.work() == 1
    assert len(ledger.list_submissions()) == 1


def test_a_file_that_keeps_its_temporary_name_is_refused_although_nothing_else_comes(gather, drop, hours, ledger):
    drop("brev.pdf.part", how="close")
    assert gather.work() == 0
    hours.at += STALE_AFTER + RECHECK
    assert gather.work() == 1
    (found,) = ledger.list_drops()
    assert [fault["kode"] for fault in found["faults"]] == ["UPLOAD_AFBRUDT"]


def test_a_file_that_was_cut_is_no_letter_and_is_refused_when_nobody_goes_on_with_it(gather, drop, hours, ledger):
    drop("brev.pdf", how="cut")
    assert gather.work() == 0
    hours.at += timedelta(minutes=5)
    assert gather.work() == 1
    (found,) = ledger.list_drops()
    assert [fault["kode"] for fault in found["faults"]] == ["UPLOAD_AFBRUDT"]
    assert ledger.list_submissions() == []


def test_a_file_that_was_cut_makes_way_for_the_whole_one(gather, drop, hours, ledger):
    drop("brev.pdf", b"%PDF-1.7 and no more", how="cut")
    drop("brev.meta.json", SIDECAR)
    assert gather.work() == 0
    drop("brev.pdf")
    assert gather.work() == 1
    hours.at += timedelta(hours=1)
    assert gather.work() == 0
    assert [one["state"] for one in ledger.list_drops()] == ["received"]
    assert len(ledger.list_submissions()) == 1


def test_defaults_count_for_what_comes_with_them_and_after(gather, drop, ledger):
    drop("metadata.json", b'{"sag": "2026-77"}')
    for name in ("a", "b"):
        drop(f"{name}.pdf")
        drop(f"{name}.meta.json", SIDECAR.replace(b"A", name.encode()))
        gather.work()
    raws = [claim.item.raw for claim in ledger.claim_unread(10)]
    assert len(raws) == 2
    assert all(b'"case":"2026-77"' in raw for raw in raws)
