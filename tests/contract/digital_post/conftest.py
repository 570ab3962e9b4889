"""Two real HTTPS servers with mutual TLS: the sandbox, which behaves, and a peer that misbehaves byte by byte."""

import io
import socket
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.config.settings import Settings
from gateway.digital_post.client import NgdpClient
from gateway.sandbox.running import start_in_thread

KEY = "8c2ea15d-61fb-4ba9-9366-42f8b194c365"


class FixedClock:
    """The time of every test here; ``later`` is set by tests that wait."""

    def __init__(self) -> None:
        self.later = timedelta()

    def now(self) -> datetime:
        return datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC) + self.later


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


# ── certificates ────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as files and as values."""

    certificate: Path
    key: Path
    value: x509.Certificate
    secret: ec.EllipticCurvePrivateKey


class Authority:
    """A certificate authority made up for the tests."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self.pair = self._make(name, ca=True)

    def issue(self, name: str, *, host: str = "127.0.0.1", days: int = 30) -> Pair:
        """A certificate for *host*; a negative number of *days* has run out."""
        return self._make(name, host=host, days=days)

    def _make(self, name: str, *, ca: bool = False, host: str = "", days: int = 30) -> Pair:
        secret = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = subject if ca else self.pair.value.subject
        now = datetime.now(UTC)
        value = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(secret.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=60))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if host:
            value = value.add_extension(x509.SubjectAlternativeName([_host(host)]), critical=False)
        signed = value.sign(secret if ca else self.pair.secret, hashes.SHA256())
        certificate, key = self._folder / f"{self._name}-{name}.crt", self._folder / f"{self._name}-{name}.key"
        certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        key.write_bytes(
            secret.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return Pair(certificate, key, signed, secret)


def _host(host: str) -> x509.GeneralName:
    with suppress(ValueError):
        return x509.IPAddress(ip_address(host))
    return x509.DNSName(host)


@pytest.fixture(scope="session")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"), "ca")


@pytest.fixture(scope="session")
def other_authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"), "other")


@pytest.fixture(scope="session")
def server_pair(authority) -> Pair:
    return authority.issue("server")


@pytest.fixture(scope="session")
def client_pair(authority) -> Pair:
    return authority.issue("client")


# ── the peer that misbehaves ────────────────────────────────────────────────


@dataclass(frozen=True)
class Asked:
    """One request as it came over the wire."""

    head: str
    body: bytes

    @property
    def line(self) -> str:
        return self.head.splitlines()[0]

    def header(self, name: str) -> str | None:
        for line in self.head.splitlines()[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name.lower():
                return value.strip()
        return None


@dataclass
class Peer:
    """Answers each request with the next of ``answers`` (the last one for ever).

    An answer is bytes to write, or a function of the connection that does as it likes. After it the
    connection is closed, unless ``keep`` is set.
    """

    pair: Pair
    ca: Path
    answers: list = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0
    keep: bool = False
    at_once: bool = False
    """Answers before a request has come."""
    ended: threading.Event = field(default_factory=threading.Event)
    tls: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        thread = threading.Thread(target=self._accept)
        thread.start()
        self._threads.append(thread)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._listener.getsockname()[1]}/apis/v1"

    def stop(self) -> None:
        self.ended.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._converse, args=(plain,))
            thread.start()
            self._threads.append(thread)

    def _converse(self, plain: socket.socket) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.pair.certificate, self.pair.key)
        context.load_verify_locations(self.ca)
        context.verify_mode = ssl.CERT_REQUIRED
        context.maximum_version = self.tls
        plain.settimeout(10)
        with suppress(OSError), plain, context.wrap_socket(plain, server_side=True) as connection:
            self.connections += 1
            if self.at_once:
                self._answer(connection)
            while self._hear(connection):
                self._answer(connection)
                if not self.keep:
                    with suppress(OSError, ValueError):
                        connection.unwrap()
                    return

    def _hear(self, connection: ssl.SSLSocket) -> bool:
        octets = b""
        while b"\r\n\r\n" not in octets:
            block = connection.recv(65536)
            if not block:
                return False
            octets += block
        head, _, body = octets.partition(b"\r\n\r\n")
        asked = Asked(head.decode("ascii"), b"")
        while len(body) < int(asked.header("Content-Length") or 0):
            block = connection.recv(65536)
            if not block:
                return False
            body += block
        self.asked.append(Asked(asked.head, body))
        return True

    def _answer(self, connection: ssl.SSLSocket) -> None:
        with self._lock:
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if callable(answer):
            answer(connection)
        else:
            connection.sendall(answer)


@pytest.fixture
def start_peer(authority, server_pair):
    peers: list[Peer] = []

    def start(*answers, pair: Pair = server_pair, **options) -> Peer:
        peers.append(Peer(pair, authority.pair.certificate, list(answers), **options))
        return peers[-1]

    yield start
    for peer in peers:
        peer.stop()


@pytest.fixture
def http():
    """The bytes of an answer."""

    def make(status: int, body: bytes | str = b"", *headers: str, length: int | None = None) -> bytes:
        octets = body.encode() if isinstance(body, str) else body
        size = len(octets) if length is None else length
        # Said aloud, as honest servers do; else the client might send into the closing connection.
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {size}", "Connection: close", *headers, "", ""]
        return "\r\n".join(lines).encode() + octets

    return make


# ── our side ────────────────────────────────────────────────────────────────


@pytest.fixture
def make_settings(tmp_path, authority, client_pair):
    def make(base_url: str, *, total: int = 99_500_000, memo_version: str = "1.1", **changed) -> Settings:
        ngdp = {
            "base_url": base_url,
            "system_id": "system",
            "certificate": client_pair.certificate,
            "key": client_pair.key,
            "ca": authority.pair.certificate,
            "memo_version": memo_version,
            "connect_timeout": 5,
            "timeout": 5,
        } | changed
        return Settings.model_validate(
            {
                "home": tmp_path,
                "organisation": {"name": "Skolen", "cvr": "12345674"},
                "smtp": {"domains": ["dp.example.dk"]},
                "digital_post": ngdp,
                "channel": {"total": total},
                "mail": {"sender": "digitalpost@dp.example.dk"},
            }
        )

    return make


@pytest.fixture
def make_client(make_settings, clock):
    """A client of the server at an address; keyword arguments change [digital_post]."""
    clients: list[NgdpClient] = []

    def make(base_url: str, *, token: str = "hemmelig", **changed) -> NgdpClient:
        clients.append(NgdpClient(make_settings(base_url, **changed), token, clock=clock))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def send():
    """Offer a small message."""

    def offer(client: NgdpClient, body: bytes = b"<memo/>", key: str = KEY):
        return client.send_memo(key, io.BytesIO(body), len(body))

    return offer


@pytest.fixture
def sandbox(tmp_path):
    running = start_in_thread(tmp_path / "sandbox", delay=0)
    yield running
    running.stop()


@pytest.fixture
def sandbox_settings(make_settings, sandbox):
    """Settings of a gateway that sends to the sandbox; keyword arguments change [digital_post]."""

    def make(**changed) -> Settings:
        return make_settings(
            sandbox.base_url,
            **({"system_id": sandbox.system, "certificate": sandbox.cert, "key": sandbox.key,
                "ca": sandbox.ca} | changed),
        )  # fmt: skip

    return make


@pytest.fixture
def sandbox_client(sandbox, sandbox_settings):
    client = NgdpClient(sandbox_settings(), sandbox.token, clock=FixedClock())
    yield client
    client.close()
