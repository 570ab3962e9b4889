"""pydantic's errors in the operator's words: file, section and key as written, expected and found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from gateway.config.describe import expects, inner_model, variable_of, wants, words
from gateway.config.faults import ENVIRONMENT, SETTINGS_FILE, Fault, found, nearest, shown
from gateway.config.settings import Settings


class Translator:
    """pydantic's errors in the operator's words."""

    def __init__(self, merged: Mapping[str, Any], variables: Mapping[str, Any]) -> None:
        self._merged = merged
        self._variables = variables

    def faults(self, errors: Sequence[ErrorDetails]) -> list[Fault]:
        """One fault a place: the branches of a union each complain of the same value."""
        found_at: dict[tuple[int | str, ...], Fault] = {}
        for error in errors:
            path = self._written(error)
            found_at.setdefault(path, self._fault(path, error))
        return list(found_at.values())

    def _written(self, error: ErrorDetails) -> tuple[int | str, ...]:
        """The place of *error* without the steps that exist only inside pydantic (union branches)."""
        written: list[int | str] = []
        here: Any = self._merged
        for step in error["loc"]:
            if isinstance(here, dict) and (step in here or error["type"] == "missing"):
                here = here.get(step)
            elif isinstance(here, list | tuple) and isinstance(step, int):
                here = here[step]
            else:
                break
            written.append(step)
        return tuple(written)

    def _fault(self, path: tuple[int | str, ...], error: ErrorDetails) -> Fault:
        place = self._place(path)
        field, known = _field_at(path)
        key = str(path[-1]) if path else ""
        if error["type"] == "extra_forbidden":
            near = nearest(key, known)
            if near and place["file"] == ENVIRONMENT:
                near = variable_of([*map(str, path[:-1]), near])
            return Fault(**place, says="no such setting.", nearest=near)
        if error["type"] == "missing":
            what = expects(field) if field is not None else "a value"
            says = "this section is missing." if what == "a section" else f"is missing; expected {what}."
            return Fault(**place, says=says)
        if error["type"] == "value_error" and not _is_value(field):
            return Fault(**place, says=f"{error['ctx']['error']}.")
        return Fault(**place, **_expected(field, path, error))

    def _place(self, path: tuple[int | str, ...]) -> dict[str, Any]:
        """File, section and key of *path*, as written."""
        if self._from_variable(path):
            steps = [str(step) for step in path if isinstance(step, str)]
            return {"file": ENVIRONMENT, "key": variable_of(steps) if steps else ""}
        section, key = _as_written(path, self._merged)
        return {"file": SETTINGS_FILE, "section": section, "key": key}

    def _from_variable(self, path: tuple[int | str, ...]) -> bool:
        here: Any = self._variables
        for step in path:
            if not isinstance(here, dict):
                return True  # the variable holds the whole list
            if step not in here:
                return False
            here = here[step]
        return bool(path) and not isinstance(here, dict)


def _field_at(path: Sequence[int | str]) -> tuple[FieldInfo | None, list[str]]:
    """The setting at *path*, and the names its section knows."""
    fields: Mapping[str, FieldInfo] = Settings.model_fields
    field: FieldInfo | None = None
    named = False
    for step in path:
        if isinstance(step, int):
            continue
        if named:  # the name of a flow is the operator's own
            named = False
            continue
        field = fields.get(step)
        if field is None:
            break
        inner, suffix = inner_model(field)
        named = suffix == ".NAME"
        fields = inner.model_fields if inner is not None else fields
    return field, [name for name in fields if name != "home"]


def _is_value(field: FieldInfo | None) -> bool:
    return field is not None and inner_model(field)[0] is None


def _expected(field: FieldInfo | None, path: tuple[int | str, ...], error: ErrorDetails) -> dict[str, Any]:
    """What the setting takes and what it got; for an item of a list, of that item."""
    if field is None:
        return {"says": "cannot be used here."}
    kind, constraints = field.annotation, field.metadata
    model, suffix = inner_model(field)
    if model is not None:
        wanted = "a list of sections" if suffix == "[]" and not isinstance(path[-1], int) else "a section"
        return {"expected": wanted, "found": found(error["input"], key=str(path[-1]))}
    if isinstance(path[-1], int):
        kind, constraints = getattr(kind, "__args__", (kind,))[0], []
    key = next((step for step in reversed(path) if isinstance(step, str)), "")
    wanted = words(kind, constraints)
    if error["type"] == "too_short":
        wanted, got = "at least one value", "an empty list"
    else:
        got = found(error["input"], key=key, wants=wants(kind))
    return {"expected": wanted, "found": got}


def _as_written(path: Sequence[int | str], data: Any) -> tuple[str, str]:
    """``("[[smtp.relays]] no. 2", "networks, item 1")`` for ``("smtp", "relays", 1, "networks", 0)``."""
    names: list[str] = []
    section, key = "", ""
    for position, step in enumerate(path):
        last = position == len(path) - 1
        data = _step(data, step)
        if isinstance(step, int):
            if isinstance(data, dict):
                section, key = f"[[{'.'.join(names)}]] no. {step + 1}", ""
            else:
                key = f"{key}, item {step + 1}"
        elif isinstance(data, dict) or (last and _is_section(path)):
            names.append(shown(step))
            section = f"{section} [{names[-1]}]" if "[[" in section else f"[{'.'.join(names)}]"
        else:
            names.append(shown(step))
            key = names[-1]
    return section, key


def _step(data: Any, step: int | str) -> Any:
    if isinstance(data, dict):
        return data.get(step)
    return data[step] if isinstance(data, list | tuple) and isinstance(step, int) else None


def _is_section(path: Sequence[int | str]) -> bool:
    field, _ = _field_at(path)
    return field is not None and inner_model(field)[0] is not None and inner_model(field)[1] == ""
