"""How a delivery begins: a notification about an alert, addressed to one channel, under an id that never changes."""

from agent.core.model import Alert, Delivery, DeliveryState, NotificationKind
from agent.core.policy.identity import delivery_id, notification_id


def address(
    alert: Alert,
    kind: NotificationKind,
    sequence: int,
    *,
    channel: str,
    channel_type: str,
    state: DeliveryState,
    at: int,
) -> Delivery:
    """Make the row of the `sequence`-th notification of its kind, due at once (`at`, UTC milliseconds)."""
    notification = notification_id(alert.id, kind, sequence)
    return Delivery(
        id=delivery_id(notification, channel),
        notification_id=notification,
        alert_id=alert.id,
        fingerprint=alert.fingerprint,
        channel=channel,
        channel_type=channel_type,
        kind=kind,
        sequence=sequence,
        severity=alert.severity,
        state=state,
        reason=None,
        created_at=at,
        next_at=at,
        snapshot=alert,
    )
