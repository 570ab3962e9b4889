"""mass: many letters in one container; each is sent once, whatever happens to the container."""

from __future__ import annotations

import itertools

import pytest

from gateway.errors import DigitalPostRefused, DigitalPostUnavailable, MemoRulesBroken
from gateway.ports import Taken
from gateway.services.mass import Mass

from .conftest import LEASE, LONGEST_CALL, WAITS


class FakeMassPost:
    """A container is a text with one line for each message; what it takes is remembered by message."""

    name = "digital-post"

    def __init__(self, vault, *errors):
        self.errors = list(errors)
        self.refused = {}
        self.containers = []
        self.fits = 1000
        self.meanwhile = lambda: None
        self._vault = vault
        self._renderings = itertools.count(1)

    def render_all(self, sendables):
        fit = sendables[: self.fits]
        refused = {one.id: self.refused[one.letter.index] for one in fit if one.letter.index in self.refused}
        lines = [f"{one.shipment.key} rendering {next(self._renderings)}" for one in fit if one.id not in refused]
        return self._vault.put("\n".join(lines).encode()), len(fit), refused

    def render_again(self, sendables):
        before = self._vault.read(sendables[0].shipment.rendered).decode().splitlines()
        keys = {one.shipment.key for one in sendables}
        return self._vault.put("\n".join(line for line in before if line.split()[0] in keys).encode())

    def send_all(self, container, sendables):
        self.containers.append(self._vault.read(container).decode().splitlines())
        assert {line.split()[0] for line in self.containers[-1]} == {one.shipment.key for one in sendables}
        self.meanwhile()
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        return Taken()

    def sent(self):
        """How often each rendering of each message was in a container."""
        return [line for container in self.containers for line in container]


@pytest.fixture
def mass_post(vault):
    return FakeMassPost(vault)


@pytest.fixture
def mass(road, mass_post):
    return Mass(
        road.ledger, {"digital-post": mass_post}, road.hours, waits=WAITS, lease=LEASE, longest_call=LONGEST_CALL, most=100,
        monotonic=road.hours.monotonic,
    )  # fmt: skip


@pytest.fixture
def submission(road):
    """Five letters that go together."""
    found = road.accept(*(f"01010112{number:02d}@dp.example.dk" for number in range(5)))
    assert road.read() == 1
    assert road.route(mass_from=3, mass_destinations=["digital-post"]) == 5
    road.passes(seconds=4)
    return found


def states(road, submission):
    return [one["send"] for one in road.show(submission)["letters"]]


def test_letters_of_a_large_submission_go_together_and_single_ones_beside_them(road, mass, mass_post, submission):
    single = road.accept()
    road.read()
    road.route(mass_from=3, mass_destinations=["digital-post"])
    assert road.ship() == 1
    assert road.status(single) == "sent"
    assert mass.work() == 5
    assert [len(one) for one in mass_post.containers] == [5]
    assert states(road, submission) == ["sent"] * 5
    assert mass.work() == 0


def test_after_a_lost_answer_the_same_bytes_go_again(road, mass, mass_post, submission):
    mass_post.errors = [DigitalPostUnavailable(reason="timeout")]
    assert mass.work() == 5
    assert states(road, submission) == ["queued"] * 5
    road.passes(minutes=2)
    assert mass.work() == 5
    assert mass_post.containers[0] == mass_post.containers[1]
    assert states(road, submission) == ["sent"] * 5


def test_one_that_a_person_stopped_in_between_is_not_in_the_next_container(road, mass, mass_post, submission):
    mass_post.errors = [DigitalPostUnavailable(reason="busy")]
    assert mass.work() == 5
    road.ledger.hold(f"{submission}.2", "cli:anna", "vent")
    road.passes(minutes=2)
    assert mass.work() == 4
    assert len(mass_post.containers[1]) == 4
    assert set(mass_post.containers[1]) < set(mass_post.containers[0])
    assert states(road, submission) == ["sent", "held", "sent", "sent", "sent"]


def test_a_container_that_is_refused_says_nothing_of_a_letter_and_each_goes_alone(road, mass, mass_post, submission):
    mass_post.errors = [DigitalPostRefused(remote_code="memo.container.malformed")]
    assert mass.work() == 5
    assert states(road, submission) == ["queued"] * 5
    road.passes(seconds=1)
    assert mass.work() == 0
    assert road.ship() == 5
    assert states(road, submission) == ["sent"] * 5
    # Made anew: nobody has seen the others.
    assert all(content.startswith(b"rendering") for _, content in road.post.calls)


def test_a_letter_that_can_never_be_sent_fails_alone(road, mass, mass_post, submission):
    mass_post.refused = {3: MemoRulesBroken(element="label", rule="tom", count=1)}
    assert mass.work() == 5
    assert states(road, submission) == ["sent", "sent", "failed", "sent", "sent"]


def test_what_does_not_fit_waits_for_the_next_container(road, mass, mass_post, submission):
    mass_post.fits = 2
    assert [mass.work() for _ in range(4)] == [5, 3, 1, 0]
    assert [len(one) for one in mass_post.containers] == [2, 2, 1]
    assert len(set(mass_post.sent())) == 5


def test_a_process_that_died_with_a_container_sends_the_same_bytes_again(road, mass, mass_post, submission):
    class Killed(BaseException):
        pass

    def die():
        raise Killed

    mass_post.meanwhile = die
    with pytest.raises(Killed):
        mass.work()
    mass_post.meanwhile = lambda: None
    road.lease_runs_out()
    assert mass.work() == 5
    assert mass_post.containers[0] == mass_post.containers[1]
    assert states(road, submission) == ["sent"] * 5


def test_a_machine_that_dies_for_other_reasons_holds_nobody(road, mass, mass_post, submission):
    class Killed(BaseException):
        pass

    left = [1] * 6

    def die():
        if left:
            left.pop()
            raise Killed

    mass_post.meanwhile = die
    for _ in range(40):
        try:
            mass.work()
        except Killed:
            road.lease_runs_out()
    assert states(road, submission) == ["sent"] * 5


def test_a_letter_that_kills_the_process_alone_three_times_is_held_and_the_others_go(road, mass, mass_post, submission):
    class Killed(BaseException):
        pass

    def die():
        if any(f"rendering {culprit}" in line for line in mass_post.containers[-1]):
            raise Killed

    culprit = 3
    mass_post.meanwhile = die
    for _ in range(40):
        try:
            mass.work()
        except Killed:
            road.lease_runs_out()
    found = states(road, submission)
    assert found.count("sent") == 4
    assert found.count("held") == 1


def test_a_slow_start_leaves_no_call_behind_the_lease(road, mass, mass_post, submission):
    road.hours.step = (LEASE - LONGEST_CALL).total_seconds() + 1
    assert mass.work() == 5
    assert mass_post.containers == []
    road.hours.step = 0.0
    assert mass.work() == 5
    assert states(road, submission) == ["sent"] * 5
