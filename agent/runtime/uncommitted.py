"""What one source has found and the store has not yet taken: events, and where the source stands after them.

Both go in one transaction, so that a crash at any instant either keeps both or reads the same place again.
"""

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing

from agent.core.clock import Instant
from agent.core.facts import Event
from agent.core.model import Json
from agent.core.ports import Reading
from agent.store import events as stored
from agent.store.database import Database

COMMIT_INTERVAL = 15.0
"""Seconds between two commits of checkpoints that come without events: each costs a flush of the disk."""


class Uncommitted:
    """Collects readings until they are committed. The database is opened by the thread that first has to commit.

    Most sources have nothing to store for days, and each connection takes 150 KiB.
    """

    def __init__(
        self, source: str, open_database: Callable[[], Database], commit_interval: float = COMMIT_INTERVAL
    ) -> None:
        self._source = source
        self._open_database = open_database
        self._database: Database | None = None
        self._interval = commit_interval
        self._events: list[Event] = []
        self._checkpoint: dict[str, Json | None] = {}
        self._due_at: float | None = None
        self._begun = False
        """Whether a checkpoint has ever been stored."""

    @property
    def events(self) -> tuple[Event, ...]:
        """Events that wait, in the order found."""
        return tuple(self._events)

    @property
    def waiting(self) -> int:
        """How many events wait."""
        return len(self._events)

    def restore(self) -> Mapping[str, Json]:
        """Where the source stood at the last commit; empty at its first start. Raises StoreError."""
        with closing(self._open_database()) as database:
            checkpoint = database.read(lambda conn: stored.load_checkpoint(conn, self._source))
        self._begun = bool(checkpoint)
        return checkpoint

    def add(self, reading: Reading, now: Instant) -> None:
        """Take what a reading brought; of a checkpoint's key only the latest value counts."""
        self._events.extend(reading.events)
        self._checkpoint.update(reading.checkpoint)
        if self._due_at is None and self._checkpoint:
            self._due_at = now.monotonic + self._interval

    def due_in(self, now: Instant) -> float | None:
        """Seconds until a commit is due, 0 if events wait; None if there is nothing to commit."""
        first = not self._begun and bool(self._checkpoint)  # or a crash would make the next start the first again
        if self._events or first:
            return 0.0
        return None if self._due_at is None else max(self._due_at - now.monotonic, 0.0)

    def commit(self) -> int:
        """Commit everything; returns how many events there were. Raises StoreError, and then keeps everything."""
        if self._events or self._checkpoint:
            self._connected().write(self._save)
            self._begun = True
        count = len(self._events)
        self._events.clear()
        self._checkpoint.clear()
        self._due_at = None
        return count

    def close(self) -> None:
        """Let go of the database."""
        if self._database is not None:
            self._database.close()

    def _save(self, conn: sqlite3.Connection) -> None:
        stored.append(conn, self._events)
        stored.save_checkpoint(conn, self._source, self._checkpoint)

    def _connected(self) -> Database:
        if self._database is None:
            self._database = self._open_database()
        return self._database
