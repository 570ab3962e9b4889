"""Decisions a second: the gateway's rules beside zen-engine and rule-engine, on the same rules and facts, in one run.

    python -m bench.rules [--rules 200] [--facts 10000] [--seconds 2]

Needs ``pip install --require-hashes -r requirements/bench.lock``. One core. Ours keeps the whole trail
with every decision; rule-engine has none, and is asked rule after rule until one matches; zen-engine gets
the rules as one decision table, first hit, without its trace. All three must name the same rule for each
item of a sample, or nothing is measured. Below: what a hard regular expression costs on a megabyte of text.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.model.decision import Facts
from gateway.rules.bundle import Bundle
from gateway.rules.engine import RuleSet
from gateway.rules.patterns import BadPattern, Pattern
from gateway.rules.usual import usual_facts

try:
    import rule_engine
    import zen
except ImportError:
    sys.exit("needs the packages of requirements/bench.lock")

SAMPLE = 500
FLOWS = [f"flow{number}" for number in range(30)]
PEOPLE = [f"user{number}" for number in range(60)]
WORDS = ["rykker", "faktura", "løn", "fravær", "praktik", "opsigelse", "varsling", "indkaldelse"]
EVIL = [
    r"(a+)+$", r"(a|aa)+$", r"^(a+)+$", r"(.*a){20}", r"^(([a-z])+.)+[A-Z]([a-z])+$", r"(?:a?){50}a{50}", r"(x+x+)+y",
    r"^(.*?,){11}P", r".*.*.*.*=.*", r"(\w+\s?)*$", r"[\w.-]+@[\w.-]+\.\w+$", r"\w{1,200}@", r".{0,500}x",
    r"(?s)^.*a.{100}$", r"([ab]*a[ab]{60})+c", r"(a|b)*a(a|b){200}c", r"^([a-zA-Z0-9])(([\-.]|[_]+)?([a-zA-Z0-9]+))*(@){1}[a-z0-9]+[.]{1}",
]  # fmt: skip

Test = tuple[str, str, Any]
"""Field, operator, value."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rules", type=int, default=200)
    parser.add_argument("--facts", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    chance = random.Random(1)
    facts = [some_facts(chance) for _ in range(options.facts)]
    print("rules                     gateway/s  rule-engine/s      zen/s   to rule-engine   to zen")
    for name, texts in (("without text conditions", False), ("with text conditions", True)):
        rules = [some_rule(chance, texts=texts) for _ in range(options.rules - 1)]
        asked = {"gateway": ours(rules), "rule-engine": theirs(rules), "zen": zens(rules)}
        agree(asked, facts[:SAMPLE])
        rates = {who: rate(ask, facts, options.seconds) for who, ask in asked.items()}
        print(
            f"{name:<25} {rates['gateway']:>9.0f} {rates['rule-engine']:>14.0f} {rates['zen']:>10.0f}"
            f" {rates['gateway'] / rates['rule-engine']:>15.1f} {rates['gateway'] / rates['zen']:>8.1f}"
        )
    hard_texts()
    return 0


def some_facts(chance: random.Random) -> Facts:
    at = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(minutes=chance.randrange(40_000))
    return replace(
        usual_facts("outbound"), received_at=at, submitter=chance.choice(PEOPLE), flow=chance.choice(FLOWS),
        subject=f"{chance.choice(WORDS)} nr. {chance.randrange(100_000)}", recipient_kind=chance.choice(["cpr", "cvr"]),
        reach=chance.choice(["registered"] * 9 + ["exempt"]), copy=chance.random() < 0.1,
        pages=chance.randrange(1, 40), document_count=chance.randrange(1, 6), size_bytes=chance.randrange(10**7),
    )  # fmt: skip


def some_rule(chance: random.Random, *, texts: bool) -> list[Test]:
    """Two or three tests that must all hold; few items fit any one of them."""
    tests: list[Test] = [chance.choice([("flow", "equals", chance.choice(FLOWS)), ("submitter", "equals", chance.choice(PEOPLE))])]
    if texts:
        tests.append(("subject", "contains", f"{chance.choice(WORDS)} nr. {chance.randrange(100)}"))
    tests.append(
        chance.choice(
            [("pages", "at_least", chance.randrange(20, 40)), ("size_bytes", "at_most", chance.randrange(10**6)),
             ("recipient_kind", "equals", "cvr"), ("document_count", "at_least", chance.randrange(3, 6))]
        )
    )  # fmt: skip
    if chance.random() < 0.5:
        tests.append(("copy", "equals", True))
    return tests


# ── the three ───────────────────────────────────────────────────────────────


def ours(rules: Sequence[Sequence[Test]]) -> Callable[[Facts], str]:
    text = ""
    for number, tests in enumerate(rules):
        asked = ", ".join(f'{{ field = "{name}", {operator} = {json.dumps(value)} }}' for name, operator, value in tests)
        text += f'[[rule]]\nid = "r{number}"\nname = "R"\nwhen = {{ all = [ {asked} ] }}\nthen = [ {{ send = "digital-post" }}, {{ archive = "archive" }} ]\n'
    text += '[[rule]]\nid = "rest"\nname = "Rest"\nthen = [ { send = "digital-post" }, { archive = "archive" } ]\n'
    rule_set: RuleSet = Bundle(files={"rules.toml": text}).rule_set({})
    return lambda facts: rule_set.decide(facts).rule


def theirs(rules: Sequence[Sequence[Test]]) -> Callable[[Facts], str]:
    written = {"equals": "{} == {}", "contains": "{1} in {0}", "at_least": "{} >= {}", "at_most": "{} <= {}"}
    context = rule_engine.Context(resolver=rule_engine.resolve_attribute)
    made = [
        (f"r{number}", rule_engine.Rule(" and ".join(written[how].format(name, json.dumps(value)) for name, how, value in tests), context=context))
        for number, tests in enumerate(rules)
    ]  # fmt: skip
    return lambda facts: next((name for name, rule in made if rule.matches(facts)), "rest")


def zens(rules: Sequence[Sequence[Test]]) -> Callable[[Facts], str]:
    names = ["flow", "submitter", "subject", "pages", "size_bytes", "recipient_kind", "document_count", "copy"]
    written = {"equals": "{}", "at_least": ">= {}", "at_most": "<= {}"}
    rows = []
    for number, tests in enumerate(rules):
        row = {"_id": f"r{number}", "out": json.dumps(f"r{number}")}
        for name, how, value in tests:
            row[name] = f"contains($, {json.dumps(value)})" if how == "contains" else written[how].format(json.dumps(value))
        rows.append(row)
    rows.append({"_id": "rest", "out": '"rest"'})
    table = {
        "hitPolicy": "first", "rules": rows,
        "inputs": [{"id": name, "name": name, "type": "expression", "field": name} for name in names],
        "outputs": [{"id": "out", "name": "out", "type": "expression", "field": "rule"}],
    }  # fmt: skip
    graph = {
        "nodes": [
            {"id": "in", "name": "in", "type": "inputNode"}, {"id": "out", "name": "out", "type": "outputNode"},
            {"id": "table", "name": "table", "type": "decisionTableNode", "content": table},
        ],
        "edges": [
            {"id": "a", "sourceId": "in", "targetId": "table", "type": "edge"},
            {"id": "b", "sourceId": "table", "targetId": "out", "type": "edge"},
        ],
    }  # fmt: skip
    decision = zen.ZenEngine().create_decision(json.dumps(graph))

    def ask(facts: Facts) -> str:
        answer = decision.evaluate({name: getattr(facts, name) for name in names})
        return str(answer["result"]["rule"])

    return ask


def agree(asked: dict[str, Callable[[Facts], str]], facts: Sequence[Facts]) -> None:
    for one in facts:
        answers = {who: ask(one) for who, ask in asked.items()}
        if len(set(answers.values())) > 1:
            sys.exit(f"they decide differently: {answers}")


def rate(ask: Callable[[Facts], str], facts: Sequence[Facts], seconds: float) -> float:
    """Decisions a second of processor time, over whole rounds of *facts* or until the time is up."""
    done, began = 0, time.process_time()
    while time.process_time() - began < seconds:
        for one in facts[:1000] if done == 0 else facts:
            ask(one)
            done += 1
            if done % 50 == 0 and time.process_time() - began > seconds:
                break
    return done / (time.process_time() - began)


def hard_texts() -> None:
    """The longest that one decision takes with each pattern, on texts of a million letters made against it."""
    chance = random.Random(2)
    texts = ["a" * 10**6, "".join(chance.choices("ab", k=10**6)), "".join(chance.choices("ab ,=x@.-1", k=10**6)), "x" * 10**6]
    worst, refused = (0.0, ""), 0
    for pattern in EVIL:
        try:
            Pattern(pattern)
        except BadPattern:
            refused += 1
            continue
        text = f"[[rule]]\nid = 'evil'\nname = 'E'\nwhen = {{ field = 'text', matches = '{pattern}' }}\nthen = [ {{ hold = 'x' }} ]\n"
        rules = Bundle(files={"rules.toml": text}).rule_set({})
        for one in texts:
            facts = replace(usual_facts("outbound"), text=one)
            began = time.process_time()
            rules.decide(facts)
            worst = max(worst, ((time.process_time() - began) * 1000, pattern))
    print(f"\nhard patterns on 1 MB of text: {len(EVIL)}, refused when loaded {refused}; slowest decision {worst[0]:.0f} ms ({worst[1]})")


if __name__ == "__main__":
    sys.exit(main())
