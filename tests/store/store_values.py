"""Values that these tests store: sound by default, changed where a test says so."""

from contextlib import suppress
from dataclasses import replace

from agent.core.facts import Event, ResolveAsked
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

NOW = 1_770_000_000_000
"""A moment in February 2026."""
LEASE = 60_000


def alert(alert_id="a1", **changes):
    sound = Alert(
        id=alert_id, type=AlertType.DISK_WARNING, fingerprint=f"fp-{alert_id}", status=Status.FIRING,
        severity=Severity.WARNING, title="Disk nearly full", message="/data is 93 % full", starts_at=NOW,
        labels={"node": "n1"}, evidence=("df: 93 %",),
    )
    return replace(sound, **changes)


def delivery(delivery_id="d1", *, of=None, **changes):
    of = of or alert()
    sound = Delivery(
        id=delivery_id, notification_id=f"n-{delivery_id}", alert_id=of.id, fingerprint=of.fingerprint, channel="ops",
        channel_type="slack", kind=NotificationKind.FIRED, sequence=0, severity=of.severity,
        state=DeliveryState.QUEUED, reason=None, created_at=NOW, next_at=NOW, snapshot=of,
    )
    return replace(sound, **changes)


def decision(alert_id="a1", **changes):
    sound = Decision(alert_id, NOW, "ops", NotificationKind.FIRED, "outbox", "send", "first notification")
    return replace(sound, **changes)


def event(event_id="e1", **changes):
    return replace(Event(event_id, "spool", NOW, ResolveAsked("a1", "ada")), **changes)


def fill(disk):
    """Write to a small disk until nothing fits any more."""
    with suppress(OSError), (disk / "ballast").open("ab", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
