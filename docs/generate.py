"""Writes the pages of docs/reference that are made from the code.

`./dev docs` runs it; tests/docs fails when a page is older than the code it tells about.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import generate_rules

from gateway.config.describe import Setting, describe_settings
from gateway.errors import (
    GatewayError,
    OperatorError,
    OurError,
    RemoteError,
    SubmitterError,
    every_error,
)
from gateway.rules.schema import schema
from gateway.sandbox.dials import every_dial

REFERENCE = Path(__file__).resolve().parent / "reference"
MADE = "<!-- Made by `./dev docs` from {source}; change that, not this page. -->\n"


def main() -> int:
    """Write every page; the exit code."""
    for name, page in PAGES.items():
        (REFERENCE / name).parent.mkdir(parents=True, exist_ok=True)
        (REFERENCE / name).write_text(page(), encoding="utf-8")
        sys.stdout.write(f"wrote docs/reference/{name}\n")
    return 0


# ── errors ──────────────────────────────────────────────────────────────────

ERROR_GROUPS: tuple[tuple[type[GatewayError], str, str], ...] = (
    (
        OperatorError,
        "At the terminal",
        "For the person who typed the command or wrote the configuration.",
    ),
    (
        SubmitterError,
        "The submitter can mend it",
        "Told in Danish in the notice to the submitter, and kept with the submission.",
    ),
    (
        RemoteError,
        "Somebody else",
        "Digital Post, the mail relay or the archive said no, or said nothing.",
    ),
    (
        OurError,
        "Ours",
        "Our disk, our ledger, our bug. Whoever hands us post is told to try again, and no more.",
    ),
)


def errors_page() -> str:
    """Every class of gateway.errors with a code of its own, under the group it belongs to."""
    lines = [MADE.format(source="gateway/errors.py"), "# Error codes\n", ERRORS_INTRODUCTION]
    plain = [kind for kind in every_error() if not issubclass(kind, tuple(group for group, _, _ in ERROR_GROUPS))]
    for group, title, about in ERROR_GROUPS:
        kinds = [kind for kind in every_error() if issubclass(kind, group)]
        lines += _error_table(title, about, kinds)
    lines += _error_table("Anything else", "What nobody foresaw.", plain)
    return "\n".join(lines)


ERRORS_INTRODUCTION = """\
A code never changes its meaning and is never used again.
*Tried again* says whether the gateway itself goes on trying; when it says no, somebody must act.
`{words}` stand for a limit, a count or a remote code; never for a number, a name or a file name.
What to do about each kind is in [How to operate](../howto/operate.md).
"""


def _error_table(title: str, about: str, kinds: list[type[GatewayError]]) -> Iterator[str]:
    if not kinds:
        return
    yield f"## {title}\n\n{about}\n"
    yield "| Code | Title | Sentence | What to do | Tried again |"
    yield "|---|---|---|---|---|"
    for kind in kinds:
        again = "yes" if kind.temporary else "no"
        yield f"| {kind.code} | {kind.title} | {_cell(kind.sentence)} | {_cell(kind.remedy)} | {again} |"
    yield ""


# ── settings ────────────────────────────────────────────────────────────────

SETTINGS_INTRODUCTION = """\
`gateway.toml` in the gateway's home holds them; `gateway check-config` judges the file.
An environment variable wins over the file: `GATEWAY_SMTP__PORT=2525` is `[smtp] port`.
A setting that ends in `_file` names a file that holds a secret; the secret itself never stands in `gateway.toml`.
Paths are relative to the home.
An unknown key is a fault, and the nearest known one is named.

A *size* is a number of bytes or text such as `"10 MB"` (10 000 000) or `"10 MiB"` (10 485 760).
A *duration* is text such as `"30 s"`, `"5 min"`, `"2 h"`, `"1 day"`, or a number of seconds.
"""


def settings_page() -> str:
    """Every setting, table by table as they stand in the file."""
    lines = [MADE.format(source="gateway/config/settings.py"), "# Settings\n", SETTINGS_INTRODUCTION]
    settings = describe_settings()
    for section in dict.fromkeys(setting.section for setting in settings):
        lines += [f"## {section or 'At the top of the file'}\n", "| Setting | Is | Default | |", "|---|---|---|---|"]
        lines += [_settings_row(setting) for setting in settings if setting.section == section]
        lines.append("")
    return "\n".join(lines)


def _settings_row(setting: Setting) -> str:
    name = setting.name.rpartition(".")[2]
    default = setting.default if setting.default in ("required", "not set") else f"`{setting.default}`"
    return f"| `{name}` | {_cell(setting.expects)} | {_cell(default)} | {_cell(setting.text)} |"


# ── commands ────────────────────────────────────────────────────────────────

COMMANDS_INTRODUCTION = """\
The gateway's home is chosen by `--home DIR` or `GATEWAY_HOME`.
What `--json` prints is in [JSON shapes](json.md), what a command exits with in [Exit codes](exit-codes.md).
"""


def commands_page() -> str:
    """The help of every command, as the terminal shows it."""
    lines = [MADE.format(source="gateway/cli"), "# Commands\n", COMMANDS_INTRODUCTION]
    for path, command in commands(root_command(), "gateway"):
        context = click.Context(command, info_name=path, terminal_width=96)
        lines.append(f"## {path}\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(lines)


def root_command() -> click.Command:
    """The command `gateway` itself."""
    from gateway.cli.main import cli

    return cli


def commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """*command* and all below it, each with what one types to reach it."""
    yield (path, command)
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=path)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None and not below.hidden:
                yield from commands(below, f"{path} {name}")


# ── dials ───────────────────────────────────────────────────────────────────

DIALS_INTRODUCTION = """\
`gateway sandbox dial NAME=VALUE` turns one, running or not; it holds from the next request on. Without a name it shows where they stand.
A fault's value is `HOW_OFTEN[,ARGUMENT]`: `off`, `always`, a count of next times (`3`), or a share (`20%`).
`throttled=20%,30` answers a fifth of the requests with 429 and `Retry-After: 30`.
A name as it stands is about sending; with `receipts.` or `contacts.` before it, about those.
Lists that hold CPR numbers are read from standard input: `gateway sandbox dial exempt=-`.
"""

NO_DEFAULT = " (default '')"


def dials_page() -> str:
    """Every fault that the sandbox can show."""
    lines = [MADE.format(source="gateway/sandbox/dials.py"), "# Dials of the sandbox\n", DIALS_INTRODUCTION]
    lines += ["| Dial | Does |", "|---|---|"]
    for name, does in every_dial().items():
        lines.append(f"| `{name}` | {_cell(does.removesuffix(NO_DEFAULT))} |")
    return "\n".join(lines) + "\n"


# ── rules ───────────────────────────────────────────────────────────────────


def rules_schema() -> str:
    """The JSON Schema of a rules file, for editors."""
    return json.dumps(schema(), ensure_ascii=False, indent=2) + "\n"


def _cell(text: str) -> str:
    """*text* in one cell of a table; reStructuredText backticks become single ones."""
    return " ".join(text.replace("``", "`").split()).replace("|", "\\|")


PAGES: dict[str, Callable[[], str]] = {
    "errors.md": errors_page,
    "settings.md": settings_page,
    "commands.md": commands_page,
    "dials.md": dials_page,
    "rules.schema.json": rules_schema,
    **generate_rules.pages(),
}
"""Every generated page by its name in docs/reference."""

if __name__ == "__main__":
    sys.exit(main())
