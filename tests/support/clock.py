"""A clock that only the test moves."""

from agent.runtime.clock import VirtualClock

START = 1_790_000_000_000
"""2026-09-21T14:13:20Z."""


class ManualClock(VirtualClock):
    """Begins at a fixed moment, long after any boot."""

    def __init__(self, wall: int = START, monotonic: float = 1_000.0) -> None:
        super().__init__(wall, monotonic)
