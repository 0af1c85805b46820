"""Small builders of values, so that each test names only what it is about."""

from agent.core.facts import Event, FindingKind, LogFinding, Progress, Role, event_id
from agent.core.model import (
    Alert,
    AlertType,
    Delivery,
    DeliveryState,
    Ledger,
    NotificationKind,
    Severity,
    Status,
)
from agent.core.policy.identity import delivery_id, notification_id
from agent.core.policy.model import Recipient

NOW = 1_790_000_000_000
FILE = "2049:77"
LOG = "/logs/run.log"


def alert(**changes):
    values = {
        "id": "alert-1",
        "type": AlertType.DISK_WARNING,
        "fingerprint": "f" * 32,
        "status": Status.FIRING,
        "severity": Severity.WARNING,
        "title": "Disk 92 % full: /data",
        "message": "",
        "starts_at": NOW,
        "labels": {"node": "n1"},
    }
    return Alert(**(values | changes))


def event_alert(**changes):
    return alert(**({"type": AlertType.JOB_FAILED, "status": Status.EVENT, "severity": Severity.CRITICAL} | changes))


def recipient(name="ops", **changes):
    return Recipient(**({"name": name, "type": "slack"} | changes))


def ledger(**changes):
    return Ledger(**({"fingerprint": "f" * 32, "channel": "ops"} | changes))


def told(severity=Severity.WARNING, at=NOW, **changes):
    """The ledger of a channel that was told that `alert()` fires."""
    values = {
        "alert_id": "alert-1",
        "open_announced": True,
        "last_accepted_at": at,
        "last_fired_at": at,
        "last_accepted_kind": NotificationKind.FIRED,
        "last_accepted_severity": severity,
    }
    return ledger(**(values | changes))


def delivery(about=None, kind=NotificationKind.FIRED, state=DeliveryState.QUEUED, sequence=0, **changes):
    about = about or alert()
    notification = notification_id(about.id, kind, sequence)
    values = {
        "id": delivery_id(notification, "ops"),
        "notification_id": notification,
        "alert_id": about.id,
        "fingerprint": about.fingerprint,
        "channel": "ops",
        "channel_type": "slack",
        "kind": kind,
        "sequence": sequence,
        "severity": about.severity,
        "state": state,
        "reason": None,
        "created_at": NOW,
        "next_at": NOW,
        "snapshot": about,
    }
    return Delivery(**(values | changes))


def finding(kind=FindingKind.GPU_OOM, role=Role.ROOT, text="CUDA out of memory.", **changes):
    values = {
        "path": LOG,
        "file": FILE,
        "offset": 100,
        "signature": "test",
        "kind": kind,
        "role": role,
        "severity": Severity.CRITICAL,
        "text": text,
    }
    return LogFinding(**(values | changes))


def event(fact, at=NOW, source="logs"):
    return Event(event_id(source, at, repr(fact)), source, at, fact)


def progress(step=10, total=100, **changes):
    return Progress(step=step, total=total, **changes)
