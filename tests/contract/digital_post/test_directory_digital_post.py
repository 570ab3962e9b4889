"""Who can be reached: what Digital Post says, and that its silence says nothing."""

import json
import random
import threading

import pytest

from gateway.directory.digital_post import REMEMBERED, DigitalPostDirectory
from gateway.model.identity import Cpr, Cvr

PERSON = Cpr("0101011234")


class Seconds:
    """Time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def contact(status: object = "REGISTERED", number: str = "0101011234") -> dict:
    return {"cprNumber": number, "mailboxSubscription": {"publicRegistrationStatus": status}}


@pytest.fixture
def ask(start_peer, make_client, http):
    """The reach of PERSON when the look-up is answered so."""

    def go(answer) -> str:
        octets = answer if isinstance(answer, bytes) else http(200, json.dumps(answer))
        return DigitalPostDirectory(make_client(start_peer(octets).url)).reach(PERSON)

    return go


@pytest.mark.parametrize(
    ("dial", "reach"),
    [("exempt", "exempt"), ("closed", "closed"), ("unknown", "unknown"), ("missing", "unknown")],
)
def test_the_sandbox_says_who_is_not_reached(sandbox, sandbox_client, dial, reach):
    sandbox.dials.set(dial, "0101011234")
    directory = DigitalPostDirectory(sandbox_client)
    assert directory.reach(PERSON) == reach
    assert directory.reach(Cpr("0202021234")) == "registered"
    assert directory.reach(Cvr("12345674", "1029829825")) == "registered"


@pytest.mark.parametrize(
    "dial", ["unavailable", "throttled", "unauthorized", "forbidden", "cut_before", "cut_after",
             "half_status", "html"]
)  # fmt: skip
def test_a_failed_look_up_is_never_an_answer_and_never_remembered(sandbox, sandbox_client, dial):
    sandbox.dials.set(f"contacts.{dial}", "1")
    directory = DigitalPostDirectory(sandbox_client)
    assert directory.reach(PERSON) == "unavailable"
    assert directory.reach(PERSON) == "registered"


@pytest.mark.parametrize(
    ("contacts", "reach"),
    [
        ([contact("REGISTERED")], "registered"),
        ([contact("EXEMPT")], "exempt"),
        ([contact("CLOSED")], "closed"),
        ([contact("UNKNOWN")], "unknown"),
        ([], "unknown"),
        ([{"cprNumber": "0101011234"}], "unknown"),
        ([{"cprNumber": "0101011234", "mailboxSubscription": None}], "unknown"),
        ([contact("REGISTERED"), contact("REGISTERED")], "registered"),
        ([contact("REGISTERED"), contact("EXEMPT", "0202021234")], "registered"),
        ([contact("REGISTERED"), contact("EXEMPT")], "unavailable"),
        ([contact("REGISTERED", "0202021234")], "unavailable"),
        ([contact("SOMETHING_NEW")], "unavailable"),
        ([contact(None)], "unavailable"),
        ([contact(["REGISTERED"])], "unavailable"),
        ([{"cprNumber": "0101011234", "mailboxSubscription": "REGISTERED"}], "unavailable"),
        (["0101011234"], "unavailable"),
        (None, "unavailable"),
        ({}, "unavailable"),
        ("", "unavailable"),
    ],
)
def test_what_contacts_say(ask, contacts, reach):
    assert ask({"contacts": contacts}) == reach


@pytest.mark.parametrize("answer", [{}, [], "x", 7, None, {"contact": []}, b"", b"HTTP/1.1 200 X\r\n\r\n<html>"])
def test_an_answer_that_is_none_is_unavailable(ask, answer):
    assert ask(answer) == "unavailable"


def test_an_answer_is_remembered_for_minutes(start_peer, make_client, http):
    peer = start_peer(http(200, json.dumps({"contacts": [contact()]})))
    seconds = Seconds()
    directory = DigitalPostDirectory(make_client(peer.url), monotonic=seconds)
    for seconds.now in (0.0, 1.0, 299.0):
        assert directory.reach(PERSON) == "registered"
    assert len(peer.asked) == 1
    seconds.now = 300.0
    directory.reach(PERSON)
    assert len(peer.asked) == 2


class Known:
    """A Digital Post that knows everybody; counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def contacts(self, recipient) -> list:
        self.asked += 1
        return [contact(number=recipient.reveal())]


def test_no_more_than_so_many_are_remembered_and_none_by_number():
    known = Known()
    directory = DigitalPostDirectory(known, monotonic=Seconds())
    people = [Cpr(f"{place:010d}") for place in range(REMEMBERED + 1)]
    for person in people:
        directory.reach(person)
    directory.reach(people[-1])
    assert known.asked == REMEMBERED + 1
    directory.reach(people[0])
    assert known.asked == REMEMBERED + 2
    assert b"0000000001" not in b"".join(directory._known)


def test_many_may_ask_at_once():
    directory = DigitalPostDirectory(Known(), monotonic=Seconds())
    found: list[str] = []

    def ask(seed: int) -> None:
        numbers = random.Random(seed)
        found.extend(directory.reach(Cpr(f"{numbers.randrange(50):010d}")) for _ in range(200))

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["registered"] * 1600
