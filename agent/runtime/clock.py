"""The real clock, and one that stands still until it is moved. Whoever needs the time is handed one of them."""

import time

from agent.core.clock import SECOND, Instant

NANOSECONDS_PER_MS = 1_000_000


class SystemClock:
    """Reads the machine's clocks: wall time in whole milliseconds, monotonic time in seconds."""

    def now(self) -> Instant:
        """Read both clocks at once."""
        return Instant(time.time_ns() // NANOSECONDS_PER_MS, time.monotonic())


class VirtualClock:
    """Both times stand still until moved. `wall` in UTC milliseconds, `monotonic` in seconds."""

    def __init__(self, wall: int, monotonic: float = 0.0) -> None:
        self._wall = wall
        self._monotonic = monotonic

    def now(self) -> Instant:
        """Read both clocks at once."""
        return Instant(self._wall, self._monotonic)

    def advance(self, seconds: float) -> Instant:
        """Let time pass."""
        self._monotonic += seconds
        return self.jump(seconds)

    def jump(self, seconds: float) -> Instant:
        """Set the wall clock alone, forward or (if negative) backward, as a time server does."""
        self._wall += round(seconds * SECOND)
        return self.now()
