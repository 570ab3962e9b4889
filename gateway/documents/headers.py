"""Header values as real mail writes them: encoded words, parameters, raw 8-bit.

Our own, because Python's parsers lose names that clients do write: raw Latin-1, ``filename`` beside
``filename*``, encoded words in and out of quotes, characters cut in two (reference, protocols.md,
section 5). Everything here takes bytes, gives text, and never raises.
"""

from __future__ import annotations

import binascii
import codecs
import re
from urllib.parse import unquote_to_bytes

# Charset labels seen in mail that Python knows under another name or not at all.
_ALSO_CALLED = {
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-8-e": "iso-8859-8",
    "iso-8859-6-i": "iso-8859-6",
    "unicode-1-1-utf-8": "utf-8",
    "cp-850": "cp850",
}
# Python calls these encodings too; no mail means them.
_NOT_CHARSETS = frozenset({"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape"})
# What says Latin-1 is windows-1252 in practice: Outlook's dashes and quotes lie in the difference.
_REALLY_1252 = frozenset({"iso8859-1", "ascii"})

_FOLD = re.compile(rb"\r?\n(?=[ \t])")
# RFC 2047, section 2; with spaces inside allowed, since clients write them in quoted names.
_WORD = re.compile(
    rb"=\?([0-9A-Za-z_.:-]+)(?:\*[A-Za-z-]*)?\?([bBqQ])\?([^?\r\n]*)\?=(?:[ \t\r\n]+(?==\?))?"
)
# RFC 2231, section 3: name, number of the piece, whether it is percent-encoded.
_PIECE = re.compile(r"([^*]+)(?:\*([0-9]{1,3}))?(\*)?", re.ASCII)


def codec(charset: str) -> str | None:
    """Python's name for *charset*, or None if no such charset is known."""
    label = charset.strip().strip("\"'").lower()
    try:
        name = codecs.lookup(_ALSO_CALLED.get(label, label)).name
    except (LookupError, ValueError):  # ValueError: a lone surrogate or a null character in it
        return None
    try:
        # LookupError is how Python says that a codec goes from bytes to bytes (base64, zip).
        b"text".decode(name)
    except UnicodeError:
        pass
    except (LookupError, ValueError):
        return None
    return None if name.replace("_", "-") in _NOT_CHARSETS else name


def decode(content: bytes, charset: str | None = None) -> str:
    """*content* as text; if it is not what *charset* says, as UTF-8, windows-1252 or Latin-1."""
    named = codec(charset) if charset else None
    first = [] if named is None else ["cp1252"] if named in _REALLY_1252 else [named]
    if named == "ascii":
        first = []
    for name in (*first, "utf-8", "cp1252"):
        try:
            return content.decode(name)
        except ValueError:
            continue
    return content.decode("latin-1")


def text(value: bytes) -> str:
    """An unstructured header value, decoded once (RFC 2047)."""
    value = _FOLD.sub(b"", value)
    found: list[str] = []
    raw = b""  # undecoded bytes of neighbouring words: a character may be cut between two of them
    charset = ""
    end = 0
    for word in _WORD.finditer(value):
        content = _word_bytes(word)
        if content is None:
            continue
        label = word[1].decode("ascii").lower()
        if raw and (word.start() > end or label != charset):
            found.append(decode(raw, charset))
            raw = b""
        if word.start() > end:
            found.append(decode(value[end : word.start()]))
        raw, charset, end = raw + content, label, word.end()
    if raw:
        found.append(decode(raw, charset))
    found.append(decode(value[end:]))
    return "".join(found)


def parameters(value: bytes) -> tuple[str, dict[str, str]]:
    """A structured value such as Content-Type: its first word and its parameters.

    Returns:
        (value in lower case, parameters by lower-case name). Of a parameter written both plain and
        in RFC 2231 form, the latter counts (RFC 6266, section 4.3); of one written twice, the first.
    """
    pieces = _split(_FOLD.sub(b"", value))
    kind = pieces[0].split()[0].decode("latin-1").lower() if pieces[0].split() else ""
    plain: dict[str, bytes] = {}
    extended: dict[str, dict[int, tuple[bytes, bool]]] = {}
    for piece in pieces[1:]:
        key, equals, content = piece.partition(b"=")
        form = _PIECE.fullmatch(key.strip().decode("latin-1").lower())
        if not equals or form is None:
            continue
        name, number, star = form.groups()
        if number is None and star is None:
            plain.setdefault(name, _unquote(content))
        else:
            extended.setdefault(name, {}).setdefault(int(number or 0), (_unquote(content), bool(star)))
    found = {name: text(content) for name, content in plain.items()}
    found.update((name, _join(numbered)) for name, numbered in extended.items())
    return kind, found


def _word_bytes(word: re.Match[bytes]) -> bytes | None:
    """The bytes an encoded word stands for; None if it is none after all."""
    content = word[3]
    if word[2] in b"qQ":
        return binascii.a2b_qp(content, header=True)
    padded = content.strip().rstrip(b"=")
    try:
        return binascii.a2b_base64(padded + b"=" * (-len(padded) % 4))
    except binascii.Error:
        return None


def _split(value: bytes) -> list[bytes]:
    """*value* cut at the semicolons that stand outside quotes."""
    pieces: list[bytes] = []
    start = at = 0
    quoted = False
    while at < len(value):
        sign = value[at : at + 1]
        if quoted and sign == b"\\":
            at += 1
        elif sign == b'"':
            quoted = not quoted
        elif sign == b";" and not quoted:
            pieces.append(value[start:at])
            start = at + 1
        at += 1
    return [*pieces, value[start:]]


def _unquote(content: bytes) -> bytes:
    content = content.strip()
    if not content.startswith(b'"'):
        return content
    # Only quotes and backslashes are escaped by real clients; old ones write C:\folder\file as it is.
    inner = re.match(rb'"((?:[^"\\]|\\.?)*)"?', content, re.DOTALL)
    return re.sub(rb'\\(["\\])', rb"\1", inner[1]) if inner else content


def _join(numbered: dict[int, tuple[bytes, bool]]) -> str:
    """The pieces of one RFC 2231 parameter as text. Bytes are joined before they are decoded."""
    pieces = [numbered[number] for number in sorted(numbered)]
    if not any(encoded for _, encoded in pieces):
        return text(b"".join(content for content, _ in pieces))
    first, encoded = pieces[0]
    charset = ""
    if encoded and first.count(b"'") >= 2:
        label, _, first = first.split(b"'", 2)
        charset = label.decode("latin-1")
    joined = b"".join(
        unquote_to_bytes(content) if encoded else content
        for content, encoded in [(first, encoded), *pieces[1:]]
    )
    return decode(joined, charset)
