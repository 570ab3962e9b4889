"""The users file."""

import os
import stat
import threading

import pytest

from gateway.errors import ConfigError, NotFound
from gateway.ingress.smtp.users import Users, add_user, list_users, remove_user

GOOD = "lang-nok-kode"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "users.toml"


def add(path, name="anna", password=GOOD, **changes):
    return add_user(path, name, password, **{"addresses": ("anna@skole.dk",), **changes})


def test_a_user_is_written_and_read_back(path):
    add(path, notices="all", system=True)
    add(path, "bo.b@skole.dk", addresses=("bo@skole.dk", "*@hus.dk"))
    anna, bo = list_users(path)
    assert (anna.name, anna.addresses, anna.notices, anna.system) == ("anna", ("anna@skole.dk",), "all", True)
    assert (bo.name, bo.addresses) == ("bo.b@skole.dk", ("bo@skole.dk", "*@hus.dk"))


def test_the_file_is_for_its_owner_and_holds_no_password(path):
    add(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert GOOD not in path.read_text()
    assert list(path.parent.iterdir()) == [path]


def test_only_the_right_password_of_a_known_name_is_good(path):
    add(path)
    users = Users(path)
    assert users.verify("anna", GOOD).name == "anna"
    assert users.verify("anna", "forkert-kode") is None
    assert users.verify("findes-ikke", GOOD) is None
    assert users.verify("findes-ikke", "nobody") is None
    assert users.verify("anna", GOOD * 200) is None


def test_a_change_counts_at_once_and_a_slip_of_the_editor_locks_nobody_out(path):
    users = Users(path)
    assert users.find("anna") is None
    add(path)
    assert users.find("anna")
    path.write_text("[user.anna\n")
    assert users.find("anna")
    path.write_text("")
    assert users.find("anna") is None


def test_a_user_is_removed_once(path):
    add(path)
    remove_user(path, "anna")
    assert list_users(path) == []
    with pytest.raises(NotFound):
        remove_user(path, "anna")


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": "a b"},
        {"name": "x" * 65},
        {"password": "kort"},
        {"addresses": ()},
        {"addresses": ("ingen adresse",)},
    ],
)
def test_what_cannot_be_used_is_refused_and_not_quoted(path, changes):
    with pytest.raises(ConfigError) as caught:
        add(path, **changes)
    assert "expected" in str(caught.value)
    assert "ingen adresse" not in str(caught.value)
    assert not path.exists()


@pytest.mark.parametrize(
    "text",
    [
        "[user.anna]\nhash = 1\n",
        '[user.anna]\nhash = "x"\n',
        '[user.anna]\nhash = "x"\naddresses = ["a@b.dk"]\nadmin = true\n',
        '[user.anna]\nhash = "x"\naddresses = ["0101011234"]\n',
        "[users.anna]\n",
        "user = 1\n",
    ],
)
def test_a_file_that_cannot_be_used_stops_the_start_and_names_the_place(path, text):
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"users\.toml") as caught:
        Users(path)
    assert "0101011234" not in str(caught.value)


def test_two_that_add_at_once_both_stay(path):
    threads = [threading.Thread(target=add, args=(path, f"user{number}")) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list_users(path)) == 4


def test_a_disk_that_fails_leaves_the_old_file(path, monkeypatch):
    add(path)
    before = path.read_bytes()

    def fail(handle):
        raise OSError("no")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no"):
        add(path, "bo")
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
