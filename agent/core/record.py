"""What is stored, as the JSON objects that `history`, `explain`, `queue` and `silence` print and the API answers.

The shapes are the contract's. Times are RFC 3339; every key is always present, and unknown is null.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.core.clock import DAY
from agent.core.model import (
    Alert,
    AlertType,
    Attempt,
    Decision,
    Delivery,
    DeliveryState,
    Json,
    NotificationKind,
    Silence,
    Status,
)
from agent.core.payload import data, rfc3339

WHY: Mapping[NotificationKind, str] = {
    NotificationKind.FIRED: "first notification",
    NotificationKind.ESCALATED: "severity rose",
    NotificationKind.REPEATED: "repeat interval elapsed",
    NotificationKind.RESOLVED: "resolved",
    NotificationKind.DIGEST: "digest",
    NotificationKind.REPORT: "report",
    NotificationKind.TEST: "test",
}
"""The contract's `notification_reason` of each kind of notification, where no finer one was recorded."""

WAITING = frozenset({DeliveryState.QUEUED, DeliveryState.DEFERRED})
"""States in which a delivery has a next attempt to come."""


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """Which alerts are asked for; None leaves a filter out."""

    since: int = DAY
    """How far back, milliseconds."""
    type: AlertType | None = None
    job: str | None = None
    channel: str | None = None
    limit: int = 100


def of_alert(alert: Alert, deliveries: Sequence[Delivery]) -> dict[str, Json]:
    """An alert with its deliveries: one object of `history --json`. The alert must be presentable already."""
    kind = deliveries[-1].kind if deliveries else _usual_kind(alert)
    created_at = min((row.created_at for row in deliveries), default=alert.starts_at)
    return {
        "type": str(alert.type),
        "created_at": rfc3339(created_at),
        **data(alert, reason=WHY[kind]),
        "deliveries": [of_delivery(row) for row in deliveries],
    }


def of_alert_alone(alert: Alert) -> dict[str, Json]:
    """An alert without its deliveries. The alert must be presentable already."""
    return {"type": str(alert.type), **data(alert, reason=WHY[_usual_kind(alert)])}


def of_delivery(row: Delivery) -> dict[str, Json]:
    """One delivery, as the history lists it beneath its alert."""
    return {
        "id": row.id,
        "channel": row.channel,
        "channel_type": row.channel_type,
        "notification": str(row.kind),
        "state": str(row.state),
        "reason": row.reason,
        "attempts": row.attempts,
        "last_error": row.last_error,
        "next_attempt_at": rfc3339(row.next_at) if row.state in WAITING else None,
        "delivered_at": moment(row.delivered_at),
        "provider_ref": row.provider_ref,
    }


def of_queued(row: Delivery, title: str) -> dict[str, Json]:
    """One delivery that waits or is dead, with what it is about: one object of `queue list --json`."""
    return {
        **of_delivery(row),
        "created_at": rfc3339(row.created_at),
        "severity": str(row.severity),
        "alert_id": row.alert_id,
        "type": str(row.snapshot.type),
        "title": title,
    }


def of_decision(decision: Decision) -> dict[str, Json]:
    """Why a notification was, or was not, passed on."""
    return {
        "at": rfc3339(decision.at),
        "channel": decision.channel,
        "notification": str(decision.kind),
        "stage": decision.stage,
        "verdict": decision.verdict,
        "reason": decision.reason,
        "until": moment(decision.until),
    }


def of_attempt(attempt: Attempt) -> dict[str, Json]:
    """One try of a delivery."""
    return {
        "delivery": attempt.delivery_id,
        "n": attempt.n,
        "started_at": rfc3339(attempt.started_at),
        "ended_at": moment(attempt.ended_at),
        "outcome": attempt.outcome,
        "status": attempt.status,
        "error": attempt.error,
    }


def of_silence(silence: Silence, now: int) -> dict[str, Json]:
    """One silence; `active` is as of `now` (UTC milliseconds)."""
    return {
        "id": silence.id,
        "starts_at": rfc3339(silence.starts_at),
        "ends_at": rfc3339(silence.ends_at),
        "active": silence.active(now),
        "author": silence.author,
        "comment": silence.comment,
        "alert_id": silence.alert_id,
        "match": dict(silence.match),
    }


def moment(at: int | None) -> str | None:
    """Write UTC milliseconds as RFC 3339, or null."""
    return None if at is None else rfc3339(at)


def _usual_kind(alert: Alert) -> NotificationKind:
    return NotificationKind.RESOLVED if alert.status is Status.RESOLVED else NotificationKind.FIRED
