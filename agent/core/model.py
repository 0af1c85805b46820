"""The nouns of the agent: what can be told (alerts), to whom (deliveries), and why (decisions).

Plain immutable values without behaviour beyond what follows from their own fields. Times are UTC
milliseconds unless a name says otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any

Json = Any
"""Whatever `json.dumps` takes."""


class Severity(IntEnum):
    """How bad, in order: `info < warning < critical`."""

    INFO = 1
    WARNING = 2
    CRITICAL = 3

    def __str__(self) -> str:
        return self.name.lower()

    @classmethod
    def parse(cls, text: str) -> "Severity":
        """Read a severity's name. Raises ValueError that lists what is allowed."""
        try:
            return cls[text.upper()]
        except KeyError:
            raise ValueError(f"{text!r} is no severity: expected info, warning or critical") from None


class AlertType(StrEnum):
    """The types of alert, as the contract names them."""

    JOB_STARTED = "job_started"
    JOB_COMPLETED = "job_completed"
    JOB_FAILED = "job_failed"
    JOB_CANCELLED = "job_cancelled"
    GPU_OOM = "gpu_oom"
    HOST_OOM = "host_oom"
    DISK_WARNING = "disk_warning"
    TIMEOUT_WARNING = "timeout_warning"
    LOSS_ANOMALY = "loss_anomaly"
    GPU_ERROR = "gpu_error"
    GPU_DEGRADED = "gpu_degraded"
    GPU_IDLE = "gpu_idle"
    CHANNEL_FAILING = "channel_failing"
    AGENT_DEGRADED = "agent_degraded"
    DAILY_SUMMARY = "daily_summary"
    WEEKLY_DIGEST = "weekly_digest"


@dataclass(frozen=True, slots=True)
class TypeTraits:
    """What a type of alert is by itself: its usual severity, whether channels take it unasked, whether it lasts."""

    severity: Severity
    default_on: bool
    condition: bool
    headline: str
    emoji: str


TYPES: Mapping[AlertType, TypeTraits] = {
    AlertType.JOB_STARTED: TypeTraits(Severity.INFO, False, False, "Training started", "🚀"),
    AlertType.JOB_COMPLETED: TypeTraits(Severity.INFO, True, False, "Training complete", "✅"),
    AlertType.JOB_FAILED: TypeTraits(Severity.CRITICAL, True, False, "Training failed", "❌"),
    AlertType.JOB_CANCELLED: TypeTraits(Severity.INFO, False, False, "Training cancelled", "🚫"),
    AlertType.GPU_OOM: TypeTraits(Severity.CRITICAL, True, False, "GPU out of memory", "💥"),
    AlertType.HOST_OOM: TypeTraits(Severity.CRITICAL, True, False, "Host out of memory", "💥"),
    AlertType.DISK_WARNING: TypeTraits(Severity.WARNING, True, True, "Disk trouble", "💾"),
    AlertType.TIMEOUT_WARNING: TypeTraits(Severity.WARNING, True, True, "Training stalled", "⏳"),
    AlertType.LOSS_ANOMALY: TypeTraits(Severity.WARNING, True, True, "Loss is not finite", "📉"),
    AlertType.GPU_ERROR: TypeTraits(Severity.CRITICAL, True, True, "GPU error", "🔥"),
    AlertType.GPU_DEGRADED: TypeTraits(Severity.WARNING, True, True, "GPU degraded", "🌡️"),
    AlertType.GPU_IDLE: TypeTraits(Severity.WARNING, False, True, "GPUs idle", "💤"),
    AlertType.CHANNEL_FAILING: TypeTraits(Severity.WARNING, True, True, "A channel cannot deliver", "📡"),
    AlertType.AGENT_DEGRADED: TypeTraits(Severity.WARNING, True, True, "Monitoring degraded", "🩺"),
    AlertType.DAILY_SUMMARY: TypeTraits(Severity.INFO, False, False, "Daily summary", "📊"),
    AlertType.WEEKLY_DIGEST: TypeTraits(Severity.INFO, False, False, "Weekly digest", "📊"),
}


class Status(StrEnum):
    """Where an alert stands: a one-shot `event`, or a condition that is `firing` or `resolved`."""

    EVENT = "event"
    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Link:
    """A button or hyperlink beneath an alert."""

    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing worth telling: an episode of a condition, or a one-shot event. `id` is the ID that commands take."""

    id: str
    type: AlertType
    fingerprint: str
    status: Status
    severity: Severity
    title: str
    message: str
    starts_at: int
    ends_at: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    job: Mapping[str, Json] | None = None
    gpu: Mapping[str, Json] | None = None
    disk: Mapping[str, Json] | None = None
    report: Mapping[str, Json] | None = None
    """What a report tells, as `core.report` builds it."""
    evidence: tuple[str, ...] = ()
    advice: str | None = None
    links: tuple[Link, ...] = ()
    test: bool = False
    job_id: str | None = None
    cause_of: str | None = None
    """The id of the job-state alert that tells this alert's story too (one failure, one message)."""


class NotificationKind(StrEnum):
    """What a notification says about its alert."""

    FIRED = "fired"
    ESCALATED = "escalated"
    REPEATED = "repeated"
    RESOLVED = "resolved"
    DIGEST = "digest"
    REPORT = "report"
    TEST = "test"


class DeliveryState(StrEnum):
    """Where one notification on one channel stands; the last five are final."""

    QUEUED = "queued"
    SENDING = "sending"
    DEFERRED = "deferred"
    DELIVERED = "delivered"
    DIGESTED = "digested"
    SUPERSEDED = "superseded"
    SUPPRESSED = "suppressed"
    DEAD = "dead"

    @property
    def open(self) -> bool:
        """Whether this delivery may still be sent."""
        return self in OPEN_STATES


class Hold(StrEnum):
    """For what a delivery is held back (its `reason` while deferred). Several that are due together become a digest."""

    COOLDOWN = "cooldown"
    QUIET_HOURS = "quiet_hours"
    GROUPING = "grouping"
    RATE_LIMIT = "rate_limit"
    OUTAGE = "outage"
    CLOCK_SET = "clock_set"


OPEN_STATES = frozenset({DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.DEFERRED})


@dataclass(frozen=True, slots=True)
class Delivery:
    """One notification on one channel: a row of the outbox. `id` stays the same over all attempts and restarts."""

    id: str
    notification_id: str
    alert_id: str
    fingerprint: str
    channel: str
    channel_type: str
    kind: NotificationKind
    sequence: int
    severity: Severity
    state: DeliveryState
    reason: str | None
    created_at: int
    next_at: int
    snapshot: Alert
    """The alert as it was when this notification was decided."""
    attempts: int = 0
    uncertain: bool = False
    plain: bool = False
    """Whether to send the plain fallback, because the provider refused the full form."""
    last_error: str | None = None
    delivered_at: int | None = None
    provider_ref: str | None = None
    merged_into: str | None = None
    """The digest that tells this one's news."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a delivery; `n` counts from 1. `outcome` is None while it runs, `unknown` if nobody saw its end."""

    delivery_id: str
    n: int
    started_at: int
    ended_at: int | None
    outcome: str | None
    status: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Ledger:
    """What one channel has been told about one fingerprint, counted from accepted messages only."""

    fingerprint: str
    channel: str
    alert_id: str | None = None
    open_announced: bool = False
    last_accepted_at: int | None = None
    last_accepted_kind: NotificationKind | None = None
    last_accepted_severity: Severity | None = None
    last_fired_at: int | None = None
    provider_ref: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Why a notification was, or was not, passed on. `until` says when a delay ends."""

    alert_id: str
    at: int
    channel: str | None
    kind: NotificationKind
    stage: str
    verdict: str
    reason: str
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Silence:
    """Acknowledgement or maintenance: matching alerts are recorded but told to nobody between two instants."""

    id: str
    starts_at: int
    ends_at: int
    author: str
    comment: str
    alert_id: str | None = None
    match: Mapping[str, str] = field(default_factory=dict)

    def active(self, now: int) -> bool:
        """Whether the silence covers `now` (its end is outside)."""
        return self.starts_at <= now < self.ends_at


@dataclass(frozen=True, slots=True)
class ChannelState:
    """The health of one channel: why it fails or is paused, until when, and its latest successes and failures."""

    channel: str
    paused_until: int | None = None
    reason: str | None = None
    detail: str | None = None
    failures: int = 0
    """Failures in a row."""
    failing_since: int | None = None
    last_success_at: int | None = None
    last_failure_at: int | None = None
    failure_count: int = 0
    """Failures ever."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A number with its place. The name is the metric's, so it carries the unit (`filesystem_avail_bytes`)."""

    name: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
