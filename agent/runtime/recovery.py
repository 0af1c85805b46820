"""What happens to a channel's queue when it works again after an outage, in the transaction that notes that it does."""

import sqlite3

from agent.core.model import ChannelState, Delivery, DeliveryState, Hold, NotificationKind
from agent.core.policy import catch_up
from agent.core.policy.delivery import address_digest
from agent.store import alerts, deliveries, digests, outbox


def tell_together(conn: sqlite3.Connection, state: ChannelState, now: int) -> None:
    """Make one digest of what has piled up. `state` is the channel's from before it worked again."""
    queued = deliveries.queued(conn, state.channel)
    rows = [row for row in queued if row.kind is not NotificationKind.DIGEST]
    if not catch_up.piled_up(state, rows, now):
        return
    current = {alert.id: alert for alert in alerts.by_ids(conn, [row.alert_id for row in rows])}
    merged = catch_up.merged(rows, current)
    digest = next((row for row in digests.unfinished(conn).values() if _joins(row, state.channel)), None)
    if digest is None and len(merged) < 2:  # noqa: PLR2004 - one alone is told as itself
        return
    if digest is None:
        digest = _digest(merged, now)
        outbox.insert(conn, digest)
    for row in merged:
        outbox.update_state(conn, row.id, DeliveryState.DEFERRED, Hold.OUTAGE, now, digest.id)


def _joins(digest: Delivery, channel: str) -> bool:
    return digest.channel == channel and digest.state is DeliveryState.QUEUED


def _digest(rows: list[Delivery], now: int) -> Delivery:
    lead = max(rows, key=lambda row: row.severity)
    ids = [row.id for row in rows]
    return address_digest(
        lead.snapshot, lead.severity, ids, channel=lead.channel, channel_type=lead.channel_type, at=now
    )
