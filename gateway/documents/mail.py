"""A mail read: letters, or the one reason why not. All or nothing for the whole mail.

Runs in a process of its own, see ``gateway.documents.process``; hostile bytes reach nothing else.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from pathlib import Path

from gateway.documents import headers
from gateway.documents.addressing import DEFAULT_FLOW, Address, parse_address
from gateway.documents.batch.letters import Draft, read_batch
from gateway.documents.batch.listed import read_numbers
from gateway.documents.body import body_text
from gateway.documents.cpr_text import mask_cpr
from gateway.documents.files import documents_of
from gateway.documents.head import Head, bare_cr, read_head, refuse_automatic, sender
from gateway.documents.html_text import html_text
from gateway.documents.mime import Pieces, take_apart
from gateway.documents.reading import ReadFlow, Reading, ReadRules
from gateway.documents.recipients import (
    Target,
    batch_address,
    flow_of,
    many_address,
    read_recipients,
)
from gateway.documents.reply_text import MARK, own_words
from gateway.documents.subject import Subject, plain_subject, read_subject, title_of
from gateway.errors import (
    DamagedMail,
    ManyCountDiffers,
    ManyWithoutList,
    NotALetter,
    ReplyQuotesUs,
    SubmitterError,
)
from gateway.model.batch import NOTHING_SETTLED, Settled
from gateway.model.inbound import ReplyTo
from gateway.model.letter import COPY_PREFIX, Document, Letter, Options
from gateway.model.submission import Envelope

_ANSWER = "SV: "
_LISTS = ("masseforsendelse.txt", "masseforsendelse.csv")


def read_mail(
    raw: Path,
    submission_id: str,
    envelope: Envelope,
    rules: ReadRules,
    scratch: Path,
    settled: Settled = NOTHING_SETTLED,
    answers: ReplyTo | SubmitterError | None = None,
) -> Reading:
    """Read the mail in the file *raw*.

    Args:
        scratch: a folder for the bytes of the documents, each a file named by its digest.
        settled: what persons decided about the merged file in it.
        answers: what post to us it answers, or why it may not.

    Returns:
        A Reading; also for whatever a submitter can do wrong. No refusal quotes the mail.
    """
    head = read_head(raw, rules)
    title = _title_to_quote(head, rules)
    try:
        if envelope.automatic:
            raise NotALetter(what="tom afsender")
        refuse_automatic(head, rules)
        if isinstance(answers, SubmitterError):
            raise answers
        return _read(raw, submission_id, envelope, rules, scratch, head=head, settled=settled, answers=answers)
    except SubmitterError as refusal:
        # A copy has no traceback; that would keep the whole mail in memory.
        return Reading(title=title, refusal=copy(refusal), silent=isinstance(refusal, NotALetter))


def _read(
    raw: Path,
    submission_id: str,
    envelope: Envelope,
    rules: ReadRules,
    scratch: Path,
    *,
    head: Head,
    settled: Settled,
    answers: ReplyTo | None,
) -> Reading:
    if head.fault is not None:
        raise head.fault
    if bare_cr(raw):
        raise DamagedMail(defect="linjeskift")
    pieces = take_apart(raw, rules)
    _refuse_own(sender(head), rules)
    if answers is not None:
        return _read_answer(pieces, answers, envelope, rules, scratch, submission_id=submission_id)
    merged = batch_address(envelope, rules)
    if merged is not None:
        return _read_merged(head, pieces, merged, envelope, rules, scratch, submission_id=submission_id, settled=settled)
    many = many_address(envelope, rules)
    if many is not None:
        return _read_many(head, pieces, many, envelope, rules, scratch, submission_id=submission_id)
    recipients = read_recipients(head, envelope, rules)
    targets = recipients.targets
    subject = read_subject(
        _subject(head),
        rules,
        received_on=envelope.received_at.date(),
        copies=any(target.copy for target in targets),
    )
    text_is_letter = all(flow_of(rules, target.flow).body_is_letter for target in targets)
    files = documents_of(pieces, rules, scratch, body_is_letter=text_is_letter)
    letters = tuple(
        _letter(target, subject, files.documents, rules, submission_id=submission_id, index=index)
        for index, target in enumerate(targets, start=1)
    )
    notes = (*recipients.notes, *subject.notes, *pieces.notes, *files.notes)
    return Reading(title=subject.title, letters=letters, notes=notes)


def _read_merged(
    head: Head,
    pieces: Pieces,
    address: Address,
    envelope: Envelope,
    rules: ReadRules,
    scratch: Path,
    *,
    submission_id: str,
    settled: Settled,
) -> Reading:
    """A mail whose main document is a merged file."""
    flow = flow_of(rules, address.flow)
    by_list = flow.split is not None and flow.split.mode == "list"
    subject = read_subject(_subject(head), rules, received_on=envelope.received_at.date(), copies=by_list)
    recipients: bytes | None = None
    if by_list:
        lists = [part for part in pieces.files if part.name.lower().endswith(".csv")]
        recipients = lists[0].content() if len(lists) == 1 else None
        pieces = replace(pieces, files=tuple(part for part in pieces.files if part not in lists))
    files = documents_of(pieces, rules, scratch, body_is_letter=False)
    draft = Draft(
        submission_id=submission_id,
        title=subject.title,
        documents=files.documents,
        options=_options(subject, flow),
        flow=address.flow,
        address=address.masked,
    )
    notes = (*subject.notes, *pieces.notes, *files.notes)
    file = scratch / files.documents[0].digest
    reading = read_batch(draft, file, rules, settled, scratch, notes=notes, recipients=recipients)
    found = len(reading.batch.pieces) if reading.batch is not None else 0
    if address.count is not None and address.count != found:
        raise ManyCountDiffers(told=address.count, count=found)
    return reading


def _read_many(
    head: Head, pieces: Pieces, address: Address, envelope: Envelope, rules: ReadRules, scratch: Path, *, submission_id: str
) -> Reading:
    """A mail with one letter for everybody on the list that came with it."""
    lists = [part for part in pieces.files if part.name.lower() in _LISTS]
    if len(lists) != 1:
        raise ManyWithoutList()
    subject = read_subject(_subject(head), rules, received_on=envelope.received_at.date(), copies=False)
    recipients = read_numbers(lists[0].content(), allow_test=rules.allow_test_numbers)
    if len(recipients) != address.count:
        raise ManyCountDiffers(told=address.count, count=len(recipients))
    pieces = replace(pieces, files=tuple(part for part in pieces.files if part not in lists))
    flow = flow_of(rules, address.flow)
    files = documents_of(pieces, rules, scratch, body_is_letter=flow.body_is_letter)
    letters = tuple(
        Letter(
            submission_id=submission_id,
            index=index,
            recipient=recipient,
            title=subject.title,
            documents=files.documents,
            options=_options(subject, flow),
            flow=address.flow,
            address=address.masked,
        )
        for index, recipient in enumerate(recipients, start=1)
    )
    return Reading(title=subject.title, letters=letters, notes=(*subject.notes, *pieces.notes, *files.notes))


def _read_answer(
    pieces: Pieces, answers: ReplyTo, envelope: Envelope, rules: ReadRules, scratch: Path, *, submission_id: str
) -> Reading:
    """A mail that answers post to us: its own words are the letter, or come before its file."""
    flow = flow_of(rules, DEFAULT_FLOW)
    (address,) = (parse_address(one, domains=rules.domains, flows=(), allow_test=True) for one in envelope.recipients)
    said = body_text(pieces.body) or "\n".join(html_text(headers.decode(part.content(), part.charset)) for part in pieces.html)
    text = own_words(said, rules.own_addresses[0] if rules.own_addresses else "")
    if answers.token in text or MARK in text:
        raise ReplyQuotesUs()
    files = documents_of(pieces, rules, scratch, body_is_letter=True, text=text)
    title = f"{_ANSWER}{title_of(answers.title.removeprefix(_ANSWER))}"[: rules.title]
    letter = Letter(
        submission_id=submission_id,
        index=1,
        recipient=answers.recipient,
        title=mask_cpr(title),
        documents=files.documents,
        options=Options(
            case=flow.case, plan=flow.plan, reply_allowed=flow.reply_allowed, thread=answers.thread, contact_point=answers.contact_point
        ),
        address=address.masked,
    )
    return Reading(title=letter.title, letters=(letter,), notes=(*pieces.notes, *files.notes))


def _letter(
    target: Target,
    subject: Subject,
    documents: tuple[Document, ...],
    rules: ReadRules,
    *,
    submission_id: str,
    index: int,
) -> Letter:
    return Letter(
        submission_id=submission_id,
        index=index,
        recipient=target.recipient,
        copy=target.copy,
        title=f"{COPY_PREFIX}{subject.title}" if target.copy else subject.title,
        documents=documents,
        options=_options(subject, flow_of(rules, target.flow)),
        flow=target.flow,
        address=target.masked,
    )


def _options(subject: Subject, flow: ReadFlow) -> Options:
    """What the subject asks for, and what the flow says where it does not."""
    asked = subject.options
    return Options(
        case=asked.case or flow.case,
        plan=asked.plan or flow.plan,
        reply_allowed=flow.reply_allowed if asked.reply_allowed is None else asked.reply_allowed,
        deliver_from=asked.deliver_from,
    )


def _subject(head: Head) -> str:
    values = head.all("subject")
    if len(values) > 1:
        raise DamagedMail(defect="to emnefelter")
    return plain_subject(values[0]) if values else ""


def _title_to_quote(head: Head, rules: ReadRules) -> str:
    """A title for the notice about a refusal: without tags, numbers masked, of bounded length."""
    values = head.all("subject")
    if not values or len(values[0]) > rules.one_header:
        return ""
    return mask_cpr(title_of(plain_subject(values[0])))[: rules.title]


def _refuse_own(address: str, rules: ReadRules) -> None:
    """Mail we wrote ourselves never becomes a letter (F35)."""
    if address.lower() in (own.lower() for own in rules.own_addresses):
        raise NotALetter(what="egen mail")
