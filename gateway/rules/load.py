"""Rules from a TOML file; every fault at once, with the rule and the nearest word that is known.

    [[rule]]
    id = "large-letters"
    name = "Store breve ses først"
    when = { field = "size_bytes", at_least = "50 MB" }
    then = [ { hold = "Brevet er meget stort" } ]

``then`` holds any of ``{ send = "digital-post" }`` and ``{ archive = "archive", case = "…", plan = "…" }``,
or one ``{ hold = "reason" }``, or one ``{ reject = "reason" }``. The last rule has no ``when``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal

from gateway.config.faults import Fault, config_error, found, nearest, shown
from gateway.config.load import read_toml
from gateway.model.decision import Action
from gateway.rules.engine import Rule, RuleSet
from gateway.rules.language import FIELDS, OPERATORS, All, AnyOf, Condition, Not, Test, operators_of
from gateway.rules.questions import Unfit, question

LONGEST_REASON = 200
"""Characters; a reason stands inside a sentence that a submitter reads."""
DEEPEST = 20
"""Levels of all, any and not inside each other."""

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_RULE_KEYS = ("id", "name", "when", "then")
_TREES = ("all", "any", "not")
_KINDS: tuple[Literal["send", "archive", "hold", "reject"], ...] = ("send", "archive", "hold", "reject")
_ALONE = ("hold", "reject")


def load_rules(
    path: Path, *, destinations: Collection[str] = ("digital-post",), archives: Collection[str] = ("archive",)
) -> RuleSet:
    """The rules in the file at *path*.

    Args:
        path: ``rules.toml``.
        destinations: names that ``send`` may use.
        archives: names that ``archive`` may use.

    Raises:
        ConfigError: with every fault of the file.
    """
    content = read_toml(path, remedy="Write it, or remove `rules` from gateway.toml to use the built-in rules.")
    return rules_from(content, file=path.name, destinations=destinations, archives=archives)


def rules_from(
    content: Mapping[str, Any],
    *,
    file: str,
    destinations: Collection[str] = ("digital-post",),
    archives: Collection[str] = ("archive",),
) -> RuleSet:
    """The rules in *content*, a file already parsed; *file* is its name, for faults.

    Raises:
        ConfigError: with every fault.
    """
    reading = _Reading(file, {"send": tuple(destinations), "archive": tuple(archives)})
    rules = reading.rules(content)
    if reading.faults:
        raise config_error(reading.faults)
    return RuleSet(rules=tuple(rules), version=version_of(content))


def version_of(content: Mapping[str, Any]) -> str:
    """A name for exactly this content, whatever its layout and comments."""
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


class _Reading:
    """One file being read, and its faults so far."""

    def __init__(self, file: str, targets: Mapping[str, Collection[str]]) -> None:
        self.faults: list[Fault] = []
        self._file = file
        self._targets = targets
        self._section = ""

    def rules(self, content: Mapping[str, Any]) -> list[Rule]:
        self._known(content, ("rule",), "")
        tables = content.get("rule", [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            self._fault("rule", expected="[[rule]] sections", found=found(tables, key="rule"))
            return []
        if not tables:
            self._fault("", says="there is no [[rule]] in it; a rule without `when` must come last.")
        rules = [self._rule(number, table) for number, table in enumerate(tables, 1)]
        self._order(tables)
        return [rule for rule in rules if rule is not None]

    # ── one rule ────────────────────────────────────────────────────────────

    def _rule(self, number: int, table: Mapping[str, Any]) -> Rule | None:
        before = len(self.faults)
        self._section = _section(number, table)
        self._known(table, _RULE_KEYS, "")
        rule_id = self._text(table, "id")
        name = self._text(table, "name")
        if rule_id and not _ID.fullmatch(rule_id):
            self._fault("id", expected="small letters, digits and hyphens, at most 64", found=found(rule_id, key="id"))
        when = self._condition(table["when"], "when", 1) if "when" in table else None
        actions = self._actions(table.get("then"))
        if len(self.faults) > before:
            return None
        return Rule(id=rule_id, name=name, when=when, actions=actions)

    def _order(self, tables: list[dict[str, Any]]) -> None:
        """Ids are used once; only the last rule is without condition."""
        ids: set[object] = set()
        for number, table in enumerate(tables, 1):
            self._section = _section(number, table)
            rule_id = table.get("id")
            if isinstance(rule_id, str) and rule_id in ids:
                self._fault("id", says="another rule has this id already.")
            ids.add(rule_id if isinstance(rule_id, str) else None)
            last = number == len(tables)
            if last and "when" in table:
                self._fault("when", says="the last rule must be without `when`, so that every letter gets a decision.")
            if not last and "when" not in table:
                self._fault("when", says="is missing; without it no later rule is ever asked. Only the last rule may.")

    # ── conditions ──────────────────────────────────────────────────────────

    def _condition(self, value: object, place: str, depth: int) -> Condition | None:
        if not isinstance(value, dict) or not value:
            self._fault(place, expected='a condition such as { field = "flow", equals = "fravaer" }', found=_table(value))
            return None
        if depth > DEEPEST:
            self._fault(place, says=f"conditions stand more than {DEEPEST} levels inside each other.")
            return None
        tree = [word for word in _TREES if word in value]
        if not tree:
            return self._test(value, place)
        if len(value) > 1:
            self._fault(place, says=f"`{tree[0]}` stands alone in its braces; put the rest inside it.")
            return None
        return self._tree(tree[0], value[tree[0]], f"{place}.{tree[0]}", depth)

    def _tree(self, word: str, value: object, place: str, depth: int) -> Condition | None:
        if word == "not":
            part = self._condition(value, place, depth + 1)
            return None if part is None else Not(part)
        if not isinstance(value, list) or not value:
            self._fault(place, expected="a list of conditions", found="an empty list" if value == [] else found(value, key=word))
            return None
        parts = [self._condition(item, f"{place} {number}", depth + 1) for number, item in enumerate(value, 1)]
        whole = tuple(part for part in parts if part is not None)
        return All(whole) if word == "all" else AnyOf(whole)

    def _test(self, value: Mapping[str, Any], place: str) -> Condition | None:
        name = value.get("field")
        if not isinstance(name, str):
            missing = "field" not in value
            hint = nearest(next(iter(value)), ("field", *_TREES)) if missing else ""
            self._fault(place, says="names no `field`." if missing else "`field` must be text.", nearest=hint)
            return None
        if name not in FIELDS:
            self._fault(place, says=f'there is no field "{shown(name)}".', nearest=nearest(name, FIELDS))
            return None
        operators = [key for key in value if key != "field"]
        fitting = operators_of(FIELDS[name].kind)
        if len(operators) != 1:
            self._fault(place, expected=f"one operator for {name} ({', '.join(fitting)})", found=_count(operators))
            return None
        return self._question(name, operators[0], value[operators[0]], f"{place}.{operators[0]}")

    def _question(self, name: str, operator: str, value: object, place: str) -> Condition | None:
        fitting = operators_of(FIELDS[name].kind)
        if operator not in OPERATORS:
            self._fault(place, says=f'there is no operator "{shown(operator)}".', nearest=nearest(operator, fitting))
            return None
        if operator not in fitting:
            self._fault(place, says=f"{operator} does not fit the field {name}; use {', '.join(fitting)}.")
            return None
        try:
            expected, holds = question(FIELDS[name], operator, value)
        except Unfit as unfit:
            near = nearest(unfit.word, unfit.known) if unfit.word else ""
            self._fault(place, says=unfit.says, expected=unfit.expected, found=unfit.found, nearest=near)
            return None
        return Test(field=name, operator=operator, expected=expected, holds=holds)

    # ── actions ─────────────────────────────────────────────────────────────

    def _actions(self, value: object) -> tuple[Action, ...]:
        if not isinstance(value, list) or not value:
            self._fault("then", expected='a list of actions such as { send = "digital-post" }', found=_table(value))
            return ()
        actions = [self._action(item, f"then {number}") for number, item in enumerate(value, 1)]
        done = [action for action in actions if action is not None]
        if any(action.kind in _ALONE for action in done) and len(done) > 1:
            self._fault("then", says="hold and reject stand alone: a letter that waits or is refused goes nowhere.")
        if len({(action.kind, action.target) for action in done}) < len(done):
            self._fault("then", says="the same action stands twice.")
        return tuple(done)

    def _action(self, value: object, place: str) -> Action | None:
        if not isinstance(value, dict):
            self._fault(place, expected='an action such as { send = "digital-post" }', found=_table(value))
            return None
        kind = next((word for word in _KINDS if word in value), None)
        if kind is None:
            hint = nearest(next(iter(value), ""), _KINDS)
            self._fault(place, expected="one of send, archive, hold, reject", found="none of them", nearest=hint)
            return None
        self._known(value, (kind, "case", "plan") if kind == "archive" else (kind,), place)
        target = self._text(value, kind, place)
        settings = tuple((key, self._text(value, key, place)) for key in ("case", "plan") if key in value)
        self._target(kind, target, f"{place}.{kind}")
        return Action(kind=kind, target=target, settings=settings)

    def _target(self, kind: str, target: str, place: str) -> None:
        known = self._targets.get(kind)
        if known is None and len(target) > LONGEST_REASON:
            self._fault(place, expected=f"a reason of at most {LONGEST_REASON} characters", found=found(target, key=kind))
        if known is not None and target and target not in known:
            words = ", ".join(f'"{name}"' for name in known)
            self._fault(
                place, expected=words, found=found(target, key="", wants="word"), nearest=nearest(target, known)
            )

    # ── faults ──────────────────────────────────────────────────────────────

    def _text(self, table: Mapping[str, Any], key: str, place: str = "") -> str:
        """The text at *key*, or a fault and the empty text."""
        value = table.get(key)
        if isinstance(value, str) and value.strip():
            return value
        where = f"{place}.{key}" if place else key
        if key not in table:
            self._fault(where, says="is missing; expected text.")
        else:
            self._fault(where, expected="text", found=found(value, key=key))
        return ""

    def _known(self, table: Mapping[str, Any], known: tuple[str, ...], place: str) -> None:
        for key in table:
            if key not in known:
                where = f"{place}.{shown(key)}" if place else shown(key)
                self._fault(where, says="there is no such key here.", nearest=nearest(key, known))

    def _fault(self, key: str, *, says: str = "", expected: str = "", found: str = "", nearest: str = "") -> None:
        self.faults.append(
            Fault(
                file=self._file, section=self._section, key=key, says=says,
                expected=expected, found=found, nearest=nearest,
            )
        )


def _section(number: int, table: Mapping[str, Any]) -> str:
    rule_id = table.get("id")
    named = isinstance(rule_id, str) and _ID.fullmatch(rule_id)
    return f"[[rule]] no. {number} ({rule_id})" if named else f"[[rule]] no. {number}"


def _table(value: object) -> str:
    return "an empty one" if value in ([], {}) else found(value, key="")


def _count(operators: list[str]) -> str:
    return "none" if not operators else f"{len(operators)}"
