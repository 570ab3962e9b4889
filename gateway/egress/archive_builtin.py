"""The built-in archive: a case holds a letter's documents, what we know of it, and its receipts.

Documents are in the vault already; archiving names them in a case. Number and file names are
derived from the letter alone, so that archiving twice, or the receipt a year later, lands in the
same place.
"""

from __future__ import annotations

import errno
import hashlib
import json
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from gateway.errors import (
    ArchiveRefused,
    ArchiveUnavailable,
    DiskFull,
    FolderNotUsable,
    VaultDamaged,
)
from gateway.model.letter import Letter
from gateway.model.shipment import Sendable, Shipment
from gateway.model.submission import Blob
from gateway.ports import Cases, Taken, Vault

SCHEMA = "gateway.archive/1"

# Letters of any alphabet (æøå), ASCII digits, and what journal plans and case numbers use between them.
_CASE_NUMBER = re.compile(r"(?:[^\W\d_]|[0-9\-._/ ]){1,64}")
_YEAR_OF_ID = re.compile(r"F-([0-9]{4})-", re.ASCII)
# Not allowed in a file name on Windows, or able to leave a folder.
_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')
# Bytes of UTF-8; most file systems stop at 255, and ours adds a counter.
_LONGEST_NAME_BYTES = 200
_BLOCK_BYTES = 1024 * 1024

Files = Sequence[tuple[str, Blob, str]]


class BuiltinArchive:
    """A destination that is always at hand.

    Args:
        default_case: number for letters that name no case; ``{year}`` and ``{flow}`` are filled in.
    """

    name = "archive"

    def __init__(self, cases: Cases, vault: Vault, *, default_case: str) -> None:
        self._cases = cases
        self._vault = vault
        self._default_case = default_case

    def render(self, sendable: Sendable) -> Blob | None:
        """None: the bytes are in the vault as they are."""
        return None

    def send(self, sendable: Sendable) -> Taken:
        """Put the letter, or its receipts, into its case; made if it is missing.

        Raises:
            ArchiveRefused: the case is closed, or its number has an impossible form.
            ArchiveUnavailable: a document cannot be read just now.
            LedgerUnavailable, DiskFull: ours; temporary.
        """
        letter, shipment = sendable.letter, sendable.shipment
        number = self._number(letter, shipment)
        plan = dict(shipment.settings).get("plan") or letter.options.plan
        try:
            files = self._files(sendable)
        except VaultDamaged as error:
            raise ArchiveUnavailable(reason=error.code) from error
        self._cases.put_case(number, plan=plan, at=shipment.created_at)
        self._cases.put_item(
            number, letter_id=letter.id, metadata=_metadata(sendable, number), files=files
        )
        return Taken()

    def _number(self, letter: Letter, shipment: Shipment) -> str:
        named = dict(shipment.settings).get("case") or letter.options.case
        number = named or self._default_case.replace("{year}", _year(letter, shipment)).replace(
            "{flow}", letter.flow
        )
        return case_number(number)

    def _files(self, sendable: Sendable) -> Files:
        if sendable.shipment.part == "receipt":
            return [
                (f"kvittering-{n}-{receipt.verdict}.json", self._vault.put(receipt.raw), "receipt")
                for n, receipt in enumerate(sendable.receipts, 1)
            ]
        documents = sendable.letter.documents
        names = distinct(document.name for document in documents)
        files = [
            (name, Blob(document.digest, document.size_bytes), document.role)
            for name, document in zip(names, documents, strict=True)
        ]
        for _, blob, _ in files:
            # Never say "archived" about bytes that are gone.
            self._vault.open(blob).close()
        return files


def case_number(text: str) -> str:
    """*text* as a case number, in one of its Unicode spellings.

    Raises:
        ArchiveRefused: unless 1 to 64 letters, digits and ``-._/`` or spaces, with at least one
            letter or digit, and no space at the ends. The text is not quoted.
    """
    number = unicodedata.normalize("NFC", text)
    if (
        not _CASE_NUMBER.fullmatch(number)
        or number != number.strip()
        or not any(sign.isalnum() for sign in number)
    ):
        raise ArchiveRefused(
            reason="a case number is 1 to 64 letters, digits, spaces and the signs - . _ /"
        )
    return number


def _year(letter: Letter, shipment: Shipment) -> str:
    """When the letter came, not when it is archived: its receipt may come in January."""
    found = _YEAR_OF_ID.match(letter.submission_id)
    return found[1] if found else str(shipment.created_at.year)


def _metadata(sendable: Sendable, number: str) -> dict[str, Any]:
    """What stands beside the documents; no number of a person in full."""
    letter, options = sendable.letter, sendable.letter.options
    return {
        "schema": SCHEMA,
        "case": number,
        "letter": letter.id,
        "submission": letter.submission_id,
        "submitter": sendable.submitter,
        "title": letter.title,
        "recipient": {"kind": letter.recipient.kind, "number": letter.recipient.masked()},
        "copy": letter.copy,
        "flow": letter.flow,
        "options": {
            "case": options.case,
            "plan": options.plan,
            "reply_allowed": options.reply_allowed,
            "deliver_from": options.deliver_from.isoformat() if options.deliver_from else None,
            "reply_by": options.reply_by.isoformat() if options.reply_by else None,
        },
        "documents": [
            {
                "name": document.name,
                "role": document.role,
                "media_type": document.media_type,
                "sha256": document.digest,
                "size": document.size_bytes,
                "pages": document.pages,
            }
            for document in letter.documents
        ],
        "shipped_at": sendable.shipment.created_at.isoformat(),
    }


# ── out of the archive ──────────────────────────────────────────────────────


def export_case(cases: Cases, vault: Vault, number: str, folder: Path) -> int:
    """Write a case to *folder*: ``<letter id>/<file>``, ``metadata.json``, ``SHA256SUMS``.

    Whole or not at all: written beside *folder* under another name, then renamed. ``sha256sum -c
    SHA256SUMS`` in the folder checks it.

    Returns:
        How many files of the case were written.

    Raises:
        NotFound: there is no such case.
        FolderNotUsable: *folder* exists and holds something, or cannot be written.
        VaultDamaged: a file's bytes are not those that were archived.
        DiskFull: no room; nothing is left behind.
    """
    case = cases.show_case(number)
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise FolderNotUsable(what="exists and is not empty")
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            count = _write_case(case, vault, work)
            work.chmod(0o750)
            work.rename(folder)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull() from None
        raise FolderNotUsable(what="cannot be written") from None
    return count


def _write_case(case: dict[str, Any], vault: Vault, folder: Path) -> int:
    sums: dict[str, str] = {}
    for item in case["items"]:
        below = safe_name(item["letter_id"])
        (folder / below).mkdir()
        names = distinct(file["name"] for file in item["files"])
        for name, file in zip(names, item["files"], strict=True):
            _copy(vault, Blob(file["digest"], file["size_bytes"]), folder / below / name)
            file["path"] = f"{below}/{name}"
            sums[file["path"]] = file["digest"]
    metadata = {"schema": SCHEMA, **case}
    text = json.dumps(metadata, ensure_ascii=False, indent=2, default=str).encode() + b"\n"
    (folder / "metadata.json").write_bytes(text)
    lines = [*sums.items(), ("metadata.json", hashlib.sha256(text).hexdigest())]
    (folder / "SHA256SUMS").write_text(
        "".join(f"{digest}  {path}\n" for path, digest in lines), encoding="utf-8"
    )
    return len(sums)


def _copy(vault: Vault, blob: Blob, to: Path) -> None:
    """The bytes of *blob*, checked on the way. Raises VaultDamaged."""
    seen = hashlib.sha256()
    with vault.open(blob) as source, to.open("xb") as target:
        while block := source.read(_BLOCK_BYTES):
            seen.update(block)
            target.write(block)
    if seen.hexdigest() != blob.digest:
        raise VaultDamaged()


def safe_name(name: str) -> str:
    """*name* as a file name that no common file system refuses, and that stays in its folder."""
    text = name.encode("utf-8", "ignore").decode()  # without what is no character at all
    plain = _UNSAFE.sub("_", unicodedata.normalize("NFC", text)).strip(" .")
    stem, dot, ending = plain.rpartition(".")
    if not dot or len(ending) > 10:
        stem, ending = plain, ""
    suffix = f".{ending}" if ending else ""
    room = _LONGEST_NAME_BYTES - len(suffix.encode())
    cut = stem.encode()[:room].decode("utf-8", "ignore").rstrip(" .")
    return f"{cut or 'fil'}{suffix}"


def distinct(names: Iterable[str]) -> list[str]:
    """Safe names, told apart also where letter case is not: ``brev.pdf``, ``Brev (2).pdf``."""
    given: list[str] = []
    taken: set[str] = set()
    for name in map(safe_name, names):
        stem, dot, ending = name.rpartition(".")
        before, after = (stem, f".{ending}") if dot else (name, "")
        candidate, number = name, 1
        while candidate.casefold() in taken:
            number += 1
            candidate = f"{before} ({number}){after}"
        taken.add(candidate.casefold())
        given.append(candidate)
    return given
