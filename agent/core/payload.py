"""The body that programs receive: the contract's object for an alert, with every key always present.

Values are passed on as they are known: unknown is null, and so is a number that is not finite, which JSON cannot hold.
The texts in it are only as clean as those of the alert it is given (`core.message.presentable`).
"""

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from agent.core.job import Job
from agent.core.model import TYPES, Alert, Json, NotificationKind

JOB_KEYS = (
    "id", "attempt", "name", "model", "framework", "state", "reason", "verified", "error", "started_at",
    "duration_seconds", "step", "total_steps", "epoch", "loss", "exit_code", "signal", "gpus", "user",
)  # fmt: skip
GPU_KEYS = ("index", "uuid", "name")
DISK_KEYS = ("mountpoint", "used_percent", "free_bytes", "full_in_seconds")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rfc3339(milliseconds: int) -> str:
    """Write UTC milliseconds as `2026-03-28T02:14:00.000Z`."""
    moment = _EPOCH + timedelta(milliseconds=milliseconds)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def payload(alert: Alert, *, kind: NotificationKind, reason: str, sent_at: int) -> dict[str, Json]:
    """Build the webhook's body for one notification; `timestamp` is when what it tells happened."""
    return {
        "type": str(alert.type),
        "timestamp": rfc3339(_happened(alert, kind, sent_at)),
        "data": data(alert, reason=reason, test=kind is NotificationKind.TEST),
    }


def digest(members: Iterable[Alert], left_out: int, *, reason: str, sent_at: int) -> dict[str, Json]:
    """Build the webhook's body for a digest: its alerts, and how many more there are."""
    shown = [data(alert, reason=reason) for alert in members]
    return {"type": "digest", "timestamp": rfc3339(sent_at), "data": {"alerts": shown, "truncated": left_out}}


def data(alert: Alert, *, reason: str, test: bool = False) -> dict[str, Json]:
    """Build the `data` object alone, as the history prints it too."""
    return {
        "id": alert.id,
        "status": str(alert.status),
        "severity": str(alert.severity),
        "notification_reason": reason,
        "title": alert.title or TYPES[alert.type].headline,
        "message": alert.message,
        "node": alert.labels.get("node"),
        "labels": dict(alert.labels),
        "fingerprint": alert.fingerprint,
        "starts_at": rfc3339(alert.starts_at),
        "ends_at": None if alert.ends_at is None else rfc3339(alert.ends_at),
        "job": _only(JOB_KEYS, alert.job),
        "gpu": _only(GPU_KEYS, alert.gpu),
        "disk": _only(DISK_KEYS, alert.disk),
        "evidence": list(alert.evidence),
        "advice": alert.advice,
        "links": [{"text": link.text, "url": link.url} for link in alert.links],
        "test": alert.test or test,
        **({} if alert.report is None else {"report": finite(alert.report)}),
    }


def job_snapshot(job: Job, now: int) -> dict[str, Json]:
    """Build the contract's `job` object as of `now` (UTC milliseconds), with the command line where that is known."""
    progress, end = job.progress, job.exit
    return {
        "id": job.id,
        "attempt": job.attempt,
        "name": job.name,
        "model": job.model,
        "framework": progress.framework,
        "state": str(job.state),
        "reason": job.reason,
        "verified": job.verified,
        "error": job.error,
        "started_at": rfc3339(job.started_at),
        "duration_seconds": max(0, (now if job.ended_at is None else job.ended_at) - job.started_at) / 1000,
        "step": progress.step,
        "total_steps": progress.total,
        "epoch": finite(progress.epoch),
        "loss": finite(progress.loss),
        "exit_code": None if end is None else end.code,
        "signal": None if end is None else end.signal,
        "gpus": [gpu.index for gpu in job.held] or None,
        "user": job.user,
        **({} if job.command is None else {"command": job.command}),
    }


def finite(value: Json) -> Json:
    """Replace every number that is not finite by None, at any depth."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return value


def _only(keys: Iterable[str], found: Mapping[str, Json] | None) -> dict[str, Json] | None:
    return None if found is None else {key: finite(found.get(key)) for key in keys}


def _happened(alert: Alert, kind: NotificationKind, sent_at: int) -> int:
    if alert.ends_at is not None:
        return alert.ends_at
    return alert.starts_at if kind is NotificationKind.FIRED else sent_at
