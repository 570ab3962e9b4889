"""Pages to letters, and what makes each of them uncertain.

A missed number is a disclosure: the pages behind it would go to the one before. So a page joins the letter
before it in silence only if nothing speaks against it, and whatever does becomes a flag (reference, pdf.md,
section 4, rules 8 and 9). A flagged letter waits for a person; the words are in docs/reference/batches.md.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.documents.batch.manner import SplitManner
from gateway.documents.batch.place import learn_place, number_in, usable_numbers
from gateway.documents.numbers import probably_mistyped
from gateway.documents.pdf.plain import Plain
from gateway.documents.pdf.seen import PlacedNumber, SeenPage
from gateway.errors import SubmitterError
from gateway.model.batch import Piece, Place, Settled
from gateway.model.identity import Cpr, Cvr, Recipient

_NEIGHBOURS = 5
"""Letters before and after in which another recipient's number is looked for."""
_MARKS_USUAL = 0.9
"""Share of pages with a page mark from which a page without one is remarkable."""
_OF_THE_FILE = frozenset({"repaired-file", "damaged-page"})
_MARKER_NUMBER = re.compile(r"(?:^|;)(?:cpr|cvr)=(\d{6}-?\d{4}|\d{8})(?:;|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Division:
    """All pages, each in one piece, in order."""

    pieces: tuple[Piece, ...]
    place: Place | None
    """Where the numbers were looked for, if they were."""


@dataclass(slots=True)
class _Letter:
    """A letter while its pages are gathered."""

    first: int
    pages: int = 1
    number: PlacedNumber | None = None
    why: str = ""
    flags: set[str] = field(default_factory=set)

    @property
    def digits(self) -> str | None:
        return self.number.digits if self.number is not None else None


def divide(
    pages: Sequence[SeenPage], plain: Plain, manner: SplitManner, settled: Settled, *, allow_test: bool
) -> Division:
    """Whose each page is.

    Args:
        plain: of the same file; what was damaged or hidden in it flags its letters.
        allow_test: take made-up numbers of test systems.
    """
    dividing = _Dividing(pages, plain, manner, settled)
    letters = dividing.letters()
    pieces = [_piece(letter, settled, allow_test=allow_test) for letter in letters]
    return Division(tuple(pieces), dividing.place)


class _Dividing:
    def __init__(self, pages: Sequence[SeenPage], plain: Plain, manner: SplitManner, settled: Settled) -> None:
        self._pages, self._plain, self._manner, self._assigned = pages, plain, manner, settled.assigned
        self._numbers = usable_numbers(pages, manner.own_numbers)
        self._marks = _marks(pages)
        self._marked = sum(mark is not None for mark in self._marks) >= _MARKS_USUAL * len(pages)
        self._batch_flags: set[str] = set()
        self.place = settled.place or manner.place
        if self.place is None and manner.mode not in ("marker", "list"):
            learned = learn_place(self._numbers)
            self.place = learned.place
            if learned.ambiguous:
                self._batch_flags.add("two-positions")
            if not learned.real:
                self._batch_flags.add("numbers-do-not-check")
        if plain.repaired:
            self._batch_flags.add("repaired-file")
        if plain.hidden_layers:
            self._batch_flags.add("hidden-layers")

    def letters(self) -> list[_Letter]:
        letters: list[_Letter] = []
        for at in range(len(self._pages)):
            self._take(at, letters)
        self._end(letters[-1])
        self._look_around(letters)
        for letter in letters:
            letter.flags |= self._batch_flags
            if letter.number is None and not letter.flags:
                letter.flags.add("no-number")
        return letters

    def _take(self, at: int, letters: list[_Letter]) -> None:
        """Page *at*: into the letter before it, or the first of a new one."""
        number, flags = self._number(at)
        before = letters[-1] if letters else None
        if before is None or self._begins(at, number, before):
            if before is not None:
                self._end(before)
            new = _Letter(at, number=number, why=self._why(number), flags=flags)
            new.flags |= self._first_page_flags(at, number)
            letters.append(new)
        else:
            before.pages += 1
            before.flags |= flags | self._joining_flags(at, number, before)

    def _number(self, at: int) -> tuple[PlacedNumber | None, set[str]]:
        """The number that names the page's recipient, and what is wrong with the page alone."""
        page = self._pages[at]
        flags: set[str] = set()
        if page.characters <= 0:
            flags.add("no-text")
        if page.unreadable:
            flags.add("unreadable-font")
        if at in self._plain.broken_pages:
            flags.add("damaged-page")
        if self._manner.mode == "marker":
            return _marked_number(page, flags), flags
        number, second = number_in(self._numbers[at], self.place) if self.place is not None else (None, False)
        if second:
            flags.add("two-numbers")
        if number is not None and any(one.hidden and one.digits != number.digits for one in page.numbers):
            flags.add("hidden-number")
        return number, flags

    def _why(self, number: PlacedNumber | None) -> str:
        if number is None:
            return ""
        if self._manner.mode == "marker":
            return "marker"
        return "place" if self._manner.place is None else "place-given"

    def _begins(self, at: int, number: PlacedNumber | None, before: _Letter) -> bool:
        mode = self._manner.mode
        if at in self._assigned:
            return True
        if mode == "list":
            return False
        if mode == "count":
            return at - before.first >= (self._manner.pages or 1)
        if mode == "bookmarks":
            return at in self._plain.bookmarks
        if mode == "marker":
            return self._pages[at].marker is not None
        mark = self._marks[at]
        if mark is not None and (mark[0] == 1 or not self._follows(at)):
            return True
        return number is not None and number.digits != before.digits

    def _follows(self, at: int) -> bool:
        """Whether the page's mark goes on from the page before it."""
        mark, last = self._marks[at], self._marks[at - 1]
        return mark is None or (last is not None and last == (mark[0] - 1, mark[1]))

    def _first_page_flags(self, at: int, number: PlacedNumber | None) -> set[str]:
        flags: set[str] = set()
        mark = self._marks[at]
        if mark is not None and mark[0] != 1:
            # A first page that says it is not the first: pages are missing, or in another order.
            flags.add("page-order")
        if mark is None and self._marked:
            flags.add("page-without-mark")
        if number is None:
            flags.add("first-page-without-number")
        return flags

    def _joining_flags(self, at: int, number: PlacedNumber | None, before: _Letter) -> set[str]:
        """What speaks against page *at* being of the letter before it."""
        flags: set[str] = set()
        mark = self._marks[at]
        if number is not None and number.digits != before.digits:
            flags.add("number-changes-inside")
        if mark is None:
            if self._marked:
                flags.add("page-without-mark")
            others = {one.digits for one in self._numbers[at] if not one.weak} - {before.digits}
            if others:
                flags.add("other-number")
            last = self._marks[at - 1]
            if last is not None and last[0] == last[1]:
                flags.add("page-after-the-last")
        if self._manner.mode == "every-page" and number is None:
            flags.add("page-without-number")
        return flags

    def _end(self, letter: _Letter) -> None:
        """The last page of *letter* has come."""
        mark = self._marks[letter.first + letter.pages - 1]
        if mark is not None and mark[0] < mark[1]:
            letter.flags.add("page-missing")
        if self._manner.mode == "count" and letter.pages < (self._manner.pages or 1):
            letter.flags.add("page-missing")

    def _look_around(self, letters: Sequence[_Letter]) -> None:
        """A later page with the number of a letter nearby may be that letter's: pages may have been swapped."""
        for place, letter in enumerate(letters):
            near = letters[max(0, place - _NEIGHBOURS) : place + _NEIGHBOURS + 1]
            others = {one.digits for one in near} - {letter.digits, None}
            later = self._numbers[letter.first + 1 : letter.first + letter.pages]
            if others.intersection(number.digits for page in later for number in page):
                letter.flags.add("number-of-another")


def _marks(pages: Sequence[SeenPage]) -> list[tuple[int, int] | None]:
    """The page marks, unless they count through the whole file or make no sense."""
    marks = [page.mark if page.mark and 1 <= page.mark[0] <= page.mark[1] else None for page in pages]
    through = [mark for mark in marks if mark is not None and mark[1] == len(pages)]
    if len(pages) > 1 and len(through) > len(pages) / 2:
        return [None] * len(pages)
    return marks


def _marked_number(page: SeenPage, flags: set[str]) -> PlacedNumber | None:
    if page.marker is None:
        return None
    hit = _MARKER_NUMBER.search(page.marker)
    if hit is None:
        flags.add("invalid-number")
        return None
    digits = hit[1].replace("-", "")
    is_cpr = len(digits) == 10
    return PlacedNumber(
        kind="cpr" if is_cpr else "cvr", digits=digits, x=0, y=0, label="own",
        check=not (is_cpr and probably_mistyped(digits)), possible=True, weak=False, hidden=False,
    )  # fmt: skip


def _piece(letter: _Letter, settled: Settled, *, allow_test: bool) -> Piece:
    flags = set(letter.flags)
    recipient: Recipient | None = None
    if letter.first in settled.assigned:
        # Whoever named the recipient knows whose pages these are, but not that some of them are broken.
        broken = tuple(sorted(flags & _OF_THE_FILE)) if not settled.accepted else ()
        why = "list" if letter.first in settled.listed else "assigned"
        return Piece(first=letter.first, pages=letter.pages, recipient=settled.assigned[letter.first], why=why, flags=broken)
    if letter.number is not None:
        recipient = _recipient(letter.number, flags, allow_test=allow_test)
    if settled.accepted and recipient is not None:
        flags.clear()
    return Piece(
        first=letter.first,
        pages=letter.pages,
        recipient=recipient,
        why=letter.why,
        flags=tuple(sorted(flags)),
    )


def _recipient(number: PlacedNumber, flags: set[str], *, allow_test: bool) -> Recipient | None:
    if number.kind == "cpr" and probably_mistyped(number.digits):
        flags.add("check-digit")
    try:
        if number.kind == "cpr":
            return Cpr.parse(number.digits, allow_test=allow_test)
        return Cvr.parse(number.digits, allow_test=allow_test)
    except SubmitterError:
        flags.add("invalid-number")
        return None

