"""gather: dropped files become drops, and drops become submissions, or are refused with every fault at once.

Looks at all that waits whenever a file came or a wait ran out. What each file is, is found out once and
remembered by its content; which belong together is worked out anew each time, so that nothing has to be
kept in step.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from gateway import log, rehearsal
from gateway.documents.reading import ReadRules
from gateway.documents.sidecar.codes import told
from gateway.documents.sidecar.dispatch import Dispatch
from gateway.documents.sidecar.judge import Judgement, Package, judge
from gateway.documents.sidecar.look import Look
from gateway.documents.sidecar.pairing import Group, name_key, pair, stem
from gateway.documents.sidecar.read import Control, control_of
from gateway.documents.sidecar.understand import Manner
from gateway.errors import Fault, GatewayError, ReferenceConflict, SidecarMissing, UploadCut
from gateway.model.drop import DropManner, DroppedFile
from gateway.model.submission import Arrival, Envelope, Submitter
from gateway.ports import Clock, Drops, NewDrop, Vault

AT_ONCE = 64
"""Files of one call to the looking process, and drops of one commit."""
REMEMBERED = 100_000
LONGEST_BASE = 100
RECHECK = timedelta(minutes=1)
"""How soon to look again although nothing came: an account's settings may have changed, or a wait run out."""
STALE_AFTER = timedelta(hours=1)
"""How long a file may keep a name that says it is not complete."""


_Standing = Mapping[tuple[str, str], Dispatch]
"""Defaults by area and folder."""


class Looker(Protocol):
    """Looking at files under limits, in a process of its own."""

    def look(self, files: Sequence[tuple[str, Path, Control | None]], manner: Manner) -> list[Look]: ...


class Trier(Protocol):
    """Says what would be done with a package, and does nothing."""

    def tried(self, package: Package, manner: DropManner) -> dict[str, Any]: ...


class Gather:
    """Puts drops together."""

    name = "gather"

    def __init__(
        self,
        drops: Drops,
        vault: Vault,
        looker: Looker,
        clock: Clock,
        *,
        manners: Callable[[], Mapping[str, DropManner]],
        rules: Callable[[], ReadRules],
        trier: Trier,
    ) -> None:
        """
        Args:
            manners: how each account's drops are put together, by its name.
        """
        self._drops = drops
        self._vault = vault
        self._looker = looker
        self._clock = clock
        self._manners = manners
        self._rules = rules
        self._trier = trier
        self._looks: OrderedDict[tuple[str, str, str, bool], Look] = OrderedDict()
        self._mark: object = None
        self._until: datetime | None = None

    def work(self) -> int:
        """Gather what is whole; how many drops there were. Cheap while nothing came and no wait ran out."""
        mark = self._drops.waiting_mark()
        if mark == self._mark and (self._until is None or self._clock.now() < self._until):
            return 0
        self._until = self._clock.now() + RECHECK
        files = self._drops.waiting_files()
        by_account: dict[str, list[DroppedFile]] = defaultdict(list)
        for file in files:
            by_account[file.account].append(file)
        manners = self._manners()
        done = self._refuse_unfinished(manners)
        for account, mine in by_account.items():
            done += self._gather(mine, manners.get(account) or _plain(mine[0]))
        # Only now: what failed on the way is looked at again at the next call.
        self._mark = mark
        return done

    def _refuse_unfinished(self, manners: Mapping[str, DropManner]) -> int:
        """Files that were cut and not gone on with in time, or never got their final name: their client is told."""
        now = self._clock.now()
        refused = self._drops.stale_files(now - STALE_AFTER)
        for file in self._drops.cut_files():
            until = file.at + (manners.get(file.account) or _plain(file)).resume
            if until <= now:
                refused.append(file)
            elif self._until is not None:
                self._until = min(self._until, until)
        done = 0
        for file in refused:
            fault = Fault(error=UploadCut(), file=file.name)
            drop = NewDrop(account=file.account, channel=file.channel, area=file.area, folder=file.folder, base=_base(stem(file.name)),
                           kind="document", file_ids=[file.id], faults=told([fault]), trial=False)  # fmt: skip
            done += self._drops.keep_drops([drop])[0] is not None
        return done

    def _gather(self, files: Sequence[DroppedFile], manner: DropManner) -> int:
        now = self._clock.now()
        looks = self._look(files, manner)
        paired = pair(files, looks, manner, now)
        if paired.wait_until is not None and self._until is not None:
            self._until = min(self._until, paired.wait_until)
        # Defaults first: they count for what came with them.
        for group in paired.groups:
            if group.kind == "defaults":
                self._keep([group], looks, manner, now, {})
        others = [group for group in paired.groups if group.kind != "defaults"]
        standing = self._standing(manner) if others else {}
        done = len(paired.groups) - len(others)
        for begin in range(0, len(others), AT_ONCE):
            done += self._keep(others[begin : begin + AT_ONCE], looks, manner, now, standing)
        return done

    def _keep(
        self, groups: Sequence[Group], looks: Mapping[int, Look], manner: DropManner, now: datetime, standing: _Standing
    ) -> int:
        """Judge *groups* and write them down together. One that a bug of ours stands in the way of waits."""
        drops: list[NewDrop] = []
        for group in groups:
            try:
                drops.append(self._drop(group, looks, manner, now, standing))
            except GatewayError:
                raise
            except Exception as error:  # noqa: BLE001 - a bug; one drop must not take its neighbours with it
                log.bug(where=self.name, error=error)
        rehearsal.at("gather.judged")
        keep = self._drops.keep_standards if groups[0].kind == "defaults" else self._drops.keep_drops
        kept = keep(drops) if drops else []
        rehearsal.at("gather.kept")
        for drop, drop_id in zip(drops, kept, strict=True):
            if drop_id is not None:
                log.gathered(drop=drop_id, account=drop.account, files=len(drop.file_ids), letters=len(drop.arrivals), faults=len(drop.faults))
        return sum(drop_id is not None for drop_id in kept)

    def _standing(self, manner: DropManner) -> _Standing:
        """What the metadata files that count now say, by area and folder."""
        files = [file for file in self._drops.standard_files() if file.account == manner.account]
        looks = self._look(files, manner)
        return {
            (file.area, file.folder): asked.dispatches[0]
            for file in files
            if (asked := looks[file.id].asked) is not None and asked.dispatches
        }

    # ── looking ─────────────────────────────────────────────────────────────

    def _look(self, files: Sequence[DroppedFile], manner: DropManner) -> dict[int, Look]:
        """One look at each file; those seen before are remembered."""
        forms = {name_key(c.base) for f in files if (c := control_of(f.name)) is not None and c.kind == "form-marker"}
        looks: dict[int, Look] = {}
        new: list[tuple[DroppedFile, Control | None]] = []
        for file in files:
            form = name_key(file.name).endswith(".xml") and name_key(file.name)[:-4] in forms
            control = Control("form", file.name[:-4], "xml") if form else None
            known = self._looks.get(self._key(file, manner, form))
            if known is not None:
                looks[file.id] = known
            else:
                new.append((file, control))
        for begin in range(0, len(new), AT_ONCE):
            some = new[begin : begin + AT_ONCE]
            found = self._looker.look([(f.name, self._vault.path(f.blob), c) for f, c in some], _manner(manner, self._rules()))
            for (file, control), look in zip(some, found, strict=True):
                looks[file.id] = look
                self._looks[self._key(file, manner, control is not None)] = look
        while len(self._looks) > REMEMBERED:
            self._looks.popitem(last=False)
        return looks

    @staticmethod
    def _key(file: DroppedFile, manner: DropManner, form: bool) -> tuple[str, str, str, bool]:
        return file.blob.digest, file.name, manner.account, form

    # ── judging ─────────────────────────────────────────────────────────────

    def _drop(
        self, group: Group, looks: Mapping[int, Look], manner: DropManner, now: datetime, standing: _Standing
    ) -> NewDrop:
        first = group.files[0]
        if group.kind == "defaults":
            judgement = Judgement(faults=group.faults, notes=group.notes)
        else:
            judgement = judge(group, looks, self._rules(), manner, now, defaults=standing.get((first.area, first.folder)))
        trial = first.area == "proeve" or judgement.trial
        faults = judgement.faults
        if not judgement.packages and group.kind != "defaults":
            # Nothing may end without an answer that says why.
            faults = faults or (Fault(error=SidecarMissing(), file=first.name),)
        arrivals = () if trial else tuple(_arrival(package, manner, now) for package in judgement.packages)
        return NewDrop(
            account=first.account,
            channel=first.channel,
            area=first.area,
            folder=first.folder,
            base=_base(group.base),
            kind=group.kind,
            file_ids=[file.id for file in group.files],
            arrivals=arrivals,
            again=[package.again for package in judgement.packages] if arrivals else (),
            lines=[package.line for package in judgement.packages] if arrivals else (),
            documents=judgement.documents,
            faults=told(faults),
            notes=tuple(dict.fromkeys((*judgement.notes, *(file.note for file in group.files if file.note)))),
            trial=trial,
            tried=self._tried(judgement, manner) if trial else None,
            conflict=told([Fault(error=ReferenceConflict(), file=group.control.name if group.control else "", field="forsendelses_id")])[0],
            partly=bool(judgement.packages and judgement.faults),
        )

    def _tried(self, judgement: Judgement, manner: DropManner) -> dict[str, Any]:
        return {"letters": [self._trier.tried(package, manner) for package in judgement.packages]}


def _manner(manner: DropManner, rules: ReadRules) -> Manner:
    return Manner(
        allow_test=rules.allow_test_numbers,
        lenient=manner.lenient,
        guess=False,
        charset=manner.charset,
        receipt_addresses=manner.receipt_addresses,
        merged=manner.flow in rules.flows and rules.flows[manner.flow].split is not None,
    )


def _arrival(package: Package, manner: DropManner, now: datetime) -> Arrival:
    submitter = Submitter(
        kind="account", name=manner.account, reply_to=package.receipt_to, wish="summary", system=True
    )
    return Arrival(
        envelope=Envelope(channel=manner.channel, submitter=submitter, recipients=(), received_at=now),
        reference=package.reference,
        identity=package.identity,
        size_bytes=len(package.raw),
        raw=package.raw,
    )


def _plain(file: DroppedFile) -> DropManner:
    """For files of an account that is no longer there: what was taken is answered all the same."""
    return DropManner(account=file.account, channel=file.channel)


def _base(name: str) -> str:
    """*name* as the beginning of a file name: one part, not too long, nothing that hides."""
    plain = "".join("_" if sign in '/\\:*?"<>|' or ord(sign) < 32 else sign for sign in name).strip(". ")
    while len(plain.encode("utf-8", "replace")) > LONGEST_BASE:
        plain = plain[:-1]
    return plain or "fil"
