"""Digital Post as a destination, and as the place business receipts come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gateway import log
from gateway.config.settings import Flow, Settings
from gateway.digital_post.client import NgdpClient
from gateway.digital_post.receipts import SOURCE
from gateway.digital_post.render import message_of
from gateway.digital_post.write import write_memo
from gateway.errors import TooLarge, VaultDamaged
from gateway.model.letter import Letter
from gateway.model.shipment import Receipt, Sendable
from gateway.model.submission import Blob
from gateway.ports import Taken, Vault


class DigitalPost:
    """Implements ``ports.Destination`` and ``ports.ReceiptSource``."""

    name = SOURCE

    def __init__(
        self,
        *,
        client: NgdpClient,
        vault: Vault,
        settings: Settings,
        flows: Callable[[], Mapping[str, Flow]] | None = None,
    ) -> None:
        """
        Args:
            flows: those that exist now; None: those of the settings.
        """
        self._client, self._vault, self._settings = client, vault, settings
        self._flows = flows or settings.all_flows

    def render(self, sendable: Sendable) -> Blob:
        """The MeMo of a letter, durable; the same letter under the same key gives the same bytes.

        Raises:
            TooLarge: as it would be sent, it is over the channel's limit.
            MemoRulesBroken: it breaks a rule of Digital Post that reading did not know.
            VaultDamaged, DiskFull: ours; try again.
        """
        letter, shipment = sendable.letter, sendable.shipment
        limit = int(self._settings.channel.total)
        # Before a byte is written: what is far too large should not fill the disk to be told so.
        _refuse_over(limit, _base64_size(letter))
        flows = self._flows()
        message = message_of(
            letter,
            key=shipment.key,
            created_at=shipment.created_at,
            organisation=self._settings.organisation,
            # A flow that has left the file since the letter came is as any other.
            flow=flows.get(letter.flow, flows["default"]),
            changes=dict(shipment.settings),
        )
        writer = self._vault.writer()
        try:
            write_memo(
                message,
                writer,
                version=self._settings.digital_post.memo_version,
                open_content=lambda file: self._vault.open(file.content),
            )
            _refuse_over(limit, writer.size_bytes)
            return writer.commit()
        finally:
            writer.abort()

    def send(self, sendable: Sendable) -> Taken:
        """Offer the stored bytes; see ``NgdpClient.send_memo`` for what is raised."""
        blob = sendable.shipment.rendered
        if blob is None:
            raise VaultDamaged()
        with self._vault.open(blob) as body:
            receipt = self._client.send_memo(sendable.shipment.key, body, blob.size_bytes)
        return Taken((receipt,) if receipt else ())

    def fetch(self, limit: int) -> list[Receipt]:
        """Business receipts waiting; what cannot be read is told in the log and left lying."""
        waiting = self._client.receipts(limit)
        for source_id, what in waiting.unreadable:
            log.receipt_unreadable(source=self.name, source_id=source_id, what=what)
        return list(waiting.receipts)

    def confirm(self, receipt: Receipt) -> None:
        self._client.confirm_receipt(receipt.source_id)


def _base64_size(letter: Letter) -> int:
    return sum(-(-document.size_bytes // 3) * 4 for document in letter.documents)


def _refuse_over(limit: int, size_bytes: int) -> None:
    if size_bytes > limit:
        raise TooLarge(size_mb=f"{size_bytes / 1e6:.1f}", limit_mb=f"{limit / 1e6:.1f}")
