"""The ledger as the rest of the gateway sees it: ``open_ledger`` and ``migrate``."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from gateway.errors import LedgerUnavailable
from gateway.storage.connect import Database
from gateway.storage.ledger.accept import Accepting
from gateway.storage.ledger.approve import Approving
from gateway.storage.ledger.archive import CaseKeeping
from gateway.storage.ledger.batch import Batching
from gateway.storage.ledger.drop_files import DropFiles
from gateway.storage.ledger.drop_seen import DropsSeen
from gateway.storage.ledger.drop_view import DropViewing
from gateway.storage.ledger.drops import Dropping
from gateway.storage.ledger.guard import Guarding
from gateway.storage.ledger.inbound import Collecting
from gateway.storage.ledger.inbound_acts import InboundActs
from gateway.storage.ledger.inbound_unopened import InboundUnopened
from gateway.storage.ledger.links import LinkKeeping
from gateway.storage.ledger.notify import Notifying
from gateway.storage.ledger.operate import Operating
from gateway.storage.ledger.read import Reading
from gateway.storage.ledger.route import Routing
from gateway.storage.ledger.rules import Ruling
from gateway.storage.ledger.settle import Settling
from gateway.storage.ledger.ship import Shipping
from gateway.storage.ledger.view import Viewing
from gateway.storage.migrate import is_at_head, upgrade

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from gateway.ports import Cases, Ledger


class SqlLedger(
    Dropping, DropFiles, DropsSeen, DropViewing, Accepting, Reading, Batching, Routing, Ruling, Guarding, Shipping, Settling, Notifying, Operating, Approving, Viewing, CaseKeeping, Collecting, InboundActs, InboundUnopened, LinkKeeping
):
    """``ports.Ledger``, ``ports.Drops``, ``ports.Cases``, ``ports.Inbound`` and ``ports.Links`` on one database. Safe to share between threads."""

    def together(self) -> AbstractContextManager[None]:
        """All writes of this thread inside the block are one transaction: one flush for many letters.

        Never around a network call; on PostgreSQL in order of submission id. If the block raises,
        nothing in it was written.
        """
        return self._database.together()

    def close(self) -> None:
        self._database.close()


def open_ledger(
    url: str, *, lease: timedelta, retry_give_up: timedelta, password: str | None = None
) -> SqlLedger:
    """The ledger at *url* (``sqlite:///FILE`` or ``postgresql://…``).

    Args:
        lease: how long a claim belongs to one worker; longer than any one network call.
        retry_give_up: how long a shipment is offered before a person is asked.

    Raises:
        LedgerUnavailable: no answer, or its tables are not those of this version: ``gateway db migrate``.
    """
    database = Database(url, password=password)
    try:
        if not is_at_head(database):
            raise LedgerUnavailable(reason="its tables are of another version; run `gateway db migrate`")
    except BaseException:
        database.close()
        raise
    return SqlLedger(database, lease=lease, retry_give_up=retry_give_up)


def migrate(url: str, password: str | None = None, *, to: str = "head") -> None:
    """Bring the tables at *url* to this version, or to that of the migration *to*, making them if there are
    none. Several processes may do so at once. Raises LedgerUnavailable.
    """
    database = Database(url, password=password)
    try:
        upgrade(database, to)
    finally:
        database.close()


if TYPE_CHECKING:

    def _keeps_its_promises(ledger: SqlLedger) -> tuple[Ledger, Cases]:
        return ledger, ledger
