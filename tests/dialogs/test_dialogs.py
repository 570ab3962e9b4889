"""Every dialogue in this folder, played against the real server.

A file begins with a sentence (``#``), may name a world (``@world``, see WORLDS), and goes on with:

    C: text        the client says text and CR LF; {plain} is the AUTH PLAIN answer of the test user
    C*9 text       … nine times
    R: text        raw bytes, Python escapes, no line end added
    S: pattern     the next reply; lines of one reply joined by " | "; * stands for anything
    S*9 pattern    … nine times
    TLS            both sides switch to TLS (TLS+CERT: with the client certificate)
    LOGIN          EHLO, STARTTLS, EHLO, AUTH of the test user
    LETTER         the test letter and its end
    AGAIN          leave, and connect anew (greeting read)
    EOF            the server has closed
    GONE           the server has closed, and what it said last may be lost (it was still being sent to)
    TAKEN 2        that many messages were taken so far
"""

import asyncio
import base64
import contextlib
import re
from fnmatch import translate
from pathlib import Path

import pytest

from gateway.errors import DiskFull, LedgerUnavailable

FOLDER = Path(__file__).parent
USER, PASSWORD = "sekretaer", "kun-til-test-1"
SCRIPTS = {
    "plain": base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode(),
    "wrong": base64.b64encode(f"\0{USER}\0forkert-kode".encode()).decode(),
    "nobody": base64.b64encode(b"\0findes-ikke\0forkert-kode").decode(),
    "user": base64.b64encode(USER.encode()).decode(),
    "password": base64.b64encode(PASSWORD.encode()).decode(),
}
RELAY = {"name": "exchange", "networks": ["127.0.0.0/8"], "domains": ["skole.example.dk"]}
WORLDS = {
    "usual": {},
    "small": {
        "limits": {"message": 2000, "recipients": 3, "commands": 12, "errors": 4, "line": 998},
        "read": {"header_bytes": 600},
    },
    "no room": {"storage": {"spare": 10**15}},
    "busy": {"limits": {"in_flight": 1000}},
    "relay": {"smtp": {"relays": [RELAY]}},
    "plain relay": {"smtp": {"relays": [{**RELAY, "plaintext": True}]}},
    "rules": {
        "smtp": {
            "addresses": [
                {"flows": ["loen"], "allow": ["user:loen"]},
                {"flows": ["default"], "allow": ["user:*", "*@skole.example.dk"]},
            ]
        },
        "flows": {"loen": {}},
    },
}


@pytest.fixture
def world(authority):
    def named(name):
        if name == "certificate":
            one = {"name": "fag", "sha256": authority.fingerprint, "domains": ["skole.example.dk"]}
            ca = authority.folder / "ca.crt"
            return {"smtp": {"client_ca": ca, "client_certificates": [one]}}
        return WORLDS[name]

    return named


def _intake(name, failing_intake):
    errors = {
        "broken": RuntimeError("0101011234 hemmelig sti /srv/x"),
        "disk full": DiskFull(),
        "no ledger": LedgerUnavailable(reason="down"),
    }
    return failing_intake(errors[name]) if name in errors else None


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.txt")), ids=lambda file: file.stem)
def test_the_dialogue_goes_as_written(file, open_door, world, failing_intake, letter):
    lines = [line for line in file.read_text("utf-8").splitlines() if line and line[0] != "#"]
    name = lines.pop(0).removeprefix("@world ") if lines[0].startswith("@world ") else "usual"
    intake = _intake(name, failing_intake)
    tables = {} if intake else world(name)

    async def play():
        async with open_door(intake=intake, **tables) as door:
            player = Player(door, letter)
            player.client = await door.knock()
            for number, line in enumerate(lines, 1):
                await player.play(f"{file.name}: step {number}: {line}", line)

    asyncio.run(play())


class Player:
    """One client that does as the lines say."""

    def __init__(self, door, letter):
        self.door, self.letter, self.client = door, letter, None

    async def play(self, where, line):
        match = re.fullmatch(r"([CSR])(?:\*(\d+)|:) (.*)", line)
        if match is None:
            await self._do(where, line)
            return
        verb, count, text = match.groups()
        for key, value in SCRIPTS.items():
            text = text.replace(f"{{{key}}}", value)
        for _ in range(int(count or 1)):
            if verb == "S":
                said = (await self.client.reply()).replace("\n", " | ")
                assert re.fullmatch(translate(text), said), f"{where}\n  said: {said}"
                assert not re.search(r"\d{10}", said), "a number in a reply"
            else:
                raw = text.encode("latin-1").decode("unicode_escape").encode("latin-1")
                with contextlib.suppress(ConnectionError):  # the next step will tell
                    await self.client.send(raw if verb == "R" else text.encode() + b"\r\n")

    async def _do(self, where, line):
        verb, _, rest = line.partition(" ")
        match verb:
            case "TLS" | "TLS+CERT":
                await self.client.start_tls(certificate=verb == "TLS+CERT")
            case "LOGIN":
                await self.client.log_in()
            case "LETTER":
                await self.client.send(self.letter + b".\r\n")
            case "AGAIN":
                await self.client.close()
                self.client = await self.door.knock()
            case "EOF":
                assert await self.client.reply() == "", where
            case "GONE":
                with contextlib.suppress(ConnectionError):
                    while await self.client.reply():
                        pass
            case "TAKEN":
                assert len(self.door.intake.taken) == int(rest), where
            case _:
                raise AssertionError(f"{where}: not a step")
