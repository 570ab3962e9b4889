"""The official material, a place for file contents, and messages made at random within the rules."""

import hashlib
import io
import os
from dataclasses import fields
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import strategies as st
from lxml import etree

from gateway.digital_post import simple, words
from gateway.digital_post.shape import children
from gateway.model.submission import Blob

_MATERIAL = Path(__file__).resolve().parents[3].parent / "shared" / "reference" / "memo"


def material() -> Path:
    """Folder of the official schemas and samples; they may not be redistributed with the gateway."""
    if _MATERIAL.is_dir():
        return _MATERIAL
    reason = "the official MeMo schemas and samples are not beside this repository (../shared)"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


class Contents:
    """File contents by digest, in memory; hands out sinks and opens what was put."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.aborted = 0

    def put(self, content: bytes) -> Blob:
        digest = hashlib.sha256(content).hexdigest()
        self.kept[digest] = content
        return Blob(digest, len(content))

    def sink(self):
        return _Sink(self)

    def open(self, file: words.File) -> io.BytesIO:
        return io.BytesIO(self.kept[file.content.digest])


class _Sink:
    def __init__(self, contents: Contents) -> None:
        self._contents, self._blocks = contents, []

    def write(self, block: bytes) -> None:
        self._blocks.append(block)

    def commit(self) -> Blob:
        return self._contents.put(b"".join(self._blocks))

    def abort(self) -> None:
        self._contents.aborted += 1


@pytest.fixture(scope="session")
def contents():
    return Contents()


@pytest.fixture(scope="session")
def memo_material() -> Path:
    return material()


@pytest.fixture(scope="session")
def schemas() -> dict[str, etree.XMLSchema]:
    """The schema of each version we write."""
    folders = {"1.1": "xsd-1.1", "1.2": "xsd-1.2-derived-unofficial"}
    return {
        version: etree.XMLSchema(etree.parse(str(material() / folder / "MeMo_core.xsd")))
        for version, folder in folders.items()
    }


@pytest.fixture(scope="session")
def make_message(contents):
    """The smallest lawful letter; keyword arguments replace fields of header or body."""

    def make(*, body: dict | None = None, **header) -> words.Message:
        file = words.File(
            encodingFormat="application/pdf",
            filename="brev.pdf",
            language="da",
            content=contents.put(b"%PDF-1.7 made up"),
        )
        given = {
            "messageType": "DIGITALPOST",
            "messageUUID": "8c2ea15d-61fb-4ba9-9366-42f8b194c365",
            "label": "Indkaldelse",
            "mandatory": False,
            "legalNotification": False,
            "sender": words.Sender(senderID="12345674", idType="CVR", label="Skolen"),
            "recipient": words.Recipient(recipientID="0101011234", idType="CPR"),
        } | header
        inside = {
            "createdDateTime": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
            "mainDocument": words.MainDocument(file=(file,)),
        } | (body or {})
        return words.Message(
            messageHeader=words.MessageHeader(**given),
            messageBody=words.MessageBody(**inside) if body != {} else None,
        )

    return make


# ── random messages, within the rules ───────────────────────────────────────

_characters = st.one_of(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"),
    st.sampled_from("\t\n\r<>&\"'æøåÆØÅ]é\u2028\U0001f4ec"),
)
_plain = st.characters(categories=["Lu", "Ll", "Nd"], max_codepoint=0x17F)
_uri_part = st.text(st.sampled_from("abcXYZ019-._~!$&'()*+,;=:@øæå"), max_size=12)
_file_name = st.builds(
    lambda stem, end: f"{stem}.{end}",
    st.text(st.one_of(_plain, st.sampled_from(" -_().,æøå")), min_size=1, max_size=60),
    st.sampled_from(["pdf", "txt", "docx"]),
)
_moments = st.datetimes(
    min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31), timezones=st.just(UTC)  # noqa: DTZ001
)


@st.composite
def _urls(draw) -> str:
    path = "/".join(draw(st.lists(_uri_part, max_size=3)))
    query = draw(st.one_of(st.just(""), _uri_part.map("?".__add__)))
    end = draw(st.sampled_from(["", "#del", "/%C3%A6"]))
    return f"https://{draw(st.sampled_from(['example.dk', 'www.skolen.dk:8443']))}/{path}{query}{end}"


def _values(kind: simple.Simple, contents: Contents):
    text = st.text(_characters, max_size=40)
    return {
        "memoTextType": st.one_of(text, st.text(_plain, min_size=256, max_size=256)),
        "memoTextType, not empty": text.map(lambda words: f"x{words}"),
        "memoCommentType": st.one_of(text, st.text(_plain, min_size=512, max_size=512)),
        "memoNotificationType": st.text(_characters, max_size=150),
        "memoLicenseNumberType": st.text(_plain, max_size=7),
        "memoUriType": _urls(),
        "memoLanguageType": st.sampled_from(["da", "en", "DE"]),
        "memoUuidType": st.uuids(version=4).map(str),
        "memoMessageType": st.just("DIGITALPOST"),
        "idType": st.sampled_from(["CPR", "CVR"]),
        "memoGLNType": st.integers(0, 9_999_999_999_999),
        "memoPNumberType": st.integers(0, 9_999_999_999),
        "xs:boolean": st.booleans(),
        "memoDateTimeType": _moments,
        "xs:date": st.dates(min_value=date(1, 1, 1)),
        "xs:base64Binary": st.binary(min_size=1, max_size=40).map(contents.put),
    }[kind.name]


def _words(word, version: str, contents: Contents):
    if word is words.Action:
        return _actions(version, contents)
    given = {}
    for child in children(word):
        one = (
            _words(child.word, version, contents)
            if child.word
            else _file_name
            if child.field == "filename"
            else _values(child.simple, contents)
        )
        given[child.field] = _times(child, one, version)
    return st.builds(word, **given)


def _times(child, one, version: str):
    if version not in child.versions:
        return st.just(() if child.many else None)
    if child.many:
        return st.lists(one, min_size=child.least, max_size=min(child.most or 2, 2)).map(tuple)
    if child.required(version) or child.field == "messageBody":
        return one
    return st.one_of(st.none(), one)


def _actions(version: str, contents: Contents):
    times = {"startDateTime": st.one_of(st.none(), _moments), "endDateTime": st.one_of(st.none(), _moments)}
    label = st.text(_characters, max_size=20)
    return st.one_of(
        st.builds(
            words.Action, label=label, actionCode=st.just("AFTALE"), **times,
            reservation=_words(words.Reservation, version, contents),
        ),
        st.builds(
            words.Action, label=label, actionCode=st.sampled_from(["BETALING", "TILMELDING"]), **times,
            entryPoint=_words(words.EntryPoint, version, contents),
        ),
    )  # fmt: skip


@pytest.fixture(scope="session")
def random_messages(contents):
    """A strategy for each version we write."""
    return {version: _words(words.Message, version, contents) for version in ("1.1", "1.2")}


@pytest.fixture(scope="session")
def every_word():
    """Every class of the model."""
    return [
        word
        for word in vars(words).values()
        if isinstance(word, type) and issubclass(word, words.Word) and word is not words.Word and fields(word)
    ]
