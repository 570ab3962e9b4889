"""Cases of the built-in archive and what lies in them."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import update

from gateway.errors import ArchiveRefused, NotFound
from gateway.model.submission import Blob
from gateway.storage import tables

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
MAIN = ("brev.pdf", Blob("1" * 64, 10), "main")
RECEIPT = ("kvittering.xml", Blob("2" * 64, 20), "receipt")


def test_a_case_is_made_once(ledger):
    assert ledger.put_case("2026-17", plan="85.12", at=NOW)
    assert not ledger.put_case("2026-17", plan=None, at=NOW)
    (case,) = ledger.list_cases()
    assert case == {
        "number": "2026-17",
        "plan": "85.12",
        "made_at": NOW.isoformat(),
        "closed_at": None,
        "items": 0,
    }


def test_files_of_a_letter_add_up_and_repeats_change_nothing(ledger):
    ledger.put_case("2026-17", plan=None, at=NOW)
    for files in ([MAIN], [MAIN], [MAIN, RECEIPT]):
        ledger.put_item("2026-17", letter_id="F-1.1", metadata={"title": "Et brev"}, files=files)
    (item,) = ledger.show_case("2026-17")["items"]
    assert (item["letter_id"], item["metadata"]) == ("F-1.1", {"title": "Et brev"})
    assert item["files"] == [
        {"name": "brev.pdf", "role": "main", "digest": "1" * 64, "size_bytes": 10},
        {"name": "kvittering.xml", "role": "receipt", "digest": "2" * 64, "size_bytes": 20},
    ]
    assert ledger.list_cases()[0]["items"] == 1


def test_letters_lie_in_a_case_each_with_its_own_files(ledger):
    ledger.put_case("2026-17", plan=None, at=NOW)
    for letter_id in ("F-1.1", "F-1.2"):
        ledger.put_item("2026-17", letter_id=letter_id, metadata={}, files=[MAIN])
    items = ledger.show_case("2026-17")["items"]
    assert [(item["letter_id"], len(item["files"])) for item in items] == [("F-1.1", 1), ("F-1.2", 1)]


def test_one_letter_may_lie_in_two_cases(ledger):
    for number in ("2026-17", "2026-18"):
        ledger.put_case(number, plan=None, at=NOW)
        ledger.put_item(number, letter_id="F-1.1", metadata={}, files=[MAIN])
    assert [case["items"] for case in ledger.list_cases()] == [1, 1]


def test_a_closed_case_takes_nothing(ledger):
    ledger.put_case("2026-17", plan=None, at=NOW)
    with ledger._database.write() as tx:
        tx.run(update(tables.cases).values(closed_at=NOW))
    with pytest.raises(ArchiveRefused):
        ledger.put_case("2026-17", plan=None, at=NOW)


def test_a_case_there_is_not_is_not_found(ledger):
    with pytest.raises(NotFound):
        ledger.show_case("2026-17")
    with pytest.raises(NotFound):
        ledger.put_item("2026-17", letter_id="F-1.1", metadata={}, files=[MAIN])


def test_cases_are_listed_newest_first(ledger):
    for number, day in (("a", 1), ("b", 3), ("c", 2)):
        ledger.put_case(number, plan=None, at=NOW.replace(day=day))
    assert [case["number"] for case in ledger.list_cases(limit=2)] == ["b", "c"]
