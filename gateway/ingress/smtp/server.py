"""Starts and stops the SMTP listeners in the running event loop."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from gateway.config.settings import Flow, Settings
from gateway.errors import ConfigError
from gateway.ingress.guard import Guard
from gateway.ingress.smtp import replies
from gateway.ingress.smtp.budget import Budget
from gateway.ingress.smtp.reception import Reception
from gateway.ingress.smtp.transfer import Transfer
from gateway.ingress.smtp.users import Users
from gateway.ports import Intake, Vault

# Forward-secret AEAD only, for TLS 1.2; 1.3 has nothing else (Datatilsynet asks for 1.2 at least).
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
DISK_THREADS = 8
LOGIN_THREADS = 2


def tls_context(settings: Settings) -> ssl.SSLContext:
    """TLS of the SMTP server.

    Raises:
        ConfigError: certificate, key or CA cannot be used.
    """
    smtp = settings.smtp
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    try:
        context.load_cert_chain(settings.path(smtp.certificate), settings.path(smtp.key))
        if smtp.client_ca is not None:
            context.load_verify_locations(settings.path(smtp.client_ca))
            # Asked for, not demanded: people log in, machines show a certificate.
            context.verify_mode = ssl.CERT_OPTIONAL
    except OSError as error:
        raise ConfigError(
            problems="gateway.toml, [smtp] certificate, key, client_ca: expected PEM files that can "
            f"be read and fit together, found a {type(error).__name__}."
        ) from None
    return context


class SmtpServer:
    """The way in by mail."""

    def __init__(
        self,
        settings: Settings,
        *,
        intake: Intake,
        vault: Vault,
        loop_id: str,
        flows: Callable[[], Mapping[str, Flow]] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """
        Args:
            loop_id: our X-Loop value; mail that carries it is refused as a loop.
            flows: those that exist now; None: those of the settings.

        Raises:
            ConfigError: certificates or the users file cannot be used.
        """
        limits = settings.smtp.limits
        self._settings = settings
        self._listeners: dict[str, asyncio.Server] = {}
        self._reception = Reception(
            settings=settings,
            flows=flows or settings.all_flows,
            intake=intake,
            vault=vault,
            users=Users(settings.path(settings.smtp.users)),
            guard=Guard(
                connections=limits.connections,
                per_address=limits.connections_per_address,
                logins=limits.logins,
            ),
            budget=Budget(int(limits.in_flight)),
            loop_id=loop_id,
            now=now,
            tls=tls_context(settings),
            disk=ThreadPoolExecutor(DISK_THREADS, thread_name_prefix="smtp-disk"),
            logins=ThreadPoolExecutor(LOGIN_THREADS, thread_name_prefix="smtp-login"),
        )

    async def start(self) -> None:
        """Listen. Raises OSError if a port is taken."""
        smtp = self._settings.smtp
        self._listeners["smtp"] = await self._listen(smtp.port, implicit_tls=False)
        if smtp.tls_port is not None:
            self._listeners["smtps"] = await self._listen(smtp.tls_port, implicit_tls=True)

    async def _listen(self, port: int, *, implicit_tls: bool) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        return await loop.create_server(
            lambda: Transfer(self._reception, implicit_tls=implicit_tls),
            self._settings.smtp.host,
            port,
            backlog=512,
        )

    @property
    def ports(self) -> dict[str, int]:
        """``smtp`` (STARTTLS) and, if configured, ``smtps`` (implicit TLS), as bound."""
        return {
            name: listener.sockets[0].getsockname()[1]
            for name, listener in self._listeners.items()
        }

    @property
    def held_bytes(self) -> int:
        """Memory counted for mail on its way in."""
        return self._reception.budget.held

    async def stop(self, grace: timedelta = timedelta(seconds=30)) -> None:
        """Close the listeners, say goodbye to the idle, give the others *grace* to finish."""
        reception = self._reception
        reception.closing = True
        for listener in self._listeners.values():
            listener.close()
        for session in list(reception.sessions):
            session.close_if_idle()
        with suppress(TimeoutError):
            async with asyncio.timeout(grace.total_seconds()):
                await reception.wait_until_empty()
        # What has been sent to its end is finished and answered even so.
        await reception.finish_tasks()
        for session in list(reception.sessions):
            session.hang_up(replies.CLOSING)
        await reception.wait_until_empty()
        await reception.finish_tasks()
        reception.disk.shutdown()
        reception.logins.shutdown(cancel_futures=True)
