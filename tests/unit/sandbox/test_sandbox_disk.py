"""What the sandbox writes to the disk, and what it makes of what it finds there."""

from __future__ import annotations

import pytest

from gateway.sandbox.durable import Lines, read_json, write_json
from gateway.sandbox.inbox import inbox_folder, masked_inboxes, read_inbox, stored_name


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("brev.pdf", "01-brev.pdf"),
        ("Brev til æøå (1).PDF", "01-Brev til æøå (1).PDF"),
        ("../../etc/passwd.txt", "01-_.._etc_passwd.txt"),
        ("..", "01-file."),
        ("", "01-file"),
        ("a" * 300 + ".pdf", f"01-{'a' * 80}.pdf"),
        ("x." + "y" * 300, f"01-x.{'y' * 10}"),
        ("brev\n\x00.pdf", "01-brev__.pdf"),
    ],
)
def test_a_documents_name_on_disk_is_safe_and_still_tells_what_it_is(name, stored):
    assert stored_name(1, name) == stored
    assert "/" not in stored


def test_documents_of_one_name_do_not_meet_on_disk():
    assert stored_name(1, "brev.pdf") != stored_name(2, "brev.pdf")


def test_a_line_torn_by_a_kill_is_dropped_and_the_next_stands_alone(tmp_path):
    path = tmp_path / "log.jsonl"
    Lines(path).append({"n": 1})
    with path.open("a") as file:
        file.write('{"n": 2')
    lines = Lines(path)
    lines.append({"n": 3})
    assert lines.read() == [{"n": 1}, {"n": 3}]


def test_a_line_being_written_is_not_read(tmp_path):
    lines = Lines(tmp_path / "log.jsonl")
    lines.append({"n": 1})
    with lines.path.open("a") as file:
        file.write('{"n": 2')
    assert lines.read() == [{"n": 1}]


def test_a_file_holds_the_old_or_the_new_value(tmp_path):
    path = tmp_path / "value.json"
    write_json(path, {"title": "æ"})
    write_json(path, {"title": "ø"})
    assert read_json(path) == {"title": "ø"}
    assert list(tmp_path.iterdir()) == [path]


def test_an_inbox_is_found_with_or_without_a_hyphen(tmp_path):
    place = inbox_folder(tmp_path, "cpr", "0101011234") / "u"
    place.mkdir(parents=True)
    write_json(
        place / "message.json",
        {"uuid": "u", "title": "t", "sender": "s", "received_at": "2026", "files": [], "due": "x"},
    )
    expected = {"uuid": "u", "title": "t", "sender": "s", "received_at": "2026", "files": []}
    assert read_inbox(tmp_path, "010101-1234") == read_inbox(tmp_path, "0101011234\n") == [expected]
    assert masked_inboxes(tmp_path) == [("010101-xxxx", 1)]


@pytest.mark.parametrize("number", ["", "x", "../..", "1234567", "٠١٠١٠١١٢٣٤"])
def test_what_is_no_number_has_no_inbox(tmp_path, number):
    assert read_inbox(tmp_path, number) == []
