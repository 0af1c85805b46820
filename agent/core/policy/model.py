"""What the policy judges with: recipients, rules, proposals and verdicts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from agent.core.clock import HOUR, MINUTE
from agent.core.model import TYPES, Alert, AlertType, Ledger, NotificationKind, Severity, Silence

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
class Rules:
    """The user's rules by type of alert."""

    types: Mapping[AlertType, TypeRule] = field(default_factory=dict)
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


@dataclass(frozen=True, slots=True)
class Context:
    """Everything else that a stage may look at."""

    rules: Rules = Rules()
    silences: Sequence[Silence] = ()
    alerts: Mapping[str, Alert] = field(default_factory=dict)
    """Other live alerts by id."""


class Action(StrEnum):
    """What a stage does with a proposal."""

    PASS = "pass"  # noqa: S105 - no password
    DEFER = "defer"
    SUPPRESS = "suppress"
    SUPERSEDE = "supersede"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A stage's answer. `reason` is a code that `explain` knows; `until` ends a delay."""

    action: Action
    reason: str = ""
    until: int | None = None
    stage: str = ""


PASS = Verdict(Action.PASS)

Stage = Callable[[Proposal, Context, int], Verdict]
"""Pure: (proposal, context, now in UTC milliseconds) to verdict."""
