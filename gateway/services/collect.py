"""Collect: post to us is fetched, stored and committed; only then is its mailbox told that we have it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from gateway import log, rehearsal
from gateway.errors import GatewayError, RemoteError
from gateway.model.inbound import NewPost
from gateway.model.submission import Blob
from gateway.ports import Clock, Inbound, Ledger, Mailbox, Understood, Vault

PAGE = 50
"""Messages looked at at once."""
AT_ONCE = 3
"""Messages of a page that may fail to be fetched, or confirmed, before we take it that all of them would."""
SILENT_AFTER = timedelta(hours=24)
"""A recipient system that receives nothing for 7 days is switched off (reference, digital-post.md, section 2.4)."""
SAID_AGAIN = timedelta(hours=24)


class Collect:
    """Looks into each mailbox; only one node looks into one at a time.

    A message counts as ours when its bytes and its row are written. Then it is confirmed, and confirmed again
    until the mailbox says that it heard; a message that comes again is the same row.
    """

    name = "collect"

    def __init__(
        self,
        ledger: Ledger,
        inbound: Inbound,
        vault: Vault,
        mailboxes: Sequence[Mailbox],
        clock: Clock,
        *,
        owner: str,
        ttl: timedelta,
        silent_after: timedelta = SILENT_AFTER,
    ) -> None:
        self._ledger = ledger
        self._inbound = inbound
        self._vault = vault
        self._mailboxes = mailboxes
        self._clock = clock
        self._owner = owner
        self._ttl = ttl
        self._silent_after = silent_after

    def work(self) -> int:
        """Look into every mailbox once; how many messages came. One that fails is looked into again later."""
        return sum(self.look(mailbox) for mailbox in self._mailboxes)

    def look(self, mailbox: Mailbox) -> int:
        """Fetch what lies in *mailbox* and confirm what we have; how many messages came."""
        if not self._ledger.lease_source(f"mailbox:{mailbox.name}", self._owner, self._ttl):
            return 0
        came = 0
        try:
            while new := self._page(mailbox):
                came += new
                if not self._ledger.lease_source(f"mailbox:{mailbox.name}", self._owner, self._ttl):
                    break
        except RemoteError as error:
            log.poll_failed(source=mailbox.name, code=error.code)
        return came

    def take(self, mailbox: Mailbox, source_id: str, raw: Blob) -> bool:
        """Write down a message that was handed to us; it is confirmed by ``confirm``.

        Args:
            source_id: empty: the message's own UUID.

        Returns:
            False: there is neither.
        """
        found = mailbox.understand(source_id, raw)
        own = found[0].post.uuid if found and found[0].post is not None else None
        if not source_id and own is None:
            return False
        self._write_down(mailbox, [replace(one, identity=source_id or own or "") for one in found[:1]], raw)
        return True

    def confirm(self, mailboxes: Sequence[Mailbox]) -> None:
        """Confirm what was handed to us, in each of *mailboxes*; one that fails is told again later."""
        for mailbox in mailboxes:
            if not self._ledger.lease_source(f"mailbox:{mailbox.name}", self._owner, self._ttl):
                continue
            try:
                self._confirm(mailbox)
            except RemoteError as error:
                log.poll_failed(source=mailbox.name, code=error.code)

    def look_for_silence(self, names: Sequence[str]) -> int:
        """Alarm for every mailbox of *names* that did not answer for long; how many there are."""
        silent = self._inbound.silent_mailboxes(names, self._silent_after, SAID_AGAIN)
        for name, lasts in silent:
            log.mailbox_silent(mailbox=name, hours=round(lasts.total_seconds() / 3600))
        return len(silent)

    def _page(self, mailbox: Mailbox) -> int:
        """The first page: news fetched and confirmed, what is confirmed and still listed removed."""
        listed = mailbox.waiting(PAGE)
        self._inbound.mailbox_answered(mailbox.name)
        known = self._known(mailbox, listed)
        came = 0
        faults: list[RemoteError] = []
        for source_id in listed:
            if source_id in known:
                continue
            try:
                came += self._store(mailbox, source_id)
            except RemoteError as error:
                # One that cannot be fetched keeps no other back; when several cannot, none can.
                faults.append(error)
                if len(faults) == AT_ONCE:
                    break
            except GatewayError:
                raise
            except Exception as error:  # noqa: BLE001 - a bug met by one message must not keep all behind it waiting
                log.bug(where=self.name, error=error)
        self._confirm(mailbox)
        if faults:
            raise faults[-1]
        for source_id in listed:
            if known.get(source_id):
                mailbox.remove(source_id)
        return came

    def _known(self, mailbox: Mailbox, listed: Sequence[str]) -> dict[str, bool]:
        """Those of *listed* that are written down, and whether they are confirmed."""
        named = {source_id: mailbox.identities(source_id) for source_id in listed}
        wanted = [one for several in named.values() if several is not None for one in several]
        known = self._inbound.known_inbound(mailbox.name, wanted) if wanted else {}
        return {
            source_id: all(known[one] for one in several)
            for source_id, several in named.items()
            if several is not None and all(one in known for one in several)
        }

    def _store(self, mailbox: Mailbox, source_id: str) -> int:
        """One message, each in its own commit: it is confirmed soon, and a later one cannot keep it waiting."""
        writer = self._vault.writer()
        try:
            if not mailbox.fetch(source_id, writer):
                return 0
            raw = writer.commit()
        finally:
            writer.abort()
        new = self._write_down(mailbox, mailbox.understand(source_id, raw), raw)
        if not new and self._known(mailbox, [source_id]).get(source_id):
            # It came before, from another place.
            mailbox.remove(source_id)
        return new

    def _write_down(self, mailbox: Mailbox, found: Sequence[Understood], raw: Blob) -> int:
        """In one commit; how many are new."""
        at = self._clock.now()
        ids = self._inbound.add_inbound(
            [
                NewPost(
                    mailbox=mailbox.name, source_id=one.identity, channel=mailbox.channel, received_at=at, raw=raw,
                    post=one.post, fault=one.fault,
                )
                for one in found
            ]
        )  # fmt: skip
        rehearsal.at("collect.stored")
        new = [(inbound_id, one) for inbound_id, one in zip(ids, found, strict=True) if inbound_id is not None]
        for inbound_id, one in new:
            log.collected(message=inbound_id, mailbox=mailbox.name, size_bytes=raw.size_bytes, code=one.fault)
        return len(new)

    def _confirm(self, mailbox: Mailbox) -> None:
        """What we have and did not say so. One that cannot be confirmed keeps no other back, and is told again at the
        next look; when several cannot, none can.
        """
        done: list[str] = []
        faults: list[RemoteError] = []
        for unconfirmed in self._inbound.unconfirmed_inbound(mailbox.name, PAGE):
            try:
                mailbox.confirm(unconfirmed)
                done.append(unconfirmed.source_id)
            except RemoteError as error:
                faults.append(error)
                if len(faults) == AT_ONCE:
                    break
        rehearsal.at("collect.confirmed")
        if done:
            self._inbound.inbound_confirmed(mailbox.name, done)
        if len(faults) == AT_ONCE:
            raise faults[-1]
        for fault in faults:
            log.poll_failed(source=mailbox.name, code=fault.code)


