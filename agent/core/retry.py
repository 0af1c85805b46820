"""What follows from one attempt: when the delivery is tried again, and whether its channel is paused.

Back-off is computed once and stored, so a restart neither resets nor re-rolls it. Constants are those of the delivery
rules: a first step of 5 s that triples, capped at 15 min for critical deliveries and at an hour for others.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from agent.core.clock import DAY, HOUR, MINUTE, SECOND, unset
from agent.core.model import ChannelState, Delivery, DeliveryState, NotificationKind, Severity
from agent.core.ports import SendError, SendErrorKind

FIRST_STEP = 5 * SECOND
GROWTH = 3
CAP = {Severity.CRITICAL: 15 * MINUTE, Severity.WARNING: HOUR, Severity.INFO: HOUR}
JITTER = 0.25
CIRCUIT_OPENS_AT = 5
"""Failures in a row after which only one delivery at a time probes the channel."""
PROBE_FIRST = 5 * MINUTE
PROBE_CAP = HOUR
"""A suspended channel is probed after 5 min, growing to an hour."""
LIMITED_LEAST = 30 * SECOND
"""The pause after a limit that names no wait."""
PAUSE_CAP = HOUR
UNTIL_CHANGED = 1 << 52
"""A pause that only a changed configuration or a person lifts."""
GONE_FOR_GOOD = 410
"""The HTTP status by which a receiver asks to be left alone."""
REPORT_MAX_AGE = 2 * DAY
MAX_AGE: Mapping[Severity, int] = {Severity.CRITICAL: 3 * DAY, Severity.WARNING: 3 * DAY, Severity.INFO: DAY}


@dataclass(frozen=True, slots=True)
class Settled:
    """The row after an attempt. `outcome` is the attempt's own result in one word."""

    state: DeliveryState
    outcome: str
    reason: str | None
    next_at: int
    plain: bool = False
    uncertain: bool = False


def backoff(attempt: int, cap: int, key: str) -> int:
    """Milliseconds to wait after the n-th attempt: tripling, capped, with a jitter of 25 % that `key` fixes."""
    plain = min(cap, FIRST_STEP * GROWTH ** min(attempt - 1, 10))
    return int(plain * (1 - JITTER + 2 * JITTER * _fraction(f"{key}\x1f{attempt}")))


def max_age(delivery: Delivery) -> int:
    """How old a delivery may grow before it is given up, in milliseconds; a resolve counts as a warning."""
    if delivery.kind is NotificationKind.REPORT:
        return REPORT_MAX_AGE
    return MAX_AGE[Severity.WARNING if delivery.kind is NotificationKind.RESOLVED else delivery.severity]


def too_old(delivery: Delivery, now: int) -> bool:
    """Whether the delivery has outlived its use."""
    return now - delivery.created_at > max_age(delivery) and not unset(now)


def after_success(state: ChannelState, now: int) -> ChannelState:
    """The channel works: whatever paused it is over."""
    return ChannelState(channel=state.channel, last_success_at=now, last_failure_at=state.last_failure_at,
                        failure_count=state.failure_count)


def after_failure(
    delivery: Delivery, error: SendError, state: ChannelState, now: int
) -> tuple[Settled, ChannelState]:
    """Decide the future of a delivery that was not accepted at its `attempts`-th attempt, and of its channel."""
    if error.kind is SendErrorKind.REJECTED:
        return _rejected(delivery, now), _failed_once(state, now)
    settled = Settled(
        DeliveryState.QUEUED, str(error.kind), error.reason,
        now + backoff(delivery.attempts, CAP[delivery.severity], delivery.id),
        plain=delivery.plain,
        uncertain=delivery.uncertain or error.kind is SendErrorKind.UNCERTAIN,
    )
    if error.kind is SendErrorKind.LIMITED:
        return _paused(settled, _failed_once(state, now), _limit_pause(delivery, error), error, now)
    state = _failing(state, now)
    if error.kind is SendErrorKind.MISCONFIGURED:
        return _paused(settled, state, _probe_pause(state, error, now), error, now)
    if state.failures >= CIRCUIT_OPENS_AT:
        pause = backoff(state.failures, CAP[Severity.CRITICAL], state.channel)
        return _paused(settled, state, pause, error, now)
    return settled, replace(state, reason=error.reason, detail=error.detail)


def after_probe(error: SendError, state: ChannelState, now: int) -> ChannelState:
    """The channel after its provider was asked or reminded without a delivery, and that failed."""
    state = _failing(state, now)
    if error.kind is SendErrorKind.MISCONFIGURED:
        pause = _probe_pause(state, error, now)
    elif error.kind is SendErrorKind.LIMITED:
        pause = min(PAUSE_CAP, max(LIMITED_LEAST, int((error.retry_after or 0) * SECOND)))
    else:
        pause = backoff(state.failures, CAP[Severity.CRITICAL], state.channel)
    return replace(state, paused_until=now + pause, reason=error.reason, detail=error.detail)


def mended(state: ChannelState) -> ChannelState:
    """The channel after its provider was asked or reminded without a delivery, and all was well."""
    return replace(state, paused_until=None, reason=None, detail=None, failures=0, failing_since=None)


def given_up(delivery: Delivery, now: int) -> Settled:
    """A delivery that is dead of age."""
    return Settled(DeliveryState.DEAD, "too_old", "too_old", now, plain=delivery.plain, uncertain=delivery.uncertain)


def superfluous(delivery: Delivery, now: int) -> Settled:
    """A digest whose members have all been told otherwise."""
    return Settled(
        DeliveryState.SUPERSEDED, "superfluous", "nothing_left", now, plain=delivery.plain,
        uncertain=delivery.uncertain,
    )  # fmt: skip


def lifted(state: ChannelState) -> ChannelState:
    """The channel as if nothing paused it; its counts stay."""
    return replace(state, paused_until=None, reason=None)


def paused(state: ChannelState | None, now: int) -> bool:
    """Whether nothing may be sent on the channel now."""
    return state is not None and state.paused_until is not None and now < state.paused_until


def _rejected(delivery: Delivery, now: int) -> Settled:
    if delivery.plain:
        return Settled(DeliveryState.DEAD, "rejected", "rejected", now, plain=True, uncertain=delivery.uncertain)
    return Settled(DeliveryState.QUEUED, "rejected", "plain_fallback", now, plain=True, uncertain=delivery.uncertain)


def _failed_once(state: ChannelState, now: int) -> ChannelState:
    return replace(state, last_failure_at=now, failure_count=state.failure_count + 1)


def _failing(state: ChannelState, now: int) -> ChannelState:
    state = _failed_once(state, now)
    since = state.failing_since if state.failing_since is not None else now
    return replace(state, failures=state.failures + 1, failing_since=since)


def _limit_pause(delivery: Delivery, error: SendError) -> int:
    asked = LIMITED_LEAST if error.retry_after is None else int(error.retry_after * SECOND)
    return min(PAUSE_CAP, max(asked, backoff(delivery.attempts, PAUSE_CAP, delivery.id)))


def _probe_pause(state: ChannelState, error: SendError, now: int) -> int:
    if error.status == GONE_FOR_GOOD:
        return UNTIL_CHANGED - now
    return int(min(PROBE_CAP, PROBE_FIRST * 2 ** min(state.failures - 1, 10)))


def _paused(
    settled: Settled, state: ChannelState, pause: int, error: SendError, now: int
) -> tuple[Settled, ChannelState]:
    until = now + pause
    # A limit says when the channel opens again; its waiting row must not then wait any longer by itself.
    next_at = until if error.kind is not SendErrorKind.RETRY else min(settled.next_at, until)
    return (
        replace(settled, next_at=min(next_at, now + PAUSE_CAP)),
        replace(state, paused_until=until, reason=error.reason, detail=error.detail),
    )


def _fraction(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / (1 << 32)
