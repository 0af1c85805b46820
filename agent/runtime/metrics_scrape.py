"""Fills the metrics page at the moment of a scrape, from the board and from what the store knows.

A scrape never fails: what the store cannot tell is left out, and `store_up` says so.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from agent.core.clock import SECOND
from agent.core.facts import Progress
from agent.core.job import Job, JobState
from agent.core.model import OPEN_STATES, TYPES, Severity
from agent.core.policy.room import OPEN_ROWS
from agent.runtime.board import Board, LogSeen
from agent.runtime.health import Health
from agent.runtime.log import event
from agent.runtime.metrics_catalog import STATE, Entry, Kind
from agent.runtime.metrics_samples import PREFIX
from agent.store.errors import StoreError

logger = logging.getLogger(__name__)

SILENCE_STATES = ("active", "pending", "expired")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the store knows at one moment."""

    jobs: Mapping[str, int] = field(default_factory=dict)
    """Number of jobs by state."""
    running: tuple[Job, ...] = ()
    firing: Mapping[tuple[str, ...], int] = field(default_factory=dict)
    """Number of firing alerts by type and severity."""
    queue: Mapping[tuple[str, ...], int] = field(default_factory=dict)
    """Number of open deliveries by channel and state."""
    oldest: Mapping[str, float] = field(default_factory=dict)
    """Age of each channel's oldest waiting delivery, seconds."""
    dead: Mapping[str, int] = field(default_factory=dict)
    """Number of dead deliveries by channel."""
    down: frozenset[str] = frozenset()
    """Channels that cannot deliver now."""
    silences: Mapping[str, int] = field(default_factory=dict)
    """Number of silences by state."""
    quiet: Mapping[str, bool] = field(default_factory=dict)
    """Whether it is quiet now, by window."""
    database_bytes: int = 0


Rows = Mapping[tuple[str, ...], float]
"""Values by label values, which stand in the order of the family's labels."""


class ScrapeCollector(Collector):
    """Reads everything anew at each scrape. `channels` names the channels there are, so that each has its zeros."""

    def __init__(
        self,
        board: Board,
        snapshot: Callable[[], Snapshot],
        channels: Callable[[], Iterable[str]],
        dropped_lines: Callable[[], int],
    ) -> None:
        self._board = board
        self._snapshot = snapshot
        self._channels = channels
        self._dropped_lines = dropped_lines

    def collect(self) -> Iterator[Metric]:
        """All families with their values of this moment."""
        yield from _collecting([health for health in self._board.healths() if health.source])
        yield _family("log_records_dropped_total", {(): self._dropped_lines()})
        snapshot = self._stored()
        yield _family("state_db_errors_total", {(op,): count for op, count in self._board.store_errors().items()})
        yield _family("store_up", {(): snapshot is not None})
        if snapshot is None:
            return
        yield _family("state_db_size_bytes", {(): snapshot.database_bytes})
        yield _family("queue_capacity", {(): OPEN_ROWS})
        if snapshot.quiet:
            yield _family("quiet_window_active", {(window,): active for window, active in snapshot.quiet.items()})
        no_silences: Rows = {(state,): 0 for state in SILENCE_STATES}
        yield _family("silences", {**no_silences, **{(state,): n for state, n in snapshot.silences.items()}})
        yield from _queues(snapshot, tuple(self._channels()))
        yield from _alerts_and_jobs(snapshot)
        yield from _training(snapshot.running, self._board.logs())

    def _stored(self) -> Snapshot | None:
        try:
            return self._snapshot()
        except StoreError as error:
            self._board.store_unread()
            event(logger, logging.WARNING, "the store could not be read for the metrics", reason=str(error))
            return None


def _collecting(sources: Iterable[Health]) -> Iterator[Metric]:
    sources = tuple(sources)
    yield _family("collect_success", {(health.name,): health.well for health in sources})
    yield _family(
        "collect_last_success_timestamp_seconds",
        {(health.name,): health.last_success_at / SECOND for health in sources if health.last_success_at is not None},
    )


def _queues(snapshot: Snapshot, channels: Iterable[str]) -> Iterator[Metric]:
    """Each known channel has all its values; a channel that is known only by its rows has those."""
    channels = tuple(channels)
    lengths: Rows = {(channel, state.value): 0 for channel in channels for state in sorted(OPEN_STATES)}
    yield _family("queue_length", {**lengths, **snapshot.queue})
    for name, values in (("queue_oldest_seconds", snapshot.oldest), ("dead_letters", snapshot.dead)):
        zeros = dict.fromkeys(channels, 0.0)
        yield _family(name, {(channel,): value for channel, value in {**zeros, **values}.items()})
    yield _family("channel_up", {(channel,): channel not in snapshot.down for channel in channels})


def _alerts_and_jobs(snapshot: Snapshot) -> Iterator[Metric]:
    none_firing: Rows = {
        (alert_type.value, str(severity)): 0
        for alert_type, traits in TYPES.items()
        if traits.condition
        for severity in Severity
    }
    yield _family("alerts_firing", {**none_firing, **snapshot.firing})
    no_jobs = {state.value: 0 for state in JobState}
    yield _family("jobs", {(state,): count for state, count in {**no_jobs, **snapshot.jobs}.items()})


def _training(running: Iterable[Job], logs: Mapping[str, LogSeen]) -> Iterator[Metric]:
    """Running jobs alone have series of their own, so that an ended job leaves none behind."""
    info: dict[tuple[str, ...], float] = {}
    steps: dict[tuple[str, ...], float] = {}
    losses: dict[tuple[str, ...], float] = {}
    seen: dict[tuple[str, ...], float] = {}
    for job in running:
        key = (job.id,)
        progress, at = latest_progress(job, logs.get(job.log) if job.log else None)
        info[job.id, job.name, job.model or ""] = 1
        if progress.step is not None:
            steps[key] = progress.step
        if progress.loss is not None:
            losses[key] = progress.loss
        if at is not None:
            seen[key] = at / SECOND
    yield _family("training_job_info", info)
    yield _family("training_job_step", steps)
    yield _family("training_job_loss", losses)
    yield _family("training_job_last_progress_timestamp_seconds", seen)


def latest_progress(job: Job, log: LogSeen | None) -> tuple[Progress, int | None]:
    """The job's progress and its moment: what its own log shows now, else what was last stored."""
    if log is None or log.reading.file != job.file or log.reading.progress is None:
        return job.progress, job.progress_at
    return log.reading.progress, log.reading.progress_at


def _family(name: str, rows: Rows) -> Metric:
    entry = STATE[name]
    clean = {tuple(_printable(value) for value in key): value for key, value in rows.items()}
    if entry.kind is Kind.INFO:
        return _info(name, entry, clean)
    make = CounterMetricFamily if entry.kind is Kind.COUNTER else GaugeMetricFamily
    family = make(PREFIX + name, entry.help, labels=entry.labels)
    for key, value in clean.items():
        family.add_metric(key, value)
    return family


def _info(name: str, entry: Entry, rows: Rows) -> Metric:
    family = InfoMetricFamily(PREFIX + name.removesuffix("_info"), entry.help, labels=entry.labels)
    for key in rows:
        family.add_metric(key, {})
    return family


def _printable(text: str) -> str:
    """The page is UTF-8; a name of a file system need not be."""
    return text.encode("utf-8", "replace").decode()
