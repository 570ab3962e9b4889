"""Notices to render, with a clock that stands still."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.model.notice import LetterLine, Notice
from gateway.notices.render import NoticeRenderer

NOW = datetime(2026, 11, 23, 8, 12, tzinfo=UTC)
SETTLED = datetime(2026, 11, 23, 8, 11, tzinfo=UTC)


class Standing:
    def now(self) -> datetime:
        return NOW


def line(**given: Any) -> LetterLine:
    return LetterLine(
        **{
            "recipient": "010101-xxxx", "copy": False, "status": "completed", "archive": "archived",
            "case": "2026-0417", "attachments": 1, "settled_at": SETTLED,
        } | given
    )  # fmt: skip


def notice(**given: Any) -> Notice:
    return Notice(
        **{
            "id": "F-2026-7K3Q-M2XD.final", "kind": "final", "to": "sek@eksempelby-gym.dk",
            "submission_id": "F-2026-7K3Q-M2XD", "title": "Indkaldelse til samtale",
            "in_reply_to": "abc@outlook.example.com", "letters": (line(),),
        } | given
    )  # fmt: skip


@pytest.fixture
def make_line() -> Any:
    return line


@pytest.fixture
def make_notice() -> Any:
    return notice


@pytest.fixture
def renderer() -> NoticeRenderer:
    return NoticeRenderer(
        "Eksempelby Gymnasium",
        "digitalpost@dp.eksempelby-gym.dk",
        "dp.eksempelby-gym.dk",
        "gw-7f3a",
        clock=Standing(),
    )
