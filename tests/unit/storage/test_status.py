"""One code out of many rows; every line is a road a letter can have gone."""

from datetime import UTC, datetime

import pytest

from gateway.model.shipment import Attempt, Receipt, Status
from gateway.storage.status import LetterStatus, ShipmentState, letter_status, submission_status

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def send(state, *said):
    """A sending in queue state *state*; what was tried and said, by outcome and verdict."""
    verdicts = ("received", "completed", "refused")
    attempts = [
        Attempt(number=number, at=NOW, outcome=word)
        for number, word in enumerate((word for word in said if word not in verdicts), 1)
    ]
    receipts = [
        Receipt(
            source="dp", source_id=word, key="k", kind="business", verdict=word, at=NOW, raw=b""
        )
        for word in said
        if word in verdicts
    ]
    return ShipmentState(kind="send", state=state, attempts=attempts, receipts=receipts)


def archive(state, part="letter"):
    return ShipmentState(kind="archive", state=state, part=part)


@pytest.mark.parametrize(
    ("state", "shipments", "sending", "archiving"),
    [
        ("unrouted", [], "queued", "none"),
        ("held", [], "held", "none"),
        ("rejected", [], "rejected", "none"),
        ("cancelled", [], "cancelled", "none"),
        ("handled", [], "handled", "none"),
        ("held", [archive("done")], "held", "archived"),
        ("routed", [send("open")], "queued", "none"),
        ("routed", [send("open", "offered")], "queued", "none"),
        ("routed", [send("open", "temporary", "unknown")], "queued", "none"),
        ("routed", [send("open", "permanent")], "queued", "none"),
        ("routed", [send("waiting", "taken")], "sent", "none"),
        ("routed", [send("waiting", "unknown", "received")], "sent", "none"),
        ("routed", [send("waiting", "permanent", "taken")], "sent", "none"),
        ("routed", [send("done", "taken", "completed")], "completed", "none"),
        ("routed", [send("done", "taken", "refused", "completed")], "completed", "none"),
        ("routed", [send("failed", "taken", "refused")], "failed", "none"),
        ("routed", [send("failed", "permanent")], "failed", "none"),
        ("routed", [send("failed", "unknown")], "failed", "none"),
        ("routed", [send("held")], "held", "none"),
        ("routed", [send("cancelled")], "cancelled", "none"),
        ("routed", [send("handled", "permanent")], "handled", "none"),
        ("routed", [archive("open")], "none", "queued"),
        ("routed", [archive("done")], "none", "archived"),
        ("routed", [archive("failed")], "none", "failed"),
        ("routed", [archive("held")], "none", "held"),
        ("routed", [archive("handled")], "none", "handled"),
        ("routed", [archive("cancelled")], "none", "cancelled"),
        ("routed", [archive("done"), archive("open", "receipt")], "none", "archived"),
        ("routed", [archive("done"), archive("done", "receipt")], "none", "archived"),
        ("routed", [archive("done"), archive("failed", "receipt")], "none", "failed"),
        ("routed", [archive("done"), archive("open")], "none", "queued"),
        ("routed", [send("done", "completed"), archive("failed")], "completed", "failed"),
        ("routed", [send("open"), send("done", "completed")], "queued", "none"),
    ],
)
def test_a_letter_is_where_its_shipments_are(state, shipments, sending, archiving):
    assert letter_status(state, shipments) == LetterStatus(Status(sending), Status(archiving))


@pytest.mark.parametrize(
    ("sending", "archiving", "whole", "unhandled"),
    [
        ("completed", "none", "completed", False),
        ("completed", "failed", "completed", True),
        ("sent", "archived", "sent", False),
        ("none", "archived", "completed", False),
        ("none", "queued", "queued", False),
        ("none", "failed", "failed", True),
        ("held", "none", "held", True),
        ("failed", "archived", "failed", True),
        ("rejected", "none", "rejected", False),
    ],
)
def test_the_whole_of_a_letter_is_its_sending_and_archiving_has_a_say_of_its_own(
    sending, archiving, whole, unhandled
):
    letter = LetterStatus(Status(sending), Status(archiving))
    assert (letter.whole, letter.unhandled) == (Status(whole), unhandled)


@pytest.mark.parametrize(
    ("state", "sendings", "status"),
    [
        ("received", [], "received"),
        ("rejected", [], "rejected"),
        ("held", [], "held"),
        ("cancelled", [], "cancelled"),
        ("handled", [], "handled"),
        ("read", ["queued"], "queued"),
        ("read", ["completed", "sent", "queued"], "queued"),
        ("read", ["completed", "sent"], "sent"),
        ("read", ["completed", "completed"], "completed"),
        ("read", ["completed", "failed", "queued"], "failed"),
        ("read", ["failed", "held", "queued"], "held"),
        ("read", ["rejected", "queued"], "queued"),
        ("read", ["rejected", "completed"], "rejected"),
        ("read", ["cancelled", "completed"], "completed"),
        ("read", ["handled", "completed"], "completed"),
        ("read", ["cancelled", "handled"], "handled"),
        ("read", ["cancelled", "cancelled"], "cancelled"),
    ],
)
def test_a_submission_is_where_its_most_urgent_letter_is(state, sendings, status):
    letters = [LetterStatus(Status(one), Status.NONE) for one in sendings]
    assert submission_status(state, letters) is Status(status)
