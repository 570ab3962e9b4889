"""What systems hand over as files: dropped files, and the drops they make together. Danish: aflevering."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from gateway.model.submission import Blob, aware, new_id

Area = Literal["ind", "proeve"]
"""Where a file was dropped: to be sent, or only to be tried."""
How = Literal["close", "rename", "scan", "again", "cut"]
"""What completed a file: the client's CLOSE, its rename to the final name, two equal looks at a share, or a
mended file that is handed over once more. ``cut``: nothing did; the connection was lost, and this is its beginning."""
Readiness = Literal["sidecar", "close", "marker", "manifest", "stable"]
DropChannel = Literal["sftp", "folder"]
DropState = Literal["received", "rejected", "accepted", "done"]
"""``accepted``: its letters are on their way; ``done``: nothing more happens."""

AREAS: tuple[Area, ...] = ("ind", "proeve")
SHOWN_FOR = timedelta(days=30)
"""How long answers, rejected originals and the overview show a drop (sidecar.md, D7: as SKAT's)."""


def new_drop_id(at: datetime) -> str:
    """An id such as ``D-2026-7K3Q-M2XD``."""
    return new_id("D", at)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """A complete file, durable in the vault, about to be written down."""

    account: str
    channel: DropChannel
    area: Area
    folder: str = field(default="", repr=False)
    """Folder within the area; empty: the area itself."""
    name: str = field(repr=False)
    blob: Blob
    how: How
    at: datetime
    """When it was completed; for a share its own time of change."""
    note: str = ""
    """A Danish sentence for the receipt: what was guessed about its name."""
    mark: str = ""
    """Of a share: what tells this file from another of the same name and content (its time of change, in
    nanoseconds). A file with the same mark is the same file, seen again."""

    def __post_init__(self) -> None:
        aware(self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class DroppedFile:
    """A file that is ours to answer for."""

    id: int
    account: str
    channel: DropChannel
    area: Area
    folder: str = field(default="", repr=False)
    name: str = field(repr=False)
    blob: Blob
    how: How
    at: datetime
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DropManner:
    """How the drops of one account are put together; plain values of its settings."""

    account: str
    channel: DropChannel
    readiness: Readiness = "sidecar"
    sidecar: Literal["required", "optional"] = "required"
    pair_timeout: timedelta = timedelta(minutes=10)
    """How long half of a pair waits for the other."""
    quiet: timedelta = timedelta(seconds=10)
    """How long a file must have been left alone, where nothing else says that it is whole."""
    by_folder: bool = False
    """A folder in the area is one drop; complete with its manifest or marker."""
    resume: timedelta = timedelta(0)
    """How long a client may go on with an upload that was cut, before it is told that the file was not taken."""
    flow: str = "default"
    lenient: bool = False
    charset: str | None = None
    receipt_addresses: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFile:
    """What the ledger did with a file."""

    id: int
    known: bool
    """It was written down before, when the same file was seen at a share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DropFault:
    """One fault as it is told to the system (sidecar.md, D4)."""

    kode: str
    gw: str
    fil: str = field(default="", repr=False)
    felt: str = ""
    linje: int | None = None
    tekst: str = field(repr=False)
    goer_saadan: str = field(repr=False)
    proeves_igen: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DropItem:
    """One dispatch of a drop, and the submission it became or repeats."""

    number: int
    submission_id: str
    outcome: Literal["new", "duplicate"]
    reference: str = field(repr=False)
    line: int | None
    view: dict[str, Any] = field(repr=False)
    """As ``Ledger.show_submission``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """A drop as its answers tell of it."""

    id: str
    account: str
    channel: DropChannel
    area: Area
    base: str = field(repr=False)
    kind: str
    trial: bool
    state: str
    received_at: datetime
    documents: tuple[tuple[str, str, int, int | None], ...] = field(repr=False)
    """Name, digest, bytes and pages."""
    faults: tuple[DropFault, ...]
    notes: tuple[str, ...] = field(repr=False)
    tried: dict[str, Any] | None = field(repr=False)
    answered: tuple[str, ...]
    due_at: datetime
    items: tuple[DropItem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFile:
    """One file for the system to read."""

    name: str = field(repr=False)
    """Within ``kvittering/``; begins with ``fejl/`` if it belongs there."""
    content: bytes = field(repr=False)
