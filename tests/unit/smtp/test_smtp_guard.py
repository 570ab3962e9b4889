"""Counting connections, failed logins and bytes."""

import pytest

from gateway.ingress.guard import Guard
from gateway.ingress.smtp.budget import Budget
from gateway.ingress.smtp.transfer import Pace


def guard(**changes):
    return Guard(**{"connections": 4, "per_address": 2, "logins": 3, **changes})


def come_in(door, address):
    """Whether there is room; counted in if there is."""
    if door.crowded(address) or door.full():
        return False
    door.enter(address)
    return True


def test_one_address_has_so_many_connections_and_all_together_so_many():
    door = guard()
    assert [come_in(door, "192.0.2.1") for _ in range(3)] == [True, True, False]
    assert [come_in(door, f"192.0.2.{last}") for last in (2, 3, 4)] == [True, True, False]
    assert not door.crowded("192.0.2.4")
    door.leave("192.0.2.1")
    assert come_in(door, "192.0.2.4")


def test_an_ipv6_customer_is_one_address():
    door = guard()
    assert [come_in(door, f"2001:db8::{last}") for last in (1, 2, 3)] == [True, True, False]
    assert come_in(door, "2001:db8:0:1::1")
    mapped = guard()
    same = ("::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1")
    assert [come_in(mapped, one) for one in same] == [True, True, False]
    assert mapped.turn(same[0]) is mapped.turn(same[1])


def test_bans_begin_with_a_quarter_and_double():
    door, now = guard(), 1000.0
    assert [door.login_tried("192.0.2.1", now) for _ in range(3)] == [1, 2, 3]
    assert door.banned("192.0.2.1", now + 899)
    assert not door.banned("192.0.2.1", now + 901)
    assert not door.banned("192.0.2.2", now)
    for _ in range(3):
        door.login_tried("192.0.2.1", now + 1000)
    assert door.banned("192.0.2.1", now + 1000 + 1799)
    assert not door.banned("192.0.2.1", now + 1000 + 1801)


def test_a_ban_never_lasts_longer_than_a_day():
    door, now = guard(logins=1), 0.0
    for _ in range(40):
        door.login_tried("192.0.2.1", now)
        now += 86_400
    assert door.banned("192.0.2.1", now - 1)
    assert not door.banned("192.0.2.1", now + 1)


def test_a_quiet_day_after_a_ban_forgets_it():
    door = guard(logins=1)
    for now in (0.0, 1000.0, 1000.0 + 1800 + 86_401):
        door.login_tried("192.0.2.1", now)
    assert door.banned("192.0.2.1", now + 899)
    assert not door.banned("192.0.2.1", now + 901)


def test_slips_of_yesterday_are_forgotten():
    door = guard()
    assert [door.login_tried("192.0.2.1", now) for now in (0.0, 10.0, 86_411.0)] == [1, 2, 1]


def test_a_good_login_at_the_limit_takes_the_ban_back():
    door = guard(logins=1)
    door.login_tried("192.0.2.1", 0)
    door.login_worked("192.0.2.1")
    assert not door.banned("192.0.2.1", 0)


def test_a_good_login_forgives_the_slips_of_the_office():
    door = guard()
    for _ in range(5):
        door.login_tried("192.0.2.1", 0)
        door.login_tried("192.0.2.1", 0)
        door.login_worked("192.0.2.1")
    assert not door.banned("192.0.2.1", 0)


def test_a_flood_of_addresses_is_forgotten_from_the_oldest():
    door = guard(logins=1)
    for number in range(10_001):
        door.login_tried(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 0)
    assert not door.banned("10.0.0.0", 0)
    assert door.banned("10.0.0.1", 0)


def test_the_budget_never_holds_more_than_its_limit():
    budget = Budget(100)
    assert budget.take(60)
    assert not budget.take(41)
    assert budget.held == 60
    budget.give(60)
    assert budget.take(100)


@pytest.mark.parametrize(
    ("sent", "seconds", "slow"), [(1, 29, False), (15_000, 31, True), (16_000, 31, False), (10**6, 2001, True)]
)
def test_nobody_is_slow_in_the_first_half_minute(sent, seconds, slow):
    assert Pace(0, 500).too_slow(sent, seconds) is slow
