"""Checks of what we depend on: the database, Digital Post, the mail relay."""

from __future__ import annotations

import base64
import http.client
import smtplib
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from gateway.cli.doctor.finding import Finding, fail, ok
from gateway.config import Settings
from gateway.config.load import read_secret
from gateway.errors import GatewayError, UnsafeSecret

_TIMEOUT_SECONDS = 10


def database(settings: Settings) -> Iterator[Finding]:
    """It answers, and its schema is this version's."""
    from gateway.wiring.state import open_ledger

    url = settings.storage.database
    if url.startswith("sqlite") and not settings.path(Path(url.removeprefix("sqlite:///"))).exists():
        yield fail("database", "is not made yet.", "Run `gateway db migrate`.")
        return
    try:
        ledger = open_ledger(settings)
        try:
            counts = ledger.counts()
        finally:
            ledger.close()
    except GatewayError as error:
        yield fail("database", error.text(), "Check that it runs; if its schema is older, run `gateway db migrate`.")
    else:
        submissions = sum(number for name, number in counts.items() if name.startswith("submissions."))
        yield ok("database", f"answers, and its schema is this version's; {submissions} submissions.")


def digital_post(settings: Settings) -> Iterator[Finding]:
    """It answers our certificate and token; one look at the receipts, which changes nothing."""
    post = settings.digital_post
    parts = urlsplit(post.base_url)
    place = parts.hostname or ""
    try:
        token = read_secret(settings.path(post.token_file))
        tls = ssl.create_default_context(cafile=settings.path(post.ca) if post.ca else None)
        tls.load_cert_chain(settings.path(post.certificate), settings.path(post.key))
    except (UnsafeSecret, OSError, ssl.SSLError):
        yield fail("digital post", "cannot be asked without certificate and token.", "Mend those first.")
        return
    connection = http.client.HTTPSConnection(place, parts.port or 443, timeout=_TIMEOUT_SECONDS, context=tls)
    login = base64.b64encode(f"{post.system_id}:{token}".encode()).decode()
    try:
        connection.request("GET", f"{parts.path.rstrip('/')}/receipts/?page=0&size=1", headers={"Authorization": f"Basic {login}"})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        yield fail("digital post", f"{place} does not answer ({_reason(error)}).", "Check the network, base_url and ca.")
        return
    finally:
        connection.close()
    yield _answered(place, status)


def _answered(place: str, status: int) -> Finding:
    if status == 200:
        return ok("digital post", f"{place} answers, and knows our certificate and token.")
    if status in (401, 403):
        return fail(
            "digital post", f"{place} does not know us (HTTP {status}).",
            "Check system_id, token, certificate and the system's allowed addresses in Administrativ Adgang.",
        )
    return fail("digital post", f"{place} answers HTTP {status}.", "Check base_url; else try again later.")


def mail_relay(settings: Settings) -> Iterator[Finding]:
    """It answers, with TLS and a login as set; no mail is sent."""
    mail = settings.mail
    place = f"{mail.host}:{mail.port}"
    try:
        tls = ssl.create_default_context(cafile=settings.path(mail.ca) if mail.ca else None)
        password = read_secret(settings.path(mail.password_file)) if mail.password_file else ""
        with _greeted(settings, tls) as relay:
            if mail.tls == "starttls":
                relay.starttls(context=tls)
            if mail.user is not None:
                relay.login(mail.user, password)
            relay.noop()
    except smtplib.SMTPAuthenticationError:
        yield fail("mail relay", f"{place} refuses our login.", "Check [mail] user and password_file.")
    except smtplib.SMTPNotSupportedError:
        yield fail("mail relay", f"{place} offers no STARTTLS or no login.", "Check [mail] port, tls and user.")
    except UnsafeSecret as error:
        yield fail("mail relay", "cannot be asked without its password.", error.action())
    except (OSError, smtplib.SMTPException) as error:
        yield fail("mail relay", f"{place} does not answer as it should ({_reason(error)}).", "Check [mail] host, port, tls and ca.")
    else:
        yield ok("mail relay", f"{place} answers{'' if mail.tls == 'none' else ', over TLS'}.")


def _greeted(settings: Settings, tls: ssl.SSLContext) -> smtplib.SMTP:
    mail, name = settings.mail, settings.smtp.hostname
    if mail.tls == "implicit":
        return smtplib.SMTP_SSL(mail.host, mail.port, name, timeout=_TIMEOUT_SECONDS, context=tls)
    return smtplib.SMTP(mail.host, mail.port, name, timeout=_TIMEOUT_SECONDS)


def _reason(error: Exception) -> str:
    """Why a call failed, without what the other side wrote."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, TimeoutError):
        return f"nothing within {_TIMEOUT_SECONDS} s"
    strerror = getattr(error, "strerror", None)
    return strerror if isinstance(strerror, str) and strerror else type(error).__name__
