"""Whether a text is a value of one of MeMo's simple types (reference, digital-post.md, section 1.3)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime

_UUID = re.compile(
    r"[a-fA-F0-9]{8}-[a-fA-F0-9]{4}-4[a-fA-F0-9]{3}-[aAbB89][a-fA-F0-9]{3}-[a-fA-F0-9]{12}",
    re.ASCII,
)
_DATE_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]+)?Z", re.ASCII
)
_DATE = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})(Z|[+-](0[0-9]|1[0-3]):[0-5][0-9]|[+-]14:00)?", re.ASCII
)
_LANGUAGE = re.compile(r"[a-zA-Z]{1,2}", re.ASCII)
_NUMBER = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
_SMALLEST_LONG = -(2**63)
# XML's own white space (not Python's, which knows more); most types ignore it at both ends.
_SPACE = " \t\r\n"


def is_uuid4(text: str) -> bool:
    return bool(_UUID.fullmatch(text))


def _is_date_time(text: str) -> bool:
    """xs:dateTime that ends in Z; midnight may be written as 24:00:00 of the day before."""
    match = _DATE_TIME.fullmatch(text.strip(_SPACE))
    if not match:
        return False
    moment = match[1]
    if moment.endswith("T24:00:00"):
        moment = moment.replace("T24", "T00")
    return _holds(lambda: datetime.fromisoformat(moment))


def _is_date(text: str) -> bool:
    match = _DATE.fullmatch(text.strip(_SPACE))
    if not match:
        return False
    day = match[1]
    return _holds(lambda: date.fromisoformat(day))


def _holds(read: Callable[[], object]) -> bool:
    try:
        read()
    except ValueError:
        return False
    return True


def _is_number(text: str, most: int) -> bool:
    text = text.strip(_SPACE)
    return bool(_NUMBER.fullmatch(text)) and _SMALLEST_LONG <= int(text) <= most


def _is_one_of(*allowed: str) -> Callable[[str], bool]:
    return lambda text: text in allowed


_CHECKS: Mapping[str, Callable[[str], bool]] = {
    "message type": _is_one_of("DIGITALPOST", "NEMSMS"),
    "uuid": is_uuid4,
    "boolean": lambda text: text.strip(_SPACE) in ("true", "false", "1", "0"),
    "date and time": _is_date_time,
    "date": _is_date,
    "language": lambda text: bool(_LANGUAGE.fullmatch(text.strip(_SPACE))),
    "uri": lambda text: len(text.strip(_SPACE)) <= 256,
}


def is_of_type(text: str, kind: str) -> bool:
    """Whether *text* is a value of *kind*, as memo_tables.TYPES names it (base64 is judged while read)."""
    name, _, limit = kind.partition(" ")
    if name == "text":
        return len(text) <= int(limit)
    if name == "number":
        return _is_number(text, int(limit))
    return _CHECKS[kind](text)
