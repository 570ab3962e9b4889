"""Rules on the command line: look at them, try them on real post, let them decide, go back."""

from __future__ import annotations

from typing import ClassVar

import click

from gateway.cli.lazy import LazyGroup


class _Commands(LazyGroup):
    """Every command about rules."""

    places: ClassVar[dict[str, str]] = {
        "activate": "gateway.cli.rules.versions:activate",
        "approve": "gateway.cli.rules.versions:approve",
        "check": "gateway.cli.rules.check:check_",
        "diff": "gateway.cli.rules.versions:diff",
        "fields": "gateway.cli.rules.catalogue:fields",
        "pauses": "gateway.cli.rules.pauses:pauses",
        "replay": "gateway.cli.rules.replay:replay",
        "resume": "gateway.cli.rules.pauses:resume",
        "rollback": "gateway.cli.rules.versions:rollback",
        "schema": "gateway.cli.rules.catalogue:schema_",
        "shadow": "gateway.cli.rules.replay:shadow",
        "show": "gateway.cli.rules.versions:show",
        "test": "gateway.cli.rules.check:test",
        "try": "gateway.cli.rules.trying:try_",
        "versions": "gateway.cli.rules.versions:versions",
    }


@click.group(cls=_Commands)
def rules() -> None:
    """Rules: check them, try them on real post, let them decide, go back."""
