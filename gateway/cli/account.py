"""Which systems may log in by SFTP, and the server's own keys."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Literal

import click

from gateway.cli.context import Home, as_json, ask_password, pass_home, show_json, table
from gateway.errors import ConfigError
from gateway.ingress.passwords import HASHER, LONGEST_PASSWORD
from gateway.ingress.sftp import accounts, keys


@click.group()
def account() -> None:
    """SFTP accounts of systems, and the server's host keys."""


@account.command()
@click.argument("name")
@click.option("--key", "key_texts", multiple=True, help='A public key ("ssh-ed25519 AAAA…"), or a file that holds one. May be repeated.')
@click.option("--from", "since", type=click.DateTime(["%Y-%m-%d"]), help="First day of the given keys.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Last day of the given keys.")
@click.option("--password", "with_password", is_flag=True, help="Allow a password; it is asked for, or read from stdin.")
@click.option("--network", "networks", multiple=True, help="Where it may come from, such as 192.0.2.0/24. May be repeated.")
@click.option("--sidecar", type=click.Choice(["required", "optional"]), help="Whether a document needs a sidecar.")
@click.option("--flow", help="The flow of its letters.")
@click.option("--receipt-address", "receipt_addresses", multiple=True, help="A mail address that a sidecar may name in kvittering_email. May be repeated.")
@pass_home
def add(
    home: Home, name: str, *, key_texts: tuple[str, ...], since: date | None, until: date | None, with_password: bool,
    networks: tuple[str, ...], sidecar: Literal["required", "optional"] | None, flow: str | None, receipt_addresses: tuple[str, ...],
) -> None:  # fmt: skip
    """Add an account called NAME, or add keys and settings to it."""
    path = _file(home)
    found = next((one for one in accounts.list_accounts(path) if one.name == name), accounts.Account(name=name))
    fresh = [
        accounts.AccountKey(text=accounts.public_key(_text(text)), since=_day(since), until=_day(until)) for text in key_texts
    ]
    kept = tuple(key for key in found.keys if key.text not in {one.text for one in fresh})
    changed = replace(found, keys=(*kept, *fresh))
    if with_password:
        changed = replace(changed, password=HASHER.hash(_password()))
    if networks:
        changed = replace(changed, networks=tuple(map(_network, networks)))
    if sidecar is not None:
        changed = replace(changed, sidecar=sidecar)
    if flow is not None:
        changed = replace(changed, flow=flow)
    if receipt_addresses:
        changed = replace(changed, receipt_addresses=receipt_addresses)
    accounts.write_account(path, changed)
    click.echo(f"{name} may log in with {len(changed.keys)} keys{' or its password' if changed.password else ''}.")


@account.command("list")
@as_json
@pass_home
def list_(home: Home, as_json: bool) -> None:
    """Every account; never a password."""
    found = accounts.list_accounts(_file(home))
    if as_json:
        show_json({"accounts": [
            {"name": a.name, "password": a.password is not None, "networks": [str(n) for n in a.networks], "sidecar": a.sidecar,
             "readiness": a.readiness, "flow": a.flow,
             "keys": [{"fingerprint": k.fingerprint, "from": k.since, "until": k.until} for k in a.keys]}
            for a in found
        ]})  # fmt: skip
        return
    table([[a.name, str(len(a.keys)), "yes" if a.password else "no", " ".join(map(str, a.networks)) or "anywhere", a.sidecar] for a in found],
          ["name", "keys", "password", "networks", "sidecar"])


@account.command()
@click.argument("name")
@pass_home
def remove(home: Home, name: str) -> None:
    """Take an account away; what it dropped stays ours to answer for."""
    accounts.remove_account(_file(home), name)
    click.echo(f"{name} may no longer log in.")


@account.command("keys")
@click.option("--next", "make_next", is_flag=True, help="Make the keys that will come next; clients that log in are told of them.")
@click.option("--rotate", is_flag=True, help="Let the next keys take the place of the present ones; then start the gateway again.")
@as_json
@pass_home
def keys_(home: Home, *, make_next: bool, rotate: bool, as_json: bool) -> None:
    """Show the fingerprints of the server's own keys, which whoever connects should compare."""
    folder = home.settings.path(home.settings.sftp.host_keys)
    keys.ensure_host_keys(folder)
    if make_next:
        keys.next_host_keys(folder)
    if rotate:
        keys.rotate_host_keys(folder)
    found = keys.host_keys(folder)
    if as_json:
        show_json({"host_keys": [{"kind": k.kind, "fingerprint": k.fingerprint, "next": k.next, "public": k.public} for k in found]})
        return
    table([[k.kind, k.fingerprint, "next" if k.next else ""] for k in found], ["kind", "fingerprint", ""])


def _file(home: Home) -> Path:
    return home.settings.path(home.settings.sftp.accounts)


def _text(given: str) -> str:
    """A key as it stands, or from the file that is named."""
    file = Path(given)
    try:
        return file.read_text(encoding="utf-8") if " " not in given and file.is_file() else given
    except (OSError, ValueError):
        raise ConfigError(problems="--key: expected a public key or a file that holds one, found another.") from None


def _day(given: date | None) -> date | None:
    return date(given.year, given.month, given.day) if given is not None else None


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text)
    except ValueError:
        raise ConfigError(problems="--network: expected an address range such as 192.0.2.0/24, found another.") from None


def _password() -> str:
    given = ask_password()
    if not 12 <= len(given) <= LONGEST_PASSWORD:
        raise ConfigError(problems=f"password: expected 12 to {LONGEST_PASSWORD} characters, found another.")
    return given
