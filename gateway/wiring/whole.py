"""The whole gateway of one home: every concrete part, put together."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.config import Settings
from gateway.config.load import read_secret
from gateway.digital_post.client import NgdpClient
from gateway.directory.digital_post import DigitalPostDirectory
from gateway.directory.listed import ListedDirectory
from gateway.directory.unasked import Unasked
from gateway.documents.process import ReaderProcess
from gateway.egress.archive_builtin import BuiltinArchive
from gateway.egress.digital_post import DigitalPost
from gateway.egress.mail import SmtpMailOut
from gateway.errors import ConfigError, HomeInUse
from gateway.ingress.smtp.server import SmtpServer
from gateway.model.shipment import ShipmentKind
from gateway.notices.render import NoticeRenderer
from gateway.ports import Destination, Directory
from gateway.runner import Runner, Timed
from gateway.services.accept import GroupCommit
from gateway.services.forget import Forget
from gateway.services.notify import Notify
from gateway.services.read import Read
from gateway.services.route import Route
from gateway.services.settle import Settle
from gateway.services.ship import Ship
from gateway.services.work import Verb
from gateway.wiring.meaning import loop_id, read_rules, rules_of
from gateway.wiring.state import open_ledger, open_vault

ARCHIVE_AT_ONCE = 2
SWEEP_EVERY = timedelta(hours=1)
OVERDUE_EVERY = timedelta(minutes=5)


class SystemClock:
    """The real time."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class Gateway:
    """The whole gateway of one home, in one process."""

    def __init__(self, settings: Settings) -> None:
        """Open everything. Raises ConfigError, LedgerUnavailable, HomeInUse."""
        self.node = f"{socket.gethostname()}:{os.getpid()}"
        self._lock = _only_one(settings)
        self._ledger = open_ledger(settings)
        self._ledger.free_claims_of_the_dead()
        self._vault = open_vault(settings)
        self._clock = SystemClock()
        self._closing: list[Callable[[], None]] = []
        self._runner = self._build_runner(settings)
        self._intake = GroupCommit(self._ledger, wake=self._runner.wake)
        self._smtp = SmtpServer(
            settings, intake=self._intake, vault=self._vault, loop_id=loop_id(settings)
        )

    @property
    def ports(self) -> dict[str, int]:
        """Listening ports by name."""
        return self._smtp.ports

    async def start(self) -> None:
        """Begin to work, then to listen: what was due before is not behind what comes new.

        Raises ConfigError if a port is taken; then everything is stopped again.
        """
        self._reader.warm()
        self._runner.start()
        await self._intake.start()
        try:
            await self._smtp.start()
        except OSError as error:
            await self.stop()
            raise ConfigError(
                problems="gateway.toml, [smtp] host, port, tls_port: expected an address to listen at, "
                f"found one that is taken or not ours ({os.strerror(error.errno or 0)})."
            ) from None

    async def stop(self) -> None:
        """Listen no more, finish what is under way, close everything."""
        await self._smtp.stop()
        await self._intake.stop()
        self._runner.stop()
        for close in reversed(self._closing):
            close()
        self._ledger.close()
        os.close(self._lock)

    def _build_runner(self, settings: Settings) -> Runner:
        client = self._client(settings)
        digital_post = DigitalPost(client=client, vault=self._vault, settings=settings)
        settle = Settle(
            self._ledger,
            [digital_post],
            owner=self.node,
            ttl=settings.lease,
            overdue=settings.digital_post.receipt_overdue,
        )
        forget = Forget(self._ledger, self._vault, self._clock)
        return Runner(
            self._verbs(settings, client, digital_post),
            [
                Timed("settle", settings.digital_post.receipts_every, settle.work),
                Timed("overdue", OVERDUE_EVERY, settle.look_for_overdue),
                Timed("forget", SWEEP_EVERY, forget.sweep),
            ],
            poll=settings.poll,
        )

    def _client(self, settings: Settings) -> NgdpClient:
        ngdp = settings.digital_post
        token = read_secret(settings.path(ngdp.token_file))
        client = NgdpClient(settings, token, clock=self._clock)
        self._closing.append(client.close)
        return client

    def _verbs(
        self, settings: Settings, client: NgdpClient, digital_post: DigitalPost
    ) -> list[Verb]:
        reader = self._reader = ReaderProcess(
            read_rules(settings),
            time=settings.read.time,
            memory=int(settings.read.memory),
            processes=settings.read.processes,
        )
        self._closing.append(reader.close)
        waits = settings.retry.first
        archive = BuiltinArchive(
            self._ledger, self._vault, default_case=settings.archive.default_case
        )
        sends = {digital_post.name: digital_post}
        archives = {archive.name: archive}
        return [
            Read(self._ledger, self._vault, reader, self._vault.scratch, waits=waits),
            Route(
                self._ledger,
                self._directory(settings, client),
                rules_of(settings),
                destinations=[*sends, *archives],
                on_lookup_failure=settings.digital_post.on_lookup_failure,
                waits=waits,
            ),
            self._ship("send", settings, sends, settings.digital_post.in_flight),
            self._ship("archive", settings, archives, ARCHIVE_AT_ONCE),
            self._notify(settings),
        ]

    def _ship(
        self,
        kind: ShipmentKind,
        settings: Settings,
        destinations: Mapping[str, Destination],
        in_flight: int,
    ) -> Ship:
        ngdp = settings.digital_post
        ship = Ship(
            kind,
            self._ledger,
            destinations,
            self._clock,
            waits=settings.retry.first,
            lease=settings.lease,
            longest_call=ngdp.connect_timeout + ngdp.timeout,
            in_flight=in_flight,
        )
        self._closing.append(ship.close)
        return ship

    def _directory(self, settings: Settings, client: NgdpClient) -> Directory:
        ngdp = settings.digital_post
        if ngdp.lookups == "none":
            return Unasked()
        if ngdp.lookups == "listed":
            return ListedDirectory(settings.path(ngdp.listed or Path("listed.csv")))
        return DigitalPostDirectory(client)

    def _notify(self, settings: Settings) -> Notify:
        mail = settings.mail
        out = SmtpMailOut(
            mail,
            ca=settings.path(mail.ca) if mail.ca else None,
            password=read_secret(settings.path(mail.password_file)) if mail.password_file else None,
            helo=settings.smtp.hostname,
        )
        self._closing.append(out.close)
        renderer = NoticeRenderer(
            settings.organisation.name,
            mail.sender,
            settings.smtp.domains[0],
            loop_id(settings),
            clock=self._clock,
        )
        return Notify(
            self._ledger,
            out,
            renderer,
            self._clock,
            per_sender_and_hour=mail.per_sender_and_hour,
            sender_address=mail.sender,
            own_domains=settings.smtp.domains,
            waits=settings.retry.first,
        )


def _only_one(settings: Settings) -> int:
    """A lock on the home: two gateways on one SQLite file are refused (engine.md, section 7)."""
    handle = os.open(settings.path(Path("gateway.lock")), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise HomeInUse() from None
    return handle
