"""Looking at rules before anybody lets them decide."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from gateway.cli.context import Home, as_json, pass_home, show_json
from gateway.cli.rules.context import configured, examined
from gateway.config.faults import faults_of
from gateway.errors import ConfigError
from gateway.rules.check import Checked

_PROBLEMS = 3
_PATHS = click.argument("paths", nargs=-1, type=click.Path(path_type=Path))


@click.command("check")
@_PATHS
@as_json
@pass_home
@click.pass_context
def check_(ctx: click.Context, home: Home, paths: tuple[Path, ...], *, as_json: bool) -> None:
    """Check rules: language, rules that never act, contradictions, dead destinations, examples.

    PATHS are rules files or folders; without any, those that gateway.toml names. Exit code 0, or 3 when
    there is an error; warnings alone leave it at 0.
    """
    found = _look(home, paths)
    errors = sum(len(one.errors) for _, one in found)
    if as_json:
        show_json(
            {
                "schema": "gateway.rules-check/1",
                "ok": not errors,
                "findings": [finding.as_dict() for _, one in found for finding in one.findings],
            }
        )
    else:
        for path, one in found:
            for finding in one.findings:
                click.echo(finding.line(), err=finding.level == "error")
            click.echo(_summary(path, one))
    ctx.exit(_PROBLEMS if errors else 0)


@click.command()
@_PATHS
@as_json
@pass_home
@click.pass_context
def test(ctx: click.Context, home: Home, paths: tuple[Path, ...], *, as_json: bool) -> None:
    """Run the examples that stand beside the rules.

    PATHS as for `check`. Exit code 0, or 3 when one does not come out as expected.
    """
    found = _look(home, paths)
    broken = [finding for _, one in found if one.rule_set is None for finding in one.errors]
    results = [result for _, one in found for result in one.examples]
    failed = [result for result in results if not result.passed]
    if as_json:
        told = [
            {"rule": one.rule, "name": one.name, "file": one.place.file, "row": one.place.row, "ok": one.passed, "says": one.says}
            for one in results
        ]
        show_json({"schema": "gateway.rules-test/1", "ok": not (failed or broken), "examples": told})
    else:
        for finding in broken:
            click.echo(finding.line(), err=True)
        for result in failed:
            click.echo(f"{result.place}, rule {result.rule}: »{result.name}«: {result.says}", err=True)
        click.echo(f"{len(results)} examples, {len(failed)} failed.")
    ctx.exit(_PROBLEMS if failed or broken else 0)


def _look(home: Home, paths: Sequence[Path]) -> list[tuple[Path | None, Checked]]:
    looked: list[tuple[Path | None, Checked]] = []
    wanted: Sequence[Path | None] = paths or [configured(home)]
    for path in wanted:
        try:
            looked.append((path, examined(home, path)[1]))
        except ConfigError as error:
            says = " ".join(fault.line() for fault in faults_of(error))
            raise ConfigError(problems=says, faults=error.facts.get("faults", ())) from None
    return looked


def _summary(path: Path | None, found: Checked) -> str:
    name = "built-in rules" if path is None else path.name
    if found.rule_set is None:
        return f"{name}: cannot be read, {len(found.errors)} errors."
    warnings = len(found.findings) - len(found.errors)
    return (
        f"{name}: {len(found.rule_set.rules)} rules, {len(found.examples)} examples, "
        f"{len(found.errors)} errors, {warnings} warnings."
    )
