"""Danish bank days."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from gateway.model.danish_time import DENMARK
from gateway.rules.calendar import is_bank_day, open_time


@pytest.mark.parametrize(
    ("day", "why"),
    [
        (date(2026, 4, 2), "skærtorsdag"), (date(2026, 4, 3), "langfredag"), (date(2026, 4, 6), "anden påskedag"),
        (date(2026, 5, 14), "Kristi himmelfartsdag"), (date(2026, 5, 15), "dagen efter"), (date(2026, 5, 25), "anden pinsedag"),
        (date(2026, 6, 5), "grundlovsdag"), (date(2026, 12, 24), "juleaften"), (date(2026, 12, 25), "juledag"),
        (date(2026, 12, 31), "nytårsaften"), (date(2027, 1, 1), "nytårsdag"), (date(2026, 11, 28), "lørdag"),
        (date(2026, 11, 29), "søndag"),
    ],
)  # fmt: skip
def test_banks_are_closed(day, why):
    assert not is_bank_day(day), why


@pytest.mark.parametrize("day", [date(2026, 11, 26), date(2026, 5, 1), date(2024, 4, 26), date(2026, 12, 23)])
def test_banks_are_open_also_on_store_bededag_which_is_abolished(day):
    assert is_bank_day(day)


def test_an_organisation_may_close_more_days():
    assert not is_bank_day(date(2026, 12, 23), closed=[date(2026, 12, 23)])


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        ("2026-11-23 07:00", "2026-11-23 09:30", 1.5), ("2026-11-23 09:00", "2026-11-24 09:00", 8),
        ("2026-11-20 15:00", "2026-11-23 09:00", 2), ("2026-11-21 00:00", "2026-11-22 23:00", 0),
        ("2026-12-23 15:00", "2026-12-28 09:00", 2), ("2026-11-23 12:00", "2026-11-23 11:00", 0),
    ],
    ids=["one morning", "a day", "over a weekend", "a weekend", "over Christmas", "before it began"],
)  # fmt: skip
def test_time_counts_while_somebody_is_there(start, end, hours):
    at = [datetime.fromisoformat(one).replace(tzinfo=DENMARK) for one in (start, end)]
    assert open_time(*at, hours="08:00-16:00", weekdays=range(5)) == timedelta(hours=hours)


def test_an_hour_that_clocks_skip_is_no_hour():
    at = [datetime(2026, 3, day, tzinfo=DENMARK) for day in (30, 31)]
    assert open_time(*at, hours="00:00-23:00", weekdays=range(7)) == timedelta(hours=23)
    whole = [datetime(2027, 3, day, tzinfo=DENMARK) for day in (22, 23)]
    assert open_time(*whole, hours="08:00-16:00", weekdays=[1]) == timedelta()
    assert open_time(*whole, hours="08:00-16:00", weekdays=[0], closed=[whole[0].date()]) == timedelta()
