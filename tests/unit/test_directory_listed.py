"""The file of reachable numbers: what it says, when it changes, and when it cannot be used."""

import os

import pytest

from gateway.directory.listed import ListedDirectory
from gateway.model.identity import Cpr, Cvr

LIST = """\ufeffnummer;status
# lærere
0101011234
020202-1234;fritaget   # siden marts
0303031234 , Lukket
0404041234\t
12345674

"""


@pytest.fixture
def listed(tmp_path):
    def make(text=LIST, encoding="utf-8"):
        (tmp_path / "numre.csv").write_text(text, encoding=encoding)
        return ListedDirectory(tmp_path / "numre.csv")

    return make


@pytest.mark.parametrize(
    ("recipient", "reach"),
    [
        (Cpr("0101011234"), "registered"),
        (Cpr("0202021234"), "exempt"),
        (Cpr("0303031234"), "closed"),
        (Cpr("0404041234"), "registered"),
        (Cvr("12345674", "1029829825"), "registered"),
        (Cpr("0505051234"), "unknown"),
        (Cvr("13748136"), "unknown"),
    ],
)
def test_the_file_says_who_is_reached(listed, recipient, reach):
    assert listed().reach(recipient) == reach


def test_a_file_that_is_missing_says_nothing_about_anybody(tmp_path):
    assert ListedDirectory(tmp_path / "none").reach(Cpr("0101011234")) == "unavailable"
    assert ListedDirectory(tmp_path).reach(Cpr("0101011234")) == "unavailable"


@pytest.mark.parametrize(
    "line", ["0101011234;måske", "010101123", "abc", "0101011234 0202021234", "٠١٠١٠١١٢٣٤", "0101011234\x00"]
)
def test_a_line_nobody_understands_makes_the_whole_file_unusable(listed, line, logged):
    assert listed(f"0202021234\n{line}\n").reach(Cpr("0202021234")) == "unavailable"
    assert "0101011234" not in logged()


def test_bytes_that_are_no_utf_8_make_the_file_unusable(listed):
    assert listed("æ 0101011234\n", "latin-1").reach(Cpr("0101011234")) == "unavailable"


def test_a_new_file_in_its_place_is_read(listed, tmp_path):
    directory = listed()
    assert directory.reach(Cpr("0101011234")) == "registered"
    (tmp_path / "new").write_text("0101011234;lukket\n")
    os.replace(tmp_path / "new", tmp_path / "numre.csv")  # noqa: PTH105
    assert directory.reach(Cpr("0101011234")) == "closed"
    (tmp_path / "numre.csv").unlink()
    assert directory.reach(Cpr("0101011234")) == "unavailable"


def test_a_file_beyond_all_reason_is_not_loaded(listed, tmp_path):
    directory = listed()
    with (tmp_path / "numre.csv").open("r+b") as file:
        file.truncate(20_000_001)
    assert directory.reach(Cpr("0101011234")) == "unavailable"
