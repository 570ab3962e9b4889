"""The one script a developer types, and the locks it installs."""

from __future__ import annotations

import importlib.util
import re
from importlib.machinery import SourceFileLoader

import pytest

PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)", re.MULTILINE)


@pytest.fixture
def dev(root):
    """The script as a module; it has no ending, so Python must be told that it is one."""
    loader = SourceFileLoader("dev_script", str(root / "dev"))
    spec = importlib.util.spec_from_loader("dev_script", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_an_old_python_is_told_which_one_is_needed(dev, capsys):
    dev.OLDEST_PYTHON = (99, 1)
    assert dev.main(["test", "-k", "mail"]) == 1
    assert "./dev needs Python 99.1 or newer" in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "code"), [([], 2), (["tset"], 2), (["--help"], 0)])
def test_a_word_it_does_not_know_gets_the_help(dev, capsys, arguments, code):
    assert dev.main(arguments) == code
    assert "./dev test" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "home"),
    [
        ([], "ROOT/var/demo"),
        (["--home", "elsewhere"], "TYPED/elsewhere"),
        (["--home=elsewhere"], "TYPED/elsewhere"),
        (["--home", "/srv/demo"], "/srv/demo"),
    ],
)
def test_the_demos_home_is_seen_from_where_the_command_was_typed(dev, root, tmp_path, arguments, home):
    dev.STARTED_IN = tmp_path
    assert str(dev._home(arguments)) == home.replace("ROOT", str(root)).replace("TYPED", str(tmp_path))


@pytest.mark.parametrize("arguments", [["--home"], ["elsewhere"], ["--home", "a", "b"]])
def test_an_option_it_does_not_know_starts_nothing(dev, arguments):
    assert dev._home(arguments) is None


def test_only_what_is_not_there_is_missing(dev, tmp_path):
    dev.SYSTEM = tmp_path / "system.txt"
    (tmp_path / "proof.pm").touch()
    dev.SYSTEM.write_text(
        f"# a comment\n\nshell sh\nmodule {tmp_path}/*.pm  # why\nlost no-such-program\ngone {tmp_path}/no/*.pm\n"
    )
    assert dev._missing_packages() == ["lost", "gone"]


def test_what_is_needed_is_remembered_and_an_unreadable_note_means_nothing_is(dev, tmp_path):
    dev.STAMP = tmp_path / "installed.json"
    assert dev._installed() == {}
    dev._remember("run.lock", "abc")
    dev._remember("checkout", "def")
    assert dev._installed() == {"place": str(dev.VENV), "run.lock": "abc", "checkout": "def"}
    dev.STAMP.write_text("{half a no")
    assert dev._installed() == {}


@pytest.mark.parametrize(("lines", "first"), [(2, "0"), (60, "0"), (61, "… 1 lines before")])
def test_of_long_output_the_end_is_shown(dev, lines, first):
    assert dev._tail("\n".join(str(number) for number in range(lines))).splitlines()[0] == first


@pytest.mark.parametrize("name", ["run", "build", "test"])
def test_every_pinned_package_has_its_hashes(root, name):
    text = (root / "requirements" / f"{name}.lock").read_text(encoding="utf-8")
    blocks = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)
    pinned = [block for block in blocks if PINNED.match(block)]
    assert len(pinned) >= 3
    assert [block.split()[0] for block in pinned if "--hash=sha256:" not in block] == []


@pytest.mark.parametrize("name", ["run", "build", "test"])
def test_every_wanted_package_is_pinned(root, name):
    wanted = (root / "requirements" / f"{name}.in").read_text(encoding="utf-8").splitlines()
    names = {re.split(r"[\[<>=~ ]", line)[0].lower() for line in wanted if line and line[0] not in "#-"}
    pinned = {found[0].lower() for found in PINNED.findall((root / "requirements" / f"{name}.lock").read_text())}
    assert names - pinned == set(), "run ./dev lock"


def test_the_tests_run_against_the_versions_that_run(root):
    run, test = (
        dict(PINNED.findall((root / "requirements" / f"{name}.lock").read_text())) for name in ("run", "test")
    )
    assert {name: (version, test.get(name)) for name, version in run.items() if test.get(name) != version} == {}
