"""What a report tells of a period, as one JSON object: rows of the store in, the object out.

Unknown is null. Times are RFC 3339, lengths in seconds, hours of GPUs in hours. Every list is bounded, so that a report
of a busy month is not longer than that of a busy day; how many more there are is said. The whole is bounded too: it
travels within an alert.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from agent.core import report_channels
from agent.core.bounded import shortened
from agent.core.clock import HOUR, SECOND
from agent.core.disk_past import Room, full_in
from agent.core.gpu_usage import Usage
from agent.core.job import HeldGpu, Job, JobState
from agent.core.lives import Span, gaps
from agent.core.model import Alert, AlertType, Json, Severity, Status
from agent.core.payload import finite, rfc3339
from agent.core.periods import Period
from agent.core.report_channels import DeliveryCount, Held
from agent.core.text import cut

MOST_JOBS, MOST_GPUS, MOST_DISKS, MOST_FIRING, MOST_NOISY, MOST_MEMORY, MOST_GAPS = 20, 16, 16, 10, 5, 10, 10
NOISY_FROM = 3
"""Alerts of one condition in a period that count as noise."""
LATE = 10 * 60 * SECOND
"""A report made this long after it was due says so."""
JOULES_A_KWH = 3_600_000
TEXT = 160
"""Characters of one text in a report."""
LIMIT = 40 * 1024
"""Bytes of a report as it is stored. Only where texts of many bytes a character fill its lists, they are cut for it."""


@dataclass(frozen=True, slots=True)
class AlertCount:
    """How many alerts of one type, severity and status began in the period."""

    type: AlertType
    severity: Severity
    status: Status
    count: int


@dataclass(frozen=True, slots=True)
class Found:
    """What the store holds of a period."""

    jobs: Iterable[Job]
    """Those that ended in it, or were still running at its end; read once."""
    by_job: Mapping[str, Usage] = field(default_factory=dict)
    by_gpu: Mapping[str, Usage] = field(default_factory=dict)
    alerts: Sequence[AlertCount] = ()
    noisy: Sequence[tuple[int, Alert]] = ()
    """The conditions that fired most often: how often, and the latest alert."""
    firing: Sequence[Alert] = ()
    """Alerts that began before its end and fire still."""
    memory: Sequence[Alert] = ()
    """Out-of-memory alerts, the newest first, not all of them."""
    disks: Mapping[str, Sequence[tuple[float, Room]]] = field(default_factory=dict)
    deliveries: Sequence[DeliveryCount] = ()
    held: Sequence[Held] = ()
    lives: Sequence[Span] = ()


def build(period: Period, found: Found, *, node: str, zone: str, made_at: int) -> dict[str, Json]:
    """Put a report together; `zone` names the zone in which its days count."""
    late = made_at - period.due_at
    known: dict[str, HeldGpu] = {}
    channels, left_out = report_channels.channels(found.deliveries), list(report_channels.left_out(found.deliveries))
    made: dict[str, Json] = {
        "report": str(period.type),
        "period": period.key,
        "node": node,
        "timezone": zone,
        "starts_at": rfc3339(period.starts_at),
        "ends_at": rfc3339(period.ends_at),
        "hours": round((period.ends_at - period.starts_at) / HOUR, 2),
        "made_at": rfc3339(made_at),
        "late_seconds": late // SECOND if late > LATE else None,
        "jobs": _jobs(found, period, known),
        "gpus": _gpus(found.by_gpu, known),
        "alerts": _alerts(found),
        "out_of_memory": _memory(found),
        "disks": [_disk(mountpoint, looks) for mountpoint, looks in _fullest(found.disks)],
        "channels": report_channels.most_telling(channels),
        "held": report_channels.reasons(found.held),
        "left_out": report_channels.reasons(left_out),
        "agent": _agent(found.lives, period),
    }
    whole = {"disks": found.disks, "channels": channels, "held": found.held, "left_out": left_out}
    made["more"] = {name: len(all_of) - len(made[name]) for name, all_of in whole.items()}
    fitting: dict[str, Json] = shortened(made, LIMIT)
    return fitting


def _jobs(found: Found, period: Period, known: dict[str, HeldGpu]) -> Json:
    """Outcomes counted, and the jobs that tell most: failures first, then the longest. Fills the GPUs `known`."""
    counts: Counter[JobState] = Counter()
    seconds: Counter[JobState] = Counter()
    listed: list[tuple[bool, float, dict[str, Json]]] = []
    for job in found.jobs:
        known |= {gpu.uuid: gpu for gpu in job.held}
        outcome = _outcome(job, period)
        took = max(0, min(job.ended_at or period.ends_at, period.ends_at) - job.started_at) / SECOND
        counts[outcome] += 1
        seconds[outcome] += round(took)
        listed.append((outcome is JobState.FAILED, took, _job(job, outcome, took, found.by_job.get(job.id))))
        if len(listed) > 2 * MOST_JOBS:
            listed = _most_telling(listed)
    return {
        "outcomes": [
            {"outcome": str(state), "count": counts[state], "seconds": seconds[state]}
            for state in JobState if counts[state]
        ],
        "gpu_hours": _hours(sum(usage.held for usage in found.by_job.values())) if found.by_gpu else None,
        "listed": [job for _, _, job in _most_telling(listed)],
        "more": max(0, counts.total() - MOST_JOBS),
    }


def _outcome(job: Job, period: Period) -> JobState:
    ended = job.ended_at is not None and job.ended_at < period.ends_at
    return job.state if ended else JobState.RUNNING


def _most_telling(listed: list[tuple[bool, float, dict[str, Json]]]) -> list[tuple[bool, float, dict[str, Json]]]:
    return sorted(listed, key=lambda item: item[:2], reverse=True)[:MOST_JOBS]


def _job(job: Job, outcome: JobState, took: float, usage: Usage | None) -> dict[str, Json]:
    progress = job.progress
    return {
        "id": job.id,
        "name": cut(job.name, TEXT),
        "outcome": str(outcome),
        "reason": job.reason,
        "duration_seconds": round(took),
        "loss": finite(progress.loss),
        "step": progress.step,
        "total_steps": progress.total,
        "gpu_hours": None if usage is None else _hours(usage.held),
    }


def _gpus(by_gpu: Mapping[str, Usage], known: Mapping[str, HeldGpu]) -> Json:
    """The node's GPUs together and one by one; null where nobody looked. Jobs tell which GPU has which number."""
    if not by_gpu:
        return None
    ranked = sorted(by_gpu.items(), key=lambda item: -item[1].held)
    whole = sum((usage for _, usage in ranked), Usage())
    each = [{**_gpu(uuid, known.get(uuid)), **_usage(usage)} for uuid, usage in ranked[:MOST_GPUS]]
    return {**_usage(whole), "each": each, "more": max(0, len(ranked) - MOST_GPUS)}


def _gpu(uuid: str, seen: HeldGpu | None) -> dict[str, Json]:
    return {"uuid": uuid, "index": seen.index if seen else None, "name": cut(seen.name, TEXT) if seen else None}


def _usage(usage: Usage) -> dict[str, Json]:
    used = usage.utilization
    return {
        "seen_hours": _hours(usage.seen),
        "held_hours": _hours(usage.held),
        "used_percent": None if used is None else round(100 * used, 1),
        "idle_percent": round(100 * usage.idle / usage.held, 1) if usage.held else None,
        "energy_kwh": None if usage.energy is None else round(usage.energy / JOULES_A_KWH, 2),
        "memory_peak_bytes": usage.memory_peak,
    }


def _hours(seconds: float) -> float:
    return round(seconds * SECOND / HOUR, 2)


def _alerts(found: Found) -> Json:
    types: dict[AlertType, Counter[str]] = {}
    for item in found.alerts:
        counted = types.setdefault(item.type, Counter())
        counted["count"] += item.count
        counted["critical"] += item.count * (item.severity is Severity.CRITICAL)
        counted["firing"] += item.count * (item.status is Status.FIRING)
    ranked = sorted(types.items(), key=lambda item: -item[1]["count"])
    return {
        "total": sum(counted["count"] for counted in types.values()),
        "critical": sum(counted["critical"] for counted in types.values()),
        "by_type": [
            {"type": str(kind), **{key: counted[key] for key in ("count", "critical", "firing")}}
            for kind, counted in ranked
        ],
        "still_firing": [_firing(alert) for alert in found.firing[:MOST_FIRING]],
        "noisy": [
            {"title": cut(alert.title, TEXT), "type": str(alert.type), "count": count, "alert_id": alert.id}
            for count, alert in found.noisy[:MOST_NOISY]
        ],
    }


def _firing(alert: Alert) -> dict[str, Json]:
    return {
        "title": cut(alert.title, TEXT),
        "type": str(alert.type),
        "severity": str(alert.severity),
        "starts_at": rfc3339(alert.starts_at),
        "alert_id": alert.id,
    }


def _memory(found: Found) -> Json:
    kinds = {AlertType.GPU_OOM, AlertType.HOST_OOM}
    return {
        "total": sum(item.count for item in found.alerts if item.type in kinds),
        "listed": [_out_of_memory(alert) for alert in found.memory[:MOST_MEMORY]],
    }


def _out_of_memory(alert: Alert) -> dict[str, Json]:
    job = alert.job or {}
    cause = job.get("error") or alert.message or alert.title
    return {
        "at": rfc3339(alert.starts_at),
        "type": str(alert.type),
        "job": cut(str(job.get("name") or alert.job_id or ""), TEXT) or None,
        "cause": cut(" ".join(str(cause).split()), TEXT),
        "advice": cut(alert.advice, TEXT) if alert.advice else None,
        "alert_id": alert.id,
    }


def _fullest(disks: Mapping[str, Sequence[tuple[float, Room]]]) -> list[tuple[str, Sequence[tuple[float, Room]]]]:
    return sorted(disks.items(), key=lambda item: -item[1][-1][0])[:MOST_DISKS]


def _disk(mountpoint: str, looks: Sequence[tuple[float, Room]]) -> dict[str, Json]:
    """How full it was at the end of the period, how much that is more than at its beginning, and what follows."""
    used, room = looks[-1]
    ahead = full_in([room for _, room in looks], room.avail)
    return {
        "mountpoint": cut(mountpoint, TEXT),
        "used_percent": round(used, 1),
        "change_percent": round(used - looks[0][0], 1),
        "free_bytes": int(room.avail),
        "full_in_seconds": None if ahead is None else round(ahead),
    }


def _agent(lives: Sequence[Span], period: Period) -> Json:
    """When no agent looked. Nothing is said of the time before the first one."""
    since = max(period.starts_at, lives[0][0]) if lives else period.ends_at
    down = list(gaps(lives, since, period.ends_at))
    return {
        "watched_from": rfc3339(since),
        "down_seconds": sum(until - begin for begin, until in down) // SECOND,
        "down": [{"from": rfc3339(begin), "until": rfc3339(until)} for begin, until in down[:MOST_GAPS]],
    }
