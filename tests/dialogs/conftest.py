"""A door to knock on: the real server over real TCP and TLS, with the real vault behind it."""

import asyncio
import base64
import contextlib
import hashlib
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.config.settings import Settings
from gateway.ingress.smtp.server import SmtpServer
from gateway.ingress.smtp.users import add_user
from gateway.model.submission import Accepted, Arrival
from gateway.storage.vault import LocalVault

USER, PASSWORD, SENDER = "sekretaer", "kun-til-test-1", "sekretaer@skole.example.dk"
LETTER = (
    b"From: Sekretaer <sekretaer@skole.example.dk>\r\n"
    b"To: 0101011234@dp.example.dk\r\n"
    b"Subject: Brev\r\n"
    b"Message-ID: <brev-1@skole.example.dk>\r\n"
    b"\r\n"
    b"Hej.\r\n"
)


class MemoryIntake:
    """``ports.Intake`` without a disk: same answers for the same post."""

    def __init__(self):
        self.taken: list[Arrival] = []
        self._known: dict[tuple[str, str], list[tuple[Arrival, str]]] = {}

    async def accept(self, arrival: Arrival) -> Accepted:
        key = (arrival.envelope.submitter.key(), arrival.reference)
        known = self._known.setdefault(key, [])
        for first, submission in known:
            if first.identity != arrival.identity:
                return Accepted(submission, "conflict")
            if first.envelope.recipients == arrival.envelope.recipients:
                return Accepted(submission, "duplicate")
        submission = f"F-2026-TEST-{len(self.taken) + 1:04}"
        known.append((arrival, submission))
        self.taken.append(arrival)
        return Accepted(submission, "new")


class FailingIntake:
    """Takes nothing, for *error*."""

    def __init__(self, error: Exception):
        self.taken: list[Arrival] = []
        self.error = error

    async def accept(self, arrival: Arrival) -> Accepted:
        raise self.error


# ── certificates ────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Authority:
    """A CA of the test's own, and what it signed."""

    folder: Path
    fingerprint: str
    """Of ``client.crt``."""

    def client_context(self, *, certificate: bool = False) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.folder / "ca.crt")
        if certificate:
            context.load_cert_chain(self.folder / "client.crt", self.folder / "client.key")
        return context


def _certificate(name: str, issuer=None):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer, signed_by = issuer or (key, subject)
    begin = datetime.now(UTC) - timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signed_by)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    return key, certificate


@pytest.fixture(scope="session")
def authority(tmp_path_factory) -> Authority:
    folder = tmp_path_factory.mktemp("tls")
    ca_key, ca = _certificate("Test CA")
    digest = ""
    for name in ("smtp", "client"):
        key, certificate = _certificate(name, (ca_key, ca.subject))
        (folder / f"{name}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        (folder / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        digest = hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()
    (folder / "ca.crt").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    return Authority(folder, digest)


@pytest.fixture(scope="session")
def users_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("users") / "users.toml"
    add_user(path, USER, PASSWORD, addresses=(SENDER,))
    return path


# ── the server ──────────────────────────────────────────────────────────────


@dataclass
class Door:
    """A running server."""

    server: SmtpServer
    settings: Settings
    intake: MemoryIntake | FailingIntake
    vault: LocalVault
    authority: Authority
    clients: list["Client"] = field(default_factory=list)

    @property
    def port(self) -> int:
        return self.server.ports["smtp"]

    async def knock(self, source: str = "127.0.0.1") -> "Client":
        """A new connection from the address *source*, greeting read."""
        client = await Client.connect(self.port, self.authority, source)
        self.clients.append(client)
        assert (await client.reply()).startswith("220 ")
        return client

    async def knock_as_user(self) -> "Client":
        """A new connection, under TLS, logged in."""
        client = await self.knock()
        await client.log_in()
        return client

    def content(self, index: int = -1) -> bytes:
        """The bytes that were taken."""
        arrival = self.intake.taken[index]
        return self.vault.read(arrival.blob) if arrival.blob else arrival.raw


class Client:
    """The other side of the wire, byte by byte."""

    def __init__(self, reader, writer, authority):
        self.reader, self.writer, self.authority = reader, writer, authority

    @classmethod
    async def connect(
        cls, port: int, authority: Authority, source: str = "127.0.0.1"
    ) -> "Client":
        to = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
        return cls(*to, authority)

    async def send(self, raw: bytes) -> None:
        self.writer.write(raw)
        await self.writer.drain()

    async def reply(self) -> str:
        """One whole reply, lines joined by a newline; empty at the end of the connection."""
        lines = []
        while True:
            line = (await asyncio.wait_for(self.reader.readline(), 20)).decode("ascii")
            if line:
                assert line.endswith("\r\n")
                lines.append(line[:-2])
            if not line or line[3:4] != "-":
                return "\n".join(lines)

    async def ask(self, line: str) -> str:
        await self.send(line.encode("latin-1") + b"\r\n")
        return await self.reply()

    async def start_tls(self, *, certificate: bool = False) -> None:
        context = self.authority.client_context(certificate=certificate)
        await self.writer.start_tls(context, server_hostname="localhost")

    async def go_under_tls(self) -> None:
        """EHLO, STARTTLS, EHLO."""
        await self.ask("EHLO client")
        assert (await self.ask("STARTTLS")).startswith("220 ")
        await self.start_tls()
        await self.ask("EHLO client")

    async def log_in(self, user: str = USER, password: str = PASSWORD) -> None:
        await self.go_under_tls()
        token = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        assert (await self.ask(f"AUTH PLAIN {token}")).startswith("235 ")

    async def announce(self, to: str = "0101011234@dp.example.dk", sender: str = SENDER) -> None:
        """MAIL and RCPT."""
        assert (await self.ask(f"MAIL FROM:<{sender}>")).startswith("250 ")
        assert (await self.ask(f"RCPT TO:<{to}>")).startswith("250 ")

    async def data(self, wire: bytes) -> str:
        """DATA with *wire* as it is, dots and end included; the last reply."""
        assert (await self.ask("DATA")).startswith("354 ")
        await self.send(wire)
        return await self.reply()

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await self.writer.wait_closed()


@pytest.fixture
def make_settings(tmp_path, authority, users_file):
    """Settings with defaults for everything; tables by keyword."""

    def make(*, smtp=None, limits=None, storage=None, read=None, **changes) -> Settings:
        return Settings.model_validate(
            {
                "home": tmp_path,
                "organisation": {"name": "Skolen", "cvr": "12345674", "contact": "post@skole.example.dk"},
                "storage": {"vault": tmp_path / "vault", "spare": 0, **(storage or {})},
                "read": read or {},
                "smtp": {
                    "port": 0,
                    "domains": ["dp.example.dk"],
                    "certificate": authority.folder / "smtp.crt",
                    "key": authority.folder / "smtp.key",
                    "users": users_file,
                    "limits": {"login_delay": 0, **(limits or {})},
                    **(smtp or {}),
                },
                "digital_post": {"base_url": "https://127.0.0.1/apis/v1", "system_id": "test"},
                "mail": {"sender": "digitalpost@dp.example.dk"},
                **changes,
            }
        )

    return make


@pytest.fixture
def open_door(make_settings, authority):
    """A server with settings of one's own, for the length of an ``async with``."""

    @contextlib.asynccontextmanager
    async def opened(*, intake=None, vault=None, **tables):
        settings = make_settings(**tables)
        vault = vault or LocalVault(settings.path(settings.storage.vault))
        intake = intake or MemoryIntake()
        server = SmtpServer(settings, intake=intake, vault=vault, loop_id="gateway.dp.example.dk")
        await server.start()
        door = Door(server, settings, intake, vault, authority)
        try:
            yield door
        finally:
            for client in door.clients:
                await client.close()
            await server.stop(timedelta(seconds=5))
            assert server.held_bytes == 0, "memory was not given back"
            assert not list((vault.root / "tmp").iterdir()), "half a message was left in the vault"

    return opened


@pytest.fixture
def letter() -> bytes:
    return LETTER


@pytest.fixture
def failing_intake():
    return FailingIntake
