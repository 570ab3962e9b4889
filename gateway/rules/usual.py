"""A usual item, and one that differs from it in a few facts: what examples are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time
from typing import Any

from gateway.config.faults import found, nearest, shown
from gateway.model.danish_time import DENMARK, local, weekday
from gateway.model.decision import Direction, Facts
from gateway.rules.calendar import is_bank_day
from gateway.rules.catalogue import FIELDS, Field
from gateway.rules.language import SIDECAR, field_called
from gateway.rules.questions import Unfit, one_value

_KINDS = {"text": "a text", "names": "a list of texts"}


def usual_facts(direction: Direction) -> Facts:
    """A usual item: a letter of three pages to a person, or a message from a company; on a Wednesday."""
    at = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
    usual = Facts(
        direction=direction, channel="smtp", received_at=at, subject="Brev", media_type="application/pdf",
        file_name="brev.pdf", file_names=("brev.pdf",), document_count=1, pages=3, size_bytes=100_000, case=None,
        time_of_day="10:00", weekday="onsdag", bank_day=True,
    )  # fmt: skip
    if direction == "inbound":
        return replace(
            usual, channel="digital-post", sender_kind="cvr", sender_id="99999999", sender_name="Afsender",
            recipient_cvr="12345674",
        )  # fmt: skip
    return replace(
        usual, submitter="anna", submitter_kind="user", flow="default", address="010101-xxxx@dp.example.dk",
        recipient_kind="cpr", reach="registered",
    )  # fmt: skip


def facts_from(given: Mapping[str, Any], direction: Direction) -> Facts:
    """A usual item with the facts in *given*, as TOML gives them.

    Raises:
        ValueError: an unknown fact, one of the other direction, or a value that is not of its kind; as a sentence.
    """
    known: dict[str, Any] = {}
    sidecar: dict[str, str] = {}
    for name, value in given.items():
        asked = field_called(name)
        if name == "sidecar" and isinstance(value, dict):
            sidecar |= {key: str(one) for key, one in value.items()}
        elif asked is None:
            near = nearest(name, FIELDS)
            raise ValueError(f'there is no fact "{shown(name)}".' + (f' Did you mean "{near}"?' if near else ""))
        elif direction not in asked.asked_of:
            raise ValueError(f"{name} has a value only for {asked.asked_of[0]} post, and this is a rule for {direction}.")
        elif name.startswith(SIDECAR):
            sidecar[name.removeprefix(SIDECAR)] = str(_value(asked, value))
        else:
            known[name] = _value(asked, value)
    facts = replace(usual_facts(direction), **known, sidecar=sidecar)
    return _with_its_day(facts, set(known)) if "received_at" in known else facts


def _with_its_day(facts: Facts, given: set[str]) -> Facts:
    """Day and hour as they follow from when it was received, unless they were given."""
    here = local(facts.received_at)
    follows: dict[str, Any] = {
        "time_of_day": here.strftime("%H:%M"), "weekday": weekday(here.date()), "bank_day": is_bank_day(here.date()),
    }  # fmt: skip
    return replace(facts, **{name: value for name, value in follows.items() if name not in given})


def _value(asked: Field, value: object) -> object:
    """*value* as the fact has it."""
    if asked.kind == "text" and isinstance(value, str):
        return value
    if asked.kind == "names" and isinstance(value, list) and all(isinstance(one, str) for one in value):
        return tuple(value)
    if asked.kind == "time" and isinstance(value, date) and not isinstance(value, datetime):
        return datetime.combine(value, time(10), DENMARK)
    if asked.kind not in _KINDS:
        try:
            return one_value(asked, value)
        except Unfit as unfit:
            if unfit.says:
                raise ValueError(f"the fact {asked.name}: {unfit.says} {unfit.remedy}") from None
            hint = f' Did you mean "{unfit.nearest}"?' if unfit.nearest else ""
            raise ValueError(f"the fact {asked.name}: expected {unfit.expected}, found {unfit.found}.{hint}") from None
    raise ValueError(f"the fact {asked.name}: expected {_KINDS[asked.kind]}, found {found(value, key='')}.")
