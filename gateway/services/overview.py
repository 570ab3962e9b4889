"""Overview: what an account has dropped lately, as files that are made when they are read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from typing import Any

from gateway.model.danish_time import DENMARK, local
from gateway.model.drop import SHOWN_FOR
from gateway.ports import Clock, Drops

HTML, CSV = "OVERBLIK.html", "OVERBLIK.csv"
_DAILY = "kvitteringer-"
MOST = 20_000
"""Drops in one overview."""


class AccountOverview:
    """``OVERBLIK.html``, ``OVERBLIK.csv`` and ``kvitteringer-YYYY-MM-DD.csv`` of an account."""

    def __init__(
        self,
        drops: Drops,
        clock: Clock,
        *,
        page: Callable[[str, Sequence[dict[str, Any]], datetime], bytes],
        sheet: Callable[[Sequence[dict[str, Any]]], bytes],
    ) -> None:
        """
        Args:
            page: the overview as HTML.
            sheet: drops as CSV.
        """
        self._drops = drops
        self._clock = clock
        self._page = page
        self._sheet = sheet

    def files(self, account: str) -> dict[str, bytes]:
        """All that can be read now, from one look at the drops."""
        now = self._clock.now()
        found = self._drops.list_drops(account=account, limit=MOST, since=now - SHOWN_FOR)
        by_day: dict[date, list[dict[str, Any]]] = defaultdict(list)
        for drop in found:
            by_day[local(datetime.fromisoformat(drop["received_at"])).date()].append(drop)
        days = {f"{_DAILY}{day.isoformat()}.csv": self._sheet(drops) for day, drops in sorted(by_day.items())}
        return {HTML: self._page(account, found, now), CSV: self._sheet(found), **days}

    def content(self, account: str, name: str) -> bytes | None:
        """The file called *name*; None: there is none such."""
        now = self._clock.now()
        if name in (HTML, CSV):
            found = self._drops.list_drops(account=account, limit=MOST, since=now - SHOWN_FOR)
            return self._page(account, found, now) if name == HTML else self._sheet(found)
        day = _day(name)
        if day is None:
            return None
        begin = datetime.combine(day, time(), DENMARK)
        found = self._drops.list_drops(account=account, limit=MOST, since=begin)
        mine = [one for one in found if local(datetime.fromisoformat(one["received_at"])).date() == day]
        return self._sheet(mine) if mine else None


def _day(name: str) -> date | None:
    if not (name.startswith(_DAILY) and name.endswith(".csv")):
        return None
    try:
        return date.fromisoformat(name.removeprefix(_DAILY).removesuffix(".csv"))
    except ValueError:
        return None
