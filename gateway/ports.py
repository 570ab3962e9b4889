"""The edges, as Protocols: what the services need, said without naming any library.

One module, although long: whoever builds a part reads all contracts in one place.
One rule for all: a method raises only errors from ``gateway.errors``; anything else that escapes
is a bug, and is treated as temporary by whoever called. Sync methods may block (disk, database,
network) and are called from worker threads, never from the event loop.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Generic, Protocol, TypeVar

from gateway.model.decision import Decision, Facts, Reach
from gateway.model.identity import Recipient
from gateway.model.letter import Letter
from gateway.model.notice import Notice, Refusal
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


class Vault(Protocol):
    """Bytes by their SHA-256. Putting the same bytes twice keeps one copy."""

    def writer(self) -> BlobWriter: ...

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


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterPast:
    """What the rules may know of a letter besides the letter."""

    submission: Submission
    """Without its raw bytes."""
    refused_by: tuple[str, ...] = ()
    """Destinations that refused it before, in order."""
    released_from: frozenset[str] = frozenset()
    """Ids of rules that held it until a person released it; they hold it no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteEnd:
    """What was decided about a letter.

    Raises:
        ValueError: it decides nothing: no shipment, no hold, no reject.
    """

    decision: Decision
    reach: Reach
    shipments: Sequence[NewShipment] = ()
    hold: Refusal | None = None
    reject: Refusal | None = None

    def __post_init__(self) -> None:
        if not self.shipments and self.hold is None and self.reject is None:
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
    def claim_unread(self, limit: int) -> list[Claim[Submission]]: ...

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

    # route
    def claim_unrouted(self, limit: int) -> list[Claim[Letter]]: ...

    def refused_by(self, letter_id: str) -> tuple[str, ...]:
        """Destinations that refused this letter before."""

    def released_from(self, letter_id: str) -> frozenset[str]:
        """Ids of rules that held this letter until a person released it; they hold it no more."""

    def submission_of(self, letter_id: str) -> Submission:
        """Envelope and all of the letter's submission, without its raw bytes. Raises NotFound."""

    def routed(
        self, claim: Claim[Letter], decision: Decision, shipments: Sequence[NewShipment],
        *, reach: Reach, hold: Refusal | None = None, reject: Refusal | None = None,
    ) -> bool:
        """Keep decision and trail, write the shipments (with keys; repeat inserts change nothing)."""

    def pasts(self, letter_ids: Sequence[str]) -> dict[str, LetterPast]:
        """By letter id, ``submission_of``, ``refused_by`` and ``released_from``; unknown ids are left out."""

    def routings_ended(self, ends: Sequence[tuple[Claim[Letter], RouteEnd]]) -> list[bool]:
        """Many of ``routed``."""

    # ship
    def claim_shipments(self, kind: ShipmentKind, limit: int, *, paused: Sequence[str] = ()) -> list[Claim[Sendable]]:
        """Due shipments, not to the *paused* destinations."""

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
    def put_back(self, claims: Sequence[Claim[Any]]) -> None:
        """Give rows back as if they had not been claimed, uncounted; all of one kind. For work that was
        not begun. Claims that are lost are left alone.
        """

    def postpone(self, claim: Claim[Any], *, wait: timedelta, code: str) -> bool:
        """Give the row back, due again after *wait*."""

    def give_up(self, claim: Claim[Any], refusal: Refusal, *, trace: str = "") -> bool:
        """Hold the row for a person (Ubehandlet). *trace*: file:line frames, no values."""

    # settle
    def add_receipts(self, receipts: Sequence[Receipt]) -> list[ReceiptOutcome]:
        """Store receipts by (source, source_id); a known final one ends its shipment, whatever its state."""

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

    def discard(self, item: str, actor: str, reason: str) -> list[str]: ...

    def handled(self, item: str, actor: str, reason: str) -> list[str]: ...

    # views (plain dictionaries in the shapes of docs/reference/json.md)
    def list_submissions(self, *, limit: int = 50, status: str | None = None,
                         unhandled: bool = False) -> list[dict[str, Any]]: ...

    def show_submission(self, item: str) -> dict[str, Any]:
        """Raises NotFound."""

    def trail(self, item: str) -> dict[str, Any]:
        """Decisions of a submission's letters with every condition asked. Raises NotFound."""

    def counts(self) -> dict[str, int]:
        """Items by state, for metrics and doctor."""

    def named_digests(self) -> set[str]:
        """Every vault digest some row names; what is not here may be swept."""

    def close(self) -> None: ...


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

    def decide(self, facts: Facts, *, released: Collection[str] = ()) -> Decision:
        """The decision of the first rule that matches.

        Args:
            released: ids of rules that a person has overruled for this letter: asked, and passed by.
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
