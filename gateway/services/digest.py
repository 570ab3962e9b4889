"""Digest: once a day those who distribute are told what lies in Indbakke."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, time

from gateway import log
from gateway.errors import RemoteError
from gateway.model.danish_time import local
from gateway.ports import Clock, Inbound, MailOut

AT = time(8)
"""Danish time of day (journeys, section 4.3)."""
_STATE = "digest"


class Digest:
    """Looked at now and then; a day without anything in Indbakke is a day without a mail.

    Args:
        compose: the mail to one address: address, how many lie there, since when the oldest does, the day.
    """

    def __init__(
        self,
        inbound: Inbound,
        out: MailOut,
        clock: Clock,
        *,
        to: Sequence[str],
        compose: Callable[[str, int, datetime, str], bytes],
    ) -> None:
        self._inbound = inbound
        self._out = out
        self._clock = clock
        self._to = to
        self._compose = compose

    def look(self) -> int:
        """Tell them, if it is time and nobody was told today; how many mails went."""
        here = local(self._clock.now())
        day = here.date().isoformat()
        state = self._inbound.mailbox_state(_STATE)
        if here.time() < AT or state.get("day") == day:
            return 0
        count, oldest = self._inbound.inbox_overview()
        # Each by himself: one address that is refused keeps the others waiting no longer than a day.
        told = list(state.get("told", ())) if state.get("of") == day else []
        waiting = [] if oldest is None else [(address, oldest) for address in self._to if address not in told]
        for address, since in waiting:
            try:
                self._out.send(self._compose(address, count, since, day), to=address, sender=None)
            except RemoteError as error:
                log.poll_failed(source=_STATE, code=error.code)
                return len(told)
            told.append(address)
            self._inbound.keep_mailbox_state(_STATE, {"of": day, "told": told})
        self._inbound.keep_mailbox_state(_STATE, {"day": day})
        return len(told)
