"""The latest readings of everything, shared between threads: what is known now and may be forgotten.

Holds immutable values under one lock and decides nothing. Losing it costs nothing but context: whatever must not
be lost goes through the store.
"""

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from itertools import chain, islice

from agent.core.clock import Instant
from agent.core.facts import Event
from agent.core.model import Sample
from agent.core.ports import LogReading, Reading, TreeReading, WantedLog
from agent.core.sightings import Stuck
from agent.runtime.gpu_board import GpuBoard
from agent.runtime.health import Health
from agent.runtime.wishes import ProcessKey, Wishes, with_held

UNSTORED_LIMIT = 1_000
"""The most events shown to the evaluator while the store refuses them (R-10.3)."""


@dataclass(frozen=True, slots=True)
class LogSeen:
    """The latest look at one log. `drained_at`: monotonic seconds of the last look that reached the file's end."""

    reading: LogReading
    drained_at: float | None


@dataclass(frozen=True, slots=True)
class StoreTrouble:
    """Why the store takes nothing, and since when (UTC milliseconds)."""

    text: str
    since: int
    full: bool
    """Whether space is what it lacks."""


class Board:
    """A place for the latest values; each method is one short step under the lock."""

    def __init__(self) -> None:
        self.gpus = GpuBoard()
        self._lock = threading.Lock()
        self._samples: dict[str, tuple[Sample, ...]] = {}
        self._logs: dict[str, LogSeen] = {}
        self._unreadable: dict[str, Mapping[str, str]] = {}
        self._health: dict[str, Health] = {}
        self._trees: dict[str, tuple[TreeReading, ...]] = {}
        self._stuck: tuple[Stuck, ...] = ()
        self._working: frozenset[int] = frozenset()
        self._wishes = Wishes()
        self._wanted: frozenset[WantedLog] = frozenset()
        self._heartbeat: float | None = None
        self._trouble: StoreTrouble | None = None
        self._store_errors = {"read": 0, "write": 0}
        self._unstored: dict[str, tuple[Event, ...]] = {}

    # What sources read.

    def publish(self, source: str, reading: Reading, looked_at: Instant) -> None:
        """Show a reading: its samples replace the source's earlier ones, each of its logs the earlier look at it.

        `looked_at` is taken before the reading began, so whatever was written before it has been read.
        """
        self.gpus.publish(source, reading, looked_at)
        with self._lock:
            self._samples[source] = reading.samples
            self._unreadable[source] = reading.unreadable
            for log in reading.logs:
                self._logs[log.path] = _seen(self._logs.get(log.path), log, looked_at.monotonic)
            for path in reading.dropped:
                self._logs.pop(path, None)
            if reading.stuck is not None:
                self._stuck, self._working = reading.stuck, reading.working
            if reading.trees is not None and reading.trees != self._trees.get(source):
                self._trees[source] = reading.trees
                self._want()

    def withdraw(self, source: str) -> None:
        """Show no samples of a source that is not there any more."""
        self.gpus.withdraw(source)
        with self._lock:
            self._samples.pop(source, None)
            self._unreadable.pop(source, None)
            self._trees.pop(source, None)
            self._want()

    def stuck(self) -> tuple[Stuck, ...]:
        """Threads of silent jobs that the kernel does not let run, as last seen."""
        with self._lock:
            return self._stuck

    def working(self) -> frozenset[int]:
        """Pids of silent jobs that do something, as last seen."""
        with self._lock:
            return self._working

    def trees(self) -> tuple[TreeReading, ...]:
        """The processes that are training, or might be, as last seen."""
        with self._lock:
            return tuple(chain.from_iterable(self._trees.values()))

    def samples(self) -> tuple[Sample, ...]:
        """The latest samples of all sources."""
        with self._lock:
            return tuple(chain.from_iterable(self._samples.values()))

    def samples_of(self, source: str) -> tuple[Sample, ...]:
        """The latest samples of one source; empty before its first look."""
        with self._lock:
            return self._samples.get(source, ())

    def logs(self) -> Mapping[str, LogSeen]:
        """The latest look at each log, by path."""
        with self._lock:
            return dict(self._logs)

    def unreadable(self) -> Mapping[str, str]:
        """Files that sources found and could not read, by path, with the reason."""
        with self._lock:
            return {path: why for found in self._unreadable.values() for path, why in found.items()}

    def log(self, path: str) -> LogSeen | None:
        """The latest look at one log."""
        with self._lock:
            return self._logs.get(path)

    def progress_at(self, path: str) -> int | None:
        """When a log last showed new progress, UTC milliseconds; None if it shows none."""
        log = self.log(path)
        return None if log is None else log.reading.progress_at

    # How the workers are.

    def enrol(self, health: Health) -> None:
        """Begin to keep a worker's health, anew if it was kept before."""
        with self._lock:
            self._health[health.name] = health

    def dismiss(self, name: str) -> None:
        """Stop keeping a worker's health, samples and unstored events."""
        self.gpus.withdraw(name)
        with self._lock:
            self._health.pop(name, None)
            self._samples.pop(name, None)
            self._unreadable.pop(name, None)
            self._unstored.pop(name, None)
            self._trees.pop(name, None)
            self._want()

    def began(self, name: str, now: Instant) -> None:
        """A worker's step began."""
        self._change(name, lambda health: health.began(now))

    def ended(self, name: str, now: Instant, error: str | None = None) -> None:
        """A worker's step ended, well or with an error."""
        self._change(name, lambda health: health.ended(now, error))

    def unavailable(self, name: str, reason: str | None) -> None:
        """What a source looks at is not there; None once it is."""
        self._change(name, lambda health: replace(health, unavailable=reason))

    def health(self, name: str) -> Health | None:
        """One worker's health."""
        with self._lock:
            return self._health.get(name)

    def healths(self) -> tuple[Health, ...]:
        """Every worker's health, in the order of enrolment."""
        with self._lock:
            return tuple(self._health.values())

    # What the evaluator wants, and whether it is alive.

    def wish(self, wishes: Wishes) -> None:
        """Replace the evaluator's wishes."""
        with self._lock:
            self._wishes = wishes
            self._want()

    def wanted_logs(self) -> frozenset[WantedLog]:
        """Logs to follow besides those that the settings name: those of jobs, and those that processes hold open."""
        with self._lock:
            return self._wanted

    def urgent_logs(self) -> frozenset[str]:
        """Paths of logs to read to their end now."""
        with self._lock:
            return self._wishes.urgent_logs

    def wanted_processes(self) -> frozenset[ProcessKey]:
        """Processes whose end is wanted."""
        with self._lock:
            return self._wishes.processes

    def leaders(self) -> frozenset[ProcessKey]:
        """The processes that lead running jobs."""
        with self._lock:
            return self._wishes.leaders

    def suspects(self) -> frozenset[int]:
        """Pids of jobs that make no step."""
        with self._lock:
            return self._wishes.suspects

    def beat(self, now: Instant) -> None:
        """The evaluator finished a round."""
        with self._lock:
            self._heartbeat = now.monotonic

    def heartbeat(self) -> float | None:
        """When the evaluator last finished a round, monotonic seconds; None before its first."""
        with self._lock:
            return self._heartbeat

    # What the store refuses.

    def store_failed(self, text: str, now: Instant, *, full: bool = False) -> None:
        """The store refused a commit; the first refusal dates the trouble."""
        with self._lock:
            self._store_errors["write"] += 1
            since = self._trouble.since if self._trouble else now.wall
            self._trouble = StoreTrouble(text, since, full)

    def store_worked(self) -> None:
        """The store took a commit."""
        with self._lock:
            self._trouble = None

    def store_trouble(self) -> StoreTrouble | None:
        """Why the store takes nothing; None while it does."""
        with self._lock:
            return self._trouble

    def store_unread(self) -> None:
        """The store could not be read for those who look on; that alone is no trouble for alerts."""
        with self._lock:
            self._store_errors["read"] += 1

    def store_errors(self) -> Mapping[str, int]:
        """How often the store refused since the start, by operation: `read` or `write`."""
        with self._lock:
            return dict(self._store_errors)

    def hold_unstored(self, source: str, events: Collection[Event]) -> None:
        """Show the events that one source could not commit, in place of those shown before."""
        with self._lock:
            if events:
                self._unstored[source] = tuple(events)
            else:
                self._unstored.pop(source, None)

    def unstored(self) -> tuple[Event, ...]:
        """Events that could not be committed, the oldest `UNSTORED_LIMIT` of them, in order of time."""
        with self._lock:
            waiting = sorted(chain.from_iterable(self._unstored.values()), key=lambda event: event.at)
        return tuple(islice(waiting, UNSTORED_LIMIT))

    def _want(self) -> None:
        self._wanted = with_held(self._wishes.logs, chain.from_iterable(self._trees.values()))

    def _change(self, name: str, change: Callable[[Health], Health]) -> None:
        """A worker that was dismissed while its step hung changes nothing."""
        with self._lock:
            if name in self._health:
                self._health[name] = change(self._health[name])


def _seen(before: LogSeen | None, log: LogReading, looked_at: float) -> LogSeen:
    if log.offset >= log.size:
        return LogSeen(log, looked_at)
    same_file = before is not None and before.reading.file == log.file
    return LogSeen(log, before.drained_at if before and same_file else None)
