"""How a job ended, judged by its exit code, its log's last words and how far it came. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.core import incidents
from agent.core.facts import FindingKind, LogFinding
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
    incident = job.incident if incidents.rooted(job.incident) else None
    if end.code == 0:
        return _judge_success(job, incident)
    if end.code is None:
        return _judge_vanished(job, incident)
    if job.completed_at is not None and incident is None:
        return Outcome(JobState.COMPLETED, error=f"exit code {end.code} after training was complete")
    if incident is not None:
        return by_cause(incident)
    if end.code in EXIT_BY_CANCEL:
        return Outcome(JobState.CANCELLED, FindingKind.CANCELLED)
    return Outcome(JobState.FAILED, "signal" if end.signal else "exit")


def _judge_success(job: Job, incident: Incident | None) -> Outcome:
    # An exit code lies where the command was piped into `tee`, so an error that nothing followed still counts.
    if incident is not None and job.completed_at is None and ends_a_run(incidents.cause(incident)):
        return by_cause(incident, verified=False)
    return Outcome(JobState.COMPLETED, verified=job.progress.step is None or _reached_end(job))


def _judge_vanished(job: Job, incident: Incident | None) -> Outcome:
    if _reached_end(job):
        return Outcome(JobState.COMPLETED, verified=False)
    if incident is not None:
        return by_cause(incident, verified=False)
    if job.progress.step is not None and job.progress.total:
        return Outcome(JobState.FAILED, "exit", verified=False)
    return Outcome(JobState.UNKNOWN, verified=False)


def ends_a_run(root: LogFinding) -> bool:
    """Whether a cause says by itself that the run is over: a loss may be no number, and an exception may be caught."""
    if root.kind is FindingKind.NAN_LOSS:
        return bool(root.facts.get("fatal"))
    if root.facts.get("kernel"):  # a GPU may fail under a run that is through
        return False
    return root.doubt < incidents.FOLLOWS


def by_cause(incident: Incident, *, verified: bool = True) -> Outcome:
    """An end for which the incident's cause is the reason."""
    root = incidents.cause(incident)
    return Outcome(state_of(root, incident.findings), root.kind, verified, incidents.exception_line(incident))


def state_of(root: LogFinding, findings: Sequence[LogFinding]) -> JobState:
    """What an end by a cause is called: a run whose loss is no number is mostly stopped by somebody."""
    stopped = any(item.kind is FindingKind.CANCELLED and item.doubt < incidents.FOLLOWS for item in findings)
    cancelled = root.kind is FindingKind.CANCELLED or (stopped and not ends_a_run(root))
    return JobState.CANCELLED if cancelled else JobState.FAILED


def goes_on_with(incident: Incident) -> bool:
    """Whether a run may well go on with the trouble: a loss that is no number stops nothing by itself."""
    root = incidents.cause(incident)
    lasting = root.kind is FindingKind.NAN_LOSS and not ends_a_run(root)
    return lasting and state_of(root, incident.findings) is not JobState.CANCELLED


def _reached_end(job: Job) -> bool:
    step, total = job.progress.step, job.progress.total
    return job.completed_at is not None or (step is not None and bool(total) and step >= NEARLY_ALL * (total or 0))
