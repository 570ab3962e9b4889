"""Which days Danish banks are open, and how much of a time somebody is there."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

import holidays

from gateway.model.danish_time import DENMARK, local


def is_bank_day(day: date, closed: Collection[date] = ()) -> bool:
    """Whether *day* is a Danish bank day.

    Not: Saturdays, Sundays, public holidays, the day after Ascension Day, Constitution Day (5 June),
    24 and 31 December (Finans Danmark, "Bankferiedage"), nor those in *closed*.
    """
    return day.weekday() < 5 and day not in closed and day not in _closed_in(day.year)


def open_time(
    start: datetime, end: datetime, *, hours: str, weekdays: Collection[int], closed: Collection[date] = ()
) -> timedelta:
    """How much of the time from *start* to *end* (aware) lies within *hours* of Danish bank days.

    Args:
        hours: ``HH:MM-HH:MM``, by the clocks in Denmark.
        weekdays: those that count, 0 for Monday.
        closed: further days that do not.
    """
    opens, closes = (time.fromisoformat(one) for one in hours.split("-"))
    day, last = local(start).date(), local(end).date()
    found = timedelta()
    while day <= last:
        if day.weekday() in weekdays and is_bank_day(day, closed):
            # In UTC: the difference of two local times would ignore a clock that was turned between them.
            begin, stop = (datetime.combine(day, at, DENMARK).astimezone(UTC) for at in (opens, closes))
            found += max(timedelta(), min(stop, end) - max(begin, start))
        day += timedelta(days=1)
    return found


@lru_cache(maxsize=64)
def _closed_in(year: int) -> frozenset[date]:
    public = set(holidays.country_holidays("DK", years=year))
    # In Danish, since the name in English is a matter of the library's version.
    ascension = {
        day for day, name in holidays.country_holidays("DK", years=year, language="da").items() if "himmelfart" in name.lower()
    }
    banks = {date(year, 6, 5), date(year, 12, 24), date(year, 12, 31)}
    return frozenset(public | banks | {day + timedelta(days=1) for day in ascension})
