"""The day and the hour in Denmark."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

DENMARK = ZoneInfo("Europe/Copenhagen")
WEEKDAYS = ("mandag", "tirsdag", "onsdag", "torsdag", "fredag", "lørdag", "søndag")


def local(at: datetime) -> datetime:
    """*at* (aware) as the clocks in Denmark show it."""
    return at.astimezone(DENMARK)


def weekday(day: date) -> str:
    """``mandag`` … ``søndag``."""
    return WEEKDAYS[day.weekday()]
