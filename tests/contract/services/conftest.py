"""The services over the real ledger and the real vault; the world outside is small fakes with dials.

Each fake keeps the contract of its port. Its *errors* are raised in turn, one a call, None being a
call that goes well; after the last one everything goes well.
"""

from __future__ import annotations

import hashlib
import itertools
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rules_text import rules_text
from structlog.testing import capture_logs

from gateway.documents.reading import Reading
from gateway.model.decision import Reach
from gateway.model.identity import Cpr, Recipient
from gateway.model.letter import Document, Letter
from gateway.model.shipment import Receipt, Sendable
from gateway.model.submission import Arrival, Blob, Envelope, NoticeWish, Submission, Submitter
from gateway.ports import Taken
from gateway.rules.bundle import Bundle
from gateway.services.read import Read
from gateway.services.route import Route
from gateway.services.settle import Settle
from gateway.services.ship import Ship
from gateway.storage.store import SqlLedger
from gateway.storage.vault import LocalVault

CPR = "0101011234"
LEASE = timedelta(seconds=60)
LONGEST_CALL = timedelta(seconds=40)
WAITS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60))
EVERYTHING = {
    "id": "everything",
    "name": "Alt sendes og arkiveres",
    "then": [{"send": "digital-post"}, {"archive": "archive"}],
}


class Dial:
    """Raises its errors in turn."""

    def __init__(self, *errors: BaseException | None) -> None:
        self.errors = list(errors)

    def turn(self) -> None:
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error


class Hours:
    """The time: the real one, which ``Road.passes`` moves everything against."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.step = 0.0
        """Seconds that pass between two looks at the clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        self.seconds += self.step
        return self.seconds


class FakeReader(Dial):
    """One letter for each address; its document says what the mail said."""

    def __init__(self, *errors: BaseException | None) -> None:
        super().__init__(*errors)
        self.reading: Reading | None = None
        self.read_bytes: list[bytes] = []
        self.merged: set[str] = set()
        self.meanwhile: Callable[[], object] = lambda: None

    def is_merged(self, submission: Submission) -> bool:
        return submission.id in self.merged

    def read(self, raw: Path, submission: Submission, scratch: Path, settled: object = None, answers: object = None) -> Reading:
        content = raw.read_bytes()
        self.read_bytes.append(content)
        self.meanwhile()
        self.turn()
        if self.reading is not None:
            return self.reading
        document = b"%PDF-1.4 " + content
        digest = hashlib.sha256(document).hexdigest()
        (scratch / digest).write_bytes(document)
        return Reading(
            title="Et brev",
            letters=tuple(
                _letter(submission.id, index, address, digest, len(document))
                for index, address in enumerate(submission.envelope.recipients, 1)
            ),
        )


def _letter(submission_id: str, index: int, address: str, digest: str, size_bytes: int) -> Letter:
    document = Document(
        name="brev.pdf", media_type="application/pdf", digest=digest, size_bytes=size_bytes, role="main"
    )
    return Letter(
        submission_id=submission_id, index=index, recipient=Cpr(address.partition("@")[0]),
        title="Et brev", documents=(document,),
    )  # fmt: skip


class FakeDirectory:
    """Answers in turn with *reaches*; then everybody is registered."""

    def __init__(self, *reaches: Reach) -> None:
        self.reaches = list(reaches)
        self.asked = 0

    def reach(self, recipient: Recipient) -> Reach:
        self.asked += 1
        return self.reaches.pop(0) if self.reaches else "registered"


class FakeDestination(Dial):
    """Takes what it is offered; never renders the same bytes twice, as a clock inside them would see to."""

    def __init__(self, name: str, vault: LocalVault, *errors: BaseException | None) -> None:
        super().__init__(*errors)
        self.name = name
        self.rendering = Dial()
        self.calls: list[tuple[str, bytes]] = []
        self.meanwhile: Callable[[Sendable], object] = lambda sendable: None
        self._vault = vault
        self._renderings = itertools.count(1)

    def render(self, sendable: Sendable) -> Blob | None:
        self.rendering.turn()
        return self._vault.put(f"rendering {next(self._renderings)} of {sendable.id}".encode())

    def send(self, sendable: Sendable) -> Taken:
        assert sendable.shipment.rendered is not None
        self.calls.append((sendable.shipment.key, self._vault.read(sendable.shipment.rendered)))
        self.meanwhile(sendable)
        self.turn()
        return Taken()


class FakeSource:
    """Receipts that wait until they are confirmed."""

    def __init__(self, name: str = "digital-post") -> None:
        self.name = name
        self.waiting: list[Receipt] = []
        self.confirmed: list[str] = []
        self.fetching = Dial()
        self.confirming = Dial()
        self.on_confirm: Callable[[Receipt], object] = lambda receipt: None

    def fetch(self, limit: int) -> list[Receipt]:
        self.fetching.turn()
        return self.waiting[:limit]

    def confirm(self, receipt: Receipt) -> None:
        self.on_confirm(receipt)
        self.confirming.turn()
        self.confirmed.append(receipt.source_id)
        self.waiting.remove(receipt)


class Road:
    """All verbs over one ledger, one vault and the fakes, with the dials of each at hand."""

    def __init__(
        self, ledger: SqlLedger, vault: LocalVault, time_passes: Callable[[timedelta], None]
    ) -> None:
        self.ledger, self.vault = ledger, vault
        self.hours = Hours()
        self.reader = FakeReader()
        self.directory = FakeDirectory()
        self.post = FakeDestination("digital-post", vault)
        self.archive = FakeDestination("archive", vault)
        self.source = FakeSource()
        self.rules: list[dict[str, Any]] = [EVERYTHING]
        self.chain: Any = None
        """Instead of the rules."""
        self._time_passes = time_passes
        self._numbers = itertools.count(1)
        self._ships: dict[str, Ship] = {}
        self.wish: NoticeWish = "summary"

    # post arrives

    def accept(self, *recipients: str, raw: bytes | None = None, blob: Blob | None = None) -> str:
        """A mail nobody has read; its id."""
        number = next(self._numbers)
        content = raw or f"mail {number}".encode()
        arrival = Arrival(
            envelope=Envelope(
                channel="smtp",
                submitter=Submitter(
                    kind="user", name="anna", reply_to="anna@example.dk", wish=self.wish
                ),
                recipients=recipients or (f"{CPR}@dp.example.dk",),
                received_at=datetime.now(UTC),
            ),
            reference=f"mail-{number}@example.dk",
            identity=hashlib.sha256(content).hexdigest(),
            size_bytes=len(content),
            raw=None if blob else content,
            blob=blob,
        )
        return self.ledger.add([arrival])[0].submission_id

    def routed(self, *recipients: str) -> str:
        """A submission whose shipments are due; its id."""
        submission = self.accept(*recipients)
        assert self.read() == 1
        assert self.route()
        return submission

    def sent(self, *recipients: str) -> tuple[str, str]:
        """A submission that Digital Post took; its id, and the key of its first letter."""
        submission = self.routed(*recipients)
        assert self.ship()
        return submission, self.letter(submission)["uuid"]

    # the verbs

    def read(self) -> int:
        return Read(self.ledger, self.vault, self.reader, self.vault.scratch, waits=WAITS).work()

    def route(self, *, destinations: Sequence[str] = ("digital-post", "archive"), **given: Any) -> int:
        return Route(
            self.ledger,
            self.directory,
            self.chain or Bundle(files={"rules.toml": rules_text(self.rules)}).rule_set({}),
            destinations=destinations,
            **{"on_lookup_failure": "wait", "waits": WAITS, **given},
        ).work()  # fmt: skip

    def ship(self, kind: Any = "send", **given: Any) -> int:
        if kind not in self._ships:
            out = self.post if kind == "send" else self.archive
            self._ships[kind] = self.new_ship(kind, {out.name: out}, **given)
        return self._ships[kind].work()

    def new_ship(self, kind: Any, destinations: dict[str, Any], *, ledger: Any = None, **given: Any) -> Ship:
        """As another node, or this one after a restart."""
        ship = Ship(
            kind, ledger or self.ledger, destinations, self.hours,
            waits=WAITS, lease=LEASE, longest_call=LONGEST_CALL, in_flight=4,
            monotonic=self.hours.monotonic, **given,
        )  # fmt: skip
        self._ships[f"{kind} {len(self._ships)}"] = ship
        return ship

    def settle(self, *sources: FakeSource, owner: str = "node-1") -> Settle:
        return Settle(
            self.ledger, sources or (self.source,), owner=owner, ttl=LEASE, overdue=timedelta(days=1)
        )

    def close(self) -> None:
        for ship in self._ships.values():
            ship.close()

    # time

    def passes(self, **duration: float) -> None:
        """As if that much time had passed for everything."""
        self._time_passes(timedelta(**duration))
        self.hours.seconds += timedelta(**duration).total_seconds()

    def lease_runs_out(self) -> None:
        """In the ledger's eyes; our own clock stood still."""
        self._time_passes(LEASE + timedelta(seconds=1))

    def waits_about(self, work: Callable[[], int], **duration: float) -> None:
        """*work* finds nothing until the wait is over, and something when the jitter is over too."""
        wait = timedelta(**duration)
        self.passes(seconds=wait.total_seconds() * 0.8)
        assert work() == 0, f"tried again before {wait}"
        self.passes(seconds=wait.total_seconds() * 0.5)
        assert work() == 1, f"not tried again after {wait}"

    # what is seen

    def show(self, submission: str) -> dict[str, Any]:
        return self.ledger.show_submission(submission)

    def status(self, submission: str) -> str:
        status: str = self.show(submission)["status"]
        return status

    def letter(self, submission: str) -> dict[str, Any]:
        letter: dict[str, Any] = self.show(submission)["letters"][0]
        return letter

    def shipment(self, submission: str, kind: str = "send") -> dict[str, Any]:
        found: dict[str, Any] = next(
            one for one in self.letter(submission)["shipments"] if one["kind"] == kind
        )
        return found

    def outcomes(self, submission: str) -> list[str]:
        return [attempt["outcome"] for attempt in self.letter(submission)["attempts"]]

    def receipt(self, key: str, verdict: Any = "completed", **details: Any) -> Receipt:
        given: dict[str, Any] = {
            "source": "digital-post", "source_id": str(uuid.uuid4()), "key": key, "kind": "business",
            "verdict": verdict, "at": datetime.now(UTC), "raw": b"<receipt/>",
        }  # fmt: skip
        return Receipt(**given | details)

    def notices(self) -> list[str]:
        """Kinds of the notices that are due; they count as sent from now on."""
        claims = self.ledger.claim_notices(100)
        for claim in claims:
            assert self.ledger.notice_sent(claim)
        return [claim.item.kind for claim in claims]


@pytest.fixture
def road(ledger: SqlLedger, vault: LocalVault, time_passes: Any) -> Iterator[Road]:
    made = Road(ledger, vault, time_passes)
    yield made
    made.close()


@pytest.fixture
def new_destination(vault: LocalVault) -> Callable[..., FakeDestination]:
    return lambda name, *errors: FakeDestination(name, vault, *errors)


@pytest.fixture
def new_source() -> type[FakeSource]:
    return FakeSource


@pytest.fixture
def events() -> Iterator[list[Any]]:
    """What the log said."""
    with capture_logs() as caught:
        yield caught
