"""Digests and their members: rows of the outbox that are held back until the digest that tells them is delivered."""

import sqlite3
from collections.abc import Collection, Mapping

from agent.core.model import Delivery, DeliveryState, Hold
from agent.store import deliveries
from agent.store.rows import dump

POINTERS: Mapping[str, str] = {Hold.GROUPING: "grouped_into", Hold.RATE_LIMIT: "overflow_into"}
"""What the reason of a member becomes when its digest is delivered, by the reason for which it was held."""


def unfinished(conn: sqlite3.Connection) -> dict[str, Delivery]:
    """The digests of all channels that wait or are being sent, by id."""
    found = deliveries.select(
        conn, "INDEXED BY delivery_digest WHERE kind = 'digest' AND state IN ('queued', 'sending')"
    )
    return {row.id: row for row in found}


def members(conn: sqlite3.Connection, digest_id: str) -> list[Delivery]:
    """The deliveries whose news a digest is to tell, in the order of their insertion."""
    return deliveries.select(conn, "WHERE merged_into = ? AND state = 'deferred' ORDER BY seq", digest_id)


def told(conn: sqlite3.Connection, digest_id: str, ids: Collection[str], at: int) -> None:
    """These members have been told by their digest, which was delivered at `at` (UTC milliseconds)."""
    for hold in Hold:
        conn.execute(
            "UPDATE delivery SET state = 'digested', reason = ?, delivered_at = ? "
            "WHERE id IN (SELECT value FROM json_each(?)) AND state = 'deferred' AND reason = ?",
            (f"{POINTERS.get(hold, 'digested_into')}:{digest_id}", at, dump(list(ids)), hold),
        )


def share_the_end(
    conn: sqlite3.Connection, digest_id: str, state: DeliveryState, reason: str | None, at: int
) -> None:  # fmt: skip
    """End what a digest was to tell as it has ended itself: given up, or taken out of the queue."""
    dead_at = at if state is DeliveryState.DEAD else None
    conn.execute(
        "UPDATE delivery SET state = ?, reason = ?, dead_at = ? WHERE merged_into = ? AND state = 'deferred'",
        (state, reason, dead_at, digest_id),
    )


def revive(conn: sqlite3.Connection, digest_ids: Collection[str]) -> None:
    """A person wants dead digests to be tried again: they tell again what died with them."""
    conn.execute(
        "UPDATE delivery SET state = 'deferred', reason = 'outage', dead_at = NULL "
        "WHERE merged_into IN (SELECT value FROM json_each(?)) AND state = 'dead'",
        (dump(list(digest_ids)),),
    )
