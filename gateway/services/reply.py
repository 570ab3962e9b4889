"""Reply: a mail to ``svar+TOKEN@`` answers post to us. Whom, and whether that may be answered, stands in the ledger."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import BinaryIO

from gateway.documents.addressing import service_of
from gateway.errors import MemoUnreadable, ReplyNotAllowed, ReplyNotAlone, SubmitterError
from gateway.model.inbound import Forwardable, ReplyTo
from gateway.model.submission import Submission
from gateway.ports import Inbound, Vault


class Replies:
    """Finds what a mail answers.

    Args:
        read: what an answer to the message in a stream must name; raises MemoUnreadable and SubmitterError.
    """

    def __init__(
        self, inbound: Inbound, vault: Vault, *, domains: Collection[str], read: Callable[[BinaryIO, Forwardable], ReplyTo]
    ) -> None:
        self._inbound = inbound
        self._vault = vault
        self._domains = domains
        self._read = read

    def of(self, submission: Submission) -> ReplyTo | SubmitterError | None:
        """What *submission* answers, or why it may not; None: it is no answer."""
        recipients = submission.envelope.recipients
        found = [service_of(address, self._domains) for address in recipients]
        tokens = [service[1] for service in found if service is not None and service[0] == "svar"]
        if not tokens:
            return None
        if len(recipients) > 1:
            return ReplyNotAlone()
        item = self._inbound.forward_by_token(tokens[0])
        if item is None:
            return ReplyNotAllowed(why="posten findes ikke hos os")
        post = item.message.post
        if not post.reply_allowed:
            return ReplyNotAllowed(why="afsenderen tager ikke imod svar på posten")
        if post.reply_by is not None and submission.envelope.received_at > post.reply_by:
            return ReplyNotAllowed(why="svarfristen er udløbet")
        try:
            with self._vault.open(item.message.raw) as stream:
                return self._read(stream, item)
        except MemoUnreadable:
            return ReplyNotAllowed(why="posten er ikke kommet direkte fra Digital Post")
        except SubmitterError as error:
            return error
