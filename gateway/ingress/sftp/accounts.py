"""The accounts file: which systems may log in by SFTP, with which keys, from where.

    [account.studie]
    keys = [{ key = "ssh-ed25519 AAAA…", from = 2026-01-01, until = 2027-01-01 }]
    networks = ["192.0.2.0/24"]
    sidecar = "required"

A running server reads it again when it has changed. What an account did is in the ledger, under its name.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import date
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from typing import Annotated, Literal

import asyncssh
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from gateway import log
from gateway.config.kept_file import locked, read_tables, stamp, write_whole
from gateway.errors import ConfigError, NotFound
from gateway.model.drop import Readiness

ACCOUNT_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}", re.ASCII)
SMALLEST_RSA = 2048
"""Bits; smaller keys are refused (security.md, SFTP-13)."""
_KINDS = ("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "sk-ssh-ed25519@openssh.com")

_Lists = Annotated[tuple[str, ...], BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)]


class _Key(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    key: str
    since: date | None = Field(default=None, alias="from")
    until: date | None = None


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    keys: tuple[_Key, ...] = ()
    password: str | None = None
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    sidecar: Literal["required", "optional"] = "required"
    readiness: Readiness = "sidecar"
    by_folder: bool = False
    resume: bool = True
    flow: str = "default"
    lenient: bool = False
    charset: Literal["utf-8", "windows-1252", "iso-8859-1"] | None = None
    receipt_addresses: _Lists = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountKey:
    """A public key that opens an account."""

    text: str
    """``TYPE BASE64``, without a comment."""
    since: date | None = None
    until: date | None = None
    """Its last day."""

    def counts_on(self, day: date) -> bool:
        return (self.since is None or self.since <= day) and (self.until is None or day <= self.until)

    @property
    def fingerprint(self) -> str:
        return str(asyncssh.import_public_key(self.text).get_fingerprint())


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One system that may log in."""

    name: str
    keys: tuple[AccountKey, ...] = ()
    password: str | None = field(default=None, repr=False)
    """Its argon2id hash; None: only keys."""
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Where it may come from; empty: anywhere."""
    sidecar: Literal["required", "optional"] = "required"
    readiness: Readiness = "sidecar"
    by_folder: bool = False
    resume: bool = True
    """Whether the beginning of a cut upload may be gone on with."""
    flow: str = "default"
    lenient: bool = False
    charset: str | None = None
    receipt_addresses: tuple[str, ...] = field(default=(), repr=False)

    def may_come_from(self, address: str) -> bool:
        if not self.networks:
            return True
        try:
            came = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        return any(came.version == network.version and came in network for network in self.networks)


class Accounts:
    """The accounts of one file, as they are now."""

    def __init__(self, path: Path) -> None:
        """Raises ConfigError if the file is there and cannot be used."""
        self._path = path
        self._stamp = stamp(path)
        self._accounts = _read(path)

    def all(self) -> dict[str, Account]:
        """By name; reads the file again if it has changed. Blocks on the disk."""
        now = stamp(self._path)
        if now != self._stamp:
            self._stamp = now
            try:
                self._accounts = _read(self._path)
            except ConfigError as error:
                # The last good file stays: a slip of an editor must not lock everybody out.
                log.users_file_unusable(code=error.code)
        return self._accounts

    def find(self, name: str) -> Account | None:
        return self.all().get(name)


def list_accounts(path: Path) -> list[Account]:
    """All accounts of the file at *path*, by name. Raises ConfigError."""
    return sorted(_read(path).values(), key=lambda account: account.name)


def write_account(path: Path, account: Account) -> None:
    """Write *account*, in place of one of that name. Raises ConfigError: a name or key that cannot be used."""
    if not ACCOUNT_NAME.fullmatch(account.name):
        raise ConfigError(problems="accounts: expected a name of small letters, digits and . _ - (at most 32), found another.")
    if not account.keys and account.password is None:
        raise ConfigError(problems="accounts: expected a key or a password, found neither.")
    with locked(path):
        _write(path, {**_read(path), account.name: account})


def remove_account(path: Path, name: str) -> None:
    """Take the account out of the file. Raises NotFound, ConfigError."""
    with locked(path):
        accounts = _read(path)
        if accounts.pop(name, None) is None:
            raise NotFound(what="account")
        _write(path, accounts)


def public_key(text: str) -> str:
    """*text* (a line of a .pub file) as ``TYPE BASE64``. Raises ConfigError: no key, or a weak one."""
    try:
        key = asyncssh.import_public_key(text.strip())
    except asyncssh.KeyImportError:
        raise ConfigError(problems='keys: expected a public key such as "ssh-ed25519 AAAA…", found another text.') from None
    words = key.export_public_key("openssh").decode("ascii").split()
    bits = getattr(getattr(key, "pyca_key", None), "key_size", SMALLEST_RSA)
    if words[0] not in _KINDS or (words[0] == "ssh-rsa" and bits < SMALLEST_RSA):
        raise ConfigError(problems=f"keys: expected an Ed25519, ECDSA or RSA key of at least {SMALLEST_RSA} bits, found a weaker one.")
    return " ".join(words[:2])


def _read(path: Path) -> dict[str, Account]:
    return {name: _account(path, name, row) for name, row in read_tables(path, "account").items()}


def _account(path: Path, name: str, row: object) -> Account:
    where = f"{path.name}, [account.{name}]"
    if not ACCOUNT_NAME.fullmatch(name):
        raise ConfigError(problems=f"{path.name}: expected account names of small letters, digits and . _ -, found another.")
    try:
        parsed = _Row.model_validate(row)
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False)
        raise ConfigError(problems="\n".join(f"{where} {'.'.join(map(str, f['loc']))}: {f['msg']}." for f in faults)) from None
    keys = tuple(AccountKey(text=public_key(one.key), since=one.since, until=one.until) for one in parsed.keys)
    return Account(name=name, keys=keys, **{k: getattr(parsed, k) for k in _PLAIN})


_PLAIN = ("password", "networks", "sidecar", "readiness", "by_folder", "resume", "flow", "lenient", "charset", "receipt_addresses")


def _write(path: Path, accounts: dict[str, Account]) -> None:
    write_whole(path, "".join(f"{_table(one)}\n" for one in sorted(accounts.values(), key=lambda a: a.name)))


def _table(account: Account) -> str:
    """TOML of one account. JSON strings and lists of plain text are TOML as well."""
    lines = [f"[account.{json.dumps(account.name)}]"]
    keys = ", ".join(_key(one) for one in account.keys)
    lines.append(f"keys = [{keys}]")
    usual = Account(name=account.name)
    for name in _PLAIN:
        value = getattr(account, name)
        if value != getattr(usual, name):
            plain = [str(one) for one in value] if isinstance(value, tuple) else value
            lines.append(f"{name} = {json.dumps(plain, ensure_ascii=False)}")
    return "\n".join(lines) + "\n"


def _key(key: AccountKey) -> str:
    parts = [f"key = {json.dumps(key.text)}"]
    if key.since is not None:
        parts.append(f"from = {key.since.isoformat()}")
    if key.until is not None:
        parts.append(f"until = {key.until.isoformat()}")
    return "{ " + ", ".join(parts) + " }"
