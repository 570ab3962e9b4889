"""Programs that people send mail with, against the real server: TLS and a login, or a trusted relay."""

import asyncio
import os
import shutil
import smtplib

import pytest

SENDER, TO = "sekretaer@skole.example.dk", "0101011234@dp.example.dk"
USER, PASSWORD = "sekretaer", "kun-til-test-1"
PDF = b"%PDF-1.4\n" + bytes(range(256)) * 2000 + b"\n%%EOF\n"


def program(name):
    """The path of *name*; skips without it, but not where everything must be tested."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if found is None:
        assert not os.environ.get("CI"), f"{name} is missing"
        pytest.skip(f"{name} is not installed")
    return found


async def run(*command, stdin=b""):
    """Run a program to its end; its output, if it went well."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(stdin), 60)
    assert process.returncode == 0, output.decode("utf-8", "replace")
    return output.decode("utf-8", "replace")


def mail(subject="Brev"):
    return (
        f"From: Sekretaer <{SENDER}>\r\nTo: {TO}\r\nSubject: {subject}\r\n"
        f"Message-ID: <{subject}@skole.example.dk>\r\n\r\n.\r\n..Hej.\r\n"
    ).encode()


def test_swaks_delivers_a_pdf_over_starttls_with_a_login(open_door, tmp_path):
    swaks = program("swaks")
    (tmp_path / "brev.pdf").write_bytes(PDF)

    async def story():
        async with open_door() as door:
            for mechanism in ("PLAIN", "LOGIN"):
                output = await run(
                    swaks, "--server", "127.0.0.1", "--port", door.port, "--tls",
                    "--auth", mechanism, "--auth-user", USER, "--auth-password", PASSWORD,
                    "--from", SENDER, "--to", TO, "--attach", f"@{tmp_path / 'brev.pdf'}",
                    "--header", f"Subject: Brev {mechanism}",
                )  # fmt: skip
                assert "250 2.0.0 F-2026-TEST-" in output
            assert len(door.intake.taken) == 2
            assert b"Subject: Brev LOGIN" in door.content()

    asyncio.run(story())


def test_msmtp_delivers(open_door, authority, tmp_path):
    msmtp = program("msmtp")

    async def story():
        async with open_door() as door:
            config = tmp_path / "msmtprc"
            config.write_text(
                f"account default\nhost localhost\nport {door.port}\ntls on\ntls_starttls on\n"
                f"tls_trust_file {authority.folder / 'ca.crt'}\nauth on\nuser {USER}\n"
                f"password {PASSWORD}\nfrom {SENDER}\n"
            )
            config.chmod(0o600)
            await run(msmtp, "--file", config, TO, stdin=mail().replace(b"\r\n", b"\n"))
            assert door.content().endswith(b"\r\n\r\n.\r\n..Hej.\r\n")

    asyncio.run(story())


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_curl_delivers(open_door, authority, tmp_path, scheme):
    curl = program("curl")
    (tmp_path / "mail.eml").write_bytes(mail())

    async def story():
        async with open_door(smtp={"tls_port": 0}) as door:
            await run(
                curl, "--silent", "--show-error", "--ssl-reqd", "--cacert", authority.folder / "ca.crt",
                "--url", f"{scheme}://localhost:{door.server.ports[scheme]}/klient",
                "--user", f"{USER}:{PASSWORD}", "--mail-from", SENDER, "--mail-rcpt", TO,
                "--upload-file", tmp_path / "mail.eml",
            )  # fmt: skip
            assert door.content() == mail()

    asyncio.run(story())


def test_pythons_own_smtplib_delivers_to_many_and_hears_of_each_refusal(open_door, authority):
    def send(port):
        with smtplib.SMTP("localhost", port) as client:
            client.starttls(context=authority.client_context())
            client.login(USER, PASSWORD)
            return client.sendmail(SENDER, [TO, "nobody@dp.example.dk", "12345674@dp.example.dk"], mail())

    async def story():
        async with open_door() as door:
            refused = await asyncio.to_thread(send, door.port)
            assert list(refused) == ["nobody@dp.example.dk"]
            assert refused["nobody@dp.example.dk"][0] == 550
            assert door.intake.taken[0].envelope.recipients == (TO, "12345674@dp.example.dk")
            assert door.content() == mail()

    asyncio.run(story())


def test_postfix_smtp_source_delivers_a_thousand_over_ten_sessions(open_door):
    source = program("smtp-source")
    relay = {"name": "r", "networks": ["127.0.0.0/8"], "domains": ["skole.example.dk"], "plaintext": True}

    async def story():
        async with open_door(smtp={"relays": [relay]}) as door:
            await run(
                source, "-s", 10, "-m", 1000, "-l", 10_000, "-d",
                "-f", "exchange@skole.example.dk", "-t", TO, f"127.0.0.1:{door.port}",
            )  # fmt: skip
            assert len(door.intake.taken) == 1000
            assert len({arrival.reference for arrival in door.intake.taken}) == 1000
            assert {arrival.size_bytes for arrival in door.intake.taken} != {0}

    asyncio.run(story())
