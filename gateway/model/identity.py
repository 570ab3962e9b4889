"""Who a letter is to: CPR, CVR and P-numbers. Digits come out only through ``reveal()``.

Form and dates are judged by python-stdnum; what we add is which rule refused, test numbers,
replacement numbers and the P-number check digit, which stdnum lacks (reference, section 4).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from stdnum.dk import cpr as stdnum_cpr
from stdnum.dk import cvr as stdnum_cvr
from stdnum.exceptions import ValidationError

from gateway.errors import InvalidCpr, InvalidCvr, InvalidPNumber, ReplacementCpr

# ASCII digits only: Arabic-Indic and full-width digits are refused, never converted.
_CPR_FORM = re.compile(r"[0-9]{6}-?[0-9]{4}", re.ASCII)
_CVR_FORM = re.compile(r"[0-9]{8}", re.ASCII)
_P_FORM = re.compile(r"[0-9]{10}", re.ASCII)
# Made-up numbers of test systems: no month has a day 00 (reference, section 4.1).
_TEST_CPR = re.compile(r"00[0-9]{8}", re.ASCII)
# A number with this form anywhere in a text is taken for a CPR number (used to refuse, never to send).
CPR_IN_TEXT = re.compile(r"(?<![0-9])[0-9]{6}[-– ]?[0-9]{4}(?![0-9])", re.ASCII)


@dataclass(frozen=True, slots=True)
class Cpr:
    """A personal number that may be written to. ``repr`` and ``str`` mask it."""

    _digits: str = field(repr=False)

    @classmethod
    def parse(cls, text: str, *, allow_test: bool = False) -> Cpr:
        """The number in *text*, with or without its hyphen.

        The check digit (mod 11) is not looked at: valid numbers without one have been issued since
        1 October 2007 (cpr.dk, numbers without modulus 11).

        Raises:
            ReplacementCpr: for administrative numbers (day + 60), which get no Digital Post.
            InvalidCpr: for any other text; the text is not quoted.
        """
        if not _CPR_FORM.fullmatch(text):
            raise InvalidCpr()
        digits = text.replace("-", "")
        if allow_test and _TEST_CPR.fullmatch(digits):
            return cls(digits)
        if 61 <= int(digits[:2]) <= 91:
            raise ReplacementCpr()
        try:
            stdnum_cpr.validate(digits)
        except ValidationError:
            raise InvalidCpr() from None
        return cls(digits)

    @property
    def kind(self) -> str:
        return "cpr"

    @property
    def p_number(self) -> str | None:
        return None

    def reveal(self) -> str:
        """All ten digits. For the wire and for a person who may see them; never for a log."""
        return self._digits

    def masked(self) -> str:
        """``010101-xxxx``: letters and not bullets, so that screen readers can say it."""
        return f"{self._digits[:6]}-xxxx"

    def __repr__(self) -> str:
        return f"Cpr({self.masked()})"

    def __str__(self) -> str:
        return self.masked()


@dataclass(frozen=True, slots=True)
class Cvr:
    """A company or authority, and the production unit meant, if one is named."""

    number: str
    p_number: str | None = None

    @classmethod
    def parse(cls, text: str, *, p_number: str | None = None, allow_test: bool = False) -> Cvr:
        """The company in *text* (eight digits), with its P-number (ten digits) if given.

        Args:
            allow_test: accept numbers whose check digit does not fit, as sample systems use.

        Raises:
            InvalidCvr: wrong form or check digit.
            InvalidPNumber: wrong form or check digit of *p_number*.
        """
        if not _CVR_FORM.fullmatch(text) or text.startswith("0"):
            raise InvalidCvr()
        if not allow_test and not stdnum_cvr.is_valid(text):
            raise InvalidCvr()
        if p_number is not None and not _p_number_holds(p_number, allow_test=allow_test):
            raise InvalidPNumber()
        return cls(text, p_number)

    @property
    def kind(self) -> str:
        return "cvr"

    def reveal(self) -> str:
        """The eight digits of the company; the P-number is never a recipient of its own."""
        return self.number

    def masked(self) -> str:
        """The number itself: company numbers are public."""
        return self.number if self.p_number is None else f"{self.number}-p{self.p_number}"

    def __str__(self) -> str:
        return self.masked()


Recipient = Cpr | Cvr


def recipient_from(kind: str, number: str, p_number: str | None = None) -> Recipient:
    """A recipient read back from our own ledger; it was judged when it was written."""
    return Cpr(number) if kind == "cpr" else Cvr(number, p_number)


def mask_numbers(text: str) -> str:
    """*text* with everything of a CPR number's form masked; a last net, not a licence."""
    return CPR_IN_TEXT.sub(lambda hit: f"{hit.group()[:6]}-xxxx", text)


def _p_number_holds(text: str, *, allow_test: bool) -> bool:
    """Check digit of a P-number; two series of weights (reference, section 4.3)."""
    if not _P_FORM.fullmatch(text):
        return False
    if allow_test:
        return True
    weights = (1, 5, 6, 7, 3, 6, 4, 8, 9, 1) if int(text) <= 1006959421 else (4, 3, 2, 7, 6, 5, 4, 3, 2, 1)
    return sum(int(digit) * weight for digit, weight in zip(text, weights, strict=True)) % 11 == 0
