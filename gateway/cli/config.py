"""Commands about the configuration: make it, check it, and look at the world around it."""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

import click

from gateway.cli.context import Home, as_json, pass_home, show_json
from gateway.config.faults import Fault, faults_of
from gateway.config.load import load_settings
from gateway.errors import ConfigError, InvalidCvr
from gateway.model.identity import Cvr

# sysexits.h, EX_CONFIG; and ours for "looked, and found something".
_EXIT_CONFIG, _EXIT_PROBLEMS = 78, 3
_DOMAIN = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}", re.ASCII)
_ENVIRONMENTS = ("demo", "test", "production")
_MARKS = {"ok": "ok  ", "warn": "WARN", "fail": "FAIL"}


# ── init ────────────────────────────────────────────────────────────────────


@click.command()
@click.option("--organisation", help="Name the recipients see as sender.")
@click.option("--cvr", help="CVR number of the organisation.")
@click.option("--domain", help="Mail domain for letters, such as dp.example.dk.")
@click.option("--environment", type=click.Choice(_ENVIRONMENTS), help="demo has a sandbox Digital Post built in.")
@click.option("--database", help="sqlite:///ledger.db, or postgresql://USER@HOST/NAME for several nodes.")
@click.option("--yes", is_flag=True, help="Ask nothing; what is not given gets its default.")
@pass_home
def init(
    home: Home,
    organisation: str | None,
    cvr: str | None,
    domain: str | None,
    environment: str | None,
    database: str | None,
    *,
    yes: bool,
) -> None:
    """Make a new gateway: gateway.toml and the folders beside it.

    Asks for what is not given, if there is a terminal. Never writes over a gateway.toml.
    """
    from gateway.cli.new_home import Answers, make_home

    ask = not yes and _at_a_terminal()
    chosen = environment or _answer(ask, "--environment", "Environment (demo, test, production)", "demo")
    if chosen not in _ENVIRONMENTS:
        raise click.BadParameter("demo, test or production", param_hint="--environment")
    answers = Answers(
        organisation=organisation or _answer(ask, "--organisation", "Name of the organisation"),
        cvr=_cvr(cvr or _answer(ask, "--cvr", "CVR number"), allow_test=chosen != "production"),
        domain=_domain(domain or _answer(ask, "--domain", "Mail domain for letters, such as dp.example.dk")),
        environment=chosen,
        database=database or _answer(ask, "--database", "Database", "sqlite:///ledger.db"),
    )
    make_home(home.home, answers)
    click.echo(_next_steps(home.home, chosen))


def _at_a_terminal() -> bool:
    return sys.stdin.isatty()


def _answer(ask: bool, flag: str, question: str, default: str | None = None) -> str:
    """What the person at the terminal says, else *default*; without either the flag was needed."""
    if ask:
        return str(click.prompt(question, default=default))
    if default is None:
        raise click.UsageError(f"{flag} is missing, and nobody is there to be asked.")
    return default


def _cvr(text: str, *, allow_test: bool) -> str:
    try:
        return Cvr.parse(text.replace(" ", ""), allow_test=allow_test).number
    except InvalidCvr:
        raise click.BadParameter("8 digits with a check digit that fits", param_hint="--cvr") from None


def _domain(text: str) -> str:
    domain = text.strip().lower().removeprefix("@")
    if not _DOMAIN.fullmatch(domain):
        raise click.BadParameter("a mail domain such as dp.example.dk", param_hint="--domain")
    return domain


def _next_steps(home: Path, environment: str) -> str:
    at = f"gateway --home {home}"
    if environment == "demo":
        first = f"start the sandbox Digital Post in another terminal:  {at} sandbox"
    else:
        first = f"fill in [digital_post] and [mail]; put certificates into {home / 'tls'}, the token into {home / 'secrets'}"
    steps = [
        first,
        f"make the database:  {at} db migrate",
        f"let somebody send:  {at} user add NAME --address NAME@…",
        f"check everything:   {at} doctor",
        f"start:              {at} serve",
    ]
    numbered = "\n".join(f"  {number}. {step}" for number, step in enumerate(steps, 1))
    return f"Wrote {home / 'gateway.toml'} (0640), users.toml, secrets/ and tls/.\nNext:\n{numbered}"


# ── check-config ────────────────────────────────────────────────────────────


@click.command("check-config")
@as_json
@pass_home
@click.pass_context
def check_config(ctx: click.Context, home: Home, *, as_json: bool) -> None:
    """Check gateway.toml, the variables, the rules and the users; tell every fault.

    Exit code 0, or 78 when there is a fault.
    """
    faults = every_fault(home.home)
    if as_json:
        told = [fault.as_dict() for fault in faults]
        show_json({"schema": "gateway.check-config/1", "ok": not faults, "faults": told})
    elif faults:
        for fault in faults:
            click.echo(f"{ConfigError.code}: {fault.line()}", err=True)
    else:
        click.echo("The configuration is fine.")
    ctx.exit(_EXIT_CONFIG if faults else 0)


def every_fault(home: Path) -> list[Fault]:
    """Faults of the settings; if there are none, of the files they name."""
    from gateway.ingress.smtp.users import list_users
    from gateway.wiring.meaning import rule_set_of

    faults: list[Fault] = []
    try:
        settings = load_settings(home)
    except ConfigError as error:
        return list(faults_of(error))
    try:
        rule_set_of(settings)
    except ConfigError as error:
        faults.extend(faults_of(error))
    try:
        list_users(settings.path(settings.smtp.users))
    except ConfigError as error:
        faults.extend(faults_of(error))
    return faults


# ── doctor ──────────────────────────────────────────────────────────────────


@click.command()
@as_json
@pass_home
@click.pass_context
def doctor(ctx: click.Context, home: Home, *, as_json: bool) -> None:
    """Look at everything the gateway stands on, and say how to mend what is wrong.

    Exit code 0, or 3 when something fails; warnings alone leave it at 0.
    """
    from gateway.cli.doctor import examine

    findings = []
    for finding in examine(home.home):
        findings.append(finding)
        if not as_json:  # one by one: a look over the network takes seconds
            click.echo(f"{_MARKS[finding.level]}  {finding.check}: {finding.says}")
            if finding.remedy:
                click.echo(f"      → {finding.remedy}")
    count = Counter(finding.level for finding in findings)
    if as_json:
        checks = [finding.as_dict() for finding in findings]
        show_json({"schema": "gateway.doctor/1", "ok": not count["fail"], "checks": checks})
    else:
        click.echo(f"\n{count['ok']} ok, {count['warn']} warnings, {count['fail']} failed.")
    ctx.exit(_EXIT_PROBLEMS if count["fail"] else 0)
