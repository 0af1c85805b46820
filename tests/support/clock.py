"""A clock that only the test moves."""

from agent.core.clock import SECOND, Instant

START = 1_790_000_000_000
"""2026-09-21T14:13:20Z."""


class ManualClock:
    """Implements `core.clock.Clock`; both times stand still until moved."""

    def __init__(self, wall: int = START, monotonic: float = 1_000.0) -> None:
        self._wall = wall
        self._monotonic = monotonic

    def now(self) -> Instant:
        return Instant(self._wall, self._monotonic)

    def advance(self, seconds: float) -> Instant:
        """Let time pass."""
        self._monotonic += seconds
        self.jump(seconds)
        return self.now()

    def jump(self, seconds: float) -> Instant:
        """Set the wall clock alone, forward or (if negative) backward, as a time server does."""
        self._wall += round(seconds * SECOND)
        return self.now()
