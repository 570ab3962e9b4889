"""What a person wrote above the mail that is answered: the mail itself, quoted below it, is left out.

The mails we forward begin with a line to write above. Mail programs put some lines of their own between the two; those
go as well.
"""

from __future__ import annotations

import re

MARK = "Skriv dit svar over denne linje"
"""Stands in the first line of a mail that may be answered."""

# Outlook and others write them above what they quote, some in bold.
_FIELDS = "fra|from|sendt|sent|til|to|cc|kopi|emne|subject|dato|date|prioritet|importance"
_BETWEEN = re.compile(
    rf"^\s*$|^\s*>|^[\s*]*({_FIELDS})[\s*]*:"
    r"|^\s*[-_=─—*]{3,}"
    # "Den 28. nov. 2026 kl. 10.12 skrev Digital Post <…>:", which may be broken over two lines.
    r"|\b(skrev|wrote)\b.*:?\s*$",
    re.IGNORECASE,
)
_BROKEN = re.compile(r"^\s*(den|on)\b.*[0-9]", re.IGNORECASE)


def own_words(text: str, sender: str) -> str:
    """*text* up to the mail that it quotes.

    Args:
        text: of the answer, lines ended by LF.
        sender: the From address of the mails we forward.

    Returns:
        All of *text* where no such mail is quoted in it.
    """
    lines = text.split("\n")
    marked = next((at for at, line in enumerate(lines) if MARK in line), None)
    if marked is None:
        return text.strip()
    end = marked
    while end and (_BETWEEN.search(lines[end - 1]) or sender.lower() in lines[end - 1].lower()):
        end -= 1
    if 0 < end < marked and _BROKEN.match(lines[end - 1]) and "skrev" in "".join(lines[end:marked]):
        end -= 1
    return "\n".join(lines[:end]).strip()
