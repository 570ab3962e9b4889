"""Seconds to decide the post of a month again: `gateway rules replay` as it is typed, on a terminal.

    python -m bench.replay [--letters 10000] [--rules 200] [--folder var/bench-replay]

The letters lie in a SQLite ledger, each with its decision and facts; two of the new rules decide otherwise.
The floor is what reading the same rows of the same file takes without deciding anything.
"""

from __future__ import annotations

import argparse
import os
import pty
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.letters import arrival, opened, read, route_end
from bench.rules import some_facts, some_rule
from gateway.rules.bundle import Bundle
from gateway.storage.store import SqlLedger, migrate

TARGET = 10.0
HOME = """
environment = "test"
[organisation]
name = "Skolen"
cvr = "12345674"
[smtp]
domains = ["dp.example.dk"]
[digital_post]
base_url = "https://127.0.0.1/apis/v1"
system_id = "bench"
[mail]
sender = "digitalpost@dp.example.dk"
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--letters", type=int, default=10_000)
    parser.add_argument("--rules", type=int, default=200)
    parser.add_argument("--folder", type=Path, default=Path("var/bench-replay"))
    options = parser.parse_args()
    home = options.folder.absolute()
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    try:
        (home / "gateway.toml").write_text(HOME, encoding="utf-8")
        chance = random.Random(1)
        rules = [some_rule(chance, texts=number % 2 == 1) for number in range(options.rules - 1)]
        before, after = text_of(rules, "A"), text_of(rules, "B")
        (home / "new.toml").write_text(after, encoding="utf-8")
        migrate(f"sqlite:///{home / 'ledger.db'}")
        with opened(f"sqlite:///{home / 'ledger.db'}") as ledger:
            fill(ledger, Bundle(files={"rules.toml": before}), chance, options.letters)
        floor = reading(home / "ledger.db")
        seconds, shown = replayed(home)
        print(shown[-1500:])
        print(f"\n{options.letters} letters, {options.rules} rules: {seconds:.1f} s (target {TARGET:.0f}); reading the rows alone {floor:.1f} s")
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return 0


def text_of(rules: list[list[tuple[str, str, object]]], case: str) -> str:
    """A rules file; every tenth rule archives in *case*."""
    text = ""
    for number, tests in enumerate(rules):
        asked = ", ".join(f'{{ field = "{name}", {how} = {_toml(value)} }}' for name, how, value in tests)
        where = f', case = "{case}"' if number % 10 == 0 else ""
        text += (
            f'[[rule]]\nid = "r{number}"\nname = "R"\nwhen = {{ all = [ {asked} ] }}\n'
            f'then = [ {{ send = "digital-post" }}, {{ archive = "archive"{where} }} ]\n'
        )
    return text + '[[rule]]\nid = "rest"\nname = "Rest"\nthen = [ { send = "digital-post" }, { archive = "archive" } ]\n'


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)


def fill(ledger: SqlLedger, bundle: Bundle, chance: random.Random, count: int) -> None:
    """Letters of a month, read, and decided by *bundle*."""
    rule_set = bundle.rule_set({})
    ledger.keep_rules(bundle.files, version=bundle.version, author="bench")
    ledger.activate_rules(bundle.version, author="bench", kind="first")
    for start in range(0, count, 500):
        ledger.add([arrival(number) for number in range(start, min(start + 500, count))])
        while read(ledger, 500):
            pass
        claims = ledger.claim_unrouted(500)
        ends = []
        for claim in claims:
            facts = replace(some_facts(chance), received_at=datetime.now(UTC) - timedelta(hours=chance.randrange(600)))
            ends.append((claim, replace(route_end(), facts=facts, decision=rule_set.decide(facts))))
        ledger.routings_ended(ends)


def reading(database: Path) -> float:
    began = time.perf_counter()
    with sqlite3.connect(database) as connection:
        connection.execute("SELECT * FROM decisions").fetchall()
    return time.perf_counter() - began


def replayed(home: Path) -> tuple[float, str]:
    """Seconds, and what stands on the terminal."""
    command = [str(Path(sys.executable).with_name("gateway")), "--home", str(home), "rules", "replay", "--rules", str(home / "new.toml")]
    ours, theirs = pty.openpty()
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=theirs, stderr=theirs, stdin=subprocess.DEVNULL)
    os.close(theirs)
    shown = b""
    while True:
        try:
            block = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not block:
            break
        shown += block
    process.wait()
    return time.perf_counter() - began, shown.decode("utf-8", "replace").replace("\r\n", "\n")


if __name__ == "__main__":
    sys.exit(main())
