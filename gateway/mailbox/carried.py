"""Post that came by mail: MeMo messages as ``.xml`` or ``.tar.lzma``, or documents in a plain mail."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from gateway.digital_post.container import read_container
from gateway.digital_post.post import read_post
from gateway.documents.post_mail import MailFile, PostMail
from gateway.errors import GatewayError, MemoUnreadable, OurError
from gateway.model.inbound import Correspondent, Post
from gateway.model.letter import Document
from gateway.model.submission import Blob
from gateway.ports import Scratch, Understood, Vault

_BLOCK = 64 * 1024
_XML = (".xml",)
_CONTAINERS = (".tar.lzma", ".lzma")


class CarriedPost:
    """Reads mails that carry post.

    Args:
        read: takes a mail apart, in a process of its own; raises a permanent GatewayError for what is no post.
    """

    def __init__(self, vault: Vault, scratch: Scratch, read: Callable[[Path, Path], PostMail]) -> None:
        self._vault = vault
        self._scratch = scratch
        self._read = read

    def understand(self, raw: Blob) -> list[Understood]:
        """Every message in the mail *raw*, one at least. Raises OurError: it could not be read now."""
        with self._scratch() as folder:
            try:
                mail = self._read(self._vault.path(raw), folder)
                found = list(self._messages(mail, folder))
            except OurError:
                raise
            except GatewayError as fault:
                return [Understood(identity=f"mail/{raw.digest}", fault=fault.code)]
            return found or [Understood(identity=f"mail/{raw.digest}", post=self._plain(mail, folder))]

    def _messages(self, mail: PostMail, folder: Path) -> Iterator[Understood]:
        """MeMo messages among its files. An XML file that is none is a document like any other."""
        for file in mail.files:
            name = file.name.lower()
            with (folder / file.digest).open("rb") as stream:
                if name.endswith(_CONTAINERS):
                    yield from self._unpacked(stream, folder)
                elif name.endswith(_XML) or file.media_type in ("application/xml", "text/xml"):
                    try:
                        yield self._message(stream, file.digest)
                    except MemoUnreadable:
                        continue

    def _unpacked(self, packed: BinaryIO, folder: Path) -> Iterator[Understood]:
        """Each message of a container. Raises MemoUnreadable: the container is damaged."""
        for _, body in read_container(packed):
            file, digest = folder / "memo.xml", hashlib.sha256()
            with file.open("wb") as out:
                while block := body.read(_BLOCK):
                    digest.update(block)
                    out.write(block)
            with file.open("rb") as stream:
                try:
                    yield self._message(stream, digest.hexdigest())
                except MemoUnreadable as fault:
                    yield Understood(identity=f"memo/{digest.hexdigest()}", fault=fault.code)

    def _message(self, stream: BinaryIO, digest: str) -> Understood:
        return Understood(identity=f"memo/{digest}", post=read_post(stream, content_sink=self._vault.writer))

    def _plain(self, mail: PostMail, folder: Path) -> Post:
        """A mail whose files are the documents: the first PDF is the main one."""
        main = next((file for file in mail.files if file.media_type == "application/pdf"), mail.files[0])
        others = [file for file in mail.files if file is not main]
        for file in mail.files:
            if (folder / file.digest).exists():
                self._vault.take(folder / file.digest)
        return Post(
            title=mail.subject,
            # Anybody could write that name; there is no number to believe.
            sender=Correspondent(kind="cvr", number="", name=mail.sender),
            sent_at=mail.sent_at,
            documents=(_document(main, "main"), *(_document(file, "attachment") for file in others)),
        )


def _document(file: MailFile, role: str) -> Document:
    return Document(
        name=file.name,
        media_type=file.media_type,
        digest=file.digest,
        size_bytes=file.size_bytes,
        role="main" if role == "main" else "attachment",
    )
