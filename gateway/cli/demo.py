"""The whole road on one machine: sandbox Digital Post, mail sink and gateway, on loopback.

What it writes is an interface (docs/reference/json.md): ``endpoints.json`` in the home names every
address, the demo user and the CA. It is there exactly as long as the demo answers.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from gateway import log
from gateway.cli import demo_letter
from gateway.cli.context import Home, pass_home
from gateway.cli.serve import run
from gateway.config import load_settings
from gateway.errors import AddressTaken, ConfigError
from gateway.ingress.sftp.accounts import Account, AccountKey, public_key, write_account
from gateway.ingress.sftp.keys import ensure_host_keys, host_keys, make_client_key
from gateway.ingress.smtp.users import add_user
from gateway.rules.bundle import builtin
from gateway.sandbox.pushing import push_certificate
from gateway.sandbox.running import RunningSandbox, start_in_thread
from gateway.sandbox.sink import RunningSink, start_sink
from gateway.wiring.state import migrate_ledger

T = TypeVar("T")
TRIES = 3
"""Times a port may be taken between our look and our listening."""

DOMAIN = "dp.example.dk"
USER = "demo"
PORTS = {"smtp": 2525, "sftp": 2222, "sandbox": 8443, "sink": 2526, "links": 8025, "push": 8026}
OURS = ("smtp", "sftp", "links", "push")
ACCOUNT = "demo"
FOLDER = "demo-mappe"
"""Tried first; a port that is taken is replaced by any free one."""

CVR = "12345674"
DEPARTMENTS = {
    "oekonomi": "oekonomi@eksempelby-gym.dk",
    "kontor": "kontor@eksempelby-gym.dk",
    "ledelse": "rektor@eksempelby-gym.dk",
}
INBOUND_RULES = """\
# Who gets post to the school. What no rule decides lies in Indbakke: gateway inbound list --status inbox

[departments.oekonomi]
name = "Økonomi"
addresses = ["oekonomi@eksempelby-gym.dk"]

[departments.kontor]
name = "Kontoret"
addresses = ["kontor@eksempelby-gym.dk"]

[departments.ledelse]
name = "Ledelsen"
addresses = ["rektor@eksempelby-gym.dk"]
delivery = "link"

[[rule]]
id = "tax-or-production-unit"
name = "Skat og post til skolens P-nummer går til økonomi"
direction = "inbound"
when = { any = [ { field = "subject", contains = "skat" }, { field = "p_number", exists = true } ] }
then = [ { forward = "oekonomi" } ]
"""

CONFIG = """\
# Made by the demo. Yours to change; the ports are written again if they are taken at a start.
environment = "demo"

[organisation]
name = "Eksempelby Gymnasium"
cvr = "12345674"

[storage]
spare = "100 MB"

[smtp]
port = {smtp}  # demo
hostname = "localhost"
domains = ["{domain}"]
certificate = "tls/smtp.crt"
key = "tls/smtp.key"

[sftp]
enabled = true
port = {sftp}  # demo

[[folders]]
name = "demo-mappe"
path = "mappe"
every = "1 s"
age = "1 s"

[drops]
quiet = "2 s"

[digital_post]
base_url = "https://localhost:{sandbox}/apis/v1"  # demo
system_id = "{system}"
token_file = "secrets/digital-post.token"
certificate = "{cert}"
key = "{key}"
ca = "{ca}"
receipts_every = "1 s"

[mail]
host = "127.0.0.1"
port = {sink}  # demo
tls = "starttls"
ca = "{ca}"
sender = "digitalpost@{domain}"

# Post to us. Who gets it is said in regler/modtaget.toml; the rest lies in Indbakke.
[inbound]
every = "2 s"
own_domains = ["eksempelby-gym.dk"]
distributors = ["postfordeling@eksempelby-gym.dk"]

[[inbound.systems]]
name = "virk"
system_id = "{system}"
token_file = "secrets/digital-post.token"

[[inbound.systems]]
name = "virk-push"
system_id = "{system}"
token_file = "secrets/digital-post.token"
push = true

[links]
enabled = true
port = {links}  # demo

[push]
enabled = true
port = {push}  # demo
client_ca = "{ca}"
clients = ["{push_client}"]  # demo

[rules]
path = "regler"

# Merged PDFs: mail one to send+flet@{domain}, and each number in it gets its own pages.
[flows.flet]
split = {{ by = "learned" }}

[flows.flet-uden-cpr]
split = {{ by = "learned", remove_numbers = true }}

[flows.flet-liste]
split = {{ by = "list" }}
"""


@dataclass(frozen=True)
class World:
    """What stands around the gateway in the demo."""

    sandbox: RunningSandbox
    sink: RunningSink


@click.group(invoke_without_command=True)
@click.pass_context
def demo(ctx: click.Context) -> None:
    """Start sandbox, mail sink and gateway on loopback, and say what to try."""
    if ctx.invoked_subcommand is None:
        _run(ctx.obj.home)


demo.add_command(demo_letter.letter)
demo.add_command(demo_letter.batch)


@demo.command()
@pass_home
def show(home: Home) -> None:
    """Print endpoints.json of the running demo."""
    click.echo((home.home / "endpoints.json").read_text(encoding="utf-8"))


def _run(home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    log.configure((home / "gateway.log").open("a", encoding="utf-8", buffering=1))
    with _world(home) as world:
        for _ in range(TRIES):
            if _serve_on(home, world, {name: _free(PORTS[name]) for name in OURS}):
                break
    click.echo("Stopped.")


def _free(wanted: int) -> int:
    """*wanted*, or any port that is free at this moment."""
    return _any_port() if _is_taken(wanted) else wanted


def _serve_on(home: Path, world: World, ports: dict[str, int]) -> bool:
    """Run the gateway until it is stopped; False if somebody else has one of the ports."""
    endpoints = home / "endpoints.json"
    endpoints.unlink(missing_ok=True)
    password = _prepare(home, world, ports)
    settings = load_settings(home)
    migrate_ledger(settings)

    def ready(ports: dict[str, int]) -> None:
        _write_whole(endpoints, _endpoints(home, world, ports, password))
        _say_what_to_try(home, ports)

    try:
        asyncio.run(run(settings, ready=ready))
    except AddressTaken:
        # Whoever had it may be gone already: an outgoing connection takes any port for a moment.
        return False
    finally:
        endpoints.unlink(missing_ok=True)
    return True


@contextmanager
def _world(home: Path) -> Iterator[World]:
    sandbox = _begin(lambda port: start_in_thread(home / "sandbox", port=port), PORTS["sandbox"])
    try:
        sink = _begin(
            lambda port: start_sink(home / "sink", sandbox.authority, port=port), PORTS["sink"]
        )
        try:
            yield World(sandbox, sink)
        finally:
            sink.stop()
    finally:
        sandbox.stop()


def _begin(start: Callable[[int], T], wanted: int) -> T:
    """Started on *wanted*, or where the system chooses if somebody else listens there."""
    try:
        return start(wanted)
    except ConfigError:
        if not _is_taken(wanted):
            raise
        return start(0)


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _any_port() -> int:
    """A port that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _prepare(home: Path, world: World, ports: dict[str, int]) -> str:
    """Certificates, token, user and configuration, where they are missing; the demo password."""
    (home / "tls").mkdir(exist_ok=True)
    (home / "secrets").mkdir(exist_ok=True, mode=0o700)
    authority = world.sandbox.authority
    authority.server_certificate(home / "tls" / "smtp.crt", home / "tls" / "smtp.key")
    _secret(home / "secrets" / "digital-post.token", world.sandbox.token)
    password_file = home / "secrets" / "demo.password"
    if not password_file.exists():
        _secret(password_file, secrets.token_urlsafe(12))
        add_user(home / "users.toml", USER, password_file.read_text(), addresses=("*",), notices="all")
    _prepare_sftp(home, ports["sftp"])
    (home / "mappe").mkdir(exist_ok=True)
    if not (home / "regler").exists():
        (home / "regler").mkdir()
        (home / "regler" / "breve.toml").write_text(next(iter(builtin().files.values())), encoding="utf-8")
        (home / "regler" / "modtaget.toml").write_text(INBOUND_RULES, encoding="utf-8")
    _write_config(home, world, ports)
    return password_file.read_text()


def _prepare_sftp(home: Path, port: int) -> None:
    """A key for the demo account, where it is missing, and what its client must know of the server."""
    key = home / "secrets" / "sftp_key"
    if not key.exists():
        public = make_client_key(key)
        write_account(home / "accounts.toml", Account(name=ACCOUNT, keys=(AccountKey(text=public_key(public)),)))
    ensure_host_keys(home / "ssh")
    lines = [f"[127.0.0.1]:{port} {one.public}" for one in host_keys(home / "ssh")]
    (home / "secrets" / "sftp_known_hosts").write_text("\n".join(lines) + "\n", encoding="ascii")


def _write_config(home: Path, world: World, ours: dict[str, int]) -> None:
    ports = {**ours, "sandbox": world.sandbox.port, "sink": world.sink.port}
    fresh = CONFIG.format(
        domain=DOMAIN,
        system=world.sandbox.system,
        cert=world.sandbox.cert,
        key=world.sandbox.key,
        ca=world.sandbox.ca,
        push_client=push_certificate(world.sandbox.authority).fingerprint().hex(),
        **ports,
    )
    file = home / "gateway.toml"
    if not file.exists():
        file.write_text(fresh, encoding="utf-8")
        file.chmod(0o640)
        return
    marked = iter([line for line in fresh.splitlines() if line.endswith("# demo")])
    lines = file.read_text(encoding="utf-8").splitlines()
    kept = [next(marked, line) if line.endswith("# demo") else line for line in lines]
    file.write_text("\n".join(kept) + "\n", encoding="utf-8")


def _endpoints(home: Path, world: World, ports: dict[str, int], password: str) -> dict[str, Any]:
    sink = world.sink
    return {
        "home": str(home),
        "config": str(home / "gateway.toml"),
        "smtp": {
            "host": "127.0.0.1",
            "port": ports["smtp"],
            "starttls": True,
            "user": USER,
            "password": password,
            "ca": str(world.sandbox.ca),
            "domain": DOMAIN,
        },
        "sftp": {
            "host": "127.0.0.1",
            "port": ports["sftp"],
            "user": ACCOUNT,
            "key": str(home / "secrets" / "sftp_key"),
            "known_hosts": str(home / "secrets" / "sftp_known_hosts"),
        },
        "folder": {"path": str(home / "mappe")},
        "sandbox": world.sandbox.endpoints(),
        "inbound": {"cvr": CVR, "departments": DEPARTMENTS},
        "links": {"host": "127.0.0.1", "port": ports["links"]},
        # A home of an earlier version has none.
        **({"push": {"url": f"https://localhost:{ports['push']}/virk-push/memos"}} if "push" in ports else {}),
        "sink": {"host": "127.0.0.1", "port": sink.port, "maildir": str(sink.maildir)},
    }


def _write_whole(file: Path, value: dict[str, Any]) -> None:
    beside = file.with_suffix(".part")
    _secret(beside, json.dumps(value, indent=2) + "\n")
    beside.rename(file)


def _secret(file: Path, text: str) -> None:
    file.touch(mode=0o600)
    file.chmod(0o600)
    file.write_text(text, encoding="utf-8")


def _say_what_to_try(home: Path, ports: dict[str, int]) -> None:
    command = Path(sys.argv[0])
    gateway = str(command) if command.name == "gateway" else shutil.which("gateway") or "gateway"
    at = f"--home {home}"
    secret = home / "secrets"
    sftp = f"sftp -P {ports['sftp']} -i {secret / 'sftp_key'} -o UserKnownHostsFile={secret / 'sftp_known_hosts'} {ACCOUNT}@127.0.0.1"
    click.echo(
        f"""
digitalpost-gateway is running, with a sandbox Digital Post: nothing here reaches a real person.
Letters go to <CPR or CVR>@{DOMAIN} by SMTP at 127.0.0.1:{ports['smtp']} (STARTTLS, user {USER}).

Six things to try, from another terminal:

  1. Send a real letter by email and see it arrive:
       {gateway} {at} demo letter

  2. Follow it, and ask why it went where it went:
       {gateway} {at} log list
       {gateway} {at} why ID

  3. See what the citizen got, and what the archive holds:
       {gateway} {at} sandbox inbox 0101011234
       {gateway} {at} archive list

  4. Hand over files as a system does: the letter, then its sidecar (examples in skabelon/); answers in kvittering/:
       {sftp}
       ls {home / "mappe"}

  5. Mail one merged PDF with 20 letters, and see each recipient get his own:
       {gateway} {at} demo batch

  6. Post a message from the tax authority to the school, and see whose it becomes:
       {gateway} {at} sandbox post --to-cvr {CVR} --title "Skattekontoen er opdateret"
       {gateway} {at} inbound list

Addresses, user and password for your own mail client: {home / "endpoints.json"}
The log: {home / "gateway.log"}
Ctrl-C ends everything."""
    )
    sys.stdout.flush()
