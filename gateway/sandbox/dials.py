"""Dials: which fault the sandbox shows next, how often, and with what argument.

The file ``dials.json`` in the sandbox's folder is the only truth: the server, ``PUT /sandbox/dials``
and ``gateway sandbox dial`` change it under a lock, and the server sees a change at its next request.

A fault dial's value is ``HOW_OFTEN[,ARGUMENT]``: ``off``, ``always``, a count of next times (``3``),
or a probability (``20%``). ``throttled=20%,30`` answers a fifth of the requests with 429 and
``Retry-After: 30``. A name as it stands is about sending (``POST /memos/``); with ``receipts.`` or
``contacts.`` before it (``contacts.unavailable=2``) it is about those routes.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from gateway.errors import ConfigError

AREAS = ("memos", "receipts", "contacts", "inbound")

# Faults of a route: name to (default argument, what it does). The order is the order of asking.
ROUTE_FAULTS: Mapping[str, tuple[str, str]] = {
    "slow": ("1", "wait so many seconds before doing anything"),
    "cut_before": ("", "abort the connection before anything was taken"),
    "unavailable": ("503", "answer with this server error (500, 502, 503 or 504)"),
    "throttled": ("1", "answer 429 with Retry-After: this text (seconds or a date)"),
    "unauthorized": ("", "answer 401"),
    "forbidden": ("", "answer 403"),
    "cut_after": ("", "do it, then abort the connection: the answer is lost"),
    "half_status": ("", "do it, then send half a status line and close"),
    "html": ("", "do it, then answer 200 with HTML"),
}
# Faults of business receipts, asked once per message taken.
RECEIPT_FAULTS: Mapping[str, tuple[str, str]] = {
    "receipt_late": ("60", "the business receipt comes so many seconds later than the delay"),
    "receipt_twice": ("", "the business receipt comes twice, under two ids"),
    "receipt_unknown": ("", "one more receipt, about a message nobody sent"),
    "invalid": ("memo.invalid", "the business receipt is INVALID with this code"),
    "not_allowed": ("recipient.not.allowed", "the business receipt is NOT_ALLOWED with this code"),
}
# Who is not REGISTERED: numbers or patterns (``*1234``, ``0101??????``), separated by commas.
CONTACT_LISTS: Mapping[str, str] = {
    "exempt": "EXEMPT",
    "closed": "CLOSED",
    "unknown": "UNKNOWN",
    "missing": "",
}
DELAY = "delay"
DUPLICATE = "duplicate"
STAYS_LISTED = "stays_listed"
DEFAULTS: Mapping[str, str] = {DELAY: "2", DUPLICATE: "conflict"}

_OFTEN = re.compile(r"off|always|[0-9]{1,9}|(100|[0-9]{1,2})(\.[0-9]+)?%", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]+)?", re.ASCII)
_NUMBER_PATTERN = re.compile(r"[0-9*?]{1,20}", re.ASCII)


def every_dial() -> dict[str, str]:
    """Name of each dial and what it does, in the order docs show them."""
    told = {name: f"{does} (default {default!r})" for name, (default, does) in ROUTE_FAULTS.items()}
    told |= {f"{area}.{name}": told[name] for area in AREAS[1:] for name in ROUTE_FAULTS}
    told |= {
        name: f"{does} (default {default!r})" for name, (default, does) in RECEIPT_FAULTS.items()
    }
    told |= {
        name: f"numbers or patterns that are {status or 'not found'}"
        for name, status in CONTACT_LISTS.items()
    }
    told[DELAY] = "seconds from taking a message to its business receipt"
    told[DUPLICATE] = "the same message again is answered with conflict (409) or receipt (201)"
    told[STAYS_LISTED] = "a message to a recipient system stays listed after its receipt, until it is deleted (yes, no)"
    return told


@dataclass(frozen=True, slots=True)
class _Fault:
    often: str
    argument: str

    @classmethod
    def parse(cls, value: str, default: str) -> _Fault:
        often, comma, argument = value.partition(",")
        return cls(often, argument if comma else default)


class Dials:
    """The dials of the sandbox in *folder*. Safe between threads and between processes.

    Args:
        chance: gives a number from 0 up to 1 for the dials that are probabilities.
    """

    def __init__(self, folder: Path, *, chance: Callable[[], float] = random.random) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = folder / "dials.json"
        self._lock_file = folder / ".dials.lock"
        self._chance = chance
        self._thread_lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._values: dict[str, str] = {}

    def values(self) -> dict[str, str]:
        """What every turned dial stands at, counts as they are left; the two defaults included."""
        with self._thread_lock:
            return {**DEFAULTS, **self._current()}

    def set(self, name: str, value: str) -> None:
        """Turn one dial. Raises ConfigError for an unknown name or a value of the wrong form."""
        self.update({name: value})

    def update(self, changes: Mapping[str, str]) -> None:
        """Turn several dials at once, or none if one of them is wrong (ConfigError)."""
        for name, value in changes.items():
            _check(name, value)
        with self._thread_lock, self._alone():
            values = self._read()
            values.update(changes)
            self._write({name: value for name, value in values.items() if not _is_off(name, value)})

    def reset(self) -> None:
        """All dials off."""
        with self._thread_lock, self._alone():
            self._write({})

    def take(self, name: str) -> str | None:
        """The argument of fault *name* if it is to happen now (a count is used up by one), else None."""
        with self._thread_lock:
            if name not in self._current():
                return None
            with self._alone():
                return self._take(name, self._read())

    def number(self, name: str) -> float:
        """A dial that is plain seconds."""
        return float(self.values()[name])

    def status_of(self, number: str) -> str:
        """``publicRegistrationStatus`` of a CPR or CVR number; ``""``: no such contact."""
        values = self.values()
        for name, status in CONTACT_LISTS.items():
            patterns = values.get(name, "").split(",")
            if any(fnmatchcase(number, pattern.strip()) for pattern in patterns if pattern.strip()):
                return status
        return "REGISTERED"

    def _take(self, name: str, values: dict[str, str]) -> str | None:
        if name not in values:
            return None
        default = {**ROUTE_FAULTS, **RECEIPT_FAULTS}[name.rpartition(".")[2]][0]
        fault = _Fault.parse(values[name], default)
        if fault.often.endswith("%"):
            return fault.argument if self._chance() * 100 < float(fault.often[:-1]) else None
        if fault.often != "always":
            left = int(fault.often) - 1
            if left:
                values[name] = f"{left},{fault.argument}" if fault.argument else str(left)
            else:
                del values[name]
            self._write(values)
        return fault.argument

    def _current(self) -> dict[str, str]:
        if self._stamp() != self._seen:
            self._read()
        return self._values

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            stat = self._file.stat()
        except FileNotFoundError:
            return None
        return stat.st_ino, stat.st_mtime_ns, stat.st_size

    def _read(self) -> dict[str, str]:
        stamp = self._stamp()
        self._values = json.loads(self._file.read_text()) if stamp else {}
        self._seen = stamp
        return self._values

    def _write(self, values: dict[str, str]) -> None:
        beside = self._file.with_name(f".dials.{os.getpid()}.{threading.get_ident()}")
        beside.write_text(json.dumps(values, indent=1))
        beside.chmod(0o600)
        beside.replace(self._file)
        self._values = values
        self._seen = self._stamp()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self._lock_file.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _is_off(name: str, value: str) -> bool:
    """A dial that does nothing is not kept; ``delay`` 0 says something."""
    return name not in DEFAULTS and value.partition(",")[0] in ("off", "0", "")


def _check(name: str, value: str) -> None:
    expected = _expected(name)
    if expected is None:
        raise ConfigError(problems="there is no such dial; `gateway sandbox dial` lists them.")
    form, said = expected
    if not form(value):
        # The value is not quoted: it may be a list of numbers.
        raise ConfigError(problems=f"dial {name}: expected {said}, found something else.")


def _expected(name: str) -> tuple[Callable[[str], bool], str] | None:
    area, dot, fault = name.rpartition(".")
    if name == DELAY:
        return lambda value: bool(_SECONDS.fullmatch(value)), "seconds such as 2 or 0.5"
    if name == DUPLICATE:
        return lambda value: value in ("conflict", "receipt"), "conflict or receipt"
    if name == STAYS_LISTED:
        return lambda value: value in ("yes", "no"), "yes or no"
    if name in CONTACT_LISTS:
        return _is_number_list, "numbers or patterns such as *1234, separated by commas, or off"
    if name in RECEIPT_FAULTS or (fault in ROUTE_FAULTS and (not dot or area in AREAS[1:])):
        return lambda value: _is_fault(fault, value), _SAID.get(
            fault, "off, always, a count such as 3, or a percentage such as 20%"
        )
    return None


_SAID = {
    "slow": "HOW_OFTEN[,SECONDS], such as always,2.5",
    "receipt_late": "HOW_OFTEN[,SECONDS], such as 1,60",
    "unavailable": "HOW_OFTEN[,STATUS], such as 3,502",
    "throttled": "HOW_OFTEN[,RETRY-AFTER], such as 20%,30",
}


def _is_fault(name: str, value: str) -> bool:
    often, comma, argument = value.partition(",")
    if not _OFTEN.fullmatch(often):
        return False
    if not comma:
        return True
    if name in ("slow", "receipt_late"):
        return bool(_SECONDS.fullmatch(argument))
    if name == "unavailable":
        return argument in ("500", "502", "503", "504")
    return argument.isascii() and argument.isprintable() and len(argument) <= 100


def _is_number_list(value: str) -> bool:
    return value == "off" or all(
        _NUMBER_PATTERN.fullmatch(part.strip()) for part in value.split(",")
    )
