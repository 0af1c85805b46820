"""Alerts about jobs: what a turn in a job's life says to people."""

from collections.abc import Mapping
from dataclasses import replace

from agent.core import advice, causes, host_memory, incidents
from agent.core.facts import FindingKind, LogFinding
from agent.core.job import Job, JobState
from agent.core.jobs import Turn
from agent.core.model import TYPES, Alert, AlertType, Json, Link, Severity, Status
from agent.core.payload import job_snapshot
from agent.core.policy.identity import alert_id, fingerprint
from agent.core.post_mortem import Autopsy

TYPE_OF_END: Mapping[JobState, AlertType] = {
    JobState.COMPLETED: AlertType.JOB_COMPLETED,
    JobState.UNKNOWN: AlertType.JOB_COMPLETED,
    JobState.FAILED: AlertType.JOB_FAILED,
    JobState.CANCELLED: AlertType.JOB_CANCELLED,
}
CAUSE_ALERTS: Mapping[FindingKind, AlertType] = {
    FindingKind.GPU_OOM: AlertType.GPU_OOM,
    FindingKind.HOST_OOM: AlertType.HOST_OOM,
}
"""Causes that have an alert type of their own, for channels that take only that."""

EVIDENCE_LINES = 20
"""Lines of evidence of one alert: a message shows no more."""

CONDITIONS: Mapping[str, AlertType] = {
    FindingKind.STALL: AlertType.TIMEOUT_WARNING,
    FindingKind.NAN_LOSS: AlertType.LOSS_ANOMALY,
}
"""Causes that a condition tells of while the job still runs."""


def for_turn(job: Job, turn: Turn, node: str, now: int) -> tuple[Alert, ...]:
    """Make the alerts of one turn; the end of a job comes before its cause, which points to it."""
    if turn is Turn.STARTED:
        return (_started(job, node),)
    if turn is Turn.ENDED:
        return _ended(job, node)
    if turn is Turn.HIT and job.incident is not None:
        return (_cause_alert(job, incidents.cause(job.incident), node, now),)
    if turn is Turn.SURVIVED:
        return (_survived(job, node, now),)
    return ()


def _started(job: Job, node: str) -> Alert:
    return _alert(job, AlertType.JOB_STARTED, node, job.started_at, message=f"{job.name} started.")


def _ended(job: Job, node: str) -> tuple[Alert, ...]:
    at = job.ended_at or job.started_at
    root = _root(job)
    end = _alert(job, TYPE_OF_END[job.state], node, at, message=_end_message(job, root), root=root)
    end = replace(end, severity=_end_severity(job, end.severity, root), title=_end_title(job, end.title))
    told_already = job.incident is not None and job.incident.told
    if job.state is not JobState.FAILED or root is None or root.kind not in CAUSE_ALERTS or told_already:
        return (end,)
    return (end, replace(_cause_alert(job, root, node, at), cause_of=end.id))


def _root(job: Job) -> LogFinding | None:
    """The cause in the log, if the end is its doing."""
    incident = job.incident
    known = incident is not None and incidents.rooted(incident) and job.state in (JobState.FAILED, JobState.CANCELLED)
    return incidents.cause(incident) if incident is not None and known else None


def _end_severity(job: Job, usual: Severity, root: LogFinding | None) -> Severity:
    if job.state is JobState.CANCELLED and root is not None and root.kind is FindingKind.CANCELLED:
        return max(usual, root.severity)  # a time limit costs work, and a node that failed is broken
    troubled = job.state is JobState.UNKNOWN or (job.state is JobState.COMPLETED and job.error is not None)
    return Severity.WARNING if troubled else usual


def _end_title(job: Job, usual: str) -> str:
    if job.state is JobState.UNKNOWN:
        return "Training ended, outcome unknown"
    if job.state is JobState.COMPLETED and job.error is not None:
        return "Training complete, but the program failed while closing down"
    return usual


def _end_message(job: Job, root: LogFinding | None) -> str:
    sentence = f"{job.name} {_what_happened(job, root)}"
    step, total = job.progress.step, job.progress.total
    if job.state is not JobState.COMPLETED and step is not None:
        sentence += f" at step {step}" + (f" of {total}" if total else "")
    sentence += "."
    if root is not None and job.incident is not None:
        sentence = f"{sentence} {_explained(job, root)}".rstrip()
    sentence = f"{sentence} {_big(job, root)}".rstrip()
    return sentence if job.verified else f"{sentence} Unverified: {_doubt(job)}."


def _what_happened(job: Job, root: LogFinding | None) -> str:
    if job.state is JobState.COMPLETED:
        return "finished"
    if job.state is JobState.UNKNOWN:
        return "ended"
    if job.state is JobState.CANCELLED:
        if job.exit and job.exit.signal:
            return f"was stopped by {job.exit.signal}"
        return causes.what(root) if root is not None and root.kind is FindingKind.CANCELLED else "was cancelled"
    if job.reason == "signal" and job.exit is not None:
        return f"was killed by {job.exit.signal}"
    if job.reason == "exit":
        known = job.exit is not None and job.exit.code is not None
        return f"exited with code {job.exit.code}" if job.exit and known else "ended before its last step"
    return causes.what(root) if root is not None else causes.PLAIN.get(job.reason or "", "failed")


def _doubt(job: Job) -> str:
    if job.process is None:
        return "only the log tells of this run"
    if job.exit is not None and job.exit.code is not None:
        return f"the exit code was {job.exit.code}, but the log says otherwise or shows no end"
    return "nobody could learn the exit code"


def _cause_alert(job: Job, root: LogFinding, node: str, at: int) -> Alert:
    message = f"{job.name} {causes.what(root)}. {_explained(job, root)}".rstrip()
    error = incidents.exception_line(job.incident) if job.incident is not None else None
    told = replace(job, error=job.error or error)
    return _alert(told, CAUSE_ALERTS[root.kind], node, at, message=message, root=root)


def _big(job: Job, root: LogFinding | None) -> str:
    """What else held host memory when the job was killed, if that may be why, and the kernel has not told of it."""
    end = job.exit
    maybe = root.kind is FindingKind.HOST_OOM and "tasks" not in root.facts if root is not None else (
        job.reason == "signal" and end is not None and end.signal == "SIGKILL"
    )
    return host_memory.others(end.big) if end is not None and maybe else ""


def _explained(job: Job, root: LogFinding) -> str:
    """What else there is to say of a cause: from the log, and from what the GPUs showed at that moment."""
    autopsy = _autopsy(job, root)
    seen = autopsy.sentences if autopsy is not None else ()
    findings = job.incident.findings if job.incident is not None else ()
    told = causes.explained(root, findings, memory_seen=autopsy is not None and bool(autopsy.chart))
    return " ".join(filter(None, (told, *seen)))


def _autopsy(job: Job, root: LogFinding | None) -> Autopsy | None:
    """What the GPUs showed, if that is what the job died of."""
    hit = root is not None and root.kind is FindingKind.GPU_OOM and job.incident is not None
    return job.incident.autopsy if hit and job.incident is not None else None


def _survived(job: Job, node: str, now: int) -> Alert:
    alert = _alert(
        job, AlertType.GPU_OOM, node, now, extra={"survived": "repeatedly"},
        message=f"{job.name} ran out of GPU memory {len(job.survived_at)} times within an hour and went on each time.",
    )
    return replace(alert, severity=Severity.WARNING, title="GPU out of memory, survived repeatedly")


def _alert(
    job: Job, alert_type: AlertType, node: str, at: int, *, message: str, root: LogFinding | None = None,
    extra: Mapping[str, str] | None = None,
) -> Alert:
    identity = {"node_id": node, "job_id": job.id, **(extra or {})}
    if alert_type not in CAUSE_ALERTS.values():
        identity |= {"run_attempt": str(job.attempt), "new_state": str(job.state)}
    mark = fingerprint(alert_type, identity)
    traits = TYPES[alert_type]
    autopsy = _autopsy(job, root)
    return Alert(
        id=alert_id(at, mark, job.id),
        type=alert_type,
        fingerprint=mark,
        status=Status.EVENT,
        severity=traits.severity,
        title=traits.headline,
        message=message,
        starts_at=_starts_at(at, root),
        labels={"node": node, "job": job.id, "job_name": job.name},
        job=job_snapshot(job, at),
        gpu=_gpu(autopsy),
        evidence=_evidence(job, root, autopsy),
        advice=_advice(job, root),
        links=(Link("View details", job.link.replace("{job_id}", job.id)),) if job.link else (),
        job_id=job.id,
    )


def _starts_at(at: int, root: LogFinding | None) -> int:
    """When it happened: where the log says when the telling line was written, that counts."""
    return min(at, root.written_at) if root is not None and root.written_at is not None else at


def _evidence(job: Job, root: LogFinding | None, autopsy: Autopsy | None) -> tuple[str, ...]:
    """The most telling lines of the log, and below them who held the GPU's memory."""
    if root is None or job.incident is None:
        return ()
    chart = autopsy.chart if autopsy is not None else ()
    return (*incidents.evidence(job.incident, EVIDENCE_LINES - len(chart)), *chart)


def _gpu(autopsy: Autopsy | None) -> Mapping[str, Json] | None:
    gpu = autopsy.gpu if autopsy is not None else None
    return None if gpu is None else {"index": gpu.index, "uuid": gpu.uuid, "name": gpu.name}


def _advice(job: Job, root: LogFinding | None) -> str | None:
    autopsy = _autopsy(job, root)
    if autopsy is not None and autopsy.advice is not None:
        return autopsy.advice
    if root is not None:
        return advice.for_cause(root)
    return advice.for_exit(job.exit.signal) if job.exit is not None and job.state is JobState.FAILED else None
