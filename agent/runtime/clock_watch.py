"""Notices when the wall clock is set, and brings stored times into order that would otherwise hold for too long."""

import logging

from agent.core import clock_steps
from agent.core.clock import SECOND, Instant
from agent.runtime.log import event
from agent.runtime.metrics import Metrics
from agent.store import clock
from agent.store.database import Database
from agent.store.errors import StoreError

_log = logging.getLogger(__name__)


class ClockWatch:
    """Compares both clocks from look to look. The first look is the start, before which nobody watched."""

    def __init__(self, database: Database, metrics: Metrics, now: Instant) -> None:
        self._db = database
        self._metrics = metrics
        self._before = now
        self._unordered = True
        self._order(now.wall, stepped=False)

    def step(self, now: Instant) -> int:
        """By how many milliseconds the clock was set since the last look; 0 if it was not."""
        step = clock_steps.step_between(self._before, now)
        self._before = now
        if step:
            self._metrics.clock_jumped()
            event(_log, logging.WARNING, "the clock was set", seconds=round(step / SECOND))
            self._unordered = True
        if self._unordered:
            self._order(now.wall, stepped=bool(step))
        return step

    def _order(self, now: int, *, stepped: bool) -> None:
        """Put stored times into order; a store that refuses is asked again at the next look."""
        try:
            self._db.write(lambda conn: clock.note_set(conn, now) if stepped else clock.clamp(conn, now))
        except StoreError as error:
            event(_log, logging.DEBUG, "stored times could not be put into order", reason=str(error))
        else:
            self._unordered = False
