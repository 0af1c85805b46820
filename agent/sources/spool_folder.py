"""The spool as a folder: anyone on the node may put a file in, so every file is handled as if an enemy had made it.

Works on an open folder, follows no link, and waits for nothing: what is not a plain small file is not read.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.core.handoff import MAX_BYTES, BadHandoff
from agent.core.ports import Unavailable

MODE = 0o1733
"""Anyone may put a file in; nobody but the owner may list the folder, or take another's file out."""
REJECTED = "rejected"
"""Inside the spool, for its owner alone: what was refused, each file with its reason beside it."""
REJECTED_AT_MOST = 200
"""Refused files that are kept for a look; each has its reason beside it."""
HIDDEN = "."
"""Begins the names of files that are still being written."""
SUFFIX = ".json"


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in the folder; `changed_at` is its time of modification in UTC milliseconds."""

    name: str
    uid: int
    changed_at: int

    @property
    def finished(self) -> bool:
        """Whether this is a hand-in that was put in place."""
        return not self.name.startswith(HIDDEN) and self.name.endswith(SUFFIX)


@dataclass(frozen=True, slots=True)
class HandIn:
    """What one file holds, and what makes it this file and no other."""

    data: bytes
    uid: int
    inode: int
    changed_ns: int

    @property
    def changed_at(self) -> int:
        """When it was put in place, UTC milliseconds."""
        return self.changed_ns // 1_000_000


def prepare(directory: Path) -> None:
    """Make the spool, or put its mode right. Raises Unavailable with a remedy where that cannot be done."""
    try:
        with contextlib.suppress(FileExistsError):
            directory.mkdir(mode=0o700)
        with opened(directory) as folder:
            _own(folder, str(directory))
            with contextlib.suppress(FileExistsError):
                os.mkdir(REJECTED, 0o700, dir_fd=folder)
            with _opened_inside(folder, REJECTED) as rejected:
                _own(rejected, f"{directory}/{REJECTED}")
            os.fchmod(folder, MODE)
    except OSError as error:
        raise Unavailable(f"the spool {directory} cannot be used: {error.strerror}; see `[agent] spool_dir`") from None


@contextlib.contextmanager
def opened(directory: Path) -> Iterator[int]:
    """Hold the folder open for the functions below. Raises OSError."""
    folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield folder
    finally:
        os.close(folder)


def entries(folder: int) -> list[Entry]:
    """Everything in the folder but directories, by name; names begin with a time, so the oldest come first."""
    found = []
    with os.scandir(folder) as listing:
        for item in listing:
            with contextlib.suppress(FileNotFoundError):
                if not item.is_dir(follow_symlinks=False):
                    status = item.stat(follow_symlinks=False)
                    found.append(Entry(item.name, status.st_uid, status.st_mtime_ns // 1_000_000))
    return sorted(found, key=lambda entry: entry.name)


def read(folder: int, name: str) -> HandIn:
    """Read one file. Raises FileNotFoundError where it has gone, BadHandoff where it must not or cannot be read."""
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise BadHandoff(f"cannot be opened ({error.strerror})", name, "a plain file the agent may read") from None
    with os.fdopen(handle, "rb", buffering=0) as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            raise BadHandoff("no plain file, or linked elsewhere", name, "a plain file of its own")
        if status.st_size > MAX_BYTES:
            raise BadHandoff(f"{status.st_size} bytes", name, f"at most {MAX_BYTES}")
        return HandIn(file.read(MAX_BYTES + 1), status.st_uid, status.st_ino, status.st_ctime_ns)


def remove(folder: int, name: str) -> None:
    """Take a file out of the spool; one that has gone is fine."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


def reject(folder: int, name: str, reason: str) -> None:
    """Put a file aside with the reason, so that it is not tried again; what is no plain file is taken away."""
    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if not stat.S_ISREG(status.st_mode):
        remove(folder, name)
        return
    # A name of our own: with the given one, adding to its end could make it too long.
    aside = f"{status.st_mtime_ns}-{status.st_ino}"
    with _opened_inside(folder, REJECTED) as rejected:
        os.rename(name, f"{aside}{SUFFIX}", src_dir_fd=folder, dst_dir_fd=rejected)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        note = os.open(f"{aside}.reason", flags, 0o600, dir_fd=rejected)
        with os.fdopen(note, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{name}: {reason}\n")
        kept = sorted(os.listdir(rejected))  # noqa: PTH208 - a descriptor, no path
        for old in kept[: -2 * REJECTED_AT_MOST]:
            remove(rejected, old)


@contextlib.contextmanager
def _opened_inside(folder: int, name: str) -> Iterator[int]:
    inside = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        yield inside
    finally:
        os.close(inside)


def _own(folder: int, path: str) -> None:
    owner = os.fstat(folder).st_uid
    if owner != os.geteuid():
        raise Unavailable(f"{path} belongs to user {owner}: remove it, or name another folder in `[agent] spool_dir`")
