"""The forty realistic messages through the five rule sets of ``config/``: whose they become."""

from __future__ import annotations

import io
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.digital_post.post import read_post
from gateway.model.inbound import InboundMessage
from gateway.model.submission import Blob
from gateway.rules.bundle import read_rules
from gateway.rules.walk import UNHANDLED
from gateway.sandbox.posting import memo_xml
from gateway.sandbox.realistic import realistic_letters
from gateway.services.distribute import inbound_facts

CONFIG = Path(__file__).resolve().parents[2] / "config"
SETS = ("school", "municipality", "law-firm", "clinic", "housing")


class Sink:
    def write(self, block):
        pass

    def commit(self):
        return Blob("0" * 64, 1)

    def abort(self):
        pass


@pytest.fixture(scope="module")
def messages():
    at = datetime(2026, 11, 27, 9, tzinfo=UTC)
    posts = [
        read_post(io.BytesIO(memo_xml(letter, "6e3ffa1c-9b25-4a0b-8b3f-0c8a1d2e3f40", at)), content_sink=Sink)
        for letter in realistic_letters("12345674")
    ]
    return [
        InboundMessage(
            id=f"P-2026-AAAA-{number:04d}", mailbox="virk", source_id=str(number), channel="digital-post", received_at=at, raw=Blob("1" * 64, 1),
            post=one,
        )
        for number, one in enumerate(posts)
    ]  # fmt: skip


@pytest.mark.parametrize("name", SETS)
def test_nine_of_ten_land_by_rule_and_the_rest_is_nobodys(name, messages):
    rules = read_rules(CONFIG / name)
    ends = Counter()
    for message in messages:
        decision = rules.decide(inbound_facts(message, answers_ours=False, own_domains={"eksempelby-gym.dk"}))
        forwards = [action.target for action in decision.actions if action.kind == "forward"]
        assert set(forwards) <= set(rules.departments)
        ends["indbakke" if decision.rule == UNHANDLED or not forwards else forwards[0]] += 1
    assert sum(ends.values()) == 40
    assert ends["indbakke"] <= 4
    # A rule that takes everything would say nothing: they are told apart.
    assert len(ends) >= 2


def test_a_set_without_a_rule_for_the_rest_leaves_it_in_indbakke(messages):
    rules = read_rules(CONFIG / "school")
    some = [rule for rule in rules.rules if rule.direction == "inbound" and rule.when is not None]
    assert some, "the rules before the last one decide about something"
    named = Counter(rules.decide(inbound_facts(message, answers_ours=False, own_domains=())).rule for message in messages)
    assert named["tax-and-pension"] >= 6
    assert named["su"] >= 2
