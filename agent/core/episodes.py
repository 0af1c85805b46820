"""From a rule's transitions to alerts: one alert an episode, whose id stays while severity and texts change."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from agent.core.conditions import ConditionState, Observed, Phase, Transition, TransitionKind, step
from agent.core.model import TYPES, Alert, AlertType, Json, Severity, Status
from agent.core.policy.identity import alert_id, fingerprint


@dataclass(frozen=True, slots=True)
class Condition:
    """What a rule says about one identity at present: the texts of its alert, should it fire."""

    type: AlertType
    identity: Mapping[str, str]
    """Identity labels; they make the fingerprint."""
    title: str
    message: str
    labels: Mapping[str, str] = field(default_factory=dict)
    """Further labels to match and group by."""
    disk: Mapping[str, Json] | None = None
    gpu: Mapping[str, Json] | None = None
    advice: str | None = None
    job: Mapping[str, Json] | None = None
    job_id: str | None = None
    evidence: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """The identity of the condition over all its episodes."""
        return fingerprint(self.type, self.identity)


@dataclass(frozen=True, slots=True)
class Seen:
    """One condition with what is observed of it now. Times in milliseconds."""

    condition: Condition
    observed: Observed
    keep_ms: int = 0
    """How long it must be well before it counts as over."""
    for_ms: int = 0
    """How long it must be bad before it counts."""


def advance(
    states: Mapping[str, ConditionState], seen: Iterable[Seen], now: int
) -> tuple[dict[str, ConditionState], list[tuple[Condition, Transition]]]:
    """Step the conditions that were looked at, by fingerprint; the others keep their state."""
    after, changes = dict(states), []
    for item in seen:
        key = item.condition.fingerprint
        state, transition = step(after.get(key, ConditionState()), item.observed, now, item.for_ms, item.keep_ms)
        if key in after or state.phase is not Phase.INACTIVE:
            after[key] = state
        if transition is not None:
            changes.append((item.condition, transition))
    return after, changes


def apply(current: Alert | None, condition: Condition, transition: Transition) -> Alert | None:
    """The alert after a transition. `current` is the open episode of this fingerprint; None if there is none.

    A transition of an episode that somebody has already ended changes nothing.
    """
    if transition.kind is TransitionKind.FIRED and current is None:
        return begin(condition, transition.severity, transition.at)
    if current is None:
        return None
    if transition.kind is TransitionKind.RESOLVED:
        return end(current, transition.at)
    return replace(refreshed(current, condition), severity=transition.severity)


def refreshed(current: Alert, condition: Condition) -> Alert:
    """The open episode with what the rule says at present."""
    return replace(
        current, title=condition.title or current.title, message=condition.message, disk=condition.disk,
        gpu=condition.gpu, advice=condition.advice, job=condition.job or current.job,
    )  # fmt: skip


def begin(condition: Condition, severity: Severity, at: int) -> Alert:
    """Open an episode."""
    mark = condition.fingerprint
    return Alert(
        id=alert_id(at, mark, str(at)),
        type=condition.type,
        fingerprint=mark,
        status=Status.FIRING,
        severity=severity,
        title=condition.title or TYPES[condition.type].headline,
        message=condition.message,
        starts_at=at,
        labels={"node": condition.identity["node_id"], **_public(condition.identity), **condition.labels},
        disk=condition.disk,
        gpu=condition.gpu,
        advice=condition.advice,
        job=condition.job,
        job_id=condition.job_id,
        evidence=condition.evidence,
    )


def end(alert: Alert, at: int) -> Alert:
    """Close an episode; its severity stays what it was."""
    return replace(alert, status=Status.RESOLVED, ends_at=max(at, alert.starts_at))


def _public(identity: Mapping[str, str]) -> Mapping[str, str]:
    return {key: value for key, value in identity.items() if key != "node_id"}
