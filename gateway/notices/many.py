"""What a notice says of a submission with many letters: counted, the odd ones in full, one line for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.model.notice import LetterLine, Notice
from gateway.model.shipment import Status
from gateway.notices.written import count, recipient

MANY = 20
"""Letters from which a notice counts them, and tells each in one line."""

_WHY = {
    "place": "nummeret stod på pladsen",
    "place-given": "nummeret stod på den valgte plads",
    "marker": "efter mærket",
    "list": "efter modtagerlisten",
    "assigned": "valgt af en medarbejder",
}
"""Why pages of a merged file are a recipient's."""

@dataclass(frozen=True, slots=True)
class Row:
    """One line of facts: ``Bilag: 2``."""

    label: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One letter, or the submission as a whole when there is no letter."""

    heading: str
    """Empty when it is the only one."""
    rows: tuple[Row, ...]


def many_blocks(notice: Notice, whole: Sequence[Row], rows_of: Callable[[LetterLine], tuple[Row, ...]]) -> tuple[Block, ...]:
    """How many letters are where; those that need eyes, in full; then one line for each.

    Args:
        whole: what is said of the submission.
        rows_of: all that is said of one letter.
    """
    counted = Counter(Status(letter.status) for letter in notice.letters)
    numbers = [Row(status.danish, count(number)) for status, number in counted.most_common()]
    odd = [
        Block(heading=_heading(notice, number, letter), rows=rows_of(letter))
        for number, letter in enumerate(notice.letters, 1)
        if letter.refusal is not None and letter.refusal != notice.refusal
    ]
    lines = tuple(
        Row(_heading(notice, number, letter), ", ".join(filter(None, _in_short(letter)))) for number, letter in enumerate(notice.letters, 1)
    )
    return (
        Block(heading="Forsendelsen", rows=(Row("Breve", count(len(notice.letters))), *numbers, *whole)),
        *odd[:MANY],
        Block(heading="Alle breve", rows=lines),
    )


def _heading(notice: Notice, number: int, letter: LetterLine) -> str:
    return f"Side {letter.pages}" if letter.pages else f"Brev {number} af {len(notice.letters)}"


def _in_short(letter: LetterLine) -> tuple[str, ...]:
    copy = " (kopi)" if letter.copy else ""
    return f"{recipient(letter.recipient)}{copy}", Status(letter.status).danish, _WHY.get(letter.why, "")
