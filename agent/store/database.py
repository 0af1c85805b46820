"""One connection to the agent's memory, made for one thread, and the two ways to use it: `write` and `read`.

Nothing but SQL happens inside a transaction; which SQL is the business of the modules beside this one.
"""

import errno
import os
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Self, TypeVar
from urllib.parse import quote

from agent.store import schema
from agent.store.errors import StoreError, StoreFull, named
from agent.store.reserve import Reserve

T = TypeVar("T")
Body = Callable[[sqlite3.Connection], T]
"""Work inside one transaction."""

BUSY_TIMEOUT = 5_000
"""Milliseconds to wait for another thread's transaction."""
CACHE_KIB = 128
"""Pages kept for each connection: twenty connections with SQLite's own default would take 40 MiB."""
WAL_PAGES = 256
"""Pages in the write-ahead log before it is copied back: 1 MiB, so that a nearly full disk can hold it."""
WAL_BYTES = 1024 * 1024
"""What is left of the log's file after a burst."""

_SETTINGS = (
    f"PRAGMA busy_timeout = {BUSY_TIMEOUT}",
    f"PRAGMA cache_size = -{CACHE_KIB}",
    f"PRAGMA wal_autocheckpoint = {WAL_PAGES}",
    f"PRAGMA journal_size_limit = {WAL_BYTES}",
    "PRAGMA synchronous = FULL",  # a commit outlives a power cut
    "PRAGMA foreign_keys = ON",
)


class Database:
    """An open connection. SQLite itself refuses its use from a second thread."""

    def __init__(self, conn: sqlite3.Connection, path: Path, reserve: Reserve | None = None) -> None:
        self.path = path
        self._conn = conn
        self._reserve = reserve

    @classmethod
    def open(
        cls, path: Path, *, create: bool = False, readonly: bool = False, reserve: Reserve | None = None,
        durable: bool = True,
    ) -> Self:  # fmt: skip
        """Connect to the database at `path`.

        With `create` a missing file is made (mode 0600) and an older schema brought up to date; only the holder of
        the state directory's lock may ask for that. `reserve` is given up when a write finds the disk full. Without
        `durable` a commit outlives this process but no power cut, which is enough for a store that is thrown away.
        Raises StoreError, of which NewerSchema, OlderSchema, ForeignFile, Damaged and StoreFull are the special cases.
        """
        schema.require_sqlite()
        if create:
            _make_file(path)
        try:
            conn = _connect(path, create=create, readonly=readonly)
        except StoreFull:
            if reserve is None or not reserve.release():
                raise
            conn = _connect(path, create=create, readonly=readonly)
        if not durable:
            conn.execute("PRAGMA synchronous = OFF")
        return cls(conn, path, reserve)

    def write(self, body: Body[T]) -> T:
        """Run `body` in one transaction, committed when it returns and rolled back whole if it raises.

        `body` is run a second time if the disk was full and the reserve was given up, so it must have no effect but
        its SQL. Raises StoreFull if there is still no space, StoreError if the store refuses for another reason.
        """
        try:
            return self._transaction("BEGIN IMMEDIATE", body)
        except StoreFull:
            if self._reserve is None:
                raise
            self._reserve.release()  # whoever gave it up, there may be space now
        return self._transaction("BEGIN IMMEDIATE", body)

    def read(self, body: Body[T]) -> T:
        """Run `body` on one unchanging view of the data. Raises StoreError."""
        return self._transaction("BEGIN DEFERRED", body)

    def data_version(self) -> int:
        """A number that differs from the last call's if another connection has committed since."""
        return self._pragma("data_version")

    def quick_check(self) -> str | None:
        """What SQLite's own quick check finds wrong with the file, at most ten lines; None if it is sound."""
        with named(self.path):
            lines = [str(row[0]) for row in self._conn.execute("PRAGMA quick_check(10)")]
        return None if lines == ["ok"] else "\n".join(lines)

    def close(self) -> None:
        """Let go of the file; closing twice is harmless."""
        self._conn.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _transaction(self, begin: str, body: Body[T]) -> T:
        with named(self.path):
            self._conn.execute(begin)
            try:
                result = body(self._conn)
                self._conn.execute("COMMIT")
            finally:
                if self._conn.in_transaction:
                    self._conn.execute("ROLLBACK")
            return result

    def _pragma(self, name: str) -> int:
        with named(self.path):
            (value,) = self._conn.execute(f"PRAGMA {name}").fetchone()
        return int(value)


def _make_file(path: Path) -> None:
    """Create an empty file with its mode in place; SQLite gives its companions (-wal, -shm) the same mode.

    An existing file is not even opened: closing it would drop the locks of this process's other connections.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return
    except OSError as error:
        kind = StoreFull if error.errno in {errno.ENOSPC, errno.EDQUOT} else StoreError
        raise kind(f"{path}: cannot create the database: {error.strerror}") from error
    os.close(descriptor)


def _connect(path: Path, *, create: bool, readonly: bool) -> sqlite3.Connection:
    """Open, set and verify; the connection is closed again if any of that fails."""
    address = f"file:{quote(os.fsencode(path))}?mode={'ro' if readonly else 'rw'}"
    with named(path), ExitStack() as on_failure:
        conn = sqlite3.connect(address, uri=True, isolation_level=None)
        on_failure.callback(conn.close)
        for setting in _SETTINGS:
            conn.execute(setting)
        if create:
            schema.prepare(conn, path)
        schema.verify(conn, path)
        if not readonly:
            _use_wal(conn, path)
        on_failure.pop_all()
        return conn


def _use_wal(conn: sqlite3.Connection, path: Path) -> None:
    (mode,) = conn.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise StoreError(f"{path}: SQLite cannot keep a write-ahead log here ({mode}): choose a local disk")
