"""What went on in a period, for `explain --between`: attempts, what waited, what fired."""

import sqlite3

from agent.core.clock import DAY
from agent.core.model import Alert, Attempt, Delivery
from agent.store import alerts, deliveries

LONGEST_WAIT = 4 * DAY
"""No delivery lives for longer before it is told or given up."""
LONGEST_EPISODE = 30 * DAY
"""How far before a period the beginning of what ended in it is looked for."""
MOST = 1_000
"""Deliveries of one kind that are looked at."""


def attempts(conn: sqlite3.Connection, since: int, until: int) -> list[tuple[Attempt, Delivery]]:
    """The attempts that began in the period, each with its delivery, in the order of the deliveries."""
    rows = deliveries.select(
        conn,
        "WHERE created_at >= ? AND created_at < ? AND EXISTS (SELECT 1 FROM attempt WHERE delivery_id = delivery.id "
        "AND started_at >= ? AND started_at < ?) ORDER BY seq LIMIT ?",
        since - LONGEST_WAIT, until, since, until, MOST,
    )  # fmt: skip
    return [
        (attempt, row)
        for row in rows
        for attempt in deliveries.attempts(conn, row.id)
        if since <= attempt.started_at < until
    ]


def waiting(conn: sqlite3.Connection, since: int, until: int) -> list[Delivery]:
    """What was owed before the period, and was told or given up after it, or waits still."""
    return deliveries.select(
        conn,
        "WHERE created_at >= ? AND created_at < ? AND (state IN ('queued', 'sending', 'deferred') "
        "OR delivered_at >= ? OR dead_at >= ? OR (state = 'digested' AND EXISTS "
        "(SELECT 1 FROM delivery AS digest WHERE digest.id = delivery.merged_into AND digest.delivered_at >= ?))) "
        "ORDER BY seq LIMIT ?",
        since - LONGEST_WAIT, since, until, until, until, MOST,
    )  # fmt: skip


def lasting(conn: sqlite3.Connection, since: int) -> list[Alert]:
    """What fired before the period began, and still did then."""
    firing = [alert for alert in alerts.firing(conn) if alert.starts_at < since]
    return [*firing, *alerts.outlasting(conn, since - LONGEST_EPISODE, since)]
