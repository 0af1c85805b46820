"""The outbox: deliveries go in with the decision that made them, are claimed with a lease, and settled once.

A row is on its way while `sending`; whoever holds its lease alone may say what became of it.
"""

import sqlite3
from dataclasses import dataclass

from agent.core.model import Delivery, DeliveryState
from agent.store import deliveries
from agent.store.errors import Undecodable
from agent.store.rows import dump, printable

UNDECODABLE = "undecodable"
"""The reason of a dead row whose alert this version cannot read."""

# A lease that ends later than this many of its lengths from now was given before the clock was set back.
_LEASES_AHEAD = 2

# True for the rows that wait behind an unfinished one of the same fingerprint on the same channel. What is held back
# lets others pass, unless a digest is about to tell it. All three open states are named because the index is made for
# them.
_BEHIND_ANOTHER = """EXISTS (
    SELECT 1 FROM delivery AS first
    WHERE first.fingerprint = row.fingerprint AND first.channel = row.channel AND first.seq < row.seq
      AND first.state IN ('queued', 'sending', 'deferred')
      AND (first.state <> 'deferred' OR first.merged_into IS NOT NULL))"""

_NEXT = f"""
    SELECT id, attempts, state = 'sending' FROM delivery AS row INDEXED BY delivery_turn
    WHERE channel = :channel AND state IN ('queued', 'sending')
      AND CASE state WHEN 'queued' THEN next_at <= :now
                     ELSE coalesce(lease_until, 0) NOT BETWEEN :now + 1 AND :furthest END
      AND NOT {_BEHIND_ANOTHER}
    ORDER BY (severity = 3) DESC, created_at, seq LIMIT 1"""  # noqa: S608 - constants only

_NEXT_DUE = f"""
    SELECT next_at FROM delivery AS row INDEXED BY delivery_due
    WHERE channel = ? AND state = 'queued' AND NOT {_BEHIND_ANOTHER}
    ORDER BY next_at LIMIT 1"""  # noqa: S608 - constants only


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of an attempt that ended at `at`, and where that leaves the delivery.

    `outcome` is a word for the attempt's own record; `next_at` belongs to the state `queued`. `plain` and
    `uncertain` can be set by an attempt, never unset.
    """

    state: DeliveryState
    outcome: str
    at: int
    reason: str | None = None
    next_at: int | None = None
    error: str | None = None
    """Redacted by the channel."""
    status: int | None = None
    plain: bool = False
    uncertain: bool = False
    provider_ref: str | None = None


def insert(conn: sqlite3.Connection, delivery: Delivery) -> bool:
    """Add a row; False if its id is there already, which then stays as it is. Its alert must be stored first."""
    written = conn.execute(
        "INSERT INTO delivery (id, notification_id, alert_id, alert_starts_at, fingerprint, channel, channel_type, "
        "kind, sequence, severity, state, reason, created_at, next_at, attempts, uncertain, plain, last_error, "
        "delivered_at, dead_at, provider_ref, merged_into, snapshot) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
        (
            delivery.id, delivery.notification_id, delivery.alert_id, delivery.snapshot.starts_at,
            delivery.fingerprint, delivery.channel, delivery.channel_type, delivery.kind, delivery.sequence,
            delivery.severity, delivery.state, printable(delivery.reason), delivery.created_at, delivery.next_at,
            delivery.attempts, delivery.uncertain, delivery.plain, printable(delivery.last_error),
            delivery.delivered_at, delivery.created_at if delivery.state is DeliveryState.DEAD else None,
            printable(delivery.provider_ref), delivery.merged_into, dump(delivery.snapshot),
        ),
    )
    return written.rowcount > 0


def update_state(
    conn: sqlite3.Connection, delivery_id: str, state: DeliveryState, reason: str | None, next_at: int | None = None,
    merged_into: str | None = None,
) -> bool:
    """Give a queued or deferred row another state; False if it is being sent or finished and so was left alone.

    `merged_into` is the digest that tells this one's news.
    """
    written = conn.execute(
        "UPDATE delivery SET state = ?, reason = ?, next_at = coalesce(?, next_at), "
        "merged_into = ? WHERE id = ? AND state IN ('queued', 'deferred')",
        (state, printable(reason), next_at, merged_into, delivery_id),
    )
    return written.rowcount > 0


def claim(conn: sqlite3.Connection, channel: str, owner: str, now: int, lease_ms: int) -> Delivery | None:
    """Take the next due row of a channel for `owner`, until `now + lease_ms`, and note that an attempt begins.

    Critical rows come first, then the oldest; within a fingerprint strictly one after the other. A row whose lease
    ran out is taken over, and is uncertain from then on. Commit before sending.
    """
    furthest = now + _LEASES_AHEAD * lease_ms
    while True:
        row = conn.execute(_NEXT, {"channel": channel, "now": now, "furthest": furthest}).fetchone()
        if row is None:
            return None
        delivery_id, attempts, abandoned = row
        if abandoned:
            _forget_attempt(conn, delivery_id, attempts)
        _start_attempt(conn, delivery_id, attempts + 1, owner, now, lease_ms)
        try:
            return deliveries.get(conn, delivery_id)
        except Undecodable as error:
            bad = Settlement(DeliveryState.DEAD, UNDECODABLE, now, reason=UNDECODABLE, error=str(error))
            _finish(conn, delivery_id, attempts + 1, owner, bad)


def settle(conn: sqlite3.Connection, delivery: Delivery, owner: str, outcome: Settlement) -> bool:
    """Record what became of a claimed row; False, and nothing is changed, if `owner` has lost its lease since."""
    return _finish(conn, delivery.id, delivery.attempts, owner, outcome)


def recover(conn: sqlite3.Connection) -> int:
    """At start, before any claim: requeue what an earlier process was sending, as uncertain. Returns how many."""
    conn.execute(
        "UPDATE attempt SET outcome = 'unknown' WHERE outcome IS NULL AND (delivery_id, n) IN "
        "(SELECT id, attempts FROM delivery WHERE state = 'sending')"
    )
    return conn.execute(
        "UPDATE delivery SET state = 'queued', uncertain = 1, lease_owner = NULL, lease_until = NULL "
        "WHERE state = 'sending'"
    ).rowcount


def next_due(conn: sqlite3.Connection, channel: str) -> int | None:
    """When `claim` will next find a row of this channel (UTC milliseconds, perhaps past); None if none waits."""
    queued = conn.execute(_NEXT_DUE, (channel,)).fetchone()
    (leased,) = conn.execute(
        "SELECT min(coalesce(lease_until, 0)) FROM delivery WHERE channel = ? AND state = 'sending'", (channel,)
    ).fetchone()
    return min((at for at in (queued and queued[0], leased) if at is not None), default=None)


def _start_attempt(
    conn: sqlite3.Connection, delivery_id: str, n: int, owner: str, now: int, lease_ms: int
) -> None:
    conn.execute(
        "UPDATE delivery SET uncertain = max(uncertain, state = 'sending'), state = 'sending', attempts = ?, "
        "lease_owner = ?, lease_until = ? WHERE id = ?",
        (n, owner, now + lease_ms, delivery_id),
    )
    conn.execute("INSERT INTO attempt (delivery_id, n, started_at) VALUES (?, ?, ?)", (delivery_id, n, now))


def _forget_attempt(conn: sqlite3.Connection, delivery_id: str, n: int) -> None:
    conn.execute(
        "UPDATE attempt SET outcome = 'unknown' WHERE delivery_id = ? AND n = ? AND outcome IS NULL", (delivery_id, n)
    )


def _finish(conn: sqlite3.Connection, delivery_id: str, n: int, owner: str, outcome: Settlement) -> bool:
    error = printable(outcome.error)
    delivered_at = outcome.at if outcome.state is DeliveryState.DELIVERED else None
    dead_at = outcome.at if outcome.state is DeliveryState.DEAD else None
    written = conn.execute(
        "UPDATE delivery SET state = ?, reason = ?, next_at = coalesce(?, next_at), delivered_at = ?, "
        "dead_at = ?, last_error = coalesce(?, last_error), provider_ref = coalesce(?, provider_ref), "
        "plain = max(plain, ?), uncertain = max(uncertain, ?), lease_owner = NULL, lease_until = NULL "
        "WHERE id = ? AND state = 'sending' AND lease_owner = ? AND attempts = ?",
        (
            outcome.state, printable(outcome.reason), outcome.next_at, delivered_at, dead_at, error,
            printable(outcome.provider_ref), outcome.plain, outcome.uncertain, delivery_id, owner, n,
        ),
    )
    if written.rowcount == 0:
        return False
    conn.execute(
        "UPDATE attempt SET ended_at = ?, outcome = ?, status = ?, error = ? WHERE delivery_id = ? AND n = ?",
        (outcome.at, outcome.outcome, outcome.status, error, delivery_id, n),
    )
    return True
