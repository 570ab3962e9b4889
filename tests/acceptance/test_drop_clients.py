"""The matrix: every SFTP client that can be had × everything that happens to an upload. No letter is cut, and
every drop is answered.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace

import asyncssh
import pytest
from asyncssh import FXF_CREAT, FXF_TRUNC, FXF_WRITE, SFTPAttrs
from sftp_clients import CLIENTS, Client, System, wire

from gateway.cli.demo_letter import sample_pdf
from gateway.ingress.sftp.accounts import list_accounts, write_account

LARGE = 100_000_000
"""Bytes: all that ``[drops] file`` lets in."""
DROPS = """
[drops]
pair_timeout = "1 min"
"""


@pytest.fixture(scope="module")
def demo(start_demo_with):
    """With a second account, which may not go on with what was cut."""
    demo = start_demo_with(lambda text: text.replace("\n[drops]\n", DROPS))
    accounts = demo.home / "accounts.toml"
    write_account(accounts, replace(list_accounts(accounts)[0], name="uden", resume=False))
    return demo


@pytest.fixture
def system(demo, tmp_path):
    return System(demo, tmp_path)


@pytest.fixture
def wires():
    with ExitStack() as held:
        yield held


def each(clients: list[Client], do: Callable[[Client], object]) -> dict[str, object]:
    """What *do* gives for each client, all at once."""
    with ThreadPoolExecutor(len(clients)) as at_once:
        return dict(zip([client.name for client in clients], at_once.map(do, clients), strict=True))


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def filled(title: str, size: int) -> bytes:
    """A PDF of *size* bytes that cannot be compressed away, whole for its format."""
    begin = sample_pdf(title)
    line = b"%" + os.urandom(48).hex().encode() + b"\n"
    filler = (line * (size // len(line) + 1))[: max(0, size - len(begin))]
    body, end = begin[: begin.rindex(b"startxref")], begin[begin.rindex(b"startxref") :]
    return body + filler[:-1] + b"\n" + end if filler else begin


def test_a_small_letter(system):
    bases = {client.name: f"lille-{client.name}" for client in CLIENTS}
    put = each(CLIENTS, lambda client: [client.put(system, file) for file in system.pair(bases[client.name])])
    assert put == {client.name: ["", ""] for client in CLIENTS}
    ends = system.wait_for_all(list(bases.values()), "slut")
    assert {one["status"] for one in ends.values()} == {"completed"}
    assert all(set(found) == {"modtaget", "godkendt", "slut"} for found in system.all_answers(list(bases.values())).values())


def test_a_file_of_no_bytes(system):
    bases = [f"tom-{client.name}" for client in CLIENTS]
    put = each(CLIENTS, lambda client: [client.put(system, file) for file in system.pair(f"tom-{client.name}", content=b"")])
    assert put == {client.name: ["", ""] for client in CLIENTS}
    refused = system.wait_for_all(bases, "afvist")
    assert {base: [fault["kode"] for fault in one["fejl"]] for base, one in refused.items()} == {base: ["FIL_TOM"] for base in bases}


def test_a_file_as_large_as_may_be_arrives_to_the_byte(system):
    """It is more than Digital Post takes, and is told so: what counts here is that all of it came."""
    content = filled("stort", LARGE)
    assert len(content) == LARGE
    bases = [f"stor-{client.name}" for client in CLIENTS]

    def put(client: Client) -> list[str]:
        document, sidecar = system.pair(f"stor-{client.name}", content=content)
        try:
            return [client.put(system, document), client.put(system, sidecar)]
        finally:
            document.unlink()

    assert each(CLIENTS, put) == {client.name: ["", ""] for client in CLIENTS}
    told = system.wait_for_all(bases, "afvist", 120)
    assert {fault["kode"] for one in told.values() for fault in one["fejl"]} == {"FOR_STOR"}
    assert {(one["dokumenter"][0]["bytes"], one["dokumenter"][0]["sha256"]) for one in told.values()} == {(LARGE, digest(content))}


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_danish_names(system, form):
    bases = {client.name: unicodedata.normalize(form, f"Ærø på-{form}-{client.name}") for client in CLIENTS}
    put = each(CLIENTS, lambda client: [client.put(system, file) for file in system.pair(bases[client.name])])
    assert put == {client.name: ["", ""] for client in CLIENTS}
    ends = system.wait_for_all(list(bases.values()), "slut")
    assert {one["status"] for one in ends.values()} == {"completed"}


def test_a_temporary_name_first(system):
    able = [client for client in CLIENTS if client.can_rename]
    assert [client.name for client in CLIENTS if client not in able] == ["scp"]

    def put(client: Client) -> list[str]:
        document, sidecar = system.pair(f"navn-{client.name}", described=False)
        return [client.put(system, sidecar), client.by_rename(system, document)]

    assert each(able, put) == {client.name: ["", ""] for client in able}
    ends = system.wait_for_all([f"navn-{client.name}" for client in able], "slut")
    assert {one["status"] for one in ends.values()} == {"completed"}


def test_a_waiting_file_is_overwritten(system):
    """Both are answered: the newer with its sidecar, the older that nothing came with it."""
    new = {client.name: sample_pdf(f"nyt {client.name}") for client in CLIENTS}

    def put(client: Client) -> list[str]:
        name = f"over-{client.name}"
        first = client.put(system, system.pair(name)[0])
        return [first, *(client.put(system, file) for file in system.pair(name, content=new[client.name]))]

    assert each(CLIENTS, put) == {client.name: ["", "", ""] for client in CLIENTS}
    ends = system.wait_for_all([f"over-{client.name}" for client in CLIENTS], "slut")
    assert {name: ends[f"over-{name}"]["dokumenter"][0]["sha256"] for name in new} == {name: digest(content) for name, content in new.items()}
    refused = system.wait_for_all([f"over-{client.name}" for client in CLIENTS], "afvist", 150)
    assert {one["fejl"][0]["kode"] for one in refused.values()} == {"SIDECAR_MANGLER"}


@pytest.mark.parametrize("how", ["reset", "ctrl-c", "half-open", "channel"])
def test_cut_at_half_and_gone_on_with(system, how, wires):
    """The sidecar names no size and no digest, so nothing but the client's own doing says what is whole.

    ``half-open``: the client is gone, and the server does not know it until long after the client is back.
    """
    clients = [client for client in CLIENTS if how != "channel" or client.name == "openssh"]
    whole = {client.name: filled(client.name, 4_000_000) for client in clients}

    def cut(client: Client) -> None:
        document, _ = system.pair(f"{how}-{client.name}", content=whole[client.name], described=False)
        if how == "channel":
            asyncio.run(_closed_channel(system, document.name, whole[client.name][:2_000_000]))
            return
        between, other = wires.enter_context(wire(system, after=2_000_000, then="reset" if how == "reset" else "stall"))
        if how == "reset":
            assert client.put(other, document) != ""
        else:
            client.interrupted(other, document, between)
        if how == "ctrl-c":
            between.end()

    each(clients, cut)
    bases = [f"{how}-{client.name}" for client in clients]
    put = each(clients, lambda client: client.put(system, system.work / f"{how}-{client.name}.meta.json"))
    assert put == {client.name: "" for client in clients}
    assert {base: found for base, found in system.all_answers(bases).items() if found} == {}, "nothing of it is taken"
    put = each(clients, lambda client: client.again(system, system.work / f"{how}-{client.name}.pdf"))
    assert put == {client.name: "" for client in clients}
    ends = system.wait_for_all(bases, "slut")
    assert {base: one["dokumenter"][0]["sha256"] for base, one in ends.items()} == {f"{how}-{name}": digest(content) for name, content in whole.items()}


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_cut_where_nothing_may_be_gone_on_with_is_told_at_once(demo, tmp_path, client):
    """With a receipt that says what to do, and no letter; the same again, whole, is one."""
    system = System(demo, tmp_path, user="uden")
    base = f"aldrig-{client.name}"
    document, sidecar = system.pair(base, content=filled(base, 1_000_000), described=False)
    with wire(system, after=500_000, then="reset") as (_, other):
        assert client.put(other, document) != ""
    refused = system.wait_for(base, "afvist")
    assert [fault["kode"] for fault in refused["fejl"]] == ["UPLOAD_AFBRUDT"]
    assert refused["fejl"][0]["goer_saadan"]
    assert [client.put(system, document), client.put(system, sidecar)] == ["", ""]
    assert system.wait_for(base, "slut")["dokumenter"][0]["sha256"] == digest(document.read_bytes())


async def _closed_channel(system: System, name: str, half: bytes) -> None:
    """The client closes its channel while the file is open, and goes away in good order."""
    async with asyncssh.connect("127.0.0.1", int(system.port), username=system.user, client_keys=[system.key], known_hosts=str(system.known_hosts)) as connection:
        client = await connection.start_sftp_client()
        file = await client.open(f"ind/{name}", "wb")
        await file.write(half)
        client.exit()
        with suppress(asyncssh.Error):
            await client.wait_closed()


# ── clients that cannot be run here, as the calls they make ─────────────────


async def winscp(client, name: str, content: bytes) -> None:
    """Looks for the name, writes NAME.filepart, closes, removes what was there, renames, sets the time."""
    name = f"ind/{name}"
    assert not await client.exists(name)
    file = await client.open(f"{name}.filepart", FXF_WRITE | FXF_CREAT | FXF_TRUNC, SFTPAttrs(permissions=0o644), encoding=None)
    for begin in range(0, len(content), 32768):
        await file.write(content[begin : begin + 32768], begin)
    await file.close()
    with suppress(asyncssh.SFTPError):
        await client.remove(name)
    await client.rename(f"{name}.filepart", name)
    await client.setstat(name, SFTPAttrs(permissions=0o644, atime=1_700_000_000, mtime=1_700_000_000))
    assert (await client.stat(name)).size == len(content)


async def filezilla(client, name: str, content: bytes) -> None:
    """Lists the folder, writes many blocks at once, closes, sets the time, lists again and compares the size."""
    await client.realpath("ind")
    await client.readdir("/ind")
    file = await client.open(f"/ind/{name}", FXF_WRITE | FXF_CREAT | FXF_TRUNC, encoding=None)
    await asyncio.gather(*(file.write(content[begin : begin + 32768], begin) for begin in range(0, len(content), 32768)))
    await file.close()
    await client.setstat(f"/ind/{name}", SFTPAttrs(atime=1_700_000_000, mtime=1_700_000_000))
    listed = {str(entry.filename): entry.attrs.size for entry in await client.readdir("/ind")}
    assert listed[name] == len(content)


@pytest.mark.parametrize("calls", [winscp, filezilla], ids=["winscp", "filezilla"])
def test_the_calls_of_clients_that_cannot_be_run_here(system, calls):
    base = f"kald-{calls.__name__}"
    files = system.pair(base, content=filled(base, 400_000), described=False)

    contents = {file: file.read_bytes() for file in files}

    async def upload() -> None:
        login = {"username": system.user, "client_keys": [system.key], "known_hosts": str(system.known_hosts)}
        async with asyncssh.connect("127.0.0.1", int(system.port), **login) as connection, connection.start_sftp_client() as client:
            for file in files:
                await calls(client, file.name, contents[file])

    asyncio.run(upload())
    end = system.wait_for(base, "slut")
    assert (end["status"], end["dokumenter"][0]["sha256"]) == ("completed", digest(files[0].read_bytes()))
