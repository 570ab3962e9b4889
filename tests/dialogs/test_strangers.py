"""Strangers at the door: broken TLS, guessed passwords, and so many that nobody else would get in."""

import asyncio
import socket
import ssl
import struct
import warnings

import pytest
from structlog.testing import capture_logs

WRONG = "AUTH PLAIN AGEAYg=="
RELAY = {"name": "r", "networks": ["127.0.0.9/32"], "domains": ["skole.example.dk"]}


# ── TLS that never comes ────────────────────────────────────────────────────


def old_tls(authority):
    """A client that speaks TLS 1.1 at most."""
    context = authority.client_context()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


async def speak_old_tls(client):
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await client.writer.start_tls(old_tls(client.authority), server_hostname="localhost")


async def send_garbage(client):
    await client.send(b"GET / HTTP/1.0\r\n\r\n")
    await client.reader.read()


async def close_half(client):
    client.writer.write_eof()
    await client.reader.read()


async def cut_inside_a_record(client):
    await client.send(b"\x16\x03\x01\x02\x00\x01")
    client.writer.transport.abort()


async def reset_inside_a_record(client):
    await client.send(b"\x16\x03\x01\x02\x00\x01")
    raw = client.writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.writer.transport.abort()


@pytest.mark.parametrize(
    "instead",
    [speak_old_tls, send_garbage, close_half, cut_inside_a_record, reset_inside_a_record],
)
def test_starttls_without_tls_ends_the_session_and_is_no_bug_of_ours(open_door, instead):
    async def story():
        async with open_door() as door:
            client = await door.knock()
            await client.ask("EHLO client")
            await client.ask("STARTTLS")
            await instead(client)
            async with asyncio.timeout(5):
                await door.server._reception.wait_until_empty()

    with capture_logs() as logged:
        asyncio.run(story())
    assert [line for line in logged if line["log_level"] not in ("info", "debug")] == []


# ── passwords ───────────────────────────────────────────────────────────────


def test_twenty_guesses_at_once_get_no_more_answers_than_one_after_the_other(open_door):
    async def story():
        async with open_door() as door:
            clients = [await door.knock() for _ in range(20)]
            for client in clients:
                await client.go_under_tls()
            replies = await asyncio.gather(*(client.ask(WRONG) for client in clients))
            codes = sorted(reply[:9] for reply in replies)
            assert codes == ["421 4.7.0"] * 15 + ["535 5.7.8"] * 5

    asyncio.run(story())


def test_twenty_good_logins_at_once_are_all_good(open_door):
    async def story():
        async with open_door() as door:
            clients = [await door.knock() for _ in range(20)]
            await asyncio.gather(*(client.log_in() for client in clients))

    asyncio.run(story())


def test_wrong_passwords_from_a_relay_shut_out_its_logins_but_not_its_post(open_door, letter):
    relay = {**RELAY, "networks": ["127.0.0.1/32"], "plaintext": True}

    async def story():
        async with open_door(smtp={"relays": [relay]}, limits={"logins": 1}) as door:
            guesser = await door.knock()
            await guesser.go_under_tls()
            assert (await guesser.ask(WRONG)).startswith("535 ")
            relayed = await door.knock()
            await relayed.ask("EHLO relay")
            await relayed.announce()
            assert (await relayed.data(letter + b".\r\n")).startswith("250 ")
            again = await door.knock()
            await again.go_under_tls()
            assert (await again.ask(WRONG)).startswith("421 4.7.0 ")

    asyncio.run(story())


# ── too many ────────────────────────────────────────────────────────────────


def test_strangers_who_sit_in_silence_make_room_for_whoever_comes(open_door, letter):
    async def story():
        async with open_door(limits={"connections": 8, "connections_per_address": 2}) as door:
            idle = [await door.knock(f"127.0.0.{2 + number // 2}") for number in range(8)]
            await idle[0].ask("NOOP")
            client = await door.knock_as_user()
            await client.announce()
            assert (await client.data(letter + b".\r\n")).startswith("250 ")
            assert (await idle[1].reply()).startswith("421 4.7.0 ")
            assert await idle[1].reply() == ""
            assert all([await one.ask("NOOP") == "250 2.0.0 OK" for one in [idle[0], *idle[2:]]])

    asyncio.run(story())


@pytest.mark.parametrize("listener", ["smtp", "smtps"])
def test_strangers_who_stop_inside_the_handshake_make_room_too(open_door, letter, listener):
    async def story():
        async with open_door(smtp={"tls_port": 0}, limits={"connections": 2}) as door:
            port = door.server.ports[listener]
            strangers = []
            for _ in range(6):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                if listener == "smtp":
                    writer.write(b"EHLO x\r\nSTARTTLS\r\n")
                    while not (await reader.readline()).startswith(b"220 2.0.0"):
                        pass
                strangers.append(writer)
            client = await door.knock_as_user()
            await client.announce()
            assert (await client.data(letter + b".\r\n")).startswith("250 ")
            for stranger in strangers:
                stranger.close()
            await client.close()
            async with asyncio.timeout(5):
                await door.server._reception.wait_until_empty()

    asyncio.run(story())


def test_whoever_has_logged_in_is_never_sent_away_for_others(open_door):
    async def story():
        async with open_door(limits={"connections": 2}) as door:
            users = [await door.knock_as_user() for _ in range(2)]
            stranger = await asyncio.open_connection("127.0.0.1", door.port)
            assert (await stranger[0].read()).startswith(b"421 4.7.0 ")
            stranger[1].close()
            assert [await user.ask("NOOP") for user in users] == ["250 2.0.0 OK"] * 2

    asyncio.run(story())


def test_a_relay_gets_in_even_when_all_places_are_taken_by_users(open_door):
    limits = {"connections": 2, "connections_per_address": 2}

    async def story():
        async with open_door(smtp={"relays": [RELAY]}, limits=limits) as door:
            for _ in range(2):
                await door.knock_as_user()
            for _ in range(2):
                await door.knock("127.0.0.9")
            third = await asyncio.open_connection(
                "127.0.0.1", door.port, local_addr=("127.0.0.9", 0)
            )
            assert (await third[0].read()).startswith(b"421 4.7.0 ")
            third[1].close()

    asyncio.run(story())
