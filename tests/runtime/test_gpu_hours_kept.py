"""The rows of the present hour, over minutes, hours and restarts, with a real store."""

import pytest

from agent.core.clock import HOUR, SECOND, Instant
from agent.core.gpu import GpuIdentity, GpuReading
from agent.core.gpu_usage import WHOLE, UsageKey, hour_of
from agent.runtime.gpu_usage import GpuUsage
from agent.store import gpu_hours
from agent.store.database import Database

BEGIN = hour_of(1_790_000_000_000) + 59 * 60 * SECOND
GPU = GpuIdentity("GPU-1", 0, "0000:05:00", "NVIDIA H100")


@pytest.fixture
def database(tmp_path):
    with Database.open(tmp_path / "gpuwarden.db", create=True) as database:
        yield database


class Watch:
    """A GPU at half its power that is looked at every ten seconds; what is due is stored."""

    def __init__(self, database, at=BEGIN):
        self.database, self.at = database, at
        self.usage = GpuUsage(database, self._now())
        self.stored = 0

    def looks(self, seconds):
        for _ in range(seconds // 10):
            self.at += 10 * SECOND
            reading = GpuReading(GPU, utilization=0.5, power=100.0)
            self.usage.follow({"GPU-1": reading}, {"GPU-1": ["a"]}, self._now())
            due = self.usage.due(self.at)
            if due:
                self.stored += 1
                self.database.write(lambda conn, due=due: gpu_hours.save(conn, due))
        return self

    def seen(self, job=WHOLE):
        hours = (hour_of(BEGIN), hour_of(BEGIN) + HOUR)
        rows = {key: row for hour in hours for key, row in self.database.read(self._of(hour)).items()}
        return [rows[UsageKey(hour, "GPU-1", job)].seen for hour in hours if UsageKey(hour, "GPU-1", job) in rows]

    def _of(self, hour):
        return lambda conn: gpu_hours.of_hour(conn, hour)

    def _now(self):
        return Instant(self.at, self.at / SECOND)


def test_rows_are_stored_about_once_a_minute_and_go_over_to_the_next_hour(database):
    watch = Watch(database).looks(300)

    assert 4 <= watch.stored <= 6
    assert watch.seen() == [40, 250]
    assert watch.seen("a") == [40, 250]


def test_a_restart_goes_on_with_what_is_stored(database):
    before = Watch(database).looks(300).at
    watch = Watch(database, before).looks(120)

    assert watch.seen() == [40, 360]


def test_nothing_seen_is_nothing_stored(database):
    assert GpuUsage(database, Instant(BEGIN, 0.0)).due(BEGIN + HOUR) == {}
