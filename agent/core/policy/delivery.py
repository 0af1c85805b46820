"""How a delivery begins: a notification about an alert, addressed to one channel, under an id that never changes."""

from collections.abc import Iterable

from agent.core.model import Alert, Delivery, DeliveryState, NotificationKind, Severity
from agent.core.policy.identity import delivery_id, digest_id, notification_id


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


def address_digest(
    lead: Alert, severity: Severity, members: Iterable[str], *, channel: str, channel_type: str, at: int
) -> Delivery:
    """Make the row of a digest, due at once. `lead` is one of its alerts, under which the history shows it.

    Its fingerprint is its own: it stands in nobody's line, but what comes after a member waits for it.
    """
    notification = digest_id(members)
    row = delivery_id(notification, channel)
    return Delivery(
        id=row,
        notification_id=notification,
        alert_id=lead.id,
        fingerprint=row,
        channel=channel,
        channel_type=channel_type,
        kind=NotificationKind.DIGEST,
        sequence=0,
        severity=severity,
        state=DeliveryState.QUEUED,
        reason=None,
        created_at=at,
        next_at=at,
        snapshot=lead,
    )


def waiting_digest(digests: Iterable[Delivery], channel: str) -> Delivery | None:
    """The digest of a channel that is not on its way yet, and so takes more."""
    return next((row for row in digests if row.channel == channel and row.state is DeliveryState.QUEUED), None)
