"""The sandbox's own certificate authority."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.sandbox import authority as module
from gateway.sandbox.authority import Authority


def load(pair):
    return x509.load_pem_x509_certificate(pair.cert.read_bytes())


def extension(certificate, kind):
    return certificate.extensions.get_extension_for_class(kind).value


@pytest.fixture
def authority(tmp_path):
    return Authority.open(tmp_path / "ca")


def test_keys_are_for_their_owner_alone(authority):
    for pair in (authority.ca, authority.server, authority.client):
        assert stat.S_IMODE(pair.key.stat().st_mode) == 0o600
    assert stat.S_IMODE(authority.folder.stat().st_mode) == 0o700


def test_the_server_is_named_by_every_loopback_name(authority):
    names = extension(load(authority.server), x509.SubjectAlternativeName)
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert names.get_values_for_type(x509.IPAddress) == [ip_address("127.0.0.1"), ip_address("::1")]


def test_the_client_is_the_gateways_system(authority):
    [name] = load(authority.client).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert name.value == "digitalpost-gateway sandbox"


@pytest.mark.parametrize(
    ("which", "purpose"),
    [("server", ExtendedKeyUsageOID.SERVER_AUTH), ("client", ExtendedKeyUsageOID.CLIENT_AUTH)],
)
def test_each_certificate_is_for_one_purpose(authority, which, purpose):
    certificate = load(getattr(authority, which))
    assert list(extension(certificate, x509.ExtendedKeyUsage)) == [purpose]
    assert extension(certificate, x509.BasicConstraints).ca is False
    extension(certificate, x509.SubjectKeyIdentifier)
    certificate.verify_directly_issued_by(load(authority.ca))


def test_an_authority_is_opened_again_as_it_was(authority):
    before = [pair.cert.read_bytes() for pair in (authority.ca, authority.server, authority.client)]
    again = Authority.open(authority.folder)
    assert [pair.cert.read_bytes() for pair in (again.ca, again.server, again.client)] == before


def test_two_that_start_at_once_share_one_authority(tmp_path):
    with ThreadPoolExecutor(4) as pool:
        opened = list(
            pool.map(lambda _: Authority.open(tmp_path / "ca").ca.fingerprint(), range(4))
        )
    assert len(set(opened)) == 1


def test_a_certificate_that_runs_out_is_made_again_by_the_same_authority(authority, monkeypatch):
    ca = authority.ca.fingerprint()
    monkeypatch.setattr(module, "RENEW_BEFORE", timedelta(days=900))
    again = Authority.open(authority.folder)
    assert again.ca.fingerprint() == ca
    load(again.server).verify_directly_issued_by(load(again.ca))
    assert load(again.server).not_valid_before_utc <= datetime.now(UTC)


def test_certificates_of_a_lost_authority_are_made_again(authority):
    before = authority.server.fingerprint()
    authority.ca.key.unlink()
    again = Authority.open(authority.folder)
    assert again.server.fingerprint() != before
    load(again.client).verify_directly_issued_by(load(again.ca))


def test_another_server_gets_a_certificate_for_its_names(authority, tmp_path):
    pair = authority.server_certificate(
        tmp_path / "tls" / "smtp.crt", tmp_path / "tls" / "smtp.key", ["dp.example.dk", "127.0.0.1"]
    )
    certificate = load(pair)
    names = extension(certificate, x509.SubjectAlternativeName)
    assert names.get_values_for_type(x509.DNSName) == ["dp.example.dk"]
    assert names.get_values_for_type(x509.IPAddress) == [ip_address("127.0.0.1")]
    certificate.verify_directly_issued_by(load(authority.ca))
