"""Keeps the books that reports are made of (signs of life, room on disks), and makes the reports that are due.

A report is an event like any other: it is stored together with the note that its period is done, so that each period is
reported exactly once, whatever dies when.
"""

import logging
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, tzinfo

from agent.core import report, report_alert
from agent.core.clock import DAY, SECOND, Instant
from agent.core.disk import readings
from agent.core.facts import Event
from agent.core.lives import SIGN_EVERY
from agent.core.model import Json
from agent.core.periods import NAMES, Period, Schedule, due, next_due
from agent.runtime.board import Board
from agent.runtime.log import event
from agent.runtime.timer import Timer
from agent.runtime.worker import Next
from agent.store import disk_hours, events, lives, reports
from agent.store.database import Database
from agent.store.errors import StoreError

STORE_RETRY = 10.0
"""Seconds until a store that refuses is asked again."""
DISKS_EVERY = 600.0
"""Seconds between two notes of the room on disks."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reporting:
    """What the configuration says about reports."""

    node: str
    schedules: tuple[Schedule, ...] = ()
    """Of the reports that are wanted."""
    zone: tzinfo = UTC
    """In which days are counted and times told."""


def make(conn: sqlite3.Connection, period: Period, reporting: Reporting, now: int) -> dict[str, Json]:
    """Make the report of a period from what is stored; `now` in UTC milliseconds."""
    found = reports.found(conn, period)
    return report.build(period, found, node=reporting.node, zone=str(reporting.zone), made_at=now)


class Reporter:
    """`step` is a worker's step. `made` wakes the evaluator."""

    def __init__(
        self, reporting: Callable[[], Reporting], open_database: Callable[[], Database], board: Board, began: int, *,
        made: Callable[[], None],
    ) -> None:  # fmt: skip
        """`reporting` gives the settings in force; `began` is when this agent was started, UTC milliseconds."""
        self._reporting = reporting
        self._open_database = open_database
        self._database: Database | None = None
        self._board = board
        self._began = began
        self._made = made
        self._seen: Reporting | None = None
        self._looked_at = self._due_at = 0
        self._sign_due = Timer(SIGN_EVERY / SECOND)
        self._disks_due = Timer(DISKS_EVERY)

    def step(self, now: Instant) -> Next:
        """Keep the books, make what is due, and come again when the next report is.

        A store that refuses is told of by the evaluator; what is due then is made once it takes something again.
        """
        try:
            if self._sign_due(now.monotonic):
                self._give_sign(now)
            return self._make_what_is_due(now.wall)
        except StoreError as error:
            event(_log, logging.DEBUG, "the books cannot be kept", reason=str(error))
            return Next(STORE_RETRY)

    def close(self, now: Instant) -> None:
        """Give the last sign and let go of the database."""
        if self._database is not None:
            with suppress(StoreError):
                self._give_sign(now)
        self.let_go()

    def let_go(self) -> None:
        """Let go of the database, without the last sign."""
        if self._database is not None:
            self._database.close()

    def _make_what_is_due(self, wall: int) -> Next:
        reporting = self._reporting()
        if reporting is not self._seen or not self._looked_at <= wall < self._due_at:
            for schedule in reporting.schedules:
                self._make_due(schedule, reporting, wall)
            dues = (next_due(schedule, wall, reporting.zone) for schedule in reporting.schedules)
            self._due_at = min(dues, default=wall + DAY)
            self._seen = reporting
        self._looked_at = wall  # a clock that is set back makes it look again
        return Next(min(SIGN_EVERY, self._due_at - wall) / SECOND)

    def _give_sign(self, now: Instant) -> None:
        disks = readings(self._board.samples())
        if not (disks and self._disks_due(now.monotonic)):
            disks = ()

        def body(conn: sqlite3.Connection) -> None:
            lives.note(conn, self._began, now.wall)
            disk_hours.save(conn, disks, now.wall)

        self._db.write(body)

    def _make_due(self, schedule: Schedule, reporting: Reporting, now: int) -> None:
        periods = due(schedule, now, reporting.zone)
        if not periods:
            return
        made, first = self._db.read(
            lambda conn: (reports.made(conn, f"{NAMES[schedule.type]}:"), lives.first(conn))
        )
        periods = [period for period in periods if first is not None and period.ends_at > first]
        if not made:
            periods = periods[-1:]  # the first report ever: one is enough to begin with
        for period in periods:
            if period.key not in made:
                self._make(period, reporting, now)

    def _make(self, period: Period, reporting: Reporting, now: int) -> None:
        told = report_alert.made(self._db.read(lambda conn: make(conn, period, reporting, now)), reporting.zone, now)

        def body(conn: sqlite3.Connection) -> None:
            _store(conn, period, told, now)

        self._db.write(body)
        self._made()

    @property
    def _db(self) -> Database:
        """The connection, opened by the thread that uses it."""
        if self._database is None:
            self._database = self._open_database()
        return self._database


def _store(conn: sqlite3.Connection, period: Period, told: Event, now: int) -> None:
    if reports.claim(conn, period, now):
        events.append(conn, [told])
