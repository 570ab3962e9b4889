"""CPR and CVR numbers in the text of a page: where they stand, and how sure it is that they are numbers.

Only text is looked at; places and statistics over a batch are ``gateway.documents.batch``'s. The rules are
those of the reference, pdf.md, section 4: a number alone is never judged by its check digit (since 2007 valid
ones are issued that fail it), a label to the left says what a number is, and what merely looks like one is
left out or marked.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

NumberKind = Literal["cpr", "cvr"]
Label = Literal["own", "none", "other"]
"""What stands before a number: that it is one, nothing, or that it is something else (an account, a case)."""

# Eight kinds of hyphen, the soft one and the two that PDFium gives for it among them.
_HYPHEN = r"\-\u2010-\u2014\u2212\u00ad\ufffe\x02"
_SPACE = r" \u00a0\u2007\u2009\u202f"
# A cheap first look: at least eight digits, little between them.
_RUN = re.compile(rf"\d(?:[{_SPACE}{_HYPHEN}\r\n]{{0,3}}\d){{7,}}|\d\d\.\d\d\.\d\d[{_SPACE}{_HYPHEN}]{{1,3}}\d{{4}}")
_LONGEST = 10
"""Digits in a row; more are a number of another kind."""
_NUMBER = re.compile(
    # Neither part of a longer number, nor behind a sign that joins numbers: IBAN, FIK line, amounts.
    rf"(?<!\d)(?<!\d[.,/%<+{_HYPHEN}])(?:"
    rf"(?P<cpr>\d{{6}}(?P<gap>[{_SPACE}]?[{_HYPHEN}][{_SPACE}]?(?:\r?\n)?|[{_SPACE}]?)\d{{4}})"
    rf"|(?P<dots>\d\d[.{_SPACE}]\d\d[.{_SPACE}]\d\d[{_SPACE}]?[{_HYPHEN}][{_SPACE}]?\d{{4}})"
    rf"|(?P<cvr>\d\d(?P<pair>[{_SPACE}]?)\d\d(?P=pair)\d\d(?P=pair)\d\d)"
    rf"|(?P<spaced>\d(?:[{_SPACE}]\d){{5}}[{_SPACE}]?[{_HYPHEN}]?[{_SPACE}]?\d(?:[{_SPACE}]\d){{3}}|\d(?:[{_SPACE}]\d){{7}})"
    rf")(?!\d)(?![{_HYPHEN}.,/]\d)(?!<)(?![{_SPACE}]\d(?:[{_SPACE}]|$))"
)
_LABEL_LENGTH = 28  # characters to the left in which a label may end
_OWN = {
    "cpr": re.compile(r"(?:cpr|person(?:nummer|nr)|fødselsnummer)[\s.\-]*(?:nr|nummer|no)?[\s.:]*$", re.IGNORECASE),
    "cvr": re.compile(
        r"(?:\b(?:cvr|se|vat|moms|virksomheds)(?:/se|/cvr)?[\s.\-/]*(?:nr|nummer|no|reg)?[\s.:]*|\bDK[\s\-]?)$",
        re.IGNORECASE,
    ),
}  # fmt: skip
_OTHER = re.compile(
    r"\b(?:konto|reg|iban|sags?|journal|j|dok|faktura|ordre|kunde|måler|tlf|telefon|fax|mobil|ean|p|gln|medlems?|police|aftale"
    r"|betalings-?id|perioden|matr(?:ikel)?|bfe|løb|ref|bestillings?)"
    r"[\s.\-]*(?:nr|nummer|no)?[\s.:]*$",
    re.IGNORECASE,
)  # fmt: skip
_NOT_DIGITS = re.compile(r"\D")
_CPR_WEIGHTS = (4, 3, 2, 7, 6, 5, 4, 3, 2, 1)
_CVR_WEIGHTS = (2, 7, 6, 5, 4, 3, 2, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """Something that has the form of a CPR or CVR number."""

    start: int
    """Place of its first character in the text."""
    kind: NumberKind
    digits: str = field(repr=False)
    label: Label
    check: bool
    """Modulus 11 fits."""
    possible: bool
    """It can be a number: the date exists and is no replacement number's; a company's check digit fits."""
    weak: bool
    """Counts only where numbers are expected: written in an unusual way, or without a label where it needs one."""


def find_numbers(text: str) -> list[Number]:
    """All numbers in *text*, in order."""
    return [
        found
        for run in _RUN.finditer(text)
        if run.end() - run.start() <= _LONGEST or not run.group().isdigit()
        for hit in _hits(text, run)
        if (found := _number(text, hit))
    ]


def label_before(kind: NumberKind, left: str) -> Label:
    """What the end of *left* says about a number that follows it."""
    if _OWN[kind].search(left):
        return "own"
    return "other" if _OTHER.search(left) or left.endswith("DK") else "none"


def cpr_checks(digits: str) -> bool:
    """Whether modulus 11 fits; true of nearly all numbers, but of no use to refuse one."""
    return _weighted(digits, _CPR_WEIGHTS)


def cvr_checks(digits: str) -> bool:
    """Whether modulus 11 fits; all company numbers' does."""
    return _weighted(digits, _CVR_WEIGHTS)


def cpr_date_exists(digits: str) -> bool:
    """Whether there is such a day; the century is in the seventh digit (cpr.dk; reference, pdf.md, section 4)."""
    day, month, year, seventh = int(digits[:2]), int(digits[2:4]), int(digits[4:6]), digits[6]
    if seventh in "0123":
        century = 1900
    elif seventh in "49":
        century = 2000 if year <= 36 else 1900
    else:
        century = 2000 if year <= 57 else 1800
    return 1 <= month <= 12 and 1 <= day <= calendar.monthrange(century + year, month)[1]


def probably_mistyped(digits: str) -> bool:
    """A CPR number that fails modulus 11, and is not among those issued without: all are born on 1 January."""
    return not cpr_checks(digits) and not digits.startswith("0101")


def _weighted(digits: str, weights: tuple[int, ...]) -> bool:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=True)) % 11 == 0


def _hits(text: str, run: re.Match[str]) -> Iterator[re.Match[str]]:
    # A little further than the run: what must not follow is looked at too.
    return _NUMBER.finditer(text, run.start(), min(len(text), run.end() + 3))


def _number(text: str, hit: re.Match[str]) -> Number | None:
    digits = _NOT_DIGITS.sub("", hit.group())
    if not digits.isascii():
        return None
    label = label_before("cpr" if len(digits) == 10 else "cvr", _left_of(text, hit))
    judge = _cpr if len(digits) == 10 else _cvr
    return judge(hit, digits, label)


def _left_of(text: str, hit: re.Match[str]) -> str:
    """What stands on the same line before it."""
    left = text[max(0, hit.start() - _LABEL_LENGTH) : hit.start()]
    left = left[max(left.rfind("\n"), left.rfind("\r")) + 1 :]
    # Letters spaced out like the digits.
    return left.replace(" ", "") if hit["spaced"] and left[-2:-1] == " " else left


def _cpr(hit: re.Match[str], digits: str, label: Label) -> Number | None:
    possible = cpr_date_exists(digits)
    gap = hit["gap"]
    hyphened = bool(hit["dots"]) or (gap is not None and bool(gap.strip()) and "\n" not in gap)
    if not possible and label != "own" and not hyphened:
        return None
    usual = hyphened or gap == ""
    weak = not possible or (label != "own" and not usual)
    return Number(
        start=hit.start(), kind="cpr", digits=digits, label=label, check=cpr_checks(digits), possible=possible, weak=weak
    )


def _cvr(hit: re.Match[str], digits: str, label: Label) -> Number | None:
    fits = cvr_checks(digits) and not digits.startswith("0")
    if label != "own" and (label == "other" or not fits):
        # A phone number, as far as anybody can tell.
        return None
    return Number(
        start=hit.start(), kind="cvr", digits=digits, label=label, check=fits, possible=fits, weak=label != "own" or not fits
    )
