"""What the policy judges with: recipients, rules, proposals and verdicts."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from agent.core.clock import HOUR, MINUTE, SECOND
from agent.core.model import (
    TYPES,
    Alert,
    AlertType,
    Delivery,
    DeliveryState,
    Hold,
    Ledger,
    NotificationKind,
    Severity,
    Silence,
)
from agent.core.policy.bucket import Bucket, RateLimit
from agent.core.policy.windows import QuietHours, release, upcoming

T = TypeVar("T")

DEFAULT_COOLDOWN = 15 * MINUTE
"""Least time between two `fired` messages of one fingerprint on one channel."""

DEFAULT_REPEAT: Mapping[Severity, int | None] = {
    Severity.CRITICAL: 4 * HOUR,
    Severity.WARNING: 12 * HOUR,
    Severity.INFO: None,
}
"""How often a condition that still fires is told again."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """A channel as the policy sees it."""

    name: str
    type: str
    alerts: frozenset[AlertType] | None = None
    """The types it takes; None means the types that are on by default."""
    min_severity: Severity = Severity.INFO
    match: Mapping[str, str] = field(default_factory=dict)
    stateful: bool = False
    """It holds one object per fingerprint, so it must see every resolve and ignores cooldowns."""
    program: bool = False
    """A program reads it, not a person."""
    quiet_hours: bool = True
    """Whether it keeps quiet hours."""
    max_per_hour: int | None = None
    """Instead of that of the rate limit."""

    @property
    def remote(self) -> bool:
        """Whether what it is told leaves this machine."""
        return self.type != "console"


@dataclass(frozen=True, slots=True)
class TypeRule:
    """The user's `[alerts.TYPE]`; None leaves the built-in behaviour. Durations are in milliseconds."""

    enabled: bool | None = None
    severity: Severity | None = None
    cooldown: int = DEFAULT_COOLDOWN
    repeat: int | None = None

    def repeat_every(self, severity: Severity) -> int | None:
        """How often to repeat at this severity, None for never."""
        return self.repeat if self.repeat is not None else DEFAULT_REPEAT[severity]


@dataclass(frozen=True, slots=True)
class Grouping:
    """The user's `[grouping]`. Durations in milliseconds."""

    by: tuple[str, ...] = ("alert_type",)
    """What the members of a group have in common: the type, the severity, the job, or a label."""
    wait: int = 10 * SECOND
    """How long the first of a group waits for companions."""
    interval: int = 5 * MINUTE
    """The least time between two messages of one group."""

    def key(self, alert: Alert) -> str:
        """Name the group of an alert; a missing label counts as empty."""
        job = alert.job_id or ""
        known = {**alert.labels, "alert_type": str(alert.type), "severity": str(alert.severity), "job": job}
        return "\x1f".join(known.get(name, "") for name in self.by)


@dataclass(frozen=True, slots=True)
class Rules:
    """The user's rules: by type of alert, and about when and how often."""

    types: Mapping[AlertType, TypeRule] = field(default_factory=dict)
    quiet_hours: QuietHours = QuietHours()
    grouping: Grouping | None = None
    rate_limit: RateLimit | None = None
    reports: Mapping[AlertType, frozenset[str]] = field(default_factory=dict)
    """The channels that take each report, whatever severities and labels they take otherwise."""

    def of(self, alert_type: AlertType) -> TypeRule:
        """The rule of one type."""
        return self.types.get(alert_type, TypeRule())

    def default_on(self, alert_type: AlertType) -> bool:
        """Whether channels that list no types take this one."""
        enabled = self.of(alert_type).enabled
        return TYPES[alert_type].default_on if enabled is None else enabled


@dataclass(frozen=True, slots=True)
class Proposal:
    """One notification that is owed to one recipient, before any stage has judged it."""

    alert: Alert
    kind: NotificationKind
    recipient: Recipient
    ledger: Ledger
    why: str
    """The contract's `notification_reason`."""
    previous: Delivery | None = None
    """The latest delivery of this alert on this channel."""

    @property
    def held(self) -> Delivery | None:
        """The delivery that holds this news back, so far."""
        return self.previous if self.previous and self.previous.state is DeliveryState.DEFERRED else None

    def held_for(self, hold: Hold) -> bool:
        """Whether this news has been held back for this reason so far."""
        return self.held is not None and self.held.reason == hold


@dataclass(frozen=True, slots=True)
class Overflow:
    """What waits on one channel for the overflow digest."""

    since: int
    count: int = 1
    urgent: bool = False
    """Whether something critical is among it, so that nothing waits any longer."""


Group = tuple[str, str]
"""A channel and the key of a group."""


@dataclass(frozen=True, slots=True)
class Context:
    """Everything else that a stage may look at. What a round itself changes is kept up to date while it goes on."""

    rules: Rules = Rules()
    silences: Sequence[Silence] = ()
    alerts: Mapping[str, Alert] = field(default_factory=dict)
    """Other live alerts by id."""
    buckets: dict[str, Bucket] = field(default_factory=dict)
    """By channel; one that was never used has none."""
    overflow: dict[str, Overflow] = field(default_factory=dict)
    """By channel; none where nothing waits."""
    groups: dict[Group, int] = field(default_factory=dict)
    """When each group was last told of, UTC milliseconds."""
    gathering: dict[Group, int] = field(default_factory=dict)
    """When a group whose first members wait will be told of."""
    episodes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """When the episodes of the last hour began, by fingerprint."""
    count: Callable[[str, str, NotificationKind], int] = lambda *_: 0
    """How many deliveries of an alert (by id), on a channel and of a kind there have been: not all are at hand."""
    open_rows: int = 0
    """How many deliveries are not finished."""
    digests: Mapping[str, Delivery] = field(default_factory=dict)
    """The digests that are not finished, by id."""
    trying: set[str] = field(default_factory=set)
    """The channels with something to send, by which it shows whether they work."""
    clock_set: bool = False
    """Whether the clock was set a moment ago, so that timers may have ended all at once."""
    _known: dict[Hashable, Any] = field(default_factory=dict)

    def once(self, what: Hashable, work_out: Callable[[], T]) -> T:
        """What is worked out but once for the whole round."""
        if what not in self._known:
            self._known[what] = work_out()
        found: T = self._known[what]
        return found

    def quiet_until(self, channel: str, alert_type: AlertType, now: int) -> int | None:
        """When quiet hours end; None if there are none now. A round asks for one `now` only."""
        until = self.once((channel, alert_type), lambda: release(self.rules.quiet_hours.of(channel, alert_type), now))
        return None if until == now else until

    def next_quiet(self, now: int) -> int | None:
        """When quiet hours begin next; None if there are none."""
        nights = [upcoming(window, now) for window in self.rules.quiet_hours.windows]
        return min((night.start for night in nights if night is not None and night.start > now), default=None)


class Action(StrEnum):
    """What a stage does with a proposal."""

    PASS = "pass"  # noqa: S105 - no password
    DEFER = "defer"
    GATHER = "gather"
    """It is due, together with whatever else is due for the same reason: a digest, unless it is alone."""
    MERGE = "merge"
    """A digest tells it. No stage says so, but a round in the end."""
    SUPPRESS = "suppress"
    SUPERSEDE = "supersede"
    GIVE_UP = "give up"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A stage's answer. `reason` is a code that `explain` knows; `until` ends a delay."""

    action: Action
    reason: str = ""
    until: int | None = None
    stage: str = ""
    group: str = ""
    """With whom it is gathered, where the reason alone does not say so."""
    merged_into: str | None = None


PASS = Verdict(Action.PASS)

Stage = Callable[[Proposal, Context, int], Verdict]
"""Pure: (proposal, context, now in UTC milliseconds) to verdict."""
