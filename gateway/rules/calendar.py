"""Which days Danish banks are open."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta
from functools import lru_cache

import holidays


def is_bank_day(day: date, closed: Collection[date] = ()) -> bool:
    """Whether *day* is a Danish bank day.

    Not: Saturdays, Sundays, public holidays, the day after Ascension Day, Constitution Day (5 June),
    24 and 31 December (Finans Danmark, "Bankferiedage"), nor those in *closed*.
    """
    return day.weekday() < 5 and day not in closed and day not in _closed_in(day.year)


@lru_cache(maxsize=64)
def _closed_in(year: int) -> frozenset[date]:
    public = set(holidays.country_holidays("DK", years=year))
    # In Danish, since the name in English is a matter of the library's version.
    ascension = {
        day for day, name in holidays.country_holidays("DK", years=year, language="da").items() if "himmelfart" in name.lower()
    }
    banks = {date(year, 6, 5), date(year, 12, 24), date(year, 12, 31)}
    return frozenset(public | banks | {day + timedelta(days=1) for day in ascension})
