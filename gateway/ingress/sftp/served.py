"""The rooms that an account only reads: answers, what was rejected, examples. Asks the ledger: not for the event loop."""

from __future__ import annotations

from datetime import datetime

from gateway.ingress.sftp.shared import Shared
from gateway.ingress.sftp.tree import Room
from gateway.model.danish_time import local
from gateway.model.drop import SHOWN_FOR
from gateway.ports import SeenFile


class Served:
    """``kvittering/``, ``fejl/`` and ``skabelon/`` of one account."""

    def __init__(self, account: str, shared: Shared) -> None:
        self._account = account
        self._shared = shared

    def files(self, room: Room) -> dict[str, tuple[int, datetime]]:
        """Names within *room*, with sizes and times; those in its folders with their path. Raises LedgerUnavailable."""
        shared, now = self._shared, self._shared.now()
        if room == "skabelon":
            return {name: (len(content), now) for name, content in shared.templates.items()}
        answers = shared.drops.answer_files(self._account, now - SHOWN_FOR)
        if room == "kvittering":
            found = {name: (size, at) for name, size, at in answers if not name.startswith("fejl/")}
            return found | {name: (len(content), now) for name, content in shared.overview.files(self._account).items()}
        found = {name.removeprefix("fejl/"): (size, at) for name, size, at in answers if name.startswith("fejl/")}
        rejected = self._rejected()
        for folder, file in rejected:
            found[f"{folder}/{file.name}"] = (file.blob.size_bytes, file.at)
        # What was handed over again is no longer rejected: its note goes with it.
        folders = {folder for folder, _ in rejected}
        return {name: value for name, value in found.items() if name.rpartition("/")[0] in folders}

    def answer(self, name: str) -> tuple[int, datetime] | None:
        """Size and time of one file in ``kvittering/``."""
        shared, now = self._shared, self._shared.now()
        made = shared.overview.content(self._account, name)
        if made is not None:
            return len(made), now
        answers = shared.drops.answer_files(self._account, now - SHOWN_FOR)
        return next(((size, at) for known, size, at in answers if known == name), None)

    def content(self, room: Room, name: str) -> bytes | None:
        """A file's bytes; None: there is none. Raises LedgerUnavailable, VaultDamaged."""
        shared = self._shared
        if room == "skabelon":
            return shared.templates.get(name)
        if room == "kvittering":
            made = shared.overview.content(self._account, name)
            return made if made is not None else shared.drops.answer_file(self._account, name)
        blob = next((file.blob for folder, file in reversed(self._rejected()) if f"{folder}/{file.name}" == name), None)
        return shared.vault.read(blob) if blob is not None else shared.drops.answer_file(self._account, f"fejl/{name}")

    def _rejected(self) -> list[tuple[str, SeenFile]]:
        """Originals of rejected drops, each with its folder (day and drop)."""
        files = self._shared.drops.rejected_files(self._account, self._shared.now() - SHOWN_FOR)
        return [(f"{local(drop_at).date().isoformat()}/{file.drop_id}", file) for file, drop_at in files]
