"""Read: the bytes of a submission become letters, or the one reason why not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from gateway import log, rehearsal
from gateway.documents.reading import Reading
from gateway.model.submission import Blob, Submission
from gateway.ports import Claim, Ledger, Scratch, Vault
from gateway.services.work import each, refusal_of


class Reader(Protocol):
    """Parsing under limits, in a process of its own."""

    def read(self, raw: Path, submission: Submission, scratch: Path) -> Reading: ...


class Read:
    """Claims unread submissions, parses them, writes their letters."""

    name = "read"

    def __init__(
        self,
        ledger: Ledger,
        vault: Vault,
        reader: Reader,
        scratch: Scratch,
        *,
        waits: Sequence[timedelta],
        batch: int = 8,
    ) -> None:
        self._ledger = ledger
        self._vault = vault
        self._reader = reader
        self._scratch = scratch
        self._waits = waits
        self._batch = batch

    def work(self) -> int:
        """Read what is due; how many submissions there were."""
        claims = self._ledger.claim_unread(self._batch)
        return each(claims, self._read, ledger=self._ledger, where=self.name, waits=self._waits)

    def _read(self, claim: Claim[Submission]) -> None:
        submission = claim.item
        with self._scratch() as folder:
            reading = self._reader.read(self._raw_file(submission, folder), submission, folder)
            if reading.refusal is None:
                self._keep_documents(reading, folder)
        raw = self._vault.put(submission.raw) if submission.raw is not None else None
        rehearsal.at("read.parsed")
        self._write(claim, reading, raw)

    def _raw_file(self, submission: Submission, folder: Path) -> Path:
        if submission.blob is not None:
            return self._vault.path(submission.blob)
        file = folder / "raw"
        file.write_bytes(submission.raw or b"")
        return file

    def _keep_documents(self, reading: Reading, folder: Path) -> None:
        digests = {document.digest for letter in reading.letters for document in letter.documents}
        for digest in sorted(digests):
            self._vault.take(folder / digest)

    def _write(self, claim: Claim[Submission], reading: Reading, raw: Blob | None) -> None:
        submission = claim.item
        refusal = reading.refusal
        if refusal is None:
            self._ledger.read_done(
                claim, title=reading.title, letters=reading.letters, notes=reading.notes, raw=raw
            )
            log.read(submission=submission.id, letters=len(reading.letters))
            return
        self._ledger.read_refused(
            claim, refusal_of(refusal), title=reading.title, silent=reading.silent, raw=raw
        )
        if reading.silent:
            log.ignored(submission=submission.id, code=refusal.code, what="automatic")
        else:
            log.rejected(submission=submission.id, code=refusal.code)
