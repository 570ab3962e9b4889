"""The command line: groups, exit codes, and how an error is shown."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import ClassVar

import click

from gateway import __version__, log
from gateway.cli.lazy import LazyGroup
from gateway.errors import ConfigError, GatewayError, NotAllowedNow, NotFound

EXIT_FAILED, EXIT_USAGE, EXIT_PROBLEMS, EXIT_NOT_FOUND, EXIT_REFUSED = 1, 2, 3, 4, 5
EXIT_TEMPORARY, EXIT_CONFIG = 75, 78  # sysexits.h: EX_TEMPFAIL, EX_CONFIG


def exit_code(error: GatewayError) -> int:
    """Which exit code tells a script what *error* means."""
    if isinstance(error, ConfigError):
        return EXIT_CONFIG
    if isinstance(error, NotFound):
        return EXIT_NOT_FOUND
    if isinstance(error, NotAllowedNow):
        return EXIT_REFUSED
    return EXIT_TEMPORARY if error.temporary else EXIT_FAILED


class _Commands(LazyGroup):
    """Every command."""

    places: ClassVar[dict[str, str]] = {
        "account": "gateway.cli.account:account",
        "approve": "gateway.cli.operate:approve",
        "archive": "gateway.cli.archive:archive",
        "batch": "gateway.cli.batch:batch",
        "check-config": "gateway.cli.config:check_config",
        "db": "gateway.cli.db:db",
        "demo": "gateway.cli.demo:demo",
        "discard": "gateway.cli.operate:discard",
        "doctor": "gateway.cli.config:doctor",
        "drops": "gateway.cli.drops:drops",
        "handled": "gateway.cli.operate:handled",
        "hold": "gateway.cli.operate:hold",
        "inbound": "gateway.cli.inbound:inbound",
        "init": "gateway.cli.config:init",
        "log": "gateway.cli.log:log",
        "release": "gateway.cli.operate:release",
        "retry": "gateway.cli.operate:retry",
        "rules": "gateway.cli.rules:rules",
        "sandbox": "gateway.cli.sandbox:sandbox",
        "send": "gateway.cli.send:send",
        "serve": "gateway.cli.serve:serve",
        "user": "gateway.cli.user:user",
        "why": "gateway.cli.why:why",
    }


@click.command(cls=_Commands)
@click.option(
    "--home",
    envvar="GATEWAY_HOME",
    default=".",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The gateway's folder, with gateway.toml in it (also GATEWAY_HOME).",
)
@click.version_option(__version__)
@click.pass_context
def cli(ctx: click.Context, home: Path) -> None:
    """From email and files to Danish Digital Post, and back.

    Exit codes: 0 ok, 1 failed, 2 usage, 3 problems found, 4 not found, 5 refused, 75 temporary,
    78 configuration.
    """
    from gateway.cli.context import Home

    log.configure(sys.stderr)
    ctx.obj = Home(home.resolve())


def main() -> None:
    """Run a command; an error of ours is one line on stderr and an exit code, never a traceback."""
    try:
        result = cli(args=home_first(sys.argv[1:]), standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(EXIT_FAILED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except GatewayError as error:
        click.echo(str(error), err=True)
        sys.exit(exit_code(error))
    except Exception as error:  # noqa: BLE001 - the outermost line: types and places, no values
        log.bug(where="command", error=error)
        click.echo(f"{GatewayError()} Please report the line above.", err=True)
        sys.exit(EXIT_TEMPORARY)
    # Without standalone mode click hands the exit code of ctx.exit() back as the result.
    sys.exit(result if isinstance(result, int) else 0)


def home_first(args: list[str]) -> list[str]:
    """*args* with ``--home DIR`` moved to the front, so that it may stand before or after a command."""
    for place, arg in enumerate(args):
        if arg == "--":
            break
        if arg == "--home" and place + 1 < len(args):
            return [*args[place : place + 2], *args[:place], *args[place + 2 :]]
        if arg.startswith("--home="):
            return [arg, *args[:place], *args[place + 1 :]]
    return args
