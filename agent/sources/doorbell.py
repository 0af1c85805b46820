"""Tells at once when files are created, renamed or deleted in a folder. Never when they are written to.

Only a help: network file systems do not tell, and the kernel's watches are limited, so whoever uses it looks by itself
from time to time as well.
"""

import threading
from collections.abc import Callable
from pathlib import Path

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch

FOLDERS_AT_MOST = 64
"""Each watched folder costs a thread of the library's."""

_EVENTS: list[type[FileSystemEvent]] = [
    FileCreatedEvent, FileMovedEvent, FileDeletedEvent, DirCreatedEvent, DirMovedEvent, DirDeletedEvent,
]  # fmt: skip


class _Handler(FileSystemEventHandler):
    """Rings, and notes folders that are gone; runs on the library's thread."""

    def __init__(self, ring: Callable[[], None], gone: Callable[[str], None]) -> None:
        self._ring = ring
        self._gone = gone

    def dispatch(self, event: FileSystemEvent) -> None:
        if isinstance(event, DirDeletedEvent | DirMovedEvent):
            self._gone(str(event.src_path))
        self._ring()


class Doorbell:
    """Calls `ring`, from a thread of its own, after something was created, moved or deleted in a watched folder.

    `ring` must not raise and must return at once. `trouble` says why some folder is not watched, if one is not.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        self.trouble: str | None = None
        self._handler = _Handler(ring, self._forget)
        self._observer: BaseObserver | None = None
        self._lock = threading.Lock()
        self._watches: dict[str, ObservedWatch] = {}
        self._gone: set[str] = set()

    def watch(self, directory: str) -> bool:
        """Watch a folder, without those in it; True if it was not watched before. One that is missing is left out."""
        self._let_go()
        folder = str(Path(directory).resolve())
        if folder in self._watches or not Path(folder).is_dir():
            return False
        if len(self._watches) >= FOLDERS_AT_MOST:
            self.trouble = f"more than {FOLDERS_AT_MOST} folders"
            return False
        try:
            watch = self._observing().schedule(self._handler, folder, event_filter=_EVENTS)
        except OSError as error:  # the limits of inotify, or the folder has just gone
            self.trouble = error.strerror or str(error)
            return False
        self._watches[folder] = watch
        return True

    def close(self) -> None:
        """Stop the threads."""
        if self._observer is not None and self._observer.is_alive():
            self._observer.stop()
            self._observer.join()
        self._observer = None
        self._watches.clear()

    def _observing(self) -> BaseObserver:
        if self._observer is None:
            self._observer = Observer()
            self._observer.daemon = True
            self._observer.start()
        return self._observer

    def _forget(self, directory: str) -> None:
        with self._lock:
            self._gone.add(directory)

    def _let_go(self) -> None:
        """End the watches of folders that were deleted; one made again under the same name needs a new one."""
        with self._lock:
            gone, self._gone = self._gone, set()
        for directory in gone:
            watch = self._watches.pop(directory, None)
            if watch is not None and self._observer is not None:
                self._observer.unschedule(watch)
