"""How a job ended, judged by its exit code, its log's last words and how far it came. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from agent.core import incidents
from agent.core.facts import FindingKind
from agent.core.job import Exit, Incident, Job, JobState

NEARLY_ALL = 0.99
"""Share of the steps that counts as all of them, where the exit code is unknown."""

EXIT_BY_CANCEL: Mapping[int, str] = {129: "SIGHUP", 130: "SIGINT", 143: "SIGTERM"}
"""Exit codes, as a shell shows them, that mean that a person or a scheduler stopped the job."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended, before it is written into the job."""

    state: JobState
    reason: str | None = None
    verified: bool = True
    error: str | None = None


def judge(job: Job, end: Exit) -> Outcome:
    """Decide how a job whose process has ended came out."""
    incident = job.incident
    if end.code == 0:
        return _judge_success(job)
    if end.code is None:
        return _judge_vanished(job)
    if job.completed_at is not None and incident is None:
        return Outcome(JobState.COMPLETED, error=f"exit code {end.code} after training was complete")
    if incident is not None:
        return by_cause(incident)
    if end.code in EXIT_BY_CANCEL:
        return Outcome(JobState.CANCELLED, FindingKind.CANCELLED)
    return Outcome(JobState.FAILED, "signal" if end.signal else "exit")


def _judge_success(job: Job) -> Outcome:
    # An exit code lies where the command was piped into `tee`, so an error that nothing followed still counts.
    if job.incident is not None and job.completed_at is None:
        return by_cause(job.incident, verified=False)
    return Outcome(JobState.COMPLETED, verified=job.progress.step is None or _reached_end(job))


def _judge_vanished(job: Job) -> Outcome:
    if _reached_end(job):
        return Outcome(JobState.COMPLETED, verified=False)
    if job.incident is not None:
        return by_cause(job.incident, verified=False)
    if job.progress.step is not None and job.progress.total:
        return Outcome(JobState.FAILED, "exit", verified=False)
    return Outcome(JobState.UNKNOWN, verified=False)


def by_cause(incident: Incident, *, verified: bool = True) -> Outcome:
    """An end for which the incident's cause is the reason."""
    root = incidents.cause(incident)
    state = JobState.CANCELLED if root.kind is FindingKind.CANCELLED else JobState.FAILED
    return Outcome(state, root.kind, verified, incidents.exception_line(incident))


def _reached_end(job: Job) -> bool:
    step, total = job.progress.step, job.progress.total
    return job.completed_at is not None or (step is not None and bool(total) and step >= NEARLY_ALL * (total or 0))
