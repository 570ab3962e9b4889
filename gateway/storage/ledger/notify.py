"""notify: due notices, composed from the ledger at the moment they are claimed; and source leases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select, update

from gateway.model.identity import mask_numbers
from gateway.model.notice import LetterLine, Notice, Refusal, RuleNote
from gateway.model.shipment import Status
from gateway.ports import Claim
from gateway.storage import tables as t
from gateway.storage import values
from gateway.storage.ledger.base import Part, end_claim, made, note
from gateway.storage.ledger.batch import ShownPiece, pieces_of
from gateway.storage.news import RULE, Progress
from gateway.storage.status import FINAL
from gateway.storage.values import Row


class Notifying(Part):
    """The part of the ledger that the service *notify* and the pollers call."""

    def claim_notices(self, limit: int) -> list[Claim[Notice]]:
        """Due notices, freshly composed from the ledger."""
        with self._database.write() as tx:
            rows = self._claim(tx, t.notices, limit)
            about = [row["submission_id"] for row in rows]
            columns = [column for column in t.submissions.c if column.name != "raw"]
            found = tx.run(select(*columns).where(t.submissions.c.id.in_(about))).mappings()
            submissions = {row["id"]: row for row in found}
            progress, pieces = Progress(tx.connection, about), pieces_of(tx.connection, about)
        return [
            made(row, _notice(row, submissions[row["submission_id"]], progress, pieces.get(row["submission_id"], {})))
            for row in rows
        ]

    def notice_sent(self, claim: Claim[Notice]) -> bool:
        notice = claim.item
        with self._database.write() as tx:
            if not end_claim(
                tx, t.notices, notice.id, claim.fence, state="sent", due_at=None, sent_at=tx.now
            ):
                return False
            note(tx, notice.submission_id, notice.id, "notified", notice.kind)
            return True

    def notice_superseded(self, claim: Claim[Notice]) -> bool:
        """It says nothing new any more, and is not sent."""
        notice = claim.item
        with self._database.write() as tx:
            if not end_claim(
                tx, t.notices, notice.id, claim.fence, state="superseded", due_at=None
            ):
                return False
            note(tx, notice.submission_id, notice.id, "superseded", notice.kind)
            return True

    def notices_sent_since(self, to: str, since: datetime) -> int:
        """How many notices went to the address *to*, for the rate limit."""
        columns = t.notices.c
        with self._database.read() as connection:
            sent = select(func.count()).where(columns.sent_at >= since, columns.to == to)
            return int(connection.execute(sent).scalar_one())

    def lease_source(self, source: str, owner: str, ttl: timedelta) -> bool:
        """Take or renew the right to poll *source*; by the database's clock."""
        columns = t.source_leases.c
        with self._database.write() as tx:
            until = tx.now + ttl
            first = {"source": source, "owner": owner, "until": until, "term": 1}
            if tx.insert_missing(t.source_leases, [first], key="source"):
                return True
            taken = tx.run(
                update(t.source_leases)
                .where(columns.source == source, (columns.owner == owner) | (columns.until <= tx.now))
                .values(owner=owner, until=until, term=columns.term + 1)
            )
            return taken.rowcount == 1


def _notice(row: Row, submission: Row, progress: Progress, pieces: Mapping[int, ShownPiece]) -> Notice:
    if row["kind"].startswith(RULE):
        return _rule_notice(row, submission, progress)
    reference = submission["reference"]
    return Notice(
        id=row["id"],
        kind=row["kind"],
        to=row["to"],
        submission_id=row["submission_id"],
        title=mask_numbers(submission["title"] or ""),
        in_reply_to="" if reference.startswith("sha256:") else reference,
        letters=tuple(_line(letter, progress, pieces) for letter in progress.letters[row["submission_id"]]),
        refusal=values.refusal(submission["refusal"]),
        notes=tuple(submission["notes"] or ()),
    )


def _rule_notice(row: Row, submission: Row, progress: Progress) -> Notice:
    """What a rule wants told, to somebody who is not the submitter: no title, no answer to his mail."""
    about = row["about"]
    letters = [one for one in progress.letters[row["submission_id"]] if one["id"] == about["letter"]]
    return Notice(
        id=row["id"],
        kind="rule",
        to=row["to"],
        submission_id=row["submission_id"],
        title="",
        letters=tuple(_line(letter, progress) for letter in letters),
        rule=RuleNote(
            rule=about["rule"],
            text=mask_numbers(about["text"]),
            letter=about["letter"],
            submitter=submission["submitter_name"],
            received_at=submission["received_at"],
        ),
    )


def _line(letter: Row, progress: Progress, pieces: Mapping[int, ShownPiece] | None = None) -> LetterLine:
    status = progress.status(letter)
    piece = (pieces or {}).get(letter["number"])
    shipments = progress.shipments[letter["id"]]
    return LetterLine(
        recipient=values.recipient(letter).masked(),
        copy=letter["copy"],
        # Never "completed" to a person about a letter that was not sent: that word means delivered.
        status=status.whole if status.send is not Status.NONE else status.archive,
        archive=status.archive,
        case=values.case_of(letter, shipments),
        attachments=sum(document["role"] == "attachment" for document in letter["documents"]),
        settled_at=_settled_at(letter, shipments) if status.whole in FINAL else None,
        refusal=_refusal(status.whole, letter, shipments),
        pages=piece.pages if piece else "",
        why=piece.why if piece else "",
    )


def _settled_at(letter: Row, shipments: Sequence[Row]) -> datetime | None:
    sends = [one for one in shipments if one["kind"] == "send"] or shipments
    ends = [one["ended_at"] for one in (letter, *sends) if one["ended_at"]]
    return max(ends, default=None)


def _refusal(status: Status, letter: Row, shipments: Sequence[Row]) -> Refusal | None:
    """Why the letter is where it is: its own refusal, else its sending's, else its archiving's."""
    if status not in (Status.HELD, Status.FAILED, Status.REJECTED):
        return None
    sends_first = sorted(shipments, key=lambda one: one["kind"] != "send")
    for row in (letter, *sends_first):
        if row["refusal"] and row["state"] in ("held", "failed", "rejected"):
            return values.refusal(row["refusal"])
    return None
