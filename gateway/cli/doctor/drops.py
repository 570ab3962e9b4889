"""Checks of the ways in for files: who may log in, the server's own keys, and each watched folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.cli.doctor.finding import Finding, fail, ok, warn
from gateway.cli.doctor.machine import NETWORK_TYPES, mounted_as, mounts, port
from gateway.config import Settings
from gateway.config.settings import WatchedFolder
from gateway.errors import ConfigError, LedgerUnavailable
from gateway.ingress.folder.share import ROOMS, Share
from gateway.ingress.sftp.accounts import Account, list_accounts
from gateway.ingress.sftp.keys import host_keys
from gateway.ports import Drops
from gateway.wiring.state import open_ledger

_SOON = timedelta(days=30)


def sftp(settings: Settings) -> Iterator[Finding]:
    """Accounts, host keys and the port, if the gateway listens for SFTP."""
    if not settings.sftp.enabled:
        return
    try:
        accounts = list_accounts(settings.path(settings.sftp.accounts))
    except ConfigError as error:
        yield fail("sftp", error.text(), "Mend the accounts file; the gateway does not start with it.")
    else:
        yield from _accounts(accounts, datetime.now(UTC))
    yield from _host_keys(settings.path(settings.sftp.host_keys))
    if settings.sftp.port:
        yield port("[sftp] port", settings.sftp.host, settings.sftp.port)


def folders(settings: Settings) -> Iterator[Finding]:
    """Each watched folder answers, may be written to, and is the one it always was."""
    if not settings.folders:
        return
    try:
        ledger = open_ledger(settings)
    except LedgerUnavailable:
        ledger = None  # the database's own check tells
    try:
        for folder in settings.folders:
            yield _folder(folder, settings.path(folder.path), ledger)
    finally:
        if ledger is not None:
            ledger.close()


def _accounts(accounts: list[Account], now: datetime) -> Iterator[Finding]:
    if not accounts:
        yield warn("sftp", "no account may log in yet.", "Add one with `gateway account add NAME --key FILE`.")
        return
    yield ok("sftp", f"{len(accounts)} accounts.")
    today, soon = now.date(), (now + _SOON).date()
    for account in accounts:
        if account.password is not None or any(key.counts_on(soon) for key in account.keys):
            continue
        if any(key.counts_on(today) for key in account.keys):
            yield warn("sftp", f"the last key of {account.name} ends within 30 days.", f"Add its next: `gateway account add {account.name} --key FILE`.")
        else:
            yield warn("sftp", f"no key of {account.name} counts today; it cannot log in.", f"Add one with `gateway account add {account.name} --key FILE`.")


def _host_keys(folder: Path) -> Iterator[Finding]:
    try:
        keys = host_keys(folder) if folder.is_dir() else []
    except ConfigError as error:
        yield fail("sftp", error.text(), "Put the host key back from the backup; with another one every client refuses to connect.")
        return
    if not keys:
        yield ok("sftp", "no host keys yet; they are made at the first start.")
        return
    open_to_others = [key.file.name for key in keys if stat.S_IMODE(key.file.stat().st_mode) & 0o077]
    if open_to_others:
        yield fail("sftp", f"{', '.join(open_to_others)} may be read by others than the gateway.", f"chmod 600 the files in {folder.name}/.")
    else:
        yield ok("sftp", f"{len(keys)} host keys, readable by the gateway only.")


def _folder(folder: WatchedFolder, root: Path, drops: Drops | None) -> Finding:
    check = f"folder {folder.name}"
    try:
        token = Share(root).sentinel()
        missing = [room for room in ROOMS if not (root / room).is_dir()]
        locked = [room for room in ROOMS if room not in missing and not os.access(root / room, os.R_OK | os.W_OK | os.X_OK)]
        if not root.is_dir():
            raise FileNotFoundError
    except OSError:
        return fail(check, "the folder does not answer, or is not there.", "Mount the share, or mend path in [[folders]].")
    known = drops.sentinel(folder.name) if drops is not None else None
    if known is not None and token != known:
        return fail(check, "it is another folder than before: nothing is taken from it.", "Mount the share that was there; the gateway goes on by itself.")
    if locked:
        return fail(check, f"the gateway may not write to {', '.join(locked)}.", "Give its user the right to read, write and delete there.")
    if not folder.polling and mounted_as(root, mounts()) in NETWORK_TYPES:
        return warn(check, "it lies on a share, which tells no events.", "Set polling = true for it: files are seen sooner.")
    return ok(check, "answers." if not missing else "answers; its rooms are made at the first start.")
