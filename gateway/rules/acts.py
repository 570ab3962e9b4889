"""Actions: the catalogue of what a rule may want done, and how a rules file says it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from gateway.config.faults import found, nearest
from gateway.model.decision import Action, ActionKind, Direction
from gateway.rules.catalogue import BOTH, FIELDS, IN, OUT
from gateway.rules.reading import Reader, table_of
from gateway.rules.rule import Wanted
from gateway.rules.templates import BadTemplate, Template, is_template, unknown_names

LONGEST_REASON = 200
"""Characters; a reason stands inside a sentence that a submitter reads."""
LANES = {"hurtig": 0, "normal": 1, "langsom": 2}
"""Lanes of the way out, and their order."""

_ALONE = ("hold", "reject")
_BESIDE_THEM = ("set", "notify")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionWord:
    """A word that may stand in ``then``."""

    name: ActionKind
    directions: tuple[Direction, ...]
    settings: tuple[str, ...] = ()
    means: str
    example: str
    """As TOML."""


ACTIONS: Mapping[str, ActionWord] = {
    word.name: word
    for word in (
        ActionWord(
            name="send", directions=OUT, means="Send it to this destination.", example='{ send = "digital-post" }'
        ),
        ActionWord(
            name="archive", directions=BOTH, settings=("case", "plan"),
            means="Archive it there; in this case (sag), under this place of the journal plan. A case that is "
            "missing is made. Without `case`: the one the submitter named, else the flow's, else the default.",
            example='{ archive = "archive", case = "PERS-{{ year }}", plan = "81.03" }',
        ),
        ActionWord(
            name="forward", directions=IN, means="Mail it to this department.", example='{ forward = "loen" }'
        ),
        ActionWord(
            name="hold", directions=BOTH,
            means="Nothing is sent or archived until a person decides (Ubehandlet; inbound: Indbakke). The reason is told.",
            example='{ hold = "Brevet er meget stort" }',
        ),
        ActionWord(
            name="reject", directions=OUT, means="Nothing is sent or archived; the sender is told the reason.",
            example='{ reject = "Breve til virksomheder sendes med forløbet faktura" }',
        ),
        ActionWord(
            name="approve", directions=OUT, settings=("keys",),
            means="Wait until this many persons (`keys`, 1 or 2, usually 2) have approved it, then do the rest.",
            example='{ approve = "Mange breve på én gang", keys = 2 }',
        ),
        ActionWord(
            name="notify", directions=BOTH, settings=("text",),
            means="Mail a note to this department or mail address: that the rule matched, and `text`. Never the post itself.",
            example='{ notify = "loen", text = "En lønseddel blev holdt tilbage" }',
        ),
        ActionWord(
            name="set", directions=OUT,
            means="Change what is sent: see the keys.", example='{ set = { lane = "hurtig", reply_allowed = true } }',
        ),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SetKey:
    """Something that ``set`` may change."""

    name: str
    takes: Literal["flag", "text", "day", "lane"]
    means: str


SET_KEYS: Mapping[str, SetKey] = {
    key.name: key
    for key in (
        SetKey(name="reply_allowed", takes="flag", means="Whether the recipient may answer (`true`, `false`)."),
        SetKey(name="send_date", takes="day", means='Not delivered before this day ("2026-12-01").'),
        SetKey(name="copy", takes="flag", means="Whether its title says that it is a copy (»Kopi: …«)."),
        SetKey(name="sender_label", takes="text", means="The sender's name as the recipient sees it."),
        SetKey(name="lane", takes="lane", means='`"hurtig"` goes before `"normal"`, that before `"langsom"`.'),
    )
}


def read_actions(
    reader: Reader,
    value: object,
    *,
    rule: str,
    name: str,
    direction: Direction,
    captures: Collection[str],
    departments: Collection[str],
    targets: Mapping[str, Collection[str] | None],
) -> tuple[Wanted, ...]:
    """The actions in *value*, what stands after ``then``.

    Args:
        rule: id of the rule.
        name: of the rule.
        captures: names its patterns give, for its texts.
        departments: those that exist.
        targets: known destinations for ``send`` and ``archive``; None: not checked.
    """
    if not isinstance(value, list) or not value:
        reader.fault("then", expected='a list of actions such as { send = "digital-post" }', found=table_of(value))
        return ()
    names = {*FIELDS, *captures, "year", "day"}
    one = _OneAction(reader, (rule, name), direction, names, departments, targets)
    wanted = [action for number, item in enumerate(value, 1) for action in one.read(item, f"then {number}")]
    kinds = {action.kind for action in wanted}
    if kinds.intersection(_ALONE) and (len(kinds.difference(_BESIDE_THEM)) > 1):
        reader.fault("then", says="hold and reject stand alone, or beside set and notify: such post goes nowhere.",
                     remedy="Take the other actions away, or put them into a rule of their own.")
    if len({(action.kind, str(action.target)) for action in wanted if isinstance(action.target, str)}) < sum(
        isinstance(action.target, str) for action in wanted
    ):
        reader.fault("then", says="the same action stands twice.", remedy="Take one away.")
    return tuple(wanted)


class _OneAction:
    """Reads one action at a time."""

    def __init__(
        self, reader: Reader, rule: tuple[str, str], direction: Direction, names: Collection[str],
        departments: Collection[str], targets: Mapping[str, Collection[str] | None],
    ) -> None:  # fmt: skip
        self._reader, self._direction, self._names = reader, direction, names
        self._rule, self._by = rule
        self._departments, self._targets = departments, targets

    def read(self, value: object, place: str) -> list[Wanted]:
        """The action *value*; several for ``set`` with several keys; none and a fault if it is none."""
        if not isinstance(value, dict):
            self._reader.fault(place, expected='an action such as { send = "digital-post" }', found=table_of(value))
            return []
        kind = next((word for word in ACTIONS if word in value), None)
        if kind is None:
            hint = nearest(next(iter(value), ""), ACTIONS)
            self._reader.fault(place, expected=f"one of {', '.join(ACTIONS)}", found="none of them", nearest=hint)
            return []
        word = ACTIONS[kind]
        if self._direction not in word.directions:
            other = "inbound" if self._direction == "outbound" else "outbound"
            remedy = f'Give the rule direction = "{other}", or use another action.'
            self._reader.fault(place, says=f"{kind} is not for {self._direction} post.", remedy=remedy)
            return []
        self._reader.known(value, (kind, *word.settings), place)
        if kind == "set":
            return self._set(value["set"], f"{place}.set")
        target = self._text(self._reader.text(value, kind, place), f"{place}.{kind}")
        settings = tuple(
            (key, self._keys(value[key], f"{place}.{key}") if key == "keys" else
             self._text(self._reader.text(value, key, place), f"{place}.{key}"))
            for key in word.settings if key in value
        )  # fmt: skip
        self._target(word.name, target, f"{place}.{kind}")
        return [Wanted(kind=word.name, target=target, settings=settings, rule=self._rule, by=self._by)]

    def _text(self, text: str, place: str) -> str | Template:
        """*text*, ready to be filled in if it has places for that."""
        if not is_template(text):
            return text
        try:
            template = Template(text)
        except BadTemplate as bad:
            self._reader.fault(place, says=str(bad), remedy="A place to fill in is {{ name }}.")
            return text
        for name in unknown_names(template, self._names):
            says = f"there is neither a field nor a named part of a pattern called {name}."
            remedy = "Name a field, or give a part of a pattern this name: (?P<name>…)."
            self._reader.fault(place, says=says, nearest=nearest(name, self._names), remedy=remedy)
        return template

    def _target(self, kind: ActionKind, target: str | Template, place: str) -> None:
        """Checks a target that is written out; a text to fill in is known only later."""
        if not isinstance(target, str) or not target:
            return
        if kind in ("hold", "reject", "approve") and len(target) > LONGEST_REASON:
            expected = f"a reason of at most {LONGEST_REASON} characters"
            self._reader.fault(place, expected=expected, found=found(target, key=kind))
        is_department = kind == "forward" or (kind == "notify" and "@" not in target)
        if is_department and target not in self._departments:
            says = "there is no such department in [departments]."
            near = nearest(target, self._departments)
            self._reader.fault(place, says=says, nearest=near, remedy="Add it, as [departments.NAME] with its addresses.")
        known = self._targets.get(kind)
        if known is not None and target not in known:
            words = ", ".join(f'"{name}"' for name in known)
            got = found(target, key="", wants="word")
            self._reader.fault(place, expected=words, found=got, nearest=nearest(target, known))

    def _keys(self, value: object, place: str) -> str:
        if value in (1, 2) and not isinstance(value, bool):
            return str(value)
        self._reader.fault(place, expected="1 or 2 persons", found=found(value, key="count", wants="number"))
        return "2"

    def _set(self, value: object, place: str) -> list[Wanted]:
        if not isinstance(value, dict) or not value:
            expected = 'what to change, such as { lane = "hurtig" }'
            self._reader.fault(place, expected=expected, found=table_of(value))
            return []
        self._reader.known(value, tuple(SET_KEYS), place)
        return [
            Wanted(
                kind="set", target=key, settings=(("value", self._value(key, given, f"{place}.{key}")),),
                rule=self._rule, by=self._by,
            )
            for key, given in value.items()
            if key in SET_KEYS
        ]

    def _value(self, key: str, value: object, place: str) -> str | Template:
        takes = SET_KEYS[key].takes
        if isinstance(value, str) and value and takes != "flag" and is_template(value):
            return self._text(value, place)
        told, expected = _TAKES[takes]
        if (text := told(value)) is not None:
            return text
        self._reader.fault(place, expected=expected, found=found(value, key=key, wants="word"))
        return ""


def fits(action: Action) -> bool:
    """Whether an action whose text was filled in says something that can be done."""
    if action.kind != "set":
        return bool(action.target.strip())
    return _TAKES[SET_KEYS[action.target].takes][0](action.setting("value")) is not None


def _flag(value: object) -> str | None:
    return ("true" if value else "false") if isinstance(value, bool) else None


def _plain(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _day(value: object) -> str | None:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    return day_of(value) if isinstance(value, str) else None


def _lane(value: object) -> str | None:
    return value if isinstance(value, str) and value in LANES else None


_TAKES: Mapping[str, tuple[Callable[[Any], str | None], str]] = {
    "flag": (_flag, "true or false"),
    "text": (_plain, "text"),
    "day": (_day, "a day such as 2026-12-01"),
    "lane": (_lane, " or ".join(f'"{lane}"' for lane in LANES)),
}


def day_of(text: str) -> str | None:
    """*text* if it is a day that exists, as ``YYYY-MM-DD``."""
    if not _DAY.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        return None
