"""Other rules on the post of the past; and what rules in shadow mode would have done."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import click

from gateway.cli.context import Home, as_json, pass_home, show_json
from gateway.cli.rules.context import files_at, since, since_option
from gateway.cli.why import show_actions, show_step
from gateway.errors import ConfigError, NotFound
from gateway.model.decision import Action
from gateway.model.rule_version import PastDecision
from gateway.rules.bundle import Bundle
from gateway.rules.compare import Comparison, Difference, Earlier, ShadowReport
from gateway.rules.engine import RuleSet
from gateway.rules.lists import Unread

_PAGE = 500


@click.command()
@since_option
@click.option("--rules", "path", required=True, type=click.Path(exists=True, path_type=Path), help="The rules to try.")
@click.option("--samples", type=click.IntRange(min=0), default=2, show_default=True, help="Items shown of each way to differ.")
@as_json
@pass_home
def replay(home: Home, *, text: str, path: Path, samples: int, as_json: bool) -> None:
    """Decide the post of the past again by other rules: same, different, newly unmatched; and why.

    Uses what is stored of each letter's last decision. Nothing is sent or changed.
    """
    bundle, lists = files_at(path)
    comparison = Comparison(bundle.rule_set(lists), samples=samples, earlier=_earlier(home))
    _each(home, since(text), comparison.add, quiet=as_json)
    if as_json:
        show_json(_as_json(comparison))
    else:
        _show(comparison)


@click.command()
@since_option
@as_json
@pass_home
def shadow(home: Home, *, text: str, as_json: bool) -> None:
    """What rules with mode = "skygge" would have done, held against what people did."""
    report = ShadowReport()
    _each(home, since(text), report.add, quiet=as_json)
    if as_json:
        rows = [
            {
                "rule": rule, "would": count, "agreed": report.agreed[rule], "disagreed": report.disagreed[rule],
                "nobody": report.nobody_acted(rule), "items": report.samples[rule],
            }
            for rule, count in report.would.most_common()
        ]  # fmt: skip
        show_json({"schema": "gateway.rules-shadow/1", "rules": rows})
        return
    if not report.would:
        click.echo("No rule in shadow mode would have changed anything.")
    for rule, count in report.would.most_common():
        acted = report.agreed[rule] + report.disagreed[rule]
        click.echo(
            f"{rule}: would have decided {count} items otherwise; {report.agreed[rule]} of {acted} that a person acted on agree, "
            f"nobody acted on {report.nobody_acted(rule)}."
        )
        click.echo(f"  such as {', '.join(report.samples[rule][:3])}")


def _each(home: Home, from_: datetime, count: Callable[[PastDecision], object], *, quiet: bool) -> None:
    """Count every decision since then, with a progress bar on a terminal."""
    length = home.ledger().count_decisions_since(from_)
    hidden = quiet or not sys.stderr.isatty()
    with click.progressbar(length=length, label="replaying", file=sys.stderr, hidden=hidden) as bar:
        for page in _pages(home, from_):
            for past in page:
                count(past)
            bar.update(len(page))


def _pages(home: Home, from_: datetime) -> Iterator[list[PastDecision]]:
    after = 0
    while page := home.ledger().decisions_since(from_, after=after, limit=_PAGE):
        yield page
        after = page[-1].id


def _show(comparison: Comparison) -> None:
    total = sum(comparison.counts.values())
    click.echo(f"{total} items: {_counts(comparison)}")
    for (before, after), count in comparison.by_rules.most_common():
        click.echo(f"\n{before} → {after}: {count}")
        for difference in comparison.kept.get((before, after), []):
            _show_difference(comparison, difference)
    if comparison.asks_text:
        click.echo("\nThe text of documents is not kept: tests of it answered no to every item.")


def _counts(comparison: Comparison) -> str:
    counts = comparison.counts
    return f"{counts['same']} same, {counts['different']} different, {counts['unmatched']} newly unmatched."


def _show_difference(comparison: Comparison, difference: Difference) -> None:
    then, now = comparison.why(difference)
    click.echo(f"  {difference.item}")
    for title, actions, steps in (
        ("then:", difference.before.actions, then), ("with these rules:", difference.after.actions, now),
    ):  # fmt: skip
        click.echo(f"    {title}")
        show_actions(actions, "      ")
        for step in steps:
            show_step(step, tree=True, indent="      ")


def _earlier(home: Home) -> Earlier:
    """Rule sets of the past, each read once."""

    @cache
    def earlier(version: str) -> RuleSet | None:
        try:
            return Bundle(files=home.ledger().rule_version(version).files).rule_set(Unread())
        except (NotFound, ConfigError):
            return None

    return earlier


def _as_json(comparison: Comparison) -> dict[str, Any]:
    return {
        "schema": "gateway.rules-replay/1",
        "version": comparison.rule_set.version,
        "asks_text": comparison.asks_text,
        "same": comparison.counts["same"],
        "different": comparison.counts["different"],
        "unmatched": comparison.counts["unmatched"],
        "groups": [
            {
                "before": before, "after": after, "count": count,
                "samples": [
                    {"item": one.item, "outcome": one.outcome, "then": _wants(one.before.actions), "now": _wants(one.after.actions)}
                    for one in comparison.kept.get((before, after), [])
                ],
            }
            for (before, after), count in comparison.by_rules.most_common()
        ],
    }  # fmt: skip


def _wants(actions: tuple[Action, ...]) -> list[str]:
    return [" ".join([one.kind, one.target, *(f"{key}={value}" for key, value in one.settings)]) for one in actions]
