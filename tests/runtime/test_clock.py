import time

from agent.runtime.clock import SystemClock


def test_both_clocks_are_read_in_their_units():
    before = time.time(), time.monotonic()
    now = SystemClock().now()
    after = time.time(), time.monotonic()
    assert int(before[0] * 1_000) <= now.wall <= after[0] * 1_000
    assert before[1] <= now.monotonic <= after[1]
