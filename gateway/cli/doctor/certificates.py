"""Checks of certificates: readable, matching their key, and how long they last."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from gateway.cli.doctor.finding import Finding, fail, ok, warn
from gateway.config import Settings

_TELL_DAYS = (1, 7, 14, 30, 60)
"""Days left at which a certificate is told; an OCES certificate takes days to renew, so seven are a failure."""
_FAIL_DAYS = 7


def certificates(settings: Settings) -> Iterator[Finding]:
    """Every certificate the settings name."""
    now = datetime.now(UTC)
    pairs = {
        "[smtp] certificate": (settings.smtp.certificate, settings.smtp.key),
        "[digital_post] certificate": (settings.digital_post.certificate, settings.digital_post.key),
    }
    for name, (certificate, key) in pairs.items():
        yield _pair(name, settings.path(certificate), settings.path(key), now)
    authorities = {
        "[smtp] client_ca": settings.smtp.client_ca,
        "[digital_post] ca": settings.digital_post.ca,
        "[mail] ca": settings.mail.ca,
    }
    for name, file in authorities.items():
        if file is not None:
            yield _authority(name, settings.path(file), now)


def lasts(name: str, until: datetime, now: datetime) -> Finding:
    """How long a certificate lasts, told at 60, 30, 14, 7 and 1 days."""
    if until <= now:
        return fail(name, f"ran out on {until:%Y-%m-%d}.", "Renew it, put the new files in place and restart.")
    days = (until - now).days
    mark = next((mark for mark in _TELL_DAYS if days <= mark), None)
    if mark is None:
        return ok(name, f"lasts until {until:%Y-%m-%d}, {days} days.")
    says = f"runs out on {until:%Y-%m-%d}, in {'less than a day' if days < 1 else f'{days} days'}."
    level = fail if mark <= _FAIL_DAYS else warn
    return level(name, says, "Renew it before then.")


def _pair(name: str, certificate: Path, key: Path, now: datetime) -> Finding:
    try:
        leaf = x509.load_pem_x509_certificates(certificate.read_bytes())[0]
        private = load_pem_private_key(key.read_bytes(), password=None)
        mode = key.stat().st_mode
    except OSError as error:
        missing = error.filename or certificate
        return fail(name, f"{missing}: {error.strerror}.", "Put the PEM file there, readable for the gateway.")
    except TypeError:  # cryptography's answer to a key that is locked
        return fail(name, f"{key} is locked with a password.", f"Unlock it: openssl pkey -in {key.name} -out {key.name}.new")
    except ValueError:
        return fail(name, f"{certificate} or {key} is not PEM.", "Convert it, for example with openssl pkcs12 -nodes.")
    if _public(leaf.public_key()) != _public(private.public_key()):
        return fail(name, f"{certificate} does not belong to {key}.", "Put the certificate and its own key in place.")
    if mode & 0o007:
        return fail(name, f"{key} is open to everybody.", f"chmod 0600 {key}")
    return lasts(name, leaf.not_valid_after_utc, now)


def _public(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _authority(name: str, file: Path, now: datetime) -> Finding:
    try:
        found = x509.load_pem_x509_certificates(file.read_bytes())
    except OSError as error:
        return fail(name, f"{file}: {error.strerror}.", "Put the PEM file there, readable for the gateway.")
    except ValueError:
        return fail(name, f"{file} is not PEM.", "Convert it to PEM.")
    return lasts(name, max(one.not_valid_after_utc for one in found), now)
