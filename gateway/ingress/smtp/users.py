"""The users file: who may log in to send, and as which addresses.

    [user.sekretaer]
    hash = "$argon2id$…"
    addresses = ["sekretaer@skole.example.dk"]
    notices = "summary"
    system = false

Passwords are only kept as argon2id hashes. The file is written whole, beside and then renamed, for
its owner's eyes only; a running server reads it again when it has changed.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway import log
from gateway.config.kept_file import locked, read_tables, stamp, write_whole
from gateway.config.settings import NoticeWish
from gateway.errors import ConfigError, NotFound
from gateway.ingress.passwords import HASHER, LONGEST_PASSWORD, fits
from gateway.ingress.smtp.gate import sender_pattern

USER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One login."""

    name: str
    hash: str = field(repr=False)
    addresses: tuple[str, ...] = field(repr=False)
    """Sender addresses it may use, at least one: addresses, ``*@domain``, or ``*`` for every one.
    Notices go to the one a mail came from."""
    notices: NoticeWish = "summary"
    system: bool = False
    """A machine account: its X-DigitalPost-* headers are believed."""


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid")
    hash: str = Field(min_length=1)
    addresses: tuple[str, ...] = Field(min_length=1)
    notices: NoticeWish = "summary"
    system: bool = False


class Users:
    """The users of one file, as they are now."""

    def __init__(self, path: Path) -> None:
        """Raises ConfigError if the file is there and cannot be used."""
        self._path = path
        self._stamp = stamp(path)
        self._users = _read(path)

    def find(self, name: str) -> User | None:
        """The user called *name*; reads the file again if it has changed. Blocks on the disk."""
        now = stamp(self._path)
        if now != self._stamp:
            self._stamp = now
            try:
                self._users = _read(self._path)
            except ConfigError as error:
                # The last good file stays: a slip of an editor must not lock everybody out.
                log.users_file_unusable(code=error.code)
        return self._users.get(name)

    def verify(self, name: str, password: str) -> User | None:
        """The user, if *password* is theirs. Takes the same time for unknown names; blocks for it."""
        user = self.find(name)
        if not fits(user.hash if user else None, password):
            return None
        return user


def list_users(path: Path) -> list[User]:
    """All users of the file at *path*, by name. Raises ConfigError."""
    return sorted(_read(path).values(), key=lambda user: user.name)


def add_user(
    path: Path,
    name: str,
    password: str,
    *,
    addresses: tuple[str, ...],
    notices: NoticeWish = "summary",
    system: bool = False,
) -> User:
    """Write the user called *name*, in place of one of that name if there is one.

    Raises:
        ConfigError: a name, password or address that cannot be used, or an unusable file.
    """
    problems = [
        *([] if USER_NAME.fullmatch(name) else [_BAD_NAME]),
        *([] if 8 <= len(password) <= LONGEST_PASSWORD else [_BAD_PASSWORD]),
        *([] if addresses else ["users: expected at least one sender address, found none."]),
        *([_BAD_ADDRESS] if any(sender_pattern(address) is None for address in addresses) else []),
    ]
    if problems:
        raise ConfigError(problems="\n".join(problems))
    user = User(
        name=name, hash=HASHER.hash(password), addresses=addresses, notices=notices, system=system
    )
    with locked(path):
        _write(path, {**_read(path), name: user})
    return user


def remove_user(path: Path, name: str) -> None:
    """Take the user out of the file. Raises NotFound, ConfigError."""
    with locked(path):
        users = _read(path)
        if users.pop(name, None) is None:
            raise NotFound(what="user")
        _write(path, users)


_BAD_NAME = "users: expected a name of letters, digits and . _ - @ (at most 64), found another."
_BAD_PASSWORD = f"users: expected a password of 8 to {LONGEST_PASSWORD} characters, found another."
_BAD_ADDRESS = 'users: expected sender addresses such as "post@skole.example.dk", found another.'


def _read(path: Path) -> dict[str, User]:
    """No file is no users; a file that cannot be used is a fault that names the place, not the text."""
    return {name: _user(path, name, row) for name, row in read_tables(path, "user").items()}


def _user(path: Path, name: str, row: object) -> User:
    try:
        parsed = _Row.model_validate(row)
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False)
        problems = [
            f"{path.name}, [user.{name}] {'.'.join(map(str, fault['loc']))}: {fault['msg']}."
            for fault in faults
        ]
        raise ConfigError(problems="\n".join(problems)) from None
    if any(sender_pattern(address) is None for address in parsed.addresses):
        raise ConfigError(problems=f"{path.name}, [user.{name}] addresses: {_BAD_ADDRESS}")
    return User(name=name, **parsed.model_dump())


def _write(path: Path, users: dict[str, User]) -> None:
    write_whole(path, "".join(f"{_table(user)}\n" for user in sorted(users.values(), key=lambda u: u.name)))


def _table(user: User) -> str:
    """TOML of one user. JSON strings and lists of plain ASCII are TOML as well."""
    return (
        f"[user.{json.dumps(user.name)}]\n"
        f"hash = {json.dumps(user.hash)}\n"
        f"addresses = {json.dumps(list(user.addresses))}\n"
        f"notices = {json.dumps(user.notices)}\n"
        f"system = {json.dumps(user.system)}\n"
    )
