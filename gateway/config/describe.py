"""Settings in words, taken from the models: for faults, and for docs/reference/settings.md."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ByteSize
from pydantic.fields import FieldInfo

from gateway.config.faults import Wants
from gateway.config.settings import Means, Settings

PREFIX = "GATEWAY_"
_PLAIN = {bool: "true or false", str: "text", float: "a number", Path: "a path", IPv4Network: "an address range such as 192.0.2.0/24"}


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting, as an operator meets it."""

    name: str
    """``smtp.limits.message``; in arrays of tables ``smtp.relays[].name``, in named tables ``flows.NAME.case``."""
    section: str
    """As written in the file: ``[smtp.limits]``, ``[[smtp.relays]]``; empty at the top."""
    variable: str
    """The environment variable that wins over the file; empty inside arrays and named tables."""
    expects: str
    default: str
    """As written in TOML; ``required`` without one, ``not set`` for None."""
    text: str
    """The docstring."""


def describe_settings() -> list[Setting]:
    """Every setting of the file, in the order of the models."""
    return list(_describe(Settings, ""))


def _describe(model: type[BaseModel], path: str) -> Iterator[Setting]:
    for name, field in model.model_fields.items():
        if model is Settings and name == "home":  # given with --home, never in the file
            continue
        full = f"{path}.{name}" if path else name
        inner, suffix = inner_model(field)
        if inner is not None:
            yield from _describe(inner, full + suffix)
        else:
            yield Setting(
                name=full,
                section=_section(path),
                variable="" if "[]" in full or ".NAME" in full else variable_of(full.split(".")),
                expects=expects(field),
                default=_default(field),
                text=field.description or "",
            )


def inner_model(field: FieldInfo) -> tuple[type[BaseModel] | None, str]:
    """The model of a section, and how its tables repeat: ``""``, ``"[]"`` or ``".NAME"``."""
    kind = field.annotation
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind, ""
    for part in get_args(kind):
        if isinstance(part, type) and issubclass(part, BaseModel):
            repeats = get_origin(kind)
            return part, "[]" if repeats is tuple else ".NAME" if repeats is dict else ""
    return None, ""


def variable_of(parts: Iterable[str]) -> str:
    """``GATEWAY_SMTP__PORT`` for ``("smtp", "port")``."""
    return PREFIX + "__".join(part.upper() for part in parts)


def expects(field: FieldInfo) -> str:
    """What a value of *field* must be, in words that follow "expected"."""
    return words(field.annotation, field.metadata)


def words(kind: Any, constraints: Iterable[Any] = ()) -> str:
    """What a value of type *kind* must be, in words."""
    constraints = _flat(constraints)
    for constraint in constraints:
        if isinstance(constraint, Means):
            return constraint.words
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return words(arguments[0], [*arguments[1:], *constraints])
    if origin in (Union, UnionType):
        return words(next(part for part in arguments if part is not NoneType), constraints)
    if origin is Literal:
        return _one_of(arguments)
    if origin is tuple:
        many = "a list" if Ellipsis in arguments else f"a list of {len(arguments)}"
        return f"{many}, each item {words(arguments[0])}"
    if kind is int:
        return _number(constraints)
    return _PLAIN.get(kind, "a section" if origin is dict or isinstance(kind, type) else "a value")


def wants(kind: Any) -> Wants:
    """How a wrong value of *kind* may be told; see gateway.config.faults.found."""
    if kind in (ByteSize, timedelta, bool) or get_origin(kind) is Literal:
        return "word"
    if get_origin(kind) in (Annotated, Union, UnionType):
        return wants(get_args(kind)[0])
    return "number" if kind is int else "text"


def _flat(constraints: Iterable[Any]) -> list[Any]:
    """*constraints* with those of a ``Field(…)`` inside ``Annotated`` spelt out."""
    flat: list[Any] = []
    for constraint in constraints:
        flat.extend(constraint.metadata if isinstance(constraint, FieldInfo) else [constraint])
    return flat


def _one_of(values: tuple[object, ...]) -> str:
    quoted = [json.dumps(value) for value in values]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"


def _number(constraints: Iterable[Any]) -> str:
    low = high = None
    for constraint in constraints:
        low = getattr(constraint, "ge", low)
        high = getattr(constraint, "le", high)
    if low is None:
        return "a number" if high is None else f"a number of at most {high}"
    return f"a number of at least {low}" if high is None else f"a number from {low} to {high}"


def _section(path: str) -> str:
    if not path:
        return ""
    return f"[[{path.removesuffix('[]')}]]" if path.endswith("[]") else f"[{path.replace('[]', '')}]"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    return "not set" if value is None else _toml(value)


def _toml(value: object) -> str:
    """*value* as an operator would write it."""
    if isinstance(value, timedelta):
        return f'"{_time(value)}"'
    if isinstance(value, ByteSize):
        return f'"{_size(value)}"'
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(part) for part in value)}]"
    return json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)


def _time(value: timedelta) -> str:
    seconds = value.total_seconds()
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds and seconds % length == 0:
            return f"{seconds / length:g} {unit}"
    return f"{seconds:g} s"


def _size(value: int) -> str:
    for unit, length in (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if value and value % length == 0:
            return f"{value // length} {unit}"
    for unit, length in (("MB", 10**6), ("kB", 1000)):
        if value and value % length == 0:
            return f"{value // length} {unit}"
        if unit == "MB" and value >= length:
            return f"{value / length:g} {unit}"
    return f"{value} B"
