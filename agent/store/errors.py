"""What the store may say no with. Everything else that it raises is a fault of the program."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class StoreError(Exception):
    """The store cannot do its work now: locked for too long, unreadable, not permitted. The root of this family."""


class StoreFull(StoreError):  # noqa: N818 - a state of the disk
    """There is no space, or no quota, left to write to, even after the reserve was given up."""


class Damaged(StoreError):  # noqa: N818 - a state of the file
    """The file is not a sound database any more."""


class ForeignFile(StoreError):  # noqa: N818 - names what was found
    """The file is a database, but another program's."""


class NewerSchema(StoreError):  # noqa: N818 - names what was found
    """The file was written by a newer version of the agent."""


class OlderSchema(StoreError):  # noqa: N818 - names what was found
    """The file was written by an older version; only the running agent brings it up to date."""


class Undecodable(StoreError):  # noqa: N818 - names what was found
    """A row holds what this version cannot read."""


_FULL = frozenset({
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR_WRITE,  # a quota that is used up, among others
    sqlite3.SQLITE_IOERR_SHMSIZE,
    sqlite3.SQLITE_IOERR_SHMOPEN,
    sqlite3.SQLITE_IOERR_FSYNC,
})
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_REFUSED = frozenset({
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_AUTH,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_NOLFS,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_INTERRUPT,
})


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Turn SQLite's refusals into this family; broken constraints and wrong SQL are bugs and pass as they are."""
    try:
        yield
    except sqlite3.Error as error:
        kind = _kind(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK))
        if kind is None:
            raise
        raise kind(f"{path}: {error}") from error


def _kind(code: int) -> type[StoreError] | None:
    """`code` is SQLite's extended result code; its lowest byte is the primary one (sqlite.org/rescode.html)."""
    primary = code & 0xFF
    if code in _FULL or primary == sqlite3.SQLITE_FULL:
        return StoreFull
    if primary in _DAMAGED:
        return Damaged
    return StoreError if primary in _REFUSED else None
