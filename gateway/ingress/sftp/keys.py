"""The server's own keys: made once, kept, and changed with an overlap.

``ssh_host_ed25519_key`` and ``ssh_host_rsa_key`` are shown to clients. A key named ``….next`` is told to clients
that are logged in, so that they know it when it takes its place (OpenSSH's UpdateHostKeys).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from gateway.errors import ConfigError

_KINDS = (("ssh_host_ed25519_key", "ssh-ed25519"), ("ssh_host_rsa_key", "ssh-rsa"))
_RSA_BITS = 3072
NEXT = ".next"


@dataclass(frozen=True, slots=True)
class HostKey:
    """One key of the server."""

    file: Path
    kind: str
    fingerprint: str
    next: bool
    public: str


def ensure_host_keys(folder: Path) -> None:
    """Make the keys that are missing in *folder* (0700, files 0600)."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, kind in _KINDS:
        if not (folder / name).exists():
            _make(folder / name, kind)


def next_host_keys(folder: Path) -> None:
    """Make the keys that will come next, where there are none yet."""
    ensure_host_keys(folder)
    for name, kind in _KINDS:
        if not (folder / f"{name}{NEXT}").exists():
            _make(folder / f"{name}{NEXT}", kind)


def rotate_host_keys(folder: Path) -> None:
    """Let the next keys take the place of the present ones. Raises ConfigError: there are none."""
    waiting = [(folder / f"{name}{NEXT}", folder / name) for name, _ in _KINDS if (folder / f"{name}{NEXT}").exists()]
    if not waiting:
        raise ConfigError(problems=f"{folder.name}: expected next host keys, found none. Make them first, and give clients time to see them.")
    for fresh, place in waiting:
        fresh.replace(place)


def host_keys(folder: Path) -> list[HostKey]:
    """The keys in *folder*, present ones first. Raises ConfigError: one cannot be read."""
    found = []
    for suffix in ("", NEXT):
        for name, kind in _KINDS:
            file = folder / f"{name}{suffix}"
            if file.exists():
                key = _load(file)
                public = key.export_public_key("openssh").decode("ascii").strip()
                found.append(HostKey(file, kind, str(key.get_fingerprint()), bool(suffix), " ".join(public.split()[:2])))
    return found


def load_host_keys(folder: Path) -> list[asyncssh.SSHKeyPair]:
    """As asyncssh wants them: the first of each kind is shown, all are told. RSA signs with SHA-2 only."""
    pairs = list(asyncssh.load_keypairs([_load(key.file) for key in host_keys(folder)]))
    for pair in pairs:
        if pair.algorithm == b"ssh-rsa":
            pair.host_key_algorithms = (b"rsa-sha2-512", b"rsa-sha2-256")
    return pairs


def make_client_key(file: Path) -> str:
    """Make a key for a client of ours at *file* (0600); its public half."""
    _make(file, "ssh-ed25519")
    return _load(file).export_public_key("openssh").decode("ascii")


def _load(file: Path) -> asyncssh.SSHKey:
    try:
        return asyncssh.read_private_key(file)
    except (OSError, asyncssh.KeyImportError) as error:
        problem = f"{file.parent.name}/{file.name}: expected a private key that can be read, found a {type(error).__name__}."
        raise ConfigError(problems=problem) from None


def _make(file: Path, kind: str) -> None:
    key = asyncssh.generate_private_key(kind, key_size=_RSA_BITS) if kind == "ssh-rsa" else asyncssh.generate_private_key(kind)
    handle = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(key.export_private_key("openssh"))
        stream.flush()
        os.fsync(handle)
