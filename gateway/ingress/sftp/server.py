"""Listens for SFTP and lets accounts in: by key first, by password where the account allows it."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import asyncssh

from gateway import log
from gateway.config.settings import Settings
from gateway.ingress.guard import Guard
from gateway.ingress.passwords import fits
from gateway.ingress.sftp import handler
from gateway.ingress.sftp.accounts import Account, Accounts
from gateway.ingress.sftp.keys import ensure_host_keys, load_host_keys
from gateway.ingress.sftp.session import Session
from gateway.ingress.sftp.shared import Overview, Shared
from gateway.ingress.sftp.shelf import Shelf
from gateway.ports import DropIntake, Drops, Vault

# Nothing that ssh-audit fails; the order is ours to offer, the client's to choose (security.md, S11). AES-GCM
# and no chacha20: the client's order would take it, at a third of the speed (protocols.md, section 2).
KEX = ("mlkem768x25519-sha256", "curve25519-sha256", "curve25519-sha256@libssh.org", "diffie-hellman-group16-sha512", "diffie-hellman-group18-sha512")
CIPHERS = ("aes256-gcm@openssh.com", "aes128-gcm@openssh.com", "aes256-ctr", "aes192-ctr", "aes128-ctr")
# The last two are for libssh2 before 1.11 (curl of Debian 12), which knows neither these nor AES-GCM.
MACS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512")
SIGNATURES = ("ssh-ed25519", "sk-ssh-ed25519@openssh.com", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "rsa-sha2-512", "rsa-sha2-256")
BANNER = "digitalpost-gateway"
DISK_THREADS = 4
CUTS_MAY_TAKE = 40
"""Twentieths of a second that a stop waits for what it cut to be written down."""
LOGIN_THREADS = 2
ALIVE_QUESTIONS = 3
MOST_WRONG_PASSWORDS = 3
"""Of one connection; then it is closed."""


class SftpServer:
    """The way in by SFTP."""

    def __init__(
        self,
        settings: Settings,
        *,
        intake: DropIntake,
        drops: Drops,
        vault: Vault,
        overview: Overview,
        templates: dict[str, bytes],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Raises ConfigError: the accounts file or a host key cannot be used."""
        handler.install()
        self._settings = settings
        self.limits = settings.sftp.limits
        folder = settings.path(settings.sftp.host_keys)
        ensure_host_keys(folder)
        self._host_keys = load_host_keys(folder)
        self.accounts = Accounts(settings.path(settings.sftp.accounts))
        self.guard = Guard(connections=self.limits.connections, per_address=self.limits.connections, logins=self.limits.logins)
        self.unproved: OrderedDict[_Door, None] = OrderedDict()
        self.at_home: Counter[str] = Counter()
        self.logins = ThreadPoolExecutor(LOGIN_THREADS, thread_name_prefix="sftp-login")
        self._disk = ThreadPoolExecutor(DISK_THREADS, thread_name_prefix="sftp-disk")
        self.shared = Shared(
            drops=drops, intake=intake, vault=vault, shelf=Shelf(), settings=settings.drops,
            spare=int(settings.storage.spare), handles=self.limits.handles, overview=overview, templates=templates,
            disk=self._disk, now=now,
        )  # fmt: skip
        self._listener: asyncssh.SSHAcceptor | None = None
        self.connections: set[asyncssh.SSHServerConnection] = set()

    async def start(self) -> None:
        """Listen. Raises OSError if the port is taken."""
        self._listener = await asyncssh.create_server(
            lambda: _Door(self),
            self._settings.sftp.host,
            self._settings.sftp.port,
            server_host_keys=self._host_keys,
            send_server_host_keys=True,
            sftp_factory=self._session,
            sftp_version=3,
            allow_scp=False,
            kex_algs=_able(KEX, asyncssh.kex.get_kex_algs()),
            encryption_algs=CIPHERS,
            mac_algs=MACS,
            signature_algs=SIGNATURES,
            compression_algs=["none"],
            server_version=BANNER,
            login_timeout=self.limits.login_grace.total_seconds(),
            keepalive_interval=self.limits.keepalive.total_seconds(),
            keepalive_count_max=ALIVE_QUESTIONS,
            agent_forwarding=False,
            x11_forwarding=False,
            allow_pty=False,
            line_editor=False,
            gss_host=None,
            config=[],
            backlog=512,
        )

    @property
    def port(self) -> int:
        """As bound."""
        assert self._listener is not None
        return int(self._listener.get_port())

    async def stop(self) -> None:
        """Listen no more, and close every connection; what was not closed by its client is not taken."""
        if self._listener is not None:
            self._listener.close()
            await self._listener.wait_closed()
        for connection in list(self.connections):
            connection.close()
        await asyncio.gather(*(connection.wait_closed() for connection in list(self.connections)), return_exceptions=True)
        for _ in range(CUTS_MAY_TAKE):
            if not self.shared.shelf.under_way:
                break
            await asyncio.sleep(0.05)
        self.shared.shelf.abort_all()
        await asyncio.get_running_loop().run_in_executor(None, self._disk.shutdown)
        self.logins.shutdown(cancel_futures=True)

    def _session(self, channel: Any) -> Session:
        account = channel.get_connection().get_extra_info("account")
        assert isinstance(account, Account)
        return Session(channel, account, self.shared)


class _Door(asyncssh.SSHServer):
    """One connection, until it has shown who it is."""

    def __init__(self, server: SftpServer) -> None:
        self._server = server
        self._connection: asyncssh.SSHServerConnection | None = None
        self.address = ""
        self._account: Account | None = None
        self._wrong = 0
        self._counted = ""

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Counted from the first byte; the oldest that has said nothing makes room for the newest."""
        self._connection = conn
        peer = conn.get_extra_info("peername")
        self.address = str(peer[0]) if peer else ""
        server = self._server
        server.connections.add(conn)
        limits = server.limits
        mine = [door for door in server.unproved if door.address == self.address]
        if len(mine) >= limits.unproved_per_address:
            mine[0].send_away()
        elif len(server.unproved) >= limits.unproved:
            next(iter(server.unproved)).send_away()
        if server.guard.full():
            conn.abort()
            return
        server.guard.enter(self.address)
        self._counted = self.address
        server.unproved[self] = None

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncssh."""
        server = self._server
        server.unproved.pop(self, None)
        self._leave()
        if self._connection is not None:
            server.connections.discard(self._connection)
        if self._account is not None and self._connection is not None and self._connection.get_extra_info("account"):
            server.at_home[self._account.name] -= 1

    def _leave(self) -> None:
        """Its place is free."""
        if self._counted:
            self._server.guard.leave(self._counted)
            self._counted = ""

    def send_away(self) -> None:
        """Close it; its place is free at once, and not when the loop gets round to the end of it."""
        self._server.unproved.pop(self, None)
        self._leave()
        if self._connection is not None:
            log.refused(channel="sftp", code="", reply="unproved", remote=self.address)
            self._connection.abort()

    def begin_auth(self, username: str) -> bool:
        """Everybody must show something; unknown names are told nothing."""
        found = self._server.accounts.find(username)
        self._account = found if found is not None and found.may_come_from(self.address) else None
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """One of the account's keys, today."""
        if self._account is None:
            return False
        today = self._server.shared.now().date()
        shown = " ".join(key.export_public_key("openssh").decode("ascii").split()[:2])
        return any(one.text == shown and one.counts_on(today) for one in self._account.keys)

    def password_auth_supported(self) -> bool:
        """The same for every name: who has a password is nobody's business."""
        return any(account.password is not None for account in self._server.accounts.all().values())

    async def validate_password(self, username: str, password: str) -> bool:
        """Slow and slower for who guesses; an address that guessed too often is only let in by key."""
        server, loop = self._server, asyncio.get_running_loop()
        async with server.guard.turn(self.address):
            if server.guard.banned(self.address, loop.time()):
                self._hang_up("banned")
                return False
            waits = server.guard.login_tried(self.address, loop.time())
            hashed = self._account.password if self._account is not None else None
            right = await loop.run_in_executor(server.logins, fits, hashed, password)
            if right:
                server.guard.login_worked(self.address)
                return True
        log.login_failed(channel="sftp", remote=self.address)
        await asyncio.sleep(server.limits.login_delay.total_seconds() * waits)
        self._wrong += 1
        if self._wrong >= MOST_WRONG_PASSWORDS:
            self._hang_up("passwords")
        return False

    def _hang_up(self, why: str) -> None:
        log.refused(channel="sftp", code="", reply=why, remote=self.address)
        if self._connection is not None:
            self._connection.disconnect(asyncssh.DISC_NO_MORE_AUTH_METHODS_AVAILABLE, "For mange forkerte adgangskoder. Prøv igen senere.")

    def auth_completed(self) -> None:
        """Inside: the account is the connection's from here on."""
        server, connection = self._server, self._connection
        server.unproved.pop(self, None)
        assert connection is not None
        assert self._account is not None
        if server.at_home[self._account.name] >= server.limits.connections_per_account:
            connection.disconnect(asyncssh.DISC_TOO_MANY_CONNECTIONS, f"Kontoen har højst {server.limits.connections_per_account} forbindelser ad gangen.")
            return
        server.at_home[self._account.name] += 1
        connection.set_extra_info(account=self._account)


def _able(wanted: tuple[str, ...], can: list[bytes]) -> list[str]:
    """Those that this machine's libraries can do."""
    return [name for name in wanted if name.encode() in can]
