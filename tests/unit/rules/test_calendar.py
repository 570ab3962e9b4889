"""Danish bank days."""

from __future__ import annotations

from datetime import date

import pytest

from gateway.rules.calendar import is_bank_day


@pytest.mark.parametrize(
    ("day", "why"),
    [
        (date(2026, 4, 2), "skærtorsdag"), (date(2026, 4, 3), "langfredag"), (date(2026, 4, 6), "anden påskedag"),
        (date(2026, 5, 14), "Kristi himmelfartsdag"), (date(2026, 5, 15), "dagen efter"), (date(2026, 5, 25), "anden pinsedag"),
        (date(2026, 6, 5), "grundlovsdag"), (date(2026, 12, 24), "juleaften"), (date(2026, 12, 25), "juledag"),
        (date(2026, 12, 31), "nytårsaften"), (date(2027, 1, 1), "nytårsdag"), (date(2026, 11, 28), "lørdag"),
        (date(2026, 11, 29), "søndag"),
    ],
)  # fmt: skip
def test_banks_are_closed(day, why):
    assert not is_bank_day(day), why


@pytest.mark.parametrize("day", [date(2026, 11, 26), date(2026, 5, 1), date(2024, 4, 26), date(2026, 12, 23)])
def test_banks_are_open_also_on_store_bededag_which_is_abolished(day):
    assert is_bank_day(day)


def test_an_organisation_may_close_more_days():
    assert not is_bank_day(date(2026, 12, 23), closed=[date(2026, 12, 23)])
