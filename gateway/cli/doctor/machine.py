"""Checks of this machine: disk, secrets, users, ports."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from gateway.cli.doctor.finding import Finding, fail, ok, warn
from gateway.cli.new_home import TO_BE_FILLED_IN
from gateway.config import Settings
from gateway.config.load import read_secret
from gateway.errors import ConfigError, UnsafeSecret

# SQLite's locks and its shared memory (WAL) do not work over a network: sqlite.org/wal.html, section 1.
NETWORK_TYPES = frozenset({"nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "fuse.sshfs", "9p", "ceph", "glusterfs"})
_MOUNTS = Path("/proc/self/mountinfo")
_PRODUCTION_HOST = "api.digitalpost.dk"
_LONGEST_GREETING_SECONDS = 3


def environment(settings: Settings) -> Iterator[Finding]:
    """The environment and the Digital Post it talks to must mean the same."""
    host = urlsplit(settings.digital_post.base_url).hostname or ""
    says = f"{settings.environment}, Digital Post at {host}."
    if settings.environment == "production" and host != _PRODUCTION_HOST:
        yield fail("environment", says, f"In production base_url is https://{_PRODUCTION_HOST}/apis/v1.")
    elif settings.environment == "demo" and not is_here(host):
        yield fail("environment", says, 'A demo has its sandbox on this machine; else set environment = "test".')
    elif settings.environment == "production" and settings.smtp.hostname == "localhost":
        yield warn("environment", f"{says} [smtp] hostname is localhost.", "Set it to the name senders connect to.")
    elif settings.digital_post.system_id == TO_BE_FILLED_IN:
        yield fail("environment", "[digital_post] system_id is not filled in.", "It stands in Administrativ Adgang.")
    else:
        yield ok("environment", says)


def is_here(host: str) -> bool:
    """Whether *host* is this machine by its loopback name or address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def file_system(settings: Settings) -> Iterator[Finding]:
    """A SQLite ledger must be on a local disk."""
    if not settings.storage.database.startswith("sqlite"):
        return
    file = settings.path(Path(settings.storage.database.removeprefix("sqlite:///")))
    kind = mounted_as(file.parent, mounts())
    if kind in NETWORK_TYPES:
        yield fail(
            "file system", f"the ledger lies on {kind}, where SQLite loses data.",
            "Move the home to a local disk, or use PostgreSQL.",
        )
    else:
        yield ok("file system", f"the ledger lies on {kind or 'a disk of unknown kind'}.")


def mounts() -> str:
    return _MOUNTS.read_text(encoding="utf-8", errors="replace") if _MOUNTS.exists() else ""


def mounted_as(folder: Path, mounts: str) -> str:
    """Type of the file system *folder* is on, by the lines of *mounts* (proc(5), mountinfo); empty if unknown."""
    real = os.path.realpath(folder)
    best, kind = "", ""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        words = before.split()
        if len(words) < 5 or not after:
            continue
        point = words[4].replace("\\040", " ")
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        # A later line covers an earlier one at the same place.
        if inside and len(point) >= len(best):
            best, kind = point, after.split()[0]
    return kind


def vault(settings: Settings) -> Iterator[Finding]:
    """Bytes can be written where documents go, and flushed to the disk."""
    folder = _nearest_folder(settings.path(settings.storage.vault))
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-") as file:
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
        _flush_folder(folder)
    except OSError as error:
        yield fail("vault", f"{folder}: {error.strerror}.", "Check the owner of the folder and the disk.")
    else:
        yield ok("vault", f"{folder} can be written and flushed.")


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _nearest_folder(folder: Path) -> Path:
    """*folder*, or the nearest one above it that exists: the gateway makes the rest."""
    return next((place for place in (folder, *folder.parents) if place.is_dir()), Path("/"))


def space(settings: Settings) -> Iterator[Finding]:
    """Room for post; below [storage] spare the intake answers 452."""
    folder = _nearest_folder(settings.path(settings.storage.vault))
    free, spare = shutil.disk_usage(folder).free, settings.storage.spare
    says = f"{free / 1e9:.1f} GB free; mail is refused below {spare / 1e9:.1f} GB ([storage] spare)."
    if free < spare:
        yield fail("space", says, "Free space, or move the vault to a larger disk.")
    elif free < 3 * spare:
        yield warn("space", says, "Free space soon.")
    else:
        yield ok("space", says)


def secrets(settings: Settings) -> Iterator[Finding]:
    """Each secret file is there, and not for everybody."""
    files = {
        "[digital_post] token_file": settings.digital_post.token_file,
        "[mail] password_file": settings.mail.password_file,
        "[storage] database_password_file": settings.storage.database_password_file,
    }
    for name, file in files.items():
        if file is None:
            continue
        try:
            read_secret(settings.path(file))
        except UnsafeSecret as error:
            yield fail("secrets", f"{name}: {error.text()}", error.action())
        else:
            yield ok("secrets", f"{name} is readable, and not by everybody.")


def submitters(settings: Settings) -> Iterator[Finding]:
    """Somebody may send."""
    from gateway.ingress.smtp.users import list_users

    smtp = settings.smtp
    try:
        users = len(list_users(settings.path(smtp.users)))
    except ConfigError:
        return  # told as a fault of the configuration
    says = f"{users} users, {len(smtp.relays)} relays, {len(smtp.client_certificates)} client certificates."
    if users or smtp.relays or smtp.client_certificates:
        yield ok("submitters", says)
    else:
        yield warn("submitters", "nobody may send yet.", "Add a login with `gateway user add`, or a relay in [[smtp.relays]].")


def ports(settings: Settings) -> Iterator[Finding]:
    """Each port we listen on is free, or it is the gateway that answers there."""
    smtp = settings.smtp
    wanted = {"[smtp] port": smtp.port, "[smtp] tls_port": smtp.tls_port}
    for name, number in wanted.items():
        if number:
            yield port(name, smtp.host, number, smtp.hostname if name == "[smtp] port" else None)


def port(name: str, host: str, number: int, greets_as: str | None = None) -> Finding:
    """Whether we may listen there, or do so already; *greets_as*: what an SMTP server of ours says it is."""
    place = f"{name} {number} on {host}"
    try:
        address = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM)[0]
        with socket.socket(address[0], socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address[4])
    except PermissionError:
        return fail("ports", f"{place} needs more rights.", "Ports below 1024 need CAP_NET_BIND_SERVICE, or choose 2525.")
    except OSError as error:
        if greets_as is None:
            return warn("ports", f"{place} is in use.", "Fine if the gateway is running; else choose another port.")
        if _greets_as(host, number, greets_as):
            return ok("ports", f"{place}: the gateway answers.")
        return fail("ports", f"{place} cannot be had ({error.strerror}).", "Choose another port, or stop what uses it.")
    return ok("ports", f"{place} is free.")


def _greets_as(host: str, port: int, hostname: str) -> bool:
    """Whether an SMTP server of our name answers; ``0.0.0.0`` is asked on loopback."""
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    try:
        with socket.create_connection((here, port), timeout=_LONGEST_GREETING_SECONDS) as connection:
            return connection.recv(512).startswith(f"220 {hostname} ".encode())
    except OSError:
        return False
