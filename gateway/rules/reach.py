"""Rules that post never reaches, since rules above them have surely decided.

A rule acts if one of its groups is still open when its turn comes. So it never acts if, for each of its
groups, all that it matches is matched by rules above it that surely close this group or end the chain.
Surely: rules with dates or another mode than `aktiv` close nothing, nor does a hold or a call for approval,
which a person may overrule, nor a text that perhaps cannot be filled in, which holds too; a send closes nothing for what the destination refused, where the set asks
about refusals (only then is a letter routed again after one).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gateway.rules.catalogue import FIELDS
from gateway.rules.cover import MOST_WORK, Judge
from gateway.rules.engine import RuleSet
from gateway.rules.finding import Finding
from gateway.rules.language import tests_of
from gateway.rules.questions import question
from gateway.rules.rule import Rule, Wanted
from gateway.rules.terms import Literal, Term, both, matched_by

REFUSED = ("refused_by", "refused_code")
LITTLE_WORK = 1_000
"""For the question whether one rule alone decides: there is one for each pair of rules."""
MOST_TOLD = 6
"""Rules that are named in one finding."""
_STOPS = ("hold", "reject")
_OVERRULED = ("hold", "approve")
_GOES_ON = ("send", "forward")


def never_acts(rules: Sequence[Rule], judge: Judge, rule_set: RuleSet) -> Iterator[Finding]:
    """Findings about *rules*, those of one direction of *rule_set* that are not off, in order."""
    asks_refusals = any(rule_set.uses(name) for name in REFUSED)
    first = _Above(judge, refusals=asks_refusals, overruling=True)
    after_refusal = _Above(judge, refusals=False, overruling=True) if asks_refusals else None
    second = _Above(judge, refusals=False, overruling=False)
    for rule in rules:
        if blocking := first.blocking(rule):
            yield _never(rule, blocking)
        elif not _asks_refusals(rule):
            if after_refusal is not None and (blocking := after_refusal.blocking(rule)):
                yield _late(rule, blocking, "a destination refused")
            elif not any(wanted.kind in _GOES_ON for wanted in rule.then) and (blocking := second.blocking(rule)):
                yield _late(rule, blocking, "a person released")
        for above in (first, after_refusal, second):
            if above is not None:
                above.add(rule)


def _asks_refusals(rule: Rule) -> bool:
    return any(test.field in REFUSED for test in (*tests_of(rule.when), *tests_of(rule.unless)))


def _never(rule: Rule, blocking: Sequence[Rule]) -> Finding:
    first = blocking[0]
    if len(blocking) == 1 and first.next == "stop" and not rule.groups <= first.groups:
        return Finding(
            code="shadowed", level="error", place=rule.place, rule=rule.id,
            says=f'it never acts: {_told(blocking)} above it matches all that it matches, and ends the chain (next = "stop").',
            remedy=f"Move it above {first.id}, or take `next` away there.",
        )  # fmt: skip
    if len(blocking) == 1:
        return Finding(
            code="shadowed", level="error", place=rule.place, rule=rule.id,
            says=f"it never acts: {_told(blocking)} above it matches all that it matches, and decides first.",
            remedy=f"Move it above {first.id}, or take it away.",
        )  # fmt: skip
    return Finding(
        code="unreachable", level="error", place=rule.place, rule=rule.id,
        says=f"it never acts: {_told(blocking)} above it together match all that it matches, and decide first.",
        remedy="Move it above them, or take it away.",
    )  # fmt: skip


def _late(rule: Rule, blocking: Sequence[Rule], whose: str) -> Finding:
    return Finding(
        code="acts-late", level="warning", place=rule.place, rule=rule.id,
        says=f"it acts only on post that {whose}: all other is decided by {_told(blocking)} above it.",
        remedy="Move it up if it is meant for other post too.",
    )  # fmt: skip


def _told(rules: Sequence[Rule]) -> str:
    named = [f"{rule.id} ({rule.place})" for rule in rules[:MOST_TOLD]]
    more = len(rules) - len(named)
    if more:
        return f"{', '.join(named)} and {more} more"
    return f"{', '.join(named[:-1])} and {named[-1]}" if len(named) > 1 else named[0]


def _always_fills(wanted: Wanted) -> bool:
    """Whether its texts surely can be filled in, with something that fits. If not, the item is held."""
    if wanted.kind == "set":
        return not wanted.templates
    return all(set(one.names) <= {"year", "day"} and "|" not in one.text and "{%" not in one.text for one in wanted.templates)


@dataclass(frozen=True, slots=True)
class _Link:
    """A rule, and when it has surely decided what."""

    rule: Rule
    terms: Sequence[Term] | None
    """When it matches; None: not known."""
    closes: Mapping[str, Sequence[Term]]
    """When a group is surely closed after it."""
    ends: Sequence[Term]
    """When the chain has surely ended with it, or before it."""


class _Above:
    """The rules above the one that is looked at.

    Args:
        refusals: letters may come again that a destination refused.
        overruling: letters may come again that a person released.
    """

    def __init__(self, judge: Judge, *, refusals: bool, overruling: bool) -> None:
        self._judge = judge
        self._refusals = refusals
        self._overruling = overruling
        self._links: list[_Link] = []

    def blocking(self, rule: Rule) -> list[Rule]:
        """The rules above that leave *rule* nothing to decide, one if one is enough; empty: not surely."""
        terms = matched_by(rule)
        if terms is None:
            return []
        groups = sorted(rule.groups)
        links = [link for link in self._links if self._meets(link, terms, groups)]
        alone = next((link for link in links if self._deciding(terms, groups, [link], work=LITTLE_WORK)), None)
        if alone is not None:
            return [alone.rule]
        links = self._deciding(terms, groups, links)
        for link in links[::-1] if len(links) <= MOST_TOLD else []:
            links = self._deciding(terms, groups, [one for one in links if one is not link]) or links
        return [link.rule for link in links]

    def add(self, rule: Rule) -> None:
        """*rule* stands above all that is asked about later."""
        terms = matched_by(rule)
        closes: dict[str, list[Term]] = {}
        ends: list[Term] = []
        if terms is not None and rule.mode == "aktiv" and not (rule.first or rule.last):
            for wanted in rule.then:
                sure = both(terms, self._sure(wanted))
                if rule.next != "fortsæt":
                    closes.setdefault(wanted.group, []).extend(sure)
                if (rule.next == "stop" or wanted.kind in _STOPS) and not self._may_be_closed(wanted.group, terms):
                    ends += sure
        self._links.append(_Link(rule, terms, closes, ends))

    def _sure(self, wanted: Wanted) -> list[Term]:
        """When an action is surely taken, if its group is open and its rule matches."""
        if self._overruling and (wanted.kind in _OVERRULED or not _always_fills(wanted)):
            return []
        if wanted.kind != "send" or not self._refusals:
            return [()]
        if not isinstance(wanted.target, str):
            return []
        return [(Literal(question(FIELDS["refused_by"], "contains", wanted.target, {}), wanted=False),)]

    def _may_be_closed(self, group: str, terms: Sequence[Term]) -> bool:
        """Whether a rule above may have closed *group* without ending the chain."""
        return any(
            group in link.rule.groups
            and link.rule.next != "fortsæt"
            and any(wanted.group == group and wanted.kind not in _STOPS for wanted in link.rule.then)
            and (link.terms is None or not self._judge.apart(link.terms, terms))
            for link in self._links
        )

    def _deciding(
        self, terms: Sequence[Term], groups: Sequence[str], links: Sequence[_Link], *, work: int = MOST_WORK
    ) -> list[_Link]:
        """Those of *links* by which all *groups* are surely decided; empty: they are not."""
        needed: set[int] = set()
        for group in groups:
            covers = [(place, term) for place, link in enumerate(links) for term in (*link.closes.get(group, ()), *link.ends)]
            used = self._judge.covered(terms, [term for _, term in covers], work=work)
            if used is None:
                return []
            needed |= {covers[number][0] for number in used}
        return [links[place] for place in sorted(needed)]

    def _meets(self, link: _Link, terms: Sequence[Term], groups: Sequence[str]) -> bool:
        covers = [*link.ends, *(term for group in groups for term in link.closes.get(group, ()))]
        return bool(covers) and not self._judge.apart(covers, terms)
