"""Alerts with what became of them on each channel, newest first: fast on a million alerts with any one filter."""

import sqlite3

from agent.core.model import Alert, AlertType, Delivery
from agent.store import deliveries
from agent.store.rows import load

_FOREVER = 1 << 62
"""Later than any time in milliseconds."""

_TOLD = (
    "id IN (SELECT alert_id FROM (SELECT DISTINCT alert_starts_at, alert_id FROM delivery "
    "WHERE channel = :channel AND alert_starts_at >= :since AND alert_starts_at < :until "
    "ORDER BY alert_starts_at DESC, alert_id DESC LIMIT :limit))"
)
"""The newest alerts of a channel, from one index alone."""
_ALSO_TOLD = (
    "EXISTS (SELECT 1 FROM delivery "
    "WHERE channel = :channel AND alert_starts_at = alert.starts_at AND alert_id = alert.id)"
)
"""The same as a question to each alert that another filter leaves, answered by the same index."""


def page(
    conn: sqlite3.Connection, *, since: int, until: int | None = None, type: AlertType | None = None,  # noqa: A002 - the name that callers use
    job: str | None = None, channel: str | None = None, limit: int,
) -> list[tuple[Alert, list[Delivery]]]:
    """The newest `limit` alerts that started from `since` to before `until` (UTC milliseconds), with deliveries.

    `job` is a job's id. With `channel` only alerts with a delivery there are shown, but with all their deliveries.
    """
    filters = ["starts_at >= :since", "starts_at < :until"]
    if type is not None:
        filters.append("type = :type")
    if job is not None:
        filters.append("job_id = :job")
    if channel is not None:
        filters.append(_TOLD if type is None and job is None else _ALSO_TOLD)
    found = conn.execute(
        f"SELECT id, body FROM alert WHERE {' AND '.join(filters)} "  # noqa: S608 - constants only
        "ORDER BY starts_at DESC, id DESC LIMIT :limit",
        {
            "since": since, "until": _FOREVER if until is None else until, "type": type, "job": job,
            "channel": channel, "limit": limit,
        },
    )
    return _with_deliveries(conn, [load(Alert, body, f"alert {alert_id}") for alert_id, body in found])


def _with_deliveries(conn: sqlite3.Connection, alerts: list[Alert]) -> list[tuple[Alert, list[Delivery]]]:
    rows: dict[str, list[Delivery]] = {alert.id: [] for alert in alerts}
    for delivery in deliveries.of_alerts(conn, rows):
        rows[delivery.alert_id].append(delivery)
    return [(alert, rows[alert.id]) for alert in alerts]
