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

import contextlib
import fcntl
import json
import os
import re
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway import log
from gateway.config.settings import NoticeWish
from gateway.errors import ConfigError, NotFound
from gateway.ingress.smtp.gate import sender_pattern

# argon2id with 19 MiB, 2 passes, 1 lane: the first choice of OWASP's Password Storage Cheat Sheet.
HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
USER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", re.ASCII)
# A login longer than this is not looked at: hashing it would be work for nothing.
LONGEST_PASSWORD = 1024


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
        self._stamp = _stamp(path)
        self._users = _read(path)
        # Compared with when a name is unknown, so that the answer takes as long as for a known one.
        self._nobody = HASHER.hash("nobody")

    def find(self, name: str) -> User | None:
        """The user called *name*; reads the file again if it has changed. Blocks on the disk."""
        stamp = _stamp(self._path)
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._users = _read(self._path)
            except ConfigError as error:
                # The last good file stays: a slip of an editor must not lock everybody out.
                log.users_file_unusable(code=error.code)
        return self._users.get(name)

    def verify(self, name: str, password: str) -> User | None:
        """The user, if *password* is theirs. Takes the same time for unknown names; blocks for it."""
        user = self.find(name)
        if len(password) > LONGEST_PASSWORD:
            return None
        try:
            HASHER.verify(user.hash if user else self._nobody, password)
        except (VerificationError, InvalidHashError):
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
    with _locked(path):
        _write(path, {**_read(path), name: user})
    return user


def remove_user(path: Path, name: str) -> None:
    """Take the user out of the file. Raises NotFound, ConfigError."""
    with _locked(path):
        users = _read(path)
        if users.pop(name, None) is None:
            raise NotFound(what="user")
        _write(path, users)


_BAD_NAME = "users: expected a name of letters, digits and . _ - @ (at most 64), found another."
_BAD_PASSWORD = f"users: expected a password of 8 to {LONGEST_PASSWORD} characters, found another."
_BAD_ADDRESS = 'users: expected sender addresses such as "post@skole.example.dk", found another.'


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """What changes when the file does; None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _read(path: Path) -> dict[str, User]:
    """No file is no users; a file that cannot be used is a fault that names the place, not the text."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigError(
            problems=f"{path.name}: expected TOML that can be read, found a {type(error).__name__}."
        ) from None
    rows = table.get("user", {})
    if set(table) - {"user"} or not isinstance(rows, dict):
        raise ConfigError(problems=f"{path.name}: expected tables [user.NAME] only, found others.")
    return {name: _user(path, name, row) for name, row in rows.items()}


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
    """Whole, beside, flushed, renamed; mode 0600."""
    text = "".join(f"{_table(user)}\n" for user in sorted(users.values(), key=lambda u: u.name))
    # mkstemp gives 0600 from the start.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    beside = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def _table(user: User) -> str:
    """TOML of one user. JSON strings and lists of plain ASCII are TOML as well."""
    return (
        f"[user.{json.dumps(user.name)}]\n"
        f"hash = {json.dumps(user.hash)}\n"
        f"addresses = {json.dumps(list(user.addresses))}\n"
        f"notices = {json.dumps(user.notices)}\n"
        f"system = {json.dumps(user.system)}\n"
    )


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One writer at a time, by a lock on the folder (the file itself is replaced)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
