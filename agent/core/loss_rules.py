"""When a loss that is no number is worth an alert: two records in a row, and worse the longer it lasts.

One record without a number may be a skipped step of mixed precision. A spike is no alert: most come back by themselves.
"""

from agent.core import text
from agent.core.episodes import Condition, Seen
from agent.core.job import Job
from agent.core.model import AlertType, Severity
from agent.core.payload import job_snapshot

CONFIRMED = 2
"""Records in a row without a number that are no accident."""
HOPELESS = 20
"""Records in a row after which training will not recover by itself."""
ADVICE = (
    "Stop the job and go back to the last checkpoint before it; a lower learning rate, gradient clipping or bf16 "
    "instead of fp16 may help."
)


def look(job: Job, node: str, now: int) -> Seen:
    """Judge one running job; what happened in a job that has ended is told by its end."""
    severity = None
    if job.running and job.loss_watch.records >= HOPELESS:
        severity = Severity.CRITICAL
    elif job.running and job.loss_watch.records >= CONFIRMED:
        severity = Severity.WARNING
    return Seen(_condition(job, node, now), severity)


def _condition(job: Job, node: str, now: int) -> Condition:
    step, total = job.progress.step, job.progress.total
    where = "" if step is None else f" at step {text.steps(step, total)}"
    return Condition(
        type=AlertType.LOSS_ANOMALY,
        identity={"node_id": node, "job_id": job.id, "rule": "loss"},
        title="Loss is not a number",
        message=f"The loss of {job.name} is NaN or infinite{where}, for {job.loss_watch.records} records in a row.",
        labels={"job": job.id, "job_name": job.name},
        advice=ADVICE,
        job=job_snapshot(job, now),
        job_id=job.id,
        evidence=(job.loss_watch.text,) if job.loss_watch.text else (),
    )
