"""The demo's mail sink, spoken to by smtplib over STARTTLS."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage

import pytest

from gateway.errors import ConfigError
from gateway.sandbox.authority import Authority
from gateway.sandbox.sink import start_sink


@pytest.fixture
def sink(tmp_path):
    running = start_sink(tmp_path / "sink", Authority.open(tmp_path / "ca"))
    yield running
    running.stop()


@pytest.fixture
def smtp(sink):
    with smtplib.SMTP("localhost", sink.port, timeout=20) as client:
        yield client


def trusting(sink):
    context = ssl.create_default_context(cafile=sink.ca)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


def mail(subject="Dit brev er leveret"):
    message = EmailMessage()
    message["From"], message["To"] = "digitalpost@dp.example.dk", "lis@example.dk"
    message["Subject"] = subject
    message.set_content("Brevet er afleveret. Æble.\n.\n..punktum\n")
    return message


def test_a_mail_is_kept_over_starttls(sink, smtp):
    smtp.starttls(context=trusting(sink))
    smtp.send_message(
        mail(), from_addr="a@example.dk", to_addrs=["lis@example.dk", "bo@example.dk"]
    )
    [kept] = sink.mails()
    assert kept["Subject"] == "Dit brev er leveret"
    assert kept["Return-Path"] == "<a@example.dk>"
    assert kept.get_all("Delivered-To") == ["lis@example.dk", "bo@example.dk"]
    assert kept["X-Sandbox"] == "true"
    assert kept.get_content() == mail().get_content()
    assert len(list((sink.maildir / "new").iterdir())) == 1


def test_a_null_return_path_is_seen(sink, smtp):
    smtp.starttls(context=trusting(sink))
    smtp.sendmail("", ["lis@example.dk"], mail().as_bytes())
    assert sink.mails()[0]["Return-Path"] == "<>"


def test_mails_are_kept_in_the_order_they_came(sink, smtp):
    smtp.starttls(context=trusting(sink))
    for number in range(5):
        smtp.send_message(mail(f"Brev {number}"))
    assert [kept["Subject"] for kept in sink.mails()] == [f"Brev {number}" for number in range(5)]


def test_without_starttls_nothing_is_taken(sink, smtp):
    with pytest.raises(smtplib.SMTPResponseException) as caught:
        smtp.sendmail("a@example.dk", ["lis@example.dk"], mail().as_bytes())
    assert caught.value.smtp_code == 530
    assert sink.mails() == []


def test_a_client_that_does_not_know_the_authority_refuses_the_sink(smtp):
    with pytest.raises(ssl.SSLCertVerificationError):
        smtp.starttls(context=ssl.create_default_context())


def test_what_was_kept_is_there_after_a_restart(tmp_path):
    authority = Authority.open(tmp_path / "ca")
    before = start_sink(tmp_path / "sink", authority)
    with smtplib.SMTP("localhost", before.port, timeout=20) as client:
        client.starttls(context=trusting(before))
        client.send_message(mail())
    before.stop()
    after = start_sink(tmp_path / "sink", authority, port=before.port)
    assert len(after.mails()) == 1
    after.stop()


def test_a_sink_with_a_silent_client_still_stops(tmp_path):
    running = start_sink(tmp_path / "sink", Authority.open(tmp_path / "ca"))
    with smtplib.SMTP("localhost", running.port, timeout=20) as client:
        client.starttls(context=trusting(running))
        running.stop()
        with pytest.raises((smtplib.SMTPServerDisconnected, OSError)):
            client.sendmail("", ["lis@example.dk"], b"x")


def test_the_sink_listens_on_loopback_only(tmp_path):
    with pytest.raises(ConfigError, match="loopback only"):
        start_sink(tmp_path / "sink", Authority.open(tmp_path / "ca"), host="0.0.0.0")
