"""Which of the dropped files belong together, and whether they are all there (sidecar.md, D3).

Pure: waiting files, what one look at each told, and the time go in; drops come out, whole or refused, and
everything else waits. Nothing is guessed: two files that fit one name are an error, and every wait ends.
One module, although long: the conventions stand beside each other, in the order in which they are tried.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from gateway.documents.sidecar.dispatch import Dispatch, Named
from gateway.documents.sidecar.look import Look
from gateway.documents.sidecar.read import Asked
from gateway.errors import (
    DocumentDiffers,
    DocumentMissing,
    DocumentUnexpected,
    Fault,
    GatewayError,
    SidecarAmbiguous,
    SidecarMissing,
)
from gateway.model.drop import DropManner, DroppedFile

GroupKind = Literal["manifest", "meta", "plain", "trigger", "form", "document", "defaults", "marker"]
Looks = Mapping[int, Look]
"""By the file's id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One dispatch, and the files it names in order."""

    dispatch: Dispatch
    files: tuple[DroppedFile, ...] = ()
    named: tuple[Named | None, ...] = ()
    """What the sidecar says of each of *files*."""
    good: bool = True
    """False: it has faults of its own, and others of its list may go without it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Files that are one drop: whole, or with *faults* and refused."""

    kind: GroupKind
    base: str = field(repr=False)
    """What its answers are named after."""
    files: tuple[DroppedFile, ...]
    items: tuple[Item, ...] = ()
    faults: tuple[Fault, ...] = ()
    control: DroppedFile | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Paired:
    """What one look at the waiting files gives."""

    groups: tuple[Group, ...]
    wait_until: datetime | None = None
    """When something that waits now will have waited long enough; None: only a new file changes anything."""


def pair(files: Sequence[DroppedFile], looks: Looks, manner: DropManner, now: datetime) -> Paired:
    """The drops among the waiting *files* of one account, oldest first."""
    by_place: dict[tuple[str, str], list[DroppedFile]] = defaultdict(list)
    for file in sorted(files, key=lambda one: (one.at, one.id)):
        by_place[file.area, file.folder].append(file)
    groups: list[Group] = []
    waits: list[datetime] = []
    for (_, folder), together in sorted(by_place.items()):
        paired = _Pairing(together, looks, manner, now).pair(whole_folder=manner.by_folder and bool(folder))
        groups += paired.groups
        if paired.wait_until is not None:
            waits.append(paired.wait_until)
    return Paired(tuple(groups), min(waits, default=None))


def name_key(name: str) -> str:
    """*name* as files are matched: composed form, case folded (sidecar.md, D5 12)."""
    return unicodedata.normalize("NFC", name).casefold()


def stem(name: str) -> str:
    """*name* without its last ending."""
    head, dot, _ = name.rpartition(".")
    return head if dot and head else name


@dataclass(frozen=True, slots=True)
class _Found:
    """The files one dispatch names, as far as they are here."""

    files: tuple[DroppedFile, ...] = ()
    named: tuple[Named | None, ...] = ()
    faults: tuple[Fault, ...] = ()
    waits: bool = False


class _Pairing:
    """The files of one folder."""

    def __init__(self, files: Sequence[DroppedFile], looks: Looks, manner: DropManner, now: datetime) -> None:
        self._looks = looks
        self._manner = manner
        self._now = now
        self._files = files
        self._left = {file.id: file for file in files}
        self._by_key: dict[str, list[DroppedFile]] = defaultdict(list)
        self._by_stem: dict[str, list[DroppedFile]] = defaultdict(list)
        self._sidecars: dict[str, list[DroppedFile]] = defaultdict(list)
        for file in files:
            if self._kind(file) in ("meta", "plain", "trigger"):
                self._sidecars[name_key(_base(looks[file.id], file))].append(file)
            self._by_key[name_key(file.name)].append(file)
            if self._is_document(file):
                self._by_stem[name_key(stem(file.name))].append(file)
        self._forms: dict[str, list[DroppedFile]] | None = None
        self._groups: list[Group] = []
        self._waits: list[datetime] = []
        self._marked = self._markers()
        self._claimed: set[int] = set()

    def pair(self, *, whole_folder: bool) -> Paired:
        for kind in ("defaults", "form-marker", "manifest", "meta", "trigger", "plain"):
            for control in [file for file in self._files if self._kind(file) == kind]:
                if control.id in self._left:
                    self._control(kind, control)
        if not whole_folder:
            self._documents()
        self._lone_markers()
        if whole_folder:
            self._folder_faults()
        until = min((moment for moment in self._waits if moment > self._now), default=None)
        return Paired(tuple(self._groups), until)

    # ── what a file is ──────────────────────────────────────────────────────

    def _kind(self, file: DroppedFile) -> str:
        control = self._looks[file.id].control
        return control.kind if control is not None else "document"

    def _is_document(self, file: DroppedFile) -> bool:
        return self._looks[file.id].control is None

    def _markers(self) -> Mapping[str, list[DroppedFile]]:
        """Marker files by what they mark: a name, a stem, or the whole folder (empty)."""
        marked: dict[str, list[DroppedFile]] = defaultdict(list)
        for file in self._files:
            control = self._looks[file.id].control
            if control is not None and control.kind in ("marker", "form-marker"):
                marked[name_key(control.base)].append(file)
        return marked

    def _markers_of(self, *names: str) -> list[DroppedFile]:
        """Markers that speak for one of *names*, by whole name, by stem, or for the folder."""
        keys = {""} | {name_key(name) for name in names} | {name_key(stem(name)) for name in names}
        return [marker for key in keys for marker in self._marked.get(key, ()) if marker.id in self._left]

    # ── whether a file is whole ─────────────────────────────────────────────

    def _is_whole(self, file: DroppedFile, named: Named | None, *, marked: bool) -> bool:
        """Whether *file* is all of what its sender meant to send (sidecar.md, D5 1 and 1b).

        What the sidecar says of size and digest decides; else a rename or a marker; else it must have been
        quiet and end as its format does.
        """
        if named is not None and (named.sha256 is not None or named.size_bytes is not None):
            return _agrees(file, named)
        ends = self._looks[file.id].whole
        if ends is False:
            return False  # whoever renamed or marked it was mistaken: its end is missing
        if marked or file.how in ("rename", "again", "scan"):
            return True
        if self._manner.readiness == "close" and ends:
            return True
        return self._quiet(file) and ends is True

    def _quiet(self, file: DroppedFile) -> bool:
        return self._passed(file, self._manner.quiet)

    def _late(self, file: DroppedFile) -> bool:
        return self._passed(file, self._manner.pair_timeout)

    def _passed(self, file: DroppedFile, wait: timedelta) -> bool:
        moment = file.at + wait
        if moment <= self._now:
            return True
        self._waits.append(moment)
        return False

    # ── control files ───────────────────────────────────────────────────────

    def _control(self, kind: str, control: DroppedFile) -> None:
        if kind == "form-marker":
            self._form(control)
            return
        asked = self._looks[control.id].asked
        assert asked is not None
        base = _base(self._looks[control.id], control)
        markers = self._markers_of(base, control.name)
        final = control.how != "close" or bool(markers) or self._quiet(control)
        if not final and not (asked.readable and asked.self_ending):
            return  # perhaps only the beginning of it
        if self._manner.readiness == "marker" and not markers and kind != "defaults":
            if self._late(control):
                self._refuse("meta", base, [control], DocumentMissing(), control)
            return
        if kind == "defaults":
            self._take(Group(kind="defaults", base=stem(control.name), files=(control,), faults=asked.faults, control=control,
                             items=tuple(Item(dispatch=one) for one in asked.dispatches)))  # fmt: skip
            return
        self._sidecar(kind, control, asked, base, markers)

    def _sidecar(
        self, kind: str, control: DroppedFile, asked: Asked, base: str, markers: Sequence[DroppedFile]
    ) -> None:
        items: list[Item] = []
        faults: list[Fault] = [*asked.faults]
        missing = False
        for place, dispatch in enumerate(asked.dispatches, 1):
            found = self._found(kind, control, dispatch, base, marked=bool(markers))
            faults += found.faults
            missing = missing or found.waits
            good = place not in asked.faulty_lines and not found.faults
            items.append(Item(dispatch=dispatch, files=found.files, named=found.named, good=good))
        if not asked.dispatches:
            present = self._implied(kind, base, control)
            items.append(Item(dispatch=Dispatch(), files=tuple(present), named=(None,) * len(present), good=False))
        if missing and not self._late(control):
            if not faults or self._partly(asked):
                return
            # It is refused whatever comes; what is here goes with it.
        elif missing:
            faults += self._missing(kind, control, asked, base)
            items = [replace(item, good=False) for item in items]
        files = (control, *_once(file for item in items for file in item.files), *markers)
        # »brev.pdf.meta.json« speaks of brev.pdf; »brev.v2.meta.json« of brev.v2 and its document brev.v2.pdf.
        named_whole = any(name_key(file.name) == name_key(base) for file in files)
        group = Group(kind=kind, base=stem(base) if named_whole else base, files=files, items=tuple(items),  # type: ignore[arg-type]
                      faults=tuple(_distinct(faults)), control=control, notes=asked.notes)  # fmt: skip
        self._take(group)

    def _partly(self, asked: Asked) -> bool:
        return any(dispatch.partly for dispatch in asked.dispatches)

    def _found(self, kind: str, control: DroppedFile, dispatch: Dispatch, base: str, *, marked: bool) -> _Found:
        """The files that *dispatch* names; they wait while one is not there or not whole."""
        if not dispatch.documents:
            return self._found_by_name(kind, control, base, marked=marked)
        files: list[DroppedFile] = []
        faults: list[Fault] = []
        waits = False
        for named in dispatch.documents:
            candidates = self._exactly(named.file)
            if not candidates and self._candidates(named.file):
                error = SidecarAmbiguous(what="to filer har samme navn, når store og små bogstaver ikke tæller")
                faults.append(Fault(error=error, file=control.name, field="dokumenter.fil", line=named.line))
                continue
            best = _best(candidates, named, control)
            if best is None or not self._is_whole(best, named, marked=marked or self._marked_itself(best)):
                waits = True
            if best is not None:
                files.append(best)
                self._claimed.add(best.id)
        kept = tuple(_named_for(file, dispatch) for file in files)
        return _Found(tuple(files), kept, tuple(faults), waits or len(files) + len(faults) < len(dispatch.documents))

    def _found_by_name(self, kind: str, control: DroppedFile, base: str, *, marked: bool) -> _Found:
        """The one file that a sidecar without a list is named after."""
        implied = self._implied(kind, base, control)
        names = {name_key(one.name) for one in implied}
        if len(names) > 1:
            error = SidecarAmbiguous(what="følgefilen passer til flere dokumenter")
            return _Found(tuple(implied), (None,) * len(implied), (Fault(error=error, file=control.name),))
        best = _best(implied, None, control)
        if best is None:
            return _Found(waits=True)
        self._claimed.add(best.id)
        whole = self._is_whole(best, None, marked=marked or self._marked_itself(best))
        return _Found((best,), (None,), (), not whole)

    def _implied(self, kind: str, base: str, control: DroppedFile) -> list[DroppedFile]:
        if kind == "manifest":
            return []
        return self._candidates(base) or [one for one in self._by_stem.get(name_key(base), ()) if one.id in self._left]

    def _candidates(self, name: str) -> list[DroppedFile]:
        return [one for one in self._by_key.get(name_key(name), ()) if one.id in self._left and self._is_document(one)]

    def _exactly(self, name: str) -> list[DroppedFile]:
        """As ``_candidates``; where names differ in case only those with the very same. Empty: none of several has it."""
        found = self._candidates(name)
        if len({unicodedata.normalize("NFC", one.name) for one in found}) <= 1:
            return found
        return [one for one in found if unicodedata.normalize("NFC", one.name) == unicodedata.normalize("NFC", name)]

    def _marked_itself(self, file: DroppedFile) -> bool:
        return bool(self._markers_of(file.name))

    def _missing(self, kind: str, control: DroppedFile, asked: Asked, base: str) -> list[Fault]:
        """What has not come in time, or came differently."""
        faults: list[Fault] = []
        for dispatch in asked.dispatches:
            for named in dispatch.documents or (Named(file=base),):
                here = self._exactly(named.file) or ([] if dispatch.documents else self._implied(kind, base, control))
                best = _best(here, named, control)
                error: GatewayError | None = None
                if best is None:
                    error = DocumentMissing(private=named.file)
                elif not self._is_whole(best, named if dispatch.documents else None, marked=self._marked_itself(best)):
                    error = self._differs(best, named)
                if error is not None:
                    faults.append(Fault(error=error, file=control.name, field="dokumenter.fil", line=named.line))
        return faults

    def _differs(self, file: DroppedFile, named: Named) -> GatewayError:
        if named.size_bytes is not None and named.size_bytes != file.blob.size_bytes:
            what = f"den fylder {file.blob.size_bytes} byte, følgefilen siger {named.size_bytes}"
        elif named.sha256 is not None and named.sha256 != file.blob.digest:
            what = "SHA-256 er en anden"
        elif self._looks[file.id].whole is None:
            what = "det kan ikke ses, om den er hel; skriv bytes eller sha256 i følgefilen, eller omdøb filen til sidst"
        else:
            what = "den slutter midt i"
        return DocumentDiffers(private=file.name, what=what)

    # ── form groups ─────────────────────────────────────────────────────────

    def _form(self, marker: DroppedFile) -> None:
        """``<hash>.klar_til_processering`` closes ``<hash>.xml``, ``<hash>.pdf`` and ``<hash>-*``."""
        control = self._looks[marker.id].control
        assert control is not None
        key = name_key(control.base)
        mine = [f for f in self._of_form(key) if f.id != marker.id and f.id in self._left]
        described = next((f for f in mine if name_key(f.name) == f"{key}.xml"), None)
        main = next((f for f in mine if name_key(f.name) == f"{key}.pdf"), None)
        asked = self._looks[described.id].asked if described is not None else None
        if described is None or main is None or asked is None:
            if self._late(marker):
                missing = f"{control.base}.{'pdf' if described else 'xml'}"
                self._refuse("form", control.base, [marker, *mine], DocumentMissing(private=missing), marker)
            return
        rest = [f for f in mine if f is not described and f is not main]
        files = (main, *sorted(rest, key=lambda f: f.name))
        named = (Named(file=main.name, role="main"), *(Named(file=f.name, role="attachment") for f in files[1:]))
        dispatch = asked.dispatches[0] if asked.dispatches else Dispatch()
        item = Item(dispatch=dispatch, files=files, named=named, good=not asked.faults)
        self._take(Group(kind="form", base=control.base, files=(described, *files, marker), items=(item,),
                         faults=asked.faults, control=described, notes=asked.notes))  # fmt: skip

    def _of_form(self, key: str) -> list[DroppedFile]:
        """Files whose name goes on after *key* with a dot or a dash."""
        if self._forms is None:
            self._forms = defaultdict(list)
            for file in self._files:
                name = name_key(file.name)
                for place, sign in enumerate(name[:200]):
                    if sign in ".-":
                        self._forms[name[:place]].append(file)
        return self._forms.get(key, [])

    # ── the rest ────────────────────────────────────────────────────────────

    def _documents(self) -> None:
        """Documents that no control file names."""
        for file in list(self._left.values()):
            if not self._is_document(file) or file.id in self._claimed:
                continue
            markers = self._markers_of(file.name)
            if self._manner.sidecar == "optional":
                ready = self._quiet(file) and self._is_whole(file, None, marked=bool(markers))
                if self._manner.readiness == "marker":
                    ready = bool(markers)
                if ready or self._late(file):
                    item = Item(dispatch=Dispatch(), files=(file,), named=(None,))
                    self._take(Group(kind="document", base=stem(file.name), files=(file, *self._own(markers)), items=(item,)))
            elif self._late(file):
                self._refuse("document", stem(file.name), [file, *self._own(markers)], SidecarMissing(private=file.name), file)

    def _own(self, markers: Iterable[DroppedFile]) -> list[DroppedFile]:
        """Those of *markers* that speak for one name and not for the folder."""
        return [m for m in markers if (c := self._looks[m.id].control) is not None and c.base]

    def _lone_markers(self) -> None:
        """Markers whose files never came; one for the whole folder goes when it has done its work."""
        for file in list(self._left.values()):
            if self._kind(file) == "marker" and self._late(file):
                self._refuse("marker", file.name, [file], DocumentMissing(), file)

    def _folder_faults(self) -> None:
        """In a folder that is one drop, what nobody named is an error (F27)."""
        if not self._groups:
            for file in list(self._left.values()):
                if self._late(file):
                    self._refuse("document", stem(file.name), [file], SidecarMissing(private=file.name), file)
            return
        extra = [file for file in self._left.values() if self._is_document(file)]
        if extra:
            first, *others = self._groups
            unexpected = tuple(Fault(error=DocumentUnexpected(private=f.name), file=f.name) for f in extra)
            self._groups = [replace(first, faults=(*first.faults, *unexpected), files=(*first.files, *extra)), *others]
            for file in extra:
                self._left.pop(file.id, None)

    def _refuse(self, kind: GroupKind, base: str, files: list[DroppedFile], error: GatewayError, named: DroppedFile) -> None:
        documents = tuple(file for file in files if self._is_document(file))
        items = (Item(dispatch=Dispatch(), files=documents, named=(None,) * len(documents), good=False),)
        self._take(Group(kind=kind, base=base, files=tuple(files), items=items, faults=(Fault(error=error, file=named.name),)))

    def _take(self, group: Group) -> None:
        rivals = self._rivals(group)
        if rivals:
            error = SidecarAmbiguous(what="to følgefiler gælder samme dokument")
            fault = Fault(error=error, file=group.control.name if group.control else "")
            group = replace(group, faults=(*group.faults, fault), files=tuple(_once((*group.files, *rivals))))
        self._groups.append(group)
        for file in group.files:
            self._left.pop(file.id, None)

    def _rivals(self, group: Group) -> list[DroppedFile]:
        """Other sidecars that are named after the same main document as that of *group*."""
        if group.kind not in ("meta", "plain", "trigger") or not group.items or not group.items[0].files:
            return []
        document = group.items[0].files[0]
        keys = {name_key(document.name), name_key(stem(document.name))}
        same = self._by_key[name_key(document.name)]
        if len(same) > 1:
            return []  # handed over several times: each has its own
        return [
            file
            for key in keys
            for file in self._sidecars.get(key, ())
            if group.control is not None and file.id != group.control.id and file.id in self._left
            and name_key(file.name) != name_key(group.control.name)
            and _speaks_for(self._looks[file.id], document)
        ]


def _speaks_for(look: Look, document: DroppedFile) -> bool:
    """Whether a sidecar beside *document* is about it: it lists it, or lists nothing."""
    dispatches = look.asked.dispatches if look.asked is not None else ()
    listed = [named for dispatch in dispatches for named in dispatch.documents]
    return not listed or any(name_key(named.file) == name_key(document.name) for named in listed)


def _base(look: Look, file: DroppedFile) -> str:
    return look.control.base if look.control is not None else stem(file.name)


def _agrees(file: DroppedFile, named: Named) -> bool:
    size = named.size_bytes is None or named.size_bytes == file.blob.size_bytes
    return size and (named.sha256 is None or named.sha256 == file.blob.digest)


def _best(candidates: Sequence[DroppedFile], named: Named | None, control: DroppedFile) -> DroppedFile | None:
    """Of files with one name: the one the sidecar describes, else the last before the sidecar, else the first."""
    told = named is not None and (named.sha256 is not None or named.size_bytes is not None)
    if told and named is not None:
        for file in candidates:
            if _agrees(file, named):
                return file
    before = [file for file in candidates if (file.at, file.id) <= (control.at, control.id)]
    return before[-1] if before else candidates[0] if candidates else None


def _named_for(file: DroppedFile, dispatch: Dispatch) -> Named | None:
    return next((one for one in dispatch.documents if name_key(one.file) == name_key(file.name)), None)


def _once(files: Iterable[DroppedFile]) -> list[DroppedFile]:
    return list({file.id: file for file in files}.values())


def _distinct(faults: Iterable[Fault]) -> list[Fault]:
    kept: dict[tuple[str, str, str, int | None, str], Fault] = {}
    for fault in faults:
        kept.setdefault((fault.error.code, fault.file, fault.field, fault.line, fault.error.private), fault)
    return list(kept.values())
