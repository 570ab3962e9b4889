"""Relays to send to: real sockets, real TLS, and one certificate for each way to be wrong."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

STRICT_END = rb"\r\n\.\r\n"
DROP = "drop"
"""An answer that is no answer: the connection is closed."""


class ScriptedRelay:
    """A relay that says what it was told to, and keeps what it heard.

    Args:
        answers: reply by verb (``CONNECT``, ``EHLO``, ``MAIL``, ``DATA``, ``END`` …); a list is used up
            over the connections, its last entry stays. ``DROP`` closes instead; a reply that ends in
            ``DROP`` is given first.
        tls: offered as STARTTLS, or at once with *implicit*.
    """

    def __init__(
        self,
        answers: dict[str, str | list[str]] | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        implicit: bool = False,
        end_of_data: bytes = STRICT_END,
    ) -> None:
        self._answers = {
            "CONNECT": "220 relay", "MAIL": "250 ok", "RCPT": "250 ok", "DATA": "354 go on",
            "END": "250 taken", "QUIT": "221 bye" + DROP, "STARTTLS": "220 ready", "AUTH": "235 ok",
            "EHLO": "250-relay\r\n250 SIZE 10000000" if tls is None or implicit
            else "250-relay\r\n250 STARTTLS",
        } | (answers or {})  # fmt: skip
        self._tls = tls
        self._implicit = implicit
        self._end = re.compile(end_of_data)
        self.in_the_clear = b""
        self.commands: list[str] = []
        self.mails: list[bytes] = []
        self.connections = 0
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)

    def close(self) -> None:
        with contextlib.suppress(OSError):  # closed before
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()
        for thread in self._threads:
            thread.join(timeout=10)

    def hang_up(self) -> None:
        """Close every connection, as a relay does that has waited long enough."""
        while self._open:
            connection = self._open.pop()
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _start(self, run: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=run, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with ExitStack() as stack:
            stack.callback(connection.close)
            with contextlib.suppress(OSError):
                if self._implicit:
                    connection = self._wrapped(connection, stack)
                self._talk(connection, stack)

    def _wrapped(self, connection: socket.socket, stack: ExitStack) -> socket.socket:
        assert self._tls is not None
        wrapped = self._tls.wrap_socket(connection, server_side=True)
        stack.callback(wrapped.close)
        return wrapped

    def _talk(self, connection: socket.socket, stack: ExitStack) -> None:
        if not self._say(connection, "CONNECT"):
            return
        while line := self._until(connection, re.compile(rb"\r\n")):
            self.commands.append(line.decode().strip())
            verb = line[:4].decode().upper().strip()
            verb = {"STAR": "STARTTLS"}.get(verb, verb)
            if not self._say(connection, verb):
                return
            if verb == "STARTTLS" and self._tls is not None:
                connection = self._wrapped(connection, stack)
            if verb == "DATA":
                text = self._until(connection, self._end)
                if not text:
                    return
                self.mails.append(text)
                if not self._say(connection, "END"):
                    return

    def _until(self, connection: socket.socket, end: re.Pattern[bytes]) -> bytes:
        heard = b""
        while not end.search(heard):
            more = connection.recv(1)
            if not more:
                return b""
            if not isinstance(connection, ssl.SSLSocket):
                self.in_the_clear += more
            heard += more
        return heard

    def _say(self, connection: socket.socket, verb: str) -> bool:
        answer = self._answers.get(verb, "502 unknown")
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        words = answer.removesuffix(DROP)
        if words:
            connection.sendall(f"{words}\r\n".encode())
        return not answer.endswith(DROP)


@pytest.fixture
def relay() -> Iterator[Callable[..., ScriptedRelay]]:
    with ExitStack() as stack:

        def start(*args: object, **options: object) -> ScriptedRelay:
            started = ScriptedRelay(*args, **options)  # type: ignore[arg-type]
            stack.callback(started.close)
            return started

        yield start


# ── certificates ────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Authority:
    """A little CA in a folder."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def ca(self) -> Path:
        return self.folder / "ca.crt"

    def server(self, name: str, *, days: int = 30, newest: ssl.TLSVersion | None = None) -> ssl.SSLContext:
        """Server-side TLS under a certificate for *name*, valid for *days* (negative: expired)."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternative: x509.GeneralName = x509.DNSName(name)
        if name[0].isdigit():
            alternative = x509.IPAddress(ipaddress.ip_address(name))
        certificate = (
            _builder(name, self.certificate.subject, key, days)
            .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        both = self.folder / f"{name}{days}.pem"
        both.write_bytes(_pem(certificate) + _pem_key(key))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(both)
        if newest is not None:
            context.set_ciphers("DEFAULT@SECLEVEL=0")
            context.minimum_version = newest
            context.maximum_version = newest
        return context


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A CA that nobody here trusts."""
    return make_authority(tmp_path_factory.mktemp("stranger"))


def make_authority(folder: Path) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")])
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=True, crl_sign=True,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
    certificate = (
        _builder("Test CA", name, key, 30)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    authority = Authority(folder, key, certificate)
    authority.ca.write_bytes(_pem(certificate))
    return authority


def _builder(
    name: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=60))
        .not_valid_after(now + dt.timedelta(days=days))
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _pem_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
