"""Fills a real store with rows, by the store's own functions."""

from dataclasses import replace

from agent.core.model import (
    Alert,
    AlertType,
    Decision,
    Delivery,
    DeliveryState,
    NotificationKind,
    Severity,
    Status,
)
from agent.core.policy.identity import alert_id, delivery_id, fingerprint, notification_id
from agent.core.ports import Receipt
from agent.store import alerts, decisions, outbox
from agent.store.outbox import Settlement

SECOND = 1_000


def disk_alert(at, **changes):
    """A disk that is too full since `at`."""
    mark = fingerprint(AlertType.DISK_WARNING, {"mountpoint": changes.pop("mountpoint", "/data")})
    found = Alert(
        id=alert_id(at, mark, "test"), type=AlertType.DISK_WARNING, fingerprint=mark, status=Status.FIRING,
        severity=Severity.WARNING, title="Disk 93 % full: /data", message="/data is 93 % full.", starts_at=at,
        labels={"node": "n1", "mountpoint": "/data"},
        disk={"mountpoint": "/data", "used_percent": 93.0, "free_bytes": 1 << 30, "full_in_seconds": None},
    )
    return replace(found, **changes)


def delivery(of, at, *, channel="ops", kind=NotificationKind.FIRED, state=DeliveryState.QUEUED, **changes):
    """One notification about an alert, decided at `at`."""
    notification = notification_id(of.id, kind, 0)
    found = Delivery(
        id=delivery_id(notification, channel), notification_id=notification, alert_id=of.id,
        fingerprint=of.fingerprint, channel=channel, channel_type="slack", kind=kind, sequence=0,
        severity=of.severity, state=state, reason=None, created_at=at, next_at=at, snapshot=of,
    )
    return replace(found, **changes)


def told(database, alert, at, *, channel="ops"):
    """Store an alert that is to be sent to a channel; returns the delivery."""
    row = delivery(alert, at, channel=channel)
    sent = Decision(alert.id, at, channel, NotificationKind.FIRED, "outbox", "send", "first notification")
    _store(database, alert, row, sent)
    return row


def left_out(database, alert, at, reason, *, channel="pager", until=None):
    """Store an alert that is not to be sent to a channel; returns the delivery."""
    row = delivery(alert, at, channel=channel, state=DeliveryState.SUPPRESSED, reason=reason)
    kept = Decision(alert.id, at, channel, NotificationKind.FIRED, "taken", "suppress", reason, until)
    _store(database, alert, row, kept)
    return row


def held_back(database, alert, at, reason, until, *, channel="pager"):
    """Store an alert that is to be sent to a channel later; returns the delivery."""
    row = delivery(alert, at, channel=channel, state=DeliveryState.DEFERRED, reason=reason, next_at=until)
    held = Decision(alert.id, at, channel, NotificationKind.FIRED, reason, "defer", reason, until)
    _store(database, alert, row, held)
    return row


def tried(database, channel, at, outcome):
    """Make one attempt on a channel at `at`: a Receipt is success, a text the error of one that will be repeated."""
    row = database.write(lambda conn: outbox.claim(conn, channel, "test", at, 60 * SECOND))
    if isinstance(outcome, Receipt):
        end = Settlement(
            DeliveryState.DELIVERED, "delivered", at + 100, status=outcome.status, provider_ref=outcome.ref
        )
    else:
        end = Settlement(DeliveryState.QUEUED, "retry", at + 100, "network", at + 5 * SECOND, outcome)
    database.write(lambda conn: outbox.settle(conn, row, "test", end))
    return row


def given_up(database, channel, at, reason):
    """Make one attempt on a channel at `at` that ends in a dead letter."""
    row = database.write(lambda conn: outbox.claim(conn, channel, "test", at, 60 * SECOND))
    end = Settlement(DeliveryState.DEAD, reason, at + 100, reason, error="HTTP 400")
    database.write(lambda conn: outbox.settle(conn, row, "test", end))
    return row


def _store(database, alert, row, decision):
    def body(conn):
        alerts.save(conn, alert)
        outbox.insert(conn, row)
        decisions.record(conn, [decision])

    database.write(body)
