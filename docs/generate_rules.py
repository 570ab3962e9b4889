"""The pages of docs/reference/rules that are made from the catalogues: one for each field and each action.

Each has a rule that can be copied, with an example that `gateway rules test` runs; tests/docs runs them all.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.rules.acts import ACTIONS, SET_KEYS, ActionWord
from gateway.rules.catalogue import FIELDS, OPERATORS, Field
from gateway.rules.language import operators_of

MADE = "<!-- Made by `./dev docs` from gateway/rules; change that, not this page. -->\n"
TAKES = {
    "one": "a value",
    "many": "a list of values",
    "two": "a list of two values",
    "pattern": "a regular expression (RE2)",
    "flag": "`true` or `false`",
    "list": "the name of a list",
}
KINDS = {
    "text": "text; case does not matter",
    "choice": "one of a few words",
    "number": "a whole number",
    "size": 'bytes, or a size such as "10 MB"',
    "flag": "`true` or `false`",
    "time": "a moment, or a day",
    "clock": 'a time of day, "HH:MM"',
    "names": "several texts",
}

# For each field a fact for which the condition of its page holds.
FACTS = {
    "channel": '"smtp"', "received_at": "2026-12-24", "time_of_day": '"10:30"', "weekday": '"lørdag"',
    "bank_day": "false", "subject": '"Lønseddel maj"', "text": '"Din klagefrist er fire uger."',
    "media_type": '"application/pdf"', "document_type": '"Afgørelse"', "file_name": '"Faktura 17.pdf"',
    "file_names": '["brev.pdf", "bilag.pdf"]', "document_count": "3", "pages": "640", "size_bytes": "60000000",
    "case": '"S-2026-17"', "submitter": '"loen"', "submitter_kind": '"relay"', "account": '"studie"',
    "flow": '"fravaer"', "address": '"010101-xxxx@dp.example.dk"', "folder": '"loen"', "sidecar": '{ afdeling = "Økonomi" }',
    "recipient_kind": '"cvr"', "reach": '"exempt"', "copy": "true", "copies": "2", "letters": "250",
    "reply_allowed": "true", "refused_by": '["digital-post"]', "refused_code": '["GW-402"]', "sender_kind": '"cpr"',
    "sender_id": '"19552101"', "sender_name": '"Skattestyrelsen"', "recipient_cvr": '"12345674"',
    "p_number": '"1003123456"', "contact_point": '"loen"', "attention_person": '"Anna Hansen"',
    "attention_email": '"anna@skole.example.dk"', "gln": '"5790000000005"', "rid": '"12345678"', "kle": '"27.36.04"',
    "form": '"44.10.05"', "message_code": '"AARSOPG"', "reply_to_ours": "true", "forwarded": "true",
}  # fmt: skip

DEPARTMENT = """[departments.loen]
name = "Løn og personale"
addresses = ["loen@skole.example.dk"]

"""


def pages() -> dict[str, Callable[[], str]]:
    """Every page by its name in docs/reference."""
    made: dict[str, Callable[[], str]] = {"rules/fields.md": fields_page, "rules/actions.md": actions_page}
    for field in FIELDS.values():
        made[f"rules/fields/{field.name}.md"] = lambda field=field: field_page(field)
    for word in ACTIONS.values():
        made[f"rules/actions/{word.name}.md"] = lambda word=word: action_page(word)
    return made


def fields_page() -> str:
    """All fields, then all operators."""
    lines = [MADE, "# Fields and operators of rules\n", "| Field | Kind | Post | Is |", "|---|---|---|---|"]
    lines += [
        f"| [`{one.name}`](fields/{one.name}.md) | {one.kind} | {', '.join(one.asked_of)} | {one.means} |"
        for one in FIELDS.values()
    ]
    lines += ["\nA field without a value answers no to every operator but `exists`.\n", "| Operator | Takes | Holds if | Of |", "|---|---|---|---|"]
    lines += [
        f"| `{one.name}` | {TAKES[one.takes]} | {one.means} | {', '.join(sorted(one.kinds))} |" for one in OPERATORS.values()
    ]
    return "\n".join(lines) + "\n"


def actions_page() -> str:
    """All actions."""
    lines = [MADE, "# Actions of rules\n", "| Action | Post | Does |", "|---|---|---|"]
    lines += [
        f"| [`{one.name}`](actions/{one.name}.md) | {', '.join(one.directions)} | {one.means} |" for one in ACTIONS.values()
    ]
    return "\n".join(lines) + "\n"


def field_page(field: Field) -> str:
    """One field: what it is, how it may be asked, a rule that asks it."""
    name = "sidecar.afdeling" if field.name == "sidecar" else field.name
    lines = [
        MADE, f"# The field `{field.name}`\n", f"{field.means}\n",
        f"- Kind: {KINDS[field.kind]}", f"- Of {' and '.join(field.asked_of)} post",
    ]  # fmt: skip
    if field.choices:
        lines.append(f"- One of: {', '.join(f'`{choice}`' for choice in field.choices)}")
    lines += ["\n| Operator | Holds if |", "|---|---|"]
    lines += [f"| `{operator}` | {OPERATORS[operator].means} |" for operator in operators_of(field.kind)]
    direction = field.asked_of[0]
    inbound = 'direction = "inbound"\n' if direction == "inbound" else ""
    lines += [
        "\n```toml", "[[rule]]", 'id = "example"', f'name = "Eksempel på {name}"',
        f"{inbound}when = {{ field = \"{name}\", {field.example} }}", 'then = [ { hold = "Ses af en medarbejder" } ]\n',
        "[[rule.example]]", 'name = "Det passer"', f"facts = {{ {field.name} = {FACTS[field.name]} }}", "```",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def action_page(word: ActionWord) -> str:
    """One action: what it does, how it is written, a rule that wants it."""
    lines = [MADE, f"# The action `{word.name}`\n", f"{word.means}\n", f"Of {' and '.join(word.directions)} post.\n"]
    if word.name == "set":
        lines += ["| Key | Is |", "|---|---|", *(f"| `{key.name}` | {key.means} |" for key in SET_KEYS.values()), ""]
    direction = word.directions[0]
    inbound = 'direction = "inbound"\n' if direction == "inbound" else ""
    needs = DEPARTMENT if word.name in ("forward", "notify") else ""
    send = "" if word.name in ("send", "forward", "hold", "reject") else '{ send = "digital-post" }, '
    lines += [
        f"```toml\n{needs}[[rule]]", 'id = "example"', f'name = "Eksempel på {word.name}"',
        f'{inbound}when = {{ field = "subject", contains = "løn" }}', f"then = [ {send}{word.example} ]\n",
        "[[rule.example]]", 'name = "Det passer"', 'facts = { subject = "Lønseddel" }', "```",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"
