"""Every SMTP reply we give, in the one place where replies are made.

ASCII only (a Danish letter would raise inside the library and turn a permanent answer into a
temporary one), with an enhanced status code (RFC 3463), never quoting what the client sent: a local
part may be somebody's CPR number. 4xx: the sender keeps the post and tries again; a fault of ours is
never more than that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Reply:
    """One line to the client."""

    code: int
    status: str
    """Enhanced status code; empty where RFC 2034 wants none (220, 334, 354, HELO)."""
    text: str

    def line(self) -> bytes:
        """The bytes for the wire."""
        middle = f"{self.status} " if self.status else ""
        return f"{self.code} {middle}{self.text}\r\n".encode("ascii", "replace")

    def label(self) -> str:
        """``550 5.1.1``: what the log may say."""
        return f"{self.code} {self.status}".rstrip()

    def asking(self, contact: str) -> Reply:
        """The same reply with *contact*, the operator's word on where to ask."""
        where = " ".join(contact.split())
        return replace(self, text=f"{self.text}; ask {where}") if where else self


# ── going well ──────────────────────────────────────────────────────────────

OK = Reply(250, "2.0.0", "OK")
SENDER_OK = Reply(250, "2.1.0", "Sender OK")
RECIPIENT_OK = Reply(250, "2.1.5", "Recipient OK")
CHUNK_OK = Reply(250, "2.0.0", "Chunk OK")
BYE = Reply(221, "2.0.0", "Bye")
READY_FOR_TLS = Reply(220, "2.0.0", "Ready to start TLS")
LOGGED_IN = Reply(235, "2.7.0", "Authentication successful")
GO_ON = Reply(354, "", "End data with <CR><LF>.<CR><LF>")
CANNOT_VERIFY = Reply(252, "2.5.2", "Cannot verify; try to send")
HELP = Reply(214, "2.0.0", "See RFC 5321")


def taken(submission: str) -> Reply:
    """Ours to lose now."""
    return Reply(250, "2.0.0", f"{submission} taken")


def already_taken(submission: str) -> Reply:
    """The same post again; *submission* is the first one."""
    return Reply(250, "2.0.0", f"{submission} already taken")


def challenge(base64_text: str) -> Reply:
    """A question of AUTH."""
    return Reply(334, "", base64_text)


# ── not understood ──────────────────────────────────────────────────────────

BAD_LINE = Reply(500, "5.5.2", "Line not understood")
LINE_TOO_LONG = Reply(500, "5.5.2", "Line too long")
UNKNOWN_COMMAND = Reply(500, "5.5.1", "Command not known")
BAD_ARGUMENT = Reply(501, "5.5.4", "Argument not understood")
BAD_SENDER = Reply(501, "5.1.7", "Sender address not understood")
BAD_RECIPIENT = Reply(501, "5.1.3", "Recipient address not understood")
BAD_BASE64 = Reply(501, "5.5.2", "Not valid base64")
LOGIN_CANCELLED = Reply(501, "5.7.0", "Authentication cancelled")
NO_EXPN = Reply(502, "5.5.1", "EXPN is not available")
HELLO_FIRST = Reply(503, "5.5.1", "Send EHLO first")
MAIL_FIRST = Reply(503, "5.5.1", "Send MAIL first")
RECIPIENT_FIRST = Reply(503, "5.5.1", "Send RCPT first")
ALREADY_MAIL = Reply(503, "5.5.1", "A message is under way")
ALREADY_TLS = Reply(503, "5.5.1", "TLS is on already")
ALREADY_LOGGED_IN = Reply(503, "5.5.1", "Authenticated already")
UNKNOWN_MECHANISM = Reply(504, "5.5.4", "Mechanism not known; use PLAIN or LOGIN")
ROUTED_ADDRESS = Reply(553, "5.1.3", "Routes and quotes in addresses are not taken")
NOT_ASCII = Reply(553, "5.6.7", "Addresses are ASCII here")
UNKNOWN_PARAMETER = Reply(555, "5.5.4", "Parameter not known")

# ── refused ─────────────────────────────────────────────────────────────────

TLS_FIRST = Reply(530, "5.7.0", "Must issue a STARTTLS command first")
LOGIN_FIRST = Reply(530, "5.7.0", "Authentication required")
WRONG_LOGIN = Reply(535, "5.7.8", "Name or password is wrong")
LOGIN_NEEDS_TLS = Reply(538, "5.7.11", "Encryption required for authentication")
UNKNOWN_ADDRESS = Reply(550, "5.1.1", "No such address here")
BAD_NUMBER = Reply(550, "5.1.3", "The number in the address is not valid")
NO_RELAY = Reply(550, "5.7.1", "We do not relay")
SENDER_NOT_ALLOWED = Reply(550, "5.7.1", "You may not send as this sender")
NOT_ALLOWED_TO = Reply(550, "5.7.1", "You may not send to this address")
FROM_NOT_ALLOWED = Reply(550, "5.7.1", "The From header needs exactly one address that you may use")
BARE_LINE_END = Reply(550, "5.5.2", "Lines must end in CR LF")
TOO_LARGE = Reply(552, "5.3.4", "The message is too large")
HEADER_TOO_LARGE = Reply(552, "5.3.4", "The header is too large")
LOOP = Reply(554, "5.4.6", "The message goes in a circle")


def conflict(submission: str) -> Reply:
    """Another letter under a Message-ID that we know already; *submission* is the first one."""
    return Reply(554, "5.6.0", f"Other content was taken as {submission} under this Message-ID")


# ── later ───────────────────────────────────────────────────────────────────

BUSY = Reply(421, "4.7.0", "Too many connections; try again later")
BANNED = Reply(421, "4.7.0", "Too many failed logins; try again later")
TOO_MANY_COMMANDS = Reply(421, "4.7.0", "Too many commands; goodbye")
TOO_MANY_ERRORS = Reply(421, "4.7.0", "Too many errors; goodbye")
TOO_SLOW = Reply(421, "4.4.2", "Timeout; goodbye")
CLOSING = Reply(421, "4.3.2", "Going down; try again later")
TRY_LATER = Reply(451, "4.3.0", "Not taken. Please try again later")
NO_ROOM = Reply(452, "4.3.1", "No room at the moment. Please try again later")
TOO_MANY_RECIPIENTS = Reply(452, "4.5.3", "Too many recipients; send the rest in another message")
