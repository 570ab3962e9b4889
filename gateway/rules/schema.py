"""The JSON Schema (draft 2020-12) of a rules file, for editors; made from the catalogues."""

from __future__ import annotations

from typing import Any

from gateway.config.settings import Flow
from gateway.rules.acts import ACTIONS, LANES, LONGEST_REASON, SET_KEYS, ActionWord
from gateway.rules.catalogue import FIELDS, OPERATORS, Field
from gateway.rules.language import operators_of
from gateway.rules.rule import Department

_ID = r"^[a-z0-9][a-z0-9-]{0,63}$"
_SIDECAR = r"^sidecar\.[\w-]{1,64}$"
_TEXT = {"type": "string", "minLength": 1}


def schema() -> dict[str, Any]:
    """The schema. Days and times are not judged: TOML has types for them that JSON has not."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Rules of digitalpost-gateway",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "rule": {"type": "array", "items": {"$ref": "#/$defs/rule"}},
            "departments": {"type": "object", "propertyNames": {"pattern": _ID}, "additionalProperties": _model(Department)},
            "flows": {"type": "object", "propertyNames": {"pattern": _ID}, "additionalProperties": _model(Flow)},
        },
        "$defs": {
            "rule": _rule(),
            "example": _example(),
            "condition": _condition(),
            "action": {"oneOf": [_action(word) for word in ACTIONS.values()]},
        },
    }


def _rule() -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["id", "name", "then"],
        "dependentRequired": {"unless": ["when"]},
        "properties": {
            "id": {"type": "string", "pattern": _ID, "not": {"const": "ubehandlet"}, "description": "Stable; the trail and the log name it."},
            "name": {**_TEXT, "description": "For people."},
            "direction": {"enum": ["outbound", "inbound"], "default": "outbound"},
            "mode": {"enum": ["aktiv", "skygge", "fra"], "default": "aktiv", "description": "skygge: only says what it would have done."},
            "from": {"description": "Danish day of receipt from which it applies, such as 2026-12-01."},
            "to": {"description": "The last such day."},
            "when": {"$ref": "#/$defs/condition"},
            "unless": {"$ref": "#/$defs/condition", "description": "The exception."},
            "then": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/action"}},
            "next": {"enum": ["fortsæt", "stop"], "description": "fortsæt: later rules may add more of the same; stop: no later rule is asked."},
            "example": {"type": "array", "items": {"$ref": "#/$defs/example"}},
        },
    }  # fmt: skip


def _example() -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["name"],
        "oneOf": [{"required": ["facts"]}, {"required": ["mail"]}],
        "properties": {
            "name": _TEXT,
            "facts": {"type": "object", "description": "Facts that differ from a usual item."},
            "mail": {**_TEXT, "description": "A mail (.eml) beside the rules."},
            "matches": {"type": "boolean", "default": True},
            "rule": {**_TEXT, "description": "The rule that decides where it goes."},
            "then": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/action"}},
        },
    }


def _condition() -> dict[str, Any]:
    """A tree or a test. By `if` and `then` rather than `oneOf`: an editor then names the one word that is
    wrong, and not forty tests that it might have been.
    """
    here: dict[str, Any] = {"$ref": "#/$defs/condition"}
    parts = {"type": "array", "minItems": 1, "items": here}
    words = {
        "all": {**parts, "description": "Every one holds."},
        "any": {**parts, "description": "At least one holds."},
        "not": {**here, "description": "It does not hold."},
    }
    operators = {name: {"description": operator.means} for name, operator in OPERATORS.items()}
    return {
        "type": "object",
        "properties": {**words, "field": _field_name(), **operators},
        "additionalProperties": False,
        "oneOf": [*({"required": [word], "maxProperties": 1} for word in words), {"required": ["field"], "minProperties": 2, "maxProperties": 2}],
        "allOf": [_operators(field) for field in FIELDS.values()],
    }


def _field_name() -> dict[str, Any]:
    names = [{"const": field.name, "description": field.means} for field in FIELDS.values() if field.name != "sidecar"]
    return {"anyOf": [*names, {**_name_of(FIELDS["sidecar"]), "description": FIELDS["sidecar"].means}]}


def _name_of(field: Field) -> dict[str, Any]:
    return {"type": "string", "pattern": _SIDECAR} if field.name == "sidecar" else {"const": field.name}


def _operators(field: Field) -> dict[str, Any]:
    """What may be asked of *field*, and of no other."""
    fitting = {operator: _operand(field, operator) for operator in operators_of(field.kind)}
    return {
        "if": {"required": ["field"], "properties": {"field": _name_of(field)}},
        "then": {"description": field.means, "properties": {"field": True, **fitting}, "additionalProperties": False},
    }


def _operand(field: Field, operator: str) -> dict[str, Any]:
    takes, means = OPERATORS[operator].takes, OPERATORS[operator].means
    one = _value(field)
    many = {"type": "array", "items": one, "minItems": 2 if takes == "two" else 1}
    if takes == "two":
        many["maxItems"] = 2
    told = {"one": one, "many": many, "two": many, "pattern": _TEXT, "list": _TEXT, "flag": {"type": "boolean"}}[takes]
    return {**told, "description": means}


def _value(field: Field) -> dict[str, Any]:
    match field.kind:
        case "choice":
            return {"enum": list(field.choices)}
        case "number":
            return {"type": "integer"}
        case "size":
            return {"type": ["integer", "string"]}
        case "flag":
            return {"type": "boolean"}
        case "time" | "clock":
            return {}
        case _:
            return _TEXT


def _action(word: ActionWord) -> dict[str, Any]:
    if word.name == "set":
        return _only({"set": {"type": "object", "minProperties": 1, "additionalProperties": False, "properties": _set_keys()}}, word.means)
    target: dict[str, Any] = dict(_TEXT)
    if word.name in ("hold", "reject", "approve"):
        target["maxLength"] = LONGEST_REASON
    settings = {key: {"enum": [1, 2]} if key == "keys" else _TEXT for key in word.settings}
    return {**_only({word.name: target, **settings}, word.means), "required": [word.name]}


def _set_keys() -> dict[str, Any]:
    kinds: dict[str, dict[str, Any]] = {"flag": {"type": "boolean"}, "text": _TEXT, "day": {}, "lane": {"enum": list(LANES)}}
    return {key.name: {**kinds[key.takes], "description": key.means} for key in SET_KEYS.values()}


def _only(properties: dict[str, Any], means: str) -> dict[str, Any]:
    return {
        "type": "object", "description": means, "additionalProperties": False,
        "required": list(properties), "properties": properties,
    }  # fmt: skip


def _model(model: Any) -> dict[str, Any]:
    """A pydantic model's own schema, with its parts inside it."""
    made: dict[str, Any] = model.model_json_schema()
    parts = made.pop("$defs", {})
    return _inlined(made, parts)  # type: ignore[no-any-return]


def _inlined(value: Any, parts: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return [_inlined(one, parts) for one in value]
    if not isinstance(value, dict):
        return value.replace("``", "`") if isinstance(value, str) else value
    if "$ref" in value:
        return _inlined(parts[value["$ref"].rpartition("/")[2]], parts)
    if str(value.get("format", "")).startswith("date"):
        return {}  # a type of its own in TOML
    told = {key: _inlined(one, parts) for key, one in value.items() if key != "title" or isinstance(one, dict)}
    # TOML has no null: what may be missing is left out.
    some = [one for one in told.get("anyOf", []) if one != {"type": "null"}]
    if len(some) == 1:
        told = {**some[0], **{key: one for key, one in told.items() if key not in ("anyOf", "default")}}
    return told
