"""Propose: from a message that a person gave to a department, a rule that would have, and what else it would take."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.errors import NotAllowedNow
from gateway.model.decision import Facts
from gateway.model.rule_version import PastDecision
from gateway.rules.bundle import Bundle
from gateway.rules.lists import Lists

_KEYS = ("message_code", "kle", "form", "contact_point", "p_number", "gln", "rid", "document_type")
"""What tells one kind of post from another, the most exact first (reference, digital-post.md, section 5.4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A rule, and what it would have done."""

    id: str
    rule: str
    """TOML, to be put before the other rules."""
    looked_at: int
    """Messages of the past."""
    there: tuple[str, ...]
    """Ids of those it would have taken that lie with the department now."""
    elsewhere: tuple[tuple[str, str], ...]
    """Id and department of those it would have taken that do not; an empty department is Indbakke."""


def proposed_rule(facts: Facts, department: str, *, rule_id: str) -> str:
    """A rule for post such as that of *facts*: by who wrote, and the most exact key that came with it.

    Raises:
        NotAllowedNow: nothing tells it from other post.
    """
    said = [("sender_id", facts.sender_id)] if facts.sender_id else []
    key = next(((name, value) for name in _KEYS if (value := getattr(facts, name))), None)
    said += [key] if key is not None else []
    if not said:
        raise NotAllowedNow(what="Neither a company that wrote nor a key tells it from other post.")
    tests = [f"{{ field = {_quoted(name)}, equals = {_quoted(value)} }}" for name, value in said]
    when = tests[0] if len(tests) == 1 else f"{{ all = [ {', '.join(tests)} ] }}"
    return (
        "[[rule]]\n"
        f"id = {_quoted(rule_id)}\n"
        f"name = {_quoted(f'Post af samme slags til {department}')}\n"
        'direction = "inbound"\n'
        f"when = {when}\n"
        f"then = [ {{ forward = {_quoted(department)} }} ]\n"
    )


def propose(item: PastDecision, department: str, *, bundle: Bundle, lists: Lists, past: Iterable[PastDecision]) -> Proposal:
    """The rule for *item*, and what it takes of *past* when it stands before the rules of *bundle*.

    Raises:
        NotAllowedNow: as ``proposed_rule``.
        ConfigError: the rules cannot be read.
    """
    rule_id = f"post-{item.item[2:].lower()}"
    rule = proposed_rule(item.facts, department, rule_id=rule_id)
    # Files are read in this order.
    rules = Bundle(files={"proposed.toml": rule, **bundle.files}).rule_set(lists)
    there: list[str] = []
    elsewhere: list[tuple[str, str]] = []
    looked_at = 0
    for one in past:
        looked_at += 1
        if rules.decide(one.facts).rule != rule_id:
            continue
        if one.recipient == department:
            there.append(one.item)
        else:
            elsewhere.append((one.item, one.recipient))
    return Proposal(id=rule_id, rule=rule, looked_at=looked_at, there=tuple(there), elsewhere=tuple(elsewhere))


def _quoted(value: object) -> str:
    """As a TOML string; JSON's escapes are TOML's."""
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007F")
