"""MeMo as bytes, streamed: a file of any size costs one block of memory.

The same message gives the same bytes every time: no indentation, no clock, one fixed set of
namespace prefixes. That is what lets a letter be rendered again after a crash.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from gateway.digital_post.check import Rules, broken_rules
from gateway.digital_post.content import Out, write_content
from gateway.digital_post.shape import children
from gateway.digital_post.simple import CONTENT
from gateway.digital_post.words import PREFIXES, File, MemoVersion, Message, Word
from gateway.errors import MemoRulesBroken

# ">" too, so that "]]>" never appears; a bare CR would be read back as a line feed.
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_SCHEMA_VERSION = {"1.0": ' memoSchVersion="1.0.0"', "1.1": ' memoSchVersion="1.1.0"', "1.2": ""}

OpenContent = Callable[[File], BinaryIO]
"""Opens the bytes a file's ``content`` names; the writer closes what it gets."""


def write_memo(
    message: Message,
    out: Out,
    *,
    version: MemoVersion,
    open_content: OpenContent,
    rules: Rules = "today",
) -> None:
    """Write *message* as MeMo *version* to *out*.

    Args:
        open_content: gives the bytes of each file, from their beginning.
        rules: ``schema`` asks only what the schema asks; for writing down again older post.

    Raises:
        MemoRulesBroken: before anything is written; names the first element and rule.
        VaultDamaged: a file's bytes are not the ones its ``content`` names. What was written to
            *out* by then is to be thrown away.
    """
    if version == "1.0":
        raise ValueError("MeMo 1.0 is read, never written")
    broken = list(broken_rules(message, version, rules))
    if broken:
        raise MemoRulesBroken(element=broken[0].element, rule=broken[0].rule, count=len(broken))
    spaces = "".join(f' xmlns:{prefix}="{space}"' for space, prefix in PREFIXES.items())
    versions = f' memoVersion="{version}"{_SCHEMA_VERSION[version]}'
    _put(out, f'<?xml version="1.0" encoding="UTF-8"?>\n<memo:Message{spaces}{versions}>')
    _inside(message, out, open_content)
    _put(out, "</memo:Message>\n")


def _inside(word: Word, out: Out, open_content: OpenContent) -> None:
    for child in children(type(word)):
        value = getattr(word, child.field)
        for each in value if child.many else () if value is None else (value,):
            _put(out, f"<{child.tag}>")
            if child.word is not None:
                _inside(each, out, open_content)
            elif child.simple is CONTENT:
                assert isinstance(word, File)
                with open_content(word) as stream:
                    write_content(word.content, stream, out)
            elif child.simple is not None:
                _put(out, child.simple.write(each).translate(_ESCAPES))
            _put(out, f"</{child.tag}>")


def _put(out: Out, text: str) -> None:
    out.write(text.encode())
