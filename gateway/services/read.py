"""Read: the bytes of a submission become letters, or the one reason why not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from gateway import log, rehearsal
from gateway.documents.reading import Reading
from gateway.errors import BatchSeenBefore, NotALetter, SubmitterError
from gateway.model.batch import NOTHING_SETTLED, Settled
from gateway.model.inbound import ReplyTo
from gateway.model.submission import Blob, Submission
from gateway.ports import Claim, Ledger, ReadEnd, Scratch, Vault
from gateway.services.work import kept_alive, refusal_of, together


class Reader(Protocol):
    """Parsing under limits, in a process of its own."""

    def is_merged(self, submission: Submission) -> bool:
        """Whether it is read as a merged file, which may take minutes."""

    def read(
        self, raw: Path, submission: Submission, scratch: Path, settled: Settled, answers: ReplyTo | SubmitterError | None
    ) -> Reading: ...


class Read:
    """Claims unread submissions, parses them, writes their letters.

    There are two, each with a reader of its own: one for what takes a moment, which sets merged files
    apart, and one for those. A mail never waits behind three thousand letters.
    """

    def __init__(
        self,
        ledger: Ledger,
        vault: Vault,
        reader: Reader,
        scratch: Scratch,
        *,
        waits: Sequence[timedelta],
        renew_every: timedelta = timedelta(seconds=15),
        batch: int = 32,
        merged: bool = False,
        services: Callable[[Submission, Path], str | None] = lambda _submission, _raw: None,
        replies: Callable[[Submission], ReplyTo | SubmitterError | None] = lambda _: None,
    ) -> None:
        """
        Args:
            merged: this is the one for merged files, which come one at a time.
            services: acts on a mail to an address that means no letter but something to do, and says what it was.
            replies: what post to us a mail answers, or why it may not; None: none.
            renew_every: how often a claim is renewed while its submission is read; shorter than a lease.
        """
        self._ledger = ledger
        self._vault = vault
        self._reader = reader
        self._scratch = scratch
        self._waits = waits
        self._renew_every = renew_every
        self.name = "read-merged" if merged else "read"
        self._batch = 1 if merged else batch
        self._merged = merged
        self._services = services
        self._replies = replies

    def work(self) -> int:
        """Read what is due; how many submissions there were."""
        claims = self._ledger.claim_unread(self._batch, merged=self._merged)
        apart = [] if self._merged else [claim for claim in claims if self._reader.is_merged(claim.item)]
        self._ledger.set_apart(apart)
        return len(apart) + together(
            [claim for claim in claims if claim not in apart],
            self._read,
            self._write,
            ledger=self._ledger,
            where=self.name,
            waits=self._waits,
        )

    def _read(self, claim: Claim[Submission]) -> ReadEnd:
        submission = claim.item
        with self._scratch() as folder, kept_alive(self._ledger, claim, self._renew_every):
            # Whatever persons settled, they settled after a first reading.
            settled = self._ledger.settled(submission.id) if claim.fence > 1 else NOTHING_SETTLED
            file = self._raw_file(submission, folder)
            by_mail = submission.envelope.channel == "smtp"
            served = self._services(submission, file) if by_mail else None
            answers = self._replies(submission) if by_mail and served is None else None
            if served is None:
                reading = self._reader.read(file, submission, folder, settled, answers)
            else:
                reading = Reading(title="", refusal=NotALetter(what=served), silent=True)
            reading = self._unless_sent_before(reading, submission, settled)
            if reading.refusal is None:
                self._keep_documents(reading, folder)
        raw = self._vault.put(submission.raw) if submission.raw is not None else None
        rehearsal.at("read.parsed", submission.id)
        refusal = reading.refusal
        return ReadEnd(
            title=reading.title,
            letters=reading.letters,
            notes=reading.notes,
            raw=raw,
            refusal=None if refusal is None else refusal_of(refusal),
            silent=reading.silent,
            batch=reading.batch,
            hold=None if reading.hold is None else refusal_of(reading.hold),
            answers=answers.inbound_id if isinstance(answers, ReplyTo) else None,
        )

    def _unless_sent_before(self, reading: Reading, submission: Submission, settled: Settled) -> Reading:
        """*reading*, but a merged file that was sent before waits: whoever got no answer sends it once more."""
        if reading.batch is None or reading.hold is not None or settled.approved:
            return reading
        before = self._ledger.batch_before(reading.batch.source.digest, submission.id)
        return reading if before is None else replace(reading, letters=(), hold=BatchSeenBefore(before=before))

    def _raw_file(self, submission: Submission, folder: Path) -> Path:
        if submission.blob is not None:
            return self._vault.path(submission.blob)
        file = folder / "raw"
        file.write_bytes(submission.raw or b"")
        return file

    def _keep_documents(self, reading: Reading, folder: Path) -> None:
        batch = reading.batch
        if batch is not None:
            self._vault.take(folder / batch.source.digest)
        made = {cut.digest for cut in batch.cuts} if batch is not None else set()
        documents = {d.digest: d for letter in reading.letters for d in letter.documents if d.digest not in made}
        for digest, document in sorted(documents.items()):
            if (folder / digest).exists():
                self._vault.take(folder / digest)
            else:
                # Dropped as a file of its own, and kept when it was closed.
                self._vault.path(Blob(digest, document.size_bytes))

    def _write(self, ends: Sequence[tuple[Claim[Submission], ReadEnd]]) -> None:
        written = self._ledger.reads_ended(ends)
        for (claim, end), ours in zip(ends, written, strict=True):
            if ours:
                _tell(claim.item, end)


def _tell(submission: Submission, end: ReadEnd) -> None:
    if end.hold is not None:
        log.held(item=submission.id, code=end.hold.code)
    if end.refusal is None:
        log.read(submission=submission.id, letters=len(end.letters))
    elif end.silent:
        log.ignored(submission=submission.id, code=end.refusal.code, what="automatic")
    else:
        log.rejected(submission=submission.id, code=end.refusal.code)
