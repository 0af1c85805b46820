"""What happens to the queues when a channel works again after an outage, in the transaction that notes that it does."""

import sqlite3
from collections.abc import Callable

from agent.core import health_rules, retry
from agent.core.model import ChannelState, Delivery, DeliveryState, Hold, NotificationKind
from agent.core.policy import catch_up
from agent.core.policy.delivery import address_digest, waiting_digest
from agent.store import alerts, backlog, deliveries, digests, ledger, outbox


def tell_together(
    conn: sqlite3.Connection, state: ChannelState, now: int, gone: Callable[[Delivery], bool]
) -> None:  # fmt: skip
    """Make one digest of what has piled up. `state` is the channel's from before it worked again.

    `gone` tells of a row whether it has been sent past the store, and only waits for that to be written down.
    """
    queued = deliveries.queued(conn, state.channel)
    rows = [row for row in queued if row.kind is not NotificationKind.DIGEST and not gone(row)]
    if not catch_up.piled_up(state, rows, now):
        return
    current = {alert.id: alert for alert in alerts.by_ids(conn, [row.alert_id for row in rows])}
    merged = catch_up.merged(rows, current)
    digest = waiting_digest(digests.unfinished(conn).values(), state.channel)
    if digest is None and len(merged) < 2:  # noqa: PLR2004 - one alone is told as itself
        return
    if digest is None:
        digest = _digest(merged, now)
        outbox.insert(conn, digest)
    for row in merged:
        outbox.update_state(conn, row.id, DeliveryState.DEFERRED, Hold.OUTAGE, now, digest.id)


def try_others(conn: sqlite3.Connection, state: ChannelState, now: int) -> None:
    """Let the other channels that nobody answered on try at once, if that is why this one failed.

    `state` is the channel's from before it worked again. Each tries one message, as after any pause.
    """
    if not health_rules.unreachable(state):
        return
    for other in ledger.channel_states(conn).values():
        if other.channel != state.channel and health_rules.unreachable(other):
            ledger.save_channel_state(conn, retry.lifted(other))
            backlog.hasten(conn, other.channel, now)


def _digest(rows: list[Delivery], now: int) -> Delivery:
    lead = max(rows, key=lambda row: row.severity)
    ids = [row.id for row in rows]
    return address_digest(
        lead.snapshot, lead.severity, ids, channel=lead.channel, channel_type=lead.channel_type, at=now
    )
