"""Hostile and odd sidecars: every file is read or refused with file, line and remedy; none breaks or hangs."""

import csv
import os
from pathlib import Path

import pytest
from drop_inputs import sidecar_name

from gateway.documents.sidecar.read import control_of, read_control
from gateway.documents.sidecar.tree import said
from gateway.documents.sidecar.understand import Manner
from gateway.model.identity import CPR_IN_TEXT

SHARED = Path(__file__).parents[5] / "shared"
BAD = SHARED / "badinputs"
CORPORA = SHARED / "corpora"
# What is not readable at all, beside what is and only lacks fields that this catalogue never has.
_LACKS = {"GW-235", "GW-239"}
_ACCEPTED = {"XML-12", "JSON-08", "CSV-01", "CSV-07", "CSV-10", "CSV-11"}
_EITHER = {"XML-16", "XML-17", "YAML-05", "YAML-10", "YAML-11", "JSON-09", "YAML-04"}


def catalogue() -> list[dict[str, str]]:
    if not BAD.exists():
        return []
    rows = csv.DictReader((BAD / "catalogue.csv").read_text(encoding="utf-8").splitlines())
    return [row for row in rows if row["channel"] in ("xml", "yaml", "json", "csv")]


def corpus() -> list[Path]:
    return [f for kind in ("xml", "json", "yaml", "csv") for f in sorted((CORPORA / kind).rglob("*")) if f.is_file()]


def test_the_shared_inputs_are_here():
    if not BAD.exists():
        assert not os.environ.get("CI"), "shared/badinputs is missing"
        pytest.skip("shared/badinputs is missing")
    assert len(catalogue()) == 59
    assert len(corpus()) > 350


def asked(file: Path, name: str):
    control = control_of(name)
    assert control is not None
    return read_control(control, file.read_bytes(), name, Manner())


@pytest.mark.parametrize("row", catalogue(), ids=lambda row: row["id"])
def test_every_bad_input_gives_the_expected_result(row):
    file = BAD / row["file"]
    found = asked(file, sidecar_name(file))
    codes = {fault.error.code for fault in found.faults}
    if row["id"] in _ACCEPTED:
        assert found.readable
        assert codes <= _LACKS | {"GW-234"}
    elif row["id"] not in _EITHER:
        assert codes - _LACKS or not found.readable
    for fault in found.faults:
        text = said(fault)
        assert sidecar_name(file) in text
        assert "root:" not in text
        assert CPR_IN_TEXT.search(text.replace(sidecar_name(file), "")) is None
        assert fault.error.action()


@pytest.mark.timeout(120)
def test_no_file_of_the_corpora_breaks_the_reader():
    ends = {True: 0, False: 0}
    for file in corpus():
        found = asked(file, sidecar_name(file))
        assert found.faults or found.dispatches
        ends[found.readable] += 1
    if corpus():
        assert ends[False] > 100
