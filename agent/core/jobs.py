"""The life of a job: evidence in, transitions out. Pure; the evaluator keeps the jobs and asks again each round.

A job ends when its process has ended and its log has been read to the end, or, where only the log is known, when a
completion marker or an error has stood for a while. `conclude` never looks at a clock or a file.
"""

from dataclasses import replace
from enum import StrEnum

from agent.core import incidents, loss_watch, pace
from agent.core.clock import HOUR, SECOND
from agent.core.facts import (
    Event,
    FindingKind,
    LogFinding,
    ProcessEnded,
    ProcessStarted,
    Progress,
    Role,
    TrainingSeen,
)
from agent.core.job import Exit, Incident, Job, JobState, Process, mint
from agent.core.outcome import Outcome, by_cause, goes_on_with, judge
from agent.core.ports import LogReading

REPORT_WAIT = 2 * SECOND
"""How long the exit code of a wrapped process is awaited once its end was seen."""
LOG_WAIT = 5 * SECOND
"""How long the last words of a log are awaited after the end of the process; a log that cannot be read ends it."""
KILL_WAIT = 2 * SECOND
"""How long the kernel's word is awaited on a process that was killed: was it for lack of memory?"""
SETTLE = 15 * SECOND
"""How long a completion marker must stand, with no step after it, before a job known by its log alone has ended."""
FINAL_SETTLE = 2 * SECOND
"""The same for text that nobody survives."""
SURVIVALS_PER_HOUR = 3
"""Survived out-of-memory errors in an hour that are worth a warning."""


class Turn(StrEnum):
    """What just became certain about a job."""

    STARTED = "started"
    ENDED = "ended"
    HIT = "hit"
    """An out-of-memory error that was not survived, though the process lives on."""
    SURVIVED = "survived"
    """Out-of-memory errors were survived again and again."""


def log_key(file: str, offset: int) -> str:
    """The natural key of a run known by its log: the file's identity and where the run begins in it."""
    return f"log:{file}:{offset}"


def process_key(boot_id: str, pid: int, start_ticks: int) -> str:
    """The natural key of a run known by its process."""
    return f"process:{boot_id}:{pid}:{start_ticks}"


def inner_key(boot_id: str, namespace: int, pid: int, start_ticks: int) -> str:
    """The natural key of a run whose process is known by its number in a PID namespace."""
    return f"process:{boot_id}:{namespace}/{pid}:{start_ticks}"


def begin_by_log(fact: TrainingSeen | LogFinding, at: int, name: str) -> Job:
    """Begin a job that only its log tells of, at its first progress, its start marker or an error."""
    key = log_key(fact.file, fact.offset)
    written_at = fact.written_at if isinstance(fact, LogFinding) else None
    started_at = min(at, written_at) if written_at is not None else at
    return Job(id=mint(key), keys=(key,), name=name, started_at=started_at, log=fact.path, file=fact.file)


def from_process(started: ProcessStarted) -> Job:
    """Begin a job that `exec` started."""
    keys = [process_key(started.boot_id, started.pid, started.start_ticks)]
    if started.pid_namespace is not None:
        keys.append(inner_key(started.boot_id, started.pid_namespace, started.pid, started.start_ticks))
    process = Process(
        started.boot_id, started.pid, started.start_ticks, started.wrapper_pid, started.pid_namespace
    )
    return Job(
        id=mint(keys[0]), keys=tuple(keys), name=started.name, started_at=started.started_at, log=started.log,
        log_offset=started.log_offset, process=process, uid=started.uid,
    )


def join_process(job: Job, started: ProcessStarted) -> Job:
    """Give a job that was first known by its log the process that writes it; the id stays."""
    known = from_process(started)
    return replace(
        job, keys=(*job.keys, *known.keys), name=known.name, process=known.process, uid=known.uid,
        started_at=min(job.started_at, known.started_at),
    )


def observe(job: Job, event: Event) -> Job:
    """Fold one fact into the job that it is about."""
    fact = event.fact
    if isinstance(fact, LogFinding):
        return _observe_finding(job, fact, event.at)
    if isinstance(fact, TrainingSeen):
        begun = replace(job, file=fact.file, completed_at=None, incident=_restarted(job.incident, fact.progress))
        return progressed(begun, fact.progress, event.at)
    if isinstance(fact, ProcessEnded):
        return _observe_end(job, fact)
    return job


def read(job: Job, reading: LogReading, watched_from: int) -> Job:
    """Take in how the job's log stands. `watched_from`: since when somebody looks, UTC milliseconds."""
    job = progressed(job, reading.progress, reading.progress_at)
    rhythm, watch = pace.follow(job.pace, reading, watched_from), loss_watch.follow(job.loss_watch, reading)
    if rhythm is job.pace and watch is job.loss_watch:
        return job
    return replace(job, pace=rhythm, loss_watch=watch)


def progressed(job: Job, progress: Progress | None, at: int | None) -> Job:
    """Take in newer numbers. Progress after a completion marker means that the run goes on."""
    if progress is None or at is None or (job.progress_at is not None and at < job.progress_at):
        return job
    if progress == job.progress:
        return job
    moved = progress.step != job.progress.step
    completed = None if moved and job.completed_at is not None and at > job.completed_at else job.completed_at
    return replace(job, progress=progress, progress_at=at, completed_at=completed)


def conclude(job: Job, now: int, *, log_read: bool) -> tuple[Job, Turn | None]:
    """Say what has become certain by `now`. `log_read`: the log has been read to its end since the process ended."""
    if not job.running:
        return job, None
    if job.exit is not None:
        return _conclude_exit(job, job.exit, now, log_read=log_read)
    if job.incident is not None:
        return _conclude_incident(job, job.incident, now)
    if job.survived_at and (told := _told_if_many(job, now))[1] is not None:
        return told
    if job.process is None and job.completed_at is not None and now >= job.completed_at + SETTLE:
        return _end(job, Outcome(JobState.COMPLETED), job.completed_at), Turn.ENDED
    return job, None


def wake_at(job: Job, now: int) -> int | None:
    """When `conclude` may say something new by the passing of time alone."""
    times = []
    if job.exit is not None:
        times += [job.exit.at + REPORT_WAIT, job.exit.at + KILL_WAIT, job.exit.at + LOG_WAIT]
    if job.incident is not None:
        times += [job.incident.opened_at + FINAL_SETTLE, job.incident.opened_at + incidents.WINDOW]
    if job.completed_at is not None:
        times.append(job.completed_at + SETTLE)
    return min((at for at in times if at > now), default=None)


def _observe_finding(job: Job, finding: LogFinding, at: int) -> Job:
    job = replace(job, file=finding.file)
    before = job.progress
    if finding.progress is not None:
        job = progressed(job, finding.progress, at)
        before = finding.progress if finding.progress.step is not None else before
    if finding.kind is FindingKind.COMPLETED:
        return replace(job, completed_at=at)
    if finding.kind is FindingKind.STARTED:
        return replace(job, completed_at=None)
    if finding.kind is FindingKind.NAN_LOSS and finding.role is Role.ROOT:
        job = replace(job, loss_watch=loss_watch.told(job.loss_watch, finding))
    if job.incident is not None and incidents.opens(finding):
        job = _closed(job, job.incident, finding, before, at)
    elif job.incident is not None and incidents.mends(finding, job.incident):
        return replace(job, incident=None)
    if finding.facts.get("skipped"):
        job = _count_survival(job, at)
    return replace(job, incident=incidents.add(job.incident, finding, at, before))


def _closed(job: Job, incident: Incident, finding: LogFinding, before: Progress, at: int) -> Job:
    """Close what a new error, by the progress shown before it, proves to have been survived, or not to be its cause."""
    gap = finding.offset - incident.findings[0].offset
    apart = at > incident.opened_at + incidents.TOGETHER or gap > incidents.BUFFERED
    if incidents.survived(incident, before, apart=apart):
        return _survive(job, incident, at)
    if not incidents.lived_on(incident, before, apart=apart):
        return job
    # Whoever stops a run whose loss is no number stops it for that.
    stopped = finding.kind is FindingKind.CANCELLED and incidents.cause(incident).kind is FindingKind.NAN_LOSS
    return job if stopped else replace(job, incident=None)


def _restarted(incident: Incident | None, shown: Progress) -> Incident | None:
    """After an error a program may begin again, with a smaller batch: what counts are the steps from there."""
    if incident is None or shown.step is None or shown.step >= (incident.opened_step or 0):
        return incident
    return replace(incident, opened_step=shown.step, opened_epoch=shown.epoch)


def _observe_end(job: Job, ended: ProcessEnded) -> Job:
    known = job.exit
    if known is not None and (known.reported or not ended.reported) and known.code is not None:
        return job
    at = known.at if known is not None else ended.ended_at
    code = ended.exit_code if ended.exit_code is not None or known is None else known.code
    reported = ended.reported or (known is not None and known.reported)
    big = ended.big or (known.big if known is not None else ())
    return replace(job, exit=Exit(at, code, ended.signal, reported, big))


def _conclude_exit(job: Job, end: Exit, now: int, *, log_read: bool) -> tuple[Job, Turn | None]:
    wrapped = job.process is not None and job.process.wrapper_pid is not None
    if wrapped and not end.reported and now < end.at + REPORT_WAIT:
        return job, None
    if now < end.at + KILL_WAIT and _may_be_confirmed(job, end):
        return job, None
    if job.log is not None and not log_read and now < end.at + LOG_WAIT:
        return job, None
    if job.incident is not None and incidents.survived(job.incident, job.progress, apart=_apart(job, job.incident)):
        job = replace(job, incident=None)
    return _end(job, judge(job, end), end.at), Turn.ENDED


def _may_be_confirmed(job: Job, end: Exit) -> bool:
    """Whether a kill may still turn out to be one for lack of memory."""
    if end.signal != "SIGKILL":
        return False
    incident = job.incident
    if incident is None or not incidents.rooted(incident):
        return True
    root = incidents.cause(incident)
    return root.kind is FindingKind.HOST_OOM and root.facts.get("grade") != "confirmed"


def _conclude_incident(job: Job, incident: Incident, now: int) -> tuple[Job, Turn | None]:
    apart = _apart(job, incident)
    if incidents.survived(incident, job.progress, apart=apart):
        return _told_if_many(_survive(job, incident, now), now)
    waited, final = now - incident.opened_at, incidents.is_final(incident)
    if waited < (FINAL_SETTLE if final else incidents.WINDOW):
        return job, None
    if not incidents.rooted(incident):
        return replace(job, incident=None), None
    root = incidents.cause(incident)
    if not final and goes_on_with(incident):
        return job, None
    if incidents.lived_on(incident, job.progress, apart=apart):
        return replace(job, incident=None), None
    if job.process is None:
        return _end(job, by_cause(incident, verified=final), now), Turn.ENDED
    if root.kind is not FindingKind.GPU_OOM or incident.told:
        return job, None
    return replace(job, incident=replace(incident, told=True)), Turn.HIT


def _apart(job: Job, incident: Incident) -> bool:
    """Whether the progress that is known was noticed clearly after the error."""
    return job.progress_at is not None and job.progress_at > incident.opened_at + incidents.TOGETHER


def _survive(job: Job, incident: Incident, at: int) -> Job:
    job = replace(job, incident=None)
    counts = incidents.rooted(incident) and incidents.cause(incident).kind is FindingKind.GPU_OOM
    return _count_survival(job, at) if counts else job


def _count_survival(job: Job, at: int) -> Job:
    return replace(job, survived_at=(*(known for known in job.survived_at if known > at - HOUR), at))


def _told_if_many(job: Job, now: int) -> tuple[Job, Turn | None]:
    """Say once an hour that errors are survived again and again."""
    told = job.survivals_told_at is not None and job.survivals_told_at > now - HOUR
    if told or sum(at > now - HOUR for at in job.survived_at) < SURVIVALS_PER_HOUR:
        return job, None
    return replace(job, survivals_told_at=now), Turn.SURVIVED


def _end(job: Job, outcome: Outcome, at: int) -> Job:
    return replace(
        job, state=outcome.state, reason=outcome.reason, verified=outcome.verified, error=outcome.error, ended_at=at
    )
