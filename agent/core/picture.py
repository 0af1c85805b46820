"""Which picture tells what led to an alert: the memory of the GPU that ran out of it, else the loss of the job.

The picture of a report is in `core.report_chart`.
"""

import math
from collections.abc import Sequence

from agent.core.chart import Chart, Series
from agent.core.curve import Point
from agent.core.job import Job
from agent.core.model import Alert, AlertType, NotificationKind

NEWS = frozenset({NotificationKind.FIRED, NotificationKind.ESCALATED})
"""What shows a picture; what repeats or ends an alert does not show it again."""

ABOUT_A_RUN = frozenset({
    AlertType.JOB_COMPLETED, AlertType.JOB_FAILED, AlertType.JOB_CANCELLED, AlertType.GPU_OOM, AlertType.HOST_OOM,
    AlertType.TIMEOUT_WARNING, AlertType.LOSS_ANOMALY,
})  # fmt: skip
LEAST = 3
"""Points that make a curve."""


def pictured(alert: Alert, kind: NotificationKind) -> bool:
    """Whether there may be a picture for such a notification."""
    if kind is NotificationKind.REPORT:
        return alert.report is not None
    return kind in NEWS and alert.job_id is not None and alert.type in ABOUT_A_RUN


def before(alert: Alert, job: Job, curve: Sequence[Point]) -> Chart | None:
    """What to draw of the time before an alert about `job`; `curve` is the job's, the oldest point first.

    The memory is that of the job's last out-of-memory error: it is shown with the alert that quotes the same lines.
    """
    autopsy = job.incident.autopsy if job.incident is not None else None
    if autopsy is not None and autopsy.memory is not None and set(autopsy.chart) <= set(alert.evidence):
        return autopsy.memory
    points = [point for point in curve if point.at <= alert.starts_at]
    known = [(float(point.step), point.loss) for point in points if point.loss is not None]
    return loss(job.name, known, points[-1].step) if points else None


def loss(name: str, known: Sequence[tuple[float, float]], event: float) -> Chart | None:
    """The loss of the job `name` by its steps, as far as it is a number, and the step of the event."""
    finite = tuple((step, value) for step, value in known if math.isfinite(value))
    if len(finite) < LEAST:
        return None
    return Chart(f"Loss of {name}", "step", "loss", (Series("loss", finite),), event=float(event))
