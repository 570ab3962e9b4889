"""What every command stands on: the home, and what is opened from it when first needed."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import click

from gateway.config import Settings, load_settings
from gateway.ports import Drops, Inbound, Ledger, Vault
from gateway.storage.store import SqlLedger
from gateway.wiring.state import open_ledger, open_vault


class Home:
    """A gateway's home folder, as seen from the command line."""

    def __init__(self, home: Path) -> None:
        self.home = home

    @cached_property
    def settings(self) -> Settings:
        """Raises ConfigError with every fault at once."""
        return load_settings(self.home)

    def ledger(self) -> Ledger:
        """The ledger, open; the same one over one command. Raises LedgerUnavailable."""
        return self._ledger

    def drops(self) -> Drops:
        """The ledger's memory of drops; opened as ``ledger``."""
        return self._ledger

    def inbound(self) -> Inbound:
        """The ledger's memory of post to us; opened as ``ledger``."""
        return self._ledger

    def vault(self) -> Vault:
        return self._vault

    @cached_property
    def _ledger(self) -> SqlLedger:
        ledger = open_ledger(self.settings)
        click.get_current_context().find_root().call_on_close(ledger.close)
        return ledger

    @cached_property
    def _vault(self) -> Vault:
        return open_vault(self.settings, self._ledger)

    @property
    def actor(self) -> str:
        """Who is at the terminal, for the audit."""
        return f"cli:{getpass.getuser()}"


pass_home = click.make_pass_decorator(Home)

def ask_password() -> str:
    """A password that is asked for twice, or the first line of what is piped in."""
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\n")


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


def show_json(value: Any) -> None:
    """*value* on stdout, Danish letters as themselves."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def table(rows: list[list[str]], head: list[str]) -> None:
    """Rows in columns as wide as they need to be."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    line: Callable[[list[str]], str] = lambda row: "  ".join(  # noqa: E731 - used thrice, right here
        cell.ljust(width) for cell, width in zip(row, widths, strict=True)
    ).rstrip()
    click.echo(line(head))
    for row in rows:
        click.echo(line(row))
