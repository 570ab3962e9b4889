"""What the log may say: one function per event, JSON lines on stdout, ids only.

Never names, numbers, titles, addresses or file names (STYLE.md, section 7). Libraries do not speak
here: their loggers are reduced to "who, how severe, which exception type, where", because their
texts quote what they were given (aiosmtpd logs recipients, HTTP clients log query strings).
"""

from __future__ import annotations

import logging
import sys
import traceback
from typing import TextIO

import structlog

_log = structlog.get_logger()


def configure(stream: TextIO | None = None) -> None:
    """Send every event to *stream* (stdout), and muzzle the libraries. Call once per process."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=structlog.PrintLoggerFactory(stream or sys.stdout),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_Muzzle()]
    root.setLevel(logging.WARNING)
    # aiosmtpd writes every command, recipients included, to this logger.
    logging.getLogger("mail.log").disabled = True


class _Muzzle(logging.Handler):
    """A library's record without its words."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        library_spoke(record.name, record.levelname.lower(), error)


def frames(error: BaseException) -> str:
    """Where *error* came from, as ``Type at file:line function < file:line …``; no values, no text."""
    places = [
        f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}"
        for frame in reversed(traceback.extract_tb(error.__traceback__))
    ]
    cause = error.__cause__ or error.__context__
    tail = f" from {type(cause).__name__}" if cause else ""
    return f"{type(error).__name__}{tail} at {' < '.join(places[:12])}"


def started(*, version: str, environment: str, node: str, **ports: int) -> None:
    _log.info("started", version=version, environment=environment, node=node, **ports)


def stopped(*, node: str) -> None:
    _log.info("stopped", node=node)


def accepted(*, submission: str, channel: str, submitter: str, size_bytes: int) -> None:
    _log.info("accepted", submission=submission, channel=channel, submitter=submitter, size_bytes=size_bytes)


def repeated(*, submission: str, outcome: str) -> None:
    """The same post again (``duplicate``), or the same reference with other content (``conflict``)."""
    _log.info("repeated", submission=submission, outcome=outcome)


def dropped(*, file: int, account: str, channel: str, size_bytes: int) -> None:
    """A file was written down; what it belongs to is not known yet."""
    _log.info("dropped", file=file, account=account, channel=channel, size_bytes=size_bytes)


def gathered(*, drop: str, account: str, files: int, letters: int, faults: int) -> None:
    """Files that belong together became a drop, or were refused together."""
    _log.info("gathered", drop=drop, account=account, files=files, letters=letters, faults=faults)


def answered(*, drop: str, stage: str) -> None:
    """The system can read an answer; *stage* is ours (``modtaget`` …)."""
    _log.info("answered", drop=drop, stage=stage)


def share_lost(*, account: str, what: str) -> None:
    """Alarm: a watched folder is not there, or is another one; nothing is taken from it until it is back."""
    _log.error("share_lost", account=account, what=what)


def share_back(*, account: str) -> None:
    _log.info("share_back", account=account)


def share_file_left(*, account: str, file: int, reason: str) -> None:
    """Alarm: a taken file could not be moved out of its share; it is not taken twice for it."""
    _log.error("share_file_left", account=account, file=file, reason=reason)


def upload_cut(*, account: str, size_bytes: int) -> None:
    """The connection ended before the client closed its file; nothing of it is taken."""
    _log.warning("upload_cut", account=account, size_bytes=size_bytes)


def beginning_lost(*, account: str, code: str) -> None:
    """What came of a cut upload could not be kept; its client, who was never told yes, gets no receipt either."""
    _log.error("beginning_lost", account=account, code=code)


def arrivals_late(*, account: str, last: str) -> None:
    """Alarm: an account that drops regularly has been quiet for longer than it ever is."""
    _log.error("arrivals_late", account=account, last=last)


def refused(*, channel: str, code: str, reply: str, remote: str) -> None:
    """Refused inside the dialogue; *reply* is the three digits and the enhanced code, nothing more."""
    _log.info("refused", channel=channel, code=code, reply=reply, remote=remote)


def login_failed(*, channel: str, remote: str) -> None:
    _log.warning("login_failed", channel=channel, remote=remote)


def users_file_unusable(*, code: str) -> None:
    """The users file was changed and cannot be read; the last good one still counts."""
    _log.error("users_file_unusable", code=code)


def read(*, submission: str, letters: int) -> None:
    _log.info("read", submission=submission, letters=letters)


def rejected(*, submission: str, code: str) -> None:
    _log.info("rejected", submission=submission, code=code)


def ignored(*, submission: str, code: str, what: str) -> None:
    """Automatic post: kept, never a letter, never answered."""
    _log.info("ignored", submission=submission, code=code, what=what)


def routed(*, letter: str, rule: str, version: str, shipments: int) -> None:
    _log.info("routed", letter=letter, rule=rule, version=version, shipments=shipments)


def rules_loaded(*, version: str, rules: int) -> None:
    _log.info("rules_loaded", version=version, rules=rules)


def rules_activated(*, version: str, actor: str, state: str) -> None:
    _log.info("rules_activated", version=version, actor=actor, state=state)


def rule_paused(*, rule: str, seen: int, usual: int) -> None:
    """A rule matched far more than it used to; what it would send waits for a person."""
    _log.error("rule_paused", rule=rule, seen=seen, usual=usual)


def rules_kept(*, version: str, instead: str, code: str) -> None:
    """Rules that were activated cannot be read; the ones before go on deciding."""
    _log.error("rules_kept", version=version, instead=instead, code=code)


def held(*, item: str, code: str) -> None:
    _log.warning("held", item=item, code=code)


def mass_shipped(*, letters: int, to: str) -> None:
    """A container with that many letters was taken."""
    _log.info("mass_shipped", letters=letters, to=to)


def shipped(*, letter: str, shipment: str, to: str, key: str, tries: int) -> None:
    _log.info("shipped", letter=letter, shipment=shipment, to=to, key=key, tries=tries)


def postponed(*, item: str, code: str, wait_seconds: float) -> None:
    _log.warning("postponed", item=item, code=code, wait_seconds=round(wait_seconds, 1))


def failed(*, item: str, code: str) -> None:
    _log.error("failed", item=item, code=code)


def paused(*, destination: str, code: str, wait_seconds: float) -> None:
    """Alarm: every shipment to *destination* would fail alike (certificate, token)."""
    _log.error("paused", destination=destination, code=code, wait_seconds=round(wait_seconds, 1))


def settled(*, shipment: str, verdict: str, code: str | None) -> None:
    _log.info("settled", shipment=shipment, verdict=verdict, code=code)


def receipt_unmatched(*, source: str, source_id: str) -> None:
    """Alarm: a receipt about a message we never sent."""
    _log.error("receipt_unmatched", source=source, source_id=source_id)


def receipt_unreadable(*, source: str, source_id: str, what: str) -> None:
    """Alarm: a receipt that is none; it stays where it lies. *what* names a field, never a value."""
    _log.error("receipt_unreadable", source=source, source_id=source_id, what=what)


def receipt_overdue(*, shipment: str) -> None:
    _log.error("receipt_overdue", shipment=shipment)


def list_unreadable(*, line: int | None) -> None:
    """The file of reachable numbers cannot be used: every look-up says "unavailable" until it can."""
    _log.error("list_unreadable", line=line)


def poll_failed(*, source: str, code: str) -> None:
    _log.warning("poll_failed", source=source, code=code)


def notified(*, submission: str, notice: str, kind: str) -> None:
    _log.info("notified", submission=submission, notice=notice, kind=kind)


def collected(*, message: str, mailbox: str, size_bytes: int, code: str | None) -> None:
    """Post to us was fetched and written down; with *code* it could not be understood."""
    _log.info("collected", message=message, mailbox=mailbox, size_bytes=size_bytes, code=code)


def mailbox_silent(*, mailbox: str, hours: int) -> None:
    """After 7 days without an answer Digital Post switches a recipient system off."""
    _log.error("mailbox_silent", mailbox=mailbox, hours=hours)


def distributed(*, message: str, rule: str, version: str, inbox: bool) -> None:
    _log.info("distributed", message=message, rule=rule, version=version, inbox=inbox)


def department_unknown(*, message: str, rule: str) -> None:
    """A rule names a department that is not there, and no default is."""
    _log.error("department_unknown", message=message, rule=rule)


def forwarded(*, message: str, forward: str, sent_as: str) -> None:
    _log.info("forwarded", message=message, forward=forward, sent_as=sent_as)


def inbound_archived(*, message: str) -> None:
    _log.info("inbound_archived", message=message)


def link_downloaded(*, message: str, forward: str) -> None:
    _log.info("link_downloaded", message=message, forward=forward)


def bounced(*, message: str, code: str) -> None:
    """A forwarded mail came back; its message lies in Indbakke again."""
    _log.error("bounced", message=message, code=code)


def push_refused(*, system: str, status: int, code: str) -> None:
    """Digital Post handed over something that was not written down."""
    _log.warning("push_refused", system=system, status=status, code=code)


def unopened(*, message: str, passed_on: bool) -> None:
    """A department did not open its post in time; *passed_on*: its substitute has it now."""
    _log.warning("unopened", message=message, passed_on=passed_on)


def swept(*, blobs: int, files: int) -> None:
    _log.info("swept", blobs=blobs, files=files)


def bug(*, where: str, error: BaseException) -> None:
    """Something nobody foresaw; types and places only."""
    _log.error("bug", where=where, trace=frames(error))


def library_spoke(name: str, level: str, error: BaseException | None) -> None:
    _log.warning("library", logger=name, severity=level, trace=frames(error) if error else None)


def operator_acted(*, verb: str, item: str, actor: str) -> None:
    _log.info("operator_acted", verb=verb, item=item, actor=actor)
