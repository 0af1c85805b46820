"""What reports are made of, counted by the database where there may be many, and which periods have been reported."""

import sqlite3
from collections.abc import Iterator

from agent.core.job import Job
from agent.core.model import Alert, AlertType, DeliveryState, Severity, Status
from agent.core.periods import Period
from agent.core.report import MOST_MEMORY, MOST_NOISY, NOISY_FROM, AlertCount, Found
from agent.core.report_channels import DeliveryCount
from agent.store import alerts, disk_hours, gpu_hours, lives
from agent.store.rows import load

_CODE = "CASE instr(reason, ':') WHEN 0 THEN reason ELSE substr(reason, 1, instr(reason, ':') - 1) END"
"""A reason without what it points to."""


def claim(conn: sqlite3.Connection, period: Period, now: int) -> bool:
    """Note that the period's report is made at `now`; False if it was made before."""
    written = conn.execute(
        "INSERT INTO report_ledger (period, ends_at, made_at) VALUES (?, ?, ?) ON CONFLICT (period) DO NOTHING",
        (period.key, period.ends_at, now),
    )
    return written.rowcount > 0


def made(conn: sqlite3.Connection, prefix: str) -> set[str]:
    """The keys of the periods that have been reported and begin with `prefix`."""
    found = conn.execute("SELECT period FROM report_ledger WHERE substr(period, 1, ?) = ?", (len(prefix), prefix))
    return {period for (period,) in found}


def found(conn: sqlite3.Connection, period: Period) -> Found:
    """Everything that the store holds of a period. Its jobs are read while the report is built, one by one."""
    since, until = period.starts_at, period.ends_at
    return Found(
        jobs=_jobs(conn, since, until),
        by_job=gpu_hours.by_job(conn, since, until),
        by_gpu=gpu_hours.by_gpu(conn, since, until),
        alerts=_alerts(conn, since, until),
        noisy=_noisy(conn, since, until),
        firing=[alert for alert in alerts.firing(conn) if alert.starts_at < until],
        memory=_memory(conn, since, until),
        disks=disk_hours.rooms(conn, since, until),
        deliveries=_deliveries(conn, since, until),
        held=_held(conn, since, until),
        lives=lives.between(conn, since, until),
    )


def _jobs(conn: sqlite3.Connection, since: int, until: int) -> Iterator[Job]:
    """The jobs that ended in the period, and those that ran at its end."""
    rows = conn.execute(
        "SELECT id, body FROM job WHERE ended_at >= ? AND started_at < ? "
        "UNION ALL SELECT id, body FROM job WHERE ended_at IS NULL AND started_at < ?",
        (since, until, until),
    )
    return (load(Job, body, f"job {job_id}") for job_id, body in rows)


def _alerts(conn: sqlite3.Connection, since: int, until: int) -> list[AlertCount]:
    rows = conn.execute(
        "SELECT type, severity, status, count(*) FROM alert WHERE starts_at >= ? AND starts_at < ? "
        "AND type NOT IN (?, ?) GROUP BY type, severity, status",
        (since, until, AlertType.DAILY_SUMMARY, AlertType.WEEKLY_DIGEST),
    )
    return [
        AlertCount(AlertType(kind), Severity(severity), Status(status), count) for kind, severity, status, count in rows
    ]


def _noisy(conn: sqlite3.Connection, since: int, until: int) -> list[tuple[int, Alert]]:
    rows = conn.execute(
        "SELECT fingerprint, count(*) AS times FROM alert WHERE starts_at >= ? AND starts_at < ? "
        "GROUP BY fingerprint HAVING times >= ? ORDER BY times DESC, fingerprint LIMIT ?",
        (since, until, NOISY_FROM, MOST_NOISY),
    ).fetchall()
    latest = [
        conn.execute(
            "SELECT id, body FROM alert WHERE fingerprint = ? AND starts_at < ? ORDER BY starts_at DESC LIMIT 1",
            (mark, until),
        ).fetchone()
        for mark, _ in rows
    ]
    return [
        (times, load(Alert, body, f"alert {alert_id}"))
        for (_, times), (alert_id, body) in zip(rows, latest, strict=True)
    ]


def _memory(conn: sqlite3.Connection, since: int, until: int) -> list[Alert]:
    """The latest out-of-memory alerts; each type is one step through its index."""
    rows = [
        row
        for kind in (AlertType.GPU_OOM, AlertType.HOST_OOM)
        for row in conn.execute(
            "SELECT id, body FROM alert WHERE type = ? AND starts_at >= ? AND starts_at < ? "
            "ORDER BY starts_at DESC LIMIT ?",
            (kind, since, until, MOST_MEMORY),
        )
    ]
    found = [load(Alert, body, f"alert {alert_id}") for alert_id, body in rows]
    return sorted(found, key=lambda alert: -alert.starts_at)


def _deliveries(conn: sqlite3.Connection, since: int, until: int) -> list[DeliveryCount]:
    rows = conn.execute(
        f"SELECT channel, channel_type, state, {_CODE} AS code, count(*), sum(attempts > 1) FROM delivery "  # noqa: S608 - constants only
        "WHERE created_at >= ? AND created_at < ? GROUP BY channel, channel_type, state, code",
        (since, until),
    )
    return [
        DeliveryCount(channel, kind, DeliveryState(state), code or "", count, repeated)
        for channel, kind, state, code, count, repeated in rows
    ]


def _held(conn: sqlite3.Connection, since: int, until: int) -> list[tuple[str, str, int]]:
    """What was held back: each notification counts once for each reason."""
    rows = conn.execute(
        f"SELECT channel, {_CODE} AS code, count(DISTINCT alert_id || kind) FROM decision "  # noqa: S608 - constants only
        "WHERE at >= ? AND at < ? AND verdict = 'defer' GROUP BY channel, code ORDER BY 3 DESC",
        (since, until),
    )
    return [(channel or "", code, count) for channel, code, count in rows]
