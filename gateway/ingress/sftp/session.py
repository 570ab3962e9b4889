"""One client's requests: a small tree served from the ledger, and files that are taken when they are closed.

One module, although long: every request of the protocol is answered here, and what may be done in each room
must be seen side by side. Texts go to the client as they are: they name the limit that was hit, and no value.
"""

from __future__ import annotations

import asyncio
import stat
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

import asyncssh
from asyncssh import FXF_APPEND, FXF_CREAT, FXF_EXCL, FXF_TRUNC, FXF_WRITE, SFTPAttrs, SFTPName

from gateway import log, rehearsal
from gateway.documents.dropped_names import is_junk
from gateway.errors import GatewayError
from gateway.ingress.sftp.accounts import Account
from gateway.ingress.sftp.handler import LATER, closed_by_client, keeps_our_words
from gateway.ingress.sftp.served import Served
from gateway.ingress.sftp.shared import Shared, Space
from gateway.ingress.sftp.shelf import Key, Upload
from gateway.ingress.sftp.tree import GUESSED, ROOMS, Place, place_of
from gateway.model.drop import Area, NewFile
from gateway.model.submission import Blob
from gateway.ports import SeenFile

T = TypeVar("T")

_FOLDER, _WRITE_FILE, _READ_FILE = stat.S_IFDIR | 0o755, stat.S_IFREG | 0o600, stat.S_IFREG | 0o400
_RETRY = ".ret"
COUNTS_FOR = 1.0
"""Seconds for which a look at all that waits of an account is good enough."""
SILENT_FOR = 20
"""Tenths of a second without a byte, after which another connection may go on with a file."""


@dataclass(slots=True)
class Reading:
    """A file being read, all of it."""

    content: bytes = field(repr=False)


@keeps_our_words
class Session(asyncssh.SFTPServer):
    """The requests of one connection."""

    def __init__(self, channel: Any, account: Account, shared: Shared) -> None:
        super().__init__(channel)
        self._account = account
        self._shared = shared
        self._served = Served(account.name, shared)
        self._open_files = 0

    async def _disk(self, do: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._shared.disk, do)

    # ── opening, writing, closing ───────────────────────────────────────────

    async def open(self, path: bytes, pflags: int, attrs: SFTPAttrs) -> object:
        """See asyncssh; *path* is one of ours."""
        if self._open_files >= self._shared.handles:
            raise asyncssh.SFTPFailure(f"Der er højst {self._shared.handles} åbne filer ad gangen.")
        place = place_of(path)
        if pflags & FXF_WRITE:
            opened: object = await self._open_to_write(place, pflags)
        else:
            opened = Reading(await self._read(place))
        self._open_files += 1
        return opened

    async def _open_to_write(self, place: Place, pflags: int) -> Upload:
        mends = place.room == "fejl" and len(place.parts) == 3
        if not (place.is_area and 1 <= len(place.parts) <= 2) and not mends:
            raise asyncssh.SFTPPermissionDenied("Her kan der ikke lægges filer. Læg dem i ind/ eller proeve/.")
        key = self._key(place)
        if pflags & FXF_EXCL and await self._find(place) is not None:
            raise asyncssh.SFTPFailure("Der er allerede en fil med det navn.")
        if not pflags & FXF_CREAT and await self._find(place) is None:
            raise asyncssh.SFTPNoSuchFile("Filen findes ikke.")
        await self._has_room()
        append = bool(pflags & FXF_APPEND)
        before = None
        if not pflags & FXF_TRUNC and self._account.resume:
            before = await self._before(place, append=append)
        elif append and not pflags & FXF_TRUNC:
            raise asyncssh.SFTPOpUnsupported("Denne konto kan ikke fortsætte en afbrudt fil. Læg hele filen op igen.")
        if before is None:
            # In the event loop, as the writes are: it makes an empty file.
            upload = self._shared.vault.upload()
        else:
            begins_with = before.blob
            upload = await self._disk(lambda: self._shared.vault.upload(begins_with))
        continues = before.id if before is not None else None
        return self._shared.shelf.begin(Upload(key, upload, append, self._shared.now(), place.guessed, continues=continues))

    async def _before(self, place: Place, *, append: bool) -> SeenFile | None:
        """A file that was cut, or closed and waits: what is written now may go on with it.

        Raises:
            SFTPFailure: the client means to append to a file that can no longer be gone on with; what it
                wrote would be an end without its beginning.
        """
        found = await self._find(place)
        if isinstance(found, Upload):
            found = await self._taken_over(found, place)
        if isinstance(found, SeenFile) and found.state in ("waiting", "temporary", "cut"):
            return found
        if append and found is not None:
            raise asyncssh.SFTPFailure("Filen kan ikke fortsættes: den er taget ind, eller en anden forbindelse skriver den. Læg hele filen op igen.")
        return None

    async def _taken_over(self, upload: Upload, place: Place) -> SeenFile | Upload | None:
        """What there is once *upload* is done, or is cut because nothing has come for a while: most likely the
        client lost its connection, and came back before we saw the end of the first.
        """
        for _ in range(SILENT_FOR):
            size = upload.bytes.size_bytes
            await asyncio.sleep(0.1)
            if id(upload) not in self._shared.shelf.under_way or upload.bytes.size_bytes != size:
                return await self._find(place)
        self._shared.shelf.cut(upload)
        upload.failed = "En anden forbindelse er gået videre med filen."
        await self._keep_beginning(upload)
        return await self._find(place)

    async def _has_room(self) -> None:
        shared, name = self._shared, self._account.name
        space = shared.space.get(name)
        if space is None or time.monotonic() - space.counted_at > COUNTS_FOR:
            space = shared.space[name] = await self._disk(lambda: Space(*shared.drops.waiting_room(name), shared.vault.free_bytes()))
        if space.files >= shared.settings.waiting_files:
            raise asyncssh.SFTPFailure(f"Der venter allerede {space.files} filer; grænsen er {shared.settings.waiting_files}.")
        if space.size_bytes >= shared.settings.waiting_bytes:
            raise asyncssh.SFTPFailure(f"De filer, der venter, fylder over grænsen på {_megabytes(shared.settings.waiting_bytes)}.")
        if space.free_bytes < shared.spare:
            raise asyncssh.SFTPFailure("Ikke modtaget: disken er ved at være fuld hos os. Prøv igen senere.")
        space.files += 1

    async def write(self, file_obj: object, offset: int, data: bytes) -> int:
        """See asyncssh. In the event loop: the bytes go to the page cache.

        Who begins at the beginning does not go on with anything, although OpenSSH's scp opens a file as if it did:
        nothing of what was there before may stand behind a shorter letter.
        """
        if not isinstance(file_obj, Upload):
            raise asyncssh.SFTPPermissionDenied("Filen er åbnet til læsning.")
        if file_obj.failed:
            raise asyncssh.SFTPFailure(file_obj.failed)
        if not file_obj.written:
            file_obj.written = True
            if offset == 0 and not file_obj.append:
                file_obj.bytes.truncate(0)
                file_obj.continues = None
        # Who appends may say 0 each time (asyncssh), or where it believes the end to be (OpenSSH, curl): behind
        # the end is a hole, and is refused as one.
        at = max(offset, file_obj.bytes.size_bytes) if file_obj.append else offset
        if at + len(data) > self._shared.settings.file:
            file_obj.failed = f"Filen er over grænsen på {_megabytes(self._shared.settings.file)}."
            raise asyncssh.SFTPFailure(file_obj.failed)
        try:
            file_obj.bytes.write_at(at, data)
        except GatewayError as error:
            file_obj.failed = LATER
            raise asyncssh.SFTPFailure(LATER) from error
        return len(data)

    async def read(self, file_obj: object, offset: int, size: int) -> bytes:
        """See asyncssh."""
        if isinstance(file_obj, Reading):
            return file_obj.content[offset : offset + size]
        assert isinstance(file_obj, Upload)
        return file_obj.bytes.read_at(offset, size)

    async def close(self, file_obj: object) -> None:
        """A client's own CLOSE takes the file; of what a lost connection leaves open the beginning is kept
        (sidecar.md, D5 1), to be gone on with, or for the receipt that says it was not taken.
        """
        self._open_files -= 1
        if not isinstance(file_obj, Upload):
            return
        if not closed_by_client():
            log.upload_cut(account=self._account.name, size_bytes=file_obj.bytes.size_bytes)
            if file_obj.failed:
                self._shared.shelf.end(file_obj)
                file_obj.bytes.abort()
                return
            self._shared.shelf.cut(file_obj)
            await self._keep_beginning(file_obj)
            return
        self._shared.shelf.end(file_obj)
        try:
            await self._take(file_obj)
        except BaseException:
            await self._disk(file_obj.bytes.abort)
            raise

    async def _keep_beginning(self, upload: Upload) -> None:
        """Nobody waits for the answer: what fails here is in the log, and the client was never told yes."""
        _, room, _, name = upload.key
        try:
            if is_junk(name) or room == "fejl":
                return
            newer = await self._newest(upload.key)
            if newer is not upload and newer is not None and _moment(newer) > upload.began:
                return  # the client did not wait for us, and began again
            blob = await self._disk(upload.bytes.commit_beginning)
            await self._shared.intake.accept(self._new_file(upload, blob, how="cut"))
        except GatewayError as error:
            log.beginning_lost(account=self._account.name, code=error.code)
        finally:
            await self._disk(upload.bytes.abort)
            self._shared.shelf.end(upload)

    def _new_file(self, upload: Upload, blob: Blob, *, how: Literal["close", "cut"]) -> NewFile:
        _, room, folder, name = upload.key
        return NewFile(
            account=self._account.name, channel="sftp", area=_area(room), folder=folder, name=name, blob=blob,
            how=how, at=self._shared.now(), note=GUESSED if upload.guessed else "",
        )  # fmt: skip

    async def _take(self, upload: Upload) -> None:
        """Durable and written down before the client is told so."""
        if upload.failed:
            raise asyncssh.SFTPFailure(upload.failed)
        if upload.bytes.has_hole:
            raise asyncssh.SFTPFailure("Filen har et hul: noget i midten blev aldrig skrevet. Læg den op igen.")
        _, room, folder, name = upload.key
        if is_junk(name):
            upload.bytes.abort()
            return
        if folder:
            self._shared.seen_folders.pop((self._account.name, room), None)
        if (space := self._shared.space.get(self._account.name)) is not None:
            space.size_bytes += upload.bytes.size_bytes
        blob = await self._disk(upload.bytes.commit)
        rehearsal.at("drop.bytes")
        if room == "fejl":
            drop_id = folder.rpartition("/")[2]
            if not await self._disk(lambda: self._shared.drops.mend_file(self._account.name, drop_id, name, blob)):
                raise asyncssh.SFTPNoSuchFile("Den afviste aflevering findes ikke mere.")
            return
        await self._shared.intake.accept(self._new_file(upload, blob, how="close"))
        if upload.continues is not None:
            old = upload.continues
            await self._disk(lambda: self._shared.drops.supersede_file(old))
        rehearsal.at("drop.row")

    # ── looking ─────────────────────────────────────────────────────────────

    async def stat(self, path: bytes) -> SFTPAttrs:
        """See asyncssh."""
        place = place_of(path)
        found = await self._attrs(place)
        if found is None:
            raise asyncssh.SFTPNoSuchFile("Filen findes ikke.")
        return found

    async def lstat(self, path: bytes) -> SFTPAttrs:
        """There are no links."""
        return await self.stat(path)

    async def fstat(self, file_obj: object) -> SFTPAttrs:
        """See asyncssh."""
        if isinstance(file_obj, Upload):
            return _file(file_obj.bytes.size_bytes, file_obj.began, writable=True)
        assert isinstance(file_obj, Reading)
        return _file(len(file_obj.content), self._shared.now(), writable=False)

    async def scandir(self, path: bytes) -> AsyncIterator[SFTPName]:
        """See asyncssh."""
        place = place_of(path)
        found = await self._list(place)
        if found is None:
            raise asyncssh.SFTPNoSuchFile("Mappen findes ikke.")
        for name in (".", ".."):
            yield SFTPName(name.encode(), attrs=_folder(self._shared.now()))
        for name, attrs in sorted(found.items()):
            yield SFTPName(name.encode("utf-8", "replace"), attrs=attrs)

    async def realpath(self, path: bytes) -> bytes:
        """The path without dots; only what lies in our tree has one."""
        place = place_of(path)
        if place.room == "root":
            return b"/"
        return "/".join(["", place.room, *place.parts]).encode("utf-8")

    def format_user(self, uid: int | None) -> str:
        """Never a user of this machine."""
        return "konto"

    def format_group(self, gid: int | None) -> str:
        return "konto"

    async def _attrs(self, place: Place) -> SFTPAttrs | None:
        if place.room == "root" or not place.parts:
            return _folder(self._shared.now())
        if place.is_area:
            found = await self._find(place)
            if isinstance(found, Upload):
                return _file(found.bytes.size_bytes, found.began, writable=True)
            if found is not None:
                return _file(found.blob.size_bytes, found.at, writable=True)
            is_folder = len(place.parts) == 1 and place.parts[0] in await self._subfolders(place)
            return _folder(self._shared.now()) if is_folder else None
        if place.room == "kvittering" and len(place.parts) == 1:
            # A client that fetches one answer asks first, and need not wait for all the others.
            answer = await self._disk(lambda: self._served.answer(place.name))
            return _file(*answer, writable=False) if answer is not None else None
        parent = Place(place.room, place.parts[:-1])
        return (await self._list(parent) or {}).get(place.name)

    async def _find(self, place: Place) -> SeenFile | Upload | None:
        """The newest file of that name: under way, cut, waiting, or taken a moment ago."""
        if not place.is_area or not 1 <= len(place.parts) <= 2:
            return None
        key = self._key(place)
        await self._shared.shelf.settled(key)
        return await self._newest(key)

    async def _newest(self, key: Key) -> SeenFile | Upload | None:
        account, room, folder, name = key
        unfinished = [one for one in self._shared.shelf.seen(account, room) if one.key == key]
        since = self._shared.now() - self._shared.settings.visible
        found = await self._disk(
            lambda: self._shared.drops.seen_files(account, _area(room), since, folder=folder, name=name)
        )
        both: list[SeenFile | Upload] = [*found, *unfinished]
        return max(both, key=_moment, default=None)

    async def _list(self, place: Place) -> dict[str, SFTPAttrs] | None:
        """What lies at *place*, by name; None: it is no folder."""
        now = self._shared.now()
        if place.room == "root":
            return {room: _folder(now) for room in ROOMS}
        if place.is_area:
            return await self._list_area(place, now)
        files = await self._disk(lambda: self._served.files(place.room))
        depth = place.parts
        found: dict[str, SFTPAttrs] = {}
        for name, (size, at) in files.items():
            words = tuple(name.split("/"))
            if words[: len(depth)] == depth and len(words) > len(depth):
                rest = words[len(depth) :]
                found[rest[0]] = _file(size, at, writable=False) if len(rest) == 1 else _folder(now)
        return found if found or not depth else None

    async def _list_area(self, place: Place, now: datetime) -> dict[str, SFTPAttrs] | None:
        if len(place.parts) > 1:
            return None
        subfolders = await self._subfolders(place)
        folder = place.parts[0] if place.parts else ""
        if folder and folder not in subfolders:
            return None
        found = {} if folder else {name: _folder(now) for name in subfolders}
        since = now - self._shared.settings.visible
        seen = await self._disk(lambda: self._shared.drops.seen_files(self._account.name, _area(place.room), since, folder=folder))
        unfinished = [one for one in self._shared.shelf.seen(self._account.name, place.room) if one.key[2] == folder]
        both: list[SeenFile | Upload] = [*seen, *unfinished]
        for one in sorted(both, key=_moment):
            if isinstance(one, Upload):
                found[one.key[3]] = _file(one.bytes.size_bytes, one.began, writable=True)
            else:
                found[one.name] = _file(one.blob.size_bytes, one.at, writable=True)
        return found

    async def _subfolders(self, place: Place) -> set[str]:
        shared, key = self._shared, (self._account.name, place.room)
        at, seen = shared.seen_folders.get(key, (0.0, frozenset()))
        if time.monotonic() - at > COUNTS_FOR:
            since = shared.now() - shared.settings.visible
            seen = frozenset(await self._disk(lambda: shared.drops.drop_folders(self._account.name, _area(place.room), since)))
            shared.seen_folders[key] = time.monotonic(), seen
        unfinished = {one.key[2] for one in shared.shelf.seen(self._account.name, place.room)}
        return (shared.folders.get(key, set()) | seen | unfinished) - {""}

    async def _read(self, place: Place) -> bytes:
        """The content of a file in one of the rooms that are only read."""
        if place.is_area:
            raise asyncssh.SFTPPermissionDenied("Filer i ind/ og proeve/ kan ikke hentes igen.")
        if not place.parts:
            raise asyncssh.SFTPFailure("Det er en mappe.")
        name = "/".join(place.parts)
        content: bytes | None = await self._disk(lambda: self._served.content(place.room, name))
        if content is None:
            raise asyncssh.SFTPNoSuchFile("Filen findes ikke.")
        return content

    # ── changing ────────────────────────────────────────────────────────────

    async def rename(self, oldpath: bytes, newpath: bytes) -> None:
        """To the final name: the file is complete (sidecar.md, D5 5). In fejl/: hand it over again."""
        old, new = place_of(oldpath), place_of(newpath)
        if old.room == "fejl" and len(old.parts) == 3:
            await self._hand_over_again(old, new)
            return
        if not old.is_area or (old.room, old.folder) != (new.room, new.folder) or not (1 <= len(old.parts) == len(new.parts) <= 2):
            raise asyncssh.SFTPPermissionDenied("En fil kan kun skifte navn i den mappe, den ligger i.")
        if old.parts == new.parts:
            return
        there = await self._find(new)
        if isinstance(there, Upload) or (there is not None and there.state not in ("taken", "cut")):
            raise asyncssh.SFTPFailure("Der er allerede en fil med det navn, som venter.")
        found = await self._find(old)
        if isinstance(found, Upload) or (found is not None and found.state == "cut"):
            raise asyncssh.SFTPFailure("Filen er ikke lukket endnu eller blev afbrudt; den kan ikke skifte navn.")
        if is_junk(new.name):
            raise asyncssh.SFTPFailure("Ugyldigt filnavn: det er et navn, som filer ikke tages ind under.")
        area = _area(old.room)
        renamed = await self._disk(lambda: self._shared.drops.rename_file(self._account.name, area, old.folder, old.name, new.name))
        if not renamed:
            if found is not None:
                raise asyncssh.SFTPFailure("Filen er allerede taget ind og kan ikke skifte navn.")
            raise asyncssh.SFTPNoSuchFile("Filen findes ikke.")

    async def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        """As ``rename``: nothing that waits is ever overwritten (F10)."""
        await self.rename(oldpath, newpath)

    async def _hand_over_again(self, old: Place, new: Place) -> None:
        if new.room != "fejl" or old.parts[:2] != new.parts[:2] or new.name != f"{old.name}{_RETRY}":
            raise asyncssh.SFTPPermissionDenied(f"I fejl/ kan en fil kun få {_RETRY} efter sit navn.")
        drop_id = old.parts[1]
        if not await self._disk(lambda: self._shared.drops.again(self._account.name, drop_id)):
            raise asyncssh.SFTPNoSuchFile("Den afviste aflevering findes ikke mere.")

    async def remove(self, path: bytes) -> None:
        """What waits or was cut may be taken back; what is taken may not (sidecar.md, D5 8)."""
        place = place_of(path)
        if not place.is_area or not 1 <= len(place.parts) <= 2:
            raise asyncssh.SFTPPermissionDenied("Her kan intet slettes; filerne forsvinder efter 30 dage.")
        await self._shared.shelf.settled(self._key(place))
        area = _area(place.room)
        end = await self._disk(lambda: self._shared.drops.withdraw_file(self._account.name, area, place.folder, place.name))
        if end == "taken":
            raise asyncssh.SFTPFailure("Filen er taget ind og kan ikke slettes. Se kvittering/.")
        if end == "none":
            raise asyncssh.SFTPNoSuchFile("Filen findes ikke.")

    async def mkdir(self, path: bytes, attrs: SFTPAttrs) -> None:
        """One level of folders, in ind/ and proeve/."""
        place = place_of(path)
        if not place.parts or place.room == "root":
            raise asyncssh.SFTPFailure("Mappen findes allerede.")
        if not place.is_area or len(place.parts) > 1:
            raise asyncssh.SFTPFailure("Her kan der ikke laves mapper.")
        if await self._attrs(place) is not None:
            raise asyncssh.SFTPFailure("Der er allerede noget med det navn.")
        made = self._shared.folders.setdefault((self._account.name, place.room), set())
        if len(made) >= self._shared.handles:
            raise asyncssh.SFTPFailure(f"Der er højst {self._shared.handles} tomme mapper.")
        made.add(place.name)

    async def rmdir(self, path: bytes) -> None:
        """An empty folder that a client made."""
        place = place_of(path)
        made = self._shared.folders.get((self._account.name, place.room), set())
        if not place.is_area or len(place.parts) != 1 or (place.name not in made and not await self._list(place)):
            raise asyncssh.SFTPPermissionDenied("Mappen kan ikke fjernes.")
        if await self._list(place):
            raise asyncssh.SFTPFailure("Mappen er ikke tom.")
        made.discard(place.name)

    async def setstat(self, path: bytes, attrs: SFTPAttrs) -> None:
        """Times and rights are not kept; clients that set them are told yes (sidecar.md, D5 5)."""
        self._no_size(attrs)
        if await self._attrs(place_of(path)) is None:
            raise asyncssh.SFTPNoSuchFile("Filen findes ikke.")

    async def lsetstat(self, path: bytes, attrs: SFTPAttrs) -> None:
        await self.setstat(path, attrs)

    async def fsetstat(self, file_obj: object, attrs: SFTPAttrs) -> None:
        """As ``setstat``; but a file being written may be cut to a length, which OpenSSH's scp does at its end."""
        if isinstance(file_obj, Upload) and file_obj.failed:
            raise asyncssh.SFTPFailure(file_obj.failed)
        if isinstance(file_obj, Upload) and attrs.size is not None and attrs.size <= file_obj.bytes.size_bytes:
            file_obj.bytes.truncate(attrs.size)
        else:
            self._no_size(attrs)

    @staticmethod
    def _no_size(attrs: SFTPAttrs) -> None:
        if attrs.size is not None:
            raise asyncssh.SFTPFailure("En fils længde kan ikke ændres; læg den op igen.")
        if attrs.uid is not None or attrs.gid is not None or attrs.owner is not None:
            raise asyncssh.SFTPPermissionDenied("Filens ejer kan ikke ændres.")

    async def fsync(self, file_obj: object) -> None:
        """Nothing yet: CLOSE is what makes it durable."""

    def readlink(self, path: bytes) -> bytes:
        raise asyncssh.SFTPOpUnsupported("Der er ingen links her.")

    def symlink(self, oldpath: bytes, newpath: bytes) -> None:
        raise asyncssh.SFTPOpUnsupported("Der kan ikke laves links her.")

    def link(self, oldpath: bytes, newpath: bytes) -> None:
        raise asyncssh.SFTPOpUnsupported("Der kan ikke laves links her.")

    def statvfs(self, path: bytes) -> Any:
        raise asyncssh.SFTPOpUnsupported("Pladsen vises ikke.")

    def fstatvfs(self, file_obj: object) -> Any:
        raise asyncssh.SFTPOpUnsupported("Pladsen vises ikke.")

    def exit(self) -> None:
        """Tells OpenSSH's scp that all went well; without it a good copy exits with 1 (security.md, S2)."""
        self.channel.exit(0)

    def _key(self, place: Place) -> Key:
        folder = "/".join(place.parts[:-1])
        return self._account.name, place.room, folder, place.name


def _moment(one: SeenFile | Upload) -> datetime:
    """When it was completed, or begun."""
    return one.began if isinstance(one, Upload) else one.at


def _area(room: str) -> Area:
    return "proeve" if room == "proeve" else "ind"


def _folder(at: datetime) -> SFTPAttrs:
    return SFTPAttrs(size=0, permissions=_FOLDER, uid=0, gid=0, atime=int(at.timestamp()), mtime=int(at.timestamp()), nlink=2)


def _file(size: int, at: datetime, *, writable: bool) -> SFTPAttrs:
    moment = int(at.astimezone(UTC).timestamp())
    mode = _WRITE_FILE if writable else _READ_FILE
    return SFTPAttrs(size=size, permissions=mode, uid=0, gid=0, atime=int(time.time()), mtime=moment, nlink=1)


def _megabytes(size: int) -> str:
    return f"{size // 1_000_000} MB"
