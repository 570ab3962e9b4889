"""What a mail says that a rule wanted written, in Danish; to a department, and not to the submitter."""

from __future__ import annotations

from gateway.model.notice import Notice, RuleNote
from gateway.model.shipment import Status
from gateway.notices.many import Block, Row
from gateway.notices.words import LONGEST_TITLE, Page
from gateway.notices.written import clean, moment, recipient


def rule_page(notice: Notice, note: RuleNote) -> Page:
    """To a department: that a rule met a letter, which one, and what the rule's author wrote."""
    rows = [
        Row(label="Brev", value=note.letter),
        Row(label="Afsender", value=clean(note.submitter)),
        Row(label="Modtaget", value=moment(note.received_at)),
        *(Row(label="Modtager", value=recipient(line.recipient)) for line in notice.letters),
        *(Row(label="Status", value=Status(line.status).danish) for line in notice.letters),
    ]
    name = clean(note.rule)
    return Page(
        subject=f"Regel »{name[:LONGEST_TITLE]}«: {note.letter}",
        lead=clean(note.text) or f"Reglen »{name}« passede på et brev.",
        blocks=(Block(heading=f"Reglen »{name}«", rows=tuple(rows)),),
        notes=(),
        next_step="Find brevet i loggen med id'et ovenfor. Skal du ikke have denne besked, så sig det til den, der driver systemet.",
    )
