"""The sandbox's own little certificate authority, made on first start in a folder.

Certificates hold by modern rules, so that strict verification (Python 3.13's default,
``VERIFY_X509_STRICT``) accepts them: a version 3 CA with critical basic constraints and key usage,
leaves with subject alternative name, extended key usage and both key identifiers (RFC 5280, 4.2.1).
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
CLIENT_NAME = "digitalpost-gateway sandbox"
# Longest life of a server certificate that Apple's and Mozilla's verifiers accept from a private CA.
LEAF_LIFE = timedelta(days=825)
CA_LIFE = timedelta(days=3650)
RENEW_BEFORE = timedelta(days=30)
# Clocks of two machines differ; a certificate made this minute must already be valid on the other.
BACKDATE = timedelta(days=1)

Purpose = Literal["server", "client"]
_PURPOSE = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A certificate and its private key as PEM files."""

    cert: Path
    key: Path

    def fingerprint(self) -> bytes:
        """SHA-256 of the certificate (DER)."""
        return _load_certificate(self.cert).fingerprint(hashes.SHA256())


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """The CA in *folder*, with the certificates of the sandbox's server and of its one client."""

    folder: Path
    ca: Pair
    server: Pair
    client: Pair

    @classmethod
    def open(cls, folder: Path) -> Authority:
        """The authority in *folder*; makes what is missing or runs out within 30 days."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _one_at_a_time(folder):
            ca = _pair(folder, "ca")
            if _runs_out(ca):
                _make_ca(ca)
            made = cls(
                folder=folder, ca=ca, server=_pair(folder, "server"), client=_pair(folder, "client")
            )
            made._leaf(made.server, name="localhost", purpose="server", names=LOOPBACK_NAMES)
            made._leaf(made.client, name=CLIENT_NAME, purpose="client", names=())
        return made

    def server_certificate(
        self, cert: Path, key: Path, names: Sequence[str] = LOOPBACK_NAMES
    ) -> Pair:
        """A certificate for another server of the demo (SMTP), written to *cert* and *key*.

        Args:
            names: host names and addresses clients will use; the first is the subject.
        """
        pair = Pair(cert=cert, key=key)
        self._leaf(pair, name=names[0], purpose="server", names=names)
        return pair

    def client_certificate(self, cert: Path, key: Path, name: str) -> Pair:
        """A certificate for another client; the sandbox knows the CA, but not this system (403)."""
        pair = Pair(cert=cert, key=key)
        self._leaf(pair, name=name, purpose="client", names=())
        return pair

    def _leaf(self, pair: Pair, *, name: str, purpose: Purpose, names: Sequence[str]) -> None:
        issuer = _load_certificate(self.ca.cert)
        if not _runs_out(pair) and _issued_by(pair, issuer):
            return
        issuer_key = serialization.load_pem_private_key(self.ca.key.read_bytes(), password=None)
        assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_subject(name), issuer.subject, key, LEAF_LIFE)
        builder = builder.add_extension(
            x509.BasicConstraints(ca=False, path_length=None), critical=True
        )
        builder = builder.add_extension(_usage(sign_certificates=False), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([_PURPOSE[purpose]]), critical=False)
        builder = builder.add_extension(
            x509.SubjectAlternativeName(_names(names or (name,))), critical=False
        )
        builder = builder.add_extension(_authority_of(issuer_key), critical=False)
        _write(pair, key, builder.sign(issuer_key, hashes.SHA256()))


def _make_ca(pair: Pair) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject("digitalpost-gateway sandbox CA")
    builder = _builder(subject, subject, key, CA_LIFE)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(sign_certificates=True), critical=True)
    builder = builder.add_extension(_authority_of(key), critical=False)
    _write(pair, key, builder.sign(key, hashes.SHA256()))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, life: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now - BACKDATE + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _authority_of(key: ec.EllipticCurvePrivateKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def _subject(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "SANDBOX - not Digital Post"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def _names(names: Sequence[str]) -> list[x509.GeneralName]:
    return [_general_name(name) for name in names]


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        # A client's name is no host name; spaces are not allowed in a DNS name.
        return x509.DNSName(name.replace(" ", "-"))


def _pair(folder: Path, name: str) -> Pair:
    return Pair(cert=folder / f"{name}.crt", key=folder / f"{name}.key")


def _runs_out(pair: Pair) -> bool:
    if not (pair.cert.exists() and pair.key.exists()):
        return True
    return _load_certificate(pair.cert).not_valid_after_utc < datetime.now(UTC) + RENEW_BEFORE


def _issued_by(pair: Pair, issuer: x509.Certificate) -> bool:
    """False after the CA itself was made anew."""
    kind = x509.AuthorityKeyIdentifier
    mine = _load_certificate(pair.cert).extensions.get_extension_for_class(kind).value
    theirs = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return mine.key_identifier == theirs.digest


def _load_certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def _write(pair: Pair, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for path, content in (
        (pair.key, pem),
        (pair.cert, certificate.public_bytes(serialization.Encoding.PEM)),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.new")
        beside.unlink(missing_ok=True)
        # 0600 from the first byte: chmod afterwards would leave the key readable for a moment.
        beside.touch(mode=0o600, exist_ok=False)
        beside.write_bytes(content)
        beside.replace(path)


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """The sandbox and the mail sink may start at the same moment; only one makes the CA."""
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
