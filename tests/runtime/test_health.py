import pytest

from agent.core.clock import Instant
from agent.runtime.health import Health, deadline_for


@pytest.mark.parametrize(("interval", "deadline"), [(0.2, 10), (3, 10), (10, 30), (60, 180)])
def test_a_step_may_take_three_intervals_but_always_ten_seconds(interval, deadline):
    assert deadline_for(interval) == deadline


def test_only_a_step_that_runs_can_be_stuck():
    idle = Health("disk", 10, 30)
    running = idle.began(Instant(0, 100.0))
    assert not idle.stuck(Instant(0, 1_000.0))
    assert not running.stuck(Instant(0, 130.0))
    assert running.stuck(Instant(0, 130.1))
    assert running.running_for(Instant(0, 130.0)) == 30
    assert not running.ended(Instant(0, 131.0)).stuck(Instant(0, 1_000.0))
