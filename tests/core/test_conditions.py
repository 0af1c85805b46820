"""The lifecycle of a condition, driven by a hand-held clock: seconds in, transitions out."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.codec import decode, encode
from agent.core.conditions import (
    MISSING,
    ConditionState,
    Observed,
    Phase,
    Transition,
    TransitionKind,
    level,
    step,
)
from agent.core.model import Severity

WARNING, CRITICAL = Severity.WARNING, Severity.CRITICAL
FIRED, ESCALATED = TransitionKind.FIRED, TransitionKind.ESCALATED
DEESCALATED, RESOLVED = TransitionKind.DEESCALATED, TransitionKind.RESOLVED

OBSERVED = st.sampled_from([None, WARNING, CRITICAL, MISSING])


def follow(
    timeline: Iterable[tuple[int, Observed]], *, for_s: int = 60, keep_s: int = 120, state: ConditionState | None = None
) -> tuple[ConditionState, list[Transition]]:
    """Walk a timeline of (second, observed); the state at its end and every transition on the way."""
    state, told = state or ConditionState(), []
    for second, observed in timeline:
        state, transition = step(state, observed, second * 1000, for_s * 1000, keep_s * 1000)
        if transition is not None:
            told.append(transition)
    return state, told


def at(second: int, kind: TransitionKind, severity: Severity) -> Transition:
    return Transition(kind, severity, second * 1000)


@pytest.mark.parametrize(
    ("value", "current", "expected"),
    [
        (89.9, None, None),
        (90, None, WARNING),
        (97, None, CRITICAL),
        (87.1, WARNING, WARNING),
        (87, WARNING, None),
        (94.1, CRITICAL, CRITICAL),
        (94, CRITICAL, WARNING),
        (96.9, WARNING, WARNING),
        (87.1, CRITICAL, WARNING),
        (87, CRITICAL, None),
        (88, None, None),
        (99, WARNING, CRITICAL),
    ],
)
def test_a_limit_is_left_only_a_margin_below_it(
    value: float, current: Severity | None, expected: Severity | None
) -> None:
    assert level(value, 90, 97, 3, current) is expected


def test_it_fires_after_its_waiting_time_and_resolves_after_the_other() -> None:
    timeline = [(0, WARNING), (59, WARNING), (60, WARNING), (90, None), (209, None), (210, None)]
    state, told = follow(timeline)
    assert told == [at(60, FIRED, WARNING), at(210, RESOLVED, WARNING)]
    assert state == ConditionState()


def test_without_waiting_times_it_fires_and_resolves_at_once() -> None:
    _, told = follow([(0, CRITICAL), (1, None)], for_s=0, keep_s=0)
    assert told == [at(0, FIRED, CRITICAL), at(1, RESOLVED, CRITICAL)]


def test_a_break_while_pending_starts_the_wait_anew() -> None:
    _, told = follow([(0, WARNING), (30, None), (40, WARNING), (70, WARNING), (99, WARNING), (100, WARNING)])
    assert told == [at(100, FIRED, WARNING)]


def test_a_break_shorter_than_keep_firing_is_not_told() -> None:
    state, told = follow([(0, WARNING), (60, WARNING), (90, None), (180, None), (190, WARNING), (400, WARNING)])
    assert told == [at(60, FIRED, WARNING)]
    assert (state.phase, state.since) == (Phase.FIRING, 60_000)


def test_clearing_is_still_firing() -> None:
    state, _ = follow([(0, WARNING), (60, WARNING), (90, None)])
    assert state.phase is Phase.CLEARING
    assert state.firing


def test_missing_data_keeps_every_state() -> None:
    for timeline in ([], [(0, WARNING)], [(0, WARNING), (60, WARNING)], [(0, WARNING), (60, WARNING), (70, None)]):
        state, _ = follow(timeline)
        assert step(state, MISSING, 9_999_000, 60_000, 120_000) == (state, None)


def test_an_episode_goes_on_when_readings_return() -> None:
    _, told = follow([(0, WARNING), (60, WARNING), (70, MISSING), (5000, MISSING), (5010, WARNING)])
    assert told == [at(60, FIRED, WARNING)]


def test_a_rise_while_firing_is_told_at_once_and_a_fall_too() -> None:
    _, told = follow([(0, WARNING), (60, WARNING), (61, CRITICAL), (62, CRITICAL), (63, WARNING)])
    assert told == [at(60, FIRED, WARNING), at(61, ESCALATED, CRITICAL), at(63, DEESCALATED, WARNING)]


def test_a_rise_while_pending_waits_its_own_time() -> None:
    timeline = [(0, WARNING), (30, CRITICAL), (60, CRITICAL), (89, CRITICAL), (90, CRITICAL)]
    _, told = follow(timeline)
    assert told == [at(60, FIRED, WARNING), at(90, ESCALATED, CRITICAL)]


def test_a_spike_while_pending_is_forgotten() -> None:
    timeline = [(0, WARNING), (10, CRITICAL), (20, WARNING), (60, WARNING), (75, WARNING), (76, CRITICAL)]
    _, told = follow(timeline)
    assert told == [at(60, FIRED, WARNING), at(76, ESCALATED, CRITICAL)]


def test_a_rise_that_has_waited_long_enough_fires_as_critical() -> None:
    _, told = follow([(0, WARNING), (10, CRITICAL), (75, CRITICAL)])
    assert told == [at(75, FIRED, CRITICAL)]


def test_a_fall_while_pending_counts_for_the_lower_severity() -> None:
    _, told = follow([(0, CRITICAL), (30, WARNING), (60, WARNING)])
    assert told == [at(60, FIRED, WARNING)]


def test_a_clock_set_back_restarts_the_waits_and_stalls_nothing() -> None:
    _, told = follow([(10_000, WARNING), (100, WARNING), (160, WARNING)])
    assert told == [at(160, FIRED, WARNING)]
    _, told = follow([(9_000, WARNING), (9_060, WARNING), (9_100, None), (100, None), (220, None)])
    assert told == [at(9_060, FIRED, WARNING), at(220, RESOLVED, WARNING)]


def test_a_value_that_hovers_for_an_hour_fires_once_and_resolves_once() -> None:
    state, told = ConditionState(), []
    values = [*(90.5 if second % 60 else 88.5 for second in range(0, 3600, 30)), *[80.0] * 10]
    for index, value in enumerate(values):
        current = state.severity if state.firing else None
        seen = level(value, 90, 97, 3, current)
        state, transition = step(state, seen, index * 30_000, 0, 120_000)
        told += [transition.kind] if transition else []
    assert told == [FIRED, RESOLVED]


def test_time_may_begin_at_zero() -> None:
    state, _ = follow([(0, WARNING)])
    assert state.pending_since == 0
    assert follow([(60, WARNING)], state=state)[1] == [at(60, FIRED, WARNING)]


@given(st.lists(st.tuples(st.integers(0, 1000), OBSERVED), max_size=30))
def test_transitions_always_tell_a_story_that_makes_sense(timeline: list[tuple[int, Observed]]) -> None:
    """Whatever the clock does: fired first, resolved last, and every change of severity in the right direction."""
    told: Severity | None = None
    state = ConditionState()
    for second, observed in timeline:
        state, change = step(state, observed, second * 1000, 60_000, 120_000)
        assert decode(ConditionState, encode(state)) == state
        if change is not None:
            rises = told is not None and change.severity > told
            assert {
                FIRED: told is None, RESOLVED: told is not None, ESCALATED: rises,
                DEESCALATED: told is not None and change.severity < told,
            }[change.kind]
            told = None if change.kind is RESOLVED else change.severity
        assert state.firing == (told is not None)
        assert not state.firing or state.severity is told
