"""Forgetting what is old. Open episodes, unsent deliveries and unread events are never touched."""

import json
import sqlite3

from agent.store import events, references

_FOREVER = 1 << 62


def retain(conn: sqlite3.Connection, now: int, retention_ms: int, max_rows: int, batch: int = 500) -> int:
    """Delete a little of what is older than `retention_ms`, or beyond `max_rows` alerts, events or jobs.

    Returns how many were deleted, at most a few times `batch`; call again, in another transaction, until it is 0.
    Deliveries, attempts and decisions go with their alert.
    """
    cutoff = now - retention_ms
    return (
        _alerts(conn, cutoff, max_rows, batch)
        + _events(conn, cutoff, max_rows, batch)
        + _jobs(conn, cutoff, max_rows, batch)
        + references.forget(conn, cutoff, batch)
        + conn.execute("DELETE FROM gpu_hour WHERE hour < ?", (cutoff,)).rowcount
        + conn.execute("DELETE FROM disk_hour WHERE hour < ?", (cutoff,)).rowcount
        + conn.execute("DELETE FROM report_ledger WHERE ends_at < ?", (cutoff,)).rowcount
        + conn.execute("DELETE FROM alive WHERE seen < ?", (cutoff,)).rowcount
        + conn.execute("DELETE FROM silence WHERE ends_at < ?", (cutoff,)).rowcount
    )


def vacuum(conn: sqlite3.Connection, pages: int) -> int:
    """Give up to `pages` free pages (4 KiB each) back to the file system; returns how many were given back."""
    (free,) = conn.execute("PRAGMA freelist_count").fetchone()
    count = min(pages, int(free))
    for _ in range(count):
        conn.execute("PRAGMA incremental_vacuum(1)")  # Python takes one step of the statement, and a step is a page
    return count


def _alerts(conn: sqlite3.Connection, cutoff: int, max_rows: int, batch: int) -> int:
    deleted = _delete_alerts(conn, cutoff, batch)
    (count,) = conn.execute("SELECT count(*) FROM alert").fetchone()
    return deleted + _delete_alerts(conn, _FOREVER, min(batch, max(0, count - max_rows)))


def _delete_alerts(conn: sqlite3.Connection, before: int, limit: int) -> int:
    """Delete the first alerts that ended before `before`, and the ledgers that nobody needs any more."""
    found = conn.execute(
        "SELECT id, fingerprint FROM alert WHERE status <> 'firing' AND starts_at < :before "
        "AND coalesce(ends_at, starts_at) < :before AND NOT EXISTS (SELECT 1 FROM delivery "
        "WHERE alert_id = alert.id AND state IN ('queued', 'sending', 'deferred')) ORDER BY starts_at LIMIT :limit",
        {"before": before, "limit": limit},
    ).fetchall()
    if not found:
        return 0
    ids, fingerprints = (json.dumps(column) for column in zip(*found, strict=True))
    conn.execute("DELETE FROM alert WHERE id IN (SELECT value FROM json_each(?))", (ids,))
    conn.execute(
        "DELETE FROM channel_ledger WHERE fingerprint IN (SELECT value FROM json_each(?)) "
        "AND NOT EXISTS (SELECT 1 FROM alert WHERE alert.fingerprint = channel_ledger.fingerprint)",
        (fingerprints,),
    )
    return len(found)


def _events(conn: sqlite3.Connection, cutoff: int, max_rows: int, batch: int) -> int:
    cursor = events.cursor(conn)
    old = conn.execute(
        "DELETE FROM event WHERE seq IN (SELECT seq FROM event WHERE at < ? AND seq <= ? ORDER BY at LIMIT ?)",
        (cutoff, cursor, batch),
    )
    (count,) = conn.execute("SELECT count(*) FROM event").fetchone()
    beyond = conn.execute(
        "DELETE FROM event WHERE seq IN (SELECT seq FROM event WHERE seq <= ? ORDER BY seq LIMIT ?)",
        (cursor, min(batch, max(0, count - max_rows))),
    )
    return old.rowcount + beyond.rowcount


def _jobs(conn: sqlite3.Connection, cutoff: int, max_rows: int, batch: int) -> int:
    """Ended jobs only; their keys and their curve go with them."""
    (count,) = conn.execute("SELECT count(*) FROM job").fetchone()
    deleted = 0
    for before, limit in ((cutoff, batch), (_FOREVER, min(batch, max(0, count - max_rows)))):
        deleted += conn.execute(
            "DELETE FROM job WHERE id IN "
            "(SELECT id FROM job WHERE ended_at IS NOT NULL AND ended_at < ? ORDER BY ended_at LIMIT ?)",
            (before, limit),
        ).rowcount
    return deleted
