"""Settle: receipts are pulled, stored, confirmed; the delivery is what they add up to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from gateway import log, rehearsal
from gateway.errors import RemoteError
from gateway.model.shipment import Receipt
from gateway.ports import Ledger, ReceiptOutcome, ReceiptSource

PAGE = 100
UNCONFIRMED = 3
"""Receipts of a page that may fail to be confirmed before we take it that all of them would."""


class Settle:
    """Polls each source of receipts; only one node polls a source at a time."""

    name = "settle"

    def __init__(
        self,
        ledger: Ledger,
        sources: Sequence[ReceiptSource],
        *,
        owner: str,
        ttl: timedelta,
        overdue: timedelta,
        asks_again: Callable[[], bool] = lambda: False,
    ) -> None:
        """
        Args:
            asks_again: whether the rules want to be asked again about what was refused.
        """
        self._ledger = ledger
        self._sources = sources
        self._owner = owner
        self._ttl = ttl
        self._overdue = overdue
        self._asks_again = asks_again

    def work(self) -> int:
        """Pull from every source once; how many receipts came. A source that fails is asked again later."""
        return sum(self._pull(source) for source in self._sources)

    def look_for_overdue(self) -> int:
        """Alarm for every letter taken long ago without a final receipt (F67); never sent again for it."""
        overdue = self._ledger.overdue_receipts(self._overdue, PAGE)
        for shipment in overdue:
            log.receipt_overdue(shipment=shipment)
        return len(overdue)

    def _pull(self, source: ReceiptSource) -> int:
        if not self._ledger.lease_source(f"receipts:{source.name}", self._owner, self._ttl):
            return 0
        came = 0
        try:
            while page := source.fetch(PAGE):
                came += len(page)
                # A page without news is one that comes again: once a poll is enough for it.
                if not self._keep(source, page) or len(page) < PAGE:
                    break
        except RemoteError as error:
            log.poll_failed(source=source.name, code=error.code)
        return came

    def _keep(self, source: ReceiptSource, receipts: Sequence[Receipt]) -> bool:
        """Store, then confirm; whether any of them was news."""
        outcomes = self._ledger.add_receipts(receipts, reroute=self._asks_again())
        rehearsal.at("settle.stored")
        for receipt, outcome in zip(receipts, outcomes, strict=True):
            _tell(receipt, outcome)
        # Confirmed only now: a receipt that comes again changes nothing.
        _confirm(source, receipts)
        return any(outcome.news for outcome in outcomes)


def _confirm(source: ReceiptSource, receipts: Sequence[Receipt]) -> None:
    """One that cannot be confirmed keeps no other back; when several cannot, raises the last RemoteError."""
    failed = 0
    for receipt in receipts:
        try:
            source.confirm(receipt)
        except RemoteError as error:
            failed += 1
            if failed == UNCONFIRMED:
                raise
            log.poll_failed(source=source.name, code=error.code)


def _tell(receipt: Receipt, outcome: ReceiptOutcome) -> None:
    if not outcome.known:
        log.receipt_unmatched(source=receipt.source, source_id=receipt.source_id)
    elif outcome.news:
        log.settled(
            shipment=outcome.shipment_id or "", verdict=receipt.verdict, code=receipt.remote_code
        )
