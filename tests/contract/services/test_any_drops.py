"""Whatever clients do, in whatever order: every file that was taken ends in one answered drop, and nothing outside
the account's tree is touched. A real server and real connections; the ledger on both databases.

The sequences are random and the seed is in the test's name: a failure is found again by running it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncssh
import pytest
from asyncssh import FXF_APPEND, FXF_CREAT, FXF_TRUNC, FXF_WRITE, SFTPAttrs
from drop_inputs import LooksHere
from sqlalchemy import func, select

from gateway.cli.demo_letter import sample_pdf
from gateway.config import load_settings
from gateway.documents.reading import ReadRules
from gateway.errors import LedgerUnavailable
from gateway.ingress.sftp.accounts import Account, AccountKey, public_key, write_account
from gateway.ingress.sftp.handler import LATER
from gateway.ingress.sftp.keys import make_client_key
from gateway.ingress.sftp.server import SftpServer
from gateway.model.drop import DropManner
from gateway.notices.answers import DropAnswers
from gateway.services.accept import FileCommit
from gateway.services.answer import Answer
from gateway.services.gather import Gather
from gateway.storage import tables

SEQUENCES, STEPS = 250, 14
SEEDS = (1, 2)
"""Of each database: 2 × 250 sequences on SQLite and as many on PostgreSQL."""
RULES = ReadRules(domains=("dp.example.dk",), flows={}, allow_test_numbers=True, loop_id="x")
CONFIG = """
[organisation]
name = "Skolen"
cvr = "12345674"

[storage]
spare = "1 MB"

[smtp]
domains = ["dp.example.dk"]

[sftp]
enabled = true
port = 0

[digital_post]
base_url = "https://localhost:1/apis/v1"
system_id = "x"
token_file = "token"
certificate = "x"
key = "x"

[mail]
sender = "digitalpost@dp.example.dk"
"""
PDF, OTHER = sample_pdf("et"), sample_pdf("et helt andet og laengere brev")
SIDECAR = {"cpr": "0101011234", "emne": "A"}


def _described(name: str, content: bytes) -> bytes:
    return json.dumps({**SIDECAR, "dokumenter": [{"fil": name, "sha256": hashlib.sha256(content).hexdigest()}]}).encode()


PIECES: tuple[tuple[str, bytes], ...] = (
    ("a.pdf", PDF), ("a.pdf", OTHER), ("A.PDF", PDF), ("b.pdf", OTHER), ("ære.pdf", PDF), ("æ\u0301re.pdf", PDF), ("c.txt", b"Hej"), ("tom.pdf", b""),
    ("a.meta.json", json.dumps(SIDECAR).encode()), ("a.meta.json", _described("a.pdf", PDF)), ("b.meta.xml", b"<forsendelse><cpr>0101011234</cpr>"),
    ("b.json", json.dumps(SIDECAR).encode()), ("a.done", b""), ("metadata.json", b'{"afsender": "Skolen"}'), ("x.part", PDF), (".skjult.pdf", PDF),
    ("liste.manifest.csv", b"cpr;emne;fil\n0101011234;A;a.pdf\n0101011234;B;b.pdf\n"), ("a.pdf.trigger", b"<T/>"), ("Thumbs.db", b"x"), ("stor.bin", b"\0" * 90_000),
)  # fmt: skip
PLACES = ("ind", "ind", "ind", "proeve", "ind/under")
OUTSIDE = ("../../etc/passwd", "/etc/passwd", "../secret", "kvittering/x", "fejl/x", "skabelon/x", "ind/../../secret", "ind/a/b/c", "ind/" + "x" * 300, "ind/a\x07b")


class Server:
    """The way in, in this process, with everything behind it up to the answers."""

    def __init__(self, home: Path, ledger, vault) -> None:
        (home / "gateway.toml").write_text(CONFIG, encoding="utf-8")
        self.ledger, self.late = ledger, timedelta()
        self.keys: dict[str, Path] = {}
        for name, resume in (("studie", True), ("loen", False), ("naboen", True)):
            self.keys[name] = home / f"{name}.key"
            account = Account(name=name, keys=(AccountKey(text=public_key(make_client_key(self.keys[name]))),), resume=resume)
            write_account(home / "accounts.toml", account)
        settings = load_settings(home)
        limits = settings.sftp.limits.model_copy(update={"connections_per_account": 100})
        settings = settings.model_copy(update={"sftp": settings.sftp.model_copy(update={"limits": limits})})
        self.intake = FileCommit(ledger)
        self.sftp = SftpServer(settings, intake=self.intake, drops=ledger, vault=vault, overview=NoOverview(), templates={"LAES-MIG.txt": b"x"})
        manners = {name: DropManner(account=name, channel="sftp", resume=timedelta(hours=1 if name == "studie" else 0)) for name in self.keys}
        self.gather = Gather(ledger, vault, LooksHere(RULES), self, manners=lambda: manners, rules=lambda: RULES, trier=NoTrier())
        self.answer = Answer(ledger, ledger, DropAnswers(self), self, waits=[timedelta(0)])

    def now(self) -> datetime:
        return datetime.now(UTC) + self.late

    def connect(self, name: str):
        return asyncssh.connect("127.0.0.1", self.sftp.port, username=name, client_keys=[str(self.keys[name])], known_hosts=None, config=[])


class NoTrier:
    def tried(self, package, manner):
        return {"letters": []}


class NoOverview:
    def files(self, account):
        return {}

    def content(self, account, name):
        return None


class Walk:
    """One random sequence of requests, and what the server said yes to."""

    def __init__(self, server: Server, chance: random.Random) -> None:
        self.server, self.chance = server, chance
        self.account = chance.choice(["studie", "loen"])
        self.taken = self.withdrew = 0

    async def run(self) -> None:
        self.connection = await self.server.connect(self.account)
        self.client = await self.connection.start_sftp_client()
        steps = [self.put, self.put, self.put, self.cut, self.go_on, self.hole, self.rename, self.remove, self.look_around, self.folder, self.outside, self.links]
        for _ in range(STEPS):
            with suppress(asyncssh.Error):
                await self.chance.choice(steps)()
        self.connection.close()
        await self.connection.wait_closed()

    def _piece(self) -> tuple[str, bytes]:
        name, content = self.chance.choice(PIECES)
        return f"{self.chance.choice(PLACES)}/{name}", content

    async def _write(self, path: str, content: bytes, flags: int, begin: int = 0) -> None:
        file = await self.client.open(path, flags, encoding=None)
        if content[begin:]:
            await file.write(content[begin:], begin)
        await file.close()
        self.taken += not path.endswith("Thumbs.db")

    async def put(self) -> None:
        await self._write(*self._piece(), FXF_WRITE | FXF_CREAT | FXF_TRUNC)

    async def cut(self) -> None:
        path, content = self._piece()
        file = await self.client.open(path, FXF_WRITE | FXF_CREAT | FXF_TRUNC, encoding=None)
        await file.write(content[: len(content) // 2], 0)
        self.connection.abort()
        self.connection = await self.server.connect(self.account)
        self.client = await self.connection.start_sftp_client()

    async def go_on(self) -> None:
        path, content = self._piece()
        size = (await self.client.stat(path)).size or 0
        await self._write(path, content, FXF_WRITE | self.chance.choice([0, FXF_APPEND]), min(size, len(content)))
        self.withdrew += 1

    async def hole(self) -> None:
        path, content = self._piece()
        await self._write(path, content, FXF_WRITE | FXF_CREAT | FXF_TRUNC, 1 + len(content) // 2)

    async def rename(self) -> None:
        (old, _), (new, _) = self._piece(), self._piece()
        await self.chance.choice([self.client.rename, self.client.posix_rename])(old, new)

    async def remove(self) -> None:
        before = _withdrawn(self.server.ledger)
        await self.client.remove(self._piece()[0])
        self.withdrew += _withdrawn(self.server.ledger) - before

    async def folder(self) -> None:
        await self.chance.choice([self.client.mkdir, self.client.rmdir])(self.chance.choice(["ind/under", "proeve/under", "ind/under/dybt", "ny"]))

    async def look_around(self) -> None:
        place = self.chance.choice(["ind", "proeve", "kvittering", "fejl", "skabelon", "."])
        for name in await self.client.listdir(place):
            await self.client.stat(f"{place}/{name}")
        await self.client.setstat(self._piece()[0], SFTPAttrs(permissions=0o777, mtime=1, atime=1))

    async def outside(self) -> None:
        path = self.chance.choice(OUTSIDE)
        do = self.chance.choice(["write", "read", "rename", "remove", "mkdir"])
        if do == "write":
            await self._write(path, b"x", FXF_WRITE | FXF_CREAT)
        elif do == "read":
            async with self.client.open(path, "rb") as file:
                assert b"root" not in await file.read()
        elif do == "rename":
            await self.client.rename("ind/a.pdf", path)
        else:
            await getattr(self.client, do)(path)

    async def links(self) -> None:
        path = self.chance.choice(OUTSIDE)
        do = self.chance.choice(["symlink", "link", "readlink"])
        if do == "readlink":
            await self.client.readlink("ind/a.pdf")
        else:
            await getattr(self.client, do)(path, "ind/link.pdf")
        raise AssertionError("there are no links")


def fingerprint(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.rglob("*")) if file.is_file()}


@pytest.fixture
def server(tmp_path, ledger, vault):
    (tmp_path / "home").mkdir()
    return Server(tmp_path / "home", ledger, vault)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_every_file_that_was_taken_ends_in_one_answered_drop(server, seed, tmp_path):
    chance = random.Random(seed)
    (tmp_path / "secret").write_text("0")
    walks = [Walk(server, chance) for _ in range(SEQUENCES)]
    before = fingerprint(server.keys["studie"].parent)

    async def all_of_them() -> None:
        await server.intake.start()
        await server.sftp.start()
        try:
            for number, walk in enumerate(walks):
                await walk.run()
                if number % 20 == 0:
                    await asyncio.to_thread(server.gather.work)
        finally:
            await server.sftp.stop()
            await server.intake.stop()

    asyncio.run(all_of_them())
    # As if a day had passed: every wait is over.
    for hours in (1, 2, 24):
        server.late = timedelta(hours=hours)
        while server.gather.work():
            pass
    while server.answer.work():
        pass
    assert fingerprint(server.keys["studie"].parent) == before
    rows = _rows(server.ledger, tables.drop_files)
    states = Counter(row["state"] for row in rows)
    assert set(states) <= {"taken", "withdrawn", "standard"}, states
    assert states["taken"] > SEQUENCES
    assert len([row for row in rows if row["how"] != "cut"]) == sum(walk.taken for walk in walks)
    assert {row["account"] for row in rows} == {"studie", "loen"}
    assert all(row["drop_id"] for row in rows if row["state"] != "withdrawn")
    # What ends without a drop was taken back by its client, or gone on with: never more than that.
    gone = [row for row in rows if row["drop_id"] is None and row["how"] != "cut"]
    assert len(gone) <= sum(walk.withdrew for walk in walks)
    # One answer at the least for each drop, and no letter of what was cut.
    drops = server.ledger.list_drops(limit=100_000)
    assert {row["drop_id"] for row in rows if row["drop_id"]} == {drop["id"] for drop in drops}
    assert {drop["id"] for drop in drops} == {answer["drop_id"] for answer in _rows(server.ledger, tables.drop_answers)}
    cut = {row["drop_id"] for row in rows if row["how"] == "cut" and row["drop_id"]}
    assert cut
    assert [drop["id"] for drop in drops if drop["id"] in cut and drop["items"]] == []


@pytest.mark.parametrize("error", [RuntimeError("0101011234"), LedgerUnavailable(reason="0101011234")])
def test_a_fault_of_ours_is_temporary_and_keeps_its_words(server, monkeypatch, error, logged):
    def broken(*args, **kwargs):
        raise error

    async def asked() -> list[str]:
        await server.intake.start()
        await server.sftp.start()
        told = []
        async with server.connect("studie") as connection, connection.start_sftp_client() as client:
            monkeypatch.setattr(type(server.ledger), "seen_files", broken)
            for ask in (client.stat("ind/a.pdf"), client.listdir("ind"), client.rename("ind/a.pdf", "ind/b.pdf")):
                with pytest.raises(asyncssh.SFTPFailure) as refused:
                    await ask
                told.append(refused.value.reason)
        await server.sftp.stop()
        await server.intake.stop()
        return told

    assert asyncio.run(asked()) == [LATER] * 3
    assert ("bug" in logged()) == isinstance(error, RuntimeError)


def _withdrawn(ledger) -> int:
    with ledger._database.read() as connection:
        return connection.execute(select(func.count()).where(tables.drop_files.c.state == "withdrawn")).scalar_one()


def _rows(ledger, table):
    with ledger._database.read() as connection:
        return [dict(row) for row in connection.execute(select(table)).mappings()]
