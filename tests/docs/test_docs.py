"""Docs that fail the build: stale pages, missing entries, dead links, examples that do not run."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import unquote

import click
import pytest

from gateway import ports, rehearsal
from gateway.config.describe import describe_settings
from gateway.errors import OperatorError, SubmitterError, every_error
from gateway.ingress.smtp import replies
from gateway.model import (
    batch,
    decision,
    identity,
    inbound,
    letter,
    notice,
    rule_version,
    shipment,
    submission,
)
from gateway.model.shipment import Status
from gateway.rules import engine, rule

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
TYPED = re.compile(r"(?:(?<=`)|^(?:\$ )?|(?<=bin/))(gateway [^`\n]+)", re.MULTILINE)
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
WORDS = (batch, decision, engine, identity, inbound, letter, notice, ports, rule, rule_version, shipment, submission)


def listed(faults: list[str]) -> str:
    return "\n" + "\n".join(faults)


def pages(root: Path) -> list[Path]:
    """Every page we wrote or made."""
    return sorted([*root.glob("*.md"), *(root / "docs").rglob("*.md")])


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of one language in *page*."""
    found = FENCE.findall(page.read_text(encoding="utf-8"))
    return [re.sub(f"^{indent}", "", text, flags=re.MULTILINE) for indent, kind, text in found if kind == language]


# ── generated pages ─────────────────────────────────────────────────────────


def test_every_generated_page_is_as_new_as_the_code(generate, root):
    assert {"errors.md", "settings.md", "commands.md", "dials.md", "rules.schema.json"} <= set(generate.PAGES)
    reference = root / "docs" / "reference"
    old = [name for name, page in generate.PAGES.items() if (reference / name).read_text(encoding="utf-8") != page()]
    assert not old, f"old pages: run ./dev docs{listed(old)}"


def test_every_error_code_has_its_entry_and_no_twin(root):
    page = (root / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")
    codes = [kind.code for kind in every_error()]
    assert sorted(set(codes)) == sorted(codes), "two errors share a code"
    assert {code for code in codes if f"| {code} |" not in page} == set()


def test_every_code_that_may_wake_the_operator_says_what_to_do(root):
    page = (root / "docs" / "howto" / "operate.md").read_text(encoding="utf-8")
    codes = {kind.code for kind in every_error() if not issubclass(kind, SubmitterError | OperatorError)}
    assert {code for code in codes if code not in page} == set()


def test_every_setting_has_its_entry(root):
    page = (root / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    names = {setting.name.rpartition(".")[2] for setting in describe_settings()}
    assert {name for name in names if f"| `{name}` |" not in page} == set()
    assert {setting.section for setting in describe_settings() if setting.section not in page} == set()


def test_every_command_and_option_says_what_it_does(generate):
    silent = []
    for path, command in generate.commands(generate.root_command(), "gateway"):
        if not command.help:
            silent.append(path)
        silent += [
            f"{path} {option.opts[0]}"
            for option in command.params
            if isinstance(option, click.Option) and not option.help
        ]
    assert not silent, listed(silent)


# ── hand-written pages ──────────────────────────────────────────────────────


def test_no_relative_link_is_dead(root):
    dead = [
        f"{page.relative_to(root)} → {target}"
        for page in pages(root)
        for target in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
        if "://" not in target and not target.startswith(("#", "mailto:"))
        if not (page.parent / unquote(target.partition("#")[0])).exists()
    ]
    assert not dead, listed(dead)


def test_every_decision_has_its_three_parts_its_number_and_a_place_in_the_list(root):
    folder = root / "docs" / "adr"
    index = (folder / "README.md").read_text(encoding="utf-8")
    decisions = sorted(folder.glob("[0-9]*.md"))
    assert [int(page.name[:4]) for page in decisions] == list(range(1, len(decisions) + 1))
    for page in decisions:
        lines = page.read_text(encoding="utf-8").splitlines()
        assert lines[0].startswith(f"# {int(page.name[:4])}. "), page.name
        headings = [line for line in lines if line.startswith("## ")]
        assert headings == ["## Context", "## Decision", "## Consequences"], page.name
        assert len(lines) <= 40, f"{page.name} is longer than half a page"
        assert f"({page.name})" in index, f"{page.name} is not in docs/adr/README.md"


def test_every_type_in_the_glossary_exists(root):
    lines = (root / "docs" / "glossary.md").read_text(encoding="utf-8").splitlines()
    cells = [line.split("|")[1] for line in lines if line.startswith("| `")]
    types = {word for cell in cells for word in re.findall(r"`([A-Z]\w+)`", cell)}
    assert "Submission" in types
    assert {word for word in types if not any(hasattr(module, word) for module in WORDS)} == set()


@pytest.mark.parametrize("status", Status)
def test_every_status_is_in_the_glossary_with_its_danish_word(root, status):
    assert f"| `{status.value}` | {status.danish} |" in (root / "docs" / "glossary.md").read_text(encoding="utf-8")


def test_every_smtp_reply_is_explained_in_its_own_words(root):
    page = (root / "docs" / "reference" / "smtp.md").read_text(encoding="utf-8")
    fixed = [value for value in vars(replies).values() if isinstance(value, replies.Reply)]
    named = [replies.taken("ID"), replies.already_taken("ID"), replies.conflict("ID")]
    rows = [f"| {reply.label()} | `{reply.text}` |" for reply in [*fixed, *named]]
    assert {row for row in rows if row not in page} == set()


@pytest.mark.parametrize("module", ["view.py", "archive.py"])
def test_every_field_of_a_view_is_explained(root, module):
    page = (root / "docs" / "reference" / "json.md").read_text(encoding="utf-8")
    source = (root / "gateway" / "storage" / "ledger" / module).read_text(encoding="utf-8")
    # Functions beside the class make the views; the methods put them together.
    makers = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    keys = [key for maker in makers for node in ast.walk(maker) if isinstance(node, ast.Dict) for key in node.keys]
    fields = {key.value for key in keys if isinstance(key, ast.Constant)}
    assert len(fields) > 5
    assert {field for field in fields if f"`{field}`" not in page} == set()


def test_every_part_of_the_tree_that_a_page_names_exists(root):
    named = {
        (page.name, part)
        for page in pages(root)
        for part in re.findall(r"`(gateway/[a-z0-9_/.]+)`", page.read_text(encoding="utf-8"))
    }
    assert len(named) > 10
    assert {(page, part) for page, part in named if not any((root / f"{part}{end}").exists() for end in ("", ".py"))} == set()


def test_every_rehearsed_point_stands_in_the_table_of_power_failures(root):
    page = (root / "docs" / "flow.md").read_text(encoding="utf-8")
    assert {point for point in rehearsal.POINTS if f"`{point}`" not in page} == set()


def test_every_exit_code_is_explained(root):
    from gateway.cli import main

    page = (root / "docs" / "reference" / "exit-codes.md").read_text(encoding="utf-8")
    codes = {value for name, value in vars(main).items() if name.startswith("EXIT_")}
    assert {code for code in codes if f"\n| {code} |" not in page} == set()


def test_every_command_that_a_page_names_exists(generate, root):
    commands = dict(generate.commands(generate.root_command(), "gateway"))
    unknown = []
    for page in pages(root):
        for line in TYPED.findall(page.read_text(encoding="utf-8")):
            fault = _unknown_word(line, commands)
            if fault:
                unknown.append(f"{page.relative_to(root)}: {line}: {fault}")
    assert not unknown, listed(unknown)


def _unknown_word(line: str, commands: dict[str, click.Command]) -> str:
    """The first word of a typed *line* that the command line does not know; empty if it knows all."""
    path, words = "gateway", line.partition("#")[0].split()[1:]
    while words:
        word, words = words[0], words[1:]
        command = commands[path]
        if word in ("|", "&&", ">"):
            return ""
        if word.startswith("--"):
            known = {name: option for option in command.params for name in option.opts}
            name = word.partition("=")[0].rstrip(",")
            if name not in ("--help", *known):
                return name
            takes = name in known and isinstance(known[name], click.Option) and not known[name].is_flag
            words = words[1:] if takes and "=" not in word else words
        elif isinstance(command, click.Group):
            path = f"{path} {word.rstrip(',.:')}"
            if path not in commands:
                return word
    return ""


def test_every_setting_that_a_page_names_exists(root):
    settings = {(setting.section.strip("[]"), setting.name.rpartition(".")[2]) for setting in describe_settings()}
    of_rules = {("rule", ""), ("rule.example", "")}
    known = settings | {(section, "") for section, _ in settings} | of_rules
    named = {
        (section, name)
        for page in pages(root)
        for section, name in re.findall(r"`\[+([a-z_.]+)\]+(?: ([a-z_]+))?`", page.read_text(encoding="utf-8"))
    }
    assert ("smtp.limits", "recipients") in named
    assert named - known == set()


def test_every_code_that_a_page_names_exists(root):
    codes = {kind.code for kind in every_error()}
    named = {code for page in pages(root) for code in re.findall(r"\bGW-\d{3}\b", page.read_text(encoding="utf-8"))}
    assert named - codes == set()


# ── examples ────────────────────────────────────────────────────────────────


def test_the_python_in_contributing_runs(root, tmp_path):
    together = "\n\n".join(blocks(root / "CONTRIBUTING.md", "python"))
    (tmp_path / "test_contributing.py").write_text(together, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout


def test_every_toml_example_can_be_read(root):
    for page in pages(root):
        for example in blocks(page, "toml"):
            assert tomllib.loads(example), page.name
