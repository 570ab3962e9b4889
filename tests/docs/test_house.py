"""The rules of the house that a machine can see; CONTRIBUTING.md says them in words."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import aiosmtpd.smtp
import pytest

LONGEST_MODULE = 300
LONGEST_TEST_MODULE = 600
"""A list of promises, each read alone."""
LONGEST_FUNCTION = 50
LONGEST_WITHOUT_DOCSTRING = 15
"""A public function with more lines than this is longer than usual, and has something to say."""

WHY_ONE = re.compile(r"\bone (module|file|thing|table|protocol|machine|conversation)\b", re.IGNORECASE)

# Where each library lives (docs/adr): distribution, module, and the packages that may know it.
HOMES = {
    "aiosmtpd": ("aiosmtpd", {"ingress", "sandbox"}),
    "sqlalchemy": ("sqlalchemy", {"storage"}),
    "alembic": ("alembic", {"storage"}),
    "psycopg": ("psycopg", {"storage"}),
    "apscheduler": ("apscheduler", {"runner"}),
    "jinja2": ("jinja2", {"notices", "links"}),
    "lxml": ("lxml", {"digital_post", "sandbox"}),
    "pikepdf": ("pikepdf", {"documents"}),
    "pypdf": ("pypdf", {"documents"}),
    "asyncssh": ("asyncssh", {"ingress", "egress"}),
    "watchdog": ("watchdog", {"ingress"}),
    "imap-tools": ("imap_tools", {"mailbox"}),
    "pypdfium2": ("pypdfium2", {"documents"}),
}


def listed(faults: list[str]) -> str:
    return "\n" + "\n".join(faults)


def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), filename=str(file))


def functions(tree: ast.AST):
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def is_migration(name: str) -> bool:
    """A step of the database is a list of tables in its library's own form, and never changes again."""
    return "/migrations/" in name


def length(node: ast.AST) -> int:
    return node.end_lineno - node.lineno + 1


@pytest.fixture(scope="session")
def python(root, files):
    """Every Python file of the checkout, parsed, by its path from the root."""
    return {str(file.relative_to(root)): parsed(file) for file in [*files(".py"), root / "dev"]}


def test_a_long_module_says_first_why_it_is_one_thing(root, python):
    too_long = []
    for name, tree in python.items():
        lines = len((root / name).read_text(encoding="utf-8").splitlines())
        if is_migration(name):
            continue
        longest = LONGEST_TEST_MODULE if name.startswith("tests/") else LONGEST_MODULE
        if lines > longest and not WHY_ONE.search(ast.get_docstring(tree) or ""):
            too_long.append(f"{name}: {lines} lines")
    assert not too_long, listed(too_long)


def test_no_function_is_longer_than_a_screen(python):
    too_long = [
        f"{name}:{node.lineno} {node.name}: {length(node)} lines"
        for name, tree in python.items()
        for node in functions(tree)
        if length(node) > LONGEST_FUNCTION and not is_migration(name)
    ]
    assert not too_long, listed(too_long)


def test_every_module_says_what_it_is(python):
    code = {name: tree for name, tree in python.items() if not name.startswith("tests/") and not is_migration(name)}
    silent = [name for name, tree in code.items() if not ast.get_docstring(tree)]
    assert not silent, listed(silent)


def test_a_public_function_of_any_length_says_what_its_signature_cannot(root, python):
    """Unless it keeps a contract that says it, of ports.py or aiosmtpd; a short one may speak for itself."""
    said = {node.name for node in functions(parsed(root / "gateway" / "ports.py")) if ast.get_docstring(node)}
    said |= set(dir(aiosmtpd.smtp.SMTP))
    silent = [
        f"{name}:{node.lineno} {node.name}"
        for name, tree in python.items()
        if name.startswith("gateway/") and not is_migration(name)
        for node in public_functions(tree)
        if length(node) > LONGEST_WITHOUT_DOCSTRING and not ast.get_docstring(node) and node.name not in said
    ]
    assert not silent, listed(silent)


def public_functions(tree: ast.Module):
    """Functions a reader of another module can name: at the top, or of a public class."""
    places = [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name[0] != "_")]
    return [
        node
        for place in places
        for node in place.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name[0] != "_"
    ]


def test_nothing_below_tests_is_a_package(root):
    assert [str(file) for file in (root / "tests").rglob("__init__.py")] == []  # docs/adr/0001


@pytest.mark.parametrize("name", ["utils.py", "util.py", "helpers.py", "common.py", "misc.py"])
def test_no_module_is_named_for_nothing(files, name):
    assert [str(file) for file in files(".py") if file.name == name] == []


def test_no_file_names_a_place_on_one_machine_or_a_package_registry(root, files):
    # Put together here, so that this file does not hold what it looks for.
    folders = "|".join(("root", "home", "work", "Users"))
    hosts = "|".join((r"pypi\.", r"files\.pythonhosted\.", r"registry\.npmjs\.")) + "(org|dev)"
    place = re.compile(rf"(?<![\w.\-~/}}])/({folders})/\w|\b({hosts})\b")
    found = []
    for file in files():
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a letter or a font among the cases
        found += [f"{file.relative_to(root)}: {hit.group()}" for hit in place.finditer(text)]
    assert not found, listed(found)


def test_every_library_is_kept_in_its_home_by_a_contract(root):
    contracts = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    forbidden = [contract for contract in contracts if contract["type"] == "forbidden"]
    needed = {
        re.split(r"[\[<>=~ ]", line)[0]
        for line in (root / "requirements" / "run.in").read_text(encoding="utf-8").splitlines()
    }
    open_doors = []
    for distribution in sorted(needed & set(HOMES)):
        module, homes = HOMES[distribution]
        closed = {
            source.removeprefix("gateway.").partition(".")[0]
            for contract in forbidden
            if module in contract["forbidden_modules"]
            for source in contract["source_modules"]
        }
        open_doors += [f"{module} in gateway.{part}" for part in sorted(our_parts(root) - homes - closed)]
    assert not open_doors, listed(open_doors)


def our_parts(root: Path) -> set[str]:
    """What lies directly in gateway/: packages and modules, without the start."""
    packages = {file.parent.name for file in (root / "gateway").glob("*/__init__.py")}
    modules = {file.stem for file in (root / "gateway").glob("*.py")}
    return (packages | modules) - {"__init__", "__main__"}
