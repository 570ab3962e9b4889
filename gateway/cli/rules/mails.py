"""Mails as files, read as if they had just come; nothing is kept, looked up or sent."""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email import policy
from email.parser import BytesHeaderParser
from email.utils import getaddresses
from pathlib import Path
from types import TracebackType
from typing import get_args

import click

from gateway.config.settings import Flow, Settings
from gateway.documents.process import ReaderProcess
from gateway.documents.reading import Reading
from gateway.model.decision import Facts, Reach
from gateway.model.letter import Letter
from gateway.model.submission import Envelope, Submission, Submitter, SubmitterKind
from gateway.ports import LetterPast
from gateway.services.route import facts_of
from gateway.wiring.meaning import read_rules

MOST_MAILS = 10_000
LARGEST_MAIL = 105_000_000
"""Bytes; one inside a ZIP is not unpacked beyond it."""
REACHES = get_args(Reach)


class Mails:
    """Reads mails with the gateway's own reader, under its limits.

    Args:
        flows: those of the rules, besides those of the settings.
        reach: what the look-up would have said; nobody is asked.
        submitter: ``user:NAME``, as whom the mail would have been handed over.
    """

    def __init__(
        self, settings: Settings, *, flows: Mapping[str, Flow], reach: Reach = "registered",
        submitter: str = "user:example",
    ) -> None:
        self._settings = settings
        self._reach = reach
        self._submitter = _submitter(submitter)
        flows = {**settings.all_flows(), **flows}
        self._reader = ReaderProcess(
            lambda: read_rules(settings, flows), time=settings.read.time, memory=int(settings.read.memory), processes=1
        )

    def __enter__(self) -> Mails:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._reader.close()

    def read(self, mail: Path) -> tuple[Reading, list[tuple[Letter, Facts]]]:
        """What is read in the file *mail*, and the facts of each letter in it. Raises OSError."""
        raw = mail.read_bytes()
        submission = self._submission(raw)
        with tempfile.TemporaryDirectory() as scratch:
            reading = self._reader.read(mail.absolute(), submission, Path(scratch))
            mains = {letter.main.digest: letter.main for letter in reading.letters}
            texts = {
                digest: self._reader.text(Path(scratch) / digest, main.media_type) for digest, main in mains.items()
            }
        copies = sum(letter.copy for letter in reading.letters)
        past = LetterPast(submission=submission, letters=len(reading.letters), copies=copies)
        closed = self._settings.rules.closed_days
        letters = [(letter, facts_of(letter, past, self._reach, closed_days=closed)) for letter in reading.letters]
        return reading, [(letter, replace(facts, text=texts[letter.main.digest])) for letter, facts in letters]

    def letters(self, mail: Path) -> list[tuple[Letter, Facts]]:
        """The letters of a mail and their facts.

        Raises:
            OSError: it cannot be read.
            ValueError: it gives no letter; with the reason, which names nobody.
        """
        reading, letters = self.read(mail)
        if reading.refusal is not None:
            raise ValueError(f"the mail is refused: {reading.refusal.code} {reading.refusal.text()}")
        return letters

    def _submission(self, raw: bytes) -> Submission:
        """As if the mail had been handed over now, to those of its recipients that are ours."""
        headers = BytesHeaderParser(policy=policy.compat32).parsebytes(raw)
        named = [str(one) for name in ("To", "Cc", "Delivered-To", "X-Original-To") for one in headers.get_all(name, [])]
        ours = tuple(f"@{domain}" for domain in self._settings.smtp.domains)
        recipients = tuple(dict.fromkeys(address for _, address in getaddresses(named) if address.lower().endswith(ours)))
        envelope = Envelope(
            channel="smtp", submitter=self._submitter, recipients=recipients, received_at=datetime.now(UTC)
        )
        digest = hashlib.sha256(raw).hexdigest()
        return Submission(
            id="F-0000-TRY0-0000", envelope=envelope, reference=f"sha256:{digest}", size_bytes=len(raw), raw=raw
        )


def _submitter(text: str) -> Submitter:
    kind, _, name = text.partition(":")
    if name:
        known: SubmitterKind
        for known in get_args(SubmitterKind):
            if kind == known:
                return Submitter(kind=known, name=name)
    raise click.BadParameter("expected user:NAME, relay:NAME or certificate:NAME", param_hint="--as")


def mails_in(path: Path, scratch: Path) -> Iterator[tuple[str, Path]]:
    """Name and file of every mail at *path*: a mail, a folder of ``*.eml``, or a ZIP of them.

    Args:
        scratch: where mails of a ZIP are unpacked, one at a time.

    Raises:
        click.ClickException: there are too many, or one is too large.
    """
    if path.is_dir():
        files = sorted(path.rglob("*.eml"))
        _not_too_many(len(files))
        yield from ((str(file.relative_to(path)), file) for file in files)
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if entry.filename.endswith(".eml")]
            _not_too_many(len(entries))
            for entry in entries:
                yield entry.filename, _unpacked(archive, entry, scratch / "mail.eml")
    else:
        yield path.name, path


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, to: Path) -> Path:
    """One mail of a ZIP. What the ZIP says of its size is not believed."""
    with archive.open(entry) as packed:
        content = packed.read(LARGEST_MAIL + 1)
    if len(content) > LARGEST_MAIL:
        raise click.ClickException(f"a mail in the ZIP is larger than {LARGEST_MAIL // 1_000_000} MB")
    to.write_bytes(content)
    return to


def _not_too_many(count: int) -> None:
    if count > MOST_MAILS:
        raise click.ClickException(f"there are more than {MOST_MAILS} mails in it")
