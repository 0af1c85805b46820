"""Adds up what GPUs do, for the reports: the rows of the present hour, stored whole about once a minute."""

from collections.abc import Collection, Mapping

from agent.core.clock import MINUTE, Instant
from agent.core.gpu import GpuReading
from agent.core.gpu_usage import Usage, UsageKey, hour_of, taken
from agent.store import gpu_hours
from agent.store.database import Database

SAVED_EVERY = MINUTE


class GpuUsage:
    """Rows that have changed wait here until they are due. What the last minute before a kill -9 showed is lost."""

    def __init__(self, database: Database, now: Instant) -> None:
        self._hour = hour_of(now.wall)
        self._rows: dict[UsageKey, Usage] = database.read(lambda conn: gpu_hours.of_hour(conn, self._hour))
        self._changed: set[UsageKey] = set()
        self._before: Mapping[str, GpuReading] = {}
        self._looked_at = now.monotonic
        self._saved_at = now.wall

    def follow(self, readings: Mapping[str, GpuReading], holders: Mapping[str, Collection[str]], now: Instant) -> None:
        """Take in a new look at the GPUs, by UUID. `holders`: the jobs that hold each."""
        seconds = now.monotonic - self._looked_at
        grown = taken(
            self._before, tuple(readings.values()), holders, hour=hour_of(now.wall), seconds=seconds
        )
        self._before, self._looked_at = dict(readings), now.monotonic
        for key, usage in grown.items():
            self._rows[key] = self._rows.get(key, Usage()) + usage
        self._changed |= grown.keys()

    def due(self, now: int) -> dict[UsageKey, Usage]:
        """The rows to be stored now; empty for most of the time. They replace what is stored."""
        hour = hour_of(now)
        if not self._changed or (0 <= now - self._saved_at < SAVED_EVERY and hour == self._hour):
            return {}
        due = {key: self._rows[key] for key in self._changed}
        self._saved_at, self._hour, self._changed = now, hour, set()
        self._rows = {key: usage for key, usage in self._rows.items() if key.hour == hour}
        return due
