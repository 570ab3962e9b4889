"""The letters of a merged file, and why a person must look at it first, if one must."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from gateway.documents.batch.listed import Listed, judge_list, plain_name, read_list
from gateway.documents.batch.manner import SplitManner
from gateway.documents.files import judge_size
from gateway.documents.reading import Reading, ReadRules
from gateway.errors import (
    BadRecipientList,
    BatchAwaitsApproval,
    BatchUncertain,
    GatewayError,
    NoRecipientList,
    NothingToSplit,
)
from gateway.model.batch import Batch, Cut, Piece, Settled
from gateway.model.letter import COPY_PREFIX, Document, Letter, Options

_COPIES_FROM = 100_000
"""Added to a letter's number for each of its copies; above any page."""
_PAGES_NAMED = 20
"""Letters whose pages a refusal names; beyond them stands »m.fl.«."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What all letters of a batch have in common."""

    submission_id: str
    title: str = field(repr=False)
    documents: tuple[Document, ...] = field(repr=False)
    """The merged file first, then what everybody gets beside his pages."""
    options: Options
    flow: str
    address: str = field(default="", repr=False)


def read_batch(
    draft: Draft,
    file: Path,
    rules: ReadRules,
    settled: Settled,
    scratch: Path,
    *,
    notes: Sequence[str] = (),
    recipients: bytes | None = None,
) -> Reading:
    """Divide the merged file of *draft*, which lies at *file*.

    Args:
        recipients: the list that came with it.

    Raises:
        NothingToSplit: its main document is no PDF.
        NoRecipientList, BadRecipientList: its flow wants a list, and there is none that fits.
        TooLarge: a letter of it is over the channel's limit.
        LockedPdf, DamagedPdf, TooManyPages, SignedPdf: as ``split_file``.
    """
    # Only in the process that divides a file: three PDF libraries take as long to load as a gateway to start.
    from gateway.documents.batch.split import split_file

    manner = rules.flows[draft.flow].split
    main, *others = draft.documents
    if manner is None or main.media_type != "application/pdf":
        raise NothingToSplit()
    listed: tuple[Listed, ...] = ()
    if manner.mode == "list":
        if recipients is None:
            raise NoRecipientList()
        listed = read_list(recipients, allow_test=rules.allow_test_numbers)
        settled = _with_list(settled, listed)
    batch, told = split_file(file, manner, settled, scratch, allow_test=rules.allow_test_numbers)
    judge_list(listed, batch.pieces)
    hold = _hold(batch, manner, settled)
    whole = hold is None or (manner.partly and isinstance(hold, BatchUncertain))
    lines = {one.page - 1: one for one in listed}
    beside = _attachments(listed, others)
    letters = tuple(
        letter
        for piece, cut in _certain(batch)
        for letter in _letters(draft, main, beside(lines.get(piece.first)), piece, cut, lines.get(piece.first))
    )
    for letter in letters:
        judge_size([one.size_bytes for one in letter.documents], rules)
    letters = letters if whole else ()
    return Reading(title=draft.title, letters=letters, notes=(*notes, *told), batch=batch, hold=hold)


def _with_list(settled: Settled, listed: Sequence[Listed]) -> Settled:
    """What the list says, and what a person said after it."""
    said = {one.page - 1: one.recipient for one in listed}
    return replace(settled, assigned={**said, **settled.assigned}, listed=frozenset(said) - frozenset(settled.assigned))


def _certain(batch: Batch) -> list[tuple[Piece, Cut]]:
    return [(piece, cut) for piece, cut in zip(batch.pieces, batch.cuts, strict=True) if piece.certain]


def _hold(batch: Batch, manner: SplitManner, settled: Settled) -> GatewayError | None:
    uncertain = batch.uncertain
    if uncertain:
        named = ", ".join(piece.shown_pages for piece in uncertain[:_PAGES_NAMED])
        more = " m.fl." if len(uncertain) > _PAGES_NAMED else ""
        return BatchUncertain(count=len(uncertain), letters=len(batch.pieces), pages=f"{named}{more}")
    if len(batch.pieces) > manner.approve_over and not settled.approved:
        return BatchAwaitsApproval(letters=len(batch.pieces))
    return None


def _attachments(
    listed: Sequence[Listed], others: Sequence[Document]
) -> Callable[[Listed | None], tuple[Document, ...]]:
    """What a line's letter carries besides its pages: what the line names, and what no line names.

    Raises BadRecipientList: a line names what did not come, or two that came have one name.
    """
    by_name = {plain_name(one.name): one for one in others}
    named = {name for one in listed for name in one.attachments}
    for one in listed:
        if not by_name.keys() >= set(one.attachments):
            raise BadRecipientList(what=f"linje {one.line} nævner et bilag, som ikke er vedhæftet")
    if named and len(by_name) < len(others):
        raise BadRecipientList(what="to bilag har samme navn")
    common = tuple(one for one in others if plain_name(one.name) not in named)
    return lambda line: (*common, *(by_name[name] for name in (line.attachments if line else ())))


def _letters(
    draft: Draft, main: Document, others: tuple[Document, ...], piece: Piece, cut: Cut, line: Listed | None
) -> Iterator[Letter]:
    """The letter of *piece*, then its copies."""
    assert piece.recipient is not None
    own = replace(main, digest=cut.digest, size_bytes=cut.size_bytes, pages=cut.pages)
    letter = Letter(
        submission_id=draft.submission_id,
        # By page, so that it stays the same letter when a person settles something about another.
        index=piece.first + 1,
        recipient=piece.recipient,
        title=draft.title,
        documents=(own, *others),
        options=draft.options,
        flow=draft.flow,
        address=draft.address,
    )
    yield letter
    for number, recipient in enumerate(line.copies if line else (), start=1):
        title = f"{COPY_PREFIX}{draft.title}"
        yield replace(letter, recipient=recipient, copy=True, title=title, index=number * _COPIES_FROM + letter.index)
