"""Files that mislead: whatever is sent goes to the right person; what cannot be known is held."""

from collections import Counter

import pytest
from merged import OWN_CVR
from tricky import tricky_files, write

from gateway.documents.batch.manner import SplitManner
from gateway.documents.batch.split import split_file
from gateway.errors import GatewayError
from gateway.model.batch import Settled

FILES = tricky_files()
MANNER = SplitManner(own_numbers=frozenset({OWN_CVR}))
ALL_RIGHT = {
    "plain", "another number in the body", "a company", "issued without check digit", "no dash", "no label", "an en dash",
    "same person twice", "marks that count through", "mark in the body", "glyph by glyph, 1 pt", "drawn twice, as bold",
    "two columns", "in a form object", "typed as a comment", "owner password, RC4 40", "owner password, RC4 128",
    "owner password, AES 128", "owner password, AES 256", "for the web", "object streams", "cropped", "user units",
    "a box that does not begin at zero", "a case worker's number on every page", "glyphs drawn backwards", "in two pieces",
}  # fmt: skip
"""Nothing is wrong with these, however odd they are: every letter goes."""


def test_there_are_enough_of_them():
    assert len(FILES) >= 60


@pytest.mark.parametrize("name", FILES)
def test_nothing_goes_to_the_wrong_person(name, tmp_path):
    tricky = FILES[name]
    file = tmp_path / "merged.pdf"
    write(tricky, file)
    try:
        batch, _ = split_file(file, MANNER, Settled(), tmp_path, allow_test=True)
    except GatewayError:
        # Refused with a code: a damaged file may be.
        assert name not in ALL_RIGHT
        return
    owner = {page: one.digits for one in tricky.truth for page in range(one.first, one.first + one.pages)}
    for piece in batch.pieces:
        if not piece.certain:
            continue
        owners = Counter(owner.get(page) for page in range(piece.first, piece.first + piece.pages))
        assert owners == {piece.recipient.reveal(): piece.pages}, (piece.first, piece.pages)
    if name in ALL_RIGHT:
        assert [piece.flags for piece in batch.pieces if not piece.certain] == []
        assert len(batch.pieces) == len(tricky.truth)
