"""The whole examination of a rule set before it may decide: does it load, does it make sense, do its
examples come out as expected?
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from gateway.config.faults import Fault, faults_of
from gateway.errors import ConfigError
from gateway.rules.bundle import Bundle
from gateway.rules.engine import RuleSet
from gateway.rules.examples import ExampleResult, ReadMail, run_examples
from gateway.rules.finding import Finding
from gateway.rules.lint import lint
from gateway.rules.lists import Lists
from gateway.rules.rule import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was found."""

    rule_set: RuleSet | None
    """None: it cannot be read."""
    findings: tuple[Finding, ...]
    """Faults of reading, then of sense, then of examples."""
    examples: tuple[ExampleResult, ...] = ()

    @property
    def errors(self) -> list[Finding]:
        """Findings that keep the set from deciding."""
        return [finding for finding in self.findings if finding.level == "error"]


def check(
    bundle: Bundle,
    lists: Lists,
    *,
    destinations: Collection[str],
    archives: Collection[str],
    flows: Collection[str],
    today: date,
    read_mail: ReadMail | None = None,
) -> Checked:
    """Examine *bundle*.

    Args:
        destinations: names that ``send`` may use here.
        archives: names that ``archive`` may use here.
        flows: names of the flows that exist besides those of the set.
        today: Danish day.
        read_mail: for examples that are mails.
    """
    try:
        rule_set = bundle.rule_set(lists, destinations=destinations, archives=archives)
    except ConfigError as error:
        return Checked(rule_set=None, findings=tuple(_fault(fault) for fault in faults_of(error)))
    results = tuple(run_examples(rule_set, read_mail=read_mail))
    findings = lint(rule_set, flows=flows, lists=lists, today=today)
    twice = sorted(set(flows) & set(rule_set.flows) - {"default"})
    findings += [_flow_twice(rule_set, name) for name in twice]
    findings += [_failed(result) for result in results if not result.passed]
    return Checked(rule_set=rule_set, findings=tuple(findings), examples=results)


def _fault(fault: Fault) -> Finding:
    place = Place(file=fault.file, row=fault.row)
    at = " ".join(part for part in (fault.section, fault.key) if part)
    says = fault.says or f"found {fault.found}."
    remedy = f'Did you mean "{fault.nearest}"?' if fault.nearest else fault.remedy
    if not remedy:
        remedy = f"Write {fault.expected}." if fault.expected else "`gateway rules fields` lists what there is."
    return Finding(code="cannot-be-read", level="error", place=place, says=f"{at}: {says}" if at else says, remedy=remedy)


def _failed(result: ExampleResult) -> Finding:
    return Finding(
        code="example-fails", level="error", place=result.place, rule=result.rule,
        says=f"its example »{result.name}« does not come out: {result.says}",
        remedy="Mend the rule, or the example if it is what should change.",
    )  # fmt: skip


def _flow_twice(rule_set: RuleSet, name: str) -> Finding:
    return Finding(
        code="flow-twice", level="error", place=rule_set.places.get(name, Place(file="flows")),
        says=f"[flows.{name}] stands in gateway.toml too.", remedy="Keep it in one of the two.",
    )  # fmt: skip
