"""Forgets what is old, a little at a time, and gives the space back; checks a large database after a crash."""

import logging
from collections.abc import Callable

from agent.core.clock import SECOND, Instant
from agent.runtime.log import event
from agent.runtime.worker import Next
from agent.store.database import Database
from agent.store.retention import retain, vacuum

INTERVAL = 3600.0
"""Seconds between two rounds."""
FIRST_AFTER = 60.0
"""Seconds until the first round: a start has better things to do."""
BETWEEN_BATCHES = 0.05
"""Seconds that others get to write between two batches."""
PAGES = 1_000
"""Pages of 4 KiB given back in one round."""

_log = logging.getLogger(__name__)


class Housekeeping:
    """One worker's step. `check_later` is the check of a database too large to be checked at the start."""

    def __init__(
        self, open_database: Callable[[], Database], retention: Callable[[], tuple[float, int]],
        check_later: Callable[[], str | None] | None = None,
    ) -> None:
        """`retention`: the seconds that history is kept, and the most rows."""
        self._open_database = open_database
        self._database: Database | None = None
        self._retention = retention
        self._check_later = check_later
        self._first = True

    def step(self, now: Instant) -> Next:
        """Forget one batch; the next follows soon while there is more."""
        if self._first:
            self._first = False
            self._check()
            return Next(FIRST_AFTER)
        if self._database is None:
            self._database = self._open_database()
        seconds, rows = self._retention()
        if self._database.write(lambda conn: retain(conn, now.wall, round(seconds * SECOND), rows)):
            return Next(BETWEEN_BATCHES)
        self._database.write(lambda conn: vacuum(conn, PAGES))
        self._let_go()
        return Next(INTERVAL)

    def close(self, now: Instant) -> None:  # noqa: ARG002 - the shape of a worker's end
        """Let go of the database."""
        self._let_go()

    def _let_go(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def _check(self) -> None:
        damage = self._check_later() if self._check_later is not None else None
        if damage is not None:
            event(_log, logging.ERROR, "the database is damaged; the next start begins a new one", damage=damage)
