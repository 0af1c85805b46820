"""Fills the store of a daemon that does not run: realistic alerts, many of them, faster than one by one."""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path

from agent.core import samples
from agent.core.clock import DAY, HOUR
from agent.core.codec import encode
from agent.core.facts import FindingKind, LogFinding, Progress, Role
from agent.core.job import Incident, Job, JobState
from agent.core.model import Alert, AlertType, Delivery, DeliveryState, Json, NotificationKind, Severity, Status
from agent.core.policy.identity import alert_id, delivery_id, fingerprint, notification_id
from agent.store import alerts, jobs, outbox
from agent.store.directory import StateDirectory

NODE = "bench"
PAGE = 20_000
"""Rows written at once."""
TYPES = (
    AlertType.DISK_WARNING, AlertType.JOB_FAILED, AlertType.GPU_OOM, AlertType.JOB_COMPLETED, AlertType.GPU_ERROR,
)  # fmt: skip
ALERTS_A_JOB = 20
PAGER_EVERY = 9
"""Which alerts are told to a second channel."""

_ALERT = "INSERT INTO alert VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_DELIVERY = (
    "INSERT INTO delivery (id, notification_id, alert_id, alert_starts_at, fingerprint, channel, channel_type, kind, "
    "sequence, severity, state, created_at, next_at, attempts, delivered_at, snapshot) "
    "VALUES (?, ?, ?, ?, ?, ?, 'webhook', 'fired', 0, ?, 'delivered', ?, ?, 1, ?, ?)"
)


def now() -> int:
    """UTC milliseconds."""
    return time.time_ns() // 1_000_000


def job(number: int) -> str:
    """The id of a job that alerts are about."""
    return f"job-{number:012d}"


def queue(state: Path, channel: str, count: int) -> None:
    """Queue so many notifications to a webhook, each about an alert of its own."""
    directory = StateDirectory.take(state)
    directory.open(now())

    def body(conn: sqlite3.Connection) -> None:
        for number in range(count):
            alert = _alert(AlertType.JOB_FAILED, number, now())
            alerts.save(conn, alert)
            outbox.insert(conn, _delivery(alert, channel))

    with directory.connect() as database:
        database.write(body)
    directory.close()


def history(state: Path, count: int, say: Callable[[str], None], days: int = 90) -> Path:
    """Store so many alerts of the last days, all delivered; returns the database."""
    directory = StateDirectory.take(state)
    directory.open(now())
    conn = sqlite3.connect(directory.database, isolation_level=None)
    conn.execute("PRAGMA synchronous = OFF")  # nobody minds losing this store
    indexes = _without_indexes(conn)
    pages = zip(range(0, count, PAGE), _pages(count, days), strict=True)
    for done, (alerts_, deliveries) in pages:
        say(f"storing alerts: {done:,} of {count:,}")
        conn.execute("BEGIN")
        conn.executemany(_ALERT, alerts_)
        conn.executemany(_DELIVERY, deliveries)
        conn.execute("COMMIT")
    say("building the indexes")
    for sql in indexes:
        conn.execute(sql)
    conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    conn.close()
    directory.close()
    return directory.database


def month(state: Path, count: int, runs: int, days: int, say: Callable[[str], None]) -> Path:
    """Store so many alerts of the last days, and so many runs that ended in them; returns the database."""
    path = history(state, count, say, days)
    with sqlite3.connect(path) as conn:
        for number in range(runs):
            ended = now() - days * DAY * number // runs - 1
            jobs.save(conn, _run(number, ended))
    conn.close()
    return path


def _run(number: int, ended: int) -> Job:
    """A run with all that a failure leaves behind."""
    line = LogFinding(
        "/logs/run.log", "2049:77", 100, "torch_oom", FindingKind.GPU_OOM, Role.ROOT, Severity.CRITICAL, "x" * 300,
        context=("y" * 200,) * 10,
    )  # fmt: skip
    incident = Incident(ended - 1, 90, (line,) * 5, (ended - 1,) * 5)
    return Job(
        job(number), (f"run-{number}",), f"run-{number}", ended - HOUR, state=JobState.FAILED, reason="gpu_oom",
        ended_at=ended, progress=Progress(90, 100, loss=0.25), incident=incident, error="x" * 200,
    )  # fmt: skip


def _without_indexes(conn: sqlite3.Connection) -> list[str]:
    """Drop the indexes; returns what makes them again, which is quicker than keeping them up all the time."""
    found = conn.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL").fetchall()
    for name, _ in found:
        conn.execute(f"DROP INDEX {name}")
    return [sql for _, sql in found]


def _pages(count: int, days: int) -> Iterator[tuple[list[tuple[Json, ...]], list[tuple[Json, ...]]]]:
    """Rows of alerts and of deliveries, some thousands at a time."""
    began, ended = now() - days * DAY, now()
    templates = {kind: encode(replace(_alert(kind, 0, ended), status=_status(kind), ends_at=ended)) for kind in TYPES}
    rows = zip(range(count), cycle(templates.items()))
    while page := list(islice(rows, PAGE)):
        told: list[tuple[Json, ...]] = []
        sent: list[tuple[Json, ...]] = []
        for number, (kind, template) in page:
            at = began + (ended - began) * number // count
            row = _alert_row(kind, template, number, at)
            told.append(row)
            sent += _delivery_rows(row, number, at)
        yield told, sent


def _status(kind: AlertType) -> Status:
    return Status.RESOLVED if kind is AlertType.DISK_WARNING else Status.EVENT


def _alert_row(kind: AlertType, template: dict[str, Json], number: int, at: int) -> tuple[Json, ...]:
    mark = fingerprint(kind, {"n": str(number)})
    identity = alert_id(at, mark, "bench")
    about = None if kind is AlertType.DISK_WARNING else job(number // ALERTS_A_JOB)
    body = template | {"id": identity, "fingerprint": mark, "starts_at": at, "ends_at": at, "job_id": about}
    text = json.dumps(body, separators=(",", ":"))
    return identity, mark, kind, body["status"], body["severity"], at, at, about, text


def _delivery_rows(alert: tuple[Json, ...], number: int, at: int) -> Iterator[tuple[Json, ...]]:
    identity, mark, severity, text = alert[0], alert[1], alert[4], alert[8]
    notification = notification_id(identity, NotificationKind.FIRED, 0)
    for channel in ("ops", "pager") if number % PAGER_EVERY == 0 else ("ops",):
        row_id = delivery_id(notification, channel)
        yield row_id, notification, identity, at, mark, channel, severity, at, at, at + 150, text


def _alert(kind: AlertType, number: int, at: int) -> Alert:
    mark = fingerprint(kind, {"n": str(number)})
    return replace(samples.full(kind, NODE, at), id=alert_id(at, mark, "bench"), fingerprint=mark)


def _delivery(alert: Alert, channel: str) -> Delivery:
    notification = notification_id(alert.id, NotificationKind.FIRED, 0)
    return Delivery(
        id=delivery_id(notification, channel), notification_id=notification, alert_id=alert.id,
        fingerprint=alert.fingerprint, channel=channel, channel_type="webhook", kind=NotificationKind.FIRED, sequence=0,
        severity=alert.severity, state=DeliveryState.QUEUED, reason=None, created_at=alert.starts_at,
        next_at=alert.starts_at, snapshot=alert,
    )  # fmt: skip
