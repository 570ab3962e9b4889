"""Where on the page the recipient's number stands, learned over the batch.

The first number on a page is not it: measured, that sends one page in twenty to a child or a spouse. What is
common to the letters of a batch is the place: the most *different* numbers stand there, nearly all of them pass
modulus 11 (account and case numbers do in 9 % of cases), and usually a label says what they are (reference,
pdf.md, section 4, rules 5 to 7).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from statistics import median

from gateway.documents.pdf.seen import PlacedNumber, SeenPage
from gateway.model.batch import Place

_BIN_HEIGHT = 3.0  # mm
_BIN_WIDTH = 40.0
_REACH_DOWN = 4.5
"""How far from its middle the place reaches, mm; lines of the template do not move further."""
_REACH_ACROSS = 22.0
_REAL = 0.7
"""Share of numbers that pass modulus 11 from which a place is taken for one of CPR or CVR numbers."""
_RIVAL = 0.5
"""A second place with more than this share of the first one's different numbers may be the right one."""
_DIFFERS = 0.1
_EVERYWHERE = 0.2
"""A number on more than this share of the pages is the sender's or a case worker's, if it keeps company."""
_EVERYWHERE_AT_LEAST = 8

Numbers = Sequence[Sequence[PlacedNumber]]
"""By page."""


@dataclass(frozen=True, slots=True)
class Learned:
    """The place; None if nothing like one was found."""

    place: Place | None
    ambiguous: bool = False
    """Another place holds other persons' numbers just as often: a person must point at the right one."""
    real: bool = True
    """Enough of its numbers pass modulus 11."""


def usable_numbers(pages: Sequence[SeenPage], own: Collection[str]) -> list[list[PlacedNumber]]:
    """The numbers that could be a recipient's, by page: none of the sender's, none with another label, none
    that a reader does not see, none that stands everywhere.
    """
    found = [
        [one for one in page.numbers if one.digits not in own and one.label != "other" and not one.hidden] for page in pages
    ]
    everywhere = _everywhere(found)
    return [[one for one in page if one.digits not in everywhere] for page in found]


def learn_place(numbers: Numbers) -> Learned:
    """Where the recipients' numbers stand."""
    bins: dict[tuple[int, int], list[PlacedNumber]] = defaultdict(list)
    for page in numbers:
        for one in page:
            bins[_bin(one)].append(one)
    if not bins:
        return Learned(None)
    weights = {place: _weight(found) for place, found in bins.items()}
    best = max(weights, key=lambda place: (weights[place], -place[0], -place[1]))
    place = _around(bins[best])
    inside = [one for page in numbers for one in page if place.holds(one.x, one.y)]
    return Learned(place, ambiguous=_has_rival(numbers, place, bins), real=_share_real(inside) >= _REAL)


def number_in(page: Sequence[PlacedNumber], place: Place) -> tuple[PlacedNumber | None, bool]:
    """The number in *place*, and whether there is a second, other one. Rather one that is labelled."""
    here = [one for one in page if place.holds(one.x, one.y)]
    labelled = [one for one in here if one.label == "own"] or here
    return (labelled[0] if labelled else None), len({one.digits for one in labelled}) > 1


def _everywhere(numbers: Numbers) -> set[str]:
    on: dict[str, list[int]] = defaultdict(list)
    for at, page in enumerate(numbers):
        for digits in {one.digits for one in page}:
            on[digits].append(at)
    most = max(_EVERYWHERE_AT_LEAST, _EVERYWHERE * len(numbers))
    return {
        digits
        for digits, pages in on.items()
        if len(pages) > most and sum(len({one.digits for one in numbers[at]}) > 1 for at in pages) > _EVERYWHERE * len(pages)
    }


def _bin(one: PlacedNumber) -> tuple[int, int]:
    return round(one.y / _BIN_HEIGHT), int(one.x // _BIN_WIDTH)


def _share_real(found: Sequence[PlacedNumber]) -> float:
    kinds = {one.digits: one.check or one.digits.startswith("0101") for one in found}
    return sum(kinds.values()) / len(kinds) if kinds else 0.0


def _weight(found: Sequence[PlacedNumber]) -> float:
    different = len({one.digits for one in found})
    labelled = sum(one.label == "own" for one in found) > len(found) / 2
    return different * (1.0 if _share_real(found) >= _REAL else 0.05) * (2 if labelled else 1)


def _around(found: Sequence[PlacedNumber]) -> Place:
    x, y = median(one.x for one in found), median(one.y for one in found)
    return Place(x - _REACH_ACROSS, y - _REACH_DOWN, 2 * _REACH_ACROSS, 2 * _REACH_DOWN)


def _has_rival(numbers: Numbers, place: Place, bins: dict[tuple[int, int], list[PlacedNumber]]) -> bool:
    """Whether another place has about as many different numbers, on the same pages, and others than the first."""
    first = len({one.digits for page in numbers for one in page if place.holds(one.x, one.y)})
    for found in bins.values():
        other = _around(found)
        if place.holds(median(one.x for one in found), median(one.y for one in found)):
            continue
        numbers_there = {one.digits for page in numbers for one in page if other.holds(one.x, one.y)}
        if len(numbers_there) <= _RIVAL * first or _share_real(found) < _REAL:
            continue
        both, differ = _compare(numbers, place, other)
        if differ > _DIFFERS * max(both, 1) or not both:
            return True
    return False


def _compare(numbers: Numbers, first: Place, second: Place) -> tuple[int, int]:
    """Pages with a number in both places, and those where they differ."""
    both = differ = 0
    for page in numbers:
        here, there = number_in(page, first)[0], number_in(page, second)[0]
        if here is not None and there is not None:
            both += 1
            differ += here.digits != there.digits
    return both, differ
