"""Episodes and one-shot events. At most one episode of a fingerprint is open; the schema itself refuses a second."""

import sqlite3
from collections.abc import Iterable

from agent.core.model import Alert
from agent.core.recurrence import Episode
from agent.store.rows import dump, load

_LAST = "\U0010ffff"
"""Sorts after every other character."""


def save(conn: sqlite3.Connection, alert: Alert) -> None:
    """Store an alert, or its new state. Raises IntegrityError for a second open episode of one fingerprint."""
    conn.execute(
        "INSERT INTO alert (id, fingerprint, type, status, severity, starts_at, ends_at, job_id, body) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET fingerprint = excluded.fingerprint, type = excluded.type, "
        "status = excluded.status, severity = excluded.severity, starts_at = excluded.starts_at, "
        "ends_at = excluded.ends_at, job_id = excluded.job_id, body = excluded.body",
        (
            alert.id, alert.fingerprint, alert.type, alert.status, alert.severity, alert.starts_at, alert.ends_at,
            alert.job_id, dump(alert),
        ),
    )


def get(conn: sqlite3.Connection, alert_id: str) -> Alert | None:
    """Look up one alert by its id."""
    found = _select(conn, "WHERE id = ?", alert_id)
    return found[0] if found else None


def by_ids(conn: sqlite3.Connection, alert_ids: Iterable[str]) -> list[Alert]:
    """The alerts with these ids, the oldest first."""
    where = "WHERE id IN (SELECT value FROM json_each(?)) ORDER BY starts_at, rowid"
    return _select(conn, where, dump(list(alert_ids)))


def open_one_shots(conn: sqlite3.Connection, job_id: str) -> list[Alert]:
    """The one-shot events of a job that nothing has ended, the oldest first."""
    where = "WHERE job_id = ? AND status = 'event' AND ends_at IS NULL ORDER BY starts_at, rowid"
    return _select(conn, where, job_id)


def beginning_with(conn: sqlite3.Connection, prefix: str, limit: int) -> list[Alert]:
    """The first alerts whose id begins with `prefix`, at most `limit`."""
    return _select(conn, "WHERE id >= ? AND id < ? ORDER BY id LIMIT ?", prefix, prefix + _LAST, limit)


def firing(conn: sqlite3.Connection) -> list[Alert]:
    """All open episodes, the oldest first."""
    return _select(conn, "INDEXED BY alert_one_open WHERE status = 'firing' ORDER BY starts_at, rowid")


def recent(conn: sqlite3.Connection, fingerprint: str, since: int) -> list[Alert]:
    """The alerts of one fingerprint that started at or after `since` (UTC milliseconds), the oldest first."""
    return _select(conn, "WHERE fingerprint = ? AND starts_at >= ? ORDER BY starts_at, rowid", fingerprint, since)


def episodes_since(conn: sqlite3.Connection, fingerprints: Iterable[str], since: int) -> dict[str, list[int]]:
    """When the alerts of these fingerprints began, at or after `since` (UTC milliseconds), the oldest first."""
    began: dict[str, list[int]] = {}
    found = conn.execute(
        "SELECT fingerprint, starts_at FROM alert WHERE fingerprint IN (SELECT value FROM json_each(?)) "
        "AND starts_at >= ? ORDER BY starts_at",
        (dump(list(fingerprints)), since),
    )
    for fingerprint, starts_at in found:
        began.setdefault(fingerprint, []).append(starts_at)
    return began


def going_on(conn: sqlite3.Connection, fingerprint: str, since: int) -> list[Episode]:
    """The episodes of a condition that went on at or after `since` (UTC milliseconds), the oldest first.

    No two of them overlap, so at most the last one that began before it did.
    """
    found = conn.execute(
        "SELECT id, starts_at, ends_at FROM alert WHERE fingerprint = :mark AND status <> 'event' AND starts_at >= "
        "coalesce((SELECT max(starts_at) FROM alert WHERE fingerprint = :mark AND starts_at <= :since), :since) "
        "ORDER BY starts_at, rowid",
        {"mark": fingerprint, "since": since},
    )
    return [Episode(*row) for row in found]


def one_shots(conn: sqlite3.Connection, since: int) -> list[Alert]:
    """The one-shot events of any fingerprint at or after `since` (UTC milliseconds), the oldest first."""
    return _select(conn, "WHERE status = 'event' AND starts_at >= ? ORDER BY starts_at, rowid", since)


def outlasting(conn: sqlite3.Connection, earliest: int, since: int) -> list[Alert]:
    """The episodes that began from `earliest` to before `since`, and ended at or after that (UTC milliseconds)."""
    return _select(
        conn,
        "WHERE status = 'resolved' AND starts_at >= ? AND starts_at < ? AND ends_at >= ? ORDER BY starts_at, rowid",
        earliest, since, since,
    )  # fmt: skip


def unsettled(conn: sqlite3.Connection) -> list[Alert]:
    """The alerts that a channel may still be told of: those with a queued, sending or deferred delivery."""
    return _select(
        conn,
        "WHERE id IN (SELECT alert_id FROM delivery WHERE state IN ('queued', 'sending', 'deferred')) "
        "ORDER BY starts_at, rowid",
    )


def _select(conn: sqlite3.Connection, where: str, *values: str | int) -> list[Alert]:
    """`where` is one of the constants above."""
    found = conn.execute(f"SELECT id, body FROM alert {where}", values)  # noqa: S608 - no outside text in it
    return [load(Alert, body, f"alert {alert_id}") for alert_id, body in found]
