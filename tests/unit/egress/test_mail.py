"""Our own mail leaves whole, encrypted and once; or not at all, and we know why."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from email import message_from_bytes
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

from gateway.config.settings import Mail
from gateway.egress.mail import SmtpMailOut, wire_form
from gateway.errors import (
    ConfigError,
    MailNotEncrypted,
    MailNotSendable,
    MailRelayRefused,
    MailRelayUnavailable,
)

SECRET = "Hemmeligt indhold 4711"
MAIL = (
    "From: digitalpost@dp.example.dk\r\nTo: sek@example.dk\r\nSubject: Leveret\r\n"
    f"Message-ID: <1@dp.example.dk>\r\n\r\n{SECRET}\r\n"
).encode()
SLOPPY_END = rb"(?:\r\n|\r|\n)\.(?:\r\n|\r|\n)"
"""What careless servers take for the end of a mail."""


@contextmanager
def mail_out(port: int, *, tls: str = "none", **options: Any) -> Iterator[SmtpMailOut]:
    host, user = options.pop("host", "127.0.0.1"), options.pop("user", None)
    login = {"user": user, "password_file": "secrets/mail"} if user else {}
    settings = Mail(host=host, port=port, tls=tls, sender="digitalpost@dp.example.dk", **login)
    out = SmtpMailOut(
        settings,
        ca=options.pop("ca", None),
        password=options.pop("password", None),
        helo="dp.example.dk",
        timeout=timedelta(seconds=options.pop("timeout", 5)),
        **options,
    )
    try:
        yield out
    finally:
        out.close()


def send(out: SmtpMailOut, message: bytes = MAIL, **to: Any) -> None:
    out.send(message, **({"to": "sek@example.dk", "sender": None} | to))


# ── a real mail server, with STARTTLS and logins ────────────────────────────


class Kept:
    def __init__(self) -> None:
        self.mails: list[Any] = []

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        self.mails.append(envelope)
        return "250 taken"


@contextmanager
def mail_server(tls: ssl.SSLContext, **options: Any) -> Iterator[tuple[int, Kept]]:
    kept = Kept()
    controller = Controller(kept, "127.0.0.1", 0, tls_context=tls, require_starttls=True, **options)
    # Port 0: aiosmtpd's own start() calls back to the port it was given, so the loop is started here.
    ready, port = threading.Event(), []

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(
            controller._factory_invoker, "127.0.0.1", 0
        )
        port.append(server.sockets[0].getsockname()[1])
        ready.set()
        await stop.wait()
        server.close()
        await asyncio.sleep(0)

    loop = controller.loop
    stop = asyncio.Event()

    def run() -> None:
        loop.run_until_complete(serve())
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield port[0], kept
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)


def test_a_mail_arrives_whole_over_starttls_with_a_null_return_path(authority):
    with (
        mail_server(authority.server("127.0.0.1")) as (port, kept),
        mail_out(port, tls="starttls", ca=authority.ca) as out,
    ):
        send(out)
    envelope = kept.mails[0]
    assert envelope.content == MAIL
    assert envelope.mail_from in ("", "<>")
    assert envelope.rcpt_tos == ["sek@example.dk"]


def test_a_login_is_used_when_there_is_one(authority):
    seen = []

    def judge(server, session, envelope, mechanism, data):
        seen.append((data.login, data.password))
        return AuthResult(success=data.password == b"rigtigt", handled=False)

    options = {"authenticator": judge, "auth_required": True}
    with mail_server(authority.server("localhost"), **options) as (port, kept):
        with mail_out(port, tls="starttls", host="localhost", ca=authority.ca, user="gw", password="rigtigt") as out:
            send(out)
        with (
            mail_out(port, tls="starttls", host="localhost", ca=authority.ca, user="gw", password="forkert") as out,
            pytest.raises(MailRelayUnavailable, match="login not accepted"),
        ):
            send(out)
    assert len(kept.mails) == 1
    assert seen[0] == (b"gw", b"rigtigt")


def test_implicit_tls_works_too(authority, relay):
    server = relay(tls=authority.server("127.0.0.1"), implicit=True)
    with mail_out(server.port, tls="implicit", ca=authority.ca) as out:
        send(out)
    assert len(server.mails) == 1
    assert server.in_the_clear == b""


# ── no TLS we can trust: held back, nothing in the clear (OUT-04) ───────────


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("expired", "certificate not trusted"),
        ("another host", "certificate not trusted"),
        ("unknown CA", "certificate not trusted"),
        ("TLS 1.1", "no common ground"),
    ],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_a_relay_we_cannot_trust_gets_nothing(authority, stranger, relay, tls, wrong, words):
    contexts: dict[str, Callable[[], ssl.SSLContext]] = {
        "expired": lambda: authority.server("127.0.0.1", days=-1),
        "another host": lambda: authority.server("mail.example.dk"),
        "unknown CA": lambda: stranger.server("127.0.0.1"),
        "TLS 1.1": lambda: authority.server("127.0.0.1", newest=ssl.TLSVersion.TLSv1_1),
    }
    server = relay(tls=contexts[wrong](), implicit=tls == "implicit")
    with (
        mail_out(server.port, tls=tls, ca=authority.ca) as out,
        # Held at once where it was post to a department; tried again where it was a notice.
        pytest.raises(MailNotEncrypted, match=words),
    ):
        send(out)
    assert server.mails == []
    assert not any(command.startswith(("MAIL", "AUTH")) for command in server.commands)
    assert SECRET.encode() not in server.in_the_clear


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ({"EHLO": "250 relay"}, MailNotEncrypted),
        ({"EHLO": "502 no", "HELO": "250 relay"}, MailNotEncrypted),
        ({"EHLO": "250-relay\r\n250 STARTTLS", "STARTTLS": "454 not now"}, MailRelayUnavailable),
        ({"EHLO": "250-relay\r\n250 STARTTLS", "STARTTLS": "554 never"}, MailNotEncrypted),
        ({"EHLO": "250-relay\r\n250 STARTTLS", "STARTTLS": "220 ready"}, MailRelayUnavailable),  # then plain words follow
    ],
)
def test_a_relay_without_tls_never_sees_more_than_our_greeting(authority, relay, answers, error):
    server = relay(answers)
    with (
        mail_out(server.port, tls="starttls", ca=authority.ca, user="gw", password="kode", timeout=0.5) as out,
        pytest.raises(error),
    ):
        send(out)
    assert server.mails == []
    for secret in (SECRET.encode(), b"MAIL", b"AUTH", b"sek@"):
        assert secret not in server.in_the_clear


def test_words_slipped_in_before_tls_are_not_believed(authority, relay):
    server = relay(
        {"STARTTLS": "220 ready\r\n250-relay\r\n250 XINJECTED"}, tls=authority.server("127.0.0.1")
    )
    with mail_out(server.port, tls="starttls", ca=authority.ca) as out:
        try:
            send(out)
        except MailRelayUnavailable:
            return
    assert len(server.mails) == 1
    assert sum(command.upper().startswith("EHLO") for command in server.commands) == 2


def test_a_ca_file_that_holds_nothing_is_a_fault_of_the_settings(tmp_path):
    empty = tmp_path / "ca.crt"
    empty.write_text("not a certificate")
    for ca in (empty, tmp_path / "missing.crt"):
        with pytest.raises(ConfigError, match=r"\[mail\] ca"), mail_out(1, ca=ca):
            pass


# ── what the relay says (OUT-05) ────────────────────────────────────────────

TEMPORARY = [
    ({"CONNECT": "421 busy sek@example.dk"}, "421"),
    ({"CONNECT": "554 go away"}, "554"),
    ({"CONNECT": "drop"}, "no connection"),
    ({"EHLO": "421 busy", "HELO": "421 busy"}, "421"),
    ({"MAIL": "451 later"}, "451"),
    ({"MAIL": "421 closing"}, "421"),
    ({"MAIL": "530 log in first"}, "530"),
    ({"MAIL": "drop"}, "no connection"),
    ({"MAIL": "nonsense"}, "not SMTP"),
    ({"RCPT": "450 4.2.0 greylisted sek@example.dk"}, "450"),
    ({"RCPT": "421 closing"}, "421"),
    ({"RCPT": "drop"}, "no connection"),
    ({"DATA": "451 later"}, "451"),
    ({"DATA": "drop"}, "no connection"),
    ({"DATA": "250 what?"}, "not SMTP"),
    ({"END": "451 later"}, "451"),
    ({"END": "421 closing"}, "421"),
    ({"END": "drop"}, "no connection"),
    ({"END": "250 " + "x" * 10_000}, "500"),
]


@pytest.mark.parametrize(("answers", "words"), TEMPORARY)
def test_a_temporary_answer_means_try_again(relay, answers, words):
    server = relay(answers)
    with mail_out(server.port) as out, pytest.raises(MailRelayUnavailable, match=words) as error:
        send(out)
    assert error.value.temporary
    assert_nothing_quoted(error.value)


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        ({"MAIL": "550 no"}, 550),
        ({"RCPT": "550 5.1.1 <sek@example.dk> unknown"}, 550),
        ({"DATA": "554 no"}, 554),
        ({"END": "552 5.3.4 too large for sek@example.dk"}, 552),
    ],
)
def test_a_permanent_answer_about_the_mail_is_final(relay, answers, status):
    server = relay(answers)
    with mail_out(server.port) as out, pytest.raises(MailRelayRefused) as error:
        send(out)
    assert error.value.facts == {"status": status}
    assert not error.value.temporary
    assert_nothing_quoted(error.value)


def assert_nothing_quoted(error: BaseException) -> None:
    for words in ("sek@", "example.dk", "127.0.0.1", "greylisted", SECRET):
        assert words not in f"{error} {error!r} {error.__cause__!r}"
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__


def test_nobody_listening_means_try_again(relay):
    server = relay()
    server.close()
    with mail_out(server.port) as out, pytest.raises(MailRelayUnavailable, match="no connection"):
        send(out)


@pytest.mark.parametrize("silent_at", ["CONNECT", "EHLO", "MAIL", "END"])
def test_a_relay_that_says_nothing_is_not_waited_for_long(relay, silent_at):
    server = relay({silent_at: ""} | ({"HELO": ""} if silent_at == "EHLO" else {}))
    with mail_out(server.port, timeout=0.2) as out, pytest.raises(MailRelayUnavailable):
        send(out)


def test_a_250_lost_on_the_way_is_a_mail_that_may_come_twice_under_one_id(relay):
    server = relay({"END": ["drop", "250 taken"]})
    with mail_out(server.port) as out:
        with pytest.raises(MailRelayUnavailable):
            send(out)
        send(out)
    assert len(server.mails) == 2
    assert {message_from_bytes(mail)["Message-ID"] for mail in server.mails} == {"<1@dp.example.dk>"}


# ── connections are kept, but not believed in ───────────────────────────────


def test_mails_one_after_another_share_a_connection(relay):
    server = relay()
    with mail_out(server.port) as out:
        for _ in range(5):
            send(out)
    assert (server.connections, len(server.mails)) == (1, 5)


@pytest.mark.parametrize("how", ["closed", "421"])
def test_a_connection_that_died_while_idle_is_replaced_once(relay, how):
    server = relay({"MAIL": ["250 ok", "421 you were idle", "250 ok"]} if how == "421" else {})
    with mail_out(server.port) as out:
        send(out)
        if how == "closed":
            server.hang_up()
        send(out)
    assert (server.connections, len(server.mails)) == (2, 2)


def test_a_kept_connection_that_dies_in_the_middle_of_a_mail_is_not_tried_again_at_once(relay):
    server = relay({"END": ["250 taken", "drop", "250 taken"]})
    with mail_out(server.port) as out:
        send(out)
        with pytest.raises(MailRelayUnavailable):
            send(out)
    assert server.connections == 1


def test_a_connection_idle_for_too_long_is_closed(relay):
    server, now = relay(), [0.0]
    with mail_out(server.port, monotonic=lambda: now[0], idle=timedelta(seconds=30)) as out:
        send(out)
        now[0] = 29.0
        send(out)
        assert server.connections == 1
        now[0] = 60.0
        send(out)
    assert server.connections == 2
    assert "quit" in [command.lower() for command in server.commands]


def test_many_threads_keep_no_more_connections_than_allowed(relay):
    server = relay()
    with mail_out(server.port, keep=2) as out:
        threads = [threading.Thread(target=send, args=(out,)) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(out._kept._stack) <= 2
    assert len(server.mails) == 12


# ── one message stays one message (OUT-07) ──────────────────────────────────

SMUGGLED = "MAIL FROM:<x@example.dk>\r\nRCPT TO:<y@example.dk>\r\nDATA\r\nFrom: x\r\n\r\nTo nummer"


@pytest.mark.parametrize("end", [rb"\r\n\.\r\n", SLOPPY_END], ids=["strict", "sloppy"])
@pytest.mark.parametrize(
    "body",
    [
        ".",
        "..",
        ".\r\n",
        "a\n.\nb",
        "a\r.\rb",
        "a\r\n.\nb",
        "a\n.\r\nb",
        "a\r.\r\nb",
        f"a\n.\n{SMUGGLED}",
        f"a\r\n.\r\n{SMUGGLED}",
        f"a\r.\r{SMUGGLED}",
        f"a\n.\r\n{SMUGGLED}",
    ],
)
def test_a_body_cannot_end_the_mail_early(relay, body, end):
    server = relay(end_of_data=end)
    with mail_out(server.port) as out:
        send(out, MAIL + body.encode())
    assert len(server.mails) == 1
    assert not any("x@example.dk" in command for command in server.commands)
    text = b"".join(server.mails[0].split(b"\r\n"))
    text = text.removesuffix(b"\r")  # the careless one stops reading there
    assert b"\r" not in text
    assert b"\n" not in text


def test_sloppy_line_ends_arrive_as_crlf(relay):
    server = relay()
    with mail_out(server.port) as out:
        send(out, MAIL.replace(b"\r\n", b"\n") + b"a\rb\nc\r\nd")
    assert server.mails[0] == MAIL + b"a\r\nb\r\nc\r\nd\r\n.\r\n"


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"no headers at all",
        b"\r\nonly a body",
        MAIL.replace(b"Leveret\r\n", b"Leveret\nBcc: x@example.dk\r\n"),
        MAIL.replace(b"Leveret\r\n", b"Leveret\rBcc: x@example.dk\r\n"),
        MAIL.replace(b"Leveret\r\n", b"Leveret\n\nNy tekst\r\n"),
        MAIL.replace(b"Leveret\r\n", b"Leveret\x00\r\n"),
        MAIL.replace(b"Leveret\r\n", b"Leveret\r\nTo: x@example.dk\r\n"),
        MAIL.replace(b"Leveret\r\n", b"Leveret\r\nFROM: x@example.dk\r\n"),
        MAIL.replace(b"Leveret\r\n", b"Leveret\r\nSubject: To\r\n"),
        MAIL.replace(b"Leveret\r\n", b"Leveret\r\nikke et hoved\r\n"),
        MAIL.replace(b"Leveret\r\n", b"Leveret\r\nX Y: z\r\n"),
        MAIL.replace(b"Leveret\r\n", b"Leveret\r\n \r\n"),
        MAIL.replace(b"From: digitalpost@dp.example.dk\r\n", b""),
        b" " + MAIL,
    ],
)
def test_headers_that_could_mean_two_things_are_not_sent(relay, message):
    server = relay()
    with mail_out(server.port) as out, pytest.raises(MailNotSendable):
        send(out, message)
    assert server.connections == 0


@pytest.mark.parametrize(
    "address",
    [
        "sek@example.dk\r\nRCPT TO:<x@example.dk>",
        "sek@example.dk\nDATA",
        "sek@example.dk> <x@example.dk",
        "sek@example.dk\x00",
        "sek @example.dk",
        "sek@example.dk,x@example.dk",
        '"sek"@example.dk',
        "Sek <sek@example.dk>",
        "sek",
        "",
        "@example.dk",
        "søren@example.dk",
        "sek@[127.0.0.1]",
    ],
)
def test_an_address_that_could_mean_two_things_is_not_written_to(relay, address):
    server = relay()
    with mail_out(server.port) as out:
        for to in ({"to": address}, {"sender": address}):
            with pytest.raises(MailNotSendable):
                send(out, **to)
    assert server.connections == 0


def test_folded_headers_and_an_empty_body_are_fine():
    message = b"From: a@example.dk\nSubject: en\n to\n\n"
    assert wire_form(message) == b"From: a@example.dk\r\nSubject: en\r\n to\r\n\r\n"


def test_the_size_is_said_before_the_bytes_travel(relay):
    server = relay({"MAIL": "552 too large"})
    with mail_out(server.port) as out, pytest.raises(MailRelayRefused):
        send(out)
    assert f"mail FROM:<> size={len(MAIL)}" in [c.replace("SIZE", "size") for c in server.commands]
    assert server.mails == []
