"""Which job a fact is about. Holds the running jobs; facts go in, changed jobs and their turns come out.

The id of a job is minted under the first natural key that tells of it; what is learned later joins that job.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath

from agent.core import jobs
from agent.core.clock import MINUTE
from agent.core.facts import Event, FindingKind, LogFinding, ProcessEnded, ProcessStarted, Role, TrainingSeen
from agent.core.job import Job
from agent.core.jobs import Turn
from agent.core.ports import LogReading

JOIN_WITHIN = MINUTE
"""A job first known by its log is joined by a process that started at most this long before it was noticed."""

Turned = tuple[Job, Turn | None]
Described = Callable[[Job], Job]
"""Completes a new job from the user's `[[jobs.job]]` tables."""


@dataclass(frozen=True, slots=True)
class LogState:
    """What is known of a job's log this round: its latest reading, and whether it was read to the end since `at`."""

    reading: LogReading
    read_to_end_at: int | None
    """When a look last found the end, UTC milliseconds."""


class JobBook:
    """The running jobs by id, and the files whose last run has ended."""

    def __init__(
        self, running: Iterable[Job], describe: Described = lambda job: job, ended: Iterable[Job] = (),
        watched_from: int = 0,
    ) -> None:
        """`ended`: the jobs that ended lately, whose logs may still have something to say.

        `watched_from`: since when somebody looks at logs, UTC milliseconds.
        """
        self.running: dict[str, Job] = {job.id: job for job in running}
        self._ended_files = {job.file for job in ended if job.file is not None}
        self._describe = describe
        self._watched_from = watched_from

    def fold(self, event: Event) -> list[Turned]:
        """Take one fact in; the changed job, with `STARTED` if the fact began it."""
        fact = event.fact
        if isinstance(fact, ProcessStarted):
            return self._start(fact)
        if isinstance(fact, ProcessEnded):
            job = self._by_key(jobs.process_key(fact.boot_id, fact.pid, fact.start_ticks))
            return self._keep(jobs.observe(job, event)) if job is not None and _may_end(job, fact) else []
        if isinstance(fact, TrainingSeen | LogFinding):
            return self._on_log(fact, event)
        return []

    def conclude(self, now: int, logs: Mapping[str, LogState]) -> list[Turned]:
        """Take in the newest progress and say what has become certain; only changed jobs are returned."""
        turned: list[Turned] = []
        for job in list(self.running.values()):
            state = logs.get(job.log) if job.log is not None else None
            after = jobs.read(job, state.reading, self._watched_from) if state else job
            after, turn = jobs.conclude(after, now, log_read=_read_since_exit(job, state))
            if after is not job:
                turned += self._keep(after, turn)
        return turned

    def wake_at(self, now: int) -> int | None:
        """When the passing of time alone may change a job."""
        times = (jobs.wake_at(job, now) for job in self.running.values())
        return min((at for at in times if at is not None), default=None)

    def _start(self, fact: ProcessStarted) -> list[Turned]:
        if self._by_key(jobs.process_key(fact.boot_id, fact.pid, fact.start_ticks)) is not None:
            return []
        known = self._by_log(fact.log)
        if known is not None and known.process is None and known.started_at >= fact.started_at - JOIN_WITHIN:
            return self._keep(jobs.join_process(known, fact))
        return self._keep(self._describe(jobs.from_process(fact)), Turn.STARTED)

    def _on_log(self, fact: TrainingSeen | LogFinding, event: Event) -> list[Turned]:
        job = self._by_log(fact.path) or self._by_file(fact.file)
        if job is not None:
            return self._keep(jobs.observe(job, event))
        if not self._begins_run(fact):
            return []
        self._ended_files.discard(fact.file)
        job = self._describe(jobs.begin_by_log(fact, event.at, PurePath(fact.path).stem))
        return self._keep(jobs.observe(job, event), Turn.STARTED)

    def _begins_run(self, fact: TrainingSeen | LogFinding) -> bool:
        """Whether the fact tells of a run that no job stands for. What trails an ended run is about that run."""
        if isinstance(fact, TrainingSeen) or fact.kind is FindingKind.STARTED:
            return True
        told_by_error = fact.role is Role.ROOT and fact.kind is not FindingKind.CANCELLED
        return told_by_error and fact.file not in self._ended_files

    def _keep(self, job: Job, turn: Turn | None = None) -> list[Turned]:
        if job.running:
            self.running[job.id] = job
        else:
            self.running.pop(job.id, None)
            if job.file is not None:
                self._ended_files.add(job.file)
        return [(job, turn)]

    def _by_key(self, key: str) -> Job | None:
        return next((job for job in self.running.values() if key in job.keys), None)

    def _by_log(self, path: str | None) -> Job | None:
        return next((job for job in self.running.values() if path is not None and job.log == path), None)

    def _by_file(self, file: str) -> Job | None:
        return next((job for job in self.running.values() if job.file == file), None)


def _may_end(job: Job, fact: ProcessEnded) -> bool:
    """Whether to believe it: anyone on the node may hand in the end of a job, but only of their own."""
    return fact.uid in (None, 0, job.uid)


def _read_since_exit(job: Job, state: LogState | None) -> bool:
    if job.exit is None or state is None or state.read_to_end_at is None:
        return False
    return state.read_to_end_at >= job.exit.at

