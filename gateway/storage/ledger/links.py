"""Links to post that was not attached: codes that open once, and visits that end."""

from __future__ import annotations

import hmac
from datetime import timedelta

from sqlalchemy import select

from gateway.storage import tables as t
from gateway.storage.connect import Tx
from gateway.storage.ledger.base import Part
from gateway.storage.values import Row

TRIES = 5
"""Wrong codes before the code is void."""
BETWEEN = timedelta(seconds=30)
"""Between two codes for one link."""
CODES = 20
"""For one link, ever: six digits are guessed once in a million tries, and these are a hundred."""


class LinkKeeping(Part):
    """The part of the ledger that the link pages call."""

    def link_code_made(self, forward_id: str, code: str, lasts: timedelta) -> bool:
        """See ``ports.Links``."""
        with self._database.write() as tx:
            row = _row(tx, forward_id)
            made_at = row["code_until"] - lasts if row["code_until"] is not None else None
            if row["codes"] >= CODES or (made_at is not None and tx.now - made_at < BETWEEN):
                return False
            _change(tx, forward_id, code=code, code_until=tx.now + lasts, tries=0, codes=row["codes"] + 1)
            return True

    def link_opened(self, forward_id: str, code: str, visit: str, lasts: timedelta) -> bool:
        """See ``ports.Links``."""
        with self._database.write() as tx:
            row = _row(tx, forward_id)
            if row["code"] is None or row["code_until"] <= tx.now or row["tries"] >= TRIES:
                return False
            if not hmac.compare_digest(row["code"], code):
                _change(tx, forward_id, tries=row["tries"] + 1)
                return False
            _change(tx, forward_id, code=None, tries=0, visit=visit, visit_until=tx.now + lasts)
            return True

    def link_visited(self, forward_id: str, visit: str) -> bool:
        """See ``ports.Links``."""
        with self._database.write() as tx:
            row = _row(tx, forward_id)
            return row["visit"] is not None and row["visit_until"] > tx.now and hmac.compare_digest(row["visit"], visit)


def _row(tx: Tx, forward_id: str) -> Row:
    """What is kept of a link, made if it is missing; nobody else changes it until the transaction ends."""
    columns = t.link_codes.c
    tx.insert_missing(t.link_codes, [{"forward_id": forward_id}], key="forward_id")
    wanted = select(t.link_codes).where(columns.forward_id == forward_id).with_for_update()
    return tx.run(wanted).mappings().one()


def _change(tx: Tx, forward_id: str, **written: object) -> None:
    tx.change_by(t.link_codes, ("forward_id",), [((forward_id,), written)])
