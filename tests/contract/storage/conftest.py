"""Builders: post at any place of its road, with every detail the test does not name."""

from __future__ import annotations

import hashlib
import itertools
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.model.decision import Action, Decision, Facts, Trail
from gateway.model.identity import Cpr, Recipient
from gateway.model.letter import Document, Letter, Options
from gateway.model.notice import Refusal
from gateway.model.shipment import Receipt, Sendable
from gateway.model.submission import Arrival, Blob, Envelope, Submission, Submitter
from gateway.ports import AttemptEnd, Claim, NewShipment, RouteEnd
from gateway.storage.store import SqlLedger

ADDRESS = "0101011234@dp.example.dk"


class Post:
    """Moves post along *ledger*."""

    def __init__(self, ledger: SqlLedger) -> None:
        self.ledger = ledger
        self._numbers = itertools.count(1)

    def arrival(
        self,
        reference: str | None = None,
        *,
        content: bytes = b"a mail",
        recipients: Sequence[str] = (ADDRESS,),
        name: str = "anna",
        reply_to: str | None = "anna@example.dk",
        wish: Any = "summary",
        automatic: bool = False,
        blob: Blob | None = None,
    ) -> Arrival:
        return Arrival(
            envelope=Envelope(
                channel="smtp",
                submitter=Submitter(kind="user", name=name, reply_to=reply_to, wish=wish),
                recipients=tuple(recipients),
                remote="192.0.2.1",
                automatic=automatic,
                received_at=datetime.now(UTC),
            ),
            reference=reference or f"mail-{next(self._numbers)}@example.dk",
            identity=hashlib.sha256(content).hexdigest(),
            size_bytes=len(content),
            raw=None if blob else content,
            blob=blob,
        )

    def received(self, reference: str | None = None, **details: Any) -> str:
        """A submission nobody has read; its id."""
        return self.ledger.add([self.arrival(reference, **details)])[0].submission_id

    def unread(self, reference: str | None = None, **details: Any) -> Claim[Submission]:
        """A submission claimed for reading."""
        self.received(reference, **details)
        (claim,) = self.ledger.claim_unread(1)
        return claim

    def letter(
        self, submission_id: str, index: int = 1, *, to: Recipient | None = None, **details: Any
    ) -> Letter:
        return Letter(
            **{
                "submission_id": submission_id,
                "index": index,
                "recipient": to or Cpr("0101011234"),
                "title": "Et brev",
                "documents": (self.document(),),
                "options": Options(case="2026-17"),
                "address": "010101-xxxx@dp.example.dk",
                **details,
            }
        )

    def document(self, name: str = "brev.pdf", *, role: Any = "main", digest: str = "d" * 64) -> Document:
        return Document(
            name=name, media_type="application/pdf", digest=digest, size_bytes=3, role=role, pages=1
        )

    def read(self, letters: int = 1, **details: Any) -> str:
        """A submission that was read, each letter to another recipient; its id."""
        claim = self.unread(**details)
        numbers = [Cpr(f"01010112{place:02d}") for place in range(letters)]
        found = [self.letter(claim.item.id, place, to=to) for place, to in enumerate(numbers, 1)]
        assert self.ledger.read_done(claim, title="Et brev", letters=found)
        return claim.item.id

    def decision(self, rule: str = "everything") -> Decision:
        return Decision(
            rule=rule,
            version="v1",
            actions=(Action(kind="send", target="digital-post", rule=rule, by="Alt"),),
            trail=Trail(asked=7, answers=2, matched=1, acted=1, reached=2),
        )

    def facts(self, **details: Any) -> Facts:
        usual: dict[str, Any] = {
            "channel": "smtp", "received_at": datetime.now(UTC), "subject": "Et brev", "media_type": "application/pdf",
            "document_count": 1, "pages": 1, "size_bytes": 3, "case": None, "recipient_kind": "cpr", "reach": "registered",
        }  # fmt: skip
        return Facts(**{**usual, **details})

    def routed(
        self, claim: Claim[Letter], shipments: Sequence[NewShipment] = (), rule: str = "everything", **details: Any
    ) -> bool:
        """One letter's decision."""
        given = {"reach": "registered", "facts": self.facts(), **details}
        end = RouteEnd(decision=self.decision(rule), shipments=shipments, **given)
        return self.ledger.routings_ended([(claim, end)])[0]

    def sending(self, **details: Any) -> NewShipment:
        given = {"kind": "send", "destination": "digital-post", "key": str(uuid.uuid4()), **details}
        return NewShipment(**given)

    def archiving(self, **details: Any) -> NewShipment:
        given = {
            "kind": "archive",
            "destination": "builtin",
            "key": str(uuid.uuid4()),
            "settings": (("case", "2026-17"),),
            **details,
        }
        return NewShipment(**given)

    def route(self, *shipments: NewShipment, **details: Any) -> list[str]:
        """Route every due letter with *shipments* (each with keys of its own); the letters' ids."""
        routed = []
        for claim in self.ledger.claim_unrouted(100):
            own = [
                NewShipment(
                    kind=one.kind,
                    destination=one.destination,
                    key=one.key if not routed else str(uuid.uuid4()),
                    settings=one.settings,
                    due_at=one.due_at,
                    lane=one.lane,
                )
                for one in shipments
            ]
            assert self.routed(claim, own, **details)
            routed.append(claim.item.id)
        return routed

    def ready(self, letters: int = 1, *, archive: bool = False, **details: Any) -> str:
        """A submission whose letters wait to be sent; its id."""
        submission_id = self.read(letters, **details)
        self.route(self.sending(), *([self.archiving()] if archive else []))
        return submission_id

    def claim(self, kind: Any = "send") -> Claim[Sendable]:
        (claim,) = self.ledger.claim_shipments(kind, 1)
        return claim

    def end(self, claim: Claim[Sendable], outcome: Any = "taken", **details: Any) -> bool:
        """One whole attempt."""
        attempt = self.ledger.attempt_begun(claim, datetime.now(UTC))
        assert attempt is not None
        return self.ledger.attempt_ended(claim, attempt, AttemptEnd(outcome=outcome, **details))

    def sent(self, letters: int = 1, **details: Any) -> tuple[str, list[Sendable]]:
        """A submission whose letters were taken by Digital Post; its id, and what was sent."""
        submission_id = self.ready(letters, **details)
        claims = self.ledger.claim_shipments("send", letters)
        assert all(self.end(claim) for claim in claims)
        return submission_id, [claim.item for claim in claims]

    def receipt(self, key: str, verdict: Any = "completed", **details: Any) -> Receipt:
        given: dict[str, Any] = {
            "source": "digital-post",
            "source_id": str(uuid.uuid4()),
            "key": key,
            "kind": "technical" if verdict == "received" else "business",
            "verdict": verdict,
            "at": datetime.now(UTC),
            "raw": b"<receipt/>",
            **details,
        }
        return Receipt(**given)

    def refusal(self, code: str = "GW-312", private: str = "") -> Refusal:
        return Refusal(code=code, title="Ikke tilmeldt", sentence="Nej.", remedy="Ret.", private=private)

    def status(self, item: str) -> str:
        status: str = self.ledger.show_submission(item)["status"]
        return status

    def first_letter(self, item: str) -> dict[str, Any]:
        letter: dict[str, Any] = self.ledger.show_submission(item)["letters"][0]
        return letter

    def history(self, item: str) -> list[str]:
        return [line["verb"] for line in self.ledger.show_submission(item)["history"]]


@pytest.fixture
def post(ledger: SqlLedger) -> Post:
    return Post(ledger)


@pytest.fixture
def a_minute() -> timedelta:
    return timedelta(minutes=1)
