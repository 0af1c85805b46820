"""The state directory: made ready, locked against a second agent, and its database opened whatever became of it."""

import errno
import fcntl
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Self

from agent.store import meta, mounts
from agent.store.database import Database
from agent.store.errors import Damaged, StoreError, StoreFull
from agent.store.reserve import Reserve

DATABASE = "gpuwarden.db"
LOCK = "agent.lock"
RESERVE = "reserve"
SUSPECT = "gpuwarden.db.suspect"
"""Marks a database that a check in the background found damaged, for the next start."""

CHECK_AT_ONCE_BYTES = 64 * 1024 * 1024
"""Alerting reference R-10.1: larger files are checked in the background."""

_MODE = 0o711
_CLEAN = "store.clean_stop"


class UnusableDirectory(StoreError):  # noqa: N818 - names what was found
    """The state directory cannot be used: not a directory, not writable, or open to everyone."""


class AlreadyRunning(StoreError):  # noqa: N818 - names what was found
    """Another agent holds the state directory; `pid` is None where it could not be read."""

    def __init__(self, directory: Path, pid: int | None) -> None:
        who = "another agent" if pid is None else f"another agent, process {pid},"
        super().__init__(f"{who} is running on {directory}: stop it, or give this one its own --state-dir")
        self.directory = directory
        self.pid = pid


@dataclass(frozen=True, slots=True)
class Opened:
    """How the database was found."""

    path: Path
    damaged_aside: Path | None
    """Where a damaged database was moved; history up to then is there, and the present one began empty."""
    unclean: bool
    """Whether the agent before did not end by itself (kill -9, power cut, crash)."""
    warnings: tuple[str, ...]
    check_later: Callable[[], str | None] | None
    """To be run on a thread of its own; tells what is damaged, if anything, and has the next start act on it."""


class StateDirectory:
    """The directory while this process holds its lock."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self.database = path / DATABASE
        self.reserve = Reserve(path / RESERVE)
        self._lock = lock

    @classmethod
    def take(cls, path: Path) -> Self:
        """Make the directory (mode 0711) if need be, and lock it. Raises UnusableDirectory or AlreadyRunning.

        An existing directory keeps its mode: it may be a person's own choice.
        """
        path = path.absolute()
        _make(path)
        return cls(path, _lock(path))

    def open(self, now: int) -> Opened:
        """Make sure of a sound database: create, convert, check after an unclean stop, replace a damaged one.

        `now` is in UTC milliseconds. Raises NewerSchema, ForeignFile, or StoreFull where not even an empty database
        fits.
        """
        warnings = _warnings(self.path)
        aside = self._set_aside(now) if (self.path / SUSPECT).exists() else None
        try:
            unclean, check_later = self._look()
        except Damaged:
            aside = self._set_aside(now)
            unclean, check_later = True, None
            self._look()
        try:
            self._mark(clean=False)
        except StoreFull as error:
            warnings.append(f"the disk of the state directory is full: {error}")
        if not self.reserve.restore():
            warnings.append(f"{self.path} has no room for the reserve that keeps the agent going on a full disk")
        return Opened(self.database, aside, unclean or aside is not None, tuple(warnings), check_later)

    def connect(self, *, durable: bool = True) -> Database:
        """Open one more connection, for the calling thread; `durable` as in `Database.open`."""
        return Database.open(self.database, reserve=self.reserve, durable=durable)

    def close(self, *, clean: bool = True) -> None:
        """Note how this process ends and let the lock go. All connections must be closed before."""
        with suppress(StoreError):  # what cannot be noted counts as unclean: the next start checks the file
            self._mark(clean=clean)
        os.close(self._lock)

    def _look(self) -> tuple[bool, Callable[[], str | None] | None]:
        """Whether the last stop was unclean, and the check that is due, if a long one. Raises Damaged."""
        with Database.open(self.database, create=True, reserve=self.reserve) as database:
            unclean = database.read(lambda conn: meta.get(conn, _CLEAN)) is False
            if not unclean:
                return False, None
            if self.database.stat().st_size >= CHECK_AT_ONCE_BYTES:
                return True, partial(_check_later, self.database)
            problem = database.quick_check()
        if problem is not None:
            raise Damaged(f"{self.database}: {problem}")
        return True, None

    def _mark(self, *, clean: bool) -> None:
        with self.connect() as database:
            database.write(lambda conn: meta.put(conn, _CLEAN, clean))

    def _set_aside(self, now: int) -> Path:
        """Rename the database, its companions first: a new one must never meet the old one's write-ahead log."""
        moment = datetime.fromtimestamp(now / 1000, UTC).strftime("%Y%m%dT%H%M%S")
        aside = self.path / f"{DATABASE}.damaged-{moment}{now % 1000:03d}Z"
        for companion in ("-wal", "-shm", ""):
            with suppress(FileNotFoundError):
                Path(f"{self.database}{companion}").rename(f"{aside}{companion}")
        (self.path / SUSPECT).unlink(missing_ok=True)
        return aside


def _check_later(database: Path) -> str | None:
    with Database.open(database, readonly=True) as connection:
        problem = connection.quick_check()
    if problem is not None:
        with suppress(OSError):  # without the mark the next start checks again
            (database.parent / SUSPECT).touch(mode=0o600)
    return problem


def _make(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir()
        path.chmod(_MODE)  # the mode of mkdir is cut by the umask
    except FileExistsError:
        _accept(path)
    except OSError as error:
        text = f"{path}: cannot make the state directory: {error.strerror}; name another with --state-dir"
        raise UnusableDirectory(text) from error


def _accept(path: Path) -> None:
    if not path.is_dir():
        raise UnusableDirectory(f"{path} is not a directory; expected one for the agent's state")
    if path.stat().st_mode & stat.S_IWOTH:
        raise UnusableDirectory(f"{path} can be written by everyone; expected a directory of the agent's own")


def _lock(path: Path) -> int:
    """Lock the directory for as long as the returned descriptor is open; children do not inherit it."""
    try:
        descriptor = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise UnusableDirectory(
            f"{path}: user {os.geteuid()} cannot write here: {error.strerror}; expected a directory that it owns"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        pid = _holder(descriptor)
        os.close(descriptor)
        if error.errno in {errno.EWOULDBLOCK, errno.EACCES}:
            raise AlreadyRunning(path, pid) from None
        raise UnusableDirectory(f"{path}: cannot lock it: {error.strerror}; choose a local disk") from error
    with suppress(OSError):  # the number is only a courtesy; a full disk must not keep the agent from starting
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def _holder(descriptor: int) -> int | None:
    text = os.pread(descriptor, 32, 0).strip()
    return int(text) if text.isdigit() else None


def _warnings(path: Path) -> list[str]:
    found = []
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & stat.S_IWGRP:
        found.append(f"{path} can be written by its group (mode {mode:04o}); 0711 is expected")
    if not mode & stat.S_IXOTH:
        found.append(f"{path} is closed to other users (mode {mode:04o}): what they hand in cannot reach the spool")
    with suppress(OSError):  # no /proc, nothing to say
        text = mounts.warning(path.resolve(), Path("/proc/mounts").read_text(encoding="utf-8", errors="replace"))
        found += [text] if text else []
    return found
