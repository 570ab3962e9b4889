"""Rule sets from TOML; every fault at once, with file, line, rule and the nearest word that is known.

    [[rule]]
    id = "large-letters"
    name = "Store breve ses først"
    when = { field = "size_bytes", at_least = "50 MB" }
    then = [ { hold = "Brevet er meget stort" } ]

A set is one file or several; each may hold ``[[rule]]``, ``[departments.NAME]`` and ``[flows.NAME]``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import Any

from pydantic import ValidationError

from gateway.config.describe import expects
from gateway.config.faults import Fault, config_error, faults_of, found, nearest, shown
from gateway.config.load import parse_toml
from gateway.config.settings import Flow, Section
from gateway.errors import ConfigError
from gateway.model.decision import Direction
from gateway.rules.acts import read_actions
from gateway.rules.conditions import read_condition
from gateway.rules.engine import UNHANDLED, RuleSet
from gateway.rules.language import tests_of
from gateway.rules.lists import Lists
from gateway.rules.places import Rows
from gateway.rules.reading import Reader, table_of
from gateway.rules.rule import Department, Example, Place, Rule

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_TOP_KEYS = ("rule", "departments", "flows")
_RULE_KEYS = ("id", "name", "direction", "mode", "from", "to", "when", "unless", "then", "next", "example")
_EXAMPLE_KEYS = ("name", "facts", "mail", "matches", "then", "rule")


def load_rules(
    files: Mapping[str, str],
    lists: Lists,
    *,
    destinations: Collection[str] | None = None,
    archives: Collection[str] | None = None,
) -> RuleSet:
    """The rule set in *files*, texts by name.

    Args:
        lists: the lists that rules may ask about.
        destinations: names that ``send`` may use; None: not checked, they are only known where it runs.
        archives: names that ``archive`` may use; None: as above.

    Raises:
        ConfigError: with every fault of every file.
    """
    faults: list[Fault] = []
    contents: dict[str, dict[str, Any]] = {}
    for name, text in files.items():
        try:
            contents[name] = parse_toml(text, name)
        except ConfigError as error:
            faults.extend(faults_of(error))
    reading = _Set(lists, {"send": destinations, "archive": archives})
    if not faults:
        reading.read(contents, {name: Rows(text) for name, text in files.items()})
    if faults or reading.faults:
        raise config_error([*faults, *reading.faults])
    return RuleSet(
        rules=tuple(reading.rules),
        version=version_of(contents),
        departments=reading.departments,
        flows=reading.flows,
        places=reading.places,
    )


def version_of(contents: Mapping[str, Mapping[str, Any]]) -> str:
    """A name for exactly these files, already parsed, whatever their layout and comments."""
    canonical = json.dumps(contents, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


class _Set:
    """All files of a set being read, and their faults so far."""

    def __init__(self, lists: Lists, targets: Mapping[str, Collection[str] | None]) -> None:
        self.faults: list[Fault] = []
        self.rules: list[Rule] = []
        self.departments: dict[str, Department] = {}
        self.flows: dict[str, Flow] = {}
        self.places: dict[str, Place] = {}
        self._lists = lists
        self._targets = targets
        self._ids: set[str] = set()

    def read(self, contents: Mapping[str, Mapping[str, Any]], rows: Mapping[str, Rows]) -> None:
        readers = {name: Reader(name, rows[name], self._lists) for name in contents}
        for name, content in contents.items():
            self._tables(readers[name], content)
        for name, content in contents.items():
            self._rules_of(readers[name], content.get("rule", []))
        if not any("rule" in content for content in contents.values()):
            reader = next(iter(readers.values()), None) or Reader("rules.toml", Rows(""), {})
            reader.at("", None)
            reader.fault("", says="there is no [[rule]] in it.", remedy="Write one; config/rules.toml shows how.")
            readers.setdefault(reader.file, reader)
        self.faults.extend(fault for reader in readers.values() for fault in reader.faults)

    # ── departments and flows ───────────────────────────────────────────────

    def _tables(self, reader: Reader, content: Mapping[str, Any]) -> None:
        reader.at("", None)
        for key in content:
            if key not in _TOP_KEYS:
                reader.at("", reader.rows.top(key) or reader.rows.table(key))
                reader.fault(shown(key), says="there is no such key here.", nearest=nearest(key, _TOP_KEYS))
        self._named(reader, content, "departments", Department, self.departments)
        self._named(reader, content, "flows", Flow, self.flows)
        for name, department in self.departments.items():
            substitute = department.substitute
            if substitute is not None and name in content.get("departments", {}):
                self._substitute(reader, name, substitute, content)

    def _substitute(self, reader: Reader, name: str, substitute: str, content: Mapping[str, Any]) -> None:
        reader.at(f"[departments.{name}]", reader.rows.table(f"departments.{name}"))
        known = {*self.departments, *content.get("departments", {})}
        if substitute == name:
            reader.fault("substitute", says="a department cannot be its own substitute.", remedy="Name another one, or none.")
        elif substitute not in known:
            says = "there is no such department in [departments]."
            near = nearest(substitute, known)
            reader.fault("substitute", says=says, nearest=near, remedy=f"Add [departments.{shown(substitute)}].")

    def _named(
        self, reader: Reader, content: Mapping[str, Any], table: str, model: type[Section], into: dict[str, Any]
    ) -> None:
        """The tables ``[table.NAME]`` of one file."""
        tables = content.get(table, {})
        if not isinstance(tables, dict):
            reader.at("", reader.rows.top(table))
            reader.fault(table, expected=f"[{table}.NAME] sections", found=found(tables, key=table))
            return
        for name, values in tables.items():
            reader.at(f"[{table}.{shown(name)}]", reader.rows.table(f"{table}.{name}"))
            if not _ID.fullmatch(name):
                reader.fault("", says="a name has small letters, digits and hyphens, at most 64.")
            elif name in into:
                reader.fault("", says="another file of this set has it already.", remedy="Keep it in one of the two.")
            elif not isinstance(values, dict):
                reader.fault("", expected="a section", found=found(values, key=table))
            else:
                made = _made(reader, model, values)
                if made is not None:
                    into[name] = made
                    self.places[name] = reader.place()

    # ── rules ───────────────────────────────────────────────────────────────

    def _rules_of(self, reader: Reader, tables: object) -> None:
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            reader.at("", reader.rows.top("rule") or reader.rows.table("rule"))
            reader.fault("rule", expected="[[rule]] sections", found=found(tables, key="rule"))
            return
        for number, table in enumerate(tables):
            header = reader.rows.table("rule", number, of=len(tables))
            reader.at(_section(number + 1, table), header)
            rule = self._rule(reader, table)
            if rule is not None:
                self.rules.append(rule)

    def _rule(self, reader: Reader, table: Mapping[str, Any]) -> Rule | None:
        before = len(reader.faults)
        reader.known(table, _RULE_KEYS)
        rule_id = self._id(reader, table)
        name = reader.text(table, "name")
        direction: Any = reader.choice(table, "direction", ("outbound", "inbound"), "outbound")
        mode: Any = reader.choice(table, "mode", ("aktiv", "skygge", "fra"), "aktiv")
        follows: Any = reader.choice(table, "next", ("fortsæt", "stop"), "") if "next" in table else None
        first, last = _day(reader, table, "from"), _day(reader, table, "to")
        if first and last and last < first:
            reader.fault("to", says="is before `from`, so that the rule never applies.", remedy="Exchange the two.")
        when = read_condition(reader, table["when"], "when") if "when" in table else None
        unless = read_condition(reader, table["unless"], "unless") if "unless" in table else None
        if "unless" in table and "when" not in table:
            reader.fault("unless", says="is an exception from `when`, which is missing; write when = { not = … } instead.")
        then = read_actions(
            reader, table.get("then"), rule=rule_id, name=name, direction=direction,
            captures={name for test in tests_of(when) for name in test.captures},
            departments=self.departments, targets=self._targets,
        )  # fmt: skip
        place = reader.place()
        examples = self._examples(reader, table, rule_id, direction)
        if len(reader.faults) > before:
            return None
        return Rule(
            id=rule_id, name=name, direction=direction, mode=mode, first=first, last=last,
            when=when, unless=unless, then=then, next=follows, examples=examples, place=place,
        )  # fmt: skip

    def _id(self, reader: Reader, table: Mapping[str, Any]) -> str:
        rule_id = reader.text(table, "id")
        if rule_id and not _ID.fullmatch(rule_id):
            expected = "small letters, digits and hyphens, at most 64"
            reader.fault("id", expected=expected, found=found(rule_id, key="id"))
        elif rule_id == UNHANDLED:
            reader.fault("id", says=f'"{UNHANDLED}" is the gateway\'s own last rule, which is always there.',
                         remedy="Choose another id.")
        elif rule_id in self._ids:
            reader.fault("id", says="another rule has this id already.", remedy="Give one of the two another id.")
        self._ids.add(rule_id)
        return rule_id

    def _examples(
        self, reader: Reader, table: Mapping[str, Any], rule_id: str, direction: Direction
    ) -> tuple[Example, ...]:
        given = table.get("example", [])
        if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
            reader.fault("example", expected="[[rule.example]] sections", found=table_of(given))
            return ()
        return tuple(self._example(reader, one, number, rule_id, direction) for number, one in enumerate(given, 1))

    def _example(
        self, reader: Reader, table: Mapping[str, Any], number: int, rule_id: str, direction: Direction
    ) -> Example:
        reader.examples += 1
        place = f"example {number}"
        reader.known(table, _EXAMPLE_KEYS, place)
        name = reader.text(table, "name", place)
        facts, mail, rule = table.get("facts"), table.get("mail"), table.get("rule")
        if (facts is None) == (mail is None):
            reader.fault(place, says="needs either `facts` or `mail`.", remedy='Write facts = { subject = "…" }.')
        if facts is not None and not isinstance(facts, dict):
            reader.fault(f"{place}.facts", expected='facts such as { subject = "Rykker" }', found=table_of(facts))
        for key in ("mail", "rule"):
            if key in table:
                reader.text(table, key, place)
        matches = table.get("matches", True)
        if not isinstance(matches, bool):
            reader.fault(f"{place}.matches", expected="true or false", found=found(matches, key="matches"))
        then = None
        if "then" in table:
            wanted = read_actions(
                reader, table["then"], rule=rule_id, name="", direction=direction, captures=(),
                departments=self.departments, targets=self._targets,
            )  # fmt: skip
            then = tuple(one.ready for one in wanted if one.ready is not None)
        return Example(
            name=name, facts=facts if isinstance(facts, dict) else None, mail=mail if isinstance(mail, str) else None,
            matches=matches is not False, then=then, rule=rule if isinstance(rule, str) else None,
            place=Place(file=reader.file, row=reader.rows.table("rule.example", reader.examples - 1)),
        )  # fmt: skip


def _day(reader: Reader, table: Mapping[str, Any], key: str) -> date | None:
    value = table.get(key)
    if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
        return value
    reader.fault(key, expected="a day such as 2026-12-01, without quotes", found=found(value, key=key))
    return None


def _made(reader: Reader, model: type[Section], values: Mapping[str, Any]) -> Section | None:
    """*values* as *model*; None and its faults if they do not fit."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        told: set[str] = set()
        for one in error.errors(include_url=False):
            key = str(one["loc"][0]) if one["loc"] else ""
            if key in told:
                continue
            told.add(key)
            setting = model.model_fields.get(key)
            if one["type"] == "extra_forbidden" or setting is None:
                reader.fault(shown(key), says="there is no such key here.", nearest=nearest(key, model.model_fields), row_of=key)
            elif one["type"] == "missing":
                reader.fault(key, says=f"is missing; expected {expects(setting)}.")
            elif one["type"] == "value_error" and len(one["loc"]) > 1:
                reader.fault(key, says=f"{one['ctx']['error']}.")
            else:
                reader.fault(key, expected=expects(setting), found=found(values.get(key), key=key, wants="word"))
        return None


def _section(number: int, table: Mapping[str, Any]) -> str:
    rule_id = table.get("id")
    named = isinstance(rule_id, str) and _ID.fullmatch(rule_id)
    return f"[[rule]] no. {number} ({rule_id})" if named else f"[[rule]] no. {number}"
