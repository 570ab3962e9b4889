"""How values are written in a notice: times, recipients, and text from outside made harmless."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from zoneinfo import ZoneInfo

from gateway.model.identity import mask_numbers

COPENHAGEN = ZoneInfo("Europe/Copenhagen")

_MASKED_CPR = re.compile(r"[0-9]{6}-xxxx", re.ASCII)
_CVR = re.compile(r"([0-9]{8})(?:-p([0-9]{10}))?", re.ASCII)
_CVR_WITH_P = re.compile(r"(?<![0-9])([0-9]{8}-p[0-9]{10})(?![0-9])", re.ASCII)


def clean(text: str) -> str:
    """*text* from outside on one line: no control or format characters, CPR numbers masked."""
    return mask_numbers(_one_line(text))


def moment(at: datetime) -> str:
    """``23.11.2026 kl. 09.11``, Danish time."""
    return at.astimezone(COPENHAGEN).strftime("%d.%m.%Y kl. %H.%M")


def count(number: int) -> str:
    """``3.000``, as Danes write it."""
    return f"{number:,}".replace(",", ".")


def recipient(masked: str) -> str:
    """``CPR 010101-xxxx``, ``CVR 12345674`` or ``CVR 12345674, P-nummer 1023456789``."""
    if _MASKED_CPR.fullmatch(masked):
        return f"CPR {masked}"
    company = _CVR.fullmatch(masked)
    if company is None:
        return clean(masked)
    unit = f", P-nummer {company[2]}" if company[2] else ""
    return f"CVR {company[1]}{unit}"


def ours(sentence: str) -> str:
    """A sentence of our own, which may name a CVR number with its public P-number as an example."""
    # The odd parts are what the pattern found.
    parts = _CVR_WITH_P.split(_one_line(sentence))
    return "".join(part if n % 2 else mask_numbers(part) for n, part in enumerate(parts))


def _one_line(text: str) -> str:
    """Format characters go too: they hide text, turn its direction, or split a number unseen."""
    kept = (
        " " if unicodedata.category(sign) in {"Cc", "Cs", "Zl", "Zp"} else sign
        for sign in text
        if unicodedata.category(sign) != "Cf"
    )
    return " ".join("".join(kept).split())
