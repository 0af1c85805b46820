"""The sections of `status`: how jobs, channels, disks, sources and logs stand, as JSON. Values in, values out."""

import errno
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence

from agent.core import record, retry
from agent.core.clock import SECOND, Instant
from agent.core.disk import readings
from agent.core.job import Job
from agent.core.model import ChannelState, DeliveryState, Json, Sample
from agent.core.payload import finite, rfc3339
from agent.core.policy.model import Recipient
from agent.core.policy.windows import QuietHours, upcoming
from agent.core.ports import LogHeld, TreeReading
from agent.core.text import strip_controls
from agent.runtime.board import LogSeen
from agent.runtime.health import Health
from agent.runtime.metrics_scrape import latest_progress
from agent.runtime.overview import Overview

FORBIDDEN = os.strerror(errno.EACCES)
REMEDY = "let the user that the agent runs as read the file and enter its folders, for example with setfacl"

REMOVED = "removed"
"""The state of a channel that is not configured any more, but for which something still waits."""


def jobs(running: Iterable[Job], logs: Mapping[str, LogSeen], now: int) -> list[dict[str, Json]]:
    """The running jobs, with the progress that their logs show now."""
    return [_job(job, logs.get(job.log) if job.log else None, now) for job in running]


def channels(known: Overview, recipients: Sequence[Recipient], quiet: QuietHours) -> list[dict[str, Json]]:
    """Every configured channel, then those that are gone while something waits for them."""
    configured = {recipient.name: recipient.type for recipient in recipients}
    waiting = {*(channel for channel, _ in known.lengths), *known.dead}
    gone = dict.fromkeys(sorted(waiting - configured.keys()))
    keep = {recipient.name for recipient in recipients if recipient.quiet_hours}
    ends = {name: record.moment(quiet.until(name, known.at)) for name in keep}
    return [
        {**_channel(name, kind, known), "quiet_until": ends.get(name)}
        for name, kind in {**configured, **gone}.items()
    ]


def quiet_hours(quiet: QuietHours, now: int) -> list[dict[str, Json]]:
    """Every window, with the night that goes on or comes next."""
    nights = [(window.name, upcoming(window, now)) for window in quiet.windows]
    return [
        {
            "name": name,
            "active": night is not None and night.start <= now,
            "starts_at": record.moment(night.start if night else None),
            "ends_at": record.moment(night.end if night else None),
        }
        for name, night in nights
    ]


def disks(samples: Iterable[Sample]) -> list[dict[str, Json]]:
    """The file systems as last measured."""
    return [
        {
            "mountpoint": strip_controls(disk.mountpoint),
            "device": strip_controls(disk.device),
            "fstype": disk.fstype,
            "used_percent": round(disk.used_percent, 1),
            "free_bytes": disk.free_bytes,
            "size_bytes": disk.size_bytes,
            "inodes_used_percent": None if disk.inodes_used_percent is None else round(disk.inodes_used_percent, 1),
            "readonly": disk.readonly,
        }
        for disk in readings(samples)
    ]


def sources(healths: Iterable[Health], now: Instant) -> list[dict[str, Json]]:
    """Every source, with why it sees nothing and what to do, if so."""
    return [_source(health, now) for health in healths if health.source]


def logs(samples: Iterable[Sample], unreadable: Mapping[str, str]) -> dict[str, Json]:
    """How many logs are followed, how far behind the reading is, and which logs cannot be read."""
    values = {sample.name: int(sample.value) for sample in samples if not sample.labels}
    return {
        "followed": values.get("log_files", 0),
        "unread_bytes": values.get("log_lag_bytes", 0),
        "unreadable": [
            {"path": strip_controls(path), "reason": why, "remedy": REMEDY if why == FORBIDDEN else None}
            for path, why in sorted(unreadable.items())
        ],
    }


def processes(
    trees: Iterable[TreeReading], logs: Mapping[str, LogSeen], unreadable: Mapping[str, str]
) -> list[dict[str, Json]]:
    """What runs that trains or might: why it is a job or none, and of each of its logs whether and why it is read.

    {"pid", "name", "job", "because", "processes", "logs": [{"what", "path", "read", "reason"}]}, jobs first.
    """
    ordered = sorted(trees, key=lambda tree: not tree.taken)
    return [
        {
            "pid": tree.pid,
            "name": strip_controls(tree.name),
            "job": tree.taken,
            "because": strip_controls(tree.because),
            "processes": max(1, len(tree.pids)),
            "logs": [_held(log, logs, unreadable) for log in tree.logs],
        }
        for tree in ordered
    ]


def _held(log: LogHeld, logs: Mapping[str, LogSeen], unreadable: Mapping[str, str]) -> dict[str, Json]:
    reason = log.trouble
    if reason is None and log.path is not None and (why := unreadable.get(log.path)) is not None:
        reason = f"{why}: {REMEDY}" if why == FORBIDDEN else why
    read = reason is None and log.path in logs
    return {
        "what": strip_controls(log.what),
        "path": None if log.path is None else strip_controls(log.path),
        "read": read,
        "reason": None if reason is None else strip_controls(reason),
    }


def _job(job: Job, log: LogSeen | None, now: int) -> dict[str, Json]:
    progress, at = latest_progress(job, log)
    return {
        "id": job.id,
        "name": strip_controls(job.name),
        "model": job.model,
        "state": str(job.state),
        "attempt": job.attempt,
        "started_at": rfc3339(job.started_at),
        "step": progress.step,
        "total_steps": progress.total,
        "epoch": finite(progress.epoch),
        "loss": finite(progress.loss),
        "progress_at": record.moment(at),
        "progress_age_seconds": None if at is None else max(0, now - at) / SECOND,
        "log": None if job.log is None else strip_controls(job.log),
    }


def _channel(name: str, kind: str | None, known: Overview) -> dict[str, Json]:
    state = known.channels.get(name, ChannelState(name))
    endless = state.paused_until is not None and state.paused_until >= retry.UNTIL_CHANGED
    paused = retry.paused(state, known.at)
    return {
        "name": name,
        "type": kind,
        "state": REMOVED if kind is None else "paused" if paused else "failing" if state.failing_since else "up",
        "paused_until": record.moment(state.paused_until) if paused and not endless else None,
        "reason": state.reason,
        "detail": state.detail,
        "failures": state.failures,
        "last_success_at": record.moment(state.last_success_at),
        "last_failure_at": record.moment(state.last_failure_at),
        **{str(queue): known.lengths.get((name, queue), 0) for queue in _QUEUES},
        "held": dict(known.held.get(name, {})),
        "dead": known.dead.get(name, 0),
        "oldest_seconds": known.oldest[name] / SECOND if name in known.oldest else None,
    }


_QUEUES = (DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.DEFERRED)


def _source(health: Health, now: Instant) -> dict[str, Json]:
    state, detail = next(_troubles(health, now), ("ok", None))
    return {
        "name": health.name,
        "state": state,
        "detail": detail,
        "interval_seconds": health.interval,
        "last_success_at": record.moment(health.last_success_at),
    }


def _troubles(health: Health, now: Instant) -> Iterator[tuple[str, str | None]]:
    """What is wrong with a source, the most telling first."""
    if health.stuck(now):
        yield "stuck", f"has been busy with one look for {health.running_for(now):.0f} s"
    if health.unavailable is not None:
        yield "unavailable", health.unavailable
    if health.errors:
        often = f" {health.errors} times in a row" if health.errors > 1 else ""
        yield "failing", f"failed{often}: {health.last_error}"
    if health.last_success_at is None:
        yield "starting", None
