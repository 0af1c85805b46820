"""Which job a fact is about. Holds the running jobs; facts go in, changed jobs and their turns come out.

The id of a job is minted under the first natural key that tells of it; what is learned later joins that job: processes
that are seen below or above those that are known, the writer of a log, a log of known processes.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import PurePath

from agent.core import incidents, jobs, processes
from agent.core.clock import MINUTE
from agent.core.facts import Event, FindingKind, LogFinding, ProcessEnded, ProcessStarted, TrainingSeen
from agent.core.job import Exit, HeldGpu, Job, JobState
from agent.core.job_logs import LogState, read_since_exit, renamed, states_of, telling
from agent.core.jobs import Turn
from agent.core.post_mortem import Autopsy
from agent.core.sightings import TreeSeen

JOIN_WITHIN = MINUTE
"""A job first known by its log is joined by a process that started at most this long after it was noticed."""
TELLING = frozenset({FindingKind.GPU_OOM, FindingKind.NAN_LOSS, FindingKind.STALL, FindingKind.XID})
"""Errors that only training makes. Others, in a log that nobody named, may be those of any program."""

Turned = tuple[Job, Turn | None]
Described = Callable[[Job], Job]
"""Completes a new job from the user's `[[jobs.job]]` tables."""
Examined = Callable[[Job, LogFinding, int], Autopsy | None]
"""Looks at what the GPUs show when a job's out-of-memory error is read; the moment is in UTC milliseconds."""


class JobBook:
    """The running jobs by id, and the files whose last run has ended."""

    def __init__(
        self, running: Iterable[Job], describe: Described = lambda job: job, ended: Iterable[Job] = (),
        watched_from: int = 0, examine: Examined = lambda *_: None,
    ) -> None:
        """`ended`: the jobs that ended lately, whose logs may still have something to say.

        `watched_from`: since when somebody looks at logs, UTC milliseconds.
        """
        self.running: dict[str, Job] = {job.id: job for job in running}
        self._ended_files: set[str] = set()
        self._ended_keys: set[str] = set()
        self._ended_logs: dict[str, int] = {}
        """When the last run in a log that nothing else told of was noticed."""
        for job in ended:
            self._note_ended(job)
        self._describe = describe
        self._examine = examine
        self._watched_from = watched_from

    def fold(self, event: Event) -> list[Turned]:
        """Take one fact in; the changed job, with `STARTED` if the fact began it."""
        fact = event.fact
        if isinstance(fact, ProcessStarted):
            return self._start(fact)
        if isinstance(fact, TreeSeen):
            return self._see(fact)
        if isinstance(fact, ProcessEnded):
            return self._end(fact, event)
        if isinstance(fact, TrainingSeen | LogFinding):
            return self._on_log(fact, event)
        return []

    def conclude(self, now: int, logs: Mapping[str, LogState]) -> list[Turned]:
        """Take in the newest progress and say what has become certain; only changed jobs are returned."""
        turned: list[Turned] = []
        for job in list(self.running.values()):
            states = states_of(job, logs)
            after = renamed(job, states)
            reading = telling(after, states)
            after = jobs.read(after, reading, self._watched_from) if reading is not None else after
            after, turn = jobs.conclude(after, now, log_read=read_since_exit(after, states))
            if after is not job:
                turned += self._keep(after, turn)
        return turned

    def wake_at(self, now: int) -> int | None:
        """When the passing of time alone may change a job."""
        times = (jobs.wake_at(job, now) for job in self.running.values())
        return min((at for at in times if at is not None), default=None)

    def _start(self, fact: ProcessStarted) -> list[Turned]:
        """What `exec` says: a new job, or one that was seen or read of before it said so."""
        key = jobs.process_key(fact.boot_id, fact.pid, fact.start_ticks)
        started = jobs.from_process(fact)
        same = next((job for job in map(self._by_key, started.keys) if job is not None), None)
        if same is not None:
            reported = same.process is not None and same.process.wrapper_pid is not None
            return [] if reported else self._keep(processes.lead(same, fact, key))
        below = self._below(fact.boot_id, (fact.pid, fact.start_ticks))
        if below is not None:
            return self._keep(processes.lead(below, fact, key))
        known = self._by_log(fact.log)
        if known is not None and known.process is None and known.started_at >= fact.started_at - JOIN_WITHIN:
            return self._keep(jobs.join_process(known, fact))
        return self._keep(self._describe(started), Turn.STARTED)

    def _see(self, seen: TreeSeen) -> list[Turned]:
        """What the processes show: a new job, or more about one."""
        job = self._of(seen)
        if job is None and (self._has_ended(seen) or self._was_told_of(seen)):
            return []
        if job is None:
            return [*self._superseded(seen), *self._keep(self._describe(processes.begin(seen)), Turn.STARTED)]
        return self._join(job, seen)

    def _join(self, job: Job, seen: TreeSeen) -> list[Turned]:
        turned: list[Turned] = []
        if processes.restarted(job, seen):
            turned += self._restart(job)
            job = self.running[job.id]
        after = processes.join(job, seen)
        for other in [item for item in self.running.values() if _is_same_run(item, after)]:
            after = processes.absorb(after, other)
            turned += self._keep(replace(other, keys=(), state=JobState.UNKNOWN, ended_at=other.started_at))
        return [*turned, *self._keep(after)] if after != job else turned

    def _restart(self, job: Job) -> list[Turned]:
        """The ranks were started again: another attempt of the same job, whatever ended the last one."""
        turned: list[Turned] = []
        incident = job.incident
        rooted = incident is not None and incidents.rooted(incident)
        if incident is not None and rooted and incidents.cause(incident).kind is FindingKind.GPU_OOM:
            turned = [] if incident.told else self._keep(job, Turn.HIT)
        return [*turned, *self._keep(replace(job, attempt=job.attempt + 1, incident=None, completed_at=None))]

    def _superseded(self, seen: TreeSeen) -> list[Turned]:
        """A job known by a log alone, whose log another process has begun to write, has ended unnoticed."""
        old = [job for job in self.running.values() if job.process is None and job.exit is None]
        gone = [job for job in old if job.log in seen.logs]
        return [item for job in gone for item in self._keep(replace(job, exit=Exit(seen.started_at)))]

    def _end(self, fact: ProcessEnded, event: Event) -> list[Turned]:
        job = self._by_key(jobs.process_key(fact.boot_id, fact.pid, fact.start_ticks)) or self._by_rank(fact)
        if job is None or not _may_end(job, fact):
            return []
        after, end = processes.note_end(job, fact)
        if end is not None:
            after = jobs.observe(after, replace(event, fact=end))
        return self._keep(after) if after is not job else []

    def _on_log(self, fact: TrainingSeen | LogFinding, event: Event) -> list[Turned]:
        writer = fact.writer
        job = (self._of(writer) if writer else None) or self._by_log(fact.path) or self._by_file(fact.file)
        if job is not None:
            joined = self._join(job, writer) if writer and job.process is None and _fits(job, writer) else []
            return [*joined, *self._keep(self._seen_in(self.running[job.id], fact, event))]
        if not self._begins_run(fact) or (writer is not None and self._has_ended(writer)):
            return []
        self._ended_files.discard(fact.file)
        if writer is not None and not self._was_told_of(writer):
            begun = processes.begin(writer)
        else:
            begun = jobs.begin_by_log(fact, event.at, PurePath(fact.path).stem)
        return self._keep(self._seen_in(self._describe(begun), fact, event), Turn.STARTED)

    def _seen_in(self, job: Job, fact: TrainingSeen | LogFinding, event: Event) -> Job:
        """Fold in what a log says; of an out-of-memory error, with what the GPUs show before they forget it."""
        after = _observed(job, fact, event)
        incident = after.incident
        if not isinstance(fact, LogFinding) or fact.kind is not FindingKind.GPU_OOM or not incidents.opens(fact):
            return after
        if incident is None or incident.autopsy is not None:
            return after
        return replace(after, incident=replace(incident, autopsy=self._examine(after, fact, event.at)))

    def hear(self, job_id: str, found: LogFinding, at: int) -> list[Turned]:
        """Take the kernel's word about a job: that it killed a process of it, or that a GPU of it failed."""
        job = self.running.get(job_id)
        if job is None:
            return []
        return self._keep(replace(job, incident=incidents.add(job.incident, found, at, job.progress)))

    def hold(self, gpus: Mapping[str, tuple[HeldGpu, ...]]) -> list[Turned]:
        """Note the GPUs that jobs hold, by the jobs' ids; only changed jobs are returned."""
        pairs = ((self.running.get(job_id), held) for job_id, held in gpus.items())
        changed = [replace(job, held=held) for job, held in pairs if job and job.exit is None and job.held != held]
        return [item for job in changed for item in self._keep(job)]

    def _begins_run(self, fact: TrainingSeen | LogFinding) -> bool:
        """Whether the fact tells of a run that no job stands for. What trails an ended run is about that run."""
        if isinstance(fact, TrainingSeen) or fact.kind is FindingKind.STARTED:
            return True
        certain = fact.kind is not FindingKind.CANCELLED or fact.doubt == incidents.SURE
        told_by_error = certain and (incidents.opens(fact) or bool(fact.facts.get("skipped")))
        if fact.found and fact.kind not in TELLING:
            return False
        return told_by_error and fact.file not in self._ended_files

    def _keep(self, job: Job, turn: Turn | None = None) -> list[Turned]:
        if job.running:
            self.running[job.id] = job
        else:
            self.running.pop(job.id, None)
            self._note_ended(job)
        return [(job, turn)]

    def _note_ended(self, job: Job) -> None:
        if job.file is not None:
            self._ended_files.add(job.file)
        self._ended_keys.update(job.keys)
        if job.process is None and job.log is not None:
            self._ended_logs[job.log] = max(job.started_at, self._ended_logs.get(job.log, 0))

    def _has_ended(self, seen: TreeSeen) -> bool:
        """Whether the run of these processes was judged already, by their end."""
        return any(key in self._ended_keys for key in processes.keys_of(seen))

    def _was_told_of(self, seen: TreeSeen) -> bool:
        """Whether a log told of the run of these processes, and of its end, before they were known to write it."""
        return any(self._ended_logs.get(path, 0) >= seen.started_at for path in seen.logs)

    def _of(self, seen: TreeSeen) -> Job | None:
        """The job to which these processes belong: they are its own, below or above them, or write its log."""
        found = next((job for job in map(self._by_key, processes.keys_of(seen)) if job is not None), None)
        if found is None:
            lines = [jobs.process_key(seen.boot_id, *pid) for pid in seen.within]
            found = next((job for job in map(self._by_leader, lines) if job is not None), None)
        if found is None:
            found = self._below(seen.boot_id, (seen.pid, seen.start_ticks))
        if found is None:
            written = (self._by_log(path) for path in seen.logs)
            found = next((job for job in written if job is not None and job.process is None and _fits(job, seen)), None)
        return found

    def _by_key(self, key: str) -> Job | None:
        return next((job for job in self.running.values() if key in job.keys), None)

    def _by_leader(self, key: str) -> Job | None:
        job = self._by_key(key)
        leader = None if job is None else job.process
        leads = leader is not None and jobs.process_key(leader.boot_id, leader.pid, leader.start_ticks) == key
        return job if leads else None

    def _by_rank(self, ended: ProcessEnded) -> Job | None:
        pid = (ended.pid, ended.start_ticks)
        return next((job for job in self.running.values() if processes.has_rank(job, ended.boot_id, pid)), None)

    def _below(self, boot_id: str, pid: processes.Pid) -> Job | None:
        """A job whose leader was started by this process, or below it."""
        led = ((job, job.process) for job in self.running.values())
        return next((job for job, leader in led if leader and leader.boot_id == boot_id and pid in leader.within), None)

    def _by_log(self, path: str | None) -> Job | None:
        if path is None:
            return None
        return next((job for job in self.running.values() if job.log == path or path in job.logs), None)

    def _by_file(self, file: str) -> Job | None:
        return next((job for job in self.running.values() if job.file == file), None)


def _may_end(job: Job, fact: ProcessEnded) -> bool:
    """Whether to believe it: anyone on the node may hand in the end of a job, but only of their own."""
    return fact.uid in (None, 0, job.uid)


def _observed(job: Job, fact: TrainingSeen | LogFinding, event: Event) -> Job:
    """Fold in what a log says; a further log of a job does not become the one that it goes by."""
    after = jobs.observe(job, event)
    if job.log is None:
        return replace(after, log=fact.path)
    if fact.path == job.log or fact.file == job.file:
        return after
    return replace(after, file=job.file, logs=tuple(dict.fromkeys((*job.logs, fact.path)))[: processes.LOGS_AT_MOST])


def _fits(job: Job, seen: TreeSeen) -> bool:
    """Whether a job that its log told of may be the run of these processes: they were there when it was noticed."""
    return job.started_at >= seen.started_at - JOIN_WITHIN


def _is_same_run(other: Job, job: Job) -> bool:
    """Whether another job is known by a log alone that turns out to be one of this job's."""
    apart = other.process is not None or other.id == job.id or other.log is None
    return not apart and other.log in (job.log, *job.logs) and other.started_at >= job.started_at - JOIN_WITHIN
