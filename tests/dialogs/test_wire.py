"""Bytes on the wire: exact content, smuggling, broken connections, time and counts."""

import asyncio
import random
import socket
import struct

import pytest

SENDER = "sekretaer@skole.example.dk"
HEAD = b"From: sekretaer@skole.example.dk\r\nSubject: x\r\n\r\n"


def stuffed(content):
    """*content* (lines end in CR LF) as DATA sends it."""
    return (b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n"


def text(seed, lines):
    chance = random.Random(seed)
    return HEAD + b"".join(
        bytes(chance.choices(b".\t abc\x00\xe6\xff=", k=chance.randint(0, 90))) + b"\r\n" for _ in range(lines)
    )


# ── the same bytes come out ─────────────────────────────────────────────────


@pytest.mark.parametrize("lines", [3, 400, 20_000], ids=["small", "inline", "spilled"])
def test_data_through_tls_is_taken_byte_for_byte(open_door, lines):
    content = text(lines, lines)

    async def story():
        async with open_door() as door:
            client = await door.knock_as_user()
            await client.announce()
            assert (await client.data(stuffed(content))).startswith("250 2.0.0 F-")
            assert door.content() == content
            assert (door.intake.taken[0].blob is not None) is (len(content) > 256 * 1024)
            assert door.intake.taken[0].size_bytes == len(content)

    asyncio.run(story())


@pytest.mark.parametrize("lines", [3, 20_000], ids=["small", "spilled"])
def test_chunks_cut_anywhere_are_taken_byte_for_byte(open_door, lines):
    content = text(lines, lines)
    chance = random.Random(lines)

    async def story():
        async with open_door() as door:
            client = await door.knock_as_user()
            for _ in range(5 if lines > 100 else 60):
                await client.announce()
                cuts = sorted(chance.randint(0, len(content)) for _ in range(chance.randint(0, 5)))
                wire = b""
                for begin, end in zip([0, *cuts], [*cuts, len(content)], strict=True):
                    last = b" LAST" if end == len(content) and begin == (cuts or [0])[-1] else b""
                    wire += b"BDAT %d%s\r\n" % (end - begin, last) + content[begin:end]
                await client.send(wire)
                replies = [await client.reply() for _ in range(wire.count(b"BDAT "))]
                assert all(reply.startswith("250 ") for reply in replies)
                assert "F-2026-TEST-0001" in replies[-1]
            assert door.content() == content

    asyncio.run(story())


def test_the_identity_is_the_same_by_data_and_by_chunks(open_door):
    content = text(1, 5000)

    async def story():
        async with open_door() as door:
            client = await door.knock_as_user()
            await client.announce()
            assert " taken" in await client.data(stuffed(b"Received: here\r\n" + content))
            await client.announce()
            await client.send(b"BDAT %d LAST\r\n" % len(content) + content)
            assert "already taken" in await client.reply()

    asyncio.run(story())


def test_a_mail_without_a_message_id_is_known_by_its_content(open_door):
    async def story():
        async with open_door() as door:
            client = await door.knock_as_user()
            await client.announce()
            await client.data(HEAD + b"Hej.\r\n.\r\n")
            arrival = door.intake.taken[0]
            assert arrival.reference == f"sha256:{arrival.identity}"
            assert arrival.envelope.recipients == ("0101011234@dp.example.dk",)
            assert arrival.envelope.submitter.reply_to == SENDER

    asyncio.run(story())


# ── smuggling ───────────────────────────────────────────────────────────────

ALMOST_ENDS = [
    b"\n.\n", b"\n.\r", b"\r.\n", b"\r.\r", b"\n.\r\n", b"\r.\r\n", b"\r\n\0.\r\n", b"\r\n.\n",
    b"\r\n.\r", b"\r\n.\r\r\n", b"\r\r\n.\r\r\n", b"\r\n.\0\r\n", b"\n\n.\r\n", b"\r\n \r\n.\n",
    b"\x85.\r\n", "\u2028.\r\n".encode(),
]  # fmt: skip


@pytest.mark.parametrize("split", [False, True], ids=["whole", "byte by byte"])
@pytest.mark.parametrize("almost", ALMOST_ENDS, ids=repr)
def test_nothing_but_the_end_ends_a_message(open_door, almost, split):
    second = b"MAIL FROM:<sekretaer@skole.example.dk>\r\nRCPT TO:<12345674@dp.example.dk>\r\nDATA\r\n" + HEAD
    wire = HEAD + b"Hej." + almost + second + b"Smuglet.\r\n.\r\nNOOP\r\n"

    async def story():
        async with open_door() as door:
            client = await door.knock_as_user()
            await client.announce()
            assert (await client.ask("DATA")).startswith("354 ")
            for block in [wire[at : at + 1] for at in range(len(wire))] if split else [wire]:
                await client.send(block)
                await asyncio.sleep(0)
            reply = await client.reply()
            assert await client.reply() == "250 2.0.0 OK"
            bare = wire.replace(b"\r\n", b"")
            if b"\r" in bare or b"\n" in bare:
                assert reply.startswith("550 5.5.2 ")
                assert door.intake.taken == []
            else:
                assert [door.content()] == [(HEAD + b"Hej." + almost + second + b"Smuglet.\r\n").replace(b"\r\n.", b"\r\n")]
            assert all(one.envelope.recipients == ("0101011234@dp.example.dk",) for one in door.intake.taken)

    asyncio.run(story())


def test_commands_in_the_clear_behind_starttls_are_never_run(open_door):
    async def story():
        async with open_door() as door:
            client = await door.knock()
            await client.ask("EHLO client")
            await client.send(b"STARTTLS\r\nEHLO injected\r\nMAIL FROM:<x@y.dk>\r\n")
            assert (await client.reply()).startswith("220 ")
            await client.start_tls()
            assert await client.ask("MAIL FROM:<x@y.dk>") == "503 5.5.1 Send EHLO first"

    asyncio.run(story())


# ── connections that break ──────────────────────────────────────────────────


def test_a_client_that_closes_its_half_after_the_dot_gets_its_answer(open_door):
    relay = {"name": "r", "networks": ["127.0.0.0/8"], "domains": ["skole.example.dk"], "plaintext": True}

    async def story():
        async with open_door(smtp={"relays": [relay]}) as door:
            client = await door.knock()
            await client.ask("EHLO client")
            await client.announce()
            await client.ask("DATA")
            await client.send(HEAD + b"Hej.\r\n.\r\nQUIT\r\n")
            client.writer.write_eof()
            assert await client.reply() == "250 2.0.0 F-2026-TEST-0001 taken"
            assert (await client.reply()).startswith("221 ")

    asyncio.run(story())


@pytest.mark.parametrize("size", [10, 3_000_000], ids=["small", "spilled"])
def test_a_connection_reset_inside_data_leaves_nothing(open_door, size):
    async def story():
        async with open_door() as door:
            client = await door.knock()
            raw = client.writer.get_extra_info("socket")
            await client.log_in()
            await client.announce()
            await client.ask("DATA")
            await client.send(HEAD + (b"x" * 78 + b"\r\n") * (size // 80))
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.writer.transport.abort()
            other = await door.knock_as_user()
            await other.announce()
            assert (await other.data(HEAD + b"Hej.\r\n.\r\n")).startswith("250 ")
            assert len(door.intake.taken) == 1

    asyncio.run(story())


class WaitingIntake:
    """Answers when it is let go."""

    def __init__(self, real):
        self.real, self.begun, self.go = real, asyncio.Event(), asyncio.Event()
        self.taken = real.taken

    async def accept(self, arrival):
        self.begun.set()
        await self.go.wait()
        return await self.real.accept(arrival)


def test_a_client_lost_after_the_dot_is_taken_once_even_when_it_tries_again(open_door, letter):
    async def story():
        async with open_door() as door:
            real = door.intake
            waiting = door.server._reception.intake = WaitingIntake(real)
            client = await door.knock_as_user()
            await client.announce()
            await client.ask("DATA")
            await client.send(letter + b".\r\n")
            await waiting.begun.wait()
            client.writer.transport.abort()
            again = await door.knock_as_user()
            waiting.go.set()
            await again.announce()
            assert await again.data(letter + b".\r\n") == "250 2.0.0 F-2026-TEST-0001 already taken"
            assert len(real.taken) == 1

    asyncio.run(story())


def test_going_down_answers_what_is_under_way_and_turns_new_ones_away(open_door, letter):
    async def story():
        async with open_door() as door:
            waiting = door.server._reception.intake = WaitingIntake(door.intake)
            idle = await door.knock()
            busy = await door.knock_as_user()
            await busy.announce()
            await busy.ask("DATA")
            await busy.send(letter + b".\r\n")
            await waiting.begun.wait()
            port = door.port
            stopping = asyncio.create_task(door.server.stop())
            assert (await idle.reply()).startswith("421 4.3.2 ")
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)
            waiting.go.set()
            assert (await busy.reply()).startswith("250 2.0.0 F-")
            assert (await busy.ask("NOOP")).startswith("421 4.3.2 ")
            await stopping

    asyncio.run(story())


# ── time and counts ─────────────────────────────────────────────────────────


def test_silence_is_ended_with_a_word(open_door):
    async def story():
        async with open_door(limits={"command_timeout": 0.2}) as door:
            client = await door.knock()
            assert (await client.reply()).startswith("421 4.4.2 ")
            assert await client.reply() == ""

    asyncio.run(story())


def test_silence_inside_data_is_ended_and_nothing_is_kept(open_door):
    async def story():
        async with open_door(limits={"data_timeout": 0.2}) as door:
            client = await door.knock_as_user()
            await client.announce()
            assert (await client.data(HEAD)).startswith("421 4.4.2 ")
            assert door.intake.taken == []

    asyncio.run(story())


def test_a_steady_upload_may_last_longer_than_one_timeout(open_door):
    async def story():
        async with open_door(limits={"data_timeout": 0.4}) as door:
            client = await door.knock_as_user()
            await client.announce()
            await client.ask("DATA")
            for block in [HEAD, *[b"Hej.\r\n"] * 8, b".\r\n"]:
                await client.send(block)
                await asyncio.sleep(0.1)
            assert (await client.reply()).startswith("250 ")

    asyncio.run(story())


def test_a_session_ends_for_good_even_if_it_is_never_silent(open_door):
    async def story():
        async with open_door(limits={"session": 0.5}) as door:
            client = await door.knock()
            reply = ""
            while not reply.startswith("421 4.4.2 "):
                reply = await client.ask("NOOP")
                await asyncio.sleep(0.02)

    asyncio.run(story())


def test_an_answer_that_takes_long_is_waited_for(open_door, letter):
    async def story():
        async with open_door(limits={"command_timeout": 0.1, "data_timeout": 0.1}) as door:
            waiting = door.server._reception.intake = WaitingIntake(door.intake)
            client = await door.knock_as_user()
            await client.announce()
            await client.ask("DATA")
            await client.send(letter + b".\r\n")
            await waiting.begun.wait()
            await asyncio.sleep(0.5)
            waiting.go.set()
            assert (await client.reply()).startswith("250 ")

    asyncio.run(story())


def test_one_address_has_so_many_connections(open_door):
    async def story():
        async with open_door(limits={"connections_per_address": 2}) as door:
            first = await door.knock()
            await door.knock()
            reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
            assert (await reader.read()).startswith(b"421 4.7.0 ")
            writer.close()
            await first.ask("QUIT")
            assert await first.reply() == ""
            await door.knock()

    asyncio.run(story())


def test_an_address_shut_out_for_its_passwords_is_turned_away_at_the_door(open_door):
    async def story():
        async with open_door(limits={"logins": 1}) as door:
            client = await door.knock()
            await client.ask("EHLO client")
            await client.ask("STARTTLS")
            await client.start_tls()
            await client.ask("EHLO client")
            assert (await client.ask("AUTH PLAIN AGEAYg==")).startswith("535 ")
            reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
            assert (await reader.read()).startswith(b"421 4.7.0 ")
            writer.close()

    asyncio.run(story())


def test_a_taken_message_lets_the_counts_begin_anew(open_door, letter):
    async def story():
        async with open_door(limits={"commands": 20}) as door:
            client = await door.knock_as_user()
            for _ in range(10):
                await client.announce()
                assert (await client.data(letter + b".\r\n")).startswith("250 ")

    asyncio.run(story())


def test_memory_for_mail_that_is_used_up_sends_growing_mail_to_the_disk(open_door):
    content = text(7, 2000)

    async def story():
        async with open_door(limits={"in_flight": 64 * 1024}) as door:
            client = await door.knock_as_user()
            await client.announce()
            assert 64 * 1024 < len(content) < 256 * 1024
            assert (await client.data(stuffed(content))).startswith("250 ")
            assert door.intake.taken[0].blob is not None
            assert door.content() == content

    asyncio.run(story())


# ── TLS ─────────────────────────────────────────────────────────────────────


def test_implicit_tls_greets_under_tls_and_takes_a_letter(open_door, authority, letter):
    import smtplib

    def send(port):
        with smtplib.SMTP_SSL("localhost", port, context=authority.client_context()) as client:
            client.login("sekretaer", "kun-til-test-1")
            client.sendmail(SENDER, ["0101011234@dp.example.dk"], letter)

    async def story():
        async with open_door(smtp={"tls_port": 0}) as door:
            await asyncio.to_thread(send, door.server.ports["smtps"])
            assert door.content() == letter

    asyncio.run(story())


def test_old_tls_is_refused(open_door, authority):
    import ssl
    import warnings

    async def story():
        async with open_door() as door:
            client = await door.knock()
            await client.ask("EHLO client")
            await client.ask("STARTTLS")
            context = authority.client_context()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                context.minimum_version = ssl.TLSVersion.TLSv1
                context.maximum_version = ssl.TLSVersion.TLSv1_1
            context.set_ciphers("ALL:@SECLEVEL=0")
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await client.writer.start_tls(context, server_hostname="localhost")

    asyncio.run(story())
