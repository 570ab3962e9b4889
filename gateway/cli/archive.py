"""The built-in archive: what lies in it, and out of it as files."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any, cast

import click

from gateway.cli.context import Home, as_json, pass_home, show_json, table
from gateway.ports import Cases

SCHEMA = "gateway.archive/1"


@click.group()
def archive() -> None:
    """Cases (sager) of the built-in archive."""


@archive.command("list")
@click.option("--limit", default=100, show_default=True, help="At most this many, newest first.")
@as_json
@pass_home
def list_(home: Home, limit: int, as_json: bool) -> None:
    """Every case, newest first."""
    found = _cases(home).list_cases(limit=limit)
    if as_json:
        show_json({"schema": SCHEMA, "cases": found})
        return
    table([_row(case) for case in found], ["case", "made", "letters", "plan", "state"])


@archive.command()
@click.argument("case")
@as_json
@pass_home
def show(home: Home, case: str, as_json: bool) -> None:
    """One case: its letters, and their files."""
    found = _cases(home).show_case(_number(case))
    if as_json:
        show_json({"schema": SCHEMA, **found})
        return
    click.echo(f"{found['number']}  made {found['made_at'][:19]}  plan {found['plan'] or '–'}")
    for item in found["items"]:
        known = item["metadata"]
        click.echo(f"  letter {item['letter_id']} to {known['recipient']['number']}  {known['title']}")
        for file in item["files"]:
            click.echo(f"    {file['role']:<10} {file['size_bytes']:>12,} bytes  {file['name']}")


@archive.command()
@click.argument("case")
@click.argument("folder", type=click.Path(path_type=Path))
@pass_home
def export(home: Home, case: str, folder: Path) -> None:
    """Write a case to a new FOLDER: files, metadata.json, SHA256SUMS.

    `cd FOLDER && sha256sum -c SHA256SUMS` checks it. The folder appears whole or not at all.
    """
    from gateway.egress.archive_builtin import export_case

    count = export_case(_cases(home), home.vault(), _number(case), folder.absolute())
    click.echo(f"exported: {count} files")


def _cases(home: Home) -> Cases:
    # The ledger keeps the cases too; its type here only promises the letters.
    return cast("Cases", home.ledger())


def _number(text: str) -> str:
    """As it is kept: a terminal may spell å as a and a ring."""
    return unicodedata.normalize("NFC", text)


def _row(case: dict[str, Any]) -> list[str]:
    return [
        case["number"],
        case["made_at"][:19],
        str(case["items"]),
        case["plan"] or "–",
        "closed" if case["closed_at"] else "open",
    ]
