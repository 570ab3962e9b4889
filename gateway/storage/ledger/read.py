"""read: submissions become letters, or are refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from gateway.model.letter import Letter
from gateway.model.notice import Refusal
from gateway.model.submission import Blob, Submission
from gateway.ports import Claim
from gateway.storage import tables as t
from gateway.storage import values
from gateway.storage.connect import Tx
from gateway.storage.ledger.base import Part, end_claim, lock_submissions, made, note
from gateway.storage.news import tell, tell_received
from gateway.storage.values import digest_of


class Reading(Part):
    """The part of the ledger that the service *read* calls."""

    def claim_unread(self, limit: int) -> list[Claim[Submission]]:
        """Due submissions, with the bytes that ride in the ledger."""
        with self._database.write() as tx:
            rows = self._claim(tx, t.submissions, limit)
        return [made(row, values.submission(row)) for row in rows]

    def read_done(
        self,
        claim: Claim[Submission],
        *,
        title: str,
        letters: Sequence[Letter],
        notes: Sequence[str] = (),
        raw: Blob | None = None,
    ) -> bool:
        """See ``ports.Ledger.read_done``."""
        submission = claim.item
        with self._database.write() as tx:
            lock_submissions(tx, [submission.id])
            if not _leave(tx, claim, raw, state="read", title=title, notes=list(notes)):
                return False
            rows = _letter_rows(tx, submission, letters)
            written = tx.insert_missing(t.letters, rows, key="id")
            note(tx, submission.id, submission.id, "read", f"{len(written)} letters")
            for row in rows:
                if row["id"] not in written:
                    note(tx, submission.id, row["id"], "twin")
            if written and submission.envelope.submitter.wish == "all":
                tell_received(tx, submission.id)
            return True

    def read_refused(
        self,
        claim: Claim[Submission],
        refusal: Refusal,
        *,
        title: str,
        silent: bool,
        raw: Blob | None = None,
    ) -> bool:
        """See ``ports.Ledger.read_refused``."""
        submission_id = claim.item.id
        with self._database.write() as tx:
            lock_submissions(tx, [submission_id])
            stored = values.refusal_row(refusal)
            if not _leave(
                tx, claim, raw, state="rejected", title=title, silent=silent, refusal=stored, ended_at=tx.now
            ):
                return False
            note(tx, submission_id, submission_id, "rejected", refusal.code)
            tell(tx, submission_id)
            return True


def _leave(tx: Tx, claim: Claim[Submission], raw: Blob | None, **written: Any) -> bool:
    """The submission leaves the queue; bytes that rode in its row are where *raw* says."""
    if raw is not None:
        written |= {"raw": None, "digest": raw.digest, "blob_size": raw.size_bytes}
    return end_claim(tx, t.submissions, claim.item.id, claim.fence, due_at=None, **written)


def _letter_rows(tx: Tx, submission: Submission, letters: Sequence[Letter]) -> list[dict[str, Any]]:
    reference = digest_of(submission.envelope.submitter.key(), submission.reference)
    seen: Counter[str] = Counter()
    rows = []
    for letter in letters:
        twin = values.twin_key(reference, letter.recipient)
        rows.append(
            {
                **values.letter_row(letter),
                "state": "unrouted",
                "due_at": tx.now,
                "twin_key": twin,
                "twin_number": seen[twin],
            }
        )
        seen[twin] += 1
    return rows
