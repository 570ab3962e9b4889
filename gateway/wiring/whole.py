"""The whole gateway of one home: every concrete part, put together.

One module, although long: it is the one table of what is made of what.
"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.config import Settings
from gateway.config.load import read_secret
from gateway.config.settings import Flow
from gateway.digital_post.client import NgdpClient
from gateway.directory.digital_post import DigitalPostDirectory
from gateway.directory.listed import ListedDirectory
from gateway.directory.unasked import Unasked
from gateway.documents.process import ReaderProcess
from gateway.documents.sidecar.templates import templates
from gateway.egress.archive_builtin import BuiltinArchive
from gateway.egress.digital_post import DigitalPost
from gateway.egress.mail import SmtpMailOut
from gateway.errors import AddressTaken, ConfigError, HomeInUse
from gateway.ingress.folder.rounds import FolderWatch
from gateway.ingress.folder.share import Share
from gateway.ingress.folder.watch import Watched
from gateway.ingress.sftp.server import SftpServer
from gateway.ingress.smtp.server import SmtpServer
from gateway.model.shipment import ShipmentKind
from gateway.model.submission import Blob
from gateway.notices.answers import DropAnswers
from gateway.notices.overview import overview_csv, overview_html
from gateway.notices.render import NoticeRenderer
from gateway.ports import Destination, Directory
from gateway.rules.engine import RuleSet
from gateway.runner import Runner, Timed
from gateway.services.accept import FileCommit, GroupCommit
from gateway.services.answer import Answer
from gateway.services.forget import Forget
from gateway.services.gather import Gather
from gateway.services.guard import Guard
from gateway.services.mass import Mass
from gateway.services.notify import Notify
from gateway.services.overview import AccountOverview
from gateway.services.read import Read
from gateway.services.reload import CurrentRules, Reload, first_rules
from gateway.services.returned import Returned
from gateway.services.rhythm import Rhythm
from gateway.services.route import Route
from gateway.services.settle import Settle
from gateway.services.ship import Ship
from gateway.services.trial import Trial
from gateway.services.work import Verb
from gateway.wiring.inbound import Around, PostToUs, replies
from gateway.wiring.meaning import (
    drop_manners,
    list_marks,
    loop_id,
    read_rules,
    rule_files,
    rule_lists,
)
from gateway.wiring.state import open_ledger, open_vault

ARCHIVE_AT_ONCE = 2
SWEEP_EVERY = timedelta(hours=1)
OVERDUE_EVERY = timedelta(minutes=5)
RULES_EVERY = timedelta(seconds=1)


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
        self._vault = open_vault(settings, self._ledger)
        self._clock = SystemClock()
        self._closing: list[Callable[[], None]] = []
        self._ships: list[Ship | Mass] = []
        self._rules = CurrentRules(self._first_rules(settings))
        self._settings_flows = settings.all_flows()
        self._guard = self._new_guard(settings)
        self._runner = self._build_runner(settings)
        self._intake = GroupCommit(self._ledger, wake=self._runner.wake)
        self._files = FileCommit(self._ledger, wake=self._runner.wake)
        self._overview = AccountOverview(self._ledger, self._clock, page=overview_html, sheet=overview_csv)
        self._sftp = self._new_sftp(settings)
        self._folders = self._new_folders(settings)
        self._smtp = SmtpServer(
            settings,
            intake=self._intake,
            vault=self._vault,
            loop_id=loop_id(settings),
            flows=self._flows,
        )

    @property
    def ports(self) -> dict[str, int]:
        """Listening ports by name."""
        web = {name: server.port for name, server in self._web.items()}
        return {**self._smtp.ports, **({"sftp": self._sftp.port} if self._sftp is not None else {}), **web}

    async def start(self) -> None:
        """Begin to work, then to listen: what was due before is not behind what comes new.

        Raises ConfigError if a port is taken; then everything is stopped again.
        """
        self._reader.warm()
        self._runner.start()
        await self._intake.start()
        await self._files.start()
        self._folders.start()
        await self._listen(self._smtp.start, "[smtp] host, port, tls_port")
        if self._sftp is not None:
            await self._listen(self._sftp.start, "[sftp] host, port")
        try:
            for server in self._web.values():
                server.start()
        except ConfigError:
            await self.stop()
            raise

    async def _listen(self, start: Callable[[], Awaitable[None]], keys: str) -> None:
        try:
            await start()
        except OSError as error:
            await self.stop()
            raise AddressTaken(
                problems=f"gateway.toml, {keys}: expected an address to listen at, "
                f"found one that is taken or not ours ({os.strerror(error.errno or 0)})."
            ) from None

    async def stop(self) -> None:
        """Listen no more, finish what is under way, close everything."""
        await self._smtp.stop()
        for server in self._web.values():
            server.stop()
        if self._sftp is not None:
            await self._sftp.stop()
        self._folders.stop()
        await self._intake.stop()
        await self._files.stop()
        for ship in self._ships:
            ship.rest()
        # Nobody waits minutes for an end: what it was reading is read after the next start.
        self._merged_reader.close()
        self._runner.stop()
        for close in reversed(self._closing):
            close()
        self._ledger.close()
        os.close(self._lock)

    def _build_runner(self, settings: Settings) -> Runner:
        client = self._client(settings)
        digital_post = DigitalPost(
            client=client, vault=self._vault, settings=settings, flows=self._flows
        )
        settle = Settle(
            self._ledger,
            [digital_post],
            owner=self.node,
            ttl=settings.lease,
            overdue=settings.digital_post.receipt_overdue,
            asks_again=self._rules.asks_about_refusals,
        )
        answer = self._answer = Answer(
            self._ledger, self._ledger, DropAnswers(self._clock), self._clock, waits=settings.retry.first
        )
        forget = Forget(self._ledger, self._vault, self._clock)
        reload = Reload(
            self._ledger,
            self._rules,
            lists=lambda: rule_lists(settings),
            marks=lambda: list_marks(settings),
        )
        verbs = self._verbs(settings, client, digital_post)
        post = PostToUs(self._around(settings))
        self._web = post.servers()
        return Runner(
            [*verbs, *post.verbs()],
            [
                Timed("settle", settings.digital_post.receipts_every, settle.work),
                Timed("overdue", OVERDUE_EVERY, settle.look_for_overdue),
                Timed("forget", SWEEP_EVERY, forget.sweep),
                Timed("answers", SWEEP_EVERY, answer.forget),
                Timed("rhythm", OVERDUE_EVERY, Rhythm(self._ledger).look),
                Timed("rules", RULES_EVERY, reload.look),
                *post.timed(),
                *([Timed("guard", RULES_EVERY, self._guard.look)] if self._guard else []),
            ],
            poll=settings.poll,
        )

    def _around(self, settings: Settings) -> Around:
        return Around(
            settings=settings,
            ledger=self._ledger,
            vault=self._vault,
            clock=self._clock,
            rules=self._rules,
            node=self.node,
            mail=self._mail_out,
            text=self._reader.text,
            post_mail=self._reader.post_mail,
            closing=self._closing,
        )

    def _new_guard(self, settings: Settings) -> Guard | None:
        guard = settings.rules.guard
        if not guard.pause:
            return None
        made = Guard(
            self._ledger,
            self._clock,
            factor=guard.factor,
            minimum=guard.minimum,
            history=guard.history,
            tell=settings.rules.tell,
        )
        made.look()
        return made

    def _flows(self) -> Mapping[str, Flow]:
        """Those of the settings, and those of the rules that decide now."""
        return {**self._settings_flows, **self._rules.flows}

    def _first_rules(self, settings: Settings) -> RuleSet:
        lists = rule_lists(settings)
        return first_rules(self._ledger, lambda: rule_files(settings), lists, author="gateway")

    def _client(self, settings: Settings) -> NgdpClient:
        ngdp = settings.digital_post
        token = read_secret(settings.path(ngdp.token_file))
        client = NgdpClient(settings, token, clock=self._clock)
        self._closing.append(client.close)
        return client

    def _verbs(
        self, settings: Settings, client: NgdpClient, digital_post: DigitalPost
    ) -> list[Verb]:
        reader = self._reader = self._new_reader(settings, settings.read.processes)
        merged = self._merged_reader = self._new_reader(settings, 1)
        archive = BuiltinArchive(
            self._ledger, self._vault, default_case=settings.archive.default_case
        )
        sends = {digital_post.name: digital_post}
        archives = {archive.name: archive}
        directory = self._directory(settings, client)
        trial = Trial(directory, lambda: self._rules.rule_set, self._clock, sender=settings.organisation.name)
        return [
            Gather(
                self._ledger,
                self._vault,
                reader,
                self._clock,
                manners=lambda: drop_manners(settings),
                rules=lambda: read_rules(settings, self._flows()),
                trier=trial,
            ),
            self._answer,
            *self._new_reads(settings, reader, merged),
            self._new_route(settings, directory, reader, sends, archives),
            self._new_mass(settings, digital_post),
            self._ship("send", settings, sends, settings.digital_post.in_flight),
            self._ship("archive", settings, archives, ARCHIVE_AT_ONCE),
            self._notify(settings),
        ]

    def _new_reads(self, settings: Settings, reader: ReaderProcess, merged: ReaderProcess) -> list[Read]:
        """One for what takes a moment, one for merged files."""
        returned = Returned(self._ledger, domains=settings.smtp.domains, distributors=settings.inbound.distributors)
        told: dict[str, Any] = {
            "waits": settings.retry.first,
            "renew_every": settings.lease / 4,
            "replies": replies(settings, self._ledger, self._vault).of,
        }
        return [
            Read(self._ledger, self._vault, reader, self._vault.scratch, services=returned.act, **told),
            Read(self._ledger, self._vault, merged, self._vault.scratch, merged=True, **told),
        ]

    def _new_reader(self, settings: Settings, processes: int) -> ReaderProcess:
        reader = ReaderProcess(
            lambda: read_rules(settings, self._flows()),
            time=settings.read.time,
            memory=int(settings.read.memory),
            processes=processes,
            batch_time=settings.read.batch_time,
            find=self._vault.path,
        )
        self._closing.append(reader.close)
        return reader

    def _new_route(
        self, settings: Settings, directory: Directory, reader: ReaderProcess, sends: Collection[str], archives: Collection[str]
    ) -> Route:
        return Route(
            self._ledger,
            directory,
            self._rules,
            destinations=[*sends, *archives],
            on_lookup_failure=settings.digital_post.on_lookup_failure,
            closed_days=settings.rules.closed_days,
            guard=self._guard,
            texts=lambda document: reader.text(
                self._vault.path(Blob(document.digest, document.size_bytes)), document.media_type
            ),
            mass_from=settings.digital_post.mass_from,
            mass_destinations=list(sends),
            waits=settings.retry.first,
        )

    def _new_sftp(self, settings: Settings) -> SftpServer | None:
        if not settings.sftp.enabled:
            return None
        return SftpServer(
            settings, intake=self._files, drops=self._ledger, vault=self._vault, overview=self._overview, templates=templates()
        )

    def _new_folders(self, settings: Settings) -> FolderWatch:
        watched = [
            Watched(
                folder,
                Share(settings.path(folder.path)),
                drops=self._ledger,
                vault=self._vault,
                settings=settings.drops,
                largest=int(settings.channel.total),
                overview=self._overview.files,
                templates=templates(),
                now=self._clock.now,
            )
            for folder in settings.folders
        ]
        return FolderWatch(watched, wake=self._runner.wake)

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
            asks_again=self._rules.asks_about_refusals,
        )
        self._closing.append(ship.close)
        self._ships.append(ship)
        return ship

    def _new_mass(self, settings: Settings, digital_post: DigitalPost) -> Mass:
        ngdp = settings.digital_post
        mass = Mass(
            self._ledger,
            {digital_post.name: digital_post},
            self._clock,
            waits=settings.retry.first,
            lease=settings.lease,
            longest_call=ngdp.connect_timeout + ngdp.timeout,
            most=ngdp.mass_messages,
        )
        self._ships.append(mass)
        return mass

    def _directory(self, settings: Settings, client: NgdpClient) -> Directory:
        ngdp = settings.digital_post
        if ngdp.lookups == "none":
            return Unasked()
        if ngdp.lookups == "listed":
            return ListedDirectory(settings.path(ngdp.listed or Path("listed.csv")))
        return DigitalPostDirectory(client)

    def _notify(self, settings: Settings) -> Notify:
        mail = settings.mail
        out = self._mail_out = SmtpMailOut(
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
