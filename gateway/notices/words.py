"""What a notice says, in Danish, as lines without form; the templates give it its two forms.

Written to a school secretary: first what happened, then what to do, then the numbers to quote when
asking. Words as in the glossary. Nothing here may hold a whole CPR number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.errors import (
    ArchiveRefused,
    ArchiveUnavailable,
    DigitalPostAccessDenied,
    GatewayError,
    LookupFailed,
    MailNotEncrypted,
    MailNotSendable,
    MailRelayRefused,
    MailRelayUnavailable,
    OperatorError,
    OurError,
    ReaderLimit,
    RemoteError,
    every_error,
)
from gateway.model.notice import LetterLine, Notice, Refusal
from gateway.model.shipment import Status
from gateway.notices.many import MANY, Block, Row, many_blocks
from gateway.notices.written import clean, moment, ours, recipient

LONGEST_TITLE = 120
"""Characters of a title kept in a subject; the letter itself has all of it."""

_NOT_SENT = frozenset(
    {Status.FAILED, Status.REJECTED, Status.CANCELLED, Status.HANDLED, Status.ARCHIVED, Status.NONE}
)

_BY_PERSON = {
    Status.HANDLED: (
        "Håndteret",
        "En medarbejder har håndteret {them} på en anden måde, for eksempel sendt {it} på papir.",
        "Du skal ikke gøre noget.",
    ),
    Status.CANCELLED: (
        "Annulleret",
        "En medarbejder har annulleret {them}, så {it} bliver ikke sendt.",
        "Spørg den, der driver systemet, hvis det er en fejl.",
    ),
}
"""How a person may end a letter: the subject's first word, what happened, what to do."""

_FOR_OPERATORS = frozenset(
    error.code
    for error in every_error()
    if (issubclass(error, OurError | OperatorError) and error is not ReaderLimit)
    or error
    in {
        GatewayError, RemoteError, DigitalPostAccessDenied, LookupFailed, MailNotEncrypted, MailRelayUnavailable,
        MailRelayRefused, MailNotSendable, ArchiveUnavailable, ArchiveRefused,
    }
)  # fmt: skip
"""Codes whose sentence is for the operator, in English: a submitter only needs the title."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """All that a mail says, ready for both forms."""

    subject: str
    lead: str
    """The first sentence: what happened."""
    blocks: tuple[Block, ...]
    notes: tuple[str, ...]
    next_step: str
    """The last sentence: what happens next, or what to do."""


def page(notice: Notice) -> Page:
    """What *notice* says."""
    mark, lead, next_step = _outcome(notice)
    title = clean(notice.title)
    return Page(
        subject=f"{mark}: {_cut(title) or f'Forsendelse {notice.submission_id}'}",
        lead=lead,
        blocks=_blocks(notice),
        notes=tuple(clean(note) for note in notice.notes),
        next_step=next_step,
    )


# ── what happened ───────────────────────────────────────────────────────────


def _outcome(notice: Notice) -> tuple[str, str, str]:
    """The subject's first word, the lead, and the last sentence."""
    if notice.kind == "received":
        return _received(notice)
    if notice.kind == "held":
        return _held(notice)
    if notice.kind == "conflict":
        return (
            "Ikke sendt",
            "Mailen er ikke sendt videre. Den har samme id som en mail, du har sendt før, men et andet indhold.",
            "Det første brev er ikke ændret. Skal det nye sendes, så skriv en helt ny mail.",
        )
    return _final(notice)


def _received(notice: Notice) -> tuple[str, str, str]:
    if not notice.letters:
        return (
            "Modtaget",
            "Din mail er modtaget og bliver nu gjort klar til Digital Post.",
            "Du får besked igen, når vi ved, om brevet er leveret.",
        )
    count = len(notice.letters)
    if count == 1:
        return (
            "Modtaget",
            "Dit brev er modtaget og står i kø til Digital Post.",
            "Du får besked, når brevet er leveret. Du skal ikke gøre noget.",
        )
    return (
        "Modtaget",
        f"Dine {count} breve er modtaget og står i kø til Digital Post.",
        "Du får besked, når brevene er leveret. Du skal ikke gøre noget.",
    )


def _held(notice: Notice) -> tuple[str, str, str]:
    waiting = sum(letter.status == Status.HELD for letter in notice.letters)
    count = len(notice.letters)
    if count < 2:
        lead = "Brevet er ikke sendt endnu. Det venter på, at en medarbejder ser på det."
    elif waiting == count:
        lead = f"De {count} breve er ikke sendt endnu. De venter på, at en medarbejder ser på dem."
    else:
        them = "det" if waiting == 1 else "dem"
        lead = (
            f"{waiting} af {count} breve er ikke sendt endnu og venter på, "
            f"at en medarbejder ser på {them}."
        )
    return "Afventer", lead, "Send ikke mailen igen. Du får besked, når der er nyt."


def _final(notice: Notice) -> tuple[str, str, str]:
    count = len(notice.letters)
    delivered = [letter for letter in notice.letters if letter.status == Status.COMPLETED]
    if not notice.letters:
        return "Ikke sendt", "Brevet er ikke sendt. Intet er leveret til modtageren.", ""
    if all(letter.status == Status.ARCHIVED for letter in notice.letters):
        return "Arkiveret", _only_archived(count), "Du skal ikke gøre noget."
    for status, (mark, lead, next_step) in _BY_PERSON.items():
        if all(letter.status == status for letter in notice.letters):
            them, it = ("brevet", "det") if count == 1 else (f"de {count} breve", "de")
            return mark, lead.format(them=them, it=it), next_step
    if len(delivered) == count:
        return "Leveret", _delivered(delivered), _after_delivery(notice.letters)
    if delivered:
        return (
            f"{len(delivered)} af {count} leveret",
            f"{len(delivered)} af {count} breve er leveret i modtagernes Digital Post.",
            "Se herover, hvilke breve der ikke er leveret. Send ikke til de andre igen: de har fået brevet.",
        )
    if all(letter.status in _NOT_SENT for letter in notice.letters):
        lead = "Brevet er ikke leveret." if count == 1 else f"Ingen af de {count} breve er leveret."
        return "Ikke sendt", lead, ""
    return (
        "Afventer",
        f"Vi ved endnu ikke, om {'brevet' if count == 1 else 'brevene'} er leveret.",
        "Send ikke mailen igen: så kan modtageren få brevet to gange.",
    )


def _only_archived(count: int) -> str:
    """A rule may want a letter kept and not sent; "delivered" would be untrue."""
    what = "Brevet er arkiveret. Det er" if count == 1 else f"De {count} breve er arkiveret. De er"
    return f"{what} efter reglerne ikke sendt med Digital Post."


def _delivered(letters: Sequence[LetterLine]) -> str:
    if len(letters) > 1:
        return f"✓✓ Alle {len(letters)} breve er leveret i modtagernes Digital Post."
    letter = letters[0]
    when = f" {moment(letter.settled_at)}" if letter.settled_at else ""
    return f"✓✓ Brevet er leveret i modtagerens Digital Post{when}.{_archived(letter)}"


def _after_delivery(letters: Sequence[LetterLine]) -> str:
    if any(letter.archive == Status.FAILED for letter in letters):
        return (
            "Arkiveringen er ikke lykkedes; en medarbejder ser på den under Ubehandlet. "
            "Send ikke mailen igen: brevet er leveret."
        )
    return "Du skal ikke gøre noget."


def _archived(letter: LetterLine) -> str:
    if letter.archive != Status.ARCHIVED:
        return ""
    place = f" i sag {clean(letter.case)}" if letter.case else ""
    return f" Det er arkiveret{place}."


# ── the facts ───────────────────────────────────────────────────────────────


def _blocks(notice: Notice) -> tuple[Block, ...]:
    # What once held the letters is over when a person has ended them all.
    ended = notice.letters and all(letter.status in _BY_PERSON for letter in notice.letters)
    reason = [] if ended else _why(notice.refusal)
    whole = [*reason, Row("Forsendelses-id", notice.submission_id)]
    several = len(notice.letters) > 1
    if len(notice.letters) > MANY:
        return many_blocks(notice, whole, lambda letter: _letter_rows(notice, letter))
    if not notice.letters:
        return (Block(heading="", rows=tuple(whole)),)
    if not several:
        return (Block(heading="", rows=(*_letter_rows(notice, notice.letters[0]), *whole)),)
    numbered = tuple(
        Block(heading=f"Brev {number} af {len(notice.letters)}", rows=_letter_rows(notice, letter))
        for number, letter in enumerate(notice.letters, 1)
    )
    return (*numbered, Block(heading="Forsendelsen", rows=tuple(whole)))


def _letter_rows(notice: Notice, letter: LetterLine) -> tuple[Row, ...]:
    copy = " (kopi)" if letter.copy else ""
    rows = [
        Row("Modtager", f"{recipient(letter.recipient)}{copy}"),
        Row("Status", _status(letter)),
        Row("Bilag", str(letter.attachments)),
    ]
    if letter.archive != Status.NONE:
        rows.append(Row("Arkiv", _archive(letter)))
    if letter.status in _BY_PERSON:
        if len(notice.letters) > 1:
            _, happened, next_step = _BY_PERSON[Status(letter.status)]
            rows.append(Row("Bemærk", f"{happened.format(them='brevet', it='det')} {next_step}"))
    # The letter's own reason, unless the same one stands for the whole submission below it.
    elif letter.refusal != notice.refusal:
        rows.extend(_why(letter.refusal))
    return tuple(rows)


def _status(letter: LetterLine) -> str:
    words = Status(letter.status).danish
    return f"{words}, {moment(letter.settled_at)}" if letter.settled_at else words


def _archive(letter: LetterLine) -> str:
    words = "Fejlet" if letter.archive == Status.FAILED else Status(letter.archive).danish
    return f"sag {clean(letter.case)} ({words})" if letter.case else words


def _why(refusal: Refusal | None) -> list[Row]:
    """Reason, remedy, code, and last the detail that only the sender may see."""
    if refusal is None:
        return []
    sentence, remedy = refusal.sentence, refusal.remedy
    if refusal.code in _FOR_OPERATORS:
        sentence = f"{refusal.title or 'Fejl'}. Fejlen er hos os, ikke i din mail."
        remedy = "Du skal ikke gøre noget. En medarbejder ser på det."
    rows = [Row("Årsag", ours(sentence))]
    if refusal.private:
        rows.append(Row("Det drejer sig om", clean(refusal.private)))
    if remedy:
        rows.append(Row("Sådan gør du", ours(remedy)))
    return [*rows, Row("Fejlkode", clean(refusal.code))]


def _cut(title: str) -> str:
    return title if len(title) <= LONGEST_TITLE else f"{title[: LONGEST_TITLE - 1].rstrip()}…"
