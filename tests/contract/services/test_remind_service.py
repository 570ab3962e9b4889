"""Post that nobody opens: the department is reminded once, then its substitute gets it and the distributors hear of it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from gateway.model.danish_time import DENMARK
from gateway.services.remind import Remind

from .test_inbound_services import Post

HOUR = timedelta(hours=1)
MONDAY = datetime(2026, 11, 23, 8, tzinfo=DENMARK)


@dataclass
class Clock:
    at: datetime

    def now(self):
        return self.at.astimezone(UTC)


class Office(Post):
    """A message lies with *kontor* since *since*, whatever the ledger's clock says."""

    def __init__(self, *given):
        super().__init__(*given)
        self.clock = Clock(MONDAY)
        self.remind, self.escalate = 8 * HOUR, 16 * HOUR

    def look(self, at):
        self.clock.at = at
        told = {"remind": self.remind, "escalate": self.escalate, "distributors": ["fordel@x.dk"]}
        service = Remind(Since(self.ledger), self.rules, self.clock, **told)
        return service.look()

    def notes(self):
        return [(one["kind"], one["address"]) for one in self.shown()["forwards"] if one["kind"] != "archive"]


class Since:
    """The ledger, but every mail was handed over on Monday at eight, and no message is too old."""

    def __init__(self, ledger):
        self._ledger = ledger

    def unopened_inbound(self, since):
        from dataclasses import replace

        found = self._ledger.unopened_inbound(datetime(2000, 1, 1, tzinfo=UTC))
        return [replace(one, since=MONDAY.astimezone(UTC)) for one in found]

    def __getattr__(self, name):
        return getattr(self._ledger, name)


@pytest.fixture
def office(ledger, vault, time_passes):
    made = Office(ledger, vault, time_passes)
    made.came("Din skat")
    made.forward()
    return made


def test_a_department_is_reminded_once_after_a_working_day(office):
    assert office.look(MONDAY + 7 * HOUR) == 0
    assert office.look(MONDAY + 8 * HOUR) == 1
    assert office.look(MONDAY + 9 * HOUR) == 0
    assert office.shown()["history"][-1]["verb"] == "reminded"
    reminded = [one for one in office.notes() if one[0] == "note"][-2:]
    assert reminded == [("note", "loen@eksempelby.dk"), ("note", "vikar@eksempelby.dk")]


def test_after_two_its_substitute_gets_the_post_and_the_distributors_hear_of_it(office):
    assert office.look(MONDAY + 32 * HOUR) == 1
    shown = office.shown()
    assert (shown["department"], shown["status"]) == ("kontor", "distributed")
    assert office.notes()[-2:] == [("mail", "kontor@eksempelby.dk"), ("note", "fordel@x.dk")]
    assert office.forward() == 1
    assert office.out.took[-1][0] == "kontor@eksempelby.dk"
    # It has no substitute of its own: it is reminded, and then only the distributors are told.
    assert office.look(MONDAY + 33 * HOUR) == 1
    assert office.notes()[-1] == ("note", "fordel@x.dk")
    assert office.look(MONDAY + 60 * HOUR) == 0


@pytest.mark.parametrize("act", ["opened", "returned", "done"])
def test_what_somebody_saw_to_is_never_brought_to_mind(office, act):
    item = office.shown()["id"]
    if act == "opened":
        office.ledger.inbound_opened(item, actor="cli:a")
    elif act == "returned":
        office.ledger.return_inbound(item, actor="cli:a", reason="")
    else:
        office.ledger.inbound_done_by(item, actor="cli:a")
    assert office.look(MONDAY + 100 * HOUR) == 0


def test_two_nodes_that_look_at_once_tell_once(office):
    (item,) = office.ledger.unopened_inbound(datetime(2000, 1, 1, tzinfo=UTC))
    assert office.ledger.remind_inbound(item, [])
    assert not office.ledger.remind_inbound(item, [])
    assert office.ledger.escalate_inbound(item, [], department="loen")
    assert not office.ledger.escalate_inbound(item, [], department="loen")
    assert office.ledger.unopened_inbound(datetime(2000, 1, 1, tzinfo=UTC)) == []


def test_zero_means_never_and_what_was_not_handed_over_yet_is_not_waited_for(ledger, vault, time_passes):
    office = Office(ledger, vault, time_passes)
    office.came("Din skat")
    assert office.look(MONDAY + 100 * HOUR) == 0
    office.forward()
    office.remind = office.escalate = timedelta()
    assert office.look(MONDAY + 100 * HOUR) == 0
