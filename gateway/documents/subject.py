"""The subject of a mail: the letter's title, and the wishes in square brackets (journeys, 4.1)."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date

from gateway.documents import headers
from gateway.documents.cpr_text import holds_cpr
from gateway.documents.reading import ReadRules
from gateway.errors import BadTagValue, CprInTitle, NoTitle, TitleTooLong, UnknownTag
from gateway.model.letter import COPY_PREFIX, Options

# A word, a colon, a value. "[12:30]" and "[kl. 9]" are part of a title.
_TAG = re.compile(r"\[\s*([^\W\d_][\w-]*)\s*:([^\[\]]*)\]")
# What mail programs put before a subject, in Danish and English.
_REPLY = re.compile(r"(?:re|sv|vs|fw|fwd)\s*:\s*", re.IGNORECASE)
_CASE = re.compile(r"[\w][\w ./-]{0,63}")
# How alike two words are when one is a slip for the other: "sga" is for "sag", "spam" and "jensen"
# are for none of ours (difflib's ratio, 0 to 1).
_SLIP = 0.65
# XML 1.0 has no place for these, and the title travels in XML.
_NOT_IN_XML = re.compile("[\ufffe\uffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A subject, understood."""

    title: str = field(repr=False)
    options: Options
    notes: tuple[str, ...] = ()


def plain_subject(value: bytes) -> str:
    """The subject as a person sees it: decoded, in one line, without characters nobody sees."""
    decoded = _NOT_IN_XML.sub("", unicodedata.normalize("NFC", headers.text(value)))
    # A control character becomes a space, so that words it stood between stay apart; marks of
    # writing direction, lone surrogates and the like vanish.
    spaced = "".join(" " if unicodedata.category(sign) == "Cc" else sign for sign in decoded)
    seen = "".join(sign for sign in spaced if unicodedata.category(sign) not in ("Cf", "Cs"))
    return " ".join(seen.split())


def title_of(subject: str) -> str:
    """*subject* (plain) without tags and without what replies and forwards put before it."""
    untagged = _TAG.sub(lambda found: " " if _is_tag(found) else found[0], subject)
    title = " ".join(untagged.split())
    while reply := _REPLY.match(title):
        title = title[reply.end() :]
    return title


def read_subject(subject: str, rules: ReadRules, *, received_on: date, copies: bool) -> Subject:
    """Title and options of a plain *subject*.

    Args:
        received_on: the day the mail came, UTC; delivery cannot be asked for earlier.
        copies: whether some letters are copies, whose title is longer by a prefix.

    Raises:
        CprInTitle: a CPR number stands anywhere in it, also in a tag.
        UnknownTag, BadTagValue: a tag that is none, or says what cannot be done.
        NoTitle, TitleTooLong: nothing is left beside the tags, or more than the channel takes.
    """
    if holds_cpr(subject):
        raise CprInTitle()
    options = Options()
    said: dict[str, str] = {}
    for tag in _TAG.finditer(subject):
        key, value = tag[1].lower(), tag[2].strip()
        if not _is_tag(tag):
            continue
        if key not in _TAGS:
            # A tag nobody knows may be a name or a number; a word is worth showing to its writer.
            raise UnknownTag(private=key if key.isalpha() else "", hint=_hint(key))
        if said.setdefault(key, value) != value:
            raise BadTagValue(tag=key, expected="mærket kun én gang")
        options = _TAGS[key](options, value)
    if options.deliver_from is not None and options.deliver_from < received_on:
        raise BadTagValue(tag="send", expected="en dag, der ikke er forbi")
    title = title_of(subject)
    return Subject(title=title, options=options, notes=_judge_length(title, rules, copies=copies))


def _judge_length(title: str, rules: ReadRules, *, copies: bool) -> tuple[str, ...]:
    """Notes about the length of *title*, in characters."""
    if not title:
        raise NoTitle()
    count = len(title) + (len(COPY_PREFIX) if copies else 0)
    if count > rules.title:
        raise TitleTooLong(count=count, limit=rules.title)
    if len(title) > rules.title_hint:
        hint = f"Emnet er {len(title)} tegn; over {rules.title_hint} tegn kan modtageren se det afkortet."
        return (hint,)
    return ()


def _is_tag(found: re.Match[str]) -> bool:
    """Whether brackets mean us. "[EKSTERN: …]", which mail servers write, is part of a title."""
    key, value = found[1].lower(), found[2]
    return key in _TAGS or not value.startswith(" ") or _nearest(key) is not None


def _nearest(key: str) -> str | None:
    """The known tag that *key* may be a slip of the fingers for."""
    return next(iter(difflib.get_close_matches(key, _TAGS, n=1, cutoff=_SLIP)), None)


def _hint(key: str) -> str:
    nearest = _nearest(key)
    if nearest is not None:
        return f"Mente du [{nearest}:…]?"
    *first, last = (f"[{tag}:…]" for tag in _TAGS)
    return f"Mærkerne er {', '.join(first)} og {last}."


def _case(options: Options, value: str) -> Options:
    if not _CASE.fullmatch(value):
        raise BadTagValue(tag="sag", expected="et sagsnummer, fx [sag:2026-0417]")
    return replace(options, case=value)


def _plan(options: Options, value: str) -> Options:
    if not _CASE.fullmatch(value):
        raise BadTagValue(tag="plan", expected="et sted i journalplanen, fx [plan:17.01.04]")
    return replace(options, plan=value)


def _reply(options: Options, value: str) -> Options:
    if value.lower() not in ("ja", "nej"):
        raise BadTagValue(tag="svar", expected="[svar:ja] eller [svar:nej]")
    return replace(options, reply_allowed=value.lower() == "ja")


def _deliver_from(options: Options, value: str) -> Options:
    # date.fromisoformat also takes 20261201 and 2026-W49-2, which nobody is told to write.
    try:
        day = date.fromisoformat(value) if re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII) else None
    except ValueError:
        day = None
    if day is None:
        raise BadTagValue(tag="send", expected="en dato som [send:2026-12-01]")
    return replace(options, deliver_from=day)


_TAGS: dict[str, Callable[[Options, str], Options]] = {
    "sag": _case,
    "plan": _plan,
    "svar": _reply,
    "send": _deliver_from,
}
