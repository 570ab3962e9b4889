"""Our own mail on its way out: one relay, TLS always, and what it says to us taken at its word.

smtplib in the caller's thread over a few kept connections: measured faster than an asynchronous
client, and reuse is worth half as much again (reference, protocols.md, section 6).
What the relay answers is never quoted: such texts repeat addresses.
One module, although long: the whole dialogue with a next hop, from its greeting to its last reply.
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from gateway.config.settings import Mail
from gateway.errors import (
    ConfigError,
    MailNotEncrypted,
    MailNotSendable,
    MailRelayRefused,
    MailRelayUnavailable,
)
from gateway.model.notice import ADDRESS_FORM

_LINE_END = re.compile(rb"\r\n|\r|\n")
_FIELD = re.compile(rb"([!-9;-~]+):[ \t]?[\t -~\x80-\xff]*")
_FOLD = re.compile(rb"[ \t]+[!-~\x80-\xff][\t -~\x80-\xff]*")
# RFC 5322, section 3.6: at most one of each. A second one is how an injected header shows.
_ONCE = frozenset(
    b"from sender to cc bcc reply-to subject date message-id in-reply-to references return-path "
    b"auto-submitted mime-version content-type content-transfer-encoding x-loop".split()
)
# About our login or our TLS, not about this mail: RFC 4954, section 6.
_ABOUT_US = frozenset({530, 534, 535, 538})


class SmtpMailOut:
    """One relay, and the few connections kept open to it. Any number of threads may send at once.

    Args:
        mail: where, and how encrypted.
        ca: trust only the certificates in this PEM file; None trusts the system's.
        password: of ``mail.user``.
        helo: the name we greet with.
        timeout: longest silence of the relay at any one point.
        idle: a connection unused for longer is closed, not reused; *keep* are kept at most.

    Raises:
        ConfigError: if *ca* holds no certificates that can be read.
    """

    def __init__(
        self,
        mail: Mail,
        *,
        ca: Path | None,
        password: str | None,
        helo: str,
        timeout: timedelta = timedelta(seconds=10),
        idle: timedelta = timedelta(seconds=30),
        keep: int = 4,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._mail = mail
        self._tls = _tls(ca)
        self._password = password
        self._helo = helo
        self._timeout_seconds = timeout.total_seconds()
        self._kept = _Kept(idle.total_seconds(), keep, monotonic)

    def send(self, message: bytes, *, to: str, sender: str | None) -> None:
        """Hand *message* over to the relay; returns only after its 250.

        Lost between their 250 and our reading of it, the mail is sent again later: twice at most,
        with the same Message-ID (SMTP has no other way; security.md, OUT-05).

        Args:
            message: headers, blank line, body; any line ends. Goes out with CRLF.
            to: the one receiver.
            sender: return path; None is the null path ``<>``, which nothing answers.

        Raises:
            MailNotSendable: an address or the headers could be read in two ways; nothing was sent.
            MailRelayUnavailable: no answer, 4xx, or no TLS we can trust; nothing went in the clear.
            MailRelayRefused: 5xx about this mail.
        """
        wire = wire_form(message)
        for address in (to, sender):
            if address is not None and not ADDRESS_FORM.fullmatch(address):
                raise MailNotSendable(reason="an address has a form that is not allowed")
        kept = self._kept.take()
        if kept is not None:
            # They may have closed it while it lay idle, and have seen none of this mail then.
            with suppress(_Stale):
                self._offer(kept, wire, to=to, sender=sender)
                return
        try:
            self._offer(self._connect(), wire, to=to, sender=sender)
        except _Stale as gone:
            raise MailRelayUnavailable(reason=gone.args[0]) from None

    def close(self) -> None:
        """Close the connections kept open."""
        self._kept.close()

    def _connect(self) -> smtplib.SMTP:
        """Encrypted as configured, logged in. Every failure is temporary: it is not about the mail."""
        connection: smtplib.SMTP | None = None
        try:
            connection = self._greeted()
            if self._mail.tls == "starttls":
                _start_tls(connection, self._tls)
            connection.ehlo_or_helo_if_needed()
            if self._mail.user is not None:
                connection.login(self._mail.user, self._password or "")
            return connection
        except (OSError, smtplib.SMTPException, ValueError) as error:
            if connection is not None:
                connection.close()
            reason = _reason(error)
            raise (MailNotEncrypted if reason.startswith("TLS") else MailRelayUnavailable)(reason=reason) from None

    def _greeted(self) -> smtplib.SMTP:
        mail = self._mail
        if mail.tls == "implicit":
            return smtplib.SMTP_SSL(
                mail.host, mail.port, self._helo, timeout=self._timeout_seconds, context=self._tls
            )
        return smtplib.SMTP(mail.host, mail.port, self._helo, timeout=self._timeout_seconds)

    def _offer(
        self, connection: smtplib.SMTP, wire: bytes, *, to: str, sender: str | None
    ) -> None:
        """MAIL, RCPT, DATA. The connection is kept if all went well, else closed. Raises _Stale."""
        try:
            _dialogue(connection, wire, to=to, sender=sender)
        except BaseException:
            connection.close()
            raise
        self._kept.give(connection)


def _start_tls(connection: smtplib.SMTP, context: ssl.SSLContext) -> None:
    """RFC 3207, section 4. Raises SMTPNotSupportedError: they never will; another SMTPException: not just now."""
    try:
        connection.starttls(context=context)
    except smtplib.SMTPResponseException as error:
        if error.smtp_code >= 500:
            raise smtplib.SMTPNotSupportedError from None
        raise


class _Stale(Exception):
    """The connection ended at MAIL, the first thing said on it for this mail. One argument: why."""


class _Kept:
    """Connections nobody uses just now, the last used on top; those idle for too long are closed."""

    def __init__(self, idle_seconds: float, keep: int, monotonic: Callable[[], float]) -> None:
        self._idle_seconds = idle_seconds
        self._keep = keep
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._stack: list[tuple[float, smtplib.SMTP]] = []

    def take(self) -> smtplib.SMTP | None:
        oldest = self._monotonic() - self._idle_seconds
        with self._lock:
            stale = [connection for since, connection in self._stack if since < oldest]
            self._stack = [entry for entry in self._stack if entry[0] >= oldest]
            found = self._stack.pop()[1] if self._stack else None
        _hang_up(stale)
        return found

    def give(self, connection: smtplib.SMTP) -> None:
        with self._lock:
            self._stack.append((self._monotonic(), connection))
            surplus = self._stack[: -self._keep]
            self._stack = self._stack[-self._keep :]
        _hang_up([old for _, old in surplus])

    def close(self) -> None:
        with self._lock:
            stack, self._stack = self._stack, []
        _hang_up([connection for _, connection in stack])


def wire_form(message: bytes) -> bytes:
    """*message* as it goes out: every line end CRLF, every header beyond doubt.

    One kind of line end and one From in the headers: what was smuggled in breaks one of them. In the
    body a bare CR or LF is a line end, never ``<LF>.<CR><LF>`` at a careless server (S10, OUT-07).

    Raises:
        MailNotSendable: headers that could be read in two ways. They are not quoted.
    """
    lines, ends, body = _split(message)
    if len(ends) != 1 or ends == {b"\r"}:
        raise MailNotSendable(reason="the headers mix line ends")
    _judge_headers(lines)
    return b"\r\n".join([*lines, b"", _LINE_END.sub(b"\r\n", body)])


def _split(message: bytes) -> tuple[list[bytes], set[bytes], bytes]:
    """Header lines, the kinds of line end among them and on the blank line, and the body."""
    lines: list[bytes] = []
    ends: set[bytes] = set()
    start = 0
    for end in _LINE_END.finditer(message):
        line = message[start : end.start()]
        start = end.end()
        ends.add(end.group())
        if not line:
            return lines, ends, message[start:]
        lines.append(line)
    raise MailNotSendable(reason="no blank line after the headers")


def _judge_headers(lines: list[bytes]) -> None:
    names: list[bytes] = []
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is not None:
            names.append(field[1].lower())
        elif not names or not _FOLD.fullmatch(line):
            raise MailNotSendable(reason="a header has a form that is not allowed")
    if names.count(b"from") != 1:
        raise MailNotSendable(reason="not exactly one From header")
    if any(names.count(name) > 1 for name in _ONCE):
        raise MailNotSendable(reason="a header stands twice that may stand once")


def _dialogue(connection: smtplib.SMTP, wire: bytes, *, to: str, sender: str | None) -> None:
    try:
        code, _ = connection.mail(sender or "", _options(connection, wire))
    except (OSError, smtplib.SMTPException) as error:
        raise _Stale(_reason(error)) from None
    if code == 421:
        raise _Stale("reply 421")
    _judge_reply(code)
    try:
        _judge_reply(connection.rcpt(to)[0])
        code = _data(connection, wire)
    except (OSError, smtplib.SMTPException) as error:
        raise MailRelayUnavailable(reason=_reason(error)) from None
    _judge_reply(code)


def _data(connection: smtplib.SMTP, wire: bytes) -> int:
    """The code that ended DATA: of the content, or of the command if they did not want any."""
    try:
        return connection.data(wire)[0]
    except smtplib.SMTPDataError as error:
        # Anything but 354 before the content is a refusal or nonsense; never a yes.
        return error.smtp_code if error.smtp_code >= 400 else -1


def _options(connection: smtplib.SMTP, wire: bytes) -> list[str]:
    # SIZE lets them refuse before the bytes travel (RFC 1870).
    options = [f"SIZE={len(wire)}"] if connection.has_extn("size") else []
    if not wire.isascii() and connection.has_extn("8bitmime"):
        options.append("BODY=8BITMIME")
    return options


def _judge_reply(code: int) -> None:
    if 200 <= code < 300:
        return
    if 500 <= code < 600 and code not in _ABOUT_US:
        raise MailRelayRefused(status=code)
    raise MailRelayUnavailable(reason=f"reply {code}" if code > 0 else "an answer that is not SMTP")


def _reason(error: Exception) -> str:
    """What to call *error*, without its text: that quotes hosts, addresses and replies."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "TLS: certificate not trusted"
    if isinstance(error, ssl.SSLError):
        return "TLS: no common ground"
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return "TLS or login not offered"
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return "login not accepted"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"reply {error.smtp_code}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, socket.gaierror):
        return "host name not found"
    return "no connection"


def _hang_up(connections: list[smtplib.SMTP]) -> None:
    """Close without waiting for the answer to QUIT: they may be gone."""
    for connection in connections:
        with suppress(OSError, smtplib.SMTPException):
            connection.putcmd("quit")
        connection.close()


def _tls(ca: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=None if ca is None else str(ca))
    except OSError:
        raise ConfigError(
            problems="[mail] ca: expected a PEM file of certificates, found none that can be read"
        ) from None
    # 1.0 and 1.1 are broken and forbidden: RFC 8996.
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
