"""MeMo's simple types: what may stand in an element, how it is written, how it is read.

Lengths count characters, not bytes. Writing is strict, reading is not: a title of 300 characters
that has reached us is post all the same. Source: MeMo_dataTypes.xsd 1.1 (reference, section 1.3).
The sentences that say what is broken are Danish, because a submitter may come to read them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

# Production Char of XML 1.0: everything else cannot be written, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_UUID4 = re.compile(
    r"[a-fA-F0-9]{8}-[a-fA-F0-9]{4}-4[a-fA-F0-9]{3}-[aAbB89][a-fA-F0-9]{3}-[a-fA-F0-9]{12}"
)
_LANGUAGE = re.compile(r"[a-zA-Z]{2}")
_WHOLE = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
_DATE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:Z|[+-][0-9]{2}:[0-9]{2})?", re.ASCII)
_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{2})(:[0-9]{2}:[0-9]{2})(?:\.([0-9]+))?"
    r"(?:Z|([+-])([0-9]{2}):([0-9]{2}))?",
    re.ASCII,
)
# RFC 3986 without user information, and with letters of any language, which schemas let through.
_PCT = "%[0-9A-Fa-f]{2}"
_URI = re.compile(
    rf"[a-z][a-z0-9+.-]*://[\w.-]+(?::[0-9]{{1,5}})?"
    rf"(?:/(?:[\w\-.~!$&'()*+,;=:@/]|{_PCT})*)?"
    rf"(?:\?(?:[\w\-.~!$&'()*+,;=:@/?]|{_PCT})*)?"
    rf"(?:#(?:[\w\-.~!$&'()*+,;=:@/?]|{_PCT})*)?"
)


@dataclass(frozen=True, slots=True)
class Simple:
    """One simple type."""

    name: str
    broken: Callable[[Any], str | None]
    """Danish: what a value breaks, never quoting it; None when it may be written."""
    write: Callable[[Any], str]
    read: Callable[[str], Any]
    """Raises ValueError."""


def _text(name: str, longest: int, *, shortest: int = 0) -> Simple:
    def broken(value: object) -> str | None:
        if not isinstance(value, str):
            return "ikke en tekst"
        if len(value) > longest:
            return f"længere end {longest} tegn"
        if len(value.strip()) < shortest:
            return "tom"
        return "et tegn, der ikke kan stå i XML" if _NOT_XML.search(value) else None

    return Simple(name, broken, str, str)


def _pattern(name: str, pattern: re.Pattern[str], wanted: str, longest: int = 256) -> Simple:
    def broken(value: object) -> str | None:
        if isinstance(value, str) and len(value) <= longest and pattern.fullmatch(value):
            return None
        return f"ikke {wanted}"

    return Simple(name, broken, str, str.strip)


def _one_of(name: str, *codes: str) -> Simple:
    def broken(value: object) -> str | None:
        return None if value in codes else f"ikke en af koderne {', '.join(codes)}"

    return Simple(name, broken, str, str.strip)


def _whole(name: str, largest: int) -> Simple:
    """A number, so that leading zeros mean nothing; the schema's xs:long."""

    def broken(value: object) -> str | None:
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= largest:
            return None
        return f"ikke et tal fra 0 til {largest}"

    return Simple(name, broken, str, _read_whole)


def _read_whole(text: str) -> int:
    if not _WHOLE.fullmatch(text.strip()):
        raise ValueError("not a whole number")
    return int(text)


def _broken_flag(value: object) -> str | None:
    return None if isinstance(value, bool) else "hverken sand eller falsk"


def _read_flag(text: str) -> bool:
    word = text.strip()
    if word not in ("true", "false", "1", "0"):
        raise ValueError("not a boolean")
    return word in ("true", "1")


def _broken_moment(value: object) -> str | None:
    if not isinstance(value, datetime):
        return "ikke et tidspunkt"
    return None if value.utcoffset() == timedelta(0) else "ikke et tidspunkt i UTC"


def _write_moment(value: datetime) -> str:
    return value.replace(tzinfo=None).isoformat() + "Z"


def _read_moment(text: str) -> datetime:
    """An xs:dateTime in UTC. Without a zone it is taken for UTC; digits after the sixth are cut."""
    hit = _MOMENT.fullmatch(text.strip())
    if hit is None:
        raise ValueError("not a time")
    day, hour, rest, fraction, sign, zone_hours, zone_minutes = hit.groups()
    # 24:00:00 is midnight at the end of the day (XML Schema part 2, section 3.2.7.1).
    late = hour == "24"
    micro = (fraction or "0")[:6].ljust(6, "0")
    found = datetime.fromisoformat(f"{day}T{'00' if late else hour}{rest}.{micro}")
    offset = timedelta(hours=int(zone_hours or 0), minutes=int(zone_minutes or 0))
    try:
        moved = found + timedelta(days=late) - (-offset if sign == "-" else offset)
    except OverflowError:
        raise ValueError("not a time of this calendar") from None
    return moved.replace(tzinfo=UTC)


def _broken_day(value: object) -> str | None:
    ok = isinstance(value, date) and not isinstance(value, datetime)
    return None if ok else "ikke en dato"


def _read_day(text: str) -> date:
    """An xs:date; a zone is left out, a day is a day."""
    hit = _DATE.fullmatch(text.strip())
    if hit is None:
        raise ValueError("not a date")
    return date.fromisoformat(hit.group(1))


def _streamed(_value: object) -> Any:
    raise TypeError("content is streamed, never held as text")


TEXT = _text("memoTextType", 256)
NAME = _text("memoTextType, not empty", 256, shortest=1)
"""Texts without which a message means nothing; the schema would let them be empty."""
COMMENT = _text("memoCommentType", 512)
# 150 and not the 160 of another copy of the schema: the stricter of the two.
NOTIFICATION = _text("memoNotificationType", 150)
LICENSE_NUMBER = _text("memoLicenseNumberType", 7)
URI = _pattern("memoUriType", _URI, "en fuldstændig webadresse på højst 256 tegn")
LANGUAGE = _pattern("memoLanguageType", _LANGUAGE, "en sprogkode på to bogstaver")
UUID = _pattern("memoUuidType", _UUID4, "en UUID version 4")
MESSAGE_TYPE = _one_of("memoMessageType", "DIGITALPOST", "NEMSMS")
ID_TYPE = _one_of("idType", "CPR", "CVR")
ACTION_CODE = _text("actionCode", 256, shortest=1)
GLN = _whole("memoGLNType", 9_999_999_999_999)
P_NUMBER = _whole("memoPNumberType", 9_999_999_999)
FLAG = Simple("xs:boolean", _broken_flag, lambda value: "true" if value else "false", _read_flag)
MOMENT = Simple("memoDateTimeType", _broken_moment, _write_moment, _read_moment)
DAY = Simple("xs:date", _broken_day, date.isoformat, _read_day)
CONTENT = Simple("xs:base64Binary", lambda _value: None, _streamed, _streamed)
