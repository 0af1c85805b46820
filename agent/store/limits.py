"""How much each channel may still be sent, and when each group was last told of: what no restart may reset."""

import sqlite3
from collections.abc import Mapping

from agent.core.clock import DAY
from agent.core.policy.bucket import Bucket
from agent.core.policy.model import Group


def buckets(conn: sqlite3.Connection) -> dict[str, Bucket]:
    """The token bucket of every channel that was ever limited."""
    found = conn.execute("SELECT channel, tokens, updated_at FROM bucket")
    return {channel: Bucket(tokens, updated_at) for channel, tokens, updated_at in found}


def save_buckets(conn: sqlite3.Connection, found: Mapping[str, Bucket]) -> None:
    """Store buckets in place of the former ones."""
    conn.executemany(
        "INSERT INTO bucket (channel, tokens, updated_at) VALUES (?, ?, ?) ON CONFLICT (channel) DO UPDATE SET "
        "tokens = excluded.tokens, updated_at = excluded.updated_at",
        [(channel, bucket.tokens, bucket.updated_at) for channel, bucket in found.items()],
    )


def groups(conn: sqlite3.Connection) -> dict[Group, int]:
    """When each group was last told of, UTC milliseconds."""
    found = conn.execute("SELECT channel, key, told_at FROM message_group")
    return {(channel, key): told_at for channel, key, told_at in found}


def save_groups(conn: sqlite3.Connection, told: Mapping[Group, int]) -> None:
    """Store when groups were told of; those that were told of a day earlier are forgotten."""
    conn.executemany(
        "INSERT INTO message_group (channel, key, told_at) VALUES (?, ?, ?) ON CONFLICT (channel, key) DO UPDATE SET "
        "told_at = excluded.told_at",
        [(*group, at) for group, at in told.items()],
    )
    if told:
        conn.execute("DELETE FROM message_group WHERE told_at < ?", (max(told.values()) - DAY,))
