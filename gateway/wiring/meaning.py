"""What settings mean to the core: rules, limits and flows as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from gateway.config import Settings
from gateway.config.settings import Flow
from gateway.digital_post.receipts import SOURCE
from gateway.documents.batch.manner import SplitManner
from gateway.documents.reading import ReadFlow, ReadRules
from gateway.egress.archive_builtin import BuiltinArchive
from gateway.ingress.sftp.accounts import list_accounts
from gateway.model.batch import Place
from gateway.model.drop import DropManner
from gateway.rules.bundle import Bundle, builtin, lists_folder, read_bundle
from gateway.rules.engine import RuleSet
from gateway.rules.lists import Lists, marks, read_lists

DESTINATIONS = (SOURCE,)
"""Names that a rule may send to."""
ARCHIVES = (BuiltinArchive.name,)
"""Names that a rule may archive in."""


def rule_files(settings: Settings) -> Bundle:
    """The rule set that *settings* name. Raises ConfigError."""
    path = settings.rules.path
    return builtin() if path is None else read_bundle(settings.path(path))


def rule_set_of(settings: Settings) -> RuleSet:
    """The rule set that *settings* name, as it must be to decide here. Raises ConfigError with every fault."""
    return rule_files(settings).rule_set(
        rule_lists(settings), destinations=DESTINATIONS, archives=ARCHIVES
    )


def rule_lists(settings: Settings) -> Lists:
    """The lists beside it. Raises ConfigError."""
    path = settings.rules.path
    return {} if path is None else read_lists(lists_folder(settings.path(path)))


def list_marks(settings: Settings) -> object:
    """Something that changes when a list does."""
    path = settings.rules.path
    return () if path is None else marks(lists_folder(settings.path(path)))


def loop_id(settings: Settings) -> str:
    """What marks our own mail (X-Loop); the same on every node of an installation."""
    return f"digitalpost-gateway.{settings.smtp.domains[0]}"


def read_rules(settings: Settings, flows: Mapping[str, Flow]) -> ReadRules:
    """What a reader must know, as plain values."""
    read, channel = settings.read, settings.channel
    return ReadRules(
        domains=settings.smtp.domains,
        flows={
            name: ReadFlow(
                recipient_from=flow.recipient_from,
                case=flow.case,
                plan=flow.plan,
                reply_allowed=flow.reply_allowed,
                body_is_letter=flow.body_is_letter,
                split=split_manner(settings, flow),
            )
            for name, flow in flows.items()
        },
        allow_test_numbers=settings.allow_test_numbers,
        loop_id=loop_id(settings),
        own_addresses=(settings.mail.sender,),
        header_bytes=int(read.header_bytes),
        headers=read.headers,
        one_header=int(read.one_header),
        nesting=read.nesting,
        parts=read.parts,
        received=read.received,
        title=channel.title,
        title_hint=channel.title_hint,
        files=channel.files,
        total=int(channel.total),
        main_types=channel.main_types,
        attachment_types=channel.attachment_types,
    )


def split_manner(settings: Settings, flow: Flow) -> SplitManner | None:
    """How *flow* wants merged files divided; None: it takes them for one letter."""
    split = flow.split
    if split is None:
        return None
    return SplitManner(
        mode=split.by,
        place=None if split.place is None else Place(*split.place),
        pages=split.pages,
        marker=split.marker,
        own_numbers=frozenset({settings.organisation.cvr, *split.own_numbers}),
        remove_numbers=split.remove_numbers,
        partly=split.partly,
        signed=split.signed,
        approve_over=split.approve_over,
    )


def drop_manners(settings: Settings) -> dict[str, DropManner]:
    """How the drops of each SFTP account and watched folder are put together, by name.

    A name that is both an account and a folder is the folder's. Raises ConfigError: the accounts file.
    """
    drops = settings.drops
    waits = {"pair_timeout": drops.pair_timeout, "quiet": drops.quiet}
    accounts = list_accounts(settings.path(settings.sftp.accounts)) if settings.sftp.enabled else []
    return {
        **{
            account.name: DropManner(
                account=account.name, channel="sftp", readiness=account.readiness, sidecar=account.sidecar,
                by_folder=account.by_folder, flow=account.flow, lenient=account.lenient, charset=account.charset,
                receipt_addresses=account.receipt_addresses,
                resume=drops.resume if account.resume else timedelta(0), **waits,
            )
            for account in accounts
        },
        **{
            folder.name: DropManner(
                account=folder.name, channel="folder", readiness=folder.readiness,
                sidecar="optional" if folder.readiness == "stable" else folder.sidecar,
                by_folder=folder.by_folder, flow=folder.flow, lenient=folder.lenient, charset=folder.charset,
                receipt_addresses=folder.receipt_addresses, **waits,
            )
            for folder in settings.folders
        },
    }  # fmt: skip
