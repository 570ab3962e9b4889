"""The edges, as Protocols: what the services need, said without naming any library.

One module, although long: whoever builds a part reads all contracts in one place.
One rule for all: a method raises only errors from ``gateway.errors``; anything else that escapes
is a bug, and is treated as temporary by whoever called. Sync methods may block (disk, database,
network) and are called from worker threads, never from the event loop.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Generic, Literal, Protocol, TypeVar

from gateway.errors import GatewayError
from gateway.model.batch import Batch, Cut, Place, Settled
from gateway.model.decision import Decision, Facts, Reach
from gateway.model.drop import (
    AnswerFile,
    Area,
    Drop,
    DropChannel,
    DropFault,
    DroppedFile,
    KeptFile,
    NewFile,
)
from gateway.model.identity import Recipient
from gateway.model.inbound import (
    DeliveryMode,
    Forwardable,
    ForwardKind,
    InboundMessage,
    InboundStatus,
    NewPost,
    Post,
)
from gateway.model.letter import Letter
from gateway.model.notice import Notice, Refusal
from gateway.model.rule_version import Activation, ActivationKind, PastDecision, Pause, RuleVersion
from gateway.model.shipment import Attempt, Outcome, Receipt, Sendable, ShipmentKind
from gateway.model.submission import Accepted, Arrival, Blob, Submission

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Claim(Generic[T_co]):
    """A piece of work that is ours for the length of a lease.

    *fence* is the token every write must name: if the lease ran out and somebody else claimed the
    row, the write matches nothing, returns False, and we drop what we did. It counts the claims of
    the row, from 1.
    """

    item: T_co
    fence: int
    crashes: int
    """Claims that ended neither well nor badly: the process died. At 3 the row is held as poison."""
    tries: int = 1
    """Claims since the row became due anew (it came, or a person retried or released it), from 1: what
    waits grow with."""


# ── bytes ───────────────────────────────────────────────────────────────────


class BlobWriter(Protocol):
    """Bytes on their way into the vault. Not durable, and invisible, before ``commit``."""

    size_bytes: int

    def write(self, block: bytes) -> None:
        """Append *block*. Raises DiskFull."""

    def commit(self) -> Blob:
        """Make the bytes survive a power cut (file and folder flushed) and name them. Raises DiskFull."""

    def abort(self) -> None:
        """Forget the bytes; may be called at any time, also after ``commit`` (then nothing happens)."""


class BlobUpload(Protocol):
    """Bytes that come in any order, as a client writes a file. Invisible before ``commit``."""

    @property
    def size_bytes(self) -> int:
        """Up to the last byte written."""

    @property
    def has_hole(self) -> bool:
        """Whether bytes before the last one were never written."""

    def write_at(self, offset: int, block: bytes) -> None:
        """Write *block* at *offset*. Raises DiskFull."""

    def read_at(self, offset: int, size: int) -> bytes: ...

    def commit(self) -> Blob:
        """As ``BlobWriter.commit``."""

    def truncate(self, size_bytes: int) -> None:
        """Forget what lies behind *size_bytes*; there is at least that much."""

    def commit_beginning(self) -> Blob:
        """As ``commit``, without what lies behind the first hole."""

    def abort(self) -> None:
        """Forget the bytes; may be called at any time."""


class Vault(Protocol):
    """Bytes by their SHA-256. Putting the same bytes twice keeps one copy."""

    def writer(self) -> BlobWriter: ...

    def upload(self, beginning: Blob | None = None) -> BlobUpload:
        """A file to be written in any order; it begins with the bytes of *beginning*. Raises DiskFull."""

    def put(self, content: bytes) -> Blob:
        """Store *content* durably. Raises DiskFull."""

    def take(self, file: Path) -> Blob:
        """Move the file at *file* in, durably; on the same file system without copying. Raises DiskFull."""

    def open(self, blob: Blob) -> BinaryIO:
        """Read *blob* as a stream. Raises VaultDamaged if it is gone or of another size."""

    def read(self, blob: Blob) -> bytes:
        """All of *blob*, digest checked. Raises VaultDamaged."""

    def path(self, blob: Blob) -> Path:
        """A local file with the bytes of *blob*, for parsers that need one; read-only."""

    def free_bytes(self) -> int:
        """Room left for new bytes."""

    def forget(self, digest: str, *, unless_since: datetime | None = None) -> bool:
        """Remove the bytes, unless they were written or put again at *unless_since* or later: somebody is
        about to name them. Whether they went; no error if they are gone already.
        """

    def digests(self) -> Iterator[tuple[str, datetime]]:
        """Every digest kept, with the time it was written; for the sweep of unnamed bytes."""


# ── accepting ───────────────────────────────────────────────────────────────


class Intake(Protocol):
    """Where every way in ends. Awaited in the event loop."""

    async def accept(self, arrival: Arrival) -> Accepted:
        """Write *arrival* down; returns only when it would survive a power cut.

        Raises DiskFull, LedgerUnavailable, TooMuchInFlight; all of them mean: not taken, still yours.
        """
        ...


# ── the ledger ──────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class NewShipment:
    """A shipment about to be written; the ledger gives it its id and times."""

    kind: ShipmentKind
    destination: str
    key: str
    part: str = "letter"
    settings: tuple[tuple[str, str], ...] = ()
    due_at: datetime | None = None
    """Not before; None: now."""
    lane: int = 1
    """Among those that are due, 0 goes before 1, and 1 before 2."""
    mass: bool = False
    """Goes together with others, and never before single letters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadEnd:
    """What reading a submission gave: its letters, or *refusal*."""

    title: str
    letters: Sequence[Letter] = ()
    notes: Sequence[str] = ()
    raw: Blob | None = None
    """Where bytes that rode in the ledger went."""
    refusal: Refusal | None = None
    silent: bool = False
    """With *refusal*: no notice (automatic post)."""
    batch: Batch | None = None
    """What a merged file was found to be; kept beside its letters."""
    hold: Refusal | None = None
    """A person must look at the batch; *letters* are those that need not wait for that."""
    answers: str | None = None
    """Id of the post to us that its letter answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterPast:
    """What the rules may know of a letter besides the letter."""

    submission: Submission
    """Without its raw bytes."""
    refused_by: tuple[str, ...] = ()
    """Destinations that refused it before, in order."""
    refused_code: tuple[str, ...] = ()
    """What they said, in the same order; empty texts where they gave no code."""
    released_from: frozenset[str] = frozenset()
    """Ids of rules that held it until a person released it; they hold it no more."""
    letters: int = 1
    """Letters of its submission, itself among them."""
    copies: int = 0
    """Letters of its submission that are copies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A mail that a rule wants written to somebody who is not the submitter."""

    to: str = field(repr=False)
    """A mail address."""
    rule: str
    """Name of the rule."""
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteEnd:
    """What was decided about a letter.

    Raises:
        ValueError: it decides nothing: no shipment, no hold, no reject, and it is not unchanged.
    """

    decision: Decision
    facts: Facts = field(repr=False)
    """As the rules saw them; kept, without the text, so that other rules can be tried on them."""
    reach: Reach
    shipments: Sequence[NewShipment] = ()
    hold: Refusal | None = None
    reject: Refusal | None = None
    told: Sequence[Told] = ()
    unchanged: bool = False
    """Asked again after a refusal, and no rule had another way: it stays failed, as it was."""

    def __post_init__(self) -> None:
        if not (self.shipments or self.hold or self.reject or self.unchanged):
            raise ValueError("a decision ships, holds or rejects")


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An attempt about to be made."""

    claim: Claim[Sendable]
    at: datetime
    rendered: Blob | None = None
    """The bytes of a first attempt; kept only if none were kept before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How an attempt of a claim ended."""

    claim: Claim[Sendable]
    attempt: Attempt
    end: AttemptEnd


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnd:
    """How an attempt ended, and what follows; written in one transaction."""

    outcome: Outcome
    code: str | None = None
    receipts: tuple[Receipt, ...] = ()
    retry_in: timedelta | None = None
    """Offer again after this; None: no more tries (taken, or failed for good)."""
    refusal: Refusal | None = None
    """For a permanent end: what the submitter and the operator are told."""
    alone: bool = False
    """With *retry_in*: it goes alone from now on, since nothing was said about it but about all it was with."""
    reroute: bool = False
    """With a permanent end of a sending: let the rules be asked again, they may know another way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptOutcome:
    """What a stored receipt changed."""

    known: bool
    """False: about a message we never sent; kept and alarmed, never dropped."""
    news: bool
    """False: we had it already."""
    shipment_id: str | None = None


class Ledger(Protocol):
    """What we remember. Each method is one transaction; its rows *are* the queue.

    Methods with a plural name do for many what their singular does for one, in one transaction and
    with one answer each, in order: a lost claim among them is False or None and the others are
    written; if the method raises, nothing was.

    ``claim_*`` hands out due rows in order of age under a lease (the database's clock) and counts
    the claim; every method that takes a claim returns False and changes nothing when the fence no
    longer fits. A successful write ends the claim and resets its crash count. A row with crashes is
    handed out alone, after all others: what kills the process takes no neighbours with it.
    """

    def together(self) -> AbstractContextManager[None]:
        """All writes of this thread inside the block are one transaction: one flush for many letters.

        Never around a network call; in order of submission id, so that nodes do not wait in a ring.
        If the block raises, nothing in it was written.
        """

    # accept
    def add(self, arrivals: Sequence[Arrival]) -> list[Accepted]:
        """Write all *arrivals* in one commit. Same (submitter key, reference, recipients) and identity:
        ``duplicate``; same submitter and reference with another identity: ``conflict`` (not written).
        Same reference and identity to other recipients is ``new``: mail servers split a mail by
        recipient. Raises LedgerUnavailable, DiskFull: nothing was written.
        """

    # read
    def claim_unread(self, limit: int, *, merged: bool = False) -> list[Claim[Submission]]:
        """*merged*: those that were set apart, and only those."""

    def set_apart(self, claims: Sequence[Claim[Submission]]) -> None:
        """As ``put_back``; from now on they wait in the lane of merged files, where one may take minutes."""

    def read_done(
        self,
        claim: Claim[Submission],
        *,
        title: str,
        letters: Sequence[Letter],
        notes: Sequence[str] = (),
        raw: Blob | None = None,
    ) -> bool:
        """Write the letters (repeat inserts change nothing) and leave the submission as read. *raw* is
        where bytes that rode in the ledger went. A letter whose twin (same submitter, reference and
        recipient in another submission) exists is not written.
        """

    def read_refused(self, claim: Claim[Submission], refusal: Refusal, *, title: str, silent: bool,
                     raw: Blob | None = None) -> bool:
        """The submission is rejected for good. *silent*: no notice (automatic post)."""

    def reads_ended(self, ends: Sequence[tuple[Claim[Submission], ReadEnd]]) -> list[bool]:
        """Many of ``read_done`` and ``read_refused``."""

    # batches
    def settled(self, submission_id: str) -> Settled:
        """What persons decided about the batch; nothing, where there is none."""

    def settle_batch(self, submission_id: str, actor: str, *, place: Place | None = None,
                     assigned: Mapping[int, Recipient | None] | None = None, accepted: bool = False,
                     approved: bool = False) -> None:
        """Add to what persons decided, and let the held batch be read again with it. Raises NotFound,
        NotAllowedNow (it is not held; or *approved* by nobody but the one who settled it).
        """

    def turn_down_batch(self, submission_id: str, actor: str, reason: str, refusal: Refusal) -> None:
        """Reject a held batch for good; its submitter is told. Raises NotFound, NotAllowedNow."""

    def batch_before(self, source: str, submission_id: str) -> str | None:
        """An earlier submission whose merged file gave letters and has the digest *source*; None: there is none."""

    def list_batches(self, *, limit: int = 50, held: bool = False) -> list[dict[str, Any]]:
        """Newest first, in the shape of docs/reference/json.md."""

    def show_batch(self, submission_id: str) -> dict[str, Any]:
        """With all pieces, numbers masked. Raises NotFound."""

    def cut(self, digest: str) -> Cut | None:
        """What those bytes are cut from; None: they are not."""

    # route
    def claim_unrouted(self, limit: int) -> list[Claim[Letter]]: ...

    def pasts(self, letter_ids: Sequence[str]) -> dict[str, LetterPast]:
        """What the rules may know besides the letters, by letter id; unknown ids are left out."""

    def routings_ended(self, ends: Sequence[tuple[Claim[Letter], RouteEnd]]) -> list[bool]:
        """Keep decision, facts and trail, write the shipments (with keys; repeat inserts change nothing),
        and count one more match of each rule that wanted to send or forward.
        """

    # rules
    def keep_rules(self, files: Mapping[str, str], *, version: str, author: str, note: str = "") -> RuleVersion:
        """Keep a rule set for ever; a version that is there already is given back as it was kept."""

    def rule_version(self, version: str) -> RuleVersion:
        """By its version, or by its number. Raises NotFound."""

    def rule_activations(self, limit: int = 50) -> list[Activation]:
        """Who made which version decide, newest first."""

    def active_rules(self) -> str | None:
        """The version that decides; None: none was ever activated. Cheap: asked every second."""

    def activate_rules(self, version: str, *, author: str, kind: ActivationKind, second: bool = False) -> Activation:
        """Make *version* the one that decides; with *second*, once another person has approved it.

        ``first`` changes nothing if one is active already. An activation that waited for approval is
        withdrawn. Raises NotFound, NotAllowedNow (it is the active one).
        """

    def approve_rules(self, version: str, *, approver: str) -> Activation:
        """Raises NotFound, NotAllowedNow (nothing waits, or the same person asked for it)."""

    def rule_days(self, since: date) -> dict[str, dict[date, int]]:
        """How often each rule sent or forwarded, by Danish day, from *since* on; days without are left out."""

    def pauses(self) -> list[Pause]:
        """Rules that are paused now. Cheap: asked every second."""

    def pause_rule(self, rule: str, *, seen: int, usual: int) -> bool:
        """Pause *rule*; False: it is paused already."""

    def resume_rule(self, rule: str, actor: str) -> list[str]:
        """End the pause of *rule*; the letters that it held go to the rules again, their ids are returned.
        Raises NotFound: it is not paused.
        """

    def resumed_on(self, day: date) -> frozenset[str]:
        """Rules whose pause a person ended on that Danish day: they are not paused again that day."""

    def decisions_of(self, item: str) -> list[PastDecision]:
        """Decisions of a submission's letters, oldest first; a letter or shipment has its own letter's.
        Raises NotFound.
        """

    def decisions_since(self, since: datetime, *, after: int = 0, limit: int = 1000) -> list[PastDecision]:
        """The latest decision of each letter, those decided at *since* or later whose id is above *after*,
        in the order of their ids. Decisions whose facts were not kept are left out.
        """

    def count_decisions_since(self, since: datetime) -> int:
        """How many ``decisions_since`` gives in all."""

    # ship
    def claim_shipments(self, kind: ShipmentKind, limit: int, *, paused: Sequence[str] = ()) -> list[Claim[Sendable]]:
        """Due shipments that go alone, not to the *paused* destinations."""

    def claim_mass(self, limit: int, *, paused: Sequence[str] = ()) -> list[Claim[Sendable]]:
        """Due sendings that go together with others, all to one destination. Those that were in a
        container with which a process died come fewer at a time, and alone after the second death.
        """

    def rendered(self, claim: Claim[Sendable], blob: Blob) -> bool:
        """Keep which bytes are offered; only the first call counts. The claim goes on."""

    def attempt_begun(self, claim: Claim[Sendable], at: datetime) -> Attempt | None:
        """Write the intent before the call (outcome ``offered``). None: the claim is lost, do not call.
        The claim goes on.
        """

    def attempt_ended(self, claim: Claim[Sendable], attempt: Attempt, end: AttemptEnd) -> bool:
        """Answer the attempt. A taken archive letter whose sending has a final receipt, or a final
        receipt for an archived letter, makes the archive shipment with part ``receipt`` due.
        """

    def attempts_begun(self, offers: Sequence[Offer]) -> list[Attempt | None]:
        """Many of ``rendered`` and ``attempt_begun``."""

    def attempts_ended(self, answers: Sequence[Answer]) -> list[bool]:
        """Many of ``attempt_ended``."""

    def more_time(self, destination: str, by: timedelta) -> None:
        """Let every shipment due to *destination* live longer by *by*: nobody could be served."""

    # any claim
    def renew(self, claim: Claim[Any]) -> bool:
        """The claim lasts for a whole lease from now on. False: it is not ours any more."""

    def put_back(self, claims: Sequence[Claim[Any]]) -> None:
        """Give rows back as if they had not been claimed, uncounted; all of one kind. For work that was
        not begun. Claims that are lost are left alone.
        """

    def postpone(self, claim: Claim[Any], *, wait: timedelta, code: str) -> bool:
        """Give the row back, due again after *wait*."""

    def give_up(self, claim: Claim[Any], refusal: Refusal, *, trace: str = "") -> bool:
        """Hold the row for a person (Ubehandlet). *trace*: file:line frames, no values."""

    # settle
    def add_receipts(self, receipts: Sequence[Receipt], *, reroute: bool = False) -> list[ReceiptOutcome]:
        """Store receipts by (source, source_id); a known final one ends its shipment, whatever its state.
        *reroute*: let the rules be asked again about what was refused.
        """

    def overdue_receipts(self, older_than: timedelta, limit: int) -> list[str]:
        """Ids of shipments taken longer ago than this without a final receipt, not yet flagged; flags them."""

    # notify
    def claim_notices(self, limit: int) -> list[Claim[Notice]]:
        """Due notices, freshly composed from the ledger."""

    def notice_sent(self, claim: Claim[Notice]) -> bool: ...

    def notice_superseded(self, claim: Claim[Notice]) -> bool:
        """End the claim without a mail: what the notice says is old news."""

    def notices_sent_since(self, to: str, since: datetime) -> int: ...

    # nodes
    def lease_source(self, source: str, owner: str, ttl: timedelta) -> bool:
        """Take or renew the right to poll *source*; by the database's clock."""

    # operator (each writes an audit row with *actor*)
    def retry(self, item: str, actor: str) -> list[str]:
        """Make what failed or is held under this submission, letter or shipment due again; with new
        tries but the same keys and bytes. Returns the ids made due. Raises NotFound, NotAllowedNow.
        """

    def hold(self, item: str, actor: str, reason: str) -> list[str]: ...

    def release(self, item: str, actor: str) -> list[str]: ...

    def approve(self, item: str, actor: str) -> list[str]:
        """Give one key to each letter that waits for approval; those that now have as many keys, from
        different persons, as their rule asks are routed on. The ids of all that got a key. Raises
        NotFound, NotAllowedNow (nothing waits, or this person gave a key already).
        """

    def discard(self, item: str, actor: str, reason: str) -> list[str]: ...

    def handled(self, item: str, actor: str, reason: str) -> list[str]: ...

    # views (plain dictionaries in the shapes of docs/reference/json.md)
    def list_submissions(self, *, limit: int = 50, status: str | None = None,
                         unhandled: bool = False) -> list[dict[str, Any]]: ...

    def show_submission(self, item: str) -> dict[str, Any]:
        """Raises NotFound."""

    def counts(self) -> dict[str, int]:
        """Items by state, for metrics and doctor."""

    def named_digests(self) -> set[str]:
        """Every vault digest some row names; what is not here may be swept."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDrop:
    """Files that belong together, judged: about to be written down."""

    account: str
    channel: DropChannel
    area: Area
    folder: str = field(default="", repr=False)
    base: str = field(repr=False)
    kind: str
    file_ids: Sequence[int]
    arrivals: Sequence[Arrival] = ()
    """One for each dispatch; empty if it is refused, or only tried."""
    again: Sequence[bool] = ()
    """For each of *arrivals*: send it although its reference was used before."""
    lines: Sequence[int | None] = ()
    documents: Sequence[tuple[str, str, int, int | None]] = field(default=(), repr=False)
    faults: Sequence[DropFault] = ()
    notes: Sequence[str] = field(default=(), repr=False)
    trial: bool = False
    tried: Mapping[str, Any] | None = field(default=None, repr=False)
    conflict: DropFault | None = field(default=None, repr=False)
    """The fault to tell if a reference was used before for something else."""
    partly: bool = False
    """Dispatches without a fault go although others have one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LyingFile:
    """A file that was written down, and still lies in its share."""

    id: int
    mark: str
    folder: str = field(repr=False)
    name: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenFile:
    """A file as its owner sees it: waiting, taken a moment ago, or in a rejected drop."""

    id: int
    folder: str = field(repr=False)
    name: str = field(repr=False)
    blob: Blob
    at: datetime
    state: str
    drop_id: str | None


class DropIntake(Protocol):
    """Where every dropped file ends. Awaited in the event loop."""

    async def accept(self, file: NewFile) -> KeptFile:
        """Write *file* down; returns only when it would survive a power cut. Raises as ``Intake.accept``."""
        ...


class Drops(Protocol):
    """What we remember of drops; rules as for ``Ledger``."""

    def keep_files(self, files: Sequence[NewFile]) -> list[KeptFile]:
        """Write all *files* in one commit; one that was seen at its share before is not written again.
        Raises LedgerUnavailable, DiskFull: nothing was written.
        """

    def rename_file(self, account: str, area: Area, folder: str, old: str, new: str) -> bool:
        """Give the newest file called *old* that waits its final name: now it is complete. False: there is none."""

    def withdraw_file(self, account: str, area: Area, folder: str, name: str) -> Literal["withdrawn", "taken", "none"]:
        """The system takes back what it dropped, if it still waits."""

    def waiting_mark(self) -> object:
        """Something that changes when a file comes, goes or gets its final name. Cheap: asked every second."""

    def waiting_files(self) -> list[DroppedFile]:
        """Every file that belongs to no drop yet and has its final name, oldest first."""

    def keep_drops(self, drops: Sequence[NewDrop]) -> list[str | None]:
        """Write drops with their submissions; the id of each. None: another node was quicker."""

    def keep_standards(self, drops: Sequence[NewDrop]) -> list[str | None]:
        """As ``keep_drops`` for files with defaults: each stays, in place of the one before."""

    def standard_files(self) -> list[DroppedFile]:
        """Files with defaults that count now."""

    def claim_drops(self, limit: int) -> list[Claim[Drop]]:
        """Drops about which something may have to be told."""

    def drop_answered(self, claim: Claim[Drop], *, state: str, answered: Sequence[str],
                      files: Sequence[AnswerFile], again_in: timedelta | None = None) -> bool:
        """Keep the answers; the drop is due again after *again_in*, or when there is news."""

    def seen_files(self, account: str, area: Area, since: datetime, *, folder: str | None = None,
                   name: str | None = None) -> list[SeenFile]:
        """Files of *area* that wait, or were taken at *since* or later, oldest first; only those in *folder*
        and called *name* if that is given.
        """

    def waiting_room(self, account: str) -> tuple[int, int]:
        """Files of the account that wait, and their bytes."""

    def supersede_file(self, file_id: int) -> None:
        """A file that went on from this one took its place; if it still waits it does no more."""

    def drop_folders(self, account: str, area: Area, since: datetime) -> list[str]:
        """Folders that ``seen_files`` has files in."""

    def stale_files(self, before: datetime) -> list[DroppedFile]:
        """Files completed before then under a name that was to change, and never did."""

    def cut_files(self) -> list[DroppedFile]:
        """Beginnings of files whose connection was lost. One under whose name a file came since is withdrawn, and
        not among them.
        """

    def rejected_files(self, account: str, since: datetime) -> list[tuple[SeenFile, datetime]]:
        """Originals of rejected drops, with mended ones after those they replace; and when each drop came."""

    def originals(self, drop_id: str) -> list[SeenFile]:
        """The files of one drop, as they were handed over."""

    def mend_file(self, account: str, drop_id: str, name: str, blob: Blob) -> bool:
        """Keep a mended file of a rejected drop. False: there is no such drop."""

    def again(self, account: str, drop_id: str) -> bool:
        """Hand all files of a rejected drop over once more, mended ones for those they replace. False: it is
        not rejected, or was handed over again already.
        """

    def answer_files(self, account: str, since: datetime) -> list[tuple[str, int, datetime]]:
        """Names, sizes and times of the answers in ``kvittering/`` and ``fejl/``."""

    def answer_file(self, account: str, name: str) -> bytes | None: ...

    def unwritten_answers(self, account: str, limit: int) -> list[tuple[int, str | None, AnswerFile]]:
        """Answers that have still to be written to the share: number, drop and file, oldest first."""

    def answers_written(self, numbers: Sequence[int]) -> None: ...

    def old_answers(self, account: str, before: datetime) -> list[str]:
        """Names of answers made before then that were written to the share."""

    def forget_answers(self, before: datetime) -> int:
        """Remove answers made before then; how many."""

    def lying_files(self, account: str) -> list[LyingFile]: ...

    def lies_no_more(self, ids: Sequence[int]) -> None: ...

    def sentinel(self, account: str) -> str | None:
        """What the share's sentinel file said when it was first seen; None: it never was."""

    def keep_sentinel(self, account: str, token: str) -> str:
        """Remember the first; what is remembered."""

    def place_is(self, account: str, state: Literal["ok", "lost"]) -> bool:
        """Whether that is news."""

    def list_drops(self, *, account: str | None = None, limit: int = 50, state: str | None = None,
                   since: datetime | None = None) -> list[dict[str, Any]]:
        """Newest first, in the shape of docs/reference/json.md."""

    def show_drop(self, drop_id: str) -> dict[str, Any]:
        """Raises NotFound."""

    def retry_drop(self, drop_id: str, actor: str) -> list[str]:
        """Hand a rejected drop over again as it is. Raises NotFound, NotAllowedNow."""

    def drop_health(self) -> list[dict[str, Any]]:
        """Of each account that ever dropped: last drop, numbers of the last 30 days, usual rhythm."""


class AnswerWriter(Protocol):
    """Turns what is known of a drop into files that its system reads."""

    def files(self, drop: Drop, *, number: int, stage: str) -> list[AnswerFile]:
        """The answer with that *number* (1 modtaget, 2 …), in every form the system may read."""
        ...


# ── post to us ──────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class NewForward:
    """A forward about to be written; the ledger gives it its id, token and time."""

    kind: ForwardKind
    department: str = ""
    address: str = field(default="", repr=False)
    mode: DeliveryMode = "auto"
    rule: str = ""
    settings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unopened:
    """Post to us that lies with a department, unopened."""

    id: str
    department: str
    since: datetime
    """When the last of its mails was handed over."""
    reminded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DistributeEnd:
    """What was decided about a message to us."""

    decision: Decision
    facts: Facts = field(repr=False)
    forwards: Sequence[NewForward]
    """To departments and to the archive. No department: it goes to Indbakke."""
    department: str = ""
    """Whose it is now; empty: nobody's, it lies in Indbakke."""
    inbox: Refusal | None = None
    """Why it lies there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Where an answer to a letter of ours belongs."""

    letter: str
    """Id of the letter it answers."""
    address: str | None = field(repr=False)
    """Of who handed that letter in; None: a system that has none."""


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """A message we have, whose mailbox was not told so yet."""

    source_id: str
    answer: Literal["completed", "invalid"]
    code: str | None
    """With ``invalid``: why."""


class Inbound(Protocol):
    """What we remember of post to us; rules as for ``Ledger``."""

    # collect
    def add_inbound(self, posts: Sequence[NewPost]) -> list[str | None]:
        """Write all *posts* in one commit; their new ids, None for what was written before. Raises
        LedgerUnavailable, DiskFull: nothing was written.
        """

    def known_inbound(self, mailbox: str, source_ids: Sequence[str]) -> dict[str, bool]:
        """Those of *source_ids* that are written down, and whether they are confirmed."""

    def unconfirmed_inbound(self, mailbox: str, limit: int) -> list[Unconfirmed]:
        """The oldest first."""

    def inbound_confirmed(self, mailbox: str, source_ids: Sequence[str]) -> None: ...

    def mailbox_answered(self, name: str) -> None:
        """The mailbox could be looked into just now."""

    def silent_mailboxes(self, names: Sequence[str], after: timedelta, again: timedelta) -> list[tuple[str, timedelta]]:
        """Those of *names* that did not answer for longer than *after*, with how long, each at most once in
        *again*: noted as told.
        """

    def mailbox_state(self, name: str) -> dict[str, Any]:
        """What ``keep_mailbox_state`` kept; empty at first."""

    def keep_mailbox_state(self, name: str, state: dict[str, Any]) -> None: ...

    # distribute
    def claim_new_inbound(self, limit: int) -> list[Claim[InboundMessage]]: ...

    def home_of(self, uuids: Sequence[str]) -> Home | None:
        """Of the letter of ours that one of *uuids* names, the last of them first."""

    def distributions_ended(self, ends: Sequence[tuple[Claim[InboundMessage], DistributeEnd]]) -> list[bool]:
        """Write decision and forwards; the message is distributed, or lies in Indbakke."""

    # forward
    def claim_forwards(self, kind: ForwardKind, limit: int) -> list[Claim[Forwardable]]:
        """Due forwards of *kind*."""

    def forward_done(self, claim: Claim[Forwardable], *, sent_as: str | None = None) -> bool:
        """The next hop, or the archive, has it."""

    # what persons do
    def list_inbound(
        self, *, limit: int = 100, status: InboundStatus | None = None, department: str | None = None
    ) -> list[dict[str, Any]]: ...

    def show_inbound(self, item: str) -> dict[str, Any]:
        """A message by its id, or that of a forward. Raises NotFound."""

    def inbound_message(self, item: str) -> InboundMessage:
        """As it was read. Raises NotFound, NotAllowedNow: it could not be understood."""

    def inbound_decisions_of(self, item: str) -> list[PastDecision]:
        """The oldest first. Raises NotFound."""

    def inbound_decisions_since(self, since: datetime, *, after: int = 0, limit: int = 1000) -> list[PastDecision]:
        """Those after *since* whose id is above *after*, the oldest first; ``recipient`` is the department that has the
        message now, empty for Indbakke.
        """

    def assign_inbound(self, item: str, forwards: Sequence[NewForward], *, department: str, actor: str) -> None:
        """Forward it to *department*, wherever it was. Raises NotFound, NotAllowedNow."""

    def return_inbound(self, item: str, *, actor: str, reason: str) -> str:
        """Back to Indbakke: the wrong department. Its id. Raises NotFound, NotAllowedNow."""

    def inbound_done_by(self, item: str, *, actor: str) -> None:
        """Behandlet. Raises NotFound, NotAllowedNow."""

    def inbound_opened(self, item: str, *, actor: str) -> None:
        """Somebody looked at it. Raises NotFound."""

    def retry_forwards(self, item: str, *, actor: str, mode: DeliveryMode | None = None) -> int:
        """What was held goes again; how many. Raises NotFound."""

    # remind
    def unopened_inbound(self, since: datetime) -> list[Unopened]:
        """What came after *since*, was mailed to a department, and was neither opened nor passed on by it."""

    def remind_inbound(self, item: Unopened, told: Sequence[NewForward]) -> bool:
        """Remind its department, once. False: it was opened, returned or reminded of meanwhile."""

    def escalate_inbound(self, item: Unopened, forwards: Sequence[NewForward], *, department: str) -> bool:
        """It is *department*'s from now on, once for each it comes from. False: as ``remind_inbound``."""

    def forward_by_token(self, token: str) -> Forwardable | None: ...

    def forward_bounced(self, token: str, *, reason: str, told: Sequence[NewForward] = ()) -> str | None:
        """A forward came back: its message lies in Indbakke again, and *told* hear of it. Its id; None: nothing changed."""

    def inbox_overview(self) -> tuple[int, datetime | None]:
        """How many lie in Indbakke, and since when the oldest does."""


class Links(Protocol):
    """What we remember of links to post that was not attached. Codes and visits come as digests."""

    def link_code_made(self, forward_id: str, code: str, lasts: timedelta) -> bool:
        """The code that opens it from now on, and no other. False: too many, or too soon after the last one."""

    def link_opened(self, forward_id: str, code: str, visit: str, lasts: timedelta) -> bool:
        """A visit for the code mailed last, which opens nothing any more. False: it is another one, too old, or was
        tried too often.
        """

    def link_visited(self, forward_id: str, visit: str) -> bool:
        """Whether that visit goes on."""


class Cases(Protocol):
    """What the built-in archive remembers: cases (sager) and what lies in them."""

    def put_case(self, number: str, *, plan: str | None, at: datetime) -> bool:
        """Make the case if it is missing; True if it was made. Raises ArchiveRefused if it is closed."""

    def put_item(self, number: str, *, letter_id: str, metadata: dict[str, Any],
                 files: Sequence[tuple[str, Blob, str]]) -> None:
        """Put a letter's files (name, bytes, role: main, attachment, receipt, message) into a case. Repeats
        change nothing; files add up over calls.
        """

    def list_cases(self, *, limit: int = 100) -> list[dict[str, Any]]: ...

    def show_case(self, number: str) -> dict[str, Any]:
        """The case, its items, their files with name, digest, size, role. Raises NotFound."""


# ── the world outside ───────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Taken:
    """A destination has it. *receipts* may be empty; archives give none."""

    receipts: tuple[Receipt, ...] = ()


class Destination(Protocol):
    """A way out: sending and archiving alike."""

    name: str

    def render(self, sendable: Sendable) -> Blob | None:
        """The exact bytes to offer, durable in the vault; called once, before the first attempt. None:
        this destination has no rendered form. Raises SubmitterError if the letter can never be sent so.
        """

    def send(self, sendable: Sendable) -> Taken:
        """Offer it, under the shipment's key. Raises a RemoteError: temporary (nobody knows or they said
        later), permanent (they said no), DigitalPostAccessDenied (everything would fail: pause me).
        """


class MassDestination(Destination, Protocol):
    """A way out that takes many letters at once."""

    def render_all(self, sendables: Sequence[Sendable]) -> tuple[Blob, int, dict[str, GatewayError]]:
        """One container, durable in the vault, with the first of *sendables*: as many as fit into it, and how
        many of them were looked at; and those that can never be sent, by shipment id.
        """

    def render_again(self, sendables: Sequence[Sendable]) -> Blob:
        """A container with exactly *sendables*, which were all in one container before: the same bytes of each."""

    def send_all(self, container: Blob, sendables: Sequence[Sendable]) -> Taken:
        """Offer it. Raises as ``send``; DigitalPostRefused says nothing about any one letter."""


class ReceiptSource(Protocol):
    """Where business receipts come from; pulled."""

    name: str

    def fetch(self, limit: int) -> list[Receipt]:
        """Receipts waiting, without removing them. Raises RemoteError."""

    def confirm(self, receipt: Receipt) -> None:
        """We have stored it. No error if it is gone already. Raises RemoteError."""


class Directory(Protocol):
    """Who can be reached."""

    def reach(self, recipient: Recipient) -> Reach:
        """``unavailable`` when the look-up failed for whatever reason; never raises."""


class RuleChain(Protocol):
    """Ordered rules; the last link must decide."""

    @property
    def version(self) -> str: ...

    def addresses_of(self, name: str) -> tuple[str, ...]:
        """Where to tell the department *name*; a mail address is its own. Empty: there is none such."""
        ...

    def uses(self, name: str) -> bool:
        """Whether any rule asks about the field *name*."""
        ...

    def decide(self, facts: Facts, *, released: Collection[str] = ()) -> Decision:
        """What the rules want done with an item; the chain always decides.

        Args:
            released: ids of rules that a person has overruled for it: their hold and approve do nothing.
        """
        ...


class MailOut(Protocol):
    """Our own mail leaves here."""

    def send(self, message: bytes, *, to: str, sender: str | None) -> None:
        """Hand over one mail, forced TLS as configured. *sender* None: null return path. Returns only
        after the next hop's 250. Raises MailRelayUnavailable, MailRelayRefused.
        """


class Notifier(Protocol):
    """Turns a notice into the bytes of a mail."""

    def compose(self, notice: Notice) -> bytes: ...


class Clock(Protocol):
    def now(self) -> datetime:
        """The time, aware, UTC."""


class Scratch(Protocol):
    """A folder that is gone afterwards, on the vault's file system. Raises DiskFull, also for what is
    done inside.
    """

    def __call__(self) -> AbstractContextManager[Path]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """One message of what was fetched."""

    identity: str
    """What it is called in the ledger: the same however often, and wherever, it is found."""
    post: Post | None = None
    fault: str | None = None
    """The code of why it could not be understood."""


class Mailbox(Protocol):
    """A place where post to us lies until we say that we have it."""

    name: str
    channel: Literal["digital-post", "imap"]

    def waiting(self, limit: int) -> list[str]:
        """Ids of messages that lie there, at most *limit*, the oldest first. Raises RemoteError."""

    def fetch(self, source_id: str, into: BlobWriter) -> bool:
        """Its bytes into *into*; False: it is gone. Raises RemoteError; *into* is not committed then."""

    def identities(self, source_id: str) -> tuple[str, ...] | None:
        """Of the messages in it, in the ledger; None: it must be fetched to know."""

    def understand(self, source_id: str, raw: Blob) -> list[Understood]:
        """The messages in what was fetched, one at least."""

    def confirm(self, unconfirmed: Unconfirmed) -> None:
        """We have it. No error if it is gone already. Raises RemoteError."""

    def remove(self, source_id: str) -> None:
        """It is confirmed, and still listed. No error if it is gone already. Raises RemoteError."""
