"""read: submissions become letters, or are refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from gateway.model.letter import Letter
from gateway.model.notice import Refusal
from gateway.model.submission import Blob, Submission
from gateway.ports import Claim, ReadEnd
from gateway.storage import tables as t
from gateway.storage import values
from gateway.storage.among import among
from gateway.storage.connect import Tx
from gateway.storage.ledger.base import Line, Part, in_hand, lock_submissions, made, notes
from gateway.storage.ledger.batch import keep_batches
from gateway.storage.ledger.inbound import note_inbound
from gateway.storage.news import DROPPED, answer_drops, tell, tell_received
from gateway.storage.values import digest_of


class Reading(Part):
    """The part of the ledger that the service *read* calls."""

    def claim_unread(self, limit: int, *, merged: bool = False) -> list[Claim[Submission]]:
        """Due submissions, with the bytes that ride in the ledger."""
        with self._database.write() as tx:
            rows = self._claim(tx, t.submissions, limit, t.submissions.c.merged.is_(merged))
        return [made(row, values.submission(row)) for row in rows]

    def set_apart(self, claims: Sequence[Claim[Submission]]) -> None:
        """See ``ports.Ledger.set_apart``."""
        self._give_back(claims, merged=True)

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
        end = ReadEnd(title=title, letters=letters, notes=notes, raw=raw)
        return self.reads_ended([(claim, end)])[0]

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
        end = ReadEnd(title=title, refusal=refusal, silent=silent, raw=raw)
        return self.reads_ended([(claim, end)])[0]

    def reads_ended(self, ends: Sequence[tuple[Claim[Submission], ReadEnd]]) -> list[bool]:
        """See ``ports.Ledger.reads_ended``."""
        claims = [claim for claim, _ in ends]
        with self._database.write() as tx:
            lock_submissions(tx, [claim.item.id for claim in claims])
            alive = [row is not None for row in in_hand(tx, claims)]
            mine = [(claim.item, end) for (claim, end), ours in zip(ends, alive, strict=True) if ours]
            tx.change(t.submissions, [(submission.id, _left(tx, end)) for submission, end in mine])
            keep_batches(tx, [(one.id, end.batch) for one, end in mine if end.batch is not None])
            _write_letters(tx, [one for one in mine if one[1].refusal is None])
            for submission, end in mine:
                if end.answers is not None and end.refusal is None:
                    note_inbound(tx, [end.answers], "answered", submission.id)
            held = [(one.id, end.hold) for one, end in mine if end.hold is not None]
            notes(tx, [Line(one, one, "held", refusal.code) for one, refusal in held])
            tell(tx, [one for one, _ in held])
            refused = [(one.id, end.refusal) for one, end in mine if end.refusal is not None]
            notes(tx, [Line(one, one, "rejected", refusal.code) for one, refusal in refused])
            tell(tx, [one for one, _ in refused])
        return alive


def _left(tx: Tx, end: ReadEnd) -> dict[str, Any]:
    """The submission leaves the queue; bytes that rode in its row are where ``raw`` says."""
    written: dict[str, Any] = {"lease_until": None, "crashes": 0, "due_at": None, "title": end.title}
    if end.hold is not None:
        refusal = values.refusal_row(end.hold)
        written |= {"state": "held", "notes": list(end.notes), "refusal": refusal, "ended_at": tx.now}
    elif end.refusal is None:
        written |= {"state": "read", "notes": list(end.notes)}
    else:
        refusal = values.refusal_row(end.refusal)
        written |= {"state": "rejected", "silent": end.silent, "refusal": refusal, "ended_at": tx.now}
    if end.raw is not None:
        written |= {"raw": None, "digest": end.raw.digest, "blob_size": end.raw.size_bytes}
    return written


def _write_letters(tx: Tx, done: Sequence[tuple[Submission, ReadEnd]]) -> None:
    rows = [_letter_rows(tx, submission, end) for submission, end in done]
    # A batch is read again when a person has settled something about it.
    batches = [submission.id for submission, end in done if end.batch is not None]
    known = set(tx.run(_LETTERS_OF, {"ids": batches}).scalars()) if batches else set()
    written = known | tx.insert_missing(t.letters, [row for each in rows for row in each], key="id")
    lines: list[Line] = []
    news: list[str] = []
    for (submission, _), own in zip(done, rows, strict=True):
        twins = [row["id"] for row in own if row["id"] not in written]
        lines.append(Line(submission.id, submission.id, "read", f"{len(own) - len(twins)} letters"))
        lines += [Line(submission.id, twin, "twin") for twin in twins]
        if len(twins) < len(own) and submission.envelope.submitter.wish == "all":
            news.append(submission.id)
    notes(tx, lines)
    tell_received(tx, news)
    answer_drops(tx, [one.id for one, _ in done if one.envelope.channel in DROPPED])


_LETTERS_OF = select(t.letters.c.id).where(among(t.letters.c.submission_id))


def _letter_rows(tx: Tx, submission: Submission, end: ReadEnd) -> list[dict[str, Any]]:
    reference = digest_of(submission.envelope.submitter.key(), submission.reference)
    seen: Counter[str] = Counter()
    rows = []
    for letter in end.letters:
        twin = values.twin_key(reference, letter.recipient)
        rows.append(
            {
                **values.letter_row(letter),
                "state": "unrouted",
                "due_at": tx.now,
                "twin_key": twin,
                # In a batch counted by page, and not by what is certain today.
                "twin_number": letter.index if end.batch is not None else seen[twin],
            }
        )
        seen[twin] += 1
    return rows
