"""A letter, what we know of it and its receipts lie together in one case, once; and come out whole."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from gateway.cli.archive import archive as archive_command
from gateway.cli.context import Home
from gateway.egress.archive_builtin import (
    BuiltinArchive,
    case_number,
    distinct,
    export_case,
    safe_name,
)
from gateway.errors import (
    ArchiveRefused,
    ArchiveUnavailable,
    FolderNotUsable,
    LedgerUnavailable,
    NotFound,
    VaultDamaged,
)
from gateway.model.identity import Cpr
from gateway.model.letter import Document, Letter, Options
from gateway.model.shipment import Part, Receipt, Sendable, Shipment
from gateway.model.submission import Blob
from gateway.storage import tables
from gateway.storage.store import SqlLedger
from gateway.storage.vault import LocalVault

AT = datetime(2026, 12, 31, 22, 0, tzinfo=UTC)
PDF = b"%PDF-1.7 indkaldelse"
SHEET = b"regneark"


def document(vault: LocalVault, content: bytes, name: str, role: Any = "attachment") -> Document:
    blob = vault.put(content)
    return Document(
        name=name, media_type="application/pdf", digest=blob.digest, size_bytes=blob.size_bytes, role=role
    )


@pytest.fixture
def sendable(vault) -> Callable[..., Sendable]:
    def build(part: Part = "letter", *, settings: dict[str, str] | None = None, **given: Any) -> Sendable:
        letter = Letter(
            **{
                "submission_id": "F-2026-7K3Q-M2XD", "index": 1, "recipient": Cpr.parse("0101011234"),
                "title": "Indkaldelse til samtale", "options": Options(case="2026-0417", plan="28.09"),
                "documents": (
                    document(vault, PDF, "Indkaldelse æøå.pdf", "main"),
                    document(vault, SHEET, "bilag.xlsx"),
                ),
            } | given
        )  # fmt: skip
        shipment = Shipment(
            id=f"{letter.id}.archive.{part}", letter_id=letter.id, kind="archive", part=part,
            destination="archive", key="6f1e0f5e-8b1c-4e0e-9d52-0f8b3a3a9a10",
            settings=tuple((settings or {}).items()), created_at=AT, expires_at=AT,
        )  # fmt: skip
        receipts = (receipt("received", 1), receipt("completed", 2)) if part == "receipt" else ()
        return Sendable(shipment=shipment, letter=letter, receipts=receipts, submitter="user:sek")

    return build


def receipt(verdict: Any, number: int) -> Receipt:
    return Receipt(
        source="digital-post", source_id=f"r{number}", key="k", kind="business", verdict=verdict,
        at=AT, raw=json.dumps({"verdict": verdict}).encode(),
    )  # fmt: skip


@pytest.fixture
def archive(ledger, vault) -> BuiltinArchive:
    return BuiltinArchive(ledger, vault, default_case="DP-{year}-{flow}")


def files(ledger: SqlLedger, number: str) -> list[tuple[str, str]]:
    return [(f["name"], f["role"]) for item in ledger.show_case(number)["items"] for f in item["files"]]


# ── in ──────────────────────────────────────────────────────────────────────


def test_a_letter_and_its_receipts_lie_in_one_case(archive, ledger, vault, sendable):
    assert archive.render(sendable()) is None
    assert archive.send(sendable()).receipts == ()
    archive.send(sendable("receipt"))
    assert files(ledger, "2026-0417") == [
        ("Indkaldelse æøå.pdf", "main"),
        ("bilag.xlsx", "attachment"),
        ("kvittering-1-received.json", "receipt"),
        ("kvittering-2-completed.json", "receipt"),
    ]
    case = ledger.show_case("2026-0417")
    assert case["plan"] == "28.09"
    kept = case["items"][0]["files"][3]
    assert vault.read(Blob(kept["digest"], kept["size_bytes"])) == b'{"verdict": "completed"}'


def test_archiving_again_changes_nothing(archive, ledger, sendable):
    for part in ("letter", "letter", "receipt", "receipt", "letter"):
        archive.send(sendable(part))
    assert len(files(ledger, "2026-0417")) == 4
    assert len(ledger.list_cases()) == 1


def test_a_receipt_that_comes_later_is_added(archive, ledger, sendable):
    both = sendable("receipt")
    archive.send(replace(both, receipts=both.receipts[:1]))
    archive.send(both)
    assert [name for name, _ in files(ledger, "2026-0417")] == [
        "kvittering-1-received.json", "kvittering-2-completed.json",
    ]  # fmt: skip


def test_what_is_known_of_a_letter_is_kept_with_its_number_masked(archive, ledger, sendable):
    options = Options(case="2026-0417", reply_allowed=True, deliver_from=date(2026, 12, 1), reply_by=AT)
    archive.send(sendable(options=options))
    known = ledger.show_case("2026-0417")["items"][0]["metadata"]
    assert known["recipient"] == {"kind": "cpr", "number": "010101-xxxx"}
    assert known["options"]["reply_by"] == "2026-12-31T22:00:00+00:00"
    assert known["submitter"] == "user:sek"
    assert known["documents"][0]["sha256"] == hashlib.sha256(PDF).hexdigest()
    assert "1234" not in json.dumps(known).replace("0417", "")


def test_the_rules_word_on_the_case_beats_the_submitters_and_that_beats_the_default(
    archive, ledger, sendable
):
    archive.send(sendable(settings={"case": "REGEL-1", "plan": "28.09.40"}))
    archive.send(sendable())
    archive.send(sendable(options=Options(), flow="fravaer"))
    assert {case["number"]: case["plan"] for case in ledger.list_cases()} == {
        "REGEL-1": "28.09.40", "2026-0417": "28.09", "DP-2026-fravaer": None,
    }  # fmt: skip


def test_a_receipt_in_january_lands_in_the_case_of_december(archive, ledger, sendable):
    letter, later = sendable(options=Options()), sendable("receipt", options=Options())
    archive.send(letter)
    january = datetime(2027, 1, 2, tzinfo=UTC)
    archive.send(replace(later, shipment=replace(later.shipment, created_at=january)))
    assert [case["number"] for case in ledger.list_cases()] == ["DP-2026-default"]


def test_two_documents_of_one_name_are_both_kept(archive, ledger, vault, sendable):
    documents = (document(vault, b"a", "brev.pdf", "main"), document(vault, b"b", "Brev.pdf"))
    archive.send(sendable(documents=documents))
    assert [name for name, _ in files(ledger, "2026-0417")] == ["brev.pdf", "Brev (2).pdf"]


@pytest.mark.parametrize(
    "number",
    ["2026-0417", "28.09.40-A00-1/26", "Elev_sag 12", "SÆRSAG-ÅØ", "a", "x" * 64, "Crème 1"],
)
def test_a_possible_case_number_is_taken_as_it_is(number):
    assert case_number(number) == number


def test_a_case_number_is_one_however_its_letters_are_spelled():
    assert case_number("Sa\u030a-1") == case_number("Så-1")


@pytest.mark.parametrize(
    "number",
    ["", " ", ".", "..", "-/-", "x" * 65, "a\nb", "a\x00", "a:b", "a*", "<a>", "a\\b", " a", "a ", "٣", "a\u202e", "a;b", "🎓"],
)
def test_an_impossible_case_number_is_refused(number):
    with pytest.raises(ArchiveRefused) as error:
        case_number(number)
    assert not error.value.temporary


def test_a_letter_for_an_impossible_case_is_refused_without_quoting_the_number(
    archive, ledger, sendable
):
    with pytest.raises(ArchiveRefused) as error:
        archive.send(sendable(options=Options(case="0101011234;")))
    assert "0101" not in str(error.value)
    assert ledger.list_cases() == []


def test_a_closed_case_refuses(archive, ledger, sendable):
    archive.send(sendable())
    with ledger._database.write() as tx:
        tx.run(update(tables.cases).values(closed_at=AT))
    with pytest.raises(ArchiveRefused, match="closed"):
        archive.send(sendable())


def test_nothing_is_called_archived_whose_bytes_are_gone(archive, ledger, vault, sendable):
    about = sendable()
    vault.forget(about.letter.main.digest)
    with pytest.raises(ArchiveUnavailable, match="GW-503"):
        archive.send(about)
    assert ledger.list_cases() == []


def test_a_ledger_that_does_not_answer_is_our_trouble_and_passes(vault, sendable):
    class Away:
        def put_case(self, *_: Any, **__: Any) -> bool:
            raise LedgerUnavailable(reason="connection")

    with pytest.raises(LedgerUnavailable) as error:
        BuiltinArchive(Away(), vault, default_case="x").send(sendable())  # type: ignore[arg-type]
    assert error.value.temporary


# ── out ─────────────────────────────────────────────────────────────────────


@pytest.fixture
def filled(archive, sendable) -> None:
    archive.send(sendable())
    archive.send(sendable("receipt"))
    archive.send(sendable(index=2))


def test_an_export_is_whole_and_sha256sum_agrees(filled, ledger, vault, tmp_path):
    folder = tmp_path / "ud" / "sag"
    assert export_case(ledger, vault, "2026-0417", folder) == 6
    below = folder / "F-2026-7K3Q-M2XD.1"
    assert (below / "Indkaldelse æøå.pdf").read_bytes() == PDF
    assert json.loads((below / "kvittering-2-completed.json").read_bytes()) == {"verdict": "completed"}
    known = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
    assert known["schema"] == "gateway.archive/1"
    assert known["items"][0]["files"][0]["path"] == "F-2026-7K3Q-M2XD.1/Indkaldelse æøå.pdf"
    done = subprocess.run(
        ["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(": OK") == 7
    assert [entry.name for entry in folder.parent.iterdir()] == ["sag"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750


def test_an_export_goes_into_an_empty_folder_but_never_into_one_with_something(
    filled, ledger, vault, tmp_path
):
    export_case(ledger, vault, "2026-0417", tmp_path / "a")
    (tmp_path / "tom").mkdir()
    export_case(ledger, vault, "2026-0417", tmp_path / "tom")
    for taken in ("a", "fil", "fil/under"):
        (tmp_path / "fil").write_text("x")
        with pytest.raises(FolderNotUsable):
            export_case(ledger, vault, "2026-0417", tmp_path / taken)
    assert (tmp_path / "fil").read_text() == "x"


def test_a_damaged_file_leaves_no_half_export_behind(filled, ledger, vault, tmp_path):
    place = vault.path(Blob(hashlib.sha256(PDF).hexdigest(), len(PDF)))
    place.chmod(0o600)
    place.write_bytes(b"x" * len(PDF))
    (tmp_path / "ud").mkdir()
    with pytest.raises(VaultDamaged):
        export_case(ledger, vault, "2026-0417", tmp_path / "ud" / "sag")
    assert list((tmp_path / "ud").iterdir()) == []


def test_an_unknown_case_cannot_be_exported(ledger, vault, tmp_path):
    with pytest.raises(NotFound):
        export_case(ledger, vault, "findes-ikke", tmp_path / "sag")
    assert not (tmp_path / "sag").exists()


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("brev.pdf", "brev.pdf"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("..", "fil"),
        ("", "fil"),
        ("a/b\\c:d*e?.pdf", "a_b_c_d_e_.pdf"),
        ("a\nb\x00.pdf", "a_b_.pdf"),
        ("æ" * 300 + ".pdf", "æ" * 98 + ".pdf"),
        ("a\udcff.pdf", "a.pdf"),
        (" .pdf ", "pdf"),
    ],
)
def test_a_file_name_is_made_safe(name, safe):
    assert safe_name(name) == safe


@given(st.lists(st.text(max_size=300), max_size=8))
def test_names_are_safe_and_apart_whatever_they_were(names):
    given_names = distinct(names)
    assert len({name.casefold() for name in given_names}) == len(names)
    for name in given_names:
        assert name not in ("", ".", "..")
        assert not set(name) & set('/\\\n\r\x00:*?"<>|')
        assert len(os.fsencode(name)) <= 255


# ── the command line ────────────────────────────────────────────────────────


@pytest.fixture
def run(ledger, vault, tmp_path) -> Callable[..., Any]:
    class Here(Home):
        def ledger(self) -> SqlLedger:
            return ledger

        def vault(self) -> LocalVault:
            return vault

    def call(*arguments: str) -> Any:
        # As gateway.cli.main calls it: our errors come out as they are.
        return CliRunner().invoke(archive_command, arguments, obj=Here(tmp_path), standalone_mode=False)

    return call


def test_the_command_line_lists_and_shows_cases(filled, run):
    listed = json.loads(run("list", "--json").output)
    assert listed["schema"] == "gateway.archive/1"
    assert [(case["number"], case["items"]) for case in listed["cases"]] == [("2026-0417", 2)]
    shown = json.loads(run("show", "2026-0417", "--json").output)
    assert shown["number"] == "2026-0417"
    assert len(shown["items"][0]["files"]) == 4
    assert "2026-0417" in run("list").output
    words = run("show", "2026-0417").output
    assert "010101-xxxx" in words
    assert "kvittering-2-completed.json" in words
    assert "0101011234" not in words


def test_the_command_line_exports_a_case(filled, run, tmp_path):
    assert run("export", "2026-0417", str(tmp_path / "sag")).output == "exported: 6 files\n"
    assert (tmp_path / "sag" / "SHA256SUMS").exists()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("show", "findes-ikke"), NotFound),
        (("show", "../.."), NotFound),
        (("export", "findes-ikke", "ny"), NotFound),
        (("export", "2026-0417", "."), FolderNotUsable),
        (("show",), click.UsageError),
    ],
)
def test_what_cannot_be_done_says_so(filled, run, arguments, error):
    assert isinstance(run(*arguments).exception, error)


def test_errors_have_the_exit_codes_of_the_table():
    from gateway.cli.main import exit_code

    assert exit_code(NotFound(what="case")) == 4
    assert exit_code(FolderNotUsable(what="exists and is not empty")) == 5
