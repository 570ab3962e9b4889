"""Forward: post goes to its department by mail, and into the archive.

A mail counts as forwarded at the next hop's 250, and never travels unencrypted. Where documents may not be
attached the department gets a link, if its mode allows one; else the forward is held, and says why.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Protocol

from gateway import log, rehearsal
from gateway.errors import ForwardTooLarge, MailNotEncrypted, NoPages
from gateway.model.inbound import Forwardable, ForwardKind
from gateway.model.letter import Document
from gateway.model.submission import Blob
from gateway.ports import Cases, Claim, Inbound, Ledger, MailOut, Vault
from gateway.services.work import one, refusal_of


class Composer(Protocol):
    """Writes the mails."""

    @property
    def has_pages(self) -> bool: ...

    def return_path(self, item: Forwardable) -> str: ...

    def compose(self, item: Forwardable, contents: Callable[[Document], bytes] | None) -> bytes: ...

    def compose_note(self, item: Forwardable) -> bytes: ...


class ForwardMail:
    """Claims due mails, one at a time, so that no lease runs out in a queue.

    A crash between the next hop's 250 and our writing so sends that one mail again, with the same Message-ID.

    Args:
        kind: ``mail`` or ``note``.
        out: the next hop of a department, by its name.
        fallback: the organisation's own, for links where *out* does not encrypt.
            Both None: it does not encrypt, and nothing goes there.
        note_out: for notes, which hold nothing of the post.
        attach_at_most: bytes of documents that are attached; more is a link.
    """

    def __init__(
        self,
        kind: ForwardKind,
        ledger: Ledger,
        inbound: Inbound,
        vault: Vault,
        composer: Composer,
        *,
        out: Callable[[str], MailOut | None],
        fallback: MailOut | None,
        note_out: MailOut,
        attach_at_most: int,
        waits: Sequence[timedelta],
    ) -> None:
        self.name = f"forward-{kind}"
        self._kind = kind
        self._ledger = ledger
        self._inbound = inbound
        self._vault = vault
        self._composer = composer
        self._out = out
        self._fallback = fallback
        self._note_out = note_out
        self._attach_at_most = attach_at_most
        self._waits = waits

    def work(self, limit: int = 20) -> int:
        """Send at most *limit* due mails; how many were due."""
        for done in range(limit):
            claims = self._inbound.claim_forwards(self._kind, 1)
            if not claims:
                return done
            do = self._forward if self._kind == "mail" else self._note
            one(claims[0], do, ledger=self._ledger, where=self.name, waits=self._waits)
        return limit

    def _forward(self, claim: Claim[Forwardable]) -> None:
        try:
            sent_as = self._sent(claim.item)
        except MailNotEncrypted as error:
            # Waiting does not mend a certificate; whoever can mend it must hear of it now.
            self._ledger.give_up(claim, refusal_of(error))
            log.held(item=claim.item.id, code=error.code)
            return
        rehearsal.at("forward.taken")
        if self._inbound.forward_done(claim, sent_as=sent_as):
            log.forwarded(message=claim.item.message.id, forward=claim.item.id, sent_as=sent_as)

    def _sent(self, item: Forwardable) -> str:
        """Hand it over; as what."""
        mode, out = item.forward.mode, self._out(item.forward.department)
        fits = item.message.post.size_bytes <= self._attach_at_most
        if mode != "link" and not fits and (mode in ("vedhaeft", "smime") or not self._composer.has_pages):
            raise ForwardTooLarge(limit_mb=self._attach_at_most // 1_000_000)
        if mode != "link" and fits:
            try:
                self._send(item, out, self._composer.compose(item, self._content))
                return "smime" if mode == "smime" else "vedhaeft"
            except MailNotEncrypted:
                if mode != "auto" or not self._composer.has_pages or out is self._fallback:
                    raise
        if not self._composer.has_pages:
            raise NoPages()
        self._send(item, self._fallback, self._composer.compose(item, None))
        return "link"

    def _send(self, item: Forwardable, out: MailOut | None, mail: bytes) -> None:
        if out is None:
            raise MailNotEncrypted(reason='[mail] tls = "none"')
        out.send(mail, to=item.forward.address, sender=self._composer.return_path(item))

    def _note(self, claim: Claim[Forwardable]) -> None:
        item = claim.item
        self._note_out.send(self._composer.compose_note(item), to=item.forward.address, sender=None)
        self._inbound.forward_done(claim)

    def _content(self, document: Document) -> bytes:
        return self._vault.read(Blob(document.digest, document.size_bytes))


class ForwardArchive:
    """Claims due archivings: the message as it came, and its documents, into a case.

    Args:
        case_of: number of its case: what its rule names, else the usual one. Raises ArchiveRefused.
    """

    name = "forward-archive"

    def __init__(
        self,
        ledger: Ledger,
        inbound: Inbound,
        cases: Cases,
        vault: Vault,
        *,
        case_of: Callable[[Forwardable], str],
        waits: Sequence[timedelta],
        batch: int = 20,
    ) -> None:
        self._ledger = ledger
        self._inbound = inbound
        self._cases = cases
        self._vault = vault
        self._case_of = case_of
        self._waits = waits
        self._batch = batch

    def work(self) -> int:
        """Archive what is due; how many messages there were."""
        claims = self._inbound.claim_forwards("archive", self._batch)
        for claim in claims:
            one(claim, self._archive, ledger=self._ledger, where=self.name, waits=self._waits)
        return len(claims)

    def _archive(self, claim: Claim[Forwardable]) -> None:
        item = claim.item
        message, settings = item.message, dict(item.forward.settings)
        files = [("besked.memo.xml" if message.post.uuid else "besked.eml", message.raw, "message")]
        files += [(one.name, Blob(one.digest, one.size_bytes), one.role) for one in message.post.documents]
        for _, blob, _ in files:
            # Never say "archived" about bytes that are gone.
            self._vault.open(blob).close()
        number = self._case_of(item)
        with self._ledger.together():
            self._cases.put_case(number, plan=settings.get("plan"), at=message.received_at)
            self._cases.put_item(number, letter_id=message.id, metadata=metadata(item, number), files=files)
            done = self._inbound.forward_done(claim)
        if done:
            log.inbound_archived(message=message.id)


def metadata(item: Forwardable, number: str) -> dict[str, Any]:
    """What stands beside the documents; no number of a person in full."""
    message, post = item.message, item.message.post
    return {
        "schema": "gateway.archive-inbound/1",
        "case": number,
        "message": message.id,
        "uuid": post.uuid,
        "mailbox": message.mailbox,
        "received_at": message.received_at.isoformat(),
        "title": post.title,
        "sender": {"kind": post.sender.kind, "number": post.sender.number, "name": post.sender.name},
        "recipient_cvr": post.recipient_cvr,
        "documents": [
            {"name": one.name, "role": one.role, "media_type": one.media_type, "sha256": one.digest, "size": one.size_bytes}
            for one in post.documents
        ],
    }  # fmt: skip
