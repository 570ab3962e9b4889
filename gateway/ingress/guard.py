"""Who comes too often: connections by address, failed logins, bans. In memory; pure but for its counts.

Times are seconds of a clock that only goes forward, handed in by the caller. IPv6 addresses count by
their /64: one customer has them all.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from weakref import WeakValueDictionary

# Doubling from a quarter of an hour to a day (security reference, SMTP-11).
FIRST_BAN_SECONDS = 15 * 60.0
LONGEST_BAN_SECONDS = 24 * 3600.0
# After a quiet day, counted from the last attempt and the end of the last ban, all begins anew.
FORGOTTEN_SECONDS = 24 * 3600.0
# Waits before a wrong login is answered grow by the failures, up to this many times the first.
LONGEST_WAIT_FACTOR = 10
# Addresses remembered; the oldest go first, so that a flood of addresses costs no memory.
MOST_ADDRESSES = 10_000


@dataclass(slots=True)
class _Record:
    seen: float
    """When the last attempt was made."""
    failures: int = 0
    bans: int = 0
    banned_until: float = 0.0

    def forgotten(self, now: float) -> bool:
        return now - max(self.seen, self.banned_until) > FORGOTTEN_SECONDS


class Guard:
    """Counts of one server."""

    def __init__(self, *, connections: int, per_address: int, logins: int) -> None:
        self._connections = connections
        self._per_address = per_address
        self._logins = logins
        self._open: Counter[str] = Counter()
        self._records: OrderedDict[str, _Record] = OrderedDict()
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def crowded(self, address: str) -> bool:
        """Whether *address* has all the connections it may have."""
        return self._open[_place(address)] >= self._per_address

    def full(self) -> bool:
        """Whether all addresses together have as many as there may be."""
        return self._open.total() >= self._connections

    def enter(self, address: str) -> None:
        """Count a connection in."""
        self._open[_place(address)] += 1

    def leave(self, address: str) -> None:
        """A counted connection has ended."""
        place = _place(address)
        self._open[place] -= 1
        if self._open[place] <= 0:
            del self._open[place]

    def turn(self, address: str) -> asyncio.Lock:
        """Held while a login is looked at: one after the other for one address.

        So twenty guesses at once are no more than twenty in a row, and twenty good logins all work.
        """
        return self._turns.setdefault(_place(address), asyncio.Lock())

    def banned(self, address: str, now: float) -> bool:
        """Whether *address* has failed too often and its time is not over."""
        record = self._records.get(_place(address))
        return record is not None and now < record.banned_until

    def login_tried(self, address: str, now: float) -> int:
        """Count a login as failed before it is looked at; ban at the limit.

        So one that hangs up before the answer counts too. What ``login_worked`` says takes it back.

        Returns:
            failures in a row, for the growing wait; at most ``LONGEST_WAIT_FACTOR``.
        """
        record = self._record(_place(address), now)
        record.failures += 1
        wait = min(record.failures, LONGEST_WAIT_FACTOR)
        if record.failures >= self._logins:
            ban = min(FIRST_BAN_SECONDS * 2 ** min(record.bans, 10), LONGEST_BAN_SECONDS)
            record.failures, record.bans, record.banned_until = 0, record.bans + 1, now + ban
        return wait

    def _record(self, place: str, now: float) -> _Record:
        record = self._records.get(place)
        if record is None or record.forgotten(now):
            record = self._records[place] = _Record(now)
        record.seen = now
        self._records.move_to_end(place)
        if len(self._records) > MOST_ADDRESSES:
            self._records.popitem(last=False)
        return record

    def login_worked(self, address: str) -> None:
        """Forget what was: many people share the address of their office."""
        self._records.pop(_place(address), None)


def _place(address: str) -> str:
    """The address, or the /64 an IPv6 address lies in."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
    return str(parsed)
