"""Looks through watched folders: takes what is whole, puts away what is taken, writes the answers.

Every look reads the whole folder and holds it against the ledger (F38). A file that was written down is put away
after its commit, never before, and is known again by name, size and time of change until then.
"""

from __future__ import annotations

import errno
import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from gateway import log, rehearsal
from gateway.config.settings import DropSettings, WatchedFolder
from gateway.errors import NotFound
from gateway.ingress.folder.share import Seen, Share
from gateway.ingress.folder.wholeness import may_be_cut, passed_over
from gateway.model.drop import SHOWN_FOR, NewFile
from gateway.ports import Drops, LyingFile, Vault

AT_ONCE = 100
"""Files of one commit."""
ANSWERS_AT_ONCE = 200
OVERVIEW_EVERY, FORGET_EVERY = 10.0, 3600.0
"""Seconds."""
_LOCKED = (errno.EACCES, errno.EPERM, errno.EBUSY, errno.ETXTBSY)


@dataclass(slots=True)
class _Memory:
    """What is remembered of one folder between looks; nothing that would be missed."""

    looked: dict[tuple[str, str, str], tuple[int, int, float]] = field(default_factory=dict)
    """Size, time of change, and when (monotonic) a file was first seen so."""
    answered_at: float = 0.0
    stale_overview: bool = True
    forget_at: float = 0.0
    state: Literal["unknown", "ok", "lost"] = "unknown"


class Watched:
    """One folder under the gateway's eyes."""

    def __init__(
        self,
        folder: WatchedFolder,
        share: Share,
        *,
        drops: Drops,
        vault: Vault,
        settings: DropSettings,
        largest: int,
        overview: Callable[[str], Mapping[str, bytes]],
        templates: Mapping[str, bytes],
        now: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            largest: bytes of a file beyond which no document of a letter can be.
            overview: files about an account that are made anew, by name.
        """
        self.folder = folder
        self.share = share
        self._drops = drops
        self._vault = vault
        self._settings = settings
        self._largest = largest
        self._overview = overview
        self._templates = templates
        self._now = now
        self._monotonic = monotonic
        self._memory = _Memory()

    def look(self) -> int:
        """One look: how many files were taken. A folder that is away, or is another one, is left alone."""
        name = self.folder.name
        try:
            if not self._is_there():
                return 0
            lying = self._drops.lying_files(name)
            self._put_away(lying)
            taken = self._take(lying)
            self._hand_over_again()
            self._write_answers()
            self._forget_old()
        except OSError as error:
            self._lost(type(error).__name__)
            return 0
        if taken:
            self._memory.stale_overview = True
        return taken

    # ── whether it is the folder we know ────────────────────────────────────

    def _is_there(self) -> bool:
        name = self.folder.name
        known = self._drops.sentinel(name)
        token = self.share.sentinel()
        if known is None:
            # Seen for the first time: from now on it is known by its sentinel.
            self._drops.keep_sentinel(name, token or self.share.make())
            self.share.rooms()
        elif token != known:
            self._lost("sentinel missing" if token is None else "another sentinel")
            return False
        else:
            self.share.rooms()
        if self._memory.state != "ok":
            was_lost = self._drops.place_is(name, "ok")
            if was_lost or self._memory.state == "lost":
                log.share_back(account=name)
            self._memory.state = "ok"
        return True

    def _lost(self, what: str) -> None:
        name = self.folder.name
        if self._memory.state != "lost":
            self._drops.place_is(name, "lost")
            log.share_lost(account=name, what=what)
            self._memory.state = "lost"

    # ── taking ──────────────────────────────────────────────────────────────

    def _take(self, lying: Sequence[LyingFile]) -> int:
        known = {one.mark for one in lying}
        seen = [one for one in self.share.look() if not passed_over(one.name)]
        self._forget_gone({one.key for one in seen})
        taken = 0
        batch: list[tuple[Seen, NewFile]] = []
        for one in seen:
            if one.mark in known or not self._left_alone(one):
                continue
            file = self._copied(one)
            if file is not None:
                batch.append((one, file))
            if len(batch) >= AT_ONCE:
                taken += self._keep(batch)
                batch = []
        return taken + self._keep(batch)

    def _forget_gone(self, there: set[tuple[str, str, str]]) -> None:
        for key in [key for key in self._memory.looked if key not in there]:
            del self._memory.looked[key]

    def _left_alone(self, one: Seen) -> bool:
        """Size and time were equal in two looks far enough apart, and nothing says that it is cut."""
        moment = self._monotonic()
        before = self._memory.looked.get(one.key)
        if before is None or before[:2] != (one.size, one.changed):
            self._memory.looked[one.key] = (one.size, one.changed, moment)
            return self.folder.age.total_seconds() == 0
        quiet = moment - before[2]
        if quiet < self.folder.age.total_seconds():
            return False
        if quiet >= self._settings.pair_timeout.total_seconds():
            return True
        try:
            return not may_be_cut(one.name, lambda: self.share.read_tail(one, self._largest))
        except OSError as error:
            # Excel and its like hold a file open; it is tried again, quietly, until the wait is over.
            if error.errno in _LOCKED or isinstance(error, FileNotFoundError):
                return False
            raise

    def _copied(self, one: Seen) -> NewFile | None:
        """The file, durable in the vault; None: it could not be read now."""
        writer = self._vault.writer()
        try:
            for block in self.share.blocks(one):
                writer.write(block)
                if writer.size_bytes > self._largest:
                    break  # enough to be refused for its size; the rest is not needed for that
            blob = writer.commit()
        except InterruptedError:
            return None
        except OSError as error:
            if error.errno in _LOCKED or isinstance(error, FileNotFoundError):
                return None
            raise
        finally:
            writer.abort()
        return NewFile(
            account=self.folder.name, channel="folder", area=one.area, folder=one.folder, name=one.name, blob=blob,
            how="scan", at=self._now(), mark=_mark(one),
        )  # fmt: skip

    def _keep(self, batch: Sequence[tuple[Seen, NewFile]]) -> int:
        """Write the files down, then put them away."""
        if not batch:
            return 0
        rehearsal.at("drop.bytes")
        kept = self._drops.keep_files([file for _, file in batch])
        rehearsal.at("folder.taken")
        for (one, file), known in zip(batch, kept, strict=True):
            if not known.known:
                log.dropped(file=known.id, account=file.account, channel="folder", size_bytes=file.blob.size_bytes)
            self._memory.looked.pop(one.key, None)
        lying = [LyingFile(id=k.id, mark=f.mark, folder=f.folder, name=f.name) for k, (_, f) in zip(kept, batch, strict=True)]
        self._put_away(lying)
        return sum(not one.known for one in kept)

    # ── putting away ────────────────────────────────────────────────────────

    def _put_away(self, lying: Iterable[LyingFile]) -> None:
        """Files that are written down leave ind/. One that cannot is told and left; it is not taken twice."""
        gone: list[int] = []
        for one in lying:
            area = one.mark.partition("/")[0]
            try:
                self.share.put_away(area, one.folder, one.name, at=self._now(), delete=self.folder.after == "delete")
            except OSError as error:
                log.share_file_left(account=self.folder.name, file=one.id, reason=type(error).__name__)
                continue
            gone.append(one.id)
        self.share.flush()
        self._drops.lies_no_more(gone)

    # ── answers ─────────────────────────────────────────────────────────────

    def _write_answers(self) -> None:
        name = self.folder.name
        while waiting := self._drops.unwritten_answers(name, ANSWERS_AT_ONCE):
            for _, drop_id, answer in waiting:
                if answer.name.startswith("fejl/") and drop_id is not None:
                    self._write_originals(drop_id, answer.name.rpartition("/")[0])
                self.share.write(answer.name, answer.content)
            self.share.flush()
            rehearsal.at("folder.written")
            self._drops.answers_written([number for number, _, _ in waiting])
            self._memory.stale_overview = True
        moment = self._monotonic()
        if self._memory.stale_overview and moment - self._memory.answered_at >= OVERVIEW_EVERY:
            for file, content in self._overview(name).items():
                self.share.write_again("kvittering", file, content)
            for file, content in self._templates.items():
                self.share.write_again("skabelon", file, content)
            self._memory.answered_at, self._memory.stale_overview = moment, False

    def _forget_old(self) -> None:
        """Answers that lay there for 30 days, and what was rejected with them, are removed."""
        moment = self._monotonic()
        if moment < self._memory.forget_at:
            return
        self._memory.forget_at = moment + FORGET_EVERY
        for answer in self._drops.old_answers(self.folder.name, self._now() - SHOWN_FOR):
            self.share.remove_answer(answer)

    def _write_originals(self, drop_id: str, folder: str) -> None:
        for file in self._drops.originals(drop_id):
            self.share.write(f"{folder}/{file.name}", self._vault.read(file.blob))

    def _hand_over_again(self) -> None:
        """What was mended in fejl/ and renamed to ….ret comes in once more."""
        for drop_id, files in self.share.asked_again():
            for name, file in files.items():
                self._drops.mend_file(self.folder.name, drop_id, name, self._vault.put(file.read_bytes()))
            if not self._drops.again(self.folder.name, drop_id) and not self._was_handed_over(drop_id):
                continue  # none of ours, or not rejected: what lies there is left alone
            for file in files.values():
                file.unlink(missing_ok=True)
            for parent in {file.parent for file in files.values()}:
                (parent / "LAES-MIG.txt").unlink(missing_ok=True)
                parent.rmdir()


    def _was_handed_over(self, drop_id: str) -> bool:
        """Whether that happened before, and the process died before the files were gone."""
        try:
            found = self._drops.show_drop(drop_id)
        except NotFound:
            return False
        return bool(found["account"] == self.folder.name and found["state"] == "again")


def _mark(one: Seen) -> str:
    return f"{one.area}/{hashlib.sha256(one.mark.encode('utf-8', 'surrogatepass')).hexdigest()}"
