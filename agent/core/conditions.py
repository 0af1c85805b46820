"""The lifecycle of a condition: inactive, pending, firing, clearing. What is seen goes in, transitions come out.

Pure: the caller keeps the state (it is plain enough to store) and hands in the time. What a transition means for
alerts and messages is decided elsewhere.
"""

from dataclasses import dataclass, replace
from enum import Enum, StrEnum

from agent.core.model import Severity


class Phase(StrEnum):
    """Where a condition stands. While `clearing` it is still firing for everybody else."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"
    CLEARING = "clearing"


class Missing(Enum):
    """No reading could be taken. That is not recovery: the condition keeps its state."""

    MISSING = "missing"


MISSING = Missing.MISSING

Observed = Severity | None | Missing
"""What one look shows: how bad it is, that all is well (None), or that nothing could be seen."""


class TransitionKind(StrEnum):
    """What just changed for everybody else."""

    FIRED = "fired"
    ESCALATED = "escalated"
    DEESCALATED = "deescalated"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Transition:
    """A change worth telling; `severity` is the new one, of a resolved condition the last one."""

    kind: TransitionKind
    severity: Severity
    at: int


@dataclass(frozen=True, slots=True)
class ConditionState:
    """One condition as it stands. Times are UTC milliseconds."""

    phase: Phase = Phase.INACTIVE
    severity: Severity | None = None
    """While pending: the severity that has been held since; afterwards the one that is told."""
    since: int | None = None
    """When it fired; clearing does not interrupt that."""
    pending_since: int | None = None
    rise_since: int | None = None
    """When a severity above `severity` was first seen while pending; it serves its own waiting time."""
    clear_since: int | None = None

    @property
    def firing(self) -> bool:
        """Whether an episode is open."""
        return self.phase in (Phase.FIRING, Phase.CLEARING)


Step = tuple[ConditionState, Transition | None]


def level(
    value: float, warning: float, critical: float, clear_margin: float, current: Severity | None
) -> Severity | None:
    """Judge a value by two limits with hysteresis.

    A limit is reached at the limit itself and left at `clear_margin` below it, so that a value that hovers at a limit
    changes nothing. All four numbers share one unit; `current` is the severity judged before.
    """
    for severity, limit in ((Severity.CRITICAL, critical), (Severity.WARNING, warning)):
        held = current is not None and current >= severity
        if value >= limit or (held and value > limit - clear_margin):
            return severity
    return None


def step(state: ConditionState, observed: Observed, now: int, for_ms: int, keep_firing_ms: int) -> Step:
    """Advance one condition to `now`.

    It fires once a severity has been observed for `for_ms` without a break, rises at once while it fires, and
    resolves after `keep_firing_ms` without any. A severity that rises while pending waits its own `for_ms`.
    """
    if isinstance(observed, Missing):
        return state, None
    state = _not_after(state, now)
    if not state.firing:
        return _approach(state, observed, now, for_ms)
    if observed is None:
        return _clear(state, now, keep_firing_ms)
    return _hold(state, observed, now, for_ms)


def _not_after(state: ConditionState, now: int) -> ConditionState:
    """After the clock was set back, start every wait anew instead of waiting for a time long past."""
    times = (state.since, state.pending_since, state.rise_since, state.clear_since)
    if all(at is None or at <= now for at in times):
        return state
    since, pending, rise, clear = (None if at is None else min(at, now) for at in times)
    return replace(state, since=since, pending_since=pending, rise_since=rise, clear_since=clear)


def _approach(state: ConditionState, observed: Severity | None, now: int, for_ms: int) -> Step:
    if observed is None:
        return ConditionState(), None
    held = observed if state.severity is None else min(state.severity, observed)
    pending_since = now if state.pending_since is None else state.pending_since
    rise_since = _rise_since(state, held, observed, now)
    if now - pending_since < for_ms:
        return ConditionState(Phase.PENDING, held, pending_since=pending_since, rise_since=rise_since), None
    if rise_since is not None and now - rise_since >= for_ms:
        held, rise_since = observed, None
    fired = ConditionState(Phase.FIRING, held, since=now, rise_since=rise_since)
    return fired, Transition(TransitionKind.FIRED, held, now)


def _rise_since(state: ConditionState, held: Severity, observed: Severity, now: int) -> int | None:
    if observed <= held:
        return None
    return now if state.rise_since is None else state.rise_since


def _hold(state: ConditionState, observed: Severity, now: int, for_ms: int) -> Step:
    told = state.severity or observed
    state = replace(state, phase=Phase.FIRING, clear_since=None)
    waits = state.rise_since is not None and now - state.rise_since < for_ms
    if observed > told and waits:
        return state, None
    state = replace(state, severity=observed, rise_since=None)
    if observed == told:
        return state, None
    kind = TransitionKind.ESCALATED if observed > told else TransitionKind.DEESCALATED
    return state, Transition(kind, observed, now)


def _clear(state: ConditionState, now: int, keep_firing_ms: int) -> Step:
    clear_since = now if state.clear_since is None else state.clear_since
    if now - clear_since < keep_firing_ms:
        return replace(state, phase=Phase.CLEARING, clear_since=clear_since, rise_since=None), None
    return ConditionState(), Transition(TransitionKind.RESOLVED, state.severity or Severity.WARNING, now)
