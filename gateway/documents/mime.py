"""A mail taken apart: its files, its text, what is left out, and why it may not be a letter.

Python's parser (compat32) finds the structure; names and values are read by
``gateway.documents.headers``. The parser repairs silently what is broken (junk in base64, a missing
end), so everything is checked again: a damaged file must be refused, not sent.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import policy
from email.message import Message
from email.parser import BytesParser
from html import unescape
from pathlib import Path
from urllib.parse import unquote

from gateway.documents import headers
from gateway.documents.reading import ReadRules
from gateway.errors import (
    CalendarInvitation,
    DamagedMail,
    EncryptedMail,
    ForwardedMail,
    NotALetter,
    OutlookContainer,
    SignedContainer,
    SplitMail,
    SubmitterError,
    TooComplex,
)

PICTURE_NOTE = "Et billede, der står inde i mailens tekst (fx et logo i en signatur), er ikke sendt med."
NAMELESS_PICTURE_NOTE = (
    "Et billede uden filnavn er ikke sendt med. Skal det med, så vedhæft det som en fil med et navn."
)
SIGNATURE_NOTE = "Mailens digitale signatur er ikke sendt med."

_REPORTS = frozenset(
    {"message/delivery-status", "message/disposition-notification", "message/feedback-report",
     "message/global-delivery-status", "message/global-disposition-notification"}
)
# Content types, and the file names they come under when a program has lost the type.
_UNWANTED: tuple[tuple[frozenset[str], str, type[SubmitterError]], ...] = (
    (frozenset({"message/partial", "message/external-body"}), "", SplitMail),
    (frozenset({"message/rfc822", "message/global", "message/news"}), ".eml", ForwardedMail),
    (frozenset({"application/vnd.ms-outlook"}), ".msg", ForwardedMail),
    (frozenset({"text/calendar", "application/ics"}), ".ics", CalendarInvitation),
    (frozenset({"application/ms-tnef", "application/vnd.ms-tnef"}), "winmail.dat", OutlookContainer),
    (frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime", "multipart/encrypted",
                "application/pgp-encrypted"}), ".p7m", EncryptedMail),
)
_SIGNATURES = frozenset(
    {"application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-signature"}
)
# The parser promises never to raise, and does (security.md, S8).
_PARSER_RAISES = (AssertionError, AttributeError, LookupError, NameError, TypeError, ValueError)
_PLAIN = frozenset({"", "7bit", "8bit", "binary"})
_ONCE = ("content-type", "content-transfer-encoding", "content-disposition")
# RFC 2045, section 6.7: "=" stands before two hex digits or at the end of a line.
_BAD_QP = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*\r?\n|[ \t]*\Z)")
_CID = re.compile(r"cid:([^\"'\s>)]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a mail, and what its headers say."""

    tree: Message[str, str] = field(repr=False)
    kind: str
    """Content type, lower case."""
    encoding: str = ""
    """Content-Transfer-Encoding, lower case."""
    charset: str = ""
    boundary: str = field(default="", repr=False)
    outer: tuple[str, ...] = field(default=(), repr=False)
    """Boundaries of the parts it lies in."""
    flowed: bool = False
    disposition: str = ""
    name: str = field(default="", repr=False)
    """File name as written, decoded; not yet safe."""
    cid: str = field(default="", repr=False)
    smime: str = ""
    """What S/MIME did to it (RFC 8551, section 3.2.2), lower case."""
    container: str = ""
    """Content type of the part it lies in."""

    @property
    def alternative(self) -> bool:
        """One of several forms of the same text."""
        return self.container == "multipart/alternative"

    def content(self) -> bytes:
        """The decoded bytes. Raises DamagedMail if they are not what their encoding says."""
        # Without the header Python gives the bytes as they stand; with it, repaired silently.
        del self.tree["content-transfer-encoding"]
        raw = self.tree.get_payload(decode=True)
        assert isinstance(raw, bytes)
        if self.encoding == "base64":
            return _base64(raw)
        if self.encoding == "quoted-printable":
            if _BAD_QP.search(raw):
                raise DamagedMail(defect="quoted-printable")
            return binascii.a2b_qp(raw)
        return raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """The parts of a mail by what they are to us."""

    files: tuple[Part, ...]
    """In the order of the mail."""
    body: tuple[Part, ...] = ()
    """The mail's own plain text; several parts if pictures or files stand between."""
    notes: tuple[str, ...] = ()
    html: tuple[Part, ...] = ()
    """The mail's own text as a web page."""


def take_apart(raw: Path, rules: ReadRules) -> Pieces:
    """The mail in the file *raw*; its header has passed the limits of ``gateway.documents.head``.

    Raises:
        TooComplex, DamagedMail: beyond limits, or broken.
        NotALetter: a report about other mail.
        SplitMail, ForwardedMail, CalendarInvitation, OutlookContainer, EncryptedMail,
            SignedContainer: parts that cannot be part of a letter.
    """
    try:
        with raw.open("rb") as file:
            mail: Message[str, str] = BytesParser(policy=policy.compat32).parse(file)
    except RecursionError:
        raise TooComplex(what="lag", limit=rules.nesting) from None
    except _PARSER_RAISES:
        raise DamagedMail(defect="opbygning") from None
    parts = list(_parts(mail, rules))
    for part in parts:
        if part.kind == "multipart/report" or part.kind in _REPORTS:
            raise NotALetter(what="rapport")
    for part in parts:
        _refuse_unwanted(part)
    for part in parts:
        _refuse_defects(part)
    return _sort([part for part in parts if not part.tree.is_multipart()])


def _parts(mail: Message[str, str], rules: ReadRules) -> Iterator[Part]:
    """Every part in order, within limits; own stack, since ``Message.walk`` recurses."""
    waiting: list[tuple[Message[str, str], tuple[str, ...], str]] = [(mail, (), "")]
    count = 0
    while waiting:
        part, outer, container = waiting.pop()
        count += 1
        if count > rules.parts:
            raise TooComplex(what="dele", limit=rules.parts)
        if len(outer) > rules.nesting:
            raise TooComplex(what="lag", limit=rules.nesting)
        read = _part(part, rules, outer=outer, container=container)
        yield read
        if part.is_multipart():
            inside = (*outer, read.boundary)
            waiting.extend((child, inside, read.kind) for child in reversed(_children(part)))


def _children(part: Message[str, str]) -> list[Message[str, str]]:
    return [child for child in part.get_payload() if isinstance(child, Message)]


def _part(
    part: Message[str, str], rules: ReadRules, *, outer: tuple[str, ...], container: str
) -> Part:
    """What the headers of *part* say."""
    fields: dict[str, bytes] = {}
    for count, (called, value) in enumerate(part.raw_items()):
        name = called.strip().lower()
        if count >= rules.headers or len(value) > rules.one_header:
            raise TooComplex(what="hoveder i en del", limit=rules.headers)
        if name in fields and name in _ONCE:
            raise DamagedMail(defect="samme hoved to gange")
        fields.setdefault(name, value.encode("utf-8", "surrogateescape"))
    kind, about = headers.parameters(fields.get("content-type", b""))
    disposition, shown = headers.parameters(fields.get("content-disposition", b""))
    return Part(
        tree=part,
        outer=outer,
        # No or no usable type means plain text (RFC 2045, section 5.2); a digest holds whole mails.
        kind=kind if kind.count("/") == 1 else part.get_default_type(),
        encoding=headers.parameters(fields.get("content-transfer-encoding", b""))[0],
        charset=about.get("charset", ""),
        boundary=about.get("boundary", "").rstrip(),
        flowed=about.get("format", "").lower() == "flowed",
        disposition=disposition,
        name=shown.get("filename") or about.get("name", ""),
        cid=headers.decode(fields.get("content-id", b"")).strip("<> \t\r\n"),
        smime=about.get("smime-type", "").lower(),
        container=container,
    )


def _refuse_unwanted(part: Part) -> None:
    name = part.name.strip().lower()
    for kinds, ending, error in _UNWANTED:
        if part.kind in kinds or (ending and name.endswith(ending)):
            # Signed only, yet the whole mail lies inside the signature (RFC 8551, section 3.5.2).
            if error is EncryptedMail and part.smime == "signed-data":
                raise SignedContainer()
            raise error()
    if part.kind.startswith("message/"):
        raise ForwardedMail()


def _refuse_defects(part: Part) -> None:
    """What Python's parser noticed and went on from; where it and we read another structure; and
    what nobody can decode.
    """
    multipart = part.kind.startswith("multipart/")
    if part.tree.defects or multipart != part.tree.is_multipart() or (multipart and part.boundary in part.outer):
        raise DamagedMail(defect="grænse mellem dele" if multipart else "opbygning")
    if part.encoding not in (_PLAIN if multipart else _PLAIN | {"base64", "quoted-printable"}):
        raise DamagedMail(defect="ukendt kodning")
    if part.kind.startswith("text/") and part.charset and headers.codec(part.charset) is None:
        raise DamagedMail(defect="ukendt tegnsæt")


def _sort(parts: list[Part]) -> Pieces:
    """Which parts are files, which is the text, and what is left out."""
    shown = _shown_pictures(parts)
    files: list[Part] = []
    notes: list[str] = []
    body: list[Part] = []
    html: list[Part] = []
    for part in parts:
        if part.kind in _SIGNATURES:
            notes.append(SIGNATURE_NOTE)
        elif note := _left_out_picture(part, shown):
            notes.append(note)
        elif _is_text_of_the_mail(part):
            # Damage in the text may be damage in the mail; so it is decoded even if nobody uses it.
            part.content()
            if part.kind == "text/plain":
                body.append(part)
            elif part.kind == "text/html":
                html.append(part)
        else:
            files.append(part)
    return Pieces(files=tuple(files), body=tuple(body), notes=tuple(dict.fromkeys(notes)), html=tuple(html))


def _left_out_picture(part: Part, shown: set[str]) -> str:
    """The note about a picture that is no file; empty if it is one, or no picture.

    "inline" alone says nothing: Apple Mail writes it on every photo a person attaches.
    """
    if not part.kind.startswith("image/"):
        return ""
    related = part.container == "multipart/related" and part.cid and not part.name
    if part.cid in shown or related:
        return PICTURE_NOTE
    return NAMELESS_PICTURE_NOTE if part.disposition == "inline" and not part.name else ""


def _is_text_of_the_mail(part: Part) -> bool:
    if part.disposition == "attachment" or part.name:
        return False
    return part.kind in ("text/plain", "text/html") or (part.alternative and part.kind.startswith("text/"))


def _shown_pictures(parts: list[Part]) -> set[str]:
    """Content-IDs that the HTML of the mail shows as pictures."""
    return {
        unquote(cid)
        for part in parts
        if part.kind == "text/html" and _is_text_of_the_mail(part)
        for cid in _CID.findall(unescape(headers.decode(part.content(), part.charset)))
    }


def _base64(raw: bytes) -> bytes:
    packed = raw.translate(None, b" \t\r\n")
    try:
        return binascii.a2b_base64(packed, strict_mode=True)
    except binascii.Error:
        raise DamagedMail(defect="base64") from None
