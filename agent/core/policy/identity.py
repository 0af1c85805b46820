"""Who is who: fingerprints of conditions and the ids of alerts, notifications and deliveries.

Every id is derived, none is random: recomputing after a crash gives the same one, so a second insertion is
recognised and a provider that honours idempotency keys drops the repeat.
"""

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping

from agent.core.model import AlertType, NotificationKind


def fingerprint(alert_type: AlertType, labels: Mapping[str, str]) -> str:
    """Identify a condition by its type and identity labels: 32 hex digits.

    Labels must not hold values, thresholds, times, pids or free text, or each reading would make a new alert.
    """
    canonical = json.dumps([alert_type, dict(labels)], sort_keys=True, separators=(",", ":"))
    return _digest(canonical)


def alert_id(at: int, mark: str, origin: str) -> str:
    """Mint an alert's id: a UUIDv7, hence ordered by time, from the fingerprint and what began the alert.

    `at` is in UTC milliseconds; `origin` is the event's id, or the instant at which a rule fired.
    """
    noise = int.from_bytes(hashlib.sha256(f"{mark}\x1f{origin}".encode()).digest()[:10], "big")
    value = (max(at, 0) & (1 << 48) - 1) << 80 | noise
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    return str(uuid.UUID(int=value))


def notification_id(alert: str, kind: NotificationKind, sequence: int) -> str:
    """Identify the n-th notification of one kind about one alert."""
    return _digest(f"{alert}\x1f{kind}\x1f{sequence}")


def digest_id(members: Iterable[str]) -> str:
    """Identify the notification that tells the news of these deliveries."""
    return _digest("\x1f".join(("digest", *members)))


def delivery_id(notification: str, channel: str) -> str:
    """Identify one notification on one channel; it has no dots, as Standard Webhooks asks of an id."""
    return "dlv_" + _digest(f"{notification}\x1f{channel}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
