"""Digital Post as a destination, and as the place business receipts come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO

from gateway import log
from gateway.config.settings import Flow, Settings
from gateway.digital_post.client import NgdpClient
from gateway.digital_post.container import ContainerWriter, only
from gateway.digital_post.content import Out
from gateway.digital_post.receipts import SOURCE
from gateway.digital_post.render import message_of
from gateway.digital_post.write import write_memo
from gateway.errors import GatewayError, MemoUnreadable, SubmitterError, TooLarge, VaultDamaged
from gateway.model.letter import Letter
from gateway.model.shipment import Receipt, Sendable
from gateway.model.submission import Blob
from gateway.ports import Taken, Vault


class DigitalPost:
    """Implements ``ports.MassDestination`` and ``ports.ReceiptSource``."""

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
        self._refuse_too_large(sendable)
        writer = self._vault.writer()
        try:
            self._write(sendable, writer)
            _refuse_over(int(self._settings.channel.total), writer.size_bytes)
            return writer.commit()
        finally:
            writer.abort()

    def render_all(self, sendables: Sequence[Sendable]) -> tuple[Blob, int, dict[str, GatewayError]]:
        """See ``ports.MassDestination.render_all``. Raises VaultDamaged, DiskFull: ours; try again."""
        refused: dict[str, GatewayError] = {}
        looked = 0
        writer = self._vault.writer()
        try:
            container = ContainerWriter(writer)
            for sendable in sendables:
                # What is written is compressed; a message is counted at its whole size before it is.
                if looked > len(refused) and container.size_bytes + _base64_size(sendable.letter) > self._settings.digital_post.mass_bytes:
                    break
                looked += 1
                try:
                    self._refuse_too_large(sendable)
                    memo = BytesIO()
                    self._write(sendable, memo)
                except SubmitterError as error:
                    refused[sendable.id] = error
                    continue
                size = memo.tell()
                memo.seek(0)
                container.add(sendable.shipment.key, size, memo)
            container.close()
            return writer.commit(), looked, refused
        finally:
            writer.abort()

    def render_again(self, sendables: Sequence[Sendable]) -> Blob:
        """See ``ports.MassDestination.render_again``. Raises VaultDamaged, DiskFull: ours; try again."""
        before = sendables[0].shipment.rendered
        if before is None:
            raise VaultDamaged()
        writer = self._vault.writer()
        try:
            with self._vault.open(before) as packed:
                count = only(packed, {one.shipment.key.lower() for one in sendables}, writer)
            if count != len(sendables):
                raise VaultDamaged()
            return writer.commit()
        except MemoUnreadable:
            raise VaultDamaged() from None
        finally:
            writer.abort()

    def send_all(self, container: Blob, sendables: Sequence[Sendable]) -> Taken:
        """See ``ports.MassDestination.send_all``; ``NgdpClient.send_container`` for what is raised."""
        with self._vault.open(container) as body:
            keys = [one.shipment.key for one in sendables]
            return Taken(self._client.send_container(keys, body, container.size_bytes))

    def _refuse_too_large(self, sendable: Sendable) -> None:
        # Before a byte is written: what is far too large should not fill the disk to be told so.
        _refuse_over(int(self._settings.channel.total), _base64_size(sendable.letter))

    def _write(self, sendable: Sendable, out: Out) -> None:
        letter, shipment = sendable.letter, sendable.shipment
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
        write_memo(
            message,
            out,
            version=self._settings.digital_post.memo_version,
            open_content=lambda file: self._vault.open(file.content),
        )

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
