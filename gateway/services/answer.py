"""answer: tell each system what became of its drop, in files it can read. No drop ends without one.

Stages: ``modtaget`` (1), ``godkendt``, ``afvist`` or ``dublet`` (2), ``slut`` (3 and on), and ``afventer`` while a
person must act. What was answered is never taken back: later news is a later file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import timedelta

from gateway import log
from gateway.model.drop import SHOWN_FOR, AnswerFile, Drop
from gateway.ports import AnswerWriter, Claim, Clock, Drops, Ledger
from gateway.services.work import one

KEPT_FOR = SHOWN_FOR + timedelta(days=1)
"""How long we remember answers: a day longer than they are shown, so that those in shares are removed by their
names first.
"""
ARCHIVE_LOOK = timedelta(seconds=2)
"""How soon to look again when only the archive is behind."""
_FINAL = frozenset({"completed", "failed", "rejected", "cancelled", "handled"})
_ARCHIVED = frozenset({"archived", "failed", "none", "held", "cancelled", "handled"})


class Answer:
    """Claims drops with news and writes the answers."""

    name = "answer"

    def __init__(
        self, drops: Drops, ledger: Ledger, writer: AnswerWriter, clock: Clock, *, waits: Sequence[timedelta], batch: int = 64
    ) -> None:
        self._drops = drops
        self._ledger = ledger
        self._writer = writer
        self._clock = clock
        self._waits = waits
        self._batch = batch

    def work(self) -> int:
        """Answer what is due; how many drops there were."""
        claims = self._drops.claim_drops(self._batch)
        for claim in claims:
            one(claim, self._answer, ledger=self._ledger, where=self.name, waits=self._waits)
        return len(claims)

    def forget(self) -> int:
        """Remove answers that have been there long enough; how many."""
        return self._drops.forget_answers(self._clock.now() - KEPT_FOR)

    def _answer(self, claim: Claim[Drop]) -> None:
        drop = claim.item
        answered = list(drop.answered)
        files: list[AnswerFile] = []
        stages: list[str] = []
        for label in news(drop):
            number = _number(label, answered)
            stage = label.partition(":")[0]
            files += self._writer.files(drop, number=number, stage=stage)
            answered.append(label)
            stages.append(stage)
        again_in = ARCHIVE_LOOK if _only_archive_is_behind(drop) else None
        if self._drops.drop_answered(claim, state=_state(drop), answered=answered, files=files, again_in=again_in):
            for stage in stages:
                log.answered(drop=drop.id, stage=stage)


def news(drop: Drop) -> list[str]:
    """Labels of the answers that are due and not written, in order."""
    wanted = ["modtaget"]
    if drop.trial:
        wanted.append("proeve")
    elif drop.state == "rejected" or (drop.faults and not drop.items):
        wanted.append("afvist")
    elif drop.kind == "defaults":
        wanted.append("godkendt")
    elif drop.items:
        wanted += _of_items(drop)
    return [label for label in wanted if label not in drop.answered]


def _of_items(drop: Drop) -> list[str]:
    if all(item.outcome == "duplicate" for item in drop.items):
        labels = ["dublet"]
    elif all(item.view["status"] != "received" for item in drop.items):
        labels = ["godkendt"]
    else:
        return []
    statuses = _statuses(drop)
    if any(send == "held" for send, _ in statuses):
        labels.append("afventer")
    if all(send in _FINAL and archive in _ARCHIVED for send, archive in statuses):
        labels.append(f"slut:{_mark(statuses)}")
    return labels


def _statuses(drop: Drop) -> list[tuple[str, str]]:
    """Of every letter: its sending, or its archiving if it is only archived; and its archiving."""
    found: list[tuple[str, str]] = []
    for item in drop.items:
        letters = item.view["letters"]
        if not letters:
            found.append((item.view["status"], "none"))
        for letter in letters:
            send, archive = letter["send"], letter["archive"]
            if send == "none":
                send = {"archived": "completed", "none": "none"}.get(archive, archive)
            found.append((send, archive))
    return found


def _mark(statuses: Sequence[tuple[str, str]]) -> str:
    return hashlib.sha256(json.dumps(statuses).encode()).hexdigest()[:12]


def _number(label: str, answered: Sequence[str]) -> int:
    """Of the answer's file name: 1, 2, and 3 for the end; news after the end counts on."""
    if label == "modtaget":
        return 1
    if label.startswith("slut:"):
        return 3 + sum(one.startswith("slut:") for one in answered)
    return 2


def _state(drop: Drop) -> str:
    if drop.state == "rejected" or (drop.faults and not drop.items and not drop.trial):
        return "rejected"
    if drop.trial or drop.kind == "defaults":
        return "done"
    done = bool(drop.items) and any(label.startswith("slut:") for label in _of_items(drop))
    return "done" if done else "accepted"


def _only_archive_is_behind(drop: Drop) -> bool:
    if drop.trial or not drop.items:
        return False
    statuses = _statuses(drop)
    return all(send in _FINAL for send, _ in statuses) and not all(archive in _ARCHIVED for _, archive in statuses)
