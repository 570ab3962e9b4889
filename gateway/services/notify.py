"""Notify: tell the submitter. No path ends without a notice, and no notice starts a loop."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta

from gateway import log
from gateway.documents.addressing import means_a_letter
from gateway.errors import MailNotSendable, MailRelayUnavailable, NoticesLimited
from gateway.model.notice import Notice
from gateway.model.shipment import Status
from gateway.ports import Claim, Clock, Ledger, MailOut, Notifier
from gateway.services.work import next_wait, one, refusal_of

FIRST_WAITS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60))
"""F13; then hourly."""
HOUR = timedelta(hours=1)
STEP = timedelta(minutes=5)
DAYS_OF_TRYING = 5
"""As long as a mail server would try: RFC 5321, section 4.5.4.1."""


_ON_THE_WAY = (Status.RECEIVED, Status.QUEUED, Status.SENT)


class Notify:
    """Claims due notices and mails them, one at a time, so that no lease runs out in a queue.

    A crash between the relay's 250 and ``notice_sent`` sends that one mail again, with the same
    Message-ID: SMTP cannot say "I have it already".

    Args:
        per_sender_and_hour: mails to one address in an hour; the rest wait.
        sender_address: From of our notices; never written to.
        own_domains: addresses in them that mean a letter are never written to (F35).
        waits: after the first tries; then hourly.
    """

    name = "notify"

    def __init__(
        self,
        ledger: Ledger,
        mail_out: MailOut,
        renderer: Notifier,
        clock: Clock,
        *,
        per_sender_and_hour: int,
        sender_address: str,
        own_domains: Collection[str],
        waits: Sequence[timedelta] = FIRST_WAITS,
    ) -> None:
        self._ledger = ledger
        self._mail_out = mail_out
        self._renderer = renderer
        self._clock = clock
        self._per_sender_and_hour = per_sender_and_hour
        self._sender_address = sender_address.casefold()
        self._own_domains = own_domains
        self._waits = waits

    def work(self, limit: int = 20) -> int:
        """Send at most *limit* due notices; how many were due. Raises LedgerUnavailable."""
        for done in range(limit):
            claims = self._ledger.claim_notices(1)
            if not claims:
                return done
            one(claims[0], self._tell, ledger=self._ledger, where=self.name, waits=self._waits)
        return limit

    def _tell(self, claim: Claim[Notice]) -> None:
        notice = claim.item
        if self._is_ours(notice.to):
            raise MailNotSendable(reason="the submitter's address is one of the gateway's own")
        if notice.kind == "received" and not _under_way(notice):
            # A later notice says how it ended; "received" after it would only confuse.
            self._ledger.notice_superseded(claim)
            return
        wait = self._wait_for_room(notice)
        if wait:
            self._later(claim, NoticesLimited.code, wait)
            return
        try:
            self._mail_out.send(self._renderer.compose(notice), to=notice.to, sender=None)
        except MailRelayUnavailable as error:
            self._try_again(claim, error)
            return
        if self._ledger.notice_sent(claim):
            log.notified(submission=notice.submission_id, notice=notice.id, kind=notice.kind)

    def _is_ours(self, address: str) -> bool:
        return address.casefold() == self._sender_address or means_a_letter(
            address, self._own_domains
        )

    def _wait_for_room(self, notice: Notice) -> timedelta:
        """How long until this mail stays within its receiver's limit of the hour, in steps of 5 minutes.

        Half of the room is kept for notices that tell how a letter ended.
        """
        begin = self._clock.now() - HOUR
        wait = timedelta()
        limit = self._per_sender_and_hour
        if notice.kind == "received":
            limit = (limit + 1) // 2
        while wait < HOUR and self._ledger.notices_sent_since(notice.to, begin + wait) >= limit:
            wait += STEP
        return wait

    def _try_again(self, claim: Claim[Notice], error: MailRelayUnavailable) -> None:
        """Each claim of a notice is a try: give up after five days of them."""
        if claim.tries > len(self._waits) + DAYS_OF_TRYING * 24:
            self._ledger.give_up(claim, refusal_of(error))
            log.held(item=claim.item.id, code=error.code)
            return
        self._later(claim, error.code, next_wait(claim.tries, self._waits))

    def _later(self, claim: Claim[Notice], code: str, wait: timedelta) -> None:
        self._ledger.postpone(claim, wait=wait, code=code)
        log.postponed(item=claim.item.id, code=code, wait_seconds=wait.total_seconds())


def _under_way(notice: Notice) -> bool:
    """Whether any of its letters has still to arrive."""
    return any(line.status in _ON_THE_WAY for line in notice.letters)
