"""One made-up alert of every type, to try out channels and for tests: realistic in full, or with the least there is.

Each is marked as a test. Nothing in it describes a real run, machine or person.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from agent.core import advice, causes, report_sample
from agent.core.clock import HOUR, MINUTE, SECOND
from agent.core.facts import FindingKind, Progress
from agent.core.job import Exit, HeldGpu, Job, JobState, mint
from agent.core.model import TYPES, Alert, AlertType, Json, Link, Status
from agent.core.payload import job_snapshot
from agent.core.periods import NAMES
from agent.core.policy.identity import alert_id, fingerprint

JOB, MODEL = "llama-3-8b-sft", "Llama-3-8B"
GPU: Mapping[str, Json] = {
    "index": 3, "uuid": "GPU-00000000-1111-2222-3333-444444444444", "name": "NVIDIA H100 80GB HBM3",
}  # fmt: skip
DISK: Mapping[str, Json] = {
    "mountpoint": "/data", "used_percent": 93.4, "free_bytes": 135_291_469_824, "full_in_seconds": 21_600,
}  # fmt: skip

OOM = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 3 has a total capacity of 79.10 GiB "
    "of which 1.27 GiB is free."
)
OOM_EVIDENCE = (
    "Traceback (most recent call last):",
    '  File "train.py", line 214, in <module>',
    "    loss = model(**batch).loss",
    OOM,
    "GPU memory over 10m 00s, of 79.1 GiB:",
    "pid 4242 python3 (this job) ▁▁▁▂▂▃▃▃▄▄▄▅▅▅▆▆▆▆▆▆▆▆▆▆ 65.8 GiB",
    "pid 4711 jupyter            ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁ 12.0 GiB",
)
OOM_ADVICE = "Another program holds memory on this GPU: end it, or give the job a GPU of its own."


@dataclass(frozen=True, slots=True)
class _Story:
    """What the sample of one type tells beyond its type."""

    message: str
    title: str | None = None
    state: JobState | None = None
    """The state of the job that the alert is about; None for an alert that is about no job."""
    reason: str | None = None
    error: str | None = None
    end: Exit | None = None
    step: int = 4200
    loss: float | None = 1.234
    gpu: bool = False
    disk: bool = False
    evidence: tuple[str, ...] = ()
    advice: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    links: tuple[Link, ...] = ()


_FAILED = Exit(0, code=1, reported=True)

_STORIES: Mapping[AlertType, _Story] = {
    AlertType.JOB_STARTED: _Story(f"{JOB} started.", state=JobState.RUNNING),
    AlertType.JOB_COMPLETED: _Story(
        f"{JOB} finished.", state=JobState.COMPLETED, end=Exit(0, code=0, reported=True), step=5000, loss=0.4231
    ),
    AlertType.JOB_FAILED: _Story(
        f"{JOB} {causes.PLAIN[FindingKind.GPU_OOM]} at step 4200 of 5000.",
        state=JobState.FAILED, reason="gpu_oom", error=OOM, end=_FAILED, gpu=True, evidence=OOM_EVIDENCE,
        advice=OOM_ADVICE,
        links=(Link("PyTorch: CUDA memory", "https://pytorch.org/docs/stable/notes/cuda.html#memory-management"),),
    ),
    AlertType.JOB_CANCELLED: _Story(
        f"{JOB} was stopped by SIGTERM at step 4200 of 5000.",
        state=JobState.CANCELLED, reason="signal", end=Exit(0, code=143, signal="SIGTERM", reported=True),
    ),
    AlertType.GPU_OOM: _Story(
        f"{JOB} {causes.PLAIN[FindingKind.GPU_OOM]}.",
        state=JobState.RUNNING, gpu=True, evidence=OOM_EVIDENCE,
        advice=OOM_ADVICE,
    ),
    AlertType.HOST_OOM: _Story(
        f"{JOB} {causes.PLAIN[FindingKind.HOST_OOM]}.",
        state=JobState.FAILED, reason="host_oom", end=Exit(0, code=137, signal="SIGKILL", reported=True),
        evidence=("Memory cgroup out of memory: Killed process 4242 (python) total-vm:98304000kB",),
        advice=advice.for_exit("SIGKILL"),
    ),
    AlertType.DISK_WARNING: _Story(
        "/data (ext4 on /dev/nvme0n1p1): 93 % used, 126.0 GiB of 1.9 TiB free; the limit is 90 %.",
        title="Disk 93 % full: /data", disk=True, labels={"mountpoint": "/data", "rule": "disk_space"},
        advice="Free space, or move old checkpoints elsewhere.",
    ),
    AlertType.TIMEOUT_WARNING: _Story(
        f"{JOB} made no progress for 30m 00s.", state=JobState.RUNNING, fields={"Last step": "4200, 30m 00s ago"},
        advice="Look at the processes with `py-spy dump`; a hung collective keeps GPUs busy without progress.",
    ),
    AlertType.LOSS_ANOMALY: _Story(
        f"The loss of {JOB} is not finite since step 4200.",
        state=JobState.RUNNING, reason="nan_loss", loss=None, evidence=("step 4200/5000 | loss nan",),
    ),
    AlertType.GPU_ERROR: _Story(
        "GPU 3 has fallen off the bus (Xid 79).", state=JobState.RUNNING, gpu=True, labels={"xid": "79"},
        evidence=("NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.",),
        advice="Drain the node and restart it; if it comes back, have the GPU and its power supply looked at.",
        links=(Link("NVIDIA: Xid errors", "https://docs.nvidia.com/deploy/xid-errors/index.html"),),
    ),
    AlertType.GPU_DEGRADED: _Story(
        "GPU 3 slows down for heat: 3 °C below its limit for 5m 00s.", gpu=True, fields={"Temperature": "84 °C"}
    ),
    AlertType.GPU_IDLE: _Story(f"{JOB} holds 4 GPUs that did nothing for 30m 00s.", state=JobState.RUNNING, gpu=True),
    AlertType.CHANNEL_FAILING: _Story(
        "Channel 'ops' cannot deliver: HTTP 401. Its messages wait.",
        title="Channel ops cannot deliver", labels={"channel": "ops"},
        advice="The credential is refused: renew it in the configuration, then reload.",
    ),
    AlertType.AGENT_DEGRADED: _Story(
        "Source 'gpu' has been busy with one look for 42 s.",
        title="Monitoring of gpu is stuck", labels={"component": "gpu"},
    ),
}


def full(alert_type: AlertType, node: str, now: int) -> Alert:
    """The sample of a type with everything that such an alert may hold, as of `now` (UTC milliseconds)."""
    if alert_type in NAMES:
        return replace(report_sample.of(alert_type, node, now), test=True)
    told = _STORIES[alert_type]
    job = None if told.state is None else _job(told, now)
    bare = minimal(alert_type, node, now)
    return Alert(
        id=bare.id,
        type=alert_type,
        fingerprint=bare.fingerprint,
        status=bare.status,
        severity=bare.severity,
        title=told.title or bare.title,
        message=told.message,
        starts_at=now,
        labels={"node": node, **({"job": job.id, "job_name": job.name} if job else {}), **told.labels},
        fields=told.fields,
        job=None if job is None else job_snapshot(job, now),
        gpu=GPU if told.gpu else None,
        disk=DISK if told.disk else None,
        evidence=told.evidence,
        advice=told.advice,
        links=told.links,
        test=True,
        job_id=job.id if job else None,
    )


def minimal(alert_type: AlertType, node: str, now: int) -> Alert:
    """The sample of a type with nothing that may be missing."""
    traits = TYPES[alert_type]
    mark = fingerprint(alert_type, {"node_id": node, "sample": "test"})
    return Alert(
        id=alert_id(now, mark, "test"),
        type=alert_type,
        fingerprint=mark,
        status=Status.FIRING if traits.condition else Status.EVENT,
        severity=traits.severity,
        title=traits.headline,
        message="",
        starts_at=now,
        test=True,
    )


def _job(told: _Story, now: int) -> Job:
    assert told.state is not None
    running = told.state is JobState.RUNNING
    return Job(
        id=mint(JOB),
        keys=(JOB,),
        name=JOB,
        started_at=now - 2 * HOUR - 5 * MINUTE,
        state=told.state,
        reason=told.reason,
        ended_at=None if running else now,
        exit=None if told.end is None else replace(told.end, at=now),
        progress=Progress(told.step, 5000, 2.52, told.loss, 0.55, "transformers"),
        progress_at=now - 2 * SECOND,
        error=told.error,
        model=MODEL,
        held=tuple(HeldGpu(index, f"GPU-{index}", GPU["name"]) for index in range(4)),
    )
