"""The catalogue: every field that a rule may ask about and every operator it may ask with.

Loader, documentation and the schema for editors are made from these two tables. A new fact is one
attribute of ``model.decision.Facts`` and one line here; a test keeps the two the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from gateway.model.danish_time import WEEKDAYS
from gateway.model.decision import Direction, Reach

Kind = Literal["text", "choice", "number", "size", "flag", "time", "clock", "names"]

BOTH: tuple[Direction, ...] = ("outbound", "inbound")
OUT: tuple[Direction, ...] = ("outbound",)
IN: tuple[Direction, ...] = ("inbound",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Something a rule may ask about: an attribute of Facts, by the same name."""

    name: str
    kind: Kind
    means: str
    asked_of: tuple[Direction, ...]
    """Directions in which it may have a value."""
    example: str
    """A condition, as TOML, that a documented rule can have."""
    choices: tuple[str, ...] = ()


def _fields(*fields: Field) -> dict[str, Field]:
    return {field.name: field for field in fields}


FIELDS = _fields(
    # ── both ways ──
    Field(
        name="channel", kind="choice", asked_of=BOTH, means="The way in.",
        choices=("smtp", "sftp", "folder", "cli", "digital-post", "imap"), example='equals = "smtp"',
    ),
    Field(
        name="received_at", kind="time", asked_of=BOTH, means="When it reached us.",
        example="after = 2026-12-01T08:00:00Z",
    ),
    Field(
        name="time_of_day", kind="clock", asked_of=BOTH, means="The Danish time of day when it reached us.",
        example='between = ["08:00", "16:00"]',
    ),
    Field(
        name="weekday", kind="choice", asked_of=BOTH, means="The Danish day when it reached us.",
        choices=WEEKDAYS, example='one_of = ["lørdag", "søndag"]',
    ),
    Field(
        name="bank_day", kind="flag", asked_of=BOTH,
        means="Whether that day is a Danish bank day: no weekend, no holiday, none of `[rules] closed_days`.",
        example="equals = false",
    ),
    Field(name="subject", kind="text", asked_of=BOTH, means="The title, without tags.", example='starts = "Lønseddel"'),
    Field(
        name="text", kind="text", asked_of=BOTH,
        means="The text of the main document, at most 1,000,000 characters; read only if a rule asks for it.",
        example='contains = "klagefrist"',
    ),
    Field(
        name="media_type", kind="text", asked_of=BOTH, means="Of the main document.",
        example='equals = "application/pdf"',
    ),
    Field(
        name="document_type", kind="text", asked_of=BOTH,
        means="What kind of document it is, as the sidecar or the message says.", example='equals = "afgørelse"',
    ),
    Field(
        name="file_name", kind="text", asked_of=BOTH, means="Of the main document, numbers masked.",
        example='matches = "(?i)^faktura.*[.]pdf$"',
    ),
    Field(
        name="file_names", kind="names", asked_of=BOTH, means="Of all documents, numbers masked.",
        example='contains = "bilag.pdf"',
    ),
    Field(
        name="document_count", kind="number", asked_of=BOTH, means="Documents, the main one included.",
        example="at_least = 2",
    ),
    Field(
        name="pages", kind="number", asked_of=BOTH, means="Of the main document; no value if unknown.",
        example="at_least = 500",
    ),
    Field(
        name="size_bytes", kind="size", asked_of=BOTH, means="Of all documents together.", example='at_least = "50 MB"'
    ),
    Field(
        name="case", kind="text", asked_of=BOTH, means="The case (sag) that the submitter or the sender named.",
        example='starts = "S-2026-"',
    ),
    # ── on the way out ──
    Field(
        name="submitter", kind="text", asked_of=OUT,
        means="Who handed it over, as proved: name of the user, relay or certificate.", example='equals = "loen"',
    ),
    Field(
        name="submitter_kind", kind="choice", asked_of=OUT, means="How the submitter was proved.",
        choices=("user", "relay", "certificate", "account", "cli"), example='equals = "relay"',
    ),
    Field(name="account", kind="text", asked_of=OUT, means="The SFTP account.", example='equals = "studie"'),
    Field(
        name="flow", kind="text", asked_of=OUT, means="The flow named after + in the address; `default` if none.",
        example='equals = "fravaer"',
    ),
    Field(
        name="address", kind="text", asked_of=OUT, means="The address it was sent to, number masked.",
        example='ends = "@dp.example.dk"',
    ),
    Field(name="folder", kind="text", asked_of=OUT, means="The watched folder it lay in.", example='equals = "loen"'),
    Field(
        name="sidecar", kind="text", asked_of=OUT,
        means="A field of the sidecar that is none of the known ones; written `sidecar.NAME`.",
        example='equals = "Økonomi"',
    ),
    Field(
        name="recipient_kind", kind="choice", asked_of=OUT, means="Person or company.", choices=("cpr", "cvr"),
        example='equals = "cvr"',
    ),
    Field(
        name="reach", kind="choice", asked_of=OUT, means="Whether Digital Post reaches the recipient.",
        choices=get_args(Reach), example='equals = "exempt"',
    ),
    Field(
        name="copy", kind="flag", asked_of=OUT, means="Whether it is a copy (kopimodtager).", example="equals = true"
    ),
    Field(
        name="copies", kind="number", asked_of=OUT, means="Copies among the letters of its submission.",
        example="at_least = 1",
    ),
    Field(
        name="letters", kind="number", asked_of=OUT, means="Letters of its submission, itself included.",
        example="at_least = 100",
    ),
    Field(
        name="reply_allowed", kind="flag", asked_of=OUT,
        means="Whether the submitter asked for a reply to be possible; no value if he did not say.",
        example="equals = true",
    ),
    Field(
        name="refused_by", kind="names", asked_of=OUT,
        means="Destinations that refused this letter before; for another way when the first said no.",
        example='contains = "digital-post"',
    ),
    Field(
        name="refused_code", kind="names", asked_of=OUT, means="The codes they refused it with.",
        example='contains = "GW-402"',
    ),
    # ── on the way in ──
    Field(
        name="sender_kind", kind="choice", asked_of=IN, means="Person or company.", choices=("cpr", "cvr"),
        example='equals = "cpr"',
    ),
    Field(
        name="sender_id", kind="text", asked_of=IN, means="CVR number of the sender; no value for a person.",
        example='equals = "19552101"',
    ),
    Field(
        name="sender_name", kind="text", asked_of=IN, means="Name of the sender.", example='contains = "Skattestyrelsen"'
    ),
    Field(
        name="recipient_cvr", kind="text", asked_of=IN, means="Which of our CVR numbers it was sent to.",
        example='equals = "12345674"',
    ),
    Field(
        name="p_number", kind="text", asked_of=IN, means="The P-number (production unit) it is for.",
        example='equals = "1003123456"',
    ),
    Field(
        name="contact_point", kind="text", asked_of=IN, means="The contact point it was sent to.",
        example='equals = "loen"',
    ),
    Field(
        name="attention_person", kind="text", asked_of=IN, means="The person it is for the attention of.",
        example='contains = "Hansen"',
    ),
    Field(
        name="attention_email", kind="text", asked_of=IN, means="The mail address it is for the attention of.",
        example='ends = "@skole.example.dk"',
    ),
    Field(name="gln", kind="text", asked_of=IN, means="The GLN (EAN) number it is for.", example='equals = "5790000000005"'),
    Field(name="rid", kind="text", asked_of=IN, means="The RID of the employee it is for.", example='equals = "12345678"'),
    Field(name="kle", kind="text", asked_of=IN, means="The KLE number of its subject.", example='starts = "27.36"'),
    Field(name="form", kind="text", asked_of=IN, means="The FORM number of its task.", example='equals = "44.10.05"'),
    Field(
        name="message_code", kind="text", asked_of=IN, means="The sender's own code of this kind of message.",
        example='equals = "AARSOPG"',
    ),
    Field(
        name="reply_to_ours", kind="flag", asked_of=IN, means="Whether it answers a letter of ours.",
        example="equals = true",
    ),
    Field(
        name="forwarded", kind="flag", asked_of=IN, means="Whether somebody forwarded it to us.", example="equals = true"
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """A question that can be asked of fields of some kinds."""

    name: str
    kinds: frozenset[Kind]
    takes: Literal["one", "many", "two", "pattern", "flag", "list"]
    """What stands after it: a value of the field's kind, a list of them, two of them, a pattern, true or
    false, the name of a list."""
    means: str


_TEXTS: frozenset[Kind] = frozenset({"text"})
_TEXTS_AND_NAMES: frozenset[Kind] = frozenset({"text", "names"})
_COUNTED: frozenset[Kind] = frozenset({"number", "size", "time", "clock"})
_SAME: frozenset[Kind] = frozenset({"text", "choice", "number", "size", "flag"})


def _operators(*operators: Operator) -> dict[str, Operator]:
    return {operator.name: operator for operator in operators}


OPERATORS = _operators(
    Operator(name="equals", kinds=_SAME, takes="one", means="It is this."),
    Operator(name="one_of", kinds=_SAME - {"flag"}, takes="many", means="It is one of these."),
    Operator(
        name="contains", kinds=_TEXTS_AND_NAMES, takes="one",
        means="This is somewhere in it; of several names: one of them is this.",
    ),
    Operator(name="starts", kinds=_TEXTS, takes="one", means="It begins with this."),
    Operator(name="ends", kinds=_TEXTS, takes="one", means="It ends with this."),
    Operator(
        name="matches", kinds=_TEXTS_AND_NAMES, takes="pattern",
        means="This regular expression (RE2) is found in it; of several names: in one of them.",
    ),
    Operator(name="at_least", kinds=_COUNTED, takes="one", means="It is this or more; of a time: then or later."),
    Operator(name="at_most", kinds=_COUNTED, takes="one", means="It is this or less; of a time: then or earlier."),
    Operator(name="between", kinds=_COUNTED, takes="two", means="From the first to the second, both included."),
    Operator(name="before", kinds=frozenset({"time", "clock"}), takes="one", means="Earlier than this."),
    Operator(name="after", kinds=frozenset({"time", "clock"}), takes="one", means="Later than this."),
    Operator(
        name="exists", kinds=frozenset({"text", "choice", "number", "flag", "names"}), takes="flag",
        means="Whether there is a value at all.",
    ),
    Operator(
        name="in_list", kinds=_TEXTS_AND_NAMES, takes="list",
        means="It stands in the list of this name: `lists/NAME.txt` beside the rules, a value a line.",
    ),
)
