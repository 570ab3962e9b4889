"""What the sandbox remembers, on disk: messages taken, receipts waiting, inboxes, and the evidence.

    incoming/          bodies being received; emptied at start
    taken/<uuid>/      taken (201), the business receipt is not due yet
    inboxes/…/<uuid>/  delivered (COMPLETED)
    refused/<uuid>/    INVALID or NOT_ALLOWED
    receipts/<id>.json business receipts not yet deleted by the sender system
    containers/        mass containers, see ``gateway.sandbox.containers``
    accepted.jsonl     one line per accepted message, repeats too: {at, uuid, sha256, size_bytes, repeat}, and the
                       transmission of its container if it came in one
    violations.jsonl   the same UUID with other bytes: {at, uuid, first_sha256, sha256}

One module because it is one state machine under one lock. It is an oracle for tests that kill
processes: what was answered with 201 is found again after a kill, in the folder and in the log.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from uuid import UUID, uuid4, uuid5

from gateway.sandbox.containers import Containers
from gateway.sandbox.dials import DELAY, DUPLICATE, Dials
from gateway.sandbox.durable import Lines, flush_file, flush_folder, read_json, write_json
from gateway.sandbox.inbox import inbox_folder, stored_name
from gateway.sandbox.judge import Fault, Verdict, judge

# A message may fill 99.5 MB as it is sent, base64 included; 10^6 bytes a MB, the stricter reading
# (reference, digital-post.md, section 3).
LARGEST_BYTES = 99_500_000

Receipt = dict[str, Any]
ExtraCheck = Callable[[Path, str], Fault | None]
"""A second opinion on the schema, such as the official one: (memo.xml, version) to fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of an offered message: *taken*, *repeated* or *violation*; *receipt* is technical."""

    kind: str
    receipt: Receipt


class Malformed(Exception):
    """Answered at once with 400; nothing was taken."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Mailroom:
    """The state in *folder*. Every method may be called from any thread.

    Args:
        now: the time, aware, UTC.
        extra_check: asked after our own schema rules held.
    """

    def __init__(
        self,
        folder: Path,
        dials: Dials,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        extra_check: ExtraCheck | None = None,
    ) -> None:
        self.folder = folder
        self._dials = dials
        self._now = now
        self._extra_check = extra_check
        self._lock = threading.RLock()
        for name in ("incoming", "taken", "inboxes", "refused", "receipts"):
            (folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        self._accepted = Lines(folder / "accepted.jsonl")
        self._violations = Lines(folder / "violations.jsonl")
        self._digests: dict[str, str] = {}
        self._taken: dict[str, dict[str, Any]] = {}
        self._receipts: dict[str, Receipt] = {}
        self._packed: set[tuple[str, str]] = set()
        self.containers = Containers(folder / "containers", self, lambda: _stamp(self._now()))
        self._recover()

    # ── messages ────────────────────────────────────────────────────────────

    def new_incoming(self) -> Path:
        """A folder for one body; give it to :meth:`offer` or :meth:`discard`."""
        folder = self.folder / "incoming" / uuid4().hex
        folder.mkdir(mode=0o700)
        return folder

    def discard(self, incoming: Path) -> None:
        shutil.rmtree(incoming, ignore_errors=True)

    def offer(self, incoming: Path, *, uuid: str, sha256: str, size_bytes: int) -> Outcome:
        """Judge ``incoming/memo.xml`` and take it; durable when this returns.

        Raises:
            Malformed: it is not a MeMo message, or not the one *uuid* names.
        """
        flush_file(incoming / "memo.xml")
        verdict = self._judge(incoming)
        if verdict.malformed:
            raise Malformed(verdict.malformed.code, verdict.malformed.sentence)
        inside = verdict.header.get("messageUUID").strip().lower()
        # Without a UUID in the message (a schema fault before it) the query's is all there is.
        if inside and inside != uuid:
            raise Malformed(
                "memo.message.uuid.mismatch", "memo-message-uuid is not the UUID in the message"
            )
        with self._lock:
            known = self._known(uuid, sha256, size_bytes)
            if known == "other":
                return Outcome(kind="violation", receipt={})
            if known == "same":
                kind = "taken" if self._dials.values()[DUPLICATE] == "receipt" else "repeated"
                return Outcome(kind=kind, receipt=self._technical_receipt(uuid))
            return Outcome(kind="taken", receipt=self._take(incoming, uuid, sha256, size_bytes, verdict))

    def _known(
        self, uuid: str, sha256: str, size_bytes: int, *, container: str | None = None
    ) -> Literal["new", "same", "other"]:
        """Whether a message of that UUID came before, with these bytes or others; written down if it did."""
        first = self._digests.get(uuid)
        if first is None:
            return "new"
        if first != sha256:
            self._violations.append({"at": _stamp(self._now()), "uuid": uuid, "first_sha256": first, "sha256": sha256})
            return "other"
        self._log_accepted(uuid, sha256, size_bytes, repeat=True, container=container)
        return "same"

    def offer_packed(self, incoming: Path, *, uuid: str, sha256: str, size_bytes: int, container: str) -> None:
        """Judge a message that came in a container: whatever is wrong with it, its business receipt says."""
        with self._lock:
            if (container, uuid) in self._packed:
                return
        verdict = self._judge(incoming)
        inside = "" if verdict.malformed else verdict.header.get("messageUUID").strip().lower()
        with self._lock:
            if self._known(uuid, sha256, size_bytes, container=container) == "new":
                if verdict.malformed or (inside and inside != uuid):
                    code = verdict.malformed.code if verdict.malformed else "memo.message.uuid.mismatch"
                    self._refuse_packed(uuid, sha256, size_bytes, code, container)
                else:
                    self._take(incoming, uuid, sha256, size_bytes, verdict, container=container)
            self._packed.add((container, uuid))

    def _refuse_packed(self, uuid: str, sha256: str, size_bytes: int, code: str, container: str) -> None:
        """Receipt first: a kill in between makes it again, under the same id."""
        refused = {"message_id": None, "error_code": code, "error_message": "the message cannot be read", "status": "INVALID"}
        self._add_receipt(uuid5(UUID(uuid), "business receipt"), uuid, refused, _stamp(self._now()))
        self._log_accepted(uuid, sha256, size_bytes, repeat=False, container=container)
        self._digests[uuid] = sha256

    def accepted(self) -> list[dict[str, Any]]:
        return self._accepted.read()

    def violations(self) -> list[dict[str, Any]]:
        return self._violations.read()

    # ── receipts ────────────────────────────────────────────────────────────

    def receipts(self) -> list[Receipt]:
        """Business receipts waiting, the oldest first; each has its ``id``."""
        with self._lock:
            self.settle_due()
            return list(self._receipts.values())

    def receipt(self, receipt_id: str, *, delete: bool) -> Receipt | None:
        with self._lock:
            found = self._receipts.get(receipt_id)
            if found and delete:
                self.delete_receipt(receipt_id)
            return found

    def delete_receipt(self, receipt_id: str) -> bool:
        """False: there is none of that id (any more)."""
        with self._lock:
            if self._receipts.pop(receipt_id, None) is None:
                return False
            (self.folder / "receipts" / f"{receipt_id}.json").unlink(missing_ok=True)
            return True

    def settle_due(self) -> None:
        """Deliver or refuse every message whose business receipt is due."""
        with self._lock:
            now = _stamp(self._now())
            due = [record for record in self._taken.values() if record["due"] <= now]
            for record in sorted(due, key=lambda record: str(record["due"])):
                self._settle(record, now)

    def next_due(self) -> float | None:
        """Seconds until the next business receipt; None when nothing is under way."""
        with self._lock:
            if not self._taken:
                return None
            soonest = min(datetime.fromisoformat(record["due"]) for record in self._taken.values())
        return max(0.0, (soonest - self._now()).total_seconds())

    # ── inside ──────────────────────────────────────────────────────────────

    def _judge(self, incoming: Path) -> Verdict:
        memo = incoming / "memo.xml"
        verdict = judge(memo, incoming / "files")
        if verdict.faults or self._extra_check is None:
            return verdict
        fault = self._extra_check(memo, verdict.version)
        return Verdict(
            header=verdict.header, version=verdict.version, files=verdict.files, schema=fault
        )

    def _take(
        self, incoming: Path, uuid: str, sha256: str, size_bytes: int, verdict: Verdict, *, container: str | None = None
    ) -> Receipt:
        record = self._record(uuid, verdict)
        if record["status"] != "COMPLETED":
            shutil.rmtree(incoming / "files")
            record["files"] = []
        write_json(incoming / "message.json", record)
        place = self.folder / "taken" / uuid
        incoming.replace(place)
        flush_folder(place.parent)
        self._digests[uuid] = sha256
        self._taken[uuid] = record
        self._log_accepted(uuid, sha256, size_bytes, repeat=False, container=container)
        if self._dials.number(DELAY) == 0:
            self.settle_due()
        return self._technical_receipt(uuid, record["message_id"])

    def _record(self, uuid: str, verdict: Verdict) -> dict[str, Any]:
        header = verdict.header
        status, code, sentence = self._status(verdict)
        late = self._dials.take("receipt_late")
        wait = self._dials.number(DELAY) + float(late or 0)
        now = self._now()
        return {
            "uuid": uuid,
            "title": header.get("label"),
            "sender": header.get("label", "Sender"),
            "kind": header.get("idType", "Recipient").strip().lower(),
            "number": header.get("recipientID", "Recipient").strip(),
            "message_id": header.get("messageID") or None,
            "received_at": _stamp(now),
            "due": _stamp(now + timedelta(seconds=wait)),
            "status": status,
            "error_code": code,
            "error_message": sentence,
            "twice": self._dials.take("receipt_twice") is not None,
            "unknown": self._dials.take("receipt_unknown") is not None,
            "files": _name_files(verdict),
        }

    def _status(self, verdict: Verdict) -> tuple[str, str | None, str | None]:
        """Receipt status, code and sentence: what is wrong with it, else what the dials want."""
        if verdict.faults:
            first = verdict.faults[0]
            return "INVALID", first.code, first.sentence
        if (code := self._dials.take("invalid")) is not None:
            return "INVALID", code, "SANDBOX: refused because the dial invalid says so"
        if (code := self._dials.take("not_allowed")) is not None:
            return "NOT_ALLOWED", code, "SANDBOX: refused because the dial not_allowed says so"
        return self._reachable(verdict)

    def _reachable(self, verdict: Verdict) -> tuple[str, str | None, str | None]:
        # Which code the real system gives is not known (reference, section 3): ours is a guess.
        number = verdict.header.get("recipientID", "Recipient").strip()
        status = self._dials.status_of(number)
        if status == "REGISTERED" or (status == "EXEMPT" and verdict.header.is_true("mandatory")):
            return "COMPLETED", None, None
        return (
            "NOT_ALLOWED",
            "recipient.not.registered",
            "the recipient is not registered for Digital Post",
        )

    def _settle(self, record: dict[str, Any], now: str) -> None:
        """Receipt first: a kill in between makes it again, under the same id, and then delivers."""
        uuid = record["uuid"]
        self._add_receipt(uuid5(UUID(uuid), "business receipt"), uuid, record, now)
        if record["twice"]:
            self._add_receipt(uuid5(UUID(uuid), "business receipt, again"), uuid, record, now)
        if record["unknown"]:
            self._add_receipt(
                uuid5(UUID(uuid), "business receipt, unknown"), str(uuid4()), record, now
            )
        place = self.folder / "refused"
        if record["status"] == "COMPLETED":
            place = inbox_folder(self.folder, record["kind"], record["number"])
        place.mkdir(exist_ok=True, mode=0o700)
        (self.folder / "taken" / uuid).replace(place / uuid)
        del self._taken[uuid]

    def _add_receipt(self, receipt_id: UUID, uuid: str, record: dict[str, Any], now: str) -> None:
        receipt = {
            "id": str(receipt_id),
            "transmissionId": str(uuid4()),
            "messageUUID": uuid,
            "messageId": record["message_id"],
            "errorCode": record["error_code"],
            "errorMessage": record["error_message"],
            "timeStamp": now,
            "receiptStatus": record["status"],
        }
        write_json(self.folder / "receipts" / f"{receipt_id}.json", receipt)
        self._receipts[str(receipt_id)] = receipt

    def _technical_receipt(self, uuid: str, message_id: str | None = None) -> Receipt:
        return {
            "transmissionId": str(uuid4()),
            "messageUUID": uuid,
            "messageId": message_id,
            "errorCode": None,
            "errorMessage": None,
            "timeStamp": _stamp(self._now()),
            "receiptStatus": "RECEIVED",
        }

    def _log_accepted(
        self, uuid: str, sha256: str, size_bytes: int, *, repeat: bool, container: str | None = None
    ) -> None:
        self._accepted.append(
            {
                "at": _stamp(self._now()),
                "uuid": uuid,
                "sha256": sha256,
                "size_bytes": size_bytes,
                "repeat": repeat,
                **({"container": container} if container else {}),
            }
        )

    def _recover(self) -> None:
        """Read back what a former process left, wherever it was killed."""
        for left in (self.folder / "incoming").iterdir():
            shutil.rmtree(left)
        self.containers.forget_half_stored()
        accepted = self._accepted.read()
        self._digests = {line["uuid"]: line["sha256"] for line in accepted}
        self._packed = {(line["container"], line["uuid"]) for line in accepted if "container" in line}
        for path in (self.folder / "taken").glob("*/message.json"):
            record = read_json(path)
            self._taken[record["uuid"]] = record
            if record["uuid"] not in self._digests:
                self._log_recovered(record["uuid"], path.with_name("memo.xml"))
        waiting = map(read_json, (self.folder / "receipts").glob("[!.]*.json"))
        for receipt in sorted(waiting, key=lambda receipt: (receipt["timeStamp"], receipt["id"])):
            self._receipts[receipt["id"]] = receipt

    def _log_recovered(self, uuid: str, memo: Path) -> None:
        """Killed between taking and logging: it was taken, though nobody was told."""
        with memo.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            size_bytes = os.fstat(file.fileno()).st_size
        self._digests[uuid] = sha256
        self._log_accepted(uuid, sha256, size_bytes, repeat=False)


def _name_files(verdict: Verdict) -> list[dict[str, Any]]:
    """Give the unpacked documents names a person can read; the list for ``message.json``."""
    files = []
    for index, file in enumerate(verdict.files, 1):
        name = stored_name(index, file.name)
        file.path.replace(file.path.with_name(name))
        files.append(
            {
                "name": file.name,
                "size": file.size_bytes,
                "sha256": file.sha256,
                "path": f"files/{name}",
            }
        )
    return files


def _stamp(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds; sorts as text."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
