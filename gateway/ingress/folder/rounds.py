"""When watched folders are looked at: by the clock, and sooner when the file system says that something happened.

Events are only hints: watchdog alone lost 2,422 of 10,000 files (protocols.md, section 3), and shares tell none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from threading import Event, Thread

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from gateway import log
from gateway.errors import GatewayError
from gateway.ingress.folder.watch import Watched


class FolderWatch:
    """All watched folders: one thread that looks, woken by events and by the clock."""

    def __init__(self, folders: Sequence[Watched], *, wake: Callable[[], None]) -> None:
        """
        Args:
            wake: called when files were taken.
        """
        self._folders = folders
        self._wake = wake
        self._stopping = Event()
        self._changed = Event()
        self._thread: Thread | None = None
        self._observer: BaseObserver | None = None
        self._handlers: dict[int, _Hints] = {}

    def start(self) -> None:
        """Begin to look."""
        if not self._folders:
            return
        self._thread = Thread(target=self._run, name="folders", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the look that is under way."""
        self._stopping.set()
        self._changed.set()
        if self._thread is not None:
            self._thread.join()
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()

    def _run(self) -> None:
        due = {id(one): 0.0 for one in self._folders}
        while not self._stopping.is_set():
            self._changed.clear()
            moment = time.monotonic()
            for one in self._folders:
                if due[id(one)] <= moment or self._hinted(one):
                    due[id(one)] = moment + one.folder.every.total_seconds()
                    self._look(one)
            self._observe()
            self._changed.wait(max(0.05, min(due.values()) - time.monotonic()))
            # Many events are one look.
            self._stopping.wait(0.1)

    def _hinted(self, one: Watched) -> bool:
        handler = self._handlers.get(id(one))
        return handler is not None and handler.seen()

    def _look(self, one: Watched) -> None:
        try:
            if one.look():
                self._wake()
        except GatewayError as error:
            log.poll_failed(source=f"folder:{one.folder.name}", code=error.code)
        except Exception as error:  # noqa: BLE001 - the outermost line of a way in
            log.bug(where="folder", error=error)

    def _observe(self) -> None:
        """Ask the file system for events, where it can tell any; without them the clock does."""
        if self._observer is None:
            self._observer = Observer()
            self._observer.daemon = True
            self._observer.start()
        for one in self._folders:
            places = [one.share.root / area for area in ("ind", "proeve", "fejl")]
            if one.folder.polling or id(one) in self._handlers or not all(place.is_dir() for place in places):
                continue
            hints = _Hints(self._changed)
            try:
                for place in places:
                    self._observer.schedule(hints, str(place), recursive=True)
            except OSError as error:
                log.library_spoke("watchdog", "warning", error)
                continue
            self._handlers[id(one)] = hints


class _Hints(FileSystemEventHandler):
    """Something happened in a folder."""

    def __init__(self, changed: Event) -> None:
        self._changed = changed
        self._seen = False

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Only what writes counts: our own looks open and close files, too."""
        if event.event_type in ("created", "moved", "closed", "modified"):
            self._seen = True
            self._changed.set()

    def seen(self) -> bool:
        """Whether anything happened since this was last asked."""
        seen, self._seen = self._seen, False
        return seen
