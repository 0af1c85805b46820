"""What waits and what is dead, counted and listed, and what a person may do about it. Nothing is ever erased here."""

import sqlite3
from collections.abc import Collection

from agent.core.model import Delivery, DeliveryState, Hold, NotificationKind
from agent.core.policy.owed import DROPPED
from agent.store import deliveries, digests
from agent.store.rows import dump


def lengths(conn: sqlite3.Connection) -> list[tuple[str, DeliveryState, int]]:
    """How many rows are open, by channel and state; pairs without any are left out."""
    found = conn.execute(
        "SELECT channel, state, count(*) FROM delivery INDEXED BY delivery_line "  # else it walks all the history
        "WHERE state IN ('queued', 'sending', 'deferred') GROUP BY channel, state"
    )
    return [(channel, DeliveryState(state), count) for channel, state, count in found]


def held(conn: sqlite3.Connection) -> dict[str, dict[str, int]]:
    """How many rows of each channel are held back, by reason; channels without any are left out."""
    counts: dict[str, dict[str, int]] = {}
    found = conn.execute(
        "SELECT channel, coalesce(reason, 'other'), count(*) FROM delivery INDEXED BY delivery_line "
        "WHERE state IN ('queued', 'sending', 'deferred') AND state = 'deferred' GROUP BY channel, reason"
    )
    for channel, reason, count in found:
        counts.setdefault(channel, {})[reason] = count
    return counts


def oldest(conn: sqlite3.Connection, now: int) -> dict[str, int]:
    """The age in milliseconds of each channel's oldest row that should be sent; deferred rows wait on purpose."""
    found = conn.execute(
        "SELECT channel, min(created_at) FROM delivery WHERE state IN ('queued', 'sending') GROUP BY channel"
    )
    return {channel: max(0, now - created_at) for channel, created_at in found}


def dead_counts(conn: sqlite3.Connection) -> dict[str, int]:
    """How many dead rows each channel has; channels without any are left out."""
    return dict(conn.execute("SELECT channel, count(*) FROM delivery WHERE state = 'dead' GROUP BY channel"))


def dead_since(conn: sqlite3.Connection, since: int) -> dict[str, int]:
    """How many rows of each channel died at or after `since` (UTC milliseconds) and are dead still."""
    return dict(
        conn.execute(
            "SELECT channel, count(*) FROM delivery WHERE state = 'dead' AND dead_at >= ? GROUP BY channel", (since,)
        )
    )


def listed(conn: sqlite3.Connection, limit: int) -> list[Delivery]:
    """The rows that wait or are dead, in the order of their insertion."""
    return deliveries.select(
        conn,
        "WHERE seq IN (SELECT seq FROM delivery WHERE state IN ('queued', 'sending', 'deferred') "
        "UNION ALL SELECT seq FROM delivery WHERE state = 'dead') ORDER BY seq LIMIT ?",
        limit,
    )


def requeue(conn: sqlite3.Connection, ids: Collection[str] | None, now: int) -> int:
    """Make these rows, or without `ids` all that are queued or dead, due at once; returns how many it applied to.

    Attempts keep counting. A dead row begins a new life, or age would end it again; what died with a digest is told by
    it again. What is being sent, held on purpose or finished well is left alone.
    """
    chosen = "" if ids is None else "AND id IN (SELECT value FROM json_each(:ids))"
    values = {"now": now, "ids": None if ids is None else dump(list(ids))}
    waiting = conn.execute(
        f"UPDATE delivery SET reason = NULL, next_at = :now WHERE state = 'queued' {chosen}",  # noqa: S608 - constants
        values,
    )
    dead = conn.execute(
        "SELECT id, kind FROM delivery WHERE state = 'dead' AND (merged_into IS NULL OR :ids IS NOT NULL) "  # noqa: S608 - as above
        f"{chosen}",
        values,
    ).fetchall()
    conn.execute(
        "UPDATE delivery SET state = 'queued', reason = NULL, next_at = :now, created_at = :now, merged_into = NULL "
        "WHERE id IN (SELECT value FROM json_each(:ids))",
        {"now": now, "ids": dump([row_id for row_id, _ in dead])},
    )
    digests.revive(conn, [row_id for row_id, kind in dead if kind == NotificationKind.DIGEST])
    return waiting.rowcount + len(dead)


def hasten(conn: sqlite3.Connection, channel: str, now: int) -> int:
    """Make what waits for one channel due at once, but for what waits for morning; returns how many rows that were."""
    return conn.execute(
        "UPDATE delivery SET next_at = :now WHERE channel = :channel AND state = 'queued' AND next_at > :now "
        "AND reason IS NOT :quiet",
        {"channel": channel, "now": now, "quiet": Hold.QUIET_HOURS},
    ).rowcount


def drop(conn: sqlite3.Connection, ids: Collection[str]) -> int:
    """Take these rows out of the queue; they stay in the history with the reason. What a
    digest was to tell goes with it. Returns how many it applied to.
    """
    return conn.execute(
        "UPDATE delivery SET state = 'suppressed', reason = ?1 "
        "WHERE (id IN (SELECT value FROM json_each(?2)) OR merged_into IN (SELECT value FROM json_each(?2))) "
        "AND state IN ('queued', 'deferred', 'dead')",
        (DROPPED, dump(list(ids))),
    ).rowcount
