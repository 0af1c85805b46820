"""One look at the whole store: what runs, what fires, what waits, and how each channel fares."""

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.core.clock import SECOND
from agent.core.job import Job
from agent.core.model import Alert, ChannelState, DeliveryState, Silence
from agent.core.policy.windows import QuietHours, quiet
from agent.runtime.metrics_scrape import Snapshot
from agent.store import alerts, backlog, jobs, ledger, silences


@dataclass(frozen=True, slots=True)
class Overview:
    """What the store knows at one moment. Times are UTC milliseconds."""

    at: int
    running: Sequence[Job]
    jobs: Mapping[str, int]
    """Number of jobs by state."""
    firing: Sequence[Alert]
    silences: Sequence[Silence]
    """All that are remembered."""
    channels: Mapping[str, ChannelState]
    """By name; a channel that was never used has none."""
    lengths: Mapping[tuple[str, DeliveryState], int]
    """Number of open deliveries by channel and state."""
    oldest: Mapping[str, int]
    """Age in milliseconds of each channel's oldest delivery that should be sent."""
    dead: Mapping[str, int]
    """Number of dead deliveries by channel."""
    held: Mapping[str, Mapping[str, int]]
    """Number of deliveries that are held back, by channel and reason."""

    @property
    def current_silences(self) -> list[Silence]:
        """The silences that are not over."""
        return [item for item in self.silences if item.ends_at > self.at]

    def snapshot(self, database_bytes: int, quiet_hours: QuietHours) -> Snapshot:
        """The same as the metrics want it."""
        return Snapshot(
            jobs=self.jobs,
            running=tuple(self.running),
            firing=Counter((alert.type.value, str(alert.severity)) for alert in self.firing),
            queue={(channel, state.value): count for (channel, state), count in self.lengths.items()},
            oldest={channel: age / SECOND for channel, age in self.oldest.items()},
            dead=self.dead,
            down=frozenset(state.channel for state in self.channels.values() if state.failing_since is not None),
            silences=Counter(_stage(item, self.at) for item in self.silences),
            quiet={window.name: quiet([window], self.at) for window in quiet_hours.windows},
            database_bytes=database_bytes,
        )


def _stage(silence: Silence, now: int) -> str:
    if silence.active(now):
        return "active"
    return "pending" if silence.starts_at > now else "expired"


def look(conn: sqlite3.Connection, now: int) -> Overview:
    """Read everything at once, on one unchanging view."""
    return Overview(
        at=now,
        running=jobs.running(conn),
        jobs=jobs.counts(conn),
        firing=alerts.firing(conn),
        silences=silences.load(conn),
        channels=ledger.channel_states(conn),
        lengths={(channel, state): count for channel, state, count in backlog.lengths(conn)},
        oldest=backlog.oldest(conn, now),
        dead=backlog.dead_counts(conn),
        held=backlog.held(conn),
    )
