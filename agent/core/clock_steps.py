"""When the wall clock is set: by how much, and what that is worth."""

from agent.core.clock import MINUTE, SECOND, Instant
from agent.core.model import Alert, AlertType, Severity, Status
from agent.core.policy.identity import alert_id, fingerprint
from agent.core.text import duration

NOTICED = MINUTE
"""A difference between the progress of both clocks that counts as a step (alerting reference, R-12.2)."""
TOLD = 10 * MINUTE
"""A step that people are told of; smaller ones are in the history only."""
GRACE = 10 * MINUTE
"""How long after a step no message is given up for its age, which the step alone may have brought about."""


def step_between(before: Instant, now: Instant) -> int:
    """By how much the wall clock was set between two readings, milliseconds; 0 if it was not."""
    step = now.wall - before.wall - round((now.monotonic - before.monotonic) * SECOND)
    return step if abs(step) > NOTICED else 0


def alert_of(step: int, now: int, node: str) -> Alert:
    """What is recorded about a step of so many milliseconds."""
    mark = fingerprint(AlertType.AGENT_DEGRADED, {"node_id": node, "component": "clock", "at": str(now)})
    way = "forward" if step > 0 else "back"
    return Alert(
        id=alert_id(now, mark, str(now)),
        type=AlertType.AGENT_DEGRADED,
        fingerprint=mark,
        status=Status.EVENT,
        severity=Severity.WARNING if abs(step) > TOLD else Severity.INFO,
        title=f"The clock was set {way} by {duration(abs(step))}",
        message="Times of what happened before and after it do not fit together.",
        starts_at=now,
        labels={"node": node, "component": "clock"},
    )
