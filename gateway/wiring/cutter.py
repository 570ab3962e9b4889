"""The bytes of letters that are pages of a batch, made whenever the vault is asked for them."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from gateway.documents.pdf.cut import PlainFile
from gateway.errors import DamagedPdf
from gateway.model.batch import Cut
from gateway.model.submission import Blob

OPEN = 4
"""Merged files kept open; a table of a file of 20,000 pages takes a tenth of a second to read."""


class Cutter:
    """Gives the bytes of a cut; safe to share between threads.

    Args:
        cut: what those bytes are cut from; None: they are not.
        find: the file with these bytes.
    """

    def __init__(self, cut: Callable[[str], Cut | None], find: Callable[[Blob], Path]) -> None:
        self._cut = cut
        self._find = find
        self._lock = threading.Lock()
        self._open: OrderedDict[tuple[str, str], PlainFile] = OrderedDict()

    def __call__(self, blob: Blob) -> bytes | None:
        """None: they are no letter's, or the file is not what it was. Raises VaultDamaged: it is gone."""
        cut = self._cut(blob.digest)
        if cut is None:
            return None
        with self._lock:
            try:
                letter = self._file(cut).letter(cut.first, cut.pages)
            except DamagedPdf:
                return None
        # A wrong letter is worse than none.
        return letter if hashlib.sha256(letter).hexdigest() == cut.digest else None

    def _file(self, cut: Cut) -> PlainFile:
        name = (cut.source.digest, cut.pdfa)
        file = self._open.get(name)
        if file is None:
            file = self._open[name] = PlainFile(self._find(cut.source), pdfa=cut.pdfa)
            if len(self._open) > OPEN:
                self._open.popitem(last=False)[1].close()
        self._open.move_to_end(name)
        return file
