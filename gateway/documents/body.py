"""The text of a mail itself, which may be the letter."""

from __future__ import annotations

from gateway.documents import headers
from gateway.documents.mime import Part


def body_text(body: tuple[Part, ...]) -> str:
    """The text of the mail, lines ended by LF and reflowed (RFC 3676); empty if there is none."""
    texts = []
    for part in body:
        plain = headers.decode(part.content(), part.charset).replace("\r\n", "\n")
        texts.append(_reflow(plain) if part.flowed else plain)
    return "\n".join(texts).strip()


def _reflow(plain: str) -> str:
    """Lines that end in a space go on in the next one (RFC 3676, section 4)."""
    lines: list[str] = []
    going_on = False
    for line in plain.split("\n"):
        # Stuffed lines have one space more (section 4.4); "-- " is the signature line, never flowed.
        bare = line.removeprefix(" ")
        if going_on and bare != "-- ":
            lines[-1] += bare
        else:
            lines.append(bare)
        going_on = bare.endswith(" ") and bare != "-- "
    return "\n".join(line.rstrip(" ") if line != "-- " else line for line in lines)
