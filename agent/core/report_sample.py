"""One made-up report of each kind, built as real ones are. Nothing in it describes a real run, machine or person."""

from collections.abc import Iterator
from datetime import UTC

from agent.core import report, report_alert
from agent.core.clock import DAY, HOUR, MINUTE, SECOND
from agent.core.disk_past import Room
from agent.core.facts import Progress, ReportMade
from agent.core.gpu_usage import Usage
from agent.core.job import HeldGpu, Job, JobState
from agent.core.model import Alert, AlertType, DeliveryState, Severity, Status
from agent.core.periods import Period, Schedule, latest
from agent.core.report import AlertCount, Found
from agent.core.report_channels import DeliveryCount

HOUR_SECONDS = 3_600
HELD = tuple(
    HeldGpu(index, f"GPU-{index}0000000-1111-2222-3333-444444444444", "NVIDIA H100 80GB HBM3") for index in range(4)
)
_RUNS = (
    ("llama-3-8b-sft", JobState.FAILED, "gpu_oom", 2.1, 1.234, 4_200),
    ("vit-l-16", JobState.COMPLETED, None, 9.4, 0.4231, 5_000),
    ("bert-base", JobState.COMPLETED, None, 3.2, 0.0712, 5_000),
    ("whisper-small", JobState.CANCELLED, "signal", 0.6, 2.914, 310),
    ("gpt2-xl", JobState.RUNNING, None, 6.0, 2.871, 3_480),
)
"""Name, outcome, reason, hours, loss and step of each run."""


def of(kind: AlertType, node: str, now: int) -> Alert:
    """The sample of the latest period that is over at `now` (UTC milliseconds); days are UTC's."""
    period = latest(Schedule(kind), now, UTC)
    made = report.build(period, _found(period), node=node, zone=str(UTC), made_at=period.due_at)
    event = report_alert.made(made, UTC, now)
    assert isinstance(event.fact, ReportMade)
    return report_alert.alert_of(event, event.fact, node)


def _found(period: Period) -> Found:
    jobs = list(_jobs(period))
    begun, hours = period.starts_at, (period.ends_at - period.starts_at) / HOUR
    held = [hours * share for share in (0.86, 0.81, 0.44, 0.0)]
    return Found(
        jobs=jobs,
        by_job={job.id: Usage(held=4 * ((job.ended_at or period.ends_at) - job.started_at) / SECOND) for job in jobs},
        by_gpu={gpu.uuid: _usage(hours, share) for gpu, share in zip(HELD, held, strict=True)},
        alerts=[
            AlertCount(AlertType.DISK_WARNING, Severity.WARNING, Status.RESOLVED, 6),
            AlertCount(AlertType.DISK_WARNING, Severity.WARNING, Status.FIRING, 1),
            AlertCount(AlertType.JOB_COMPLETED, Severity.INFO, Status.EVENT, 2),
            AlertCount(AlertType.GPU_OOM, Severity.CRITICAL, Status.EVENT, 1),
            AlertCount(AlertType.JOB_FAILED, Severity.CRITICAL, Status.EVENT, 1),
        ],
        firing=[_alert(AlertType.DISK_WARNING, "Disk 93 % full: /data", period.ends_at - 2 * HOUR)],
        noisy=[(6, _alert(AlertType.DISK_WARNING, "Disk 91 % full: /scratch", period.ends_at - 5 * HOUR))],
        memory=[_alert(AlertType.GPU_OOM, "GPU out of memory", begun + 10 * HOUR)],
        disks={
            "/data": [(84 + 9 * n / 24, Room(begun + n * HOUR, (16 - 9 * n / 24) * 2e10, 0)) for n in range(25)],
            "/scratch": [(61.0, Room(begun + n * HOUR, 7.9e11, 0)) for n in range(25)],
        },
        deliveries=[
            DeliveryCount("mail", "email", DeliveryState.DELIVERED, "", 4, 1),
            DeliveryCount("team", "slack", DeliveryState.DELIVERED, "", 9, 0),
            DeliveryCount("team", "slack", DeliveryState.DIGESTED, "quiet_hours", 3, 0),
            DeliveryCount("team", "slack", DeliveryState.SUPPRESSED, "resolved_before_told", 2, 0),
        ],
        held=[("team", "quiet_hours", 3), ("team", "cooldown", 2)],
        lives=[(begun - DAY, begun + 4 * HOUR), (begun + 4 * HOUR + 12 * MINUTE, period.ends_at)],
    )


def _jobs(period: Period) -> Iterator[Job]:
    for number, (name, state, reason, hours, loss, step) in enumerate(_RUNS):
        ended = None if state is JobState.RUNNING else period.ends_at - (number + 1) * HOUR
        began = (ended or period.ends_at) - round(hours * HOUR)
        yield Job(
            f"job-{number:012d}", (name,), name, began, state=state, reason=reason, ended_at=ended,
            progress=Progress(step, 5_000, loss=loss), held=HELD if number == 0 else (),
        )  # fmt: skip


def _usage(hours: float, held: float) -> Usage:
    seen = hours * HOUR_SECONDS
    return Usage(
        seen=seen, held=held * HOUR_SECONDS, measured=seen, busy=0.83 * held * HOUR_SECONDS,
        idle=0.07 * held * HOUR_SECONDS, energy=(0.6 * held + 0.07 * hours) * 3.6e6, memory_peak=round(held * 3.6e9),
    )  # fmt: skip


def _alert(kind: AlertType, title: str, at: int) -> Alert:
    job = {"name": _RUNS[0][0], "error": "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."}
    oom = kind is AlertType.GPU_OOM
    return Alert(
        id=f"sample-{kind}", type=kind, fingerprint=str(kind), status=Status.EVENT if oom else Status.FIRING,
        severity=Severity.WARNING, title=title, message="", starts_at=at, job=job if oom else None,
        advice="Lower the batch size, or use gradient checkpointing." if oom else None,
    )  # fmt: skip
