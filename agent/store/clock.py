"""After the clock was set back: no stored time may lie further ahead than its own span, or it would hold for days."""

import sqlite3

from agent.core.model import Json
from agent.core.retry import PAUSE_CAP, UNTIL_CHANGED
from agent.store import meta

SET_AT = "clock.set_at"
"""Under which `meta` keeps when the clock was last set, by the new time."""


def clamp(conn: sqlite3.Connection, now: int) -> None:
    """Bring times that lie ahead of `now` (UTC milliseconds) back to it, and waits to their longest."""
    given = {"now": now, "longest": now + PAUSE_CAP, "endless": UNTIL_CHANGED}
    conn.execute(
        "UPDATE channel_ledger SET last_accepted_at = min(last_accepted_at, :now), "
        "last_fired_at = min(last_fired_at, :now) WHERE last_accepted_at > :now OR last_fired_at > :now",
        given,
    )
    conn.execute(
        "UPDATE delivery SET next_at = min(next_at, :longest), created_at = min(created_at, :now) "
        "WHERE state = 'queued' AND (next_at > :longest OR created_at > :now)",
        given,
    )
    conn.execute("UPDATE delivery SET created_at = :now WHERE state = 'deferred' AND created_at > :now", given)
    conn.execute(
        "UPDATE channel_state SET paused_until = :longest WHERE paused_until > :longest AND paused_until < :endless",
        given,
    )
    conn.execute("UPDATE channel_state SET failing_since = :now WHERE failing_since > :now", given)
    conn.execute("UPDATE bucket SET updated_at = :now WHERE updated_at > :now", given)
    conn.execute("UPDATE message_group SET told_at = :now WHERE told_at > :now", given)


def note_set(conn: sqlite3.Connection, now: int) -> None:
    """Remember that the clock was set to `now`."""
    meta.put(conn, SET_AT, now)
    clamp(conn, now)


def set_lately(conn: sqlite3.Connection, now: int, within: int) -> bool:
    """Whether the clock was set within so many milliseconds."""
    at: Json = meta.get(conn, SET_AT)
    return at is not None and 0 <= now - int(at) < within
